// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <svm/base/construct.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/base/time.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/driver/block_table.hpp>
#include <svm/driver/counter_notice.hpp>
#include <svm/driver/fault_server.hpp>
#include <svm/driver/page_copies.hpp>
#include <svm/driver/page_use.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/driver/thrash_history.hpp>
#include <svm/gpusvm/page_mapper.hpp>
#include <svm/placement/access_counters.hpp>
#include <svm/placement/block_heat.hpp>
#include <svm/placement/density.hpp>
#include <svm/placement/discard.hpp>
#include <svm/placement/eviction_policy.hpp>
#include <svm/placement/page_places.hpp>
#include <svm/placement/sort.hpp>

namespace svm::inline v0 {

/// What services did since the start.
///
/// A service is one pass over one 2 MiB block for one batch.
struct service_counts {
  std::uint64_t fault_services = 0;   ///< services that moved at least one page
  std::uint64_t faults_resident = 0;  ///< distinct pages of a batch that were in the GPU's memory when it began
  std::uint64_t duplicates = 0;       ///< later mentions of a page in the same batch
  std::uint64_t batches = 0;
  std::uint64_t pages_prefetched = 0;  ///< pages that moved along with faulted ones
  std::uint64_t refaults = 0;  ///< pages that faulted, and whose last way out of the GPU's memory was an eviction
  std::uint64_t pages_throttled = 0;   ///< distinct pages of a batch that were told to wait, and CPU faults that were
  std::uint64_t pages_pinned = 0;      ///< pins that a batch or a CPU fault began
  std::uint64_t counter_services = 0;  ///< passes over a block that moved pages because a GPU counted its accesses
  std::uint64_t pages_demoted = 0;     ///< that went back because no counter brought them again
  std::uint64_t pages_duplicated = 0;  ///< copies that the GPU got of pages which stayed in system memory
  std::uint64_t pages_dropped = 0;     ///< discarded pages that an eviction did not copy
};

/// Serves GPU faults page by page, block by block, as the bundle's placement policy says.
///
/// While it lives, `svm_driver::fault` comes here too: each fault is a batch of one. Without it the driver moves whole
/// ranges, as ever. A `mock::full_machine` has one a view, `view::blocks`, where `machine_options::placement` has options.
///
/// Locks: `lock_` (service) is held for a service; it guards everything here.
/// \source uvm_gpu_replayable_faults.c, uvm_va_block.c
template <page_wise_policies P>
class block_service final : private detail::fault_server, private cpu_fault_planner<typename P::mm::page> {
 public:
  using policy = typename P::placement;
  using options = typename policy::options;

  /// \param driver  outlives it; nobody faults on it meanwhile
  /// \param moves   what all GPUs on the address space know of pages that move to and fro; outlives it. Where the options
  ///                ask for that and there is none, the service knows what it did itself, and of the CPU
  block_service(svm_driver<P>& driver, options const& how, thrash_history<P>* moves = nullptr);
  block_service(block_service const&) = delete;
  block_service& operator=(block_service const&) = delete;
  /// \pre nobody faults on the driver
  ~block_service();

  /// Serves a batch: merges faults on one page, and gives each block one service, in ascending order.
  ///
  /// Each fault that was neither throttled nor failed can be repeated now, unless an event came in between.
  /// \param batch  in any order; the answers are written into it
  /// \pre    no lock of the library held
  /// \errors the first one of a fault; the others are served all the same. no_memory for all, when there is none for the
  ///         order of a batch of several
  /// \allocs an array for a batch of more than 256; what is known of each block, which stays; and those of the migrations
  ///         and mappings
  errc serve(std::span<block_fault> batch, cancellation const* cancel = nullptr);
  /// Serves what the GPU's access counters told (rules E1 to E4): pages that it uses from afar come where the policy wants
  /// them. The answers say which regions may count again.
  ///
  /// \param batch  in any order; the answers are written into it
  /// \pre    no lock of the library held
  /// \errors the first one of a notice, as `serve`; the others are served all the same
  /// \allocs as `serve`, but no array
  errc serve_notices(std::span<counter_notice> batch, cancellation const* cancel = nullptr);
  /// As `driver_base::advise`. What the device is said to access is mapped at once where it is, as far as the device reaches
  /// it (rule F4); what could not be mapped waits for its fault.
  ///
  /// \pre    no lock of the library held
  /// \errors those of `driver_base::advise`: nothing has changed
  [[nodiscard]] errc advise(va_range span, span_attributes attributes);
  /// Sets the preferred location of a span, as this device sees it, and leaves what else was said. Nothing moves.
  ///
  /// Of memory that prefers another device, what this one asks for goes there, where a service that it joined says that
  /// it is preferred; else it stays where it is.
  ///
  /// \pre    no lock of the library held
  /// \errors those of `advise`: parts before the one that failed have changed
  [[nodiscard]] errc set_preferred(va_range span, preferred_place where);
  /// Says whether this device uses a span's memory where it is; likewise.
  ///
  /// \pre    no lock of the library held
  /// \errors those of `advise`: parts before the one that failed have changed
  [[nodiscard]] errc set_accessed_by(va_range span, bool is_accessed);

  /// Says whether this device reads a span's memory in copies of its own, which live until somebody writes (rule F3);
  /// likewise. Of a page in the memory of another device the copy is made once it is in system memory.
  ///
  /// \pre    no lock of the library held
  /// \errors unsupported: the mm does not protect pages from writes; those of `advise`: parts before the one that failed
  ///         have changed
  [[nodiscard]] errc set_read_duplicated(va_range span, bool is_duplicated);

  /// Says that nobody wants what a span holds (rule E5). Pages in the device's memory keep their place, but no device maps
  /// them any more; of pages that the device reads in copies it loses the copies. When an eviction takes a page that no device
  /// could write since, nothing is copied, and it is zero; a block of which the device has nothing else goes first. What is
  /// read of a page until somebody writes it is what it held, or zero.
  ///
  /// A page stays as it is that is elsewhere, that another process maps too, or that somebody holds. The mark goes with a
  /// mapping through which a device may write, with a prefetch, and with the page: with its move, its end, or its return.
  ///
  /// \pre    no lock of the library held
  /// \errors misaligned, mm_gone; unsupported: the mm is no `clearing_mm`, or the CPU reaches device memory in place;
  ///         no_memory, no_vma and what mm::collect returns: what came before is discarded
  /// \allocs what is known of each block, which stays, and arrays of an element a page
  [[nodiscard]] errc discard(va_range span);

  /// Makes this service known to another one of the same address space, and to all that the other one knows.
  ///
  /// \param known  of another device; each forgets the other when it ends
  /// \pre this service knows nobody; nobody faults on any of their drivers meanwhile
  void join(block_service& known) { std::swap(next_, known.next_); }

  [[nodiscard]] service_counts counts() {
    exclusive_guard const guard{lock_};
    service_counts all = counts_;
    all.pages_throttled += cpu_waits_.load();
    all.pages_pinned += cpu_pins_.load();
    return all;
  }

  /// Says which pages the device uses, or null; without it `feedback` has no effect.
  ///
  /// \param use  outlives this object
  /// \pre nobody faults meanwhile
  void set_page_use(page_use* use) { use_ = use; }

  /// Unmaps what was pinned or kept elsewhere until now, so that the next access asks again. A batch does so by itself; an
  /// owner with a timer calls this when `next_end` has come.
  ///
  /// \pre no lock of the library held
  void end_due_pins();
  /// The next moment at which `end_due_pins` may have something to do, or nothing.
  ///
  /// \pre no lock of the library held
  [[nodiscard]] std::optional<time_point> next_end();

  /// Calls `visit(cpu_va block, std::uint64_t services)` for each block that was ever served, in no order; services are
  /// those that moved a page.
  ///
  /// \pre `visit` calls nothing of this object
  template <class Visit>
  void for_each_block(Visit&& visit) {
    exclusive_guard const guard{lock_};
    blocks_.for_each([&](block& b) { visit(b.at(), b.services); });
  }
  [[nodiscard]] svm_driver<P>& driver() { return driver_; }

 private:
  static constexpr byte_count block_size = placement::defaults::block_bytes;
  static constexpr unsigned block_pages = static_cast<unsigned>(block_size.value / P::mm::page_size.value);
  static constexpr unsigned group_pages =
      static_cast<unsigned>(placement::defaults::group_bytes.value / P::mm::page_size.value);
  static_assert(block_pages <= page_mask::pages && group_pages >= 1);

  struct block : detail::block_entry<block>, policy::block_data {
    explicit block(cpu_va at) : detail::block_entry<block>(at) {
      this->number = at.value / block_size.value;
      this->where.group_pages = group_pages;
    }
    page_mask evicted{};  ///< pages whose last way out of the device's memory was an eviction
    std::uint64_t services = 0;
    placement::discarded_pages discarded;
    page_mask remote{};    ///< pages that are mapped where they are, because they stay there for a time
    page_mask writable{};  ///< pages that were mapped for writes since they came
    block* next_kept = nullptr;
    bool is_kept = false;  ///< stands in the list of blocks of which a page is remote or held
  };
  /// Where the pages of a block are. The order of faults is chosen by it too.
  struct sight {
    page_mask here{};     ///< in this device's memory
    page_mask present{};  ///< somewhere
    page_mask system{};   ///< in system memory, and in the CPU's page table
    page_mask reached{};  ///< in another device's memory that this one reaches
    bool is_one = false;  ///< the whole block is one piece of system memory
    [[nodiscard]] placement::page_copies copies() const {
      return {.here = here, .system = system, .reached = reached, .beyond = present - here - system - reached};
    }
  };
  /// One service: the faults of one block that lie in one VMA.
  struct service {
    block& of;
    va_range within;  ///< the part of the block that it may touch
    vma_info vma;
    span_attributes attributes{};
    std::uint32_t terms = 0;
    page_mask named{};  ///< faulted pages
    page_mask written{};
    page_mask atomic{};
    sight seen{};
    page_mask faulted{};  ///< those that are not served yet
    page_mask along{};    ///< what the policy adds
    page_mask staying{};  ///< of `faulted`, those that are mapped where they are
    page_mask copied{};   ///< of `staying`, those of which the device gets copies
    page_mask missing{};  ///< of both, what is to move
    page_mask moved{};
    page_mask thrashing{};  ///< of the block
    std::uint32_t actor = 0;
    cancellation const* cancel = nullptr;
    migration_cause why = migration_cause::gpu_fault;
    page_mask* away = nullptr;  ///< becomes what is to go to the device that prefers it; null: it stays where it is
  };
  /// What of a block's faults was counted before.
  enum class first_look : std::uint8_t {
    now,       ///< nothing
    resident,  ///< which pages are there already
    over,      ///< all: a further pass
  };
  /// The part of a block that a range has.
  struct piece {
    page_span pages;  ///< of the block
    [[nodiscard]] page_mask of(page_mask const& all) const { return (all & page_mask{pages}).lowered(pages.first); }
  };

  errc serve_faults(std::span<block_fault> batch, cancellation const* cancel) noexcept override {
    return serve_all(batch, cancel);
  }
  /// The migrator looks into one address space alone: the others' allocations come back whole.
  [[nodiscard]] bool plans_cpu_faults() { return space().mm.id() == env().mm.id(); }
  [[nodiscard]] bool plan(cpu_fault<typename P::mm::page> const& fault, cpu_fault_plan& out) noexcept override;
  void came_back(cpu_fault<typename P::mm::page> const& fault, cpu_fault_plan const& plan) noexcept override;
  errc serve_all(std::span<block_fault> batch, cancellation const* cancel);
  [[nodiscard]] errc serve_sorted(std::span<block_fault> batch, cancellation const* cancel);
  void serve_ordered(std::span<block_fault> batch, std::span<std::uint32_t const> order, cancellation const* cancel);
  void serve_block(std::span<block_fault> batch, std::span<std::uint32_t const> which, first_look looked,
                   cancellation const* cancel);
  [[nodiscard]] errc serve_part(std::span<block_fault> batch, std::span<std::uint32_t const> which, std::size_t& first,
                                first_look looked, page_mask* away, cancellation const* cancel);
  void push(cpu_va first, page_mask const& pages, cancellation const* cancel);
  [[nodiscard]] bool take_preferred(cpu_va at, page_mask const& pages, cancellation const* cancel);
  /// A service of what one mapping of the program has of a block, as far as what was said of it reaches.
  [[nodiscard]] service make_service(block& of, vma_info const& vma, advised_span const& said, std::uint32_t terms,
                                     cancellation const* cancel) {
    va_range const window = driver_.svm().shape().window();
    return {.of = of,
            .within = block_around(of.at()).intersection(vma.extent).intersection(window).intersection(said.within),
            .vma = vma,
            .attributes = said.attributes,
            .terms = terms,
            .cancel = cancel};
  }
  [[nodiscard]] errc run(service& s, first_look looked) SVM_REQUIRES(lock_);
  [[nodiscard]] bool bring(service const& cause, std::uint64_t number) SVM_REQUIRES(lock_);
  void decide(service& s) SVM_REQUIRES(lock_);
  void choose_places(service& s) SVM_REQUIRES(lock_);
  [[nodiscard]] page_mask used_from_afar(service& s, page_mask const& pages) SVM_REQUIRES(lock_);
  void bring_to_system(service const& s, page_mask const& pages) SVM_REQUIRES(lock_);
  [[nodiscard]] errc map_copied(service& s, locked_range<P>& held, piece const& part) SVM_REQUIRES(lock_);
  [[nodiscard]] page_mask duplicate(service& s, locked_range<P>& held, piece const& part, page_mask const& pages)
      SVM_REQUIRES(lock_);
  void note_copied(service const& s, va_range span, page_mask const& pages, move_reason why, time_point began);
  [[nodiscard]] placement::range_policy said_of(span_attributes attributes) const;
  [[nodiscard]] static bool prefers_elsewhere(span_attributes attributes) {
    return attributes.preferred == preferred_place::system || attributes.preferred == preferred_place::another;
  }
  [[nodiscard]] static bool reads_copies(span_attributes attributes) {
    return duplicating_policies<P> && attributes.read_duplicated;
  }
  [[nodiscard]] std::uint64_t room_for(service const& s, page_mask const& resident) SVM_REQUIRES(lock_);
  [[nodiscard]] bool has_room(block const& b, unsigned pages) SVM_REQUIRES(lock_);
  [[nodiscard]] errc serve_noticed(std::span<counter_notice> batch, std::span<std::uint32_t const> which,
                                   std::size_t& first, placement::counted_place& place, cancellation const* cancel);
  [[nodiscard]] page_mask gather_counted(service& s, std::span<counter_notice const> batch,
                                         std::span<std::uint32_t const> which) SVM_REQUIRES(lock_);
  [[nodiscard]] bool is_mapped(va_range span);
  void end_period(cancellation const* cancel) SVM_REQUIRES(lock_);
  void map_at_once(va_range span);
  void map_again(block& b, page_mask const& gone) SVM_REQUIRES(lock_);
  va_range map_accessed(block& b, cpu_va at, va_range around, page_mask const& pages) SVM_REQUIRES(lock_);
  template <class Change>
  [[nodiscard]] errc change_advice(va_range span, Change&& change);
  void make_room(service& s, page_mask const& kept) SVM_REQUIRES(lock_);
  [[nodiscard]] errc discard_in(block& b, va_range part) SVM_REQUIRES(lock_);
  void collapse(block& b, page_mask const& pages) SVM_REQUIRES(lock_);
  [[nodiscard]] bool is_discarded(block& b) SVM_REQUIRES(lock_);
  [[nodiscard]] errc evict(block& from, page_mask const& pages, std::uint32_t actor, cancellation const* cancel)
      SVM_REQUIRES(lock_);
  [[nodiscard]] errc reserve_unit() SVM_REQUIRES(lock_);
  [[nodiscard]] errc move_and_map(service& s) SVM_REQUIRES(lock_);
  [[nodiscard]] errc move_piece(service& s, locked_range<P>& held, piece const& part) SVM_REQUIRES(lock_);
  [[nodiscard]] errc move(service& s, locked_range<P>& held, piece const& part, page_mask const& pages)
      SVM_REQUIRES(lock_);
  [[nodiscard]] errc gather(service& s, locked_range<P>& held, piece const& part, errc why) SVM_REQUIRES(lock_);
  [[nodiscard]] errc map_where_they_are(service& s, locked_range<P>& held, piece const& part, page_mask const& pages,
                                        mapping_access how) SVM_REQUIRES(lock_);
  [[nodiscard]] errc bring_within_reach(service& s, page_mask const& pages) SVM_REQUIRES(lock_);
  void note_moved(service& s, page_mask const& moved) SVM_REQUIRES(lock_);
  [[nodiscard]] errc serve_whole(block_fault const& f, cancellation const* cancel);
  [[nodiscard]] result<lookup<P>> find_range(service const& s, cpu_va at, access_kind want);

  // impl/serve_thrashing.hpp; nothing of it runs without a history.
  [[nodiscard]] bool is_free_for_cpu(cpu_va at, page_mask& thrashing, time_point& until);
  void ask(service& s, std::span<block_fault> faults, std::span<std::uint32_t const> which, first_look looked)
      SVM_REQUIRES(lock_);
  [[nodiscard]] placement::thrash_hint hint_for(service const& s, unsigned page, placement::processor_set copies);
  [[nodiscard]] page_mask placed_by_program(service const& s);
  void note_move(service& s, page_mask const& moved) SVM_REQUIRES(lock_);
  void note_rights(service& s, page_mask const& mapped) SVM_REQUIRES(lock_);
  void keep(block& b, time_point now) SVM_REQUIRES(lock_);
  void look_after_kept() SVM_REQUIRES(lock_);
  void unmap(block& b, page_mask const& pages) SVM_REQUIRES(lock_);

  [[nodiscard]] result<vma_info> find_vma(cpu_va at) {
    shared_guard const map_guard{space().mm.map_lock()};
    return space().mm.find_vma(at);
  }
  [[nodiscard]] sight look(va_range span);
  [[nodiscard]] sight look_with_map_lock(va_range span);
  [[nodiscard]] std::uint64_t count_resident(std::span<block_fault> batch, std::span<std::uint32_t const> which);
  [[nodiscard]] page_mask served_already(service const& s);
  template <class Visit>
  void for_each_range(block const& b, page_mask const& pages, Visit&& visit);
  [[nodiscard]] mapping_access access_of(service const& s) const;

  [[nodiscard]] std::uint32_t batch_number() const SVM_REQUIRES(lock_) {
    return static_cast<std::uint32_t>(counts_.batches);
  }
  [[nodiscard]] bool has_heat() const { return how_.counters == placement::counter_mode::hysteresis; }
  [[nodiscard]] environment<P>& env() { return driver_.memory().env(); }
  [[nodiscard]] svm_environment<P>& space() { return driver_.svm().env(); }
  [[nodiscard]] static cpu_va page_at(cpu_va a) { return a.align_down(P::mm::page_size); }
  [[nodiscard]] static va_range block_around(cpu_va a) { return aligned_block(a, block_size); }
  [[nodiscard]] static unsigned number(cpu_va a) {
    return static_cast<unsigned>(a.value % block_size.value / P::mm::page_size.value);
  }
  [[nodiscard]] static page_span pages_of(va_range part) { return {number(part.start()), number(part.last()) + 1}; }
  [[nodiscard]] static va_range span_of(cpu_va block, page_span pages) {
    return {block + P::mm::page_size * pages.first, P::mm::page_size * pages.size()};
  }

  svm_driver<P>& driver_;
  page_mapper<P> mapper_;
  [[no_unique_address]] detail::copies_slot<P> copies_;
  typename P::lock::template mutex<lock_rank::service> lock_;
  options const how_;
  policy policy_ SVM_GUARDED_BY(lock_);
  detail::block_table<block, typename P::allocator> blocks_ SVM_GUARDED_BY(lock_);
  service_counts counts_ SVM_GUARDED_BY(lock_);
  std::uint64_t moment_ SVM_GUARDED_BY(lock_) = 0;
  unsigned counted_ SVM_GUARDED_BY(lock_) = 0;  // notices of this period
  thrash_history<P> own_moves_;
  thrash_history<P>* const moves_;  ///< null where pages may move to and fro
  page_use* use_ = nullptr;
  block_service* next_ = this;  ///< a ring of those that know each other
  block* kept_ SVM_GUARDED_BY(lock_) = nullptr;
  typename P::lock::template atomic<std::uint64_t> cpu_waits_{0};
  typename P::lock::template atomic<std::uint64_t> cpu_pins_{0};
};

}  // namespace svm::inline v0

#include <svm/driver/impl/advise_spans.hpp>
#include <svm/driver/impl/choose_places.hpp>
#include <svm/driver/impl/discard.hpp>
#include <svm/driver/impl/duplicate.hpp>
#include <svm/driver/impl/make_room.hpp>
#include <svm/driver/impl/serve_batch.hpp>
#include <svm/driver/impl/serve_block.hpp>
#include <svm/driver/impl/serve_counters.hpp>
#include <svm/driver/impl/serve_thrashing.hpp>

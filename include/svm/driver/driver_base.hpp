// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/dump.hpp>
#include <svm/driver/attributes.hpp>
#include <svm/driver/garbage_collector.hpp>
#include <svm/driver/range_memory.hpp>
#include <svm/driver/says_mappings_changed.hpp>
#include <svm/gpusvm/gpusvm.hpp>
#include <svm/gpusvm/page_mapper.hpp>

namespace svm::inline v0 {

/// Where a GPU fault wants the memory to be.
enum class migration_mode : std::uint8_t {
  where_possible,  ///< in device memory where it may go there; mapped where it is otherwise
  never,           ///< mapped where it is
  required,        ///< in device memory, or the fault fails
};

/// Where a prefetch wants the memory to be.
enum class prefetch_place : std::uint8_t { as_fault, system, device };

/// What the ranges of one driver may have; see gpusvm_limits.
struct driver_limits {
  std::uint64_t ranges = UINT64_MAX;
  byte_count device_memory{UINT64_MAX};
};

/// How a driver serves faults; fixed once it is made.
struct driver_options {
  migration_mode migrate = migration_mode::where_possible;
  byte_count check_pages_threshold{64 << 10};  ///< see lookup_options
  duration timeslice{};                        ///< how long a CPU fault leaves migrated memory to the device
  bool read_only = false;                      ///< the GPU never writes
  partial_unmap rest = partial_unmap::evict;   ///< what becomes of a range that was unmapped in part
  bool mixed = false;       ///< system and device pages may stand in one range; a migration moves only what differs
  bool peers_push = false;  ///< in a migration between devices the source copies
  driver_limits limits{};
};

/// One access of a GPU that faulted.
struct fault_request {
  cpu_va at;
  access_kind want = access_kind::read;
};

/// What a prefetch did, beside how it ended.
struct prefetch_report {
  page_count placed{};     ///< mapped, where they are wanted
  page_count elsewhere{};  ///< mapped, but not where they are wanted
};

/// What drivers of GPUs with SVM share: the ranges, the passes that map one for an access, prefetch, attributes, garbage
/// collection.
///
/// A pass collects, looks up, migrates, gets pages and binds; a change of the CPU's mappings meanwhile leads to the
/// next pass, ten at most. Where others have a page locked or pinned, the driver waits without the range's lock, 20 ms
/// in all; that uses up no pass. Any function may be called from any thread. A class derived from this one answers the
/// invalidations, and calls `close` before it ends.
/// \source drivers/gpu/drm/xe/xe_svm.c
template <svm_policies P>
class driver_base : public invalidation_client<P> {
 public:
  static constexpr int max_passes = 10;
  static constexpr int required_migration_tries = 3;

  driver_base(driver_base const&) = delete;
  driver_base& operator=(driver_base const&) = delete;

  [[nodiscard]] gpusvm<P>& svm() { return svm_; }
  /// The migrator of the GPU's memory.
  [[nodiscard]] auto& memory() requires migrating_policies<P> { return memory_.mover(); }
  /// The account of the device memory; null before the first range, and where there is no limit.
  [[nodiscard]] auto* account() const requires migrating_policies<P> { return memory_.account(); }
  /// Moves a range's memory to the device; see range_memory.
  [[nodiscard]] errc migrate_to_device(locked_range<P>& held, typename detail::range_memory<P>::options const& how) {
    return memory_.migrate_to_device(held, how);
  }
  /// Brings every device page in a range's span back to system memory; see range_memory.
  [[nodiscard]] errc evict(locked_range<P>& held, cancellation const* cancel = nullptr) {
    return memory_.evict(held, migration_cause::explicit_migration, cancel);
  }
  [[nodiscard]] garbage_collector<P>& collector() { return collector_; }
  [[nodiscard]] driver_options const& options() const { return options_; }

  /// Maps every VMA's memory in `span` ahead of the GPU's accesses, moving it where it is wanted; holes are skipped.
  ///
  /// \param span    page-aligned
  /// \param report  is added to, also when an error ends the walk
  /// \pre    no lock of the library held
  /// \errors outside_window (also in a hole), no_access, and those of `fault`; what came before the error stays
  /// \source xe_vm.c, prefetch of a CPU mirror VMA
  [[nodiscard]] errc prefetch(va_range span, prefetch_place where, prefetch_report* report = nullptr,
                              cancellation const* cancel = nullptr);

  /// Says where a span's memory is best and what may be done with it; later faults follow it. What is mapped now is
  /// unmapped, so that it is faulted in anew, unless all of the span had the same attributes. A range that ends up with
  /// two attributes is evicted and replaced by the next fault.
  ///
  /// \pre    no lock of the library held
  /// \errors misaligned; those of attribute_map::set: nothing has changed
  /// \source xe_vm_madvise.c
  [[nodiscard]] errc advise(va_range span, span_attributes attributes);
  [[nodiscard]] span_attributes attributes_at(cpu_va a) {
    return attributes_.at(a, aligned_block(a, P::mm::page_size)).attributes;
  }
  /// How many spans something is said of; each has a registration with the mm.
  [[nodiscard]] std::size_t attribute_count() { return attributes_.count(); }

  /// Makes the GPU forget every mapping, after a reset that lost its page tables; the ranges stay.
  ///
  /// \pre no lock of the library held
  void reset() { unmap_all(svm_.shape().window()); }
  /// Makes the GPU forget every mapping and refuses faults with `retry` until `resume`.
  ///
  /// What is in device memory stays there; before the power goes off, evict it with `memory().evict_all()`.
  /// \pre no lock of the library held
  void suspend() {
    terms_.fetch_or(suspended);
    reset();
  }
  void resume() { terms_.fetch_and(~suspended); }

  /// Removes the ranges whose memory the CPU unmapped.
  ///
  /// \pre no lock of the library held
  void collect_garbage() { collector_.run(); }

  /// Prints the options, the attributes, the ranges that wait to be collected, and what `gpusvm::dump` prints.
  ///
  /// \pre    as `gpusvm::dump`; `out` is called with the locks vm, notifier or collector held
  /// \allocs none
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);

  /// Removes everything; every later fault fails with `gone`.
  ///
  /// \pre no lock of the library held
  virtual void close() {
    attributes_.clear();
    collector_.run();
    svm_.close();
    collector_.run();
  }

 protected:
  /// \param from  the migrator of the GPU's memory; an environment for a GPU without
  /// \param env   the address space, and the GPU as it sees it
  driver_base(typename detail::range_memory<P>::origin from, svm_environment<P> const& env, gpusvm_layout const& shape,
              driver_options const& options)
      : options_(options),
        memory_(from, env.memory, options.limits.device_memory),
        svm_(env, shape, *this, {options.limits.ranges}, memory_.readers()),
        collector_(svm_, memory_, options.rest),
        attributes_(svm_.env()) {}
  ~driver_base() = default;

  /// What one fault or one range of a prefetch asks for.
  struct access_request {
    cpu_va at;
    access_kind want;
    prefetch_place where;
    bool is_fault;
    cancellation const* cancel;
    advised_span advice;
    int pass = 0;
  };

  /// \param seen  what a look found around the address
  [[nodiscard]] errc handle(access_request request, va_range& mapped_span, typename gpusvm<P>::sighting seen = {},
                            errc used_up = errc::ok);
  /// Serves a fault. Where the access is allowed already, that is found without a lock, and nothing is written but a use of
  /// device memory.
  [[nodiscard]] errc serve(cpu_va at, access_kind want, cancellation const* cancel);
  /// How many faults of a batch are looked at together.
  static constexpr std::size_t fault_block = 64;
  /// Serves faults together; see `svm_driver::fault_batch`.
  ///
  /// \pre at most fault_block requests, and as many answers
  void serve_block(std::span<fault_request const> requests, std::span<errc> answers, cancellation const* cancel);
  [[nodiscard]] bool is_suspended() const { return (terms_.load() & suspended) != 0; }

  /// Called around what takes mappings from the device although no event of the mm asked for it, with a range's lock
  /// held at most; the calls nest.
  virtual void begin_unmapping() {}
  virtual void end_unmapping() {}

 private:
  template <page_wise_policies Q>
  friend class block_service;

  /// Why memory moves that moves for a request.
  [[nodiscard]] static migration_cause cause_of(access_request const& request) {
    return request.is_fault ? migration_cause::gpu_fault : migration_cause::explicit_migration;
  }
  /// Brings memory together that is in several places.
  [[nodiscard]] errc gather(locked_range<P>& held, access_request const& request) {
    return memory_.evict(held, migration_cause::gather, request.cancel);
  }
  [[nodiscard]] errc serve_missed(cpu_va at, access_kind want, cancellation const* cancel, std::uint32_t terms,
                                  typename gpusvm<P>::glimpse const& seen, typename gpusvm<P>::section& in);
  [[nodiscard]] errc serve_unless_cancelled(cpu_va at, access_kind want, cancellation const& cancel);
  [[nodiscard]] errc serve_at_once(cpu_va at, access_kind want, cancellation const* cancel);
  [[nodiscard]] errc serve_touching(cpu_va at, access_kind want, cancellation const* cancel, std::uint32_t terms,
                                    typename gpusvm<P>::glimpse const& seen, typename gpusvm<P>::section& in,
                                    std::uint32_t flags);
  [[nodiscard]] errc serve_by_passes(cpu_va at, access_kind want, cancellation const* cancel);
  [[nodiscard]] errc serve_by_passes(cpu_va at, access_kind want, cancellation const* cancel,
                                     typename gpusvm<P>::sighting seen, errc used_up = errc::ok);
  [[nodiscard]] bool binds_at_first(access_kind want) const;
  [[nodiscard]] static bool allows(std::uint32_t flags, access_kind want);
  /// Faults that are served together, and what is known of each: a bit.
  struct fault_group {
    std::span<fault_request const> requests;
    std::span<errc> answers;
    std::span<std::uint8_t const> order;  ///< by address, of those that were not answered at the first look
    cancellation const* cancel;
    std::uint32_t terms;         ///< those from before the first look
    std::uint64_t answered = 0;  ///< by what stands in `answers`
    std::uint64_t known = 0;     ///< there was a range at the first look

    [[nodiscard]] fault_request const& request(std::size_t k) const { return requests[order[k]]; }
    [[nodiscard]] bool is_in(std::uint64_t set, std::size_t k) const { return (set >> order[k] & 1) != 0; }
    void answer(std::size_t k, errc e) {
      answers[order[k]] = e;
      answered |= std::uint64_t{1} << order[k];
    }
  };
  void find_hits(fault_group& group);
  [[nodiscard]] std::size_t bind_new(fault_group& group, std::size_t first);
  [[nodiscard]] bool requires_device(access_request const& request) const {
    if (request.want == access_kind::atomic) return true;
    return options_.migrate == migration_mode::required && request.where != prefetch_place::system;
  }
  [[nodiscard]] static bool takes_from_others(access_request const& request) {
    return request.advice.attributes.policy == migration_policy::all_pages || request.want == access_kind::atomic;
  }
  [[nodiscard]] page_options wanted_pages(access_request const& request, bool read_only) const {
    bool const required = requires_device(request);
    return {read_only, required, options_.mixed && !required, nullptr, request.cancel};
  }
  [[nodiscard]] result<lookup<P>> look_up(access_request const& request, std::uint32_t terms,
                                          typename gpusvm<P>::sighting seen);
  [[nodiscard]] bool is_served(access_request const& request, range<P> const& r, std::uint32_t flags) const;
  [[nodiscard]] static mapping_access permitted(access_request const& request) {
    return request.advice.attributes.atomic == atomic_mode::cpu ? mapping_access::no_atomics
                                                                : mapping_access::read_write;
  }
  /// How one pass over a range ended, and whether another may do better.
  struct pass_result {
    errc error;
    bool try_again;
  };
  [[nodiscard]] pass_result run_pass(access_request& request, prefetch_place asked, va_range& mapped_span,
                                     typename gpusvm<P>::sighting seen);
  [[nodiscard]] pass_result told_again(std::uint32_t terms) const;
  [[nodiscard]] pass_result handle_range(access_request const& request, locked_range<P>& held, bool read_only);
  [[nodiscard]] page_options acceptable_pages(access_request const& request, bool read_only) const {
    page_options acceptable = wanted_pages(request, read_only);
    acceptable.devmem_only =
        request.want == access_kind::atomic;  // any other access is served wherever a valid mapping leads
    return acceptable;
  }
  [[nodiscard]] static bool is_placed(access_request const& request, range<P> const& r, std::uint32_t flags);
  [[nodiscard]] errc place(access_request const& request, locked_range<P>& held, bool& in_use);
  [[nodiscard]] bool may_migrate(access_request const& request, locked_range<P>& held);
  [[nodiscard]] typename detail::range_memory<P>::options how_to_migrate(access_request const& request,
                                                                         int attempt) const;
  void unmap_all(va_range span);
  void unmap_failed(locked_range<P>& held);
  void remove_stale(locked_range<P> held);
  [[nodiscard]] result<cpu_va> next_mapped(va_range rest);
  void count(va_range mapped_span, prefetch_place where, prefetch_report& report);

  driver_options const options_;
  detail::range_memory<P> memory_;
  gpusvm<P> svm_;
  garbage_collector<P> collector_;
  attribute_map<P> attributes_;
  static constexpr std::uint32_t suspended = 1;
  static constexpr std::uint32_t one_advice = 2;
  // Under which accesses are served: whether the driver is suspended, and how often the attributes changed.
  typename P::lock::template atomic<std::uint32_t> terms_{0};
};

}  // namespace svm::inline v0

#include <svm/driver/impl/dump.hpp>
#include <svm/driver/impl/fault.hpp>
#include <svm/driver/impl/fault_batch.hpp>
#include <svm/driver/impl/prefetch.hpp>

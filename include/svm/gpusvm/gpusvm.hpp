// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/config.hpp>
#include <svm/base/construct.hpp>
#include <svm/index/chunk_index.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/gpusvm/chunk.hpp>
#include <svm/gpusvm/faulted_in.hpp>
#include <svm/gpusvm/layout.hpp>
#include <svm/gpusvm/lookup.hpp>
#include <svm/gpusvm/notifier.hpp>
#include <svm/gpusvm/range.hpp>
#include <svm/gpusvm/retry_budget.hpp>

namespace svm::inline v0 {

/// One GPU's shared virtual memory: the ranges of an address space that it maps, and the notifiers that watch over
/// them.
///
///     gpusvm      window  [                                                         )
///     notifiers           [ aligned, one size )            [                  )        made on demand
///     ranges                [2M)[64K)[4K)                        [2M)                  chunks of the table
///
/// Every public function may be called from any thread, unless it says otherwise; calls that conflict exclude each
/// other. The object neither moves nor copies, and outlives its callers; the policy objects outlive it.
///
/// Invariants (`check`): 1. notifiers are disjoint, aligned, of the configured size and registered. 2. each has a
/// range. 3. ranges lie inside their notifier and the window, have a size of the table, and are aligned to it.
///
/// Locks: `lock_` (vm) guards the index of notifiers; see base/lock_rank.hpp for the others. `look` takes none. It goes by the
/// tables in a read section, so what it may come to is freed when all sections from before are left: nodes of the indexes,
/// notifiers and ranges, of which the index's reference is dropped then, and the bookkeeping of device memory. What it goes
/// by may change under it. So what it does not find may be there all the same: whoever acts on that looks again with a
/// lock. `all_present_locked` is about the map lock, which clang cannot follow: an mm need not annotate it.
/// \source drm_gpusvm.c
template <explained_policies P>
class gpusvm {
 public:
  using page = typename P::mm::page;

  using read_domain = typename P::lock::read_domain;

  /// \param env      the address space, and the device as it sees it
  /// \param readers  whose sections the device's own memory waits for, too; without it, a use of device memory is told
  ///                 with a notifier's lock held. It outlives the gpusvm
  gpusvm(svm_environment<P> const& env, gpusvm_layout const& shape, invalidation_client<P>& client,
         gpusvm_limits const& limits = {}, read_domain* readers = nullptr)
      : env_(env),
        shape_(shape),
        client_(client),
        touches_in_sections_(readers != nullptr),
        readers_(readers != nullptr ? *readers : own_readers_),
        spare_(env_.memory, limits.ranges),
        range_nodes_(env_.memory, shape.range_layout(), readers_),
        notifier_nodes_(env_.memory, shape.notifier_layout(), readers_),
        notifiers_(notifier_nodes_, shape.window().start()) {}
  gpusvm(gpusvm const&) = delete;
  gpusvm& operator=(gpusvm const&) = delete;
  /// \pre no call is under way
  ~gpusvm() { close(); }

  [[nodiscard]] gpusvm_layout const& shape() const { return shape_; }
  [[nodiscard]] svm_environment<P>& env() { return env_; }

  /// What is around an address: its range, or where there is none the notifier; nothing where there is none of either.
  struct sighting {
    range_ref<P> known;
    notifier_ref<P> around;
    bool is_fresh = false;  ///< nobody has used it
  };
  // A look without a lock, step by step, for a fault that is to be quick.
  using section = typename read_domain::section;
  /// What is around an address, as long as the section is open in which it was seen.
  struct glimpse {
    notifier<P>* around = nullptr;
    range<P>* known = nullptr;
  };
  /// \pre no lock of the library held, and in no section
  [[nodiscard]] section enter_section() {
    settle_events(env_.mm);
    return readers_.enter();
  }
  void leave_section(section& in) { readers_.leave(in); }
  /// \pre in a section
  [[nodiscard]] glimpse glance(cpu_va a) const SVM_NO_THREAD_SAFETY_ANALYSIS;
  /// The same for who looks at many addresses in one section, most often side by side; `seen` is what was seen last.
  void glance(cpu_va a, glimpse& seen) const SVM_NO_THREAD_SAFETY_ANALYSIS;
  /// Tells the device memory of a range, whose mapping's word is `flags`, that it is used; false where that takes a lock.
  ///
  /// \pre in a section
  [[nodiscard]] bool touch_in_section(range<P> const& r, std::uint32_t flags) const {
    return r.pages_.touch_in_section(flags, touches_in_sections_);
  }
  /// Takes references on what was seen, and leaves the section. They are not fresh when all is closed.
  [[nodiscard]] sighting keep(glimpse const& seen, section& in);
  /// True from the beginning of `close` on.
  [[nodiscard]] bool is_closed() const { return closed_.load() != 0; }

  /// Looks what is around an address, unless what is there serves: without a lock, and without a write but where device
  /// memory hears of its use.
  ///
  /// \param served  `bool(range const&, std::uint32_t flags)`, asked in a read section about the range and the word of its
  ///                mapping: true when it needs nothing. The device memory that it maps was told of its use then
  /// \param found   is left alone when it serves
  /// \pre    no lock of the library held; takes notifier (shared) where the memory is of several allocations, or another
  ///         device's
  /// \errors gone; exists: it serves
  /// \allocs none
  template <class Served>
  [[nodiscard]] errc look(cpu_va fault, sighting& found, Served const& served);

  /// Returns the range that covers `fault`, inserting one (and its notifier) when there is none.
  ///
  /// A new range takes the largest chunk that is aligned, holds `fault` and stays inside the VMA, the notifier and the
  /// window; above the page size it meets no other range, and up to the threshold all its pages are present. It owns no
  /// pages yet. A range that exists is returned as it is, with a remark when it reaches outside the VMA.
  ///
  /// \param fault  byte address in the CPU space
  /// \param seen   what `look` found around it, which saves the first look
  /// \pre    no lock of the library held; takes vm, mm (shared), notifier
  /// \errors outside_window; mm_gone; no_vma; read_only (write wanted where the CPU may not write), no_access (the CPU
  ///         may not even read), not_migratable (devmem_only); registration_failed; no_memory; quota_exceeded; busy
  ///         (the mappings changed under every try); interrupted; gone (after `close`). On error nothing was inserted
  /// \allocs at most one notifier, one range and nodes of both indexes. A call that fails frees notifier and range.
  ///         Nodes, at most nodes_per_insert an index, stay for later calls until `close`
  /// \complexity O(levels of the indexes' layouts), and a page walk of at most the threshold for each chunk size
  /// \source drm_gpusvm_range_find_or_insert(); unlike it, the end of the window is outside (3.1.1), a stale range is
  ///         told from a good one (3.1.16), a shortage of memory never shrinks a range (3.1.21)
  [[nodiscard]] result<lookup<P>> find_or_insert(cpu_va fault, lookup_options const& options, sighting seen = {});

  /// As `find_or_insert`, and a new range that may not migrate is mapped and bound in the step that makes it known.
  ///
  /// Its pages are made present, and the device's page table is prepared, while nobody knows of it. Under one hold of
  /// its notifier's lock it is inserted, mapped and bound, if no event and no other range came since. Where that does
  /// not serve, it is inserted all the same, unmapped, and `lookup::is_settled` says whether anything is left to do.
  /// \param how       `bind_options()`, called when a range is made
  /// \param may_bind  `bool()`, called in that hold: who first says that nothing may be bound, and then unmaps what is
  ///                  there, has all of it
  /// \errors as `find_or_insert`
  /// \allocs the same, and those of `get_pages`
  template <class How, class MayBind>
  [[nodiscard]] result<lookup<P>> find_or_bind(cpu_va fault, sighting seen, lookup_options const& options,
                                               How const& how, MayBind const& may_bind);

  /// As the first try of `find_or_bind` at an address around which there is no range, for who need not be told why not.
  ///
  /// \param around  the notifier there
  /// \return ok: there is a range now, and it is bound. Else `find_or_bind` tells what is, and does the rest
  /// \pre as `find_or_bind`; a new range does not migrate
  template <class MayBind>
  [[nodiscard]] errc bind_new(cpu_va fault, notifier<P>& around, lookup_options const& options, bind_options binds,
                              MayBind const& may_bind);

  /// Takes the right to work on a range's pages; waits while another thread has it.
  ///
  /// \pre no lock of rank range or later held
  [[nodiscard]] locked_range<P> lock_range(range_ref<P> r) { return locked_range<P>{env_.mm, std::move(r)}; }

  /// Makes the range's pages present and maps them for the device, or finds them so.
  ///
  /// \pre    takes mm (shared) and notifier (shared)
  /// \errors gone, unmapped, mm_gone; no_vma, no_access, read_only (the CPU's mappings changed); mixed_placement (pages
  ///         in several places: evict, then try again); not_in_device_memory (devmem_only); no_memory, no_ram,
  ///         dma_map_failed; unsupported (memory of a device out of reach); lost; interrupted; in_use; busy (events interfered
  ///         with every try, or for a second). On error the range is not mapped, unless it was and stays so
  /// \allocs none for a span of one run; else an array of an element a run, which is kept, and arrays for the walk beyond
  ///         runs_on_stack runs
  /// \complexity O(pages) at worst, O(runs) beside the walk
  /// \source drm_gpusvm_range_get_pages(); a failure unmaps what it mapped (3.1.3, 3.1.4), retries are bounded (3.1.7),
  ///         a mapping that does not serve the request is made anew (3.1.12)
  [[nodiscard]] errc get_pages(locked_range<P>& held, page_options const& options) {
    return get_pages(held, held->pages_, options);
  }
  /// The same for a mapping that was attached: of another device.
  [[nodiscard]] errc get_pages(locked_range<P>& held, device_mapping<P>& mapping, page_options const& options) {
    device_mapping<P>* const only[] = {&mapping};
    return get_pages(held, only, options);
  }
  /// The same for several mappings of the range: one walk for all of them. A mapping that serves the request already
  /// stays as it is, here and when an event has the call begin again.
  ///
  /// \param mappings  the gpusvm's own, and others that are attached; without `options.owner` the pages of those devices
  ///                  stay where they are that the first one reaches
  /// \errors as above. On error none stays mapped that this call mapped
  /// \source drm_gpusvm_get_pages() for an array of pages objects; there the caller unmaps after an error
  [[nodiscard]] errc get_pages(locked_range<P>& held, std::span<device_mapping<P>* const> mappings,
                               page_options const& options);
  /// The range's mapping for the gpusvm's own device, to be got together with others.
  [[nodiscard]] static device_mapping<P>& own_mapping(locked_range<P>& held) { return held->pages_; }

  /// Makes the range's pages present and maps them for no device; options that are about a mapping have no effect.
  ///
  /// \pre    takes mm (shared)
  /// \errors gone, unmapped, mm_gone, no_vma, no_access, read_only, no_ram, lost, interrupted, in_use, busy, as
  ///         `get_pages`; unsupported (devmem_only). On error the right to work on the range is gone
  /// \allocs none
  /// \complexity O(pages)
  /// \source drm_gpusvm_get_pages() with no_dma_map, where the caller compares the sequence by hand
  [[nodiscard]] result<faulted_in<P>> fault_in(locked_range<P> held, page_options const& options);

  /// Lets a range keep the mapping of another device too: its pages, and its part in every invalidation.
  ///
  /// \param mapping  not mapped, of a device on the same address space; outlives the range's membership, `detach`
  /// \errors gone, exists (attached to a range already)
  [[nodiscard]] errc attach(locked_range<P>& held, device_mapping<P>& mapping);
  /// Unmaps such a mapping and lets it go; does nothing for one that is not attached.
  void detach(locked_range<P>& held, device_mapping<P>& mapping);

  /// Points the device's page table at the range's pages; writes nothing where it does so already, with this access.
  ///
  /// \param permitted  what the device may do, where the pages allow it
  /// \errors retry (an invalidation came first: get the pages again), gone; what `device::prepare` returns
  [[nodiscard]] errc bind(locked_range<P>& held, mapping_access permitted = mapping_access::read_write) {
    return bind(held, held->pages_, permitted);
  }
  [[nodiscard]] errc bind(locked_range<P>& held, device_mapping<P>& mapping,
                          mapping_access permitted = mapping_access::read_write);

  /// True when the range has a mapping that serves the request now. Advisory, unless the notifier's lock is held.
  [[nodiscard]] static bool pages_valid(range<P> const& r, page_options const& options) {
    return r.mapping().satisfies(options);
  }

  /// Makes the device forget the range and ends its DMA mappings; the range stays.
  void unmap_pages(locked_range<P>& held);

  /// Where the range's memory is now; unpopulated also when the address space has exited. Advisory.
  ///
  /// \pre takes mm (shared)
  /// \allocs none
  /// \complexity O(runs) beside the walk
  /// \source drm_gpusvm_scan_mm(); takes and drops its locks in one scope (3.1.25), and system pages have no owner
  [[nodiscard]] residence scan(locked_range<P>& held);
  /// True when some of the range's memory is in that of a device, and not all in that of one. Advisory.
  ///
  /// \pre takes mm (shared)
  [[nodiscard]] bool is_scattered(locked_range<P>& held);

  /// Makes what the CPU wrote visible to a device that is not coherent, or the reverse.
  void sync(locked_range<P>& held, bool to_device);

  /// Takes the range out: unmaps it and drops it from its notifier, and the notifier too when it was the last.
  ///
  /// A call with a reference that is left fails with `gone`. Removing twice does nothing.
  /// \pre no lock of the library held but the one that `held` brings
  /// \source drm_gpusvm_range_remove()
  void remove(locked_range<P> held);

  /// Takes a range out that was unmapped in part, and puts ranges along the chunk table over what the CPU still maps in
  /// its span. Device pages stay where they are; the new ranges are mapped at the next fault.
  ///
  /// Where memory runs short or the mappings change meanwhile, the rest is left for faults to make ranges of.
  /// \pre    as `remove`
  /// \allocs a range, and nodes of the index, for each chunk
  /// \source the reference destroys the range and evicts its pages; it names splitting as future work
  void split(locked_range<P> held);

  /// The range that contains `a`, or nothing.
  ///
  /// \pre  in no section; takes vm and notifier (shared) where there is none
  [[nodiscard]] range_ref<P> find(cpu_va a);
  /// The first range that meets `span`, or nothing.
  [[nodiscard]] range_ref<P> first_in(va_range span);
  /// True when a range meets `span`.
  [[nodiscard]] bool has_mapping(va_range span);
  /// Where the first VMA that meets `span` begins; it may lie before the span.
  ///
  /// \errors no_vma, mm_gone
  [[nodiscard]] result<cpu_va> find_vma_start(va_range span);

  /// Calls `visit(notifier&)` for each notifier that meets `span`, in ascending order.
  ///
  /// \pre `visit` calls nothing of this object; vm is held shared around it
  template <class Visit>
  void for_each_notifier(va_range span, Visit&& visit);
  /// Calls `visit(range const&)` for each range that meets `span`, in ascending order, under the same rule; the
  /// notifier's lock is held shared around it.
  template <class Visit>
  void for_each_range(va_range span, Visit&& visit);

  /// Prints the window, each notifier, each range in it, and the blocks of each mapping; see base/dump.hpp.
  ///
  /// \pre    no lock of rank vm or later held, nor an event under way that waits for the caller; takes vm (shared) and
  ///         notifier (exclusive) around `out`, which may not wait for memory or for an event
  /// \allocs none
  /// \complexity O(ranges + their blocks)
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);

  /// Removes every range and notifier, and refuses new ones.
  ///
  /// It waits for the read sections of now, and frees what waited for them.
  /// \pre no lock of the library held
  /// \source drm_gpusvm_fini(); reaches the top of the address space (3.1.18)
  void close();

  /// The number of notifiers.
  ///
  /// \pre the lock of their index is held, or nothing is under way
  [[nodiscard]] std::size_t notifier_count() const SVM_NO_THREAD_SAFETY_ANALYSIS { return notifiers_.size(); }
  /// The lock of the index of notifiers (vm), for checks that ask whether it is held.
  [[nodiscard]] auto& index_lock() { return lock_; }

  /// Checks the invariants.
  ///
  /// \pre nothing is under way: a notifier that is being dropped is empty for a moment
  [[nodiscard]] bool check();

 private:
  friend class new_ranges<P>;

  struct notifier_traits {
    using entry = notifier<P>;
    using address = cpu_va;
    static va_range interval_of(notifier<P> const& n) { return n.interval(); }
  };
  using range_index = typename notifier<P>::range_index;
  using notifier_index = chunk_index<notifier_traits, typename P::lock, typename P::allocator, chunk_sparse::tables,
                                     detail::sections_of<typename P::lock>>;

  class candidate;
  struct plan;
  [[nodiscard]] static page_count pages_of(range<P> const& r) {
    return pages_in(r.interval().size(), P::mm::page_size);
  }
  /// How many pages of a range are absent, and where the others are.
  struct census {
    std::uint64_t absent = 0, system = 0, here = 0, first_other = 0, further = 0;
  };
  [[nodiscard]] census count_pages(locked_range<P>& held);
  [[nodiscard]] bool all_present_locked(va_range span);
  [[nodiscard]] static errc permits(vma_info const& vma, lookup_options const& options);
  [[nodiscard]] result<vma_info> permitted_vma(cpu_va fault, lookup_options const& options);
  [[nodiscard]] result<lookup<P>> known_range(range_ref<P> known, cpu_va fault, lookup_options const& options);
  [[nodiscard]] result<candidate> make_notifier(cpu_va fault, lookup_options const& options);
  [[nodiscard]] errc make_plan(notifier<P>& home, bool is_fresh, cpu_va fault, lookup_options const& options,
                               plan& made);
  template <class Insert>
  [[nodiscard]] result<lookup<P>> find_or_make(cpu_va fault, sighting seen, lookup_options const& options,
                                               Insert&& insert_made);
  [[nodiscard]] errc prepare_first(notifier<P>& home, va_range span, std::uint64_t sequence, page_options const& wanted,
                                   detail::walked_runs<typename P::mm, typename P::allocator>& found,
                                   typename device_mapping<P>::resources& space);
  struct first_bind;
  template <class MayBind, class Insert>
  [[nodiscard]] errc insert_bound(notifier<P>& home, range<P>& made, va_range span, std::uint64_t sequence,
                                  bind_options const& binds, MayBind const& may_bind, first_bind& outcome,
                                  Insert const& insert);
  template <class Then>
  [[nodiscard]] errc insert(candidate& home, range<P>& made, std::uint64_t sequence, Then const& then);
  template <class Then>
  [[nodiscard]] errc insert(notifier<P>& home, range<P>& made, std::uint64_t sequence, Then const& then);
  template <class Then>
  [[nodiscard]] errc insert_first(candidate& home, range<P>& made, std::uint64_t sequence, Then const& then);
  [[nodiscard]] errc insert_locked(notifier<P>& home, typename range_index::reserved_nodes* room, range<P>& made,
                                   std::uint64_t sequence) SVM_REQUIRES(home.lock_);
  void unmap_locked(notifier<P>& home, range<P>& r) SVM_REQUIRES_SHARED(home.lock_);
  [[nodiscard]] result<range<P>*> make_range(notifier<P>& home, va_range chunk, bool migratable);
  [[nodiscard]] result<range<P>*> make_range(notifier<P>& home, va_range chunk, bool migratable, errc failed);
  template <class Served>
  [[nodiscard]] bool touch_if_served(range<P>& r, Served const& served);
  void end_sections();
  void take_out(locked_range<P> held, bool& last);
  [[nodiscard]] errc insert_rest(notifier<P>& home, va_range chunk, bool migratable, std::uint64_t sequence);
  void drop_if_empty(notifier<P>& n);

  svm_environment<P> env_;
  gpusvm_layout const shape_;
  invalidation_client<P>& client_;
  bool const touches_in_sections_;
  [[no_unique_address]] read_domain own_readers_;
  read_domain& readers_;
  typename notifier<P>::spare_ranges spare_;
  typename range_index::pool range_nodes_;
  typename notifier_index::pool notifier_nodes_;
  typename P::lock::template shared_mutex<lock_rank::vm> lock_;
  notifier_index notifiers_ SVM_GUARDED_BY(lock_);
  typename P::lock::template atomic<std::uint32_t> closed_{0};  // set with `lock_` held exclusive
};

}  // namespace svm::inline v0

#include <svm/gpusvm/impl/dump.hpp>
#include <svm/gpusvm/impl/find_or_insert.hpp>
#include <svm/gpusvm/impl/get_pages.hpp>
#include <svm/gpusvm/impl/look.hpp>
#include <svm/gpusvm/impl/remove.hpp>
#include <svm/gpusvm/impl/scan.hpp>
#include <svm/gpusvm/impl/split.hpp>
#include <svm/gpusvm/impl/visit.hpp>

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/base/construct.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/pagemap/devmem.hpp>
#include <svm/pagemap/evict.hpp>
#include <svm/pagemap/transfer.hpp>

namespace svm::inline v0 {

/// Moves memory between the system and one device, and back on CPU faults or memory pressure.
///
/// Any function may be called from any thread. The migrator, and the policy objects, outlive every page of the device's
/// memory.
///
/// Locks: `list` (leaf_device_memory) guards the list of finished allocations, oldest first. Migrations take the mm's
/// map lock (shared) and page locks; eviction takes page locks only.
/// \source drm_pagemap.c
template <policies P>
class migrator {
 public:
  using page = typename P::mm::page;
  using slot = migration_slot<page>;
  using devmem_ref = counted_ref<devmem<P>>;

  explicit migrator(environment<P> env) : env_(env) {}
  migrator(migrator const&) = delete;
  migrator& operator=(migrator const&) = delete;

  [[nodiscard]] environment<P>& env() { return env_; }

  /// Moves all pages of `span` from system memory to one new allocation in device memory: all of them or none.
  ///
  /// Holes and zero pages become cleared device pages. Once its pages were looked at, no device has a mapping of the
  /// span, whatever the outcome. Room is made first, by evicting older allocations, also when the migration then fails.
  ///
  /// \param span       page-aligned, inside one VMA of migratable memory
  /// \param timeslice  how long a CPU fault leaves the pages to the device, counted from the end of the copy
  /// \pre    the caller holds a user reference on the mm and no lock beyond rank range
  /// \errors no_device_memory, no_memory, no_vma, spans_vmas, not_migratable, busy (a page was locked, pinned or in
  ///         device memory already), dma_map_failed, copy_failed: nothing moved and the allocation is released; busy
  ///         also when pages raced away in the final step: the others have moved
  /// \allocs one devmem and three arrays of an element a page, released but for the devmem and its pages
  /// \source drm_pagemap_migrate_to_devmem(); raw pages are never decoded as anything else (erratum 3.2.1), what moved
  ///         is counted (3.2.2), the allocation has one owner whatever fails (3.2.3)
  [[nodiscard]] errc migrate_to_device(va_range span, duration timeslice);

  /// Brings what `fault.page` shares its allocation with back to system memory, as far as it lies in the same VMA;
  /// always the faulting page, also when memory is short.
  ///
  /// \pre the map lock is held shared by the fault; takes page locks
  /// \source drm_pagemap.c, __drm_pagemap_migrate_to_ram()
  [[nodiscard]] cpu_fault_answer bring_back(devmem<P>& allocation, cpu_fault<page> const& fault);

  /// Brings all pages of an allocation back to system memory, wherever they are mapped; looks at no VMA and no mm.
  ///
  /// \pre    no lock beyond rank range held; the caller has a reference on `allocation`
  /// \errors no_ram, no_memory, dma_map_failed, copy_failed, busy: pages that did not move are intact in device memory
  /// \source drm_pagemap_evict_to_ram(); no mm reference is needed (erratum 3.2.5), no empty job is copied (3.2.4)
  [[nodiscard]] errc evict(devmem<P>& allocation) { return evict_allocation(*this, allocation); }

  /// Brings every device page that the page table has in `span` back to system memory, under PROT_NONE too; holes stay
  /// holes.
  ///
  /// \pre    no lock beyond rank range held; takes the map lock shared, and page locks
  /// \errors as `evict`
  /// \source drm_gpusvm_range_evict(); walks no VMA, populates no hole and waits for no timeslice (erratum 3.1.10)
  [[nodiscard]] errc evict_span(va_range span) { return svm::evict_span(*this, span); }

  /// Evicts finished allocations, the one made first going first, until `size` bytes are available.
  ///
  /// Memory that another migration is filling counts as taken: it is nobody's to evict yet.
  ///
  /// \errors no_device_memory: `size` exceeds the capacity (and nothing was evicted), or every allocation was tried
  [[nodiscard]] errc make_room(byte_count size);

  /// The finished allocation that holds `wanted`, or nothing; linear in the device's memory.
  [[nodiscard]] devmem_ref find_slow(page wanted);
  /// Evicts every finished allocation, oldest first; one that cannot move does not stop the others.
  ///
  /// \errors the first one met
  [[nodiscard]] errc evict_all();

 private:
  friend class devmem<P>;
  [[nodiscard]] result<devmem_ref> build(byte_count size);
  void enlist(devmem<P>& allocation);
  void unlist(devmem<P>& allocation);
  /// A walk over the list in which each allocation is picked once, however many walks there are: those made up to now.
  struct victim_cursor {
    std::uint64_t done;
    std::uint64_t last;
  };
  [[nodiscard]] victim_cursor all_victims();
  [[nodiscard]] devmem_ref next_victim(victim_cursor& cursor);
  [[nodiscard]] errc move_in(va_range span, devmem<P>& allocation, transfer<P>& work, duration timeslice);
  [[nodiscard]] errc load_blocks(transfer<P>& work, devmem<P>& allocation);

  environment<P> env_;
  typename P::lock::template mutex<lock_rank::leaf_device_memory> list_lock_;
  intrusive_list<devmem<P>> finished_;  // under list_lock_; ascending by serial number, which is oldest first
  std::uint64_t last_serial_ = 0;       // under list_lock_
};

template <policies P>
void migrator<P>::enlist(devmem<P>& allocation) {
  exclusive_guard const guard{list_lock_};
  allocation.serial_ = ++last_serial_;
  finished_.push_back(allocation);
}

template <policies P>
void migrator<P>::unlist(devmem<P>& allocation) {
  exclusive_guard const guard{list_lock_};
  if (std::exchange(allocation.serial_, 0) == 0) return;
  finished_.erase(allocation);
}

template <policies P>
auto migrator<P>::next_victim(victim_cursor& cursor) -> devmem_ref {
  exclusive_guard const guard{list_lock_};
  for (devmem<P>* d = finished_.front(); d != nullptr && d->serial_ <= cursor.last; d = finished_.next(*d))
    if (d->serial_ > cursor.done && d->try_get()) {
      cursor.done = d->serial_;
      return devmem_ref::adopt(*d);
    }
  return {};
}

template <policies P>
auto migrator<P>::all_victims() -> victim_cursor {
  exclusive_guard const guard{list_lock_};
  return {0, last_serial_};
}

template <policies P>
auto migrator<P>::find_slow(page wanted) -> devmem_ref {
  exclusive_guard const guard{list_lock_};
  for (devmem<P>* d = finished_.front(); d != nullptr; d = finished_.next(*d))
    for (auto const& candidate : d->pages())
      if (candidate == wanted && d->try_get()) return devmem_ref::adopt(*d);
  return {};
}

template <policies P>
errc migrator<P>::evict_all() {
  victim_cursor cursor = all_victims();
  errc first = errc::ok;
  while (devmem_ref const victim = next_victim(cursor))
    if (errc const e = evict(*victim); e != errc::ok && first == errc::ok) first = e;
  return first;
}

template <policies P>
errc migrator<P>::make_room(byte_count size) {
  if (size > env_.pagemap.capacity()) return errc::no_device_memory;
  victim_cursor cursor = all_victims();
  while (env_.pagemap.available() < size) {
    devmem_ref const victim = next_victim(cursor);
    if (!victim) break;
    env_.observer.record({event_kind::evicted, {cpu_va{}, victim->size()}, victim->size()});
    static_cast<void>(evict(*victim));  // one that cannot move is passed over
  }
  return env_.pagemap.available() < size ? errc::no_device_memory : errc::ok;
}

template <policies P>
auto migrator<P>::build(byte_count size) -> result<devmem_ref> {
  if (errc const e = make_room(size); e != errc::ok) return e;
  auto memory = env_.pagemap.allocate(size);
  if (!memory) return memory.error();
  device_allocation<P> allocation{env_.pagemap, std::move(memory).value()};
  devmem<P>* const made = construct<devmem<P>>(env_.memory, *this, std::move(allocation), size);
  if (made == nullptr) return errc::no_memory;
  made->get();  // the zdd's reference
  devmem_ref ref = devmem_ref::adopt(*made);
  if (errc const e = made->populate(); e != errc::ok) {
    made->behind_pages().built();
    return e;
  }
  return ref;
}

/// Adopts a device page for each collected slot, and gathers the copy job.
template <policies P>
errc migrator<P>::load_blocks(transfer<P>& work, devmem<P>& allocation) {
  for (std::size_t i = 0; slot & s : work.slots()) {
    page const device = allocation.pages()[i++];
    allocation.behind_pages().adopt(env_.mm, device);
    s.destination = device;
    if (s.state != slot_state::collected) continue;
    if (errc const e = work.add_block(s.source, device, dma_direction::to_device); e != errc::ok) return e;
  }
  return errc::ok;
}

template <policies P>
errc migrator<P>::migrate_to_device(va_range span, duration timeslice) {
  result<devmem_ref> const built = build(span.size());
  if (!built) return built.error();
  devmem<P>& allocation = **built;
  // From here on the allocation goes with its last page, or here when no page came to life.
  scope_guard const finish{[&allocation] { allocation.behind_pages().built(); }};

  transfer<P> work{env_};
  if (!work.reserve(pages_in(span.size(), P::mm::page_size).value)) return errc::no_memory;
  errc const e = move_in(span, allocation, work, timeslice);
  if (allocation.behind_pages().live() > 1) enlist(allocation);
  return e;
}

/// The part of `migrate_to_device` that runs with the map lock and page locks held.
template <policies P>
errc migrator<P>::move_in(va_range span, devmem<P>& allocation, transfer<P>& work, duration timeslice) {
  shared_guard const map_guard{env_.mm.map_lock()};
  result<vma_info> const vma = env_.mm.find_vma(span.start());
  if (!vma) return vma.error();
  if (!vma->extent.contains(span)) return errc::spans_vmas;
  if (!vma->migratable) return errc::not_migratable;

  // The order is the undo: DMA mappings end first, then the session unlocks the pages, then the map lock goes.
  typename P::mm::migration session{};
  scope_guard const unmap{[&work] { work.unmap_all(); }};
  if (errc const e = env_.mm.collect(session, span, work.slots()); e != errc::ok) return e;
  for (slot const& s : work.slots())
    if (!s.is_collected()) return errc::busy;
  if (errc const e = load_blocks(work, allocation); e != errc::ok) return e;
  if (!work.job().empty())
    if (errc const e = env_.pagemap.copy_to_device(work.job()); e != errc::ok) return e;

  allocation.start_timeslice(env_.clock.now() + timeslice);
  env_.mm.install(session);
  for (slot const& s : work.slots())
    if (!s.is_collected()) return errc::busy;
  env_.observer.record({event_kind::migrated_to_device, span, work.bytes()});
  return errc::ok;
}

template <policies P>
cpu_fault_answer migrator<P>::bring_back(devmem<P>& allocation, cpu_fault<page> const& fault) {
  using action = cpu_fault_answer::action;
  if (is_before(env_.clock.now(), allocation.timeslice_end())) return {action::wait, allocation.timeslice_end()};

  transfer<P> work{env_};
  if (work.reserve(allocation.pages().size())) {
    // The faulting page goes first: it is the one that must move when memory runs short.
    std::size_t next = 1;
    for (page const p : allocation.pages()) work.slots()[p == fault.page ? 0 : next++].source = p;
  } else {
    work.slots()[0].source = fault.page;
  }
  to_system<P> const back{*this, work, &fault.vma, fault.page, shortage::move_what_fits};
  typename to_system<P>::outcome const outcome = back.run();
  if (outcome.moved.value != 0) {
    env_.observer.record(
        {event_kind::migrated_to_system, aligned_block(fault.address, P::mm::page_size), outcome.bytes});
    return {};
  }
  // A page that went meanwhile, or that somebody else is moving, is looked for again, whatever its neighbours met.
  slot_state const state = work.slots()[0].state;
  if (state != slot_state::collected && state != slot_state::pinned) return {};
  return {action::fail, {}, outcome.error == errc::ok ? errc::busy : outcome.error};
}

}  // namespace svm::inline v0

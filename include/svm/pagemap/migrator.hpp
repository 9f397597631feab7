// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/config.hpp>
#include <svm/base/construct.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/pagemap/devmem.hpp>
#include <svm/pagemap/evict.hpp>
#include <svm/pagemap/transfer.hpp>

namespace svm::inline v0 {

/// Who is told that nobody refers to a migrator any more: its owner may end it now, or keep it for the next one.
template <policies P>
class migrator_keeper {
 public:
  /// Comes with the last put, from any context: takes leaf locks only and does not sleep.
  virtual void idle(migrator<P>& unused) noexcept = 0;

 protected:
  ~migrator_keeper() = default;
};

/// Moves memory between the system, one device and its peers, and back on CPU faults or memory pressure, for all
/// address spaces of the machine.
///
/// Counted: by its owner, and by each allocation of device memory, which may outlive what bound the device to its
/// driver. Any function may be called from any thread. The policy objects outlive it.
///
/// Locks: `list` (leaf_device_memory) guards the list of finished allocations, oldest first. Migrations take the mm's
/// map lock (shared) and page locks; eviction takes page locks only.
/// \source drm_pagemap.c, struct drm_pagemap
template <policies P>
class migrator {
 public:
  using mm = typename P::mm;
  using page = typename P::mm::page;
  using slot = migration_slot<page>;
  using devmem_ref = counted_ref<devmem<P>>;

  explicit migrator(environment<P> env, migrator_keeper<P>* keeper = nullptr) : env_(env), keeper_(keeper) {}
  migrator(migrator const&) = delete;
  migrator& operator=(migrator const&) = delete;
  /// \pre no allocation is left
  ~migrator() { SVM_ASSERT(references_.value() <= 1); }

  [[nodiscard]] environment<P>& env() { return env_; }

  /// How many references there are: the owner's, one of each allocation, and one of each mapping of its memory. Advisory.
  [[nodiscard]] std::uint32_t references() const { return references_.value(); }
  void get() { references_.get(); }
  /// Takes a reference unless nobody has one any more.
  [[nodiscard]] bool try_get() { return references_.try_get(); }
  /// Drops a reference; the last one tells the keeper.
  void put() {
    if (references_.put() && keeper_ != nullptr) keeper_->idle(*this);
  }
  /// Brings a migrator that is idle back to life, with one reference.
  void revive() {
    unbound_.store(0);
    references_.restart();
  }

  /// Moves the pages of `span` to one new allocation in device memory: all of them or none.
  ///
  /// Pages come from system memory and from peers; holes and zero pages become cleared device pages; folios stay whole
  /// where the device has blocks so large. When all pages are here already, nothing happens. Else, once its pages were
  /// looked at, no device has a mapping of the span, whatever the outcome. Room is made first, by evicting older
  /// allocations, also when the migration then fails.
  ///
  /// \param space  the address space; the caller holds a user reference on it
  /// \param span   page-aligned, inside one VMA of migratable memory
  /// \pre    no lock beyond rank range held
  /// \errors device_gone (after `unbind`), quota_exceeded, no_device_memory, no_memory, interrupted, no_vma, spans_vmas,
  ///         not_migratable, shared, busy (a page was locked, pinned, swapped out, or in this memory already, where the
  ///         options do not allow that), dma_map_failed, copy_failed: nothing moved and the allocation is released; busy
  ///         also when pages raced away in the final step: the others have moved
  /// \allocs one devmem and four arrays of an element a page, released but for the devmem and its pages
  /// \complexity O(pages), and the evictions
  /// \source drm_pagemap_migrate_to_devmem(); raw pages are never decoded as anything else (erratum 3.2.1), what moved
  ///         is counted in base pages (3.2.2, 3.2.14), the allocation has one owner whatever fails (3.2.3)
  [[nodiscard]] errc migrate_to_device(mm& space, va_range span, migrate_options<P> const& options);

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

  /// Brings every device page that the page table has in `span` back to system memory, of whichever device, under
  /// PROT_NONE too; holes stay holes. Pages of other drivers stay.
  ///
  /// \pre    no lock beyond rank range held; takes the map lock shared, and page locks
  /// \errors as `evict`, and interrupted
  /// \source drm_gpusvm_range_evict(); walks no VMA, populates no hole and waits for no timeslice (erratum 3.1.10)
  [[nodiscard]] errc evict_span(mm& space, va_range span, cancellation const* cancel = nullptr) {
    return svm::evict_span(env_, space, span, cancel);
  }

  /// Evicts finished allocations, the one made first going first, until `size` bytes are available.
  ///
  /// Memory that another migration is filling counts as taken: it is nobody's to evict yet.
  ///
  /// \errors no_device_memory: `size` exceeds the capacity (and nothing was evicted), or every allocation was tried;
  ///         interrupted
  [[nodiscard]] errc make_room(byte_count size, cancellation const* cancel = nullptr);

  /// The finished allocation that holds `wanted`, or nothing; linear in the device's memory.
  [[nodiscard]] devmem_ref find_slow(page wanted);
  /// Evicts every finished allocation, oldest first; one that cannot move does not stop the others.
  ///
  /// \errors the first one met
  [[nodiscard]] errc evict_all();

  /// Ends the device's bond to its driver: every later migration fails with device_gone, and what is in device memory
  /// goes to system memory. Allocations that could not move keep the migrator alive until their pages go.
  ///
  /// \pre    no lock of the library held
  /// \errors the first one that an eviction met; calling again tries what is left
  /// \source the device's unbind in drm_pagemap: populate_mm is refused with -ENODEV, pages are drained
  [[nodiscard]] errc unbind() {
    unbound_.store(1);
    return evict_all();
  }
  [[nodiscard]] bool is_bound() const { return unbound_.load() == 0; }

 private:
  friend class devmem<P>;
  [[nodiscard]] result<devmem_ref> build(byte_count size, migrate_options<P> const& options);
  void enlist(devmem<P>& allocation);
  void unlist(devmem<P>& allocation);
  /// A walk over the list in which each allocation is picked once, however many walks there are: those made up to now.
  struct victim_cursor {
    std::uint64_t done;
    std::uint64_t last;
  };
  [[nodiscard]] victim_cursor all_victims();
  [[nodiscard]] devmem_ref next_victim(victim_cursor& cursor);

  /// One migration: the parts of `migrate_to_device`.
  class move_in;

  environment<P> env_;
  migrator_keeper<P>* const keeper_;
  typename P::lock::template mutex<lock_rank::leaf_device_memory> list_lock_;
  intrusive_list<devmem<P>> finished_ SVM_GUARDED_BY(list_lock_);  // ascending by serial number, which is oldest first
  std::uint64_t last_serial_ SVM_GUARDED_BY(list_lock_) = 0;
  typename P::lock::template atomic<std::uint32_t> unbound_{0};
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
};

template <policies P>
using migrator_ref = counted_ref<migrator<P>>;

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
    for (device_page<page> const& candidate : d->pages())
      if (candidate.page == wanted && d->try_get()) return devmem_ref::adopt(*d);
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
errc migrator<P>::make_room(byte_count size, cancellation const* cancel) {
  if (size > env_.pagemap.capacity()) return errc::no_device_memory;
  victim_cursor cursor = all_victims();
  while (env_.pagemap.available() < size) {
    if (is_cancelled(cancel)) return errc::interrupted;
    devmem_ref const victim = next_victim(cursor);
    if (!victim) break;
    env_.observer.record({event_kind::evicted, {cpu_va{}, victim->size()}, victim->size()});
    static_cast<void>(evict(*victim));  // one that cannot move is passed over
  }
  return env_.pagemap.available() < size ? errc::no_device_memory : errc::ok;
}

template <policies P>
auto migrator<P>::build(byte_count size, migrate_options<P> const& options) -> result<devmem_ref> {
  device_account_ref<P> account;
  if (options.account != nullptr) {
    if (!options.account->charge(size)) return errc::quota_exceeded;
    account = device_account_ref<P>::share(*options.account);
  }
  scope_guard uncharge{[&] {
    if (account) account->uncharge(size);
  }};
  if (errc const e = make_room(size, options.cancel); e != errc::ok) return e;
  auto memory = env_.pagemap.allocate(size);
  if (!memory) return memory.error();
  uncharge.dismiss();  // the allocation does it from here on
  device_allocation<P> allocation{env_.pagemap, std::move(memory).value(), size, std::move(account)};
  devmem<P>* const made = construct<devmem<P>>(env_.memory, *this, std::move(allocation), size, options.piecewise);
  if (made == nullptr) return errc::no_memory;
  made->get();  // the zdd's reference
  devmem_ref ref = devmem_ref::adopt(*made);
  if (errc const e = made->populate(); e != errc::ok) {
    made->behind_pages().built();
    return e;
  }
  return ref;
}

template <policies P>
cpu_fault_answer migrator<P>::bring_back(devmem<P>& allocation, cpu_fault<page> const& fault) {
  using action = cpu_fault_answer::action;
  if (is_before(env_.clock.now(), allocation.timeslice_end())) return {action::wait, allocation.timeslice_end()};

  transfer<P> work{env_};
  std::size_t faulting = 0;
  if (work.reserve(allocation.pages().size())) {
    for (std::size_t i = 0; device_page<page> const& p : allocation.pages()) {
      if (p.page == fault.page) faulting = i;
      work.slots()[i++].source = p.page;
    }
  } else {
    work.slots()[0].source = fault.page;
  }
  move_outcome const outcome = to_system<P>{env_.mm, work, &fault.vma, fault.page, shortage::move_what_fits}.run();
  if (outcome.moved.value != 0) {
    env_.observer.record(
        {event_kind::migrated_to_system, aligned_block(fault.address, P::mm::page_size), outcome.bytes});
    return {};
  }
  // A page that went meanwhile, or that somebody else is moving, is looked for again, whatever its neighbours met.
  slot_state const state = work.slots()[faulting].state;
  if (state != slot_state::collected && state != slot_state::pinned) return {};
  return {action::fail, {}, outcome.error == errc::ok ? errc::busy : outcome.error};
}

}  // namespace svm::inline v0

#include <svm/pagemap/migrate.hpp>

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <svm/config.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/pagemap/cpu_fault_planner.hpp>
#include <svm/pagemap/devmem.hpp>
#include <svm/pagemap/held_memory.hpp>
#include <svm/pagemap/impl/evict.hpp>
#include <svm/pagemap/page_wait.hpp>
#include <svm/pagemap/transfer.hpp>

namespace svm::inline v0 {

/// The owner of a migrator, which hears of the last put: it may end the migrator now, or keep it for the next user.
template <migrating_policies P>
class migrator_owner {
 public:
  /// Comes with the last put, from any context: takes leaf locks only and does not sleep.
  virtual void on_last_put(migrator<P>& unused) noexcept = 0;

 protected:
  ~migrator_owner() = default;
};

/// Which allocation makes room first when device memory is short.
enum class eviction_order : std::uint8_t {
  oldest,   ///< the one made first
  touched,  ///< the one that a device used longest ago
};

/// When the generation that a use is stamped with goes on. A use is a fault, a prefetch or a mapping, never an access.
enum class touch_precision : std::uint8_t {
  coarse,  ///< with each allocation made: uses between two of them count as one
  exact,   ///< with each use too, so that all uses are in order; a word that every fault may write
};

/// How a migrator chooses what makes room.
struct migrator_options {
  eviction_order order = eviction_order::oldest;
  touch_precision precision = touch_precision::coarse;
};

/// Moves memory between the system, one device and its peers, and back on CPU faults or memory pressure, for all
/// address spaces of the machine.
///
/// Counted: by its owner, and by each allocation of device memory, which may outlive what bound the device to its
/// driver. Any function may be called from any thread. The policy objects outlive it.
///
/// Locks: `list_lock_` (leaf_device_memory) guards the list of finished allocations, first victim first. Migrations take the mm's
/// map lock (shared) and page locks; eviction takes page locks only.
/// \source drm_pagemap.c, struct drm_pagemap
template <explained_migrating_policies P>
class migrator {
 public:
  using mm = typename P::mm;
  using page = typename P::mm::page;
  using slot = migration_slot<page>;
  using devmem_ref = counted_ref<devmem<P>>;

  explicit migrator(environment<P> env, migrator_owner<P>* owner = nullptr, migrator_options const& options = {})
      : env_(env), owner_(owner), options_(options), kept_(env_.memory, taken_) {}
  migrator(migrator const&) = delete;
  migrator& operator=(migrator const&) = delete;
  /// \pre no allocation is left; no lock of the library held
  ~migrator() {
    readers_.synchronize();
    SVM_ASSERT(references_.value() <= 1);
  }

  [[nodiscard]] environment<P>& env() { return env_; }
  /// What the bookkeeping of an allocation waits for when its memory has gone back: who is in a section may touch it.
  [[nodiscard]] auto& readers() { return readers_; }
  [[nodiscard]] detail::kept_arrays<P>& kept() { return kept_; }

  /// How many references there are: the owner's, one of each allocation, and one of each mapping of its memory. Advisory.
  [[nodiscard]] std::uint32_t references() const { return references_.value(); }
  void get() { references_.get(); }
  /// Takes a reference unless none is left.
  [[nodiscard]] bool try_get() { return references_.try_get(); }
  /// Drops a reference; the last one tells the owner.
  void put() {
    if (references_.put() && owner_ != nullptr) owner_->on_last_put(*this);
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
  ///         not_migratable, shared, in_use (others have a page locked or pinned, also one of an allocation that should
  ///         make room), busy (a page was swapped out, out of reach, or in this memory already, where the options do
  ///         not allow that), dma_map_failed, copy_failed: nothing moved and the allocation is released; busy
  ///         also when pages raced away in the final step: the others have moved
  /// \allocs one devmem with its pages; arrays of an element a page, released or kept for the next migration
  /// \complexity O(pages), and the evictions
  /// \source drm_pagemap_migrate_to_devmem(); raw pages are never decoded as anything else (erratum 3.2.1), what moved
  ///         is counted in base pages (3.2.2, 3.2.14), the allocation has one owner whatever fails (3.2.3)
  [[nodiscard]] errc migrate_to_device(mm& space, va_range span, migrate_options<P> const& options);

  /// Brings what `fault.page` shares its allocation with back to system memory, as far as the VMA of the fault maps it;
  /// always the faulting page, also when memory is short.
  ///
  /// \pre the map lock is held shared by the fault; takes page locks
  /// \source drm_pagemap.c, __drm_pagemap_migrate_to_ram()
  [[nodiscard]] cpu_fault_answer bring_back(devmem<P>& allocation, cpu_fault<page> const& fault);
  /// Has somebody else say what comes back with the page of a CPU fault, or nobody any more.
  ///
  /// \pre no CPU fault is under way
  void set_planner(cpu_fault_planner<page>* planner) { planner_ = planner; }

  /// Brings all pages of an allocation back to system memory, wherever they are mapped; looks at no VMA and no mm.
  ///
  /// \pre    no lock beyond rank range held; the caller has a reference on `allocation`
  /// \errors no_ram, no_memory, dma_map_failed, copy_failed, in_use (others have a page locked or pinned), busy: pages
  ///         that did not move are intact in device memory
  /// \source drm_pagemap_evict_to_ram(); no mm reference is needed (erratum 3.2.5), no empty job is copied (3.2.4)
  [[nodiscard]] errc evict(devmem<P>& allocation, move_reason reason = {migration_cause::eviction}) {
    return detail::evict_allocation(*this, allocation, reason);
  }

  /// Brings every device page that the page table has in `span` back to system memory, of whichever device, under
  /// PROT_NONE too; holes stay holes. Pages of other drivers stay, and those that the options do not ask for.
  ///
  /// \pre    no lock beyond rank range held; takes the map lock shared, and page locks
  /// \errors as `evict`, and interrupted
  /// \source drm_gpusvm_range_evict(); walks no VMA, populates no hole and waits for no timeslice (erratum 3.1.10)
  [[nodiscard]] errc evict_span(mm& space, va_range span, evict_options const& options = {}) {
    return svm::detail::evict_span(env_, kept_, space, span, options);
  }

  /// The same, but what is discarded and goes reads as zero afterwards instead of being copied.
  ///
  /// \param dropped  to which the number of such pages is added
  [[nodiscard]] errc evict_span(mm& space, va_range span, evict_options const& options,
                                detail::dropped_pages<P> dropped) {
    return svm::detail::evict_span(env_, kept_, space, span, options, dropped);
  }
  /// Has the marks of discarded pages kept from now on; see `discard_pages`.
  ///
  /// \pre nobody maps this memory meanwhile, unless they are kept already
  void keep_discards() {
    if (!may_discard_) may_discard_ = true;
  }
  [[nodiscard]] bool may_discard() const { return may_discard_; }

  /// Evicts finished allocations in the order of the options until `size` bytes are available.
  ///
  /// Memory that another migration is filling counts as taken, and cannot be evicted yet.
  ///
  /// \errors no_device_memory: `size` exceeds the capacity (and nothing was evicted), or every allocation was tried;
  ///         in_use: likewise, and others have pages of one locked or pinned; interrupted
  [[nodiscard]] errc make_room(byte_count size, cancellation const* cancel = nullptr);

  /// Those who have device memory that no page table of a CPU names; they give it up before an allocation is evicted.
  [[nodiscard]] memory_holders<P>& holders() { return holders_; }

  /// The finished allocation that holds `wanted`, or nothing; linear in the device's memory.
  [[nodiscard]] devmem_ref find_slow(page wanted);
  /// Evicts every finished allocation, in the order of the options; one that cannot move does not stop the others.
  ///
  /// \errors the first one met
  [[nodiscard]] errc evict_all(move_reason reason = {migration_cause::eviction});

  /// Ends the device's bond to its driver: every later migration fails with device_gone, and what is in device memory
  /// goes to system memory. Waits for others to let go of pages and of memory that they fill, see page_wait. Allocations
  /// that could not move keep the migrator alive until their pages go.
  ///
  /// \pre    no lock of the library held
  /// \errors busy (others still use some of the memory), or what kept an eviction from moving pages: what did not move
  ///         is intact in device memory, and calling again tries what is left. After ok all memory is back with the
  ///         pagemap, and none is taken any more
  /// \source the device's unbind in drm_pagemap: populate_mm is refused with -ENODEV, pages are drained
  [[nodiscard]] errc unbind();
  [[nodiscard]] bool is_bound() const { return unbound_.load() == 0; }

  /// Stamps an allocation with the generation of this moment; `devmem::touch` says when.
  ///
  /// \allocs none
  void touch(devmem<P>& used) {
    std::uint64_t const now = generation_.load();
    if (used.touched_.load() == now) return;
    used.touched_.store(options_.precision == touch_precision::exact ? generation_.fetch_add(1) + 1 : now);
  }

 private:
  friend class devmem<P>;
  [[nodiscard]] result<devmem_ref> build(byte_count size, migrate_options<P> const& options);
  void enlist(devmem<P>& allocation);
  void unlist(devmem<P>& allocation);
  void memory_taken() { taken_.fetch_add(1); }
  void memory_returned() {
    if (taken_.fetch_sub(1) == 1) kept_.trim();
  }
  /// A walk over the list that picks the allocations made up to now, beside any number of other walks. An allocation
  /// that is used between two picks may be picked twice; there are no more picks than allocations.
  struct victim_cursor {
    std::uint64_t listed = 0;  ///< where the last pick stood
    std::uint64_t serial = 0;
    std::uint64_t last = 0;  ///< the newest allocation when the walk began
    std::size_t picks = 0;   ///< that are left
  };
  [[nodiscard]] victim_cursor all_victims();
  [[nodiscard]] devmem_ref next_victim(victim_cursor& cursor);
  [[nodiscard]] bool move_back_locked(devmem<P>& used) SVM_REQUIRES(list_lock_);
  [[nodiscard]] static bool stands_before(devmem<P> const& a, std::uint64_t listed, std::uint64_t serial) {
    return a.listed_ < listed || (a.listed_ == listed && a.serial_ <= serial);
  }

  /// One migration: the parts of `migrate_to_device`.
  class migration_to_device;
  [[nodiscard]] bool gather_planned(detail::transfer<P>& work, cpu_fault<page> const& fault, std::size_t& faulting,
                                    cpu_fault_plan& plan);

  environment<P> env_;
  migrator_owner<P>* const owner_;
  cpu_fault_planner<page>* planner_ = nullptr;
  migrator_options const options_;
  bool may_discard_ = false;
  detail::kept_arrays<P> kept_;
  typename P::lock::template mutex<lock_rank::leaf_device_memory> list_lock_;
  intrusive_list<devmem<P>> finished_ SVM_GUARDED_BY(list_lock_);  // ascending by `listed_`, then by `serial_`
  std::size_t finished_count_ SVM_GUARDED_BY(list_lock_) = 0;
  typename P::lock::template atomic<std::uint64_t> generation_{0};
  typename P::lock::template atomic<std::uint32_t> taken_{0};  // allocations that have device memory, or are about to
  typename P::lock::template atomic<std::uint32_t> unbound_{0};
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
  typename P::lock::read_domain readers_;
  [[no_unique_address]] memory_holders<P> holders_;
};

/// A counted reference on a migrator.
template <migrating_policies P>
using migrator_ref = counted_ref<migrator<P>>;

template <explained_migrating_policies P>
void migrator<P>::enlist(devmem<P>& allocation) {
  exclusive_guard const guard{list_lock_};
  allocation.serial_ = allocation.listed_ = generation_.fetch_add(1) + 1;
  allocation.touched_.store(allocation.serial_);
  finished_.push_back(allocation);
  ++finished_count_;
}

template <explained_migrating_policies P>
void migrator<P>::unlist(devmem<P>& allocation) {
  exclusive_guard const guard{list_lock_};
  if (std::exchange(allocation.serial_, 0) == 0) return;
  finished_.erase(allocation);
  --finished_count_;
}

template <explained_migrating_policies P>
auto migrator<P>::next_victim(victim_cursor& cursor) -> devmem_ref {
  exclusive_guard const guard{list_lock_};
  for (devmem<P>* d = finished_.front(); d != nullptr && cursor.picks != 0;) {
    devmem<P>* const following = finished_.next(*d);
    bool const moved = options_.order == eviction_order::touched && move_back_locked(*d);
    if (!moved && d->serial_ <= cursor.last && !stands_before(*d, cursor.listed, cursor.serial) && d->try_get()) {
      --cursor.picks;
      cursor.listed = d->listed_;
      cursor.serial = d->serial_;
      if (following != nullptr) following->prefetch();
      return devmem_ref::adopt(*d);
    }
    d = following;
  }
  return {};
}

/// Puts an allocation that was used since it was listed where it belongs; false when it stands there.
///
/// Lazy, so that a use need not take the list's lock.
template <explained_migrating_policies P>
bool migrator<P>::move_back_locked(devmem<P>& used) {
  list_lock_.assert_held();
  std::uint64_t const touched = used.touched_.load();
  if (touched == used.listed_) return false;
  devmem<P>* place = finished_.back();  // most uses are recent ones
  while (place != &used && !stands_before(*place, touched, used.serial_)) place = finished_.previous(*place);
  used.listed_ = touched;
  if (place == &used) return false;
  finished_.erase(used);
  finished_.insert_after(*place, used);
  return true;
}

template <explained_migrating_policies P>
auto migrator<P>::all_victims() -> victim_cursor {
  exclusive_guard const guard{list_lock_};
  return {.last = generation_.load(), .picks = finished_count_};
}

template <explained_migrating_policies P>
auto migrator<P>::find_slow(page wanted) -> devmem_ref {
  exclusive_guard const guard{list_lock_};
  for (devmem<P>* d = finished_.front(); d != nullptr; d = finished_.next(*d))
    for (device_page<page> const& candidate : d->pages())
      if (candidate.page == wanted && d->try_get()) return devmem_ref::adopt(*d);
  return {};
}

template <explained_migrating_policies P>
errc migrator<P>::evict_all(move_reason reason) {
  victim_cursor cursor = all_victims();
  errc first = errc::ok;
  while (devmem_ref const victim = next_victim(cursor))
    if (errc const e = evict(*victim, reason); e != errc::ok && first == errc::ok) first = e;
  return first;
}

template <explained_migrating_policies P>
errc migrator<P>::unbind() {
  unbound_.store(1);
  for (detail::page_wait patience{env_.clock};;) {
    while (holders_.give_up_one()) {
    }
    errc const e = evict_all({migration_cause::unbind});
    // build() counts, then looks whether the device is bound; so nothing comes after this.
    if (taken_.load() == 0 && !holders_.any()) return errc::ok;
    bool const may_pass = e == errc::ok || e == errc::in_use || e == errc::busy;
    if (!may_pass) return e;
    if (!patience.wait()) return errc::busy;
  }
}

template <explained_migrating_policies P>
errc migrator<P>::make_room(byte_count size, cancellation const* cancel) {
  if (size > env_.pagemap.capacity()) return errc::no_device_memory;
  victim_cursor cursor = all_victims();
  bool in_use = false;
  while (env_.pagemap.available() < size) {
    if (is_cancelled(cancel)) return errc::interrupted;
    if (holders_.give_up_one()) continue;
    devmem_ref const victim = next_victim(cursor);
    if (!victim) break;
    env_.observer.record({event_kind::evicted, {cpu_va{}, victim->size()}, victim->size()});
    in_use = evict(*victim) == errc::in_use || in_use;  // one that cannot move is passed over
  }
  if (env_.pagemap.available() >= size) return errc::ok;
  return in_use ? errc::in_use : errc::no_device_memory;
}

template <explained_migrating_policies P>
auto migrator<P>::build(byte_count size, migrate_options<P> const& options) -> result<devmem_ref> {
  memory_taken();
  scope_guard const built{[this] { memory_returned(); }};
  if (!is_bound()) return errc::device_gone;
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
  devmem<P>* const made = devmem<P>::make(*this, std::move(allocation), size, options.piecewise);
  if (made == nullptr) return errc::no_memory;
  made->get();  // the zdd's reference
  devmem_ref ref = devmem_ref::adopt(*made);
  if (errc const e = made->populate(); e != errc::ok) {
    made->live_pages().built();
    return e;
  }
  return ref;
}

}  // namespace svm::inline v0

#include <svm/pagemap/impl/bring_back.hpp>
#include <svm/pagemap/impl/migrate.hpp>

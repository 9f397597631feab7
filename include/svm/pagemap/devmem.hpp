// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include <svm/base/intrusive_list.hpp>
#include <svm/base/page_mask.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/retire_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/pagemap/account.hpp>
#include <svm/pagemap/discard_marks.hpp>
#include <svm/pagemap/zdd.hpp>

namespace svm::inline v0 {

template <explained_migrating_policies P>
class migrator;

/// What a migration does beside moving the memory.
template <migrating_policies P>
struct migrate_options {
  duration timeslice{};            ///< how long a CPU fault leaves the pages to the device, from the end of the copy
  bool same_pagemap = false;       ///< pages that are in this memory already move too, instead of ending the try
  bool source_copies = false;      ///< a peer pushes its pages; otherwise this device pulls them
  bool only_what_differs = false;  ///< pages that are here already stay where they are, and only the others move
  bool piecewise = false;          ///< memory whose pages were unmapped is given back before the rest of its allocation
  device_account<P>* account = nullptr;  ///< pays for the memory
  cancellation const* cancel = nullptr;
  move_reason reason{};
  page_mask const* pages = nullptr;  ///< which pages of the span move, from its first one on; null: all
  page_mask const* along = nullptr;  ///< those that move along with faulted ones: the cause of theirs is prefetch
};

/// Which pages of a span leave device memory.
struct evict_options {
  move_reason reason{};
  page_mask const* pages = nullptr;  ///< from the span's first one on; null: all
  page_owner from = nobody;          ///< the pages of this memory alone; nobody: of whichever device
  cancellation const* cancel = nullptr;
};

/// The one owner of an allocation's memory: gives it back to its pagemap, and its size to the account, exactly once.
template <migrating_policies P>
class [[nodiscard]] device_allocation {
 public:
  using memory_type = typename P::pagemap::memory;

  device_allocation(typename P::pagemap& pagemap, memory_type memory, byte_count size,
                    device_account_ref<P> account = {})
      : pagemap_(&pagemap), memory_(std::move(memory)), charged_(size), account_(std::move(account)) {}
  device_allocation(device_allocation&& other) noexcept
      : pagemap_(std::exchange(other.pagemap_, nullptr)),
        memory_(std::move(other.memory_)),
        charged_(other.charged_),
        account_(std::move(other.account_)) {}
  device_allocation& operator=(device_allocation&&) = delete;
  ~device_allocation() { release(); }

  void release() {
    if (pagemap_ == nullptr) return;
    std::exchange(pagemap_, nullptr)->release(memory_);
    if (account_) account_->uncharge(charged_);
  }
  [[nodiscard]] memory_type& memory() { return memory_; }

 private:
  typename P::pagemap* pagemap_;
  memory_type memory_;
  byte_count charged_;
  device_account_ref<P> account_;
};

/// One allocation of device memory and its pages, counted.
///
/// References: the builder's, until it lets go; the zdd's, until no page is live (`detached`); and one of each thread
/// that found the allocation in the migrator's list. Memory goes back to the pagemap when it detaches. The object itself
/// goes after the last reference, so that a waiter may still ask `is_detached()`: when no reader of the migrator's domain
/// can touch it any more.
///
/// Invariants: 1. it stands in the migrator's list only while it is finished and not detached. 2. it is detached once.
/// \source drm_pagemap.c, struct drm_pagemap_devmem; the memory is released before `detached` is announced
template <migrating_policies P>
class devmem : public list_hook<devmem<P>>, private retire_hook {
 public:
  using page = typename P::mm::page;

  /// Makes one, with room for its pages in the same memory; null when there is none.
  [[nodiscard]] static devmem* make(migrator<P>& owner, device_allocation<P> allocation, byte_count size,
                                    bool piecewise) {
    std::size_t const count = static_cast<std::size_t>(pages_in(size, P::mm::page_size).value);
    std::byte* const place = owner.env().memory.allocate(bytes(count), alignment());
    if (place == nullptr) return nullptr;
    auto* const pages = reinterpret_cast<device_page<page>*>(place + pages_at());
    for (std::size_t i = 0; i < count; ++i) ::new (&pages[i]) device_page<page>{};
    return ::new (place) devmem(owner, std::move(allocation), size, piecewise, {pages, count});
  }
  /// \param room  for its pages; none has room for none
  devmem(migrator<P>& owner, device_allocation<P> allocation, byte_count size, bool piecewise,
         std::span<device_page<page>> room = {})
      : retire_hook(&devmem::end),
        owner_(owner),
        allocation_(std::move(allocation)),
        size_(size),
        piecewise_(piecewise),
        room_(room),
        zdd_(*this) {
    owner_.get();
    owner_.memory_taken();
  }
  devmem(devmem const&) = delete;
  devmem& operator=(devmem const&) = delete;
  ~devmem() {
    if (!is_detached()) give_back();
  }

  /// Brings the object, and its first pages, into the cache.
  void prefetch() const {
    constexpr std::size_t line = 64;
    auto const* const at = reinterpret_cast<std::byte const*>(this);
    for (std::size_t i = 0; i <= pages_at(); i += line) __builtin_prefetch(at + i);
  }

  /// How many references there are: see the class comment. Advisory.
  [[nodiscard]] std::uint32_t references() const { return references_.value(); }
  void get() { references_.get(); }
  [[nodiscard]] bool try_get() { return references_.try_get(); }
  /// \pre no lock of rank leaf_allocator or later held
  void put() {
    if (!references_.put()) return;
    migrator<P>& owner = owner_;
    if (!is_detached()) give_back();  // nobody but its builder had it
    owner.readers().retire(*this);
    owner.put();
  }

  /// True once no page is live and the memory is back with the pagemap.
  [[nodiscard]] bool is_detached() const { return detached_.load() != 0; }
  [[nodiscard]] migrator<P>& owner() const { return owner_; }
  [[nodiscard]] byte_count size() const { return size_; }
  /// Held by an eviction of this allocation, for its whole time.
  [[nodiscard]] auto& eviction_lock() { return eviction_; }
  [[nodiscard]] zdd<P>& live_pages() { return zdd_; }
  [[nodiscard]] std::span<device_page<page> const> pages() const { return pages_; }
  /// Which pages are discarded.
  [[nodiscard]] detail::discard_marks<P>& marks() { return marks_; }
  /// Says that a device uses the memory now; see migrator_options. One load and one compare where nothing has changed.
  ///
  /// \pre a page of it is live and stays so: the lock of the notifier under which it is mapped is held
  void touch() { owner_.touch(*this); }
  /// The generation of the migrator that the last use came in.
  [[nodiscard]] std::uint64_t last_touch() const { return touched_.load(); }
  /// Until when a CPU fault waits for the device to be done.
  [[nodiscard]] time_point timeslice_end() const { return timeslice_end_; }

  /// Asks the pagemap for the pages.
  ///
  /// \errors what the pagemap says; the object stays without pages
  [[nodiscard]] errc populate() {
    errc const e = owner_.env().pagemap.pages(allocation_.memory(), room_);
    if (e == errc::ok) pages_ = room_;
    return e;
  }

  /// Waits until the memory reads as zero, where no copy does so.
  [[nodiscard]] errc wait_cleared() { return owner_.env().pagemap.wait_cleared(allocation_.memory()); }

  /// \pre no other thread sees a page yet
  void start_timeslice(time_point end) { timeslice_end_ = end; }

 private:
  friend class zdd<P>;
  friend class migrator<P>;

  static void end(retire_hook& hook) noexcept {
    devmem& ended = static_cast<devmem&>(hook);
    typename P::allocator& memory = ended.owner_.env().memory;
    std::size_t const count = ended.room_.size();
    for (device_page<page>& p : ended.room_) p.~device_page<page>();
    ended.~devmem();
    memory.deallocate(reinterpret_cast<std::byte*>(&ended), bytes(count), alignment());
  }

  // Where the pages lie in the memory of the object, and how large and how aligned that is.
  [[nodiscard]] static constexpr std::size_t pages_at() {
    constexpr std::size_t to = alignof(device_page<page>);
    return (sizeof(devmem) + to - 1) / to * to;
  }
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
    return pages_at() + count * sizeof(device_page<page>);
  }
  [[nodiscard]] static constexpr std::size_t alignment() {
    return alignof(devmem) > alignof(device_page<page>) ? alignof(devmem) : alignof(device_page<page>);
  }
  /// Comes with the last put of a block, from any context.
  void page_freed([[maybe_unused]] page first, [[maybe_unused]] page_order order) {
    if constexpr (piecewise_pagemap<typename P::pagemap, page>)
      if (piecewise_) owner_.env().pagemap.release_pages(allocation_.memory(), first, order);
  }
  /// Comes with the last put of a page, from any context.
  void detach() {
    owner_.unlist(*this);
    give_back();
    put();  // the zdd's reference; may end the life of this object
  }
  void give_back() {
    allocation_.release();
    owner_.memory_returned();
    detached_.store(1);
  }

  migrator<P>& owner_;
  device_allocation<P> allocation_;
  byte_count const size_;
  bool const piecewise_;
  std::span<device_page<page>> const room_;  // behind the object
  std::span<device_page<page>> pages_;
  time_point timeslice_end_{};
  std::uint64_t serial_ = 0;  // under the migrator's list lock: the generation that it was made in; 0: not in the list
  std::uint64_t listed_ = 0;  // under that lock: the generation by which it stands where it does
  typename P::lock::template atomic<std::uint64_t> touched_{0};
  typename P::lock::template mutex<lock_rank::eviction> eviction_;  // one eviction of it at a time
  typename P::lock::template atomic<std::uint32_t> detached_{0};
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
  zdd<P> zdd_;
  [[no_unique_address]] detail::discard_marks<P> marks_;
};

}  // namespace svm::inline v0

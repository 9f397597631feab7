// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <utility>

#include <svm/base/construct.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/refcount.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mappable_memory.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/gpusvm/notifier.hpp>
#include <svm/pagemap/migrator.hpp>

namespace svm::inline v0 {

template <duplicating_policies P>
class page_copies;

/// A copy of one page in a device's memory, which the device alone is mapped to: the page itself stays in system memory.
///
/// It lives while its builder or a mapping has it; the mapping's end is its own.
/// Invariant: it stands in the list of its home while a mapping has it.
template <duplicating_policies P>
class page_copy final : public mappable_memory<typename P::mm::page, typename P::device>,
                        public list_hook<page_copy<P>> {
 public:
  using page = typename P::mm::page;
  using base = mappable_memory<page, typename P::device>;

  page_copy(page_copies<P>& home, held_memory<P> memory, page where, notifier<P>& watched, cpu_va at)
      : base(copies), home_(home), memory_(std::move(memory)), where_(where), watched_(watched), at_(at) {}
  page_copy(page_copy const&) = delete;
  page_copy& operator=(page_copy const&) = delete;

  /// The copy that a mapping's memory is; null for other memory.
  [[nodiscard]] static page_copy* of(base* memory) {
    return memory != nullptr && memory->is_from(copies) ? static_cast<page_copy*>(memory) : nullptr;
  }
  /// The page of the device's memory.
  [[nodiscard]] page where() const { return where_; }
  /// The notifier under which it is mapped, and the address of the page.
  [[nodiscard]] notifier<P>& watched() const { return watched_; }
  [[nodiscard]] cpu_va at() const { return at_; }
  /// As a walk would tell of it.
  [[nodiscard]] page_run<page> run() {
    return {.page = where_, .owner_object = this, .owner = owner(), .count = 1, .place = page_place::device};
  }
  /// Drops the builder's reference. The memory goes back with the last reference.
  void release() {
    if (!references_.put()) return;
    memory_.give_back();
    home_.keep_spent(*this);
  }

  [[nodiscard]] page_owner owner() const noexcept override { return pagemap().owner(); }
  [[nodiscard]] result<device_address> map_run(typename P::device& device, page first, page_count count,
                                               dma_direction direction) noexcept override {
    return pagemap().map(device, first, count, direction);
  }
  void unmap_run(typename P::device& device, device_address const& run) noexcept override {
    pagemap().unmap(device, run);
  }
  void get() noexcept override {
    references_.get();
    home_.list(*this);
  }
  void put() noexcept override {
    home_.unlist(*this);
    release();
  }
  void touch() noexcept override {}
  // No page table of a CPU names it, so none of these comes.
  [[nodiscard]] cpu_fault_answer page_faulted(cpu_fault<page> const&) noexcept override {
    return {cpu_fault_answer::action::fail, {}, errc::unsupported};
  }
  void page_freed(page, page_order) noexcept override {}
  void page_split(page, page_order, page_order) noexcept override {}

 private:
  static constexpr typename base::provider copies{};

  [[nodiscard]] typename P::pagemap& pagemap() const { return home_.mover().env().pagemap; }

  page_copies<P>& home_;
  held_memory<P> memory_;
  page const where_;
  notifier<P>& watched_;
  cpu_va const at_;
  reference_count<typename P::lock::template atomic<std::uint32_t>> references_;
};

/// The copies that one driver has in its device's memory, the oldest first.
///
/// A mapping may end with its notifier's lock held, where nothing is freed: so a copy without memory waits until the next
/// one is made or given up.
///
/// Locks: `lock_` (leaf_device_memory) guards the lists.
template <duplicating_policies P>
class page_copies final : public memory_holder {
 public:
  using page = typename P::mm::page;

  explicit page_copies(migrator<P>& mover) : mover_(mover) { mover_.holders().add(*this); }
  page_copies(page_copies const&) = delete;
  page_copies& operator=(page_copies const&) = delete;
  /// \pre nobody makes copies; no lock of the library held
  ~page_copies() {
    mover_.holders().remove(*this);
    while (give_up_one()) {
    }
    free_spent();
  }

  /// Makes room for a copy of the page at `at`, in free memory or in that of an older copy. The caller has the first
  /// reference, and releases it.
  ///
  /// \param watched  the notifier under which it will be mapped
  /// \pre    no lock beyond rank range held; takes notifier (exclusive)
  /// \errors no_memory, and those of held_memory::take and pagemap::pages
  /// \allocs a page_copy
  [[nodiscard]] result<page_copy<P>*> make(notifier<P>& watched, cpu_va at, device_account<P>* account) {
    free_spent();
    result<held_memory<P>> memory = hold(account);
    if (!memory) return memory.error();
    device_page<page> place{};
    if (errc const e = memory->pages({&place, 1}); e != errc::ok) return e;
    auto* const made =
        detail::construct<page_copy<P>>(mover_.env().memory, *this, std::move(memory).value(), place.page, watched, at);
    if (made == nullptr) return errc::no_memory;
    return made;
  }

  [[nodiscard]] migrator<P>& mover() const { return mover_; }

  /// Unmaps the oldest copy, which ends with that.
  [[nodiscard]] bool give_up_one() noexcept override {
    notifier_ref<P> watched;
    va_range at{cpu_va{}, P::mm::page_size};
    {
      exclusive_guard const guard{lock_};
      page_copy<P>* const oldest = list_.front();
      if (oldest == nullptr) return false;
      // While a mapping has it, its range is there, and so is the notifier.
      watched = notifier_ref<P>::share(oldest->watched());
      at = {oldest->at(), P::mm::page_size};
    }
    {
      exclusive_guard const guard{watched->lock()};
      watched->for_each_range_locked(at, [&](range<P>& r) {
        if (partial_mapping<P>* const p = r.partial()) p->drop(p->pages_of(at));
      });
    }
    free_spent();
    return true;
  }

 private:
  friend class page_copy<P>;

  [[nodiscard]] result<held_memory<P>> hold(device_account<P>* account) {
    result<held_memory<P>> free = held_memory<P>::take(mover_, P::mm::page_size, account);
    if (free || !mover_.holders().give_up_one()) return free;
    return held_memory<P>::take(mover_, P::mm::page_size, account);
  }
  void list(page_copy<P>& mapped) {
    exclusive_guard const guard{lock_};
    list_.push_back(mapped);
  }
  void unlist(page_copy<P>& mapped) {
    exclusive_guard const guard{lock_};
    list_.erase(mapped);
  }
  void keep_spent(page_copy<P>& spent) {
    exclusive_guard const guard{lock_};
    spent_.push_back(spent);
  }
  /// \pre no lock of rank notifier or later held
  void free_spent() {
    while (page_copy<P>* const spent = take_spent()) detail::destroy(mover_.env().memory, spent);
  }
  [[nodiscard]] page_copy<P>* take_spent() {
    exclusive_guard const guard{lock_};
    return spent_.pop_front();
  }

  migrator<P>& mover_;
  typename P::lock::template mutex<lock_rank::leaf_device_memory> lock_;
  intrusive_list<page_copy<P>> list_ SVM_GUARDED_BY(lock_);
  intrusive_list<page_copy<P>> spent_ SVM_GUARDED_BY(lock_);
};

namespace detail {

/// What a service has of copies: nothing, where the mm does not protect pages from writes.
template <page_wise_policies P>
struct copies_slot {
  explicit copies_slot(migrator<P>&) {}
};

template <duplicating_policies P>
struct copies_slot<P> {
  explicit copies_slot(migrator<P>& mover) : copies(mover) {}
  page_copies<P> copies;
};

}  // namespace detail

}  // namespace svm::inline v0

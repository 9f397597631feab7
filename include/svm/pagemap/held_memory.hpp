// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <svm/base/intrusive_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/pagemap/devmem.hpp>

namespace svm::inline v0 {

/// Who has device memory that no page table of a CPU names, and gives it up when others need it.
class memory_holder : public list_hook<memory_holder> {
 public:
  /// Gives up one piece of it, the oldest; false when there is none.
  ///
  /// \pre no lock beyond rank eviction held; takes notifier (exclusive)
  [[nodiscard]] virtual bool give_up_one() noexcept = 0;

 protected:
  ~memory_holder() = default;
};

template <duplicating_policies P>
class held_memory;

/// The holders of one device memory: none, where nobody can have copies.
template <migrating_policies P>
class memory_holders {
 public:
  [[nodiscard]] static constexpr bool give_up_one() { return false; }
  [[nodiscard]] static constexpr bool any() { return false; }
};

/// Where somebody may: they are asked in the order in which they came.
///
/// Locks: `lock_` (eviction) guards the list; it is held while one gives memory up, so that it stays.
template <duplicating_policies P>
class memory_holders<P> {
 public:
  void add(memory_holder& one) {
    exclusive_guard const guard{lock_};
    all_.push_back(one);
  }
  /// \pre no lock beyond rank range held
  void remove(memory_holder& one) {
    exclusive_guard const guard{lock_};
    all_.erase(one);
  }
  /// Has one piece of memory given up; false when nobody has any.
  ///
  /// \pre no lock beyond rank range held; takes notifier (exclusive)
  [[nodiscard]] bool give_up_one() {
    exclusive_guard const guard{lock_};
    for (memory_holder* h = all_.front(); h != nullptr; h = all_.next(*h))
      if (h->give_up_one()) return true;
    return false;
  }
  /// True while anybody has such memory, or is about to.
  [[nodiscard]] bool any() const { return pieces_.load() != 0; }

 private:
  friend class held_memory<P>;

  typename P::lock::template mutex<lock_rank::eviction> lock_;
  intrusive_list<memory_holder> all_ SVM_GUARDED_BY(lock_);
  typename P::lock::template atomic<std::uint32_t> pieces_{0};
};

/// Device memory that no page table of a CPU names; `unbind` of its migrator waits until it has gone back.
template <duplicating_policies P>
class [[nodiscard]] held_memory {
 public:
  using page = typename P::mm::page;

  /// Takes memory that is free; nothing makes room for it.
  ///
  /// \pre    no lock beyond rank range held
  /// \errors device_gone, quota_exceeded, and what the pagemap says: nothing is taken
  [[nodiscard]] static result<held_memory> take(migrator<P>& owner, byte_count size, device_account<P>* account) {
    held_memory held{owner};  // counted, then it looks whether the device is bound: see migrator::unbind
    if (!owner.is_bound()) return errc::device_gone;
    if (account != nullptr && !account->charge(size)) return errc::quota_exceeded;
    auto taken = owner.env().pagemap.allocate(size);
    if (!taken && account != nullptr) account->uncharge(size);
    if (!taken) return taken.error();
    held.memory_.emplace(owner.env().pagemap, std::move(taken).value(), size,
                         account == nullptr ? device_account_ref<P>{} : device_account_ref<P>::share(*account));
    return held;
  }
  held_memory(held_memory&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), memory_(std::move(other.memory_)) {}
  held_memory& operator=(held_memory&&) = delete;
  ~held_memory() { give_back(); }

  /// Ends its life as memory; nothing of the bookkeeping is freed.
  void give_back() {
    if (owner_ == nullptr) return;
    memory_.reset();
    std::exchange(owner_, nullptr)->holders().pieces_.fetch_sub(1);
  }
  /// Names its pages.
  ///
  /// \errors what the pagemap says
  [[nodiscard]] errc pages(std::span<device_page<page>> out) {
    return owner_->env().pagemap.pages(memory_->memory(), out);
  }

 private:
  explicit held_memory(migrator<P>& owner) : owner_(&owner) { owner.holders().pieces_.fetch_add(1); }

  migrator<P>* owner_;
  std::optional<device_allocation<P>> memory_;
};

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include <svm/base/lock_rank.hpp>
#include <svm/base/quota.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>

namespace svm::inline v0::detail {

/// The number of ranges and its limit. Each thread that makes or ends a range writes this word, if there is a limit.
template <class LockPolicy>
using range_limit = quota<typename LockPolicy::template atomic<std::uint64_t>>;

/// The memory of ranges that were removed, for those that come: so the heap is not asked for each. Each range is charged
/// to a limit.
///
/// It keeps `most_kept` at most; any thread may call any function. One mutex of rank leaf_allocator guards all, and the
/// allocator is never called with it held.
template <class LockPolicy, class Allocator, class Range>
class range_pool {
 public:
  static constexpr std::size_t most_kept = 2048;

  /// \param limit  outlives the pool; null: none
  explicit range_pool(Allocator& memory, range_limit<LockPolicy>* limit = nullptr) : memory_(memory), limit_(limit) {}
  range_pool(range_pool const&) = delete;
  range_pool& operator=(range_pool const&) = delete;
  ~range_pool() { trim(); }

  /// Memory for a range, which is charged.
  ///
  /// \pre    no lock of rank notifier or later held
  /// \errors quota_exceeded, no_memory: nothing is charged
  /// \allocs once, unless there is some to spare
  [[nodiscard]] [[gnu::always_inline]] result<std::byte*> take() {
    if (limit_ != nullptr && !limit_->charge(1)) return errc::quota_exceeded;
    if (std::byte* const kept = take_kept(); kept != nullptr) return kept;
    return allocate();
  }
  /// Counts a range no more.
  void uncharge() {
    if (limit_ != nullptr) limit_->uncharge(1);
  }
  /// Counts a range no more that has ended, and keeps its memory; false when there is enough of that.
  ///
  /// \pre    locks below leaf_allocator may be held
  /// \allocs none
  [[nodiscard]] bool uncharge_and_keep(std::byte* place) {
    uncharge();
    exclusive_guard const guard{lock_};
    if (count_ == most_kept) return false;
    spare_ = ::new (place) link{spare_};
    ++count_;
    return true;
  }
  /// Gives all that is kept back to the allocator.
  ///
  /// \pre no lock of rank notifier or later held
  void trim() {
    link* rest = nullptr;
    {
      exclusive_guard const guard{lock_};
      rest = std::exchange(spare_, nullptr);
      count_ = 0;
    }
    while (rest != nullptr) {
      link* const done = std::exchange(rest, rest->next);
      memory_.deallocate(reinterpret_cast<std::byte*>(done), sizeof(Range), alignof(Range));
    }
  }

 private:
  struct link {
    link* next;
  };

  [[nodiscard]] std::byte* take_kept() {
    exclusive_guard const guard{lock_};
    link* const first = spare_;
    if (first == nullptr) return nullptr;
    spare_ = first->next;
    --count_;
    return reinterpret_cast<std::byte*>(first);
  }
  [[gnu::noinline]] result<std::byte*> allocate() {
    std::byte* const place = memory_.allocate(sizeof(Range), alignof(Range));
    if (place != nullptr) return place;
    uncharge();
    return errc::no_memory;
  }

  Allocator& memory_;
  range_limit<LockPolicy>* const limit_;
  typename LockPolicy::template mutex<lock_rank::leaf_allocator> lock_;
  link* spare_ SVM_GUARDED_BY(lock_) = nullptr;
  std::size_t count_ SVM_GUARDED_BY(lock_) = 0;
};

/// The pools of a gpusvm, and the one limit of all. Notifiers that lie side by side have different ones, so that threads
/// at work in them do not meet.
template <class LockPolicy, class Allocator, class Range>
class range_pools {
 public:
  using pool = range_pool<LockPolicy, Allocator, Range>;
  /// One, where there is one thread.
  static constexpr std::size_t count = std::is_empty_v<typename LockPolicy::read_domain> ? 1 : 8;

  range_pools(Allocator& memory, std::uint64_t limit)
      : limit_(limit), row_(make(memory, is_limited() ? &limit_ : nullptr, std::make_index_sequence<count>{})) {}

  /// \param number  of a notifier
  [[nodiscard]] pool& at(std::uint64_t number) { return row_.pools[number % count].inner; }
  /// Counts a range no more.
  void uncharge() { at(0).uncharge(); }
  /// Gives all that is kept back to the allocator.
  ///
  /// \pre no lock of rank notifier or later held
  void trim() {
    for (padded_pool& p : row_.pools) p.inner.trim();
  }

 private:
  /// In a line of the cache of its own, where others have pools too.
  struct alignas(count == 1 ? alignof(pool) : 64) padded_pool {
    pool inner;
  };
  struct row {
    padded_pool pools[count];
  };
  template <std::size_t... I>
  [[nodiscard]] static row make(Allocator& memory, range_limit<LockPolicy>* limit, std::index_sequence<I...>) {
    return {{(static_cast<void>(I), padded_pool{pool{memory, limit}})...}};
  }
  [[nodiscard]] bool is_limited() const { return limit_.limit() != UINT64_MAX; }

  range_limit<LockPolicy> limit_;
  row row_;
};

}  // namespace svm::inline v0::detail

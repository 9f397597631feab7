// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <svm/base/lock_rank.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>

namespace svm::inline v0::detail {

/// How many ranges there may be, and the memory of those that were removed, for those that come: so the heap is not asked
/// for each.
///
/// It keeps `most_kept` at most; any thread may call any function. One mutex of rank leaf_allocator guards all, and the
/// allocator is never called with it held.
///
/// Invariant: never are more ranges charged than the limit.
template <class LockPolicy, class Allocator, class Range>
class range_pool {
 public:
  static constexpr std::size_t most_kept = 2048;

  explicit range_pool(Allocator& memory, std::uint64_t limit = UINT64_MAX) : memory_(memory), limit_(limit) {}
  range_pool(range_pool const&) = delete;
  range_pool& operator=(range_pool const&) = delete;
  ~range_pool() { trim(); }

  /// Memory for a range, which is charged.
  ///
  /// \pre    no lock of rank notifier or later held
  /// \errors quota_exceeded, no_memory: nothing is charged
  /// \allocs once, unless there is some to spare
  [[nodiscard]] result<std::byte*> take() {
    {
      exclusive_guard const guard{lock_};
      if (charged_ >= limit_) return errc::quota_exceeded;
      ++charged_;
      if (link* const first = spare_; first != nullptr) {
        spare_ = first->next;
        --count_;
        return reinterpret_cast<std::byte*>(first);
      }
    }
    std::byte* const place = memory_.allocate(sizeof(Range), alignof(Range));
    if (place != nullptr) return place;
    uncharge();
    return errc::no_memory;
  }
  /// Counts a range no more.
  ///
  /// \pre locks below leaf_allocator may be held
  void uncharge() {
    exclusive_guard const guard{lock_};
    --charged_;
  }
  /// Counts a range no more that has ended, and keeps its memory; false when there is enough of that.
  ///
  /// \pre    locks below leaf_allocator may be held
  /// \allocs none
  [[nodiscard]] bool uncharge_and_keep(std::byte* place) {
    exclusive_guard const guard{lock_};
    --charged_;
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

  Allocator& memory_;
  std::uint64_t const limit_;
  typename LockPolicy::template mutex<lock_rank::leaf_allocator> lock_;
  link* spare_ SVM_GUARDED_BY(lock_) = nullptr;
  std::size_t count_ SVM_GUARDED_BY(lock_) = 0;
  std::uint64_t charged_ SVM_GUARDED_BY(lock_) = 0;
};

}  // namespace svm::inline v0::detail

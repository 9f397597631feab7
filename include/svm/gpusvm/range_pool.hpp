// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include <svm/base/lock_rank.hpp>
#include <svm/base/scope_guard.hpp>

namespace svm::inline v0::detail {

/// The memory of ranges that were removed, for those that come, so that the heap is not asked for each.
///
/// It keeps `most_kept` at most; any thread may call any function. One mutex of rank leaf_allocator guards the list, and
/// the allocator is never called with it held.
template <class LockPolicy, class Allocator, class Range>
class range_pool {
 public:
  static constexpr std::size_t most_kept = 2048;

  explicit range_pool(Allocator& memory) : memory_(memory) {}
  range_pool(range_pool const&) = delete;
  range_pool& operator=(range_pool const&) = delete;
  ~range_pool() { trim(); }

  /// Memory for a range, or null when there is none.
  ///
  /// \pre    no lock of rank notifier or later held
  /// \allocs once, unless there is some to spare
  [[nodiscard]] std::byte* take() {
    {
      exclusive_guard const guard{lock_};
      if (link* const first = spare_; first != nullptr) {
        spare_ = first->next;
        --count_;
        return reinterpret_cast<std::byte*>(first);
      }
    }
    return memory_.allocate(sizeof(Range), alignof(Range));
  }
  /// Keeps the memory of a range that has ended; false when there is enough of it.
  ///
  /// \pre    locks below leaf_allocator may be held
  /// \allocs none
  [[nodiscard]] bool keep(std::byte* place) {
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

  Allocator& memory_;
  typename LockPolicy::template mutex<lock_rank::leaf_allocator> lock_;
  link* spare_ SVM_GUARDED_BY(lock_) = nullptr;
  std::size_t count_ SVM_GUARDED_BY(lock_) = 0;
};

}  // namespace svm::inline v0::detail

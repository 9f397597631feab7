// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Locks, for benches whose lock policy tells what it sees.

#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>

#include <concepts>
#include <cstddef>

namespace svm::inline v0::conformance {

/// True for a bench that tells of locks that are taken out of order.
template <class Bench>
concept tells_of_locks = requires(Bench& b) {
  requires svm::lock<typename Bench::lock_type>;
  { b.lock_complaints() } -> std::convertible_to<std::size_t>;
};

/// Holds a lock of a rank for a scope, as the library or a driver may.
template <class Bench, svm::lock_rank Rank>
class held_lock {
 public:
  held_lock() SVM_NO_THREAD_SAFETY_ANALYSIS { lock_.lock(); }
  ~held_lock() SVM_NO_THREAD_SAFETY_ANALYSIS { lock_.unlock(); }
  held_lock(held_lock const&) = delete;
  held_lock& operator=(held_lock const&) = delete;

 private:
  typename Bench::lock_type::template mutex<Rank> lock_;
};

/// True when the lock policy of a bench complains of nothing in `action`.
template <class Bench, class Action>
[[nodiscard]] bool in_order(Bench& b, Action&& action) {
  std::size_t const before = b.lock_complaints();
  action();
  return b.lock_complaints() == before;
}

}  // namespace svm::inline v0::conformance

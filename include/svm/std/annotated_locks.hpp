// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

#include <svm/base/lock_rank.hpp>
#include <svm/config.hpp>

// What the lock policies for real threads have in common.

namespace svm::inline v0::detail {

/// A mutex of any kind as a policy's mutex of a rank, with what clang's analysis asks of it.
template <lock_rank, class Mutex>
class SVM_CAPABILITY("mutex") annotated_mutex {
 public:
  void lock() SVM_ACQUIRE() { lock_.lock(); }
  void unlock() SVM_RELEASE() { lock_.unlock(); }
  [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return lock_.try_lock(); }
  void assert_held() SVM_ASSERT_CAPABILITY(this) {}

 private:
  Mutex lock_;
};

/// The same for a shared mutex.
template <lock_rank, class SharedMutex>
class SVM_CAPABILITY("mutex") annotated_shared_mutex {
 public:
  void lock() SVM_ACQUIRE() { lock_.lock(); }
  void unlock() SVM_RELEASE() { lock_.unlock(); }
  [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return lock_.try_lock(); }
  void lock_shared() SVM_ACQUIRE_SHARED() { lock_.lock_shared(); }
  void unlock_shared() SVM_RELEASE_SHARED() { lock_.unlock_shared(); }
  [[nodiscard]] bool try_lock_shared() SVM_THREAD_ANNOTATION(try_acquire_shared_capability(true)) {
    return lock_.try_lock_shared();
  }
  void assert_held() SVM_ASSERT_CAPABILITY(this) {}
  void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this)) {}

 private:
  SharedMutex lock_;
};

/// `std::atomic` as the lock concept has it: sequentially consistent. The two weaker operations beside are for who has a
/// reason at each use.
template <class T>
class std_atomic {
 public:
  constexpr std_atomic() = default;
  constexpr explicit std_atomic(T value) : value_(value) {}
  [[nodiscard]] T load() const { return value_.load(); }
  void store(T value) { value_.store(value); }
  [[nodiscard]] T load_acquire() const { return value_.load(std::memory_order_acquire); }
  void store_release(T value) { value_.store(value, std::memory_order_release); }
  T exchange(T value) { return value_.exchange(value); }
  T fetch_add(T n) { return value_.fetch_add(n); }
  T fetch_sub(T n) { return value_.fetch_sub(n); }
  T fetch_or(T n) { return value_.fetch_or(n); }
  T fetch_and(T n) { return value_.fetch_and(n); }
  bool compare_exchange(T& expected, T desired) { return value_.compare_exchange_strong(expected, desired); }

 protected:
  std::atomic<T> value_{};
};

}  // namespace svm::inline v0::detail

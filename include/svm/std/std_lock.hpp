// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>

namespace svm::inline v0 {

/// The lock policy on the standard library, for real threads.
struct std_lock {
  template <lock_rank>
  class SVM_CAPABILITY("mutex") mutex {
   public:
    void lock() SVM_ACQUIRE() { lock_.lock(); }
    void unlock() SVM_RELEASE() { lock_.unlock(); }
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return lock_.try_lock(); }
    void assert_held() SVM_ASSERT_CAPABILITY(this) {}

   private:
    std::mutex lock_;
  };

  template <lock_rank>
  class SVM_CAPABILITY("mutex") shared_mutex {
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
    std::shared_mutex lock_;
  };

  template <class T>
  class atomic {
   public:
    constexpr atomic() = default;
    constexpr explicit atomic(T value) : value_(value) {}
    [[nodiscard]] T load() const { return value_.load(); }
    void store(T value) { value_.store(value); }
    T exchange(T value) { return value_.exchange(value); }
    T fetch_add(T n) { return value_.fetch_add(n); }
    T fetch_sub(T n) { return value_.fetch_sub(n); }
    T fetch_or(T n) { return value_.fetch_or(n); }
    T fetch_and(T n) { return value_.fetch_and(n); }
    bool compare_exchange(T& expected, T desired) { return value_.compare_exchange_strong(expected, desired); }

   private:
    std::atomic<T> value_{};
  };

  class event {
   public:
    template <class Mutex, class Ready>
    void wait(Mutex& mutex, Ready ready) {
      changed_.wait(mutex, ready);
    }
    void notify_all() { changed_.notify_all(); }

   private:
    std::condition_variable_any changed_;
  };
};
static_assert(lock<std_lock>);

}  // namespace svm::inline v0

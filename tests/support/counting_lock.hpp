// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/lock_rank.hpp>
#include <svm/base/retire_list.hpp>
#include <svm/config.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/std/null_lock.hpp>

namespace support {

/// What was done with locks.
struct lock_counts {
  std::uint64_t exclusive = 0;  ///< locks taken
  std::uint64_t shared = 0;
  std::uint64_t notifiers = 0;  ///< of those, locks of rank notifier
  std::uint64_t written = 0;    ///< atomic words; a lock is none of them
  std::uint64_t sections = 0;
  std::uint64_t synchronized = 0;
};

/// Locks for one thread that count what is done with them. What is retired waits until somebody synchronizes.
struct counting_lock {
  static inline lock_counts done;

  template <svm::lock_rank Rank>
  class SVM_CAPABILITY("mutex") mutex {
   public:
    void lock() SVM_ACQUIRE() {
      ++done.exclusive;
      if (Rank == svm::lock_rank::notifier) ++done.notifiers;
    }
    void unlock() SVM_RELEASE() {}
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) {
      ++done.exclusive;
      return true;
    }
    void assert_held() SVM_ASSERT_CAPABILITY(this) {}
  };
  template <svm::lock_rank Rank>
  class SVM_CAPABILITY("mutex") shared_mutex : public mutex<Rank> {
   public:
    void lock_shared() SVM_ACQUIRE_SHARED() {
      ++done.shared;
      if (Rank == svm::lock_rank::notifier) ++done.notifiers;
    }
    void unlock_shared() SVM_RELEASE_SHARED() {}
    [[nodiscard]] bool try_lock_shared() {
      ++done.shared;
      return true;
    }
    void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this)) {}
  };

  template <class T>
  class atomic {
   public:
    constexpr atomic() = default;
    constexpr explicit atomic(T value) : value_(value) {}
    [[nodiscard]] T load() const { return value_.load(); }
    void store(T value) { written().store(value); }
    T exchange(T value) { return written().exchange(value); }
    T fetch_add(T n) { return written().fetch_add(n); }
    T fetch_sub(T n) { return written().fetch_sub(n); }
    T fetch_or(T n) { return written().fetch_or(n); }
    T fetch_and(T n) { return written().fetch_and(n); }
    bool compare_exchange(T& expected, T desired) { return written().compare_exchange(expected, desired); }

   private:
    auto& written() {
      ++done.written;
      return value_;
    }
    svm::null_lock::atomic<T> value_;
  };

  using event = svm::null_lock::event;

  class read_domain {
   public:
    struct section {};
    [[nodiscard]] section enter() {
      ++done.sections;
      return {};
    }
    void leave(section) {}
    void retire(svm::retire_hook& hook) { waiting_.push(hook); }
    void synchronize() {
      ++done.synchronized;
      waiting_.release_all();
    }
    [[nodiscard]] std::uint64_t retired() const { return waiting_.size(); }

   private:
    svm::retire_list waiting_;
  };
};
static_assert(svm::lock<counting_lock>);

}  // namespace support

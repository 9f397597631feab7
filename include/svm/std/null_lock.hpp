// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>

namespace svm::inline v0 {

/// The lock policy for programs of one thread: locks cost nothing.
struct null_lock {
  template <lock_rank>
  class SVM_CAPABILITY("mutex") mutex {
   public:
    void lock() SVM_ACQUIRE() {}
    void unlock() SVM_RELEASE() {}
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return true; }
    void assert_held() SVM_ASSERT_CAPABILITY(this) {}
  };

  template <lock_rank Rank>
  class SVM_CAPABILITY("mutex") shared_mutex : public mutex<Rank> {
   public:
    void lock_shared() SVM_ACQUIRE_SHARED() {}
    void unlock_shared() SVM_RELEASE_SHARED() {}
    [[nodiscard]] bool try_lock_shared() { return true; }
    void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this)) {}
  };

  /// A plain word with the interface of an atomic one.
  template <class T>
  class atomic {
   public:
    constexpr atomic() = default;
    constexpr explicit atomic(T value) : value_(value) {}
    [[nodiscard]] T load() const { return value_; }
    void store(T value) { value_ = value; }
    T exchange(T value) { return std::exchange(value_, value); }
    T fetch_add(T n) { return std::exchange(value_, static_cast<T>(value_ + n)); }
    T fetch_sub(T n) { return std::exchange(value_, static_cast<T>(value_ - n)); }
    T fetch_or(T n) { return std::exchange(value_, static_cast<T>(value_ | n)); }
    T fetch_and(T n) { return std::exchange(value_, static_cast<T>(value_ & n)); }
    bool compare_exchange(T& expected, T desired) {
      if (value_ != expected) {
        expected = value_;
        return false;
      }
      value_ = desired;
      return true;
    }

   private:
    T value_{};
  };

  /// With one thread no other could make `ready` true, so a wait would never end.
  class event {
   public:
    template <class Mutex, class Ready>
    void wait(Mutex&, Ready ready) {
      if (!ready()) fail_assertion({"event::wait would never return", __FILE__, __LINE__, 0, 0});
    }
    void notify_all() {}
  };

  /// With one thread, which retires nothing in a section, nobody can look at what is retired: it is released at once.
  class read_domain {
   public:
    struct section {};
    [[nodiscard]] section enter() { return {}; }
    void leave(section) {}
    void retire(retire_hook& hook) { hook.release(); }
    void synchronize() {}
    [[nodiscard]] std::uint64_t retired() const { return 0; }
  };
};
static_assert(lock<null_lock>);

}  // namespace svm::inline v0

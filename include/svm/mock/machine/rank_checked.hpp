// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>
#include <svm/mock/machine/failure.hpp>
#include <svm/mock/machine/report.hpp>
#include <svm/std/null_lock.hpp>

namespace svm::inline v0::mock {

/// The locks that this thread holds, and the rules that it must keep (O-36).
class held_locks {
 public:
  struct entry {
    lock_rank rank;
    bool shared;
    void const* lock;
  };

  /// Before a lock that may wait is taken: every rank that is held must be lower.
  [[gnu::always_inline]] void check_order(lock_rank rank, void const* lock) const {
    if (depth_ != 0 || in_section_) compare(rank, lock);
  }
  void push(entry e) {
    if (depth_ < stack_.size()) stack_[depth_] = e;
    ++depth_;
  }
  /// Most often the lock that was taken last is given up first.
  [[gnu::always_inline]] void pop(lock_rank rank, void const* lock, bool shared) {
    if (depth_ != 0 && depth_ <= stack_.size() && stack_[depth_ - 1].lock == lock &&
        stack_[depth_ - 1].shared == shared)
      --depth_;
    else
      take_out(rank, lock, shared);
  }
  [[nodiscard, gnu::noinline]] bool holds(void const* lock, bool exclusive) const {
    for (std::size_t i = 0; i < depth_; ++i)
      if (stack_[i].lock == lock && !(exclusive && stack_[i].shared)) return true;
    return false;
  }
  [[nodiscard]] bool holds_rank_from(lock_rank lowest) const {
    for (std::size_t i = 0; i < depth_; ++i)
      if (stack_[i].rank >= lowest) return true;
    return false;
  }
  [[nodiscard]] bool holds_rank(lock_rank rank) const {
    for (std::size_t i = 0; i < depth_; ++i)
      if (stack_[i].rank == rank) return true;
    return false;
  }
  /// True when a lock of this rank is held, and none shared.
  [[nodiscard]] bool holds_rank_exclusive(lock_rank rank) const {
    for (std::size_t i = 0; i < depth_; ++i)
      if (stack_[i].rank == rank && stack_[i].shared) return false;
    return holds_rank(rank);
  }
  [[nodiscard]] std::size_t depth() const { return depth_; }

  // Read sections, of whatever domain.
  void enter_section() {
    if (in_section_) lock_report().violation("O-36", "a read section is entered in another one");
    in_section_ = true;
  }
  void leave_section() {
    if (!in_section_) lock_report().violation("O-36", "a read section is left that was not entered");
    in_section_ = false;
  }
  /// Before something that is not done in a section.
  void check_outside(char const* what) const {
    if (in_section_) lock_report().violation("O-36", {what, " in a read section"});
  }
  /// Before something in which objects may be released, which takes locks from `leaf_allocator` on.
  void check_may_release(char const* what) const {
    if (holds_rank_from(lock_rank::leaf_allocator))
      lock_report().violation("O-36", {what, " with a lock held that a release may take"});
  }

 private:
  // Out of line, since every lock would carry them along.
  [[gnu::noinline]] void compare(lock_rank rank, void const* lock) const {
    if (in_section_) complain(rank, "waited for in a read section");
    for (std::size_t i = 0; i < depth_; ++i) {
      if (stack_[i].lock == lock)
        complain(rank, "taken twice by one thread");
      else if (stack_[i].rank >= rank)
        complain(rank, "taken while the ", lock_rank_name(stack_[i].rank), " lock is held");
    }
  }
  [[gnu::noinline]] void take_out(lock_rank rank, void const* lock, bool shared) {
    for (std::size_t i = depth_; i-- > 0;)
      if (stack_[i].lock == lock && stack_[i].shared == shared) {
        for (std::size_t k = i + 1; k < depth_; ++k) stack_[k - 1] = stack_[k];
        --depth_;
        return;
      }
    complain(rank, "given up without being held so");
  }
  [[gnu::noinline, gnu::cold]] static void complain(lock_rank rank, std::string_view what, std::string_view other = "",
                                                    std::string_view rest = "") {
    lock_report().violation("O-36", {"the ", lock_rank_name(rank), " lock is ", what, other, rest});
  }

  std::array<entry, 32> stack_{};
  std::size_t depth_ = 0;
  bool in_section_ = false;
};

/// Out of line, since every lock would carry it along.
[[gnu::noinline, gnu::cold]] inline void report_not_held(lock_rank rank) {
  lock_report().violation("O-37", {lock_rank_name(rank), " not held"});
}

/// What this thread holds.
inline thread_local held_locks this_thread_locks;
/// What lets attempts of this thread to lock fail, or nothing: locks are made without arguments.
inline thread_local failure_plan* this_thread_attempts = nullptr;
/// True when an attempt to lock is this thread's turn to fail.
[[nodiscard]] inline bool attempt_fails() {
  return this_thread_attempts != nullptr && this_thread_attempts->strikes(failure::lock);
}

/// The lock policy `Base` with every operation checked against the order of ranks; what is wrong goes to
/// `lock_report()`. What else `Base` has, it has too.
template <lock Base>
struct rank_checked : Base {
  /// False when there is only one thread, which can wait for nobody.
  static constexpr bool is_concurrent = !std::is_same_v<Base, null_lock>;

  /// The locks of this thread, which may be one of an explorer.
  [[nodiscard]] static held_locks& held() {
    if constexpr (requires { Base::template local<held_locks>(); })
      return Base::template local<held_locks>();
    else
      return this_thread_locks;
  }

  template <class Inner, lock_rank Rank>
  class SVM_CAPABILITY("mutex") checked {
   public:
    [[gnu::noinline]] void lock() SVM_ACQUIRE() {
      held().check_order(Rank, this);
      inner_.lock();
      held().push({Rank, false, this});
    }
    [[gnu::noinline]] void unlock() SVM_RELEASE() {
      held().pop(Rank, this, false);
      inner_.unlock();
    }
    [[nodiscard, gnu::noinline]] bool try_lock() SVM_TRY_ACQUIRE(true) {
      if (attempt_fails() || (!is_concurrent && held().holds(this, false))) return false;
      if (!inner_.try_lock()) return false;
      held().push({Rank, false, this});
      return true;
    }
    [[gnu::always_inline]] void lock_shared() SVM_ACQUIRE_SHARED() {
      held().check_order(Rank, this);
      inner_.lock_shared();
      held().push({Rank, true, this});
    }
    [[gnu::always_inline]] void unlock_shared() SVM_RELEASE_SHARED() {
      held().pop(Rank, this, true);
      inner_.unlock_shared();
    }
    [[nodiscard]] bool try_lock_shared() SVM_THREAD_ANNOTATION(try_acquire_shared_capability(true)) {
      if (attempt_fails() || (!is_concurrent && held().holds(this, true))) return false;
      if (!inner_.try_lock_shared()) return false;
      held().push({Rank, true, this});
      return true;
    }
    [[gnu::noinline]] void assert_held() SVM_ASSERT_CAPABILITY(this) {
      if (!held().holds(this, true)) report_not_held(Rank);
    }
    [[gnu::noinline]] void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this)) {
      if (!held().holds(this, false)) report_not_held(Rank);
    }

   private:
    Inner inner_;
  };

  template <lock_rank Rank>
  using mutex = checked<typename Base::template mutex<Rank>, Rank>;
  template <lock_rank Rank>
  using shared_mutex = checked<typename Base::template shared_mutex<Rank>, Rank>;
  template <class T>
  using atomic = typename Base::template atomic<T>;
  class event : public Base::event {
   public:
    template <class Mutex, class Ready>
    void wait(Mutex& mutex, Ready ready) {
      held().check_outside("an event is waited for");
      Base::event::wait(mutex, ready);
    }
  };

  /// Each promise of the caller's is checked before the domain below is asked.
  class read_domain {
   public:
    using section = typename Base::read_domain::section;

    [[nodiscard]] section enter() {
      held().enter_section();
      return domain_.enter();
    }
    void leave(section in) {
      held().leave_section();
      held().check_may_release("a read section is left");
      domain_.leave(in);
    }
    void retire(retire_hook& hook) {
      held().check_outside("an object is retired");
      held().check_may_release("an object is retired");
      domain_.retire(hook);
    }
    void synchronize() {
      held().check_outside("readers are waited for");
      if (held().depth() != 0) lock_report().violation("O-36", "readers are waited for with a lock held");
      domain_.synchronize();
    }
    [[nodiscard]] std::uint64_t retired() const { return domain_.retired(); }

   private:
    typename Base::read_domain domain_;
  };
};
static_assert(lock<rank_checked<null_lock>>);

}  // namespace svm::inline v0::mock

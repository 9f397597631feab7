// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <svm/base/retire_list.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>
#include <svm/explore/footprint.hpp>
#include <svm/explore/scheduler.hpp>
#include <svm/explore/steps.hpp>
#include <svm/explore/trace.hpp>

namespace svm::inline v0::explore {

/// A mutex or shared mutex, whatever its rank.
class basic_lock {
 public:
  explicit basic_lock(char const* kind) { state_.id = new_object(), state_.kind = kind; }
  basic_lock(basic_lock const&) = delete;
  basic_lock& operator=(basic_lock const&) = delete;
  ~basic_lock() {
    scheduler* const s = scheduler::running();
    if (s == nullptr) return;
    if (s->is_awaited(state_))
      s->fail_for_good(name() + " is destroyed while a thread waits for it");
    else if (!state_.can_take(access_kind::write))
      s->fail(name() + " is destroyed while it is held");
  }

  void take(access_kind how) {
    if (scheduler* const s = scheduler::of_this_thread())
      s->visible({how == access_kind::write ? "lock" : "lock shared", state_.kind, state_.id},
                 {.lock = &state_, .how = how},
                 how == access_kind::write ? footprint{{}, {state_.id}} : footprint{{state_.id}, {}});
    else if (!state_.can_take(how))
      fail_assertion({"a lock is waited for where nobody could give it up", __FILE__, __LINE__, 0, 0});
    hold(how);
  }
  [[nodiscard]] bool try_take(access_kind how) {
    scheduler* const s = scheduler::of_this_thread();
    if (s != nullptr)
      s->visible({how == access_kind::write ? "try lock" : "try lock shared", state_.kind, state_.id}, {},
                 how == access_kind::write ? footprint{{}, {state_.id}} : footprint{{state_.id}, {}});
    bool const can = state_.can_take(how);
    if (can)
      hold(how);
    else if (s != nullptr)
      s->touch_only({{state_.id}, {}});
    return can;
  }
  void give(access_kind how) {
    if (!holds(how)) return misused("is given up by who does not hold it so");
    if (how == access_kind::write)
      state_.writer = lock_state::unheld;
    else
      state_.readers &= ~only(self());
    if (scheduler* const s = scheduler::of_this_thread()) s->released(state_, how);
  }
  /// A thread that holds it exclusive holds it shared too.
  void assert_held(access_kind how) const {
    if (!holds(access_kind::write) && !(how == access_kind::read && holds(access_kind::read))) misused("is not held");
  }

 private:
  [[nodiscard]] static std::uint8_t self() {
    scheduler const* const s = scheduler::of_this_thread();
    return s == nullptr ? static_cast<std::uint8_t>(nobody) : s->current();
  }
  [[nodiscard]] bool holds(access_kind how) const {
    return how == access_kind::write ? state_.writer == self() : contains(state_.readers, self());
  }
  void hold(access_kind how) {
    if (how == access_kind::write)
      state_.writer = self();
    else
      state_.readers |= only(self());
  }
  [[nodiscard]] std::string name() const { return std::string{state_.kind} + " " + to_string(state_.id); }
  void misused(char const* how) const {
    if (scheduler* const s = scheduler::running())
      s->fail(name() + " " + how);
    else
      fail_assertion({how, __FILE__, __LINE__, state_.id.id, 0});
  }

  lock_state state_;
};

/// Read sections and what was retired beside them: an object is released as early as it may be, so that whoever looks at
/// it too late is seen.
class basic_read_domain {
 public:
  basic_read_domain() {
    waits_.reserve(64);  // so that retire allocates nothing, as far as programs that are explored go
    state_.id = new_object();
    changed_.id = new_object();
  }
  basic_read_domain(basic_read_domain const&) = delete;
  basic_read_domain& operator=(basic_read_domain const&) = delete;
  ~basic_read_domain() {
    if (!waits_.empty() || state_.readers != 0) misused("is destroyed while it is in use");
  }

  void enter() {
    step("enter", access_kind::read);
    if (contains(state_.readers, self())) misused("is entered twice by one thread");
    state_.readers |= only(self());
  }
  void leave() {
    // It is known in the step whether somebody waits for it.
    step("leave", access_kind::write);
    if (!contains(state_.readers, self())) return misused("is left by who is not in it");
    state_.readers &= ~only(self());
    scheduler* const s = scheduler::of_this_thread();
    if (s != nullptr && waits_.empty()) s->touch_only({{state_.id}, {}});
    for (wait& w : waits_) w.readers &= ~only(self());
    ++changed_.notified;
    release_ripe();
    if (s != nullptr) s->released(state_, access_kind::read);
  }
  void retire(retire_hook& hook) {
    step("retire", access_kind::write);
    if (contains(state_.readers, self())) misused("is retired into from inside");
    waits_.push_back({++waits_so_far_, state_.readers, &hook});
    release_ripe();
  }
  void synchronize() {
    step("synchronize", access_kind::write);
    if (contains(state_.readers, self())) return misused("is waited for from inside");
    std::uint64_t const number = ++waits_so_far_;
    waits_.push_back({number, state_.readers, nullptr});
    while (!is_over(number)) {
      scheduler* const s = scheduler::of_this_thread();
      if (s == nullptr)
        fail_assertion({"a section is waited for where nobody could leave it", __FILE__, __LINE__, 0, 0});
      s->visible({"synchronized", state_.kind, state_.id}, {.event = &changed_, .seen = changed_.notified},
                 {{changed_.id}, {state_.id}});
    }
    forget(number);
  }
  [[nodiscard]] std::uint64_t retired() const {
    step("count retired", access_kind::read);
    std::uint64_t count = 0;
    for (wait const& w : waits_) count += w.hook != nullptr ? 1 : 0;
    return count;
  }

 private:
  /// Of an object, or of a thread that synchronizes, for the readers that are still inside.
  struct wait {
    std::uint64_t number;
    thread_set readers;
    retire_hook* hook;
    bool is_claimed = false;  ///< somebody is about to release it
  };

  [[nodiscard]] static std::uint8_t self() {
    scheduler const* const s = scheduler::of_this_thread();
    return s == nullptr ? static_cast<std::uint8_t>(nobody) : s->current();
  }
  void step(site what, access_kind how) const {
    if (scheduler* const s = scheduler::of_this_thread())
      s->visible({what, state_.kind, state_.id}, {},
                 how == access_kind::write ? footprint{{}, {state_.id}} : footprint{{state_.id}, {}});
  }
  /// True when neither a reader nor an object from before the wait is left.
  [[nodiscard]] bool is_over(std::uint64_t number) const {
    return std::none_of(waits_.begin(), waits_.end(), [number](wait const& w) {
      return w.number == number ? w.readers != 0 : w.number < number && w.hook != nullptr;
    });
  }
  void forget(std::uint64_t number) {
    std::erase_if(waits_, [number](wait const& w) { return w.number == number; });
  }
  /// One at a time, since others may come while an object is released.
  void release_ripe() {
    for (;;) {
      auto const ripe = std::find_if(waits_.begin(), waits_.end(), [](wait const& w) {
        return w.readers == 0 && w.hook != nullptr && !w.is_claimed;
      });
      if (ripe == waits_.end()) return;
      ripe->is_claimed = true;
      std::uint64_t const number = ripe->number;
      ripe->hook->release();
      forget(number);
      ++changed_.notified;
      touch({}, {state_.id});  // the release may have been more than a step
    }
  }
  void misused(char const* how) const {
    if (scheduler* const s = scheduler::running())
      s->fail(std::string{state_.kind} + " " + to_string(state_.id) + " " + how);
    else
      fail_assertion({how, __FILE__, __LINE__, state_.id.id, 0});
  }

  lock_state state_{.id = {}, .kind = "read domain"};
  event_state changed_;  // a section was left, or an object released
  std::vector<wait> waits_;
  std::uint64_t waits_so_far_ = 0;
};

/// The lock policy of explored programs: every operation but to give a lock up is a visible step.
///
/// Outside of an execution, and in checks, it works for one thread.
struct lock_policy {
  template <lock_rank Rank>
  class SVM_CAPABILITY("mutex") mutex {
   public:
    void lock() SVM_ACQUIRE() { lock_.take(access_kind::write); }
    void unlock() SVM_RELEASE() { lock_.give(access_kind::write); }
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return lock_.try_take(access_kind::write); }
    void assert_held() SVM_ASSERT_CAPABILITY(this) { lock_.assert_held(access_kind::write); }

   private:
    basic_lock lock_{lock_rank_name(Rank)};
  };

  template <lock_rank Rank>
  class SVM_CAPABILITY("mutex") shared_mutex {
   public:
    void lock() SVM_ACQUIRE() { lock_.take(access_kind::write); }
    void unlock() SVM_RELEASE() { lock_.give(access_kind::write); }
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return lock_.try_take(access_kind::write); }
    void lock_shared() SVM_ACQUIRE_SHARED() { lock_.take(access_kind::read); }
    void unlock_shared() SVM_RELEASE_SHARED() { lock_.give(access_kind::read); }
    [[nodiscard]] bool try_lock_shared() SVM_THREAD_ANNOTATION(try_acquire_shared_capability(true)) {
      return lock_.try_take(access_kind::read);
    }
    void assert_held() SVM_ASSERT_CAPABILITY(this) { lock_.assert_held(access_kind::write); }
    void assert_held_shared() SVM_THREAD_ANNOTATION(assert_shared_capability(this)) {
      lock_.assert_held(access_kind::read);
    }

   private:
    basic_lock lock_{lock_rank_name(Rank)};
  };

  /// A word whose every access is a visible step; an exchange that fails counts as a read.
  template <class T>
  class atomic {
   public:
    atomic() = default;
    explicit atomic(T value) : value_(value) {}
    atomic(atomic const&) = delete;
    atomic& operator=(atomic const&) = delete;
    ~atomic() {
      seal_ = 0;
      asm volatile("" : : "r"(this) : "memory");  // what is stored at the end of a life counts here
    }

    [[nodiscard]] T load() const {
      step("load", access_kind::read);
      return value_;
    }
    void store(T value) {
      step("store", access_kind::write);
      value_ = value;
    }
    T exchange(T value) {
      step("exchange", access_kind::write);
      return std::exchange(value_, value);
    }
    T fetch_add(T n) {
      step("fetch add", access_kind::write);
      return std::exchange(value_, static_cast<T>(value_ + n));
    }
    T fetch_sub(T n) {
      step("fetch sub", access_kind::write);
      return std::exchange(value_, static_cast<T>(value_ - n));
    }
    T fetch_or(T n) {
      step("fetch or", access_kind::write);
      return std::exchange(value_, static_cast<T>(value_ | n));
    }
    T fetch_and(T n) {
      step("fetch and", access_kind::write);
      return std::exchange(value_, static_cast<T>(value_ & n));
    }
    bool compare_exchange(T& expected, T desired) {
      step("compare exchange", access_kind::write);
      if (value_ == expected) {
        value_ = desired;
        return true;
      }
      expected = value_;
      if (scheduler* const s = scheduler::of_this_thread()) s->touch_only({{id_}, {}});
      return false;
    }

   private:
    void step(site what, access_kind how) const {
      scheduler* const s = scheduler::of_this_thread();
      if (s == nullptr) return;
      s->visible({what, "atomic", id_}, {}, how == access_kind::write ? footprint{{}, {id_}} : footprint{{id_}, {}});
      if (seal_ != ~id_.id) s->fail("a word is used after its end");
    }

    T value_{};
    object id_ = new_object();
    std::uint64_t seal_ = ~id_.id;  // while it lives, and its memory is not written over
  };

  /// Other threads may come between the look at the condition and the wait, as with a condition variable.
  class event {
   public:
    event() { state_.id = new_object(); }
    event(event const&) = delete;
    event& operator=(event const&) = delete;

    // The locks change hands in a way that Clang's analysis cannot follow.
    template <class Mutex, class Ready>
    void wait(Mutex& mutex, Ready ready) SVM_NO_THREAD_SAFETY_ANALYSIS {
      while (!ready()) {
        scheduler* const s = scheduler::of_this_thread();
        if (s == nullptr) fail_assertion({"event::wait would never return", __FILE__, __LINE__, 0, 0});
        s->visible({"wait", "event", state_.id}, {}, {{state_.id}, {}});
        std::uint64_t const seen = state_.notified;
        mutex.unlock();
        s->await(state_, seen);
        mutex.lock();
      }
    }
    void notify_all() {
      if (scheduler* const s = scheduler::of_this_thread())
        s->visible({"notify", "event", state_.id}, {}, {{}, {state_.id}});
      ++state_.notified;
    }

   private:
    event_state state_;
  };

  class read_domain {
   public:
    struct section {};
    [[nodiscard]] section enter() {
      domain_.enter();
      return {};
    }
    void leave(section) { domain_.leave(); }
    void retire(retire_hook& hook) { domain_.retire(hook); }
    void synchronize() { domain_.synchronize(); }
    [[nodiscard]] std::uint64_t retired() const { return domain_.retired(); }

   private:
    basic_read_domain domain_;
  };

  /// Words that change together under a lock, and are looked at without it. A look is a step; a change is part of the step
  /// that it happens in.
  class structure {
   public:
    void looked_at() const { explore::point("look", {id_}, {}); }
    void changed() const { explore::touch({}, {id_}); }

   private:
    object id_ = new_object();
  };

  // What only this policy has. Code that runs on any policy asks first: `if constexpr (requires { Lock::yield(""); })`.
  static void point(site where, std::initializer_list<object> reads, std::initializer_list<object> writes) {
    explore::point(where, reads, writes);
  }
  static void touch(std::initializer_list<object> reads, std::initializer_list<object> writes) {
    explore::touch(reads, writes);
  }
  static void yield(site where) { explore::yield(where); }
  /// For what is `thread_local` in programs of real threads.
  template <class T>
  [[nodiscard]] static T& local() {
    return explore::local<T>();
  }
};
static_assert(svm::lock<lock_policy>);

}  // namespace svm::inline v0::explore

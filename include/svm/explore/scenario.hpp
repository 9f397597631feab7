// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <svm/config.hpp>
#include <svm/explore/strategy.hpp>

namespace svm::inline v0::explore {

/// The most operations that a thread may have.
inline constexpr std::size_t max_operations = 64;

/// Which operations of which threads take part; a thread without any is not started.
using selection = std::array<std::uint64_t, max_threads>;

/// Something that a scenario does with its state.
class action {
 public:
  action() = default;
  action(action const&) = delete;
  action& operator=(action const&) = delete;
  virtual ~action() = default;
  virtual void run() = 0;
};

/// The part of a scenario that does not depend on the type of its state: named threads of named operations.
class basic_scenario {
 public:
  struct operation {
    std::string name;
    action* what;
  };
  struct thread_part {
    std::string name;
    std::vector<operation> operations;
  };

  /// A name has no colon and no tilde, since it stands in replay strings.
  explicit basic_scenario(std::string name) : name_(std::move(name)) {
    SVM_ASSERT(name_.find_first_of(":~") == std::string::npos);
  }
  basic_scenario(basic_scenario const&) = delete;
  basic_scenario& operator=(basic_scenario const&) = delete;
  virtual ~basic_scenario() {
    for (thread_part const& t : threads_)
      for (operation const& o : t.operations) delete o.what;
    delete step_check_;
    delete end_check_;
  }

  [[nodiscard]] std::string const& name() const { return name_; }
  [[nodiscard]] std::vector<thread_part> const& threads() const { return threads_; }
  [[nodiscard]] selection everything() const {
    selection all{};
    for (std::size_t t = 0; t < threads_.size(); ++t)
      for (std::size_t i = 0; i < threads_[t].operations.size(); ++i) all[t] |= std::uint64_t{1} << i;
    return all;
  }

  /// Makes a fresh state.
  virtual void set_up() = 0;
  virtual void tear_down() = 0;
  /// Keeps the state as it is and undestroyed: threads that will never go on are in the middle of using it.
  virtual void abandon() = 0;

  [[nodiscard]] bool checks_steps() const { return step_check_ != nullptr; }
  void check_step() { step_check_->run(); }
  void check_end() {
    if (end_check_ != nullptr) end_check_->run();
  }

 protected:
  void add_thread(std::string name) {
    SVM_ASSERT_OP(threads_.size(), <, max_threads);
    threads_.push_back({std::move(name), {}});
  }
  void add_operation(std::size_t thread, std::string name, action* what) {
    SVM_ASSERT_OP(threads_[thread].operations.size(), <, max_operations);
    threads_[thread].operations.push_back({std::move(name), what});
  }
  void check_with(action*& place, action* check) { delete std::exchange(place, check); }

  action* step_check_ = nullptr;
  action* end_check_ = nullptr;

 private:
  std::string name_;
  std::vector<thread_part> threads_;
};

/// What shall be explored: a state that is made anew for each execution, and threads that work on it.
///
///     struct account { explore::lock_policy::atomic<std::uint32_t> balance{0}; };
///     explore::scenario<account> s{"deposits"};
///     s.thread("a").does("deposit", [](account& a) { a.balance.store(a.balance.load() + 1); });
///     s.thread("b").does("deposit", [](account& a) { a.balance.store(a.balance.load() + 1); });
///     s.at_end([](account& a) { if (a.balance.load() != 2) explore::fail("a deposit is lost"); });
///     explore::report const r = explore::search(s, explore::exhaustive{});
///
/// Rules:
///  1. an operation does the same thing each time, given the same results of its visible steps: it reads no clock but
///     `explore::clock`, draws no random number but from `explore::seed()`, and looks at no address;
///  2. what threads share is a lock or a word of `explore::lock_policy`, is guarded by one, or is published with `point`;
///  3. up to its first visible step a thread runs before the first choice, so that it must touch only its own there;
///  4. checks see the state between two steps, on no thread; they take no step and must not wait;
///  5. operations and checks throw nothing;
///  6. after a failure, and when an execution is given up, the threads run to their ends unchecked and the state is
///     destroyed. Only after a deadlock or a livelock they cannot: their stacks and the state are kept as they are.
template <class State>
class scenario : public basic_scenario {
 public:
  class thread_builder {
   public:
    /// Adds an operation, a function of the state, after those that the thread has.
    template <class F>
    thread_builder& does(std::string name, F operation) {
      owner_.add_operation(thread_, std::move(name), owner_.template act<F>(std::move(operation)));
      return *this;
    }

   private:
    friend scenario;
    thread_builder(scenario& owner, std::size_t thread) : owner_(owner), thread_(thread) {}
    scenario& owner_;
    std::size_t thread_;
  };

  /// `make` returns a new state, made with `new`.
  explicit scenario(
      std::string name, State* (*make)() = +[] { return new State; })
      : basic_scenario(std::move(name)), make_(make) {}

  thread_builder thread(std::string name) {
    add_thread(std::move(name));
    return {*this, threads().size() - 1};
  }
  /// Called with the state after each step of an execution.
  template <class F>
  void after_each_step(F check) {
    check_with(step_check_, act<F>(std::move(check)));
  }
  /// Called with the state when all threads have ended.
  template <class F>
  void at_end(F check) {
    check_with(end_check_, act<F>(std::move(check)));
  }

  void set_up() override { state_ = make_(); }
  void tear_down() override { delete std::exchange(state_, nullptr); }
  void abandon() override { abandoned_ = new kept{std::exchange(state_, nullptr), abandoned_}; }

 private:
  template <class F>
  class action_on_state final : public action {
   public:
    action_on_state(scenario& owner, F f) : owner_(owner), f_(std::move(f)) {}
    void run() override { f_(*owner_.state_); }

   private:
    scenario& owner_;
    F f_;
  };
  template <class F>
  [[nodiscard]] action* act(F f) {
    return new action_on_state<F>(*this, std::move(f));
  }

  /// A list, so that tools that look for leaks see that it is on purpose.
  struct kept {
    State* state;
    kept* next;
  };
  static inline kept* abandoned_ = nullptr;

  State* (*make_)();
  State* state_ = nullptr;
};

}  // namespace svm::inline v0::explore

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <svm/concepts/time_source.hpp>
#include <svm/config.hpp>
#include <svm/explore/fibre.hpp>
#include <svm/explore/footprint.hpp>
#include <svm/explore/replay.hpp>
#include <svm/explore/report.hpp>
#include <svm/explore/scenario.hpp>
#include <svm/explore/strategy.hpp>
#include <svm/explore/trace.hpp>

namespace svm::inline v0::explore {

/// Whether the moment after a lock was given up is a step of its own.
///
/// `joined` is enough for programs that touch what they share only under its lock. No other thread can then tell the
/// release from the step before it. `own_step` also finds what a program touches after it gave the lock up too early;
/// it costs more executions.
enum class releases : std::uint8_t { joined, own_step };

/// Which threads hold a lock.
struct lock_state {
  static constexpr std::uint8_t unheld = 0xff;

  object id;
  char const* kind = "";
  std::uint8_t writer = unheld;  ///< a thread; `nobody` for code outside of threads
  thread_set readers = 0;        ///< a bit more than threads: the last is for code outside of them

  [[nodiscard]] bool can_take(access_kind how) const {
    return writer == unheld && (how == access_kind::read || readers == 0);
  }
};

/// How often an event was notified.
struct event_state {
  object id;
  std::uint64_t notified = 0;
};

/// The conditions of a step: all that are set must hold before it is taken.
struct condition {
  lock_state const* lock = nullptr;
  access_kind how = access_kind::write;
  event_state const* event = nullptr;
  std::uint64_t seen = 0;  ///< the event was notified more often than this
  bool timed = false;
  time_point until{};
  bool spinning = false;  ///< another thread has changed something that this one has looked at
};

/// How an execution ended.
enum class ending : std::uint8_t { complete, blocked, cut, failed };

/// How one execution is run.
struct run_options {
  std::uint64_t seed = 0;
  std::size_t max_steps = 5000;  ///< then the schedule turns fair, and has as many steps again to come to its end
  releases release = releases::joined;
  bool hash_classes = false;     ///< for `class_hash()`
  bool keep_footprints = false;  ///< of all steps, for `footprints()`
};

/// Runs executions of scenarios, one step of one thread at a time.
///
/// A step goes from one `visible` call of a thread to its next. The call publishes what the step that starts there will
/// touch, and returns when the strategy has chosen the thread. Everything is on one OS thread; threads switch directly to
/// each other.
class scheduler {
 public:
  scheduler() = default;
  scheduler(scheduler const&) = delete;
  scheduler& operator=(scheduler const&) = delete;

  /// Runs one execution. \pre `how.start` has returned true; no scheduler is running on this OS thread
  ending run(basic_scenario& s, selection const& part, strategy& how, run_options const& options);

  // What is known of the last execution.
  [[nodiscard]] failure const& failed() const { return failure_; }
  [[nodiscard]] schedule const& choices() const { return choices_; }
  [[nodiscard]] std::vector<step_record> const& steps() const { return steps_; }
  [[nodiscard]] std::vector<footprint> const& footprints() const { return footprints_; }
  /// Of the steps in their order.
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  /// Of the steps up to the order of those that do not conflict.
  [[nodiscard]] std::uint64_t class_hash() const { return trace_.value(); }
  /// The step that a thread would take next; the thread has not ended.
  [[nodiscard]] step_name const& next_step(std::size_t of) const { return threads_[of].next; }
  [[nodiscard]] footprint const& next_footprint(std::size_t of) const { return threads_[of].touched; }
  [[nodiscard]] std::uint8_t operation(std::size_t of) const { return threads_[of].operation; }
  /// Threads that never came to their ends.
  [[nodiscard]] thread_set stuck() const { return stuck_; }

  /// The scheduler whose execution is on, also outside of its threads; or null.
  [[nodiscard]] static scheduler* running() { return running_; }
  /// The scheduler of the thread that calls; null in checks, and while the state is made and destroyed.
  [[nodiscard]] static scheduler* of_this_thread() {
    return running_ != nullptr && running_->inside_ ? running_ : nullptr;
  }

  // For threads.
  [[nodiscard]] std::uint8_t current() const { return static_cast<std::uint8_t>(current_); }
  /// Publishes the next step and waits for its turn.
  void visible(step_name const& name, condition const& waits_for, footprint const& touches);
  /// Makes the next step wait for an event as well.
  void await(event_state const& event, std::uint64_t seen) {
    threads_[current_].awaited = &event;
    threads_[current_].seen = seen;
  }
  /// Adds to what the step of this moment touches.
  void touch(object o, access_kind how) { threads_[current_].touched.add(o, how); }
  /// Says better what the step of this moment touches, before anything else is added.
  void touch_only(footprint const& what) { threads_[current_].touched = what; }
  /// A lock was given up.
  void released(lock_state const& lock, access_kind how) {
    touch(lock.id, how);
    if (options_.release == releases::own_step && !draining_)
      visible({"unlocked", lock.kind, lock.id}, {}, {{lock.id}, {}});
  }
  void yield(site where) {
    footprint looked_at;
    looked_at.add_classes(threads_[current_].looked_at);
    visible({where, "", {}}, {.spinning = true}, looked_at);
  }
  void wait_until(time_point t) {
    if (is_before(now_, t)) visible({"wait for a time", "clock", {}}, {.timed = true, .until = t}, {});
  }

  // For threads and what runs between them.
  void fail(std::string text) { record(failure_kind::violation, std::move(text)); }
  /// As `fail`, where the threads cannot be let go on.
  void fail_for_good(std::string text) {
    fail(std::move(text));
    abandoned_ = true;
  }
  [[nodiscard]] time_point now() const { return now_; }
  [[nodiscard]] std::uint64_t seed() const { return options_.seed; }
  [[nodiscard]] object new_object() {
    std::uint64_t const context = inside_ ? current_ + 1 : 0;
    return {object::own | context << 32 | ++objects_[context]};
  }
  /// Counts executions; with `context`, tells whose data a place is.
  [[nodiscard]] std::uint64_t execution() const { return execution_; }
  /// 0 outside of threads, else the thread and 1.
  [[nodiscard]] std::size_t context() const { return inside_ ? current_ + 1 : 0; }
  /// True when some thread waits for `lock`.
  [[nodiscard]] bool is_awaited(lock_state const& lock) const {
    for (std::size_t t = 0; t < count_; ++t)
      if (!threads_[t].done && threads_[t].waits_for.lock == &lock) return true;
    return false;
  }

 private:
  struct thread {
    fibre stack;
    step_name next;
    condition waits_for;
    footprint touched;  ///< by the next step as published, or by the current one so far
    event_state const* awaited = nullptr;
    std::uint64_t seen = 0;
    std::uint64_t looked_at = 0;  ///< classes of objects, since it last yielded
    bool disturbed = false;       ///< another thread wrote to one of those
    bool done = true;
    std::uint8_t operation = 0;
  };

  void start_threads();
  [[nodiscard]] static bool is_enabled(thread const& t, time_point now);
  [[nodiscard]] thread_set enabled() const;
  [[nodiscard]] std::size_t choose();
  [[nodiscard]] bool let_time_pass();
  void start_step(std::size_t next);
  void finish_step();
  void go_to(std::size_t next);
  static void thread_main();
  void run_operations(std::size_t self);

  void record(failure_kind kind, std::string text);
  [[nodiscard]] std::string who_waits() const;
  [[nodiscard]] std::string last_steps() const;
  [[nodiscard]] std::string replay_string() const;
  void leave_stacks();
  static void assertion_failed(assertion_failure const& what);

  static inline constinit thread_local scheduler* running_ = nullptr;

  std::array<thread, max_threads> threads_;
  fibre outside_;  ///< the OS thread's own flow of control
  std::size_t count_ = 0;

  basic_scenario* scenario_ = nullptr;
  strategy* strategy_ = nullptr;
  selection part_{};
  run_options options_;
  decltype(assertion_handler) outer_handler_ = nullptr;
  std::array<std::uint32_t, max_threads + 1> objects_{};
  std::uint64_t execution_ = 0;

  std::size_t current_ = nobody;
  time_point now_;
  std::size_t limit_ = 0;
  bool inside_ = false;    ///< a thread runs, and no check
  bool starting_ = false;  ///< threads run to their first steps
  bool chosen_ = false;    ///< the step of this moment was the strategy's choice
  bool fair_ = false;      ///< the bound of steps was reached
  bool draining_ = false;  ///< the execution is over, and threads run to their ends
  bool blocked_ = false;
  bool failed_ = false;
  bool abandoned_ = false;  ///< the threads stay where they are
  std::size_t drained_ = 0;
  thread_set stuck_ = 0;

  failure failure_;
  schedule choices_;
  std::vector<step_record> steps_;
  std::vector<footprint> footprints_;
  std::uint64_t hash_ = 0;
  trace_hash trace_;
};

}  // namespace svm::inline v0::explore

#include <svm/explore/impl/scheduler_run.hpp>

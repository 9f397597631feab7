// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The second half of scheduler.hpp.

#include <svm/explore/scheduler.hpp>

namespace svm::inline v0::explore {

inline ending scheduler::run(basic_scenario& s, selection const& part, strategy& how, run_options const& options) {
  SVM_ASSERT(running_ == nullptr);
  scenario_ = &s;
  strategy_ = &how;
  part_ = part;
  options_ = options;
  count_ = s.threads().size();
  objects_ = {};
  ++execution_;
  current_ = nobody;
  now_ = {};
  limit_ = options.max_steps;
  inside_ = fair_ = draining_ = blocked_ = failed_ = abandoned_ = false;
  drained_ = 0;
  stuck_ = 0;
  failure_ = {};
  choices_.clear();
  steps_.clear();
  footprints_.clear();
  hash_ = 0;
  trace_.start(count_);

  outer_handler_ = std::exchange(assertion_handler, assertion_failed);
  running_ = this;
  s.set_up();
  start_threads();
  draining_ = failed_;
  if (std::size_t const next = choose(); next != nobody) {
    current_ = next;
    inside_ = true;
    outside_.switch_to(threads_[next].stack);
    inside_ = false;
    current_ = nobody;
  }
  if (!failed_ && !draining_) s.check_end();
  if (abandoned_) {
    s.abandon();
    leave_stacks();
  } else {
    s.tear_down();
  }
  running_ = nullptr;
  assertion_handler = outer_handler_;
  return failed_ ? ending::failed : blocked_ ? ending::blocked : fair_ ? ending::cut : ending::complete;
}

inline void scheduler::start_threads() {
  starting_ = true;
  for (std::size_t t = 0; t < count_; ++t) {
    thread& it = threads_[t];
    it.waits_for = {};
    it.touched = {};
    it.awaited = nullptr;
    it.looked_at = 0;
    it.disturbed = false;
    it.done = part_[t] == 0;
    if (it.done || abandoned_) continue;
    if (!it.stack.has_stack()) it.stack.prepare(thread_main);
    current_ = t;
    inside_ = true;
    outside_.switch_to(it.stack);
    inside_ = false;
  }
  current_ = nobody;
  starting_ = false;
}

inline void scheduler::thread_main() {
  fibre::started();
  running_->run_operations(running_->current_);
}

/// Runs the thread's part of one execution after the other, and never returns.
inline void scheduler::run_operations(std::size_t self) {
  for (;;) {
    thread& me = threads_[self];
    for (std::uint64_t left = part_[self]; left != 0; left &= left - 1) {
      me.operation = static_cast<std::uint8_t>(std::countr_zero(left));
      scenario_->threads()[self].operations[me.operation].what->run();
    }
    me.done = true;
    if (starting_) {
      me.stack.switch_to(outside_);
    } else {
      finish_step();
      go_to(choose());
    }
  }
}

inline void scheduler::visible(step_name const& name, condition const& waits_for, footprint const& touches) {
  thread& me = threads_[current_];
  if (!starting_) finish_step();
  me.next = name;
  me.waits_for = waits_for;
  me.touched = touches;
  if (me.awaited != nullptr) {
    me.waits_for.event = std::exchange(me.awaited, nullptr);
    me.waits_for.seen = me.seen;
    me.touched.add(me.waits_for.event->id, access_kind::read);
  }
  if (starting_)
    me.stack.switch_to(outside_);
  else
    go_to(choose());
}

inline void scheduler::go_to(std::size_t next) {
  std::size_t const self = current_;
  if (next == self) return;
  if (next != nobody) current_ = next;
  threads_[self].stack.switch_to(next == nobody ? outside_ : threads_[next].stack);
}

inline bool scheduler::is_enabled(thread const& t, time_point now) {
  condition const& c = t.waits_for;
  return !t.done && (c.lock == nullptr || c.lock->can_take(c.how)) &&
         (c.event == nullptr || c.event->notified != c.seen) && !(c.timed && is_before(now, c.until)) &&
         (!c.spinning || t.disturbed);
}

inline thread_set scheduler::enabled() const {
  thread_set set = 0;
  for (std::size_t t = 0; t < count_; ++t)
    if (is_enabled(threads_[t], now_)) set |= only(t);
  return set;
}

/// Decides which thread takes the next step, and starts it; `nobody` when the execution is over.
inline std::size_t scheduler::choose() {
  for (;;) {
    if (abandoned_) return nobody;
    thread_set const ready = enabled();
    if (ready == 0) {
      bool all_done = true;
      for (std::size_t t = 0; t < count_; ++t) all_done = all_done && threads_[t].done;
      if (all_done) return nobody;
      if (let_time_pass()) continue;
      record(failure_kind::deadlock, "no thread can go on" + who_waits());
      abandoned_ = true;
      return nobody;
    }
    if (draining_) {
      if (++drained_ > 2 * options_.max_steps) {
        record(failure_kind::livelock, "a fair schedule of many steps has no end" + who_waits());
        abandoned_ = true;
        return nobody;
      }
      std::size_t const next = next_of(ready, current_);
      start_step(next);
      return next;
    }
    if (steps_.size() >= limit_) {
      if (fair_) {
        record(failure_kind::livelock, "a fair schedule of many steps has no end" + who_waits());
        abandoned_ = true;
        return nobody;
      }
      fair_ = true;
      limit_ *= 2;
    }
    std::size_t next = nobody;
    if (fair_) {
      next = next_of(ready, current_);
    } else {
      bool const yielding = current_ != nobody && !threads_[current_].done && threads_[current_].waits_for.spinning;
      next = strategy_->choose({ready, current_, yielding});
      if (next == nobody) {
        if (strategy_->diverged())
          record(failure_kind::nondeterminism,
                 "the same choices led to something else: an operation depends on what is not scheduled");
        else
          blocked_ = true;
        draining_ = true;
        continue;
      }
      chosen_ = true;
    }
    start_step(next);
    return next;
  }
}

/// No thread can go on: lets those that yielded look again, and turns the clock; false when there is nothing to wait
/// for.
inline bool scheduler::let_time_pass() {
  bool spinners = false;
  thread const* first = nullptr;
  for (std::size_t i = 0; i < count_; ++i) {
    thread& t = threads_[i];
    if (t.done) continue;
    if (t.waits_for.spinning) spinners = t.disturbed = true;
    if (t.waits_for.timed && (first == nullptr || is_before(t.waits_for.until, first->waits_for.until))) first = &t;
  }
  if (first != nullptr)
    now_ = first->waits_for.until;
  else if (spinners)
    now_ = now_ + milliseconds(1);
  return spinners || first != nullptr;
}

inline void scheduler::start_step(std::size_t next) {
  thread& t = threads_[next];
  if (!draining_) {
    choices_.push_back(static_cast<std::uint8_t>(next));
    steps_.push_back({t.next, static_cast<std::uint8_t>(next), t.operation});
    hash_ = fold(fold(hash_, t.next.what.hash + (std::uint64_t{next} << 32)), t.next.which.id);
  }
  if (t.waits_for.spinning) {
    t.looked_at = 0;
    t.disturbed = false;
  }
  t.waits_for = {};
}

/// The step of the current thread has come to its end: tells the strategy and the checks.
inline void scheduler::finish_step() {
  if (draining_ || abandoned_) return;
  thread& me = threads_[current_];
  if (std::exchange(chosen_, false)) strategy_->stepped(me.touched);
  if (options_.hash_classes) trace_.add(current_, fold(me.next.what.hash, me.next.which.id), me.touched);
  if (options_.keep_footprints) footprints_.push_back(me.touched);
  me.looked_at |= me.touched.touched_classes();
  for (std::size_t t = 0; t < count_; ++t)
    if (t != current_ && (threads_[t].looked_at & me.touched.written_classes()) != 0) threads_[t].disturbed = true;
  if (!failed_ && scenario_->checks_steps()) {
    inside_ = false;
    scenario_->check_step();
    inside_ = true;
  }
  if (failed_) draining_ = true;
}

/// Notes the first failure of an execution.
inline void scheduler::record(failure_kind kind, std::string text) {
  if (failed_ || draining_) return;
  failed_ = true;
  failure_.kind = kind;
  failure_.text = std::move(text);
  failure_.last_steps = last_steps();
  // Beyond the bound nothing was chosen.
  if (kind == failure_kind::livelock && choices_.size() > options_.max_steps) choices_.resize(options_.max_steps);
  failure_.replay = replay_string();
  failure_.steps = steps_.size();
  for (std::size_t i = 1; i < choices_.size(); ++i) failure_.switches += choices_[i] != choices_[i - 1] ? 1 : 0;
  failure_.hash = hash_;
}

inline std::string scheduler::who_waits() const {
  auto const thread_name = [&](std::size_t t) { return t < count_ ? scenario_->threads()[t].name : "no thread"; };
  std::string text;
  for (std::size_t i = 0; i < count_; ++i) {
    thread const& t = threads_[i];
    if (t.done) continue;
    text += "\n  " + thread_name(i) + " in \"" + scenario_->threads()[i].operations[t.operation].name + "\": ";
    condition const& c = t.waits_for;
    if (c.event != nullptr && c.event->notified == c.seen) {
      text += "waits for event " + to_string(c.event->id) + ", which nobody notifies";
    } else if (c.lock != nullptr && !c.lock->can_take(c.how)) {
      text += std::string{"waits for "} + c.lock->kind + " " + to_string(c.lock->id) + ", held by";
      if (c.lock->writer != lock_state::unheld) text += " " + thread_name(c.lock->writer);
      for (thread_set left = c.lock->readers; left != 0; left &= left - 1) text += " " + thread_name(first_of(left));
    } else {
      text += (c.spinning ? "yields at " : "is about to ") + to_string(t.next);
    }
  }
  return text;
}

inline std::string scheduler::last_steps() const {
  constexpr std::size_t most = 50;
  std::string text;
  for (std::size_t i = steps_.size() > most ? steps_.size() - most : 0; i < steps_.size(); ++i) {
    auto const& names = scenario_->threads()[steps_[i].thread];
    text += "  " + std::to_string(i + 1) + " " + names.name + " in \"" + names.operations[steps_[i].operation].name +
            "\": " + to_string(steps_[i].name) + "\n";
  }
  return text;
}

inline std::string scheduler::replay_string() const {
  return to_string({scenario_->name(), part_, version_string,
                    strategy_->name() + (options_.release == releases::own_step ? "+" : ""), options_.seed, choices_},
                   scenario_->everything());
}

/// The threads that have not ended get new stacks next time.
inline void scheduler::leave_stacks() {
  for (std::size_t t = 0; t < count_; ++t)
    if (!threads_[t].done) {
      stuck_ |= only(t);
      threads_[t].stack.abandon();
    }
}

/// The program is about to trap: says how to get here again.
inline void scheduler::assertion_failed(assertion_failure const& what) {
  std::fprintf(stderr, "%s:%d: %s does not hold (%llu, %llu)\n%sreplay: %s\n", what.file, what.line, what.expression,
               static_cast<unsigned long long>(what.left), static_cast<unsigned long long>(what.right),
               running_->last_steps().c_str(), running_->replay_string().c_str());
  if (running_->outer_handler_ != nullptr) running_->outer_handler_(what);
}

}  // namespace svm::inline v0::explore

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <svm/mock/machine/failure.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/mock/machine/report.hpp>
#include <svm/mock/machine/steps.hpp>
#include <svm/mock/machine/touched.hpp>
#include <svm/port/notifier_list.hpp>

namespace svm::inline v0::mock {

/// The interval notifiers of an address space: those that every port may have, with failures on demand, a report of what
/// callers and targets do wrong, and steps at which tests act.
template <lock Lock>
class notifiers {
  using list = port::notifier_list<Lock>;

 public:
  using registration = typename list::registration;

  notifiers(failure_plan& failures, report& broken, steps& hooks)
      : failures_(failures), report_(broken), steps_(hooks) {}

  [[nodiscard]] errc insert(registration& r, va_range span, invalidation_target& target) {
    steps_.at(step::registering);
    if (Lock::held().holds_rank(lock_rank::mm) || Lock::held().holds_rank(lock_rank::notifier))
      report_.violation("O-36", "a notifier is registered under the map lock or a notifier lock");
    if (failures_.strikes(failure::notifier)) return errc::registration_failed;
    list_.insert(r, span, target);
    return errc::ok;
  }
  void remove(registration& r) {
    if (Lock::held().holds_rank_from(lock_rank::vm))
      report_.violation("O-36", "a notifier is unregistered with a lock held");
    list_.remove(r);
  }

  [[nodiscard]] std::uint64_t read_begin(registration& r) { return list_.read_begin(r); }
  [[nodiscard]] bool read_retry(registration const& r, std::uint64_t seen) { return list_.read_retry(r, seen); }
  void set_sequence(registration& r, std::uint64_t value) {
    ++sequences_set();
    list_.set_sequence(r, value);
  }

  /// \see notifier_list::invalidate
  template <class Change>
  bool invalidate(invalidation const& event, Change&& change) {
    return list_.invalidate(event, change, judged_calls{*this});
  }

  [[nodiscard]] std::uint64_t registered() { return list_.registered(); }
  /// True when a section is open that meets a span.
  ///
  /// \pre nobody else runs
  [[nodiscard]] bool is_open_over(va_range span) const {
    for (va_range const& open : open_)
      if (open.overlaps(span)) return true;
    return false;
  }
  /// True when the counter is odd only while a section is open, and as many are open as it counts (O-22).
  ///
  /// \pre nobody else runs
  [[nodiscard]] bool counts_right() const {
    return list_.running() == open_.size() && (list_.running() != 0 || !list_.is_frozen());
  }
  /// What sections were over that have ended; to be looked at when nobody else runs.
  [[nodiscard]] touched& changed() { return told_; }
  /// True when no section is open and the counter is even (O-22).
  [[nodiscard]] bool is_quiet() { return list_.is_quiet(); }

 private:
  /// Looks at what each target does.
  struct judged_calls {
    notifiers& home;

    [[nodiscard]] invalidation_answer tell(registration& r, invalidation const& event, std::uint64_t sequence) {
      unsigned const before = std::exchange(sequences_set(), 0u);
      invalidation_answer const answer = r.target->invalidate(event, sequence);
      bool const refused = answer == invalidation_answer::refused;
      if (sequences_set() != (refused ? 0u : 1u))
        home.report_.violation("O-23", "a callback did not set the sequence exactly once");
      sequences_set() = before;
      if (refused && event.may_block) home.report_.violation("O-28", "a callback refused an event that may block");
      return answer;
    }
    void told() { home.steps_.at(step::told); }
    void begun_locked(invalidation const& event) { home.open_.push_back(event.span); }
    void ended_locked(invalidation const& event) {
      home.open_.remove(event.span);
      home.told_.note(event.span);
    }
  };

  /// How often the callback that runs on this thread has set its sequence.
  [[nodiscard]] static unsigned& sequences_set() {
    if constexpr (requires { Lock::template local<unsigned>(); }) {
      return Lock::template local<unsigned>();
    } else {
      constinit static thread_local unsigned set = 0;
      return set;
    }
  }

  failure_plan& failures_;
  report& report_;
  steps& steps_;
  list list_;
  // Under the lock of the list.
  plain_list<va_range> open_;  // sections, each with the span of its event
  touched told_;
};

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <svm/base/interval_sequence.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/upcalls.hpp>
#include <svm/mock/failure.hpp>
#include <svm/mock/rank_checked.hpp>
#include <svm/mock/report.hpp>
#include <svm/mock/steps.hpp>
#include <svm/mock/touched.hpp>

namespace svm::inline v0::mock {

/// The interval notifiers of an address space, with the full sequence protocol.
///
/// Locks: `lock_` (leaf_sequence) guards the sequence and the list of registrations; callbacks run without it.
/// \source mm/mmu_notifier.c
template <lock Lock>
class notifiers {
 public:
  /// What a registered target keeps in its own object.
  struct registration {
    typename Lock::template atomic<std::uint64_t> sequence{0};
    va_range span{cpu_va{}, byte_count{1}};
    invalidation_target* target = nullptr;  ///< null while it is not registered
    bool in_index = false;
  };

  notifiers(failure_plan& failures, report& broken, steps& hooks)
      : failures_(failures), report_(broken), steps_(hooks) {}

  [[nodiscard]] errc insert(registration& r, va_range span, invalidation_target& target) {
    steps_.at(step::registering);
    if (Lock::held().holds_rank(lock_rank::mm) || Lock::held().holds_rank(lock_rank::notifier))
      report_.violation("O-36", "a notifier is registered under the map lock or a notifier lock");
    if (failures_.strikes(failure::notifier)) return errc::registration_failed;
    exclusive_guard const guard{lock_};
    interval_sequence::insertion const how = sequence_.insert();
    r.span = span;
    r.target = &target;
    r.sequence.store(how.value);
    r.in_index = !how.deferred;
    (how.deferred ? deferred_ : index_).push_back(&r);
    ++registered_;
    return errc::ok;
  }

  /// Waits until no callback of the registration runs or will run.
  void remove(registration& r) {
    if (Lock::held().depth() != 0) report_.violation("O-36", "a notifier is unregistered with a lock held");
    exclusive_guard const guard{lock_};
    if (!r.in_index) {
      std::erase(deferred_, &r);
    } else {
      if constexpr (Lock::is_concurrent) changed_.wait(lock_, [&] { return !sequence_.index_frozen(); });
      std::erase(index_, &r);
    }
    r.target = nullptr;
    --registered_;
  }

  [[nodiscard]] std::uint64_t read_begin(registration& r) {
    exclusive_guard const guard{lock_};
    // Once: a callback sets it without the lock, and what it sets then is of an event that was not waited for.
    std::uint64_t const seen = r.sequence.load();
    if constexpr (Lock::is_concurrent) changed_.wait(lock_, [&] { return !sequence_.must_wait(seen); });
    return seen;
  }
  [[nodiscard]] bool read_retry(registration const& r, std::uint64_t seen) { return r.sequence.load() != seen; }

  void set_sequence(registration& r, std::uint64_t value) {
    ++sequences_set();
    r.sequence.store(value);
  }

  /// Runs a section: tells every target that `event` meets, waits for those that went on working, then calls `change`,
  /// which drops the pages; false, without `change`, when a target would have had to wait for an event that may not. No
  /// target after that one is told.
  template <class Change>
  bool invalidate(invalidation const& event, Change&& change) {
    std::vector<registration*> hit;
    std::uint64_t value = 0;
    {
      exclusive_guard const guard{lock_};
      sequence_.begin();
      open_.push_back(event.span);
      for (registration* const r : index_)
        if (r->span.overlaps(event.span)) hit.push_back(r);
      if (!hit.empty()) value = sequence_.hit();
    }
    bool done = true;
    std::vector<registration*> pending;
    for (registration* const r : hit) {
      unsigned const before = std::exchange(sequences_set(), 0u);
      invalidation_answer const answer = r->target->invalidate(event, value);
      bool const refused = answer == invalidation_answer::refused;
      if (sequences_set() != (refused ? 0u : 1u))
        report_.violation("O-23", "a callback did not set the sequence exactly once");
      sequences_set() = before;
      if (answer == invalidation_answer::pending) pending.push_back(r);
      if (!refused) continue;
      if (event.may_block) report_.violation("O-28", "a callback refused an event that may block");
      done = false;
      break;
    }
    if (!pending.empty()) steps_.at(step::told);
    for (registration* const r : pending) r->target->finish_invalidation(event);
    if (done) change();
    end(event.span);
    return done;
  }

  [[nodiscard]] std::uint64_t registered() {
    exclusive_guard const guard{lock_};
    return registered_;
  }
  /// True when a section is open that meets a span.
  ///
  /// \pre nobody else runs
  [[nodiscard]] bool is_open_over(va_range span) const SVM_NO_THREAD_SAFETY_ANALYSIS {
    return std::ranges::any_of(open_, [&](va_range const& open) { return open.overlaps(span); });
  }
  /// True when the counter is odd only while a section is open, and as many are open as it counts (O-22).
  ///
  /// \pre nobody else runs
  [[nodiscard]] bool counts_right() const SVM_NO_THREAD_SAFETY_ANALYSIS {
    return sequence_.active() == open_.size() && (sequence_.active() != 0 || !sequence_.index_frozen());
  }
  /// What sections were over that have ended; to be looked at when nobody else runs.
  [[nodiscard]] touched& changed() { return told_; }
  /// True when no section is open and the counter is even (O-22).
  [[nodiscard]] bool is_quiet() {
    exclusive_guard const guard{lock_};
    return sequence_.active() == 0 && !sequence_.index_frozen() && deferred_.empty();
  }

 private:
  void end(va_range span) {
    exclusive_guard const guard{lock_};
    open_.erase(std::ranges::find(open_, span));
    told_.note(span);
    if (!sequence_.end()) return;
    for (registration* const r : deferred_) {
      r->in_index = true;
      index_.push_back(r);
    }
    deferred_.clear();
    changed_.notify_all();
  }

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
  typename Lock::template mutex<lock_rank::leaf_sequence> lock_;
  typename Lock::event changed_;
  interval_sequence sequence_;
  std::vector<registration*> index_;
  std::vector<registration*> deferred_;
  std::uint64_t registered_ = 0;
  std::vector<va_range> open_;  // sections, each with the span of its event
  touched told_;
};

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/augmented_tree.hpp>
#include <svm/base/interval_sequence.hpp>
#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0::port {

/// How a `notifier_list` calls a target; a port that checks or counts what targets do gives one of its own.
struct plain_notifier_calls {
  template <class Registration>
  [[nodiscard]] static invalidation_answer tell(Registration& r, invalidation const& event, std::uint64_t sequence) {
    return r.target->invalidate(event, sequence);
  }
  /// Every target was told, and one at least is to be waited for.
  static void told() {}
  /// An event begins, and ends; under the lock of the list. Of `begun_locked` and `ended_locked` clang cannot follow
  /// that: they are not told which list it is.
  static void begun_locked(invalidation const&) {}
  static void ended_locked(invalidation const&) {}
};

/// The interval notifiers of an address space, with the full sequence protocol: the notifier half of `mm` for a port.
///
/// Registrations may overlap and may be equal. An event meets them by ascending start, equal starts in the order of
/// insertion. Nothing here allocates: a registration holds its own node of the tree.
///
/// Locks: `lock_` (leaf_sequence) guards the sequence and the tree; targets are called without it. While the sequence is
/// odd the tree does not change: insertions are deferred, removals wait. So an event walks it without the lock.
/// \source mm/mmu_notifier.c
template <lock Lock, class Probe = svm::detail::no_tree_probe>
class notifier_list {
 public:
  /// What a registered target keeps in its own object.
  struct registration : tree_hook<registration> {
    bool in_index = false;  ///< false also while its insertion is deferred; first, where the links leave room
    typename Lock::template atomic<std::uint64_t> sequence{0};
    va_range span{cpu_va{}, byte_count{1}};
    invalidation_target* target = nullptr;  ///< null while it is not registered

    [[nodiscard]] std::uint64_t key() const { return span.start().value; }
    [[nodiscard]] std::uint64_t weight() const { return span.last().value; }
  };

  /// Calls `target` for each event that meets `span` from now on, or from the end of the events that run.
  ///
  /// \pre        `r` is not registered; any locks may be held that rank below leaf_sequence
  /// \complexity O(log n)
  void insert(registration& r, va_range span, invalidation_target& target) {
    exclusive_guard const guard{lock_};
    interval_sequence::insertion const how = sequence_.insert();
    r.span = span;
    r.target = &target;
    r.sequence.store(how.value);
    r.in_index = !how.deferred;
    (how.deferred ? deferred_ : index_).insert(r);
    ++registered_;
  }

  /// Returns once no callback of the registration runs or will run.
  ///
  /// \pre        `r` is registered; no lock is held that a callback takes, and the caller is no callback, unless the
  ///             insertion of `r` is still deferred
  /// \complexity O(log n), beside the wait
  void remove(registration& r) {
    exclusive_guard const guard{lock_};
    if (!r.in_index) {
      deferred_.erase(r);
    } else {
      changed_.wait(lock_, [this] {
        lock_.assert_held();
        return !sequence_.index_frozen();
      });
      index_.erase(r);
    }
    r.in_index = false;
    r.target = nullptr;
    --registered_;
  }

  /// Begins a look at the page table: returns once no event that met the registration runs, with what `read_retry` takes.
  ///
  /// \pre no lock is held that a callback takes
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept {
    exclusive_guard const guard{lock_};
    // Once: a callback sets it without the lock, and what it sets then is of an event that was not waited for.
    std::uint64_t const seen = r.sequence.load();
    changed_.wait(lock_, [this, seen] {
      lock_.assert_held();
      return !sequence_.must_wait(seen);
    });
    return seen;
  }
  /// True when an event met the registration since `read_begin`.
  [[nodiscard]] bool read_retry(registration const& r, std::uint64_t seen) noexcept {
    return r.sequence.load() != seen;
  }
  /// \pre a callback of `r` runs, under the lock that its readers take for `read_retry`
  void set_sequence(registration& r, std::uint64_t value) noexcept { r.sequence.store(value); }

  // The first two by the names that `mm` has for them, so that an mm may derive from this class.

  [[nodiscard]] errc register_notifier(registration& r, va_range span, invalidation_target& target) noexcept {
    insert(r, span, target);
    return errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { remove(r); }

  /// Runs an event: tells every target that it meets, waits for those that went on working, then calls `change`, which
  /// drops the pages.
  ///
  /// Returns false, without `change`, when a target would have had to wait for an event that may not. No target after
  /// that one is told. Callbacks may insert other registrations; these are deferred. Several events may run at a time.
  /// \pre        no lock is held that a callback or `change` takes
  /// \allocs     nothing; takes some bytes of stack for each 512 targets
  /// \complexity O(log n + k) for k targets whose spans do not overlap, never more than O(log n) a target
  template <class Change, class Calls = plain_notifier_calls>
  bool invalidate(invalidation const& event, Change&& change, Calls&& calls = {}) {
    registration* first = nullptr;
    std::uint64_t value = 0;
    {
      exclusive_guard const guard{lock_};
      sequence_.begin();
      calls.begun_locked(event);
      first = within(event, index_.first_reaching(event.span.start().value));
      if (first != nullptr) value = sequence_.hit();
    }
    bool done = true;
    if (first != nullptr) {
      round<Calls> work{event, value, calls, *first};
      done = tell(work, first, work.blocks);
    }
    if (done) change();
    end(event, calls);
    return done;
  }

  [[nodiscard]] std::uint64_t registered() {
    exclusive_guard const guard{lock_};
    return registered_;
  }
  /// True when no event runs and the sequence is even.
  [[nodiscard]] bool is_quiet() {
    exclusive_guard const guard{lock_};
    return sequence_.active() == 0 && !sequence_.index_frozen() && deferred_.empty();
  }
  /// How many events run.
  ///
  /// \pre nobody else runs
  [[nodiscard]] std::uint64_t running() const SVM_NO_THREAD_SAFETY_ANALYSIS { return sequence_.active(); }
  /// True while the tree may not change.
  ///
  /// \pre nobody else runs
  [[nodiscard]] bool is_frozen() const SVM_NO_THREAD_SAFETY_ANALYSIS { return sequence_.index_frozen(); }
  /// True when the tree is sound and nothing is deferred without reason; linear.
  [[nodiscard]] bool check() {
    exclusive_guard const guard{lock_};
    return index_.check() && deferred_.check() && (deferred_.empty() || sequence_.index_frozen());
  }

 private:
  using tree = augmented_tree<registration, registration, Probe>;

  /// Which of 512 targets that were told in a row are to be waited for.
  struct told_block {
    static constexpr unsigned size = 512;
    std::uint64_t pending[size / 64] = {};
    told_block* next = nullptr;
  };
  /// One event on its way through its targets.
  template <class Calls>
  struct round {
    invalidation const& event;
    std::uint64_t value;
    Calls& calls;
    registration& first;
    told_block* blocks = nullptr;
    std::uint64_t told = 0;
    bool waits = false;
  };

  [[nodiscard]] static registration* within(invalidation const& event, registration* found) {
    return found != nullptr && found->span.start() <= event.span.last() ? found : nullptr;
  }
  [[nodiscard]] static registration* next(invalidation const& event, registration const& r) {
    return within(event, tree::next_reaching(r, event.span.start().value));
  }

  /// Tells the targets from `at` on, then waits for all; false when one refused.
  ///
  /// Events share the registrations, so which target is pending has to stand on the stack: a block a call.
  template <class Calls>
  [[nodiscard]] static bool tell(round<Calls>& work, registration* at, told_block*& link) {
    told_block here;
    link = &here;
    for (unsigned n = 0; n < told_block::size && at != nullptr; ++n) {
      invalidation_answer const answer = work.calls.tell(*at, work.event, work.value);
      if (answer == invalidation_answer::refused) {
        finish(work);
        return false;
      }
      ++work.told;
      if (answer == invalidation_answer::pending) {
        here.pending[n / 64] |= std::uint64_t{1} << n % 64;
        work.waits = true;
      }
      at = next(work.event, *at);
    }
    if (at != nullptr) return tell(work, at, here.next);
    finish(work);
    return true;
  }
  /// Waits for the targets that are pending, in the order in which they were told.
  template <class Calls>
  static void finish(round<Calls>& work) {
    if (!work.waits) return;
    work.calls.told();
    registration* at = &work.first;
    told_block const* block = work.blocks;
    for (std::uint64_t n = 0; n < work.told; ++n) {
      unsigned const place = static_cast<unsigned>(n % told_block::size);
      if (n != 0 && place == 0) block = block->next;
      if ((block->pending[place / 64] >> place % 64 & 1) != 0) at->target->finish_invalidation(work.event);
      at = next(work.event, *at);
    }
  }

  template <class Calls>
  void end(invalidation const& event, Calls& calls) {
    exclusive_guard const guard{lock_};
    calls.ended_locked(event);
    if (!sequence_.end()) return;
    while (registration* const r = deferred_.first()) {
      deferred_.erase(*r);
      r->in_index = true;
      index_.insert(*r);
    }
    changed_.notify_all();
  }

  typename Lock::template mutex<lock_rank::leaf_sequence> lock_;
  typename Lock::event changed_;  // with each end of the last event
  interval_sequence sequence_ SVM_GUARDED_BY(lock_);
  tree index_ SVM_GUARDED_BY(lock_);
  tree deferred_ SVM_GUARDED_BY(lock_);
  std::uint64_t registered_ SVM_GUARDED_BY(lock_) = 0;
};

}  // namespace svm::inline v0::port

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of the notifiers of a model of `svm::mm` (see verdict.hpp): who is told of changes, when, and what the
// sequence says. The suite takes the bench of address_space.hpp, which may have this beside:
//
//       bool clear_without_waiting(svm::va_range);        // drops the pages; false: a target refused
//
//     CHECK(svm::conformance::interval_notifier::check_all([] { return std::make_unique<my_bench>(); }) == kept);
//
//  4. checked, with an unmap and with a target that refuses; both passes; with a second process where there is one.
//  5. checked, with one thread: that `read_begin` waits for an open event is not.

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::interval_notifier {

/// The promises of `svm::mm` that are about its notifiers.
// clang-format off
inline constexpr promise_table<2> promises{"mm", {{
    {4, "a target is told of every event that meets its span before pages go, and of none after it is unregistered"},
    {5, "`read_begin` returns the sequence that was stored last, and `read_retry` tells of every event since"},
}}};
// clang-format on

/// Promise 4: the VMA goes first, then everybody is told, then the pages go.
template <class Bench>
[[nodiscard]] broken_promises unmaps_are_told_before_pages_go(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(2);
  v.expect(4, b.store(span.start(), 7));
  auto const handle = mm::look(b, span)[0].page;
  mm::watcher<Bench> w{b, span};
  w.on_event = [&](svm::invalidation const&) {
    v.expect(4, mm::holds(b, handle, 7));
    v.expect(4, !b.has_vma(span.start()));
  };
  b.unmap(span);
  v.expect(4, w.saw(svm::invalidation_cause::unmap, span));
  w.on_event = nullptr;
  return v.result();
}

/// Promise 4.
template <class Bench>
[[nodiscard]] broken_promises unregistered_targets_are_told_nothing(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(2);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  w.stop();
  std::size_t const before = w.events.size();
  svm::va_range const next = b.map(2);
  v.expect(4, b.store(next.start(), 8));
  b.unmap(next);
  v.expect(4, w.events.size() == before);
  return v.result();
}

/// Promise 4: an event is of one address space, whatever others have at the same addresses.
template <class Bench>
[[nodiscard]] broken_promises targets_hear_of_their_own_process(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.other().mm(); }) {
    svm::va_range const here = b.map(1);
    svm::va_range const there = b.other().map(1);
    mm::watcher<Bench> w{b, here.hull(there)};
    v.expect(4, b.other().store(there.start(), 7));
    b.other().unmap(there);
    v.expect(4, w.events.empty());
    b.unmap(here);
    v.expect(4, w.saw(svm::invalidation_cause::unmap, here));
  }
  return v.result();
}

/// Promise 4: all are told before the first is waited for, and each once.
template <class Bench>
[[nodiscard]] broken_promises events_have_two_passes(Bench& b) {
  using enum svm::invalidation_answer;
  verdict v{promises};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  auto const handle = mm::look(b, span)[0].page;
  mm::watcher<Bench> one{b, span};
  mm::watcher<Bench> two{b, span};
  mm::watcher<Bench> three{b, span};
  one.answer = three.answer = pending;
  std::vector<mm::watcher<Bench> const*> told;
  std::vector<mm::watcher<Bench> const*> finished;
  for (mm::watcher<Bench>* const w : {&one, &two, &three}) {
    w->on_event = [&, w](svm::invalidation const&) {
      v.expect(4, finished.empty());
      if (w->answer == pending) told.push_back(w);
    };
    w->on_finish = [&, w] {
      v.expect(4, mm::holds(b, handle, 7));
      finished.push_back(w);
    };
  }
  b.unmap(span);
  v.expect(4, told.size() == 2 && finished == told && two.finished == 0);
  return v.result();
}

/// Promise 4: an event that may not block ends when a target refuses it, and those who were told finish.
template <class Bench>
[[nodiscard]] broken_promises refused_events_change_nothing(Bench& b) {
  using enum svm::invalidation_answer;
  verdict v{promises};
  if constexpr (requires(svm::va_range span) { b.clear_without_waiting(span); }) {
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    mm::watcher<Bench> one{b, span};
    mm::watcher<Bench> two{b, span};
    auto const check_finished = [&] {
      for (auto const* w : {&one, &two}) v.expect(4, w->finished == w->left_pending);
    };
    for (auto const& [first, second] : {std::pair{pending, refused}, std::pair{refused, pending}}) {
      one.answer = first;
      two.answer = second;
      v.expect(4, !b.clear_without_waiting(span));
      check_finished();
      v.expect(4, b.load(span.start()) == 7);
    }
    one.answer = two.answer = pending;
    v.expect(4, b.clear_without_waiting(span));
    check_finished();
    v.expect(4, b.load(span.start()) == 0);
  }
  return v.result();
}

/// Promise 5.
template <class Bench>
[[nodiscard]] broken_promises sequences_tell_of_events(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  mm::watcher<Bench> w{b, span};
  std::uint64_t const before = b.mm().read_begin(w.registration);
  v.expect(5, !b.mm().read_retry(w.registration, before));
  b.unmap(span);
  v.expect(5, b.mm().read_retry(w.registration, before));
  return v.result();
}

/// Promise 5.
template <class Bench>
[[nodiscard]] broken_promises sequences_are_those_of_the_last_event(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(1);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  std::uint64_t const after = b.mm().read_begin(w.registration);
  v.expect(5, after == w.last_sequence);
  v.expect(5, !b.mm().read_retry(w.registration, after));
  return v.result();
}

/// Promises 4 and 5: no function takes a lock that comes before one with which it is called.
template <class Bench>
[[nodiscard]] broken_promises notifiers_run_under_the_librarys_locks(Bench& b) {
  verdict v{promises};
  if constexpr (mm::tells_of_locks<Bench>) {
    svm::va_range const span = b.map(1);
    mm::watcher<Bench> w{b, span};
    v.expect(4, mm::in_order(b, [&] { w.stop(); }));
    mm::held_lock<Bench, svm::lock_rank::vm> const vm;
    mm::held_lock<Bench, svm::lock_rank::range> const range;
    v.expect(4, mm::in_order(b, [&] { w.start(span); }));
    std::uint64_t seen = 0;
    v.expect(5, mm::in_order(b, [&] { seen = b.mm().read_begin(w.registration); }));
    mm::held_lock<Bench, svm::lock_rank::notifier> const notifier;
    v.expect(5, mm::in_order(b, [&] { static_cast<void>(b.mm().read_retry(w.registration, seen)); }));
    v.expect(5, mm::in_order(b, [&] { b.mm().set_sequence(w.registration, seen); }));
  }
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  static_assert(address_space::has_all<mm::bench_of<Make>>());
  broken_promises all;
  all.add(unmaps_are_told_before_pages_go(*make()));
  all.add(unregistered_targets_are_told_nothing(*make()));
  all.add(targets_hear_of_their_own_process(*make()));
  all.add(events_have_two_passes(*make()));
  all.add(refused_events_change_nothing(*make()));
  all.add(sequences_tell_of_events(*make()));
  all.add(sequences_are_those_of_the_last_event(*make()));
  all.add(notifiers_run_under_the_librarys_locks(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::interval_notifier

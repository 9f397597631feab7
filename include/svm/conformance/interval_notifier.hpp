// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::interval_notifier` (see verdict.hpp): who is told of changes, when, and what the
// sequence says. The suite takes the bench of address_space.hpp, which may have this beside:
//
//       bool clear_without_waiting(svm::va_range);        // drops the pages; false: a target refused
//       void forbid_writing(svm::va_range mapping);
//       void unmap_with_a_late_event(svm::va_range mapping);  // for a `settling_mm`
//
//     CHECK(svm::conformance::interval_notifier::check_all([] { return std::make_unique<my_bench>(); }) == kept);
//
//  1. checked with an unmap; with migrations in page_migration.hpp.
//  2. checked where there is a second process.
//  3. checked with an unmap, but for models that say that its event may come later.
//  4. checked likewise. That the event comes before the addresses are used again is not: it needs another thread.
//  5. checked.
//  6. checked, with a target that refuses where the bench has such an event.
//  7. checked where the bench has such an event.
//  8. checked. That `unregister_notifier` waits for a call under way is not: it needs another thread.
//  9. not checked: it needs another thread.
// 10. checked.
// 11. checked.
// 12. not checked: it needs another thread.
// 13. checked for models that do not say otherwise, where the bench withdraws a permission; that the event comes first
//     is not.
// 14. checked for models that have it, where the bench can put an event off.
// 15. checked where the bench tells of locks.

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::interval_notifier {

/// The promises of `svm::interval_notifier`.
// clang-format off
inline constexpr promise_table<15> promises{"interval_notifier", {{
    {1, "a target is told of every event that meets its span"},
    {2, "a target is told of no event of another address space"},
    {3, "a target is told before any page of the event is freed or reused"},
    {4, "an unmap's event comes after the VMA is gone and before the addresses serve another one"},
    {5, "every target is told of an event before the first one is finished"},
    {6, "each target that answered pending is finished once, in the order of telling, and no other is"},
    {7, "an event that may not block changes nothing when a target refuses it"},
    {8, "a target is not told any more once `unregister_notifier` has returned"},
    {9, "`read_begin` returns while no event is open over the notifier"},
    {10, "`read_begin` returns the value that `set_sequence` stored last"},
    {11, "`read_retry` tells whether an event came since"},
    {12, "no page that a page walk reported is freed while the notifier's lock is held with `read_retry` false"},
    {13, "an event comes before a permission is withdrawn"},
    {14, "`settle` returns once every event that began before is over"},
    {15, "each function works with the locks held that the concept lists, and needs no other"},
}}};
// clang-format on

/// Promises 1, 3 and 4: the VMA goes first, then everybody is told, then the pages go. An mm that says that an event may
/// come later must tell all the same.
template <class Bench>
[[nodiscard]] broken_promises unmaps_are_told_before_pages_go(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(2);
  static_cast<void>(b.store(span.start(), 7));
  auto const handle = mm::look(b, span)[0].page;
  mm::watcher<Bench> w{b, span};
  w.on_event = [&](svm::invalidation const&) {
    if constexpr (svm::invalidates_before_unmap<mm::mm_of<Bench>>) {
      v.expect(3, mm::holds(b, handle, 7));
      v.expect(4, !b.has_vma(span.start()));
    }
  };
  b.unmap(span);
  svm::settle_events(b.mm());
  v.expect(1, w.saw(svm::invalidation_cause::unmap, span));
  w.on_event = nullptr;
  return v.result();
}

/// Promise 1: however small the part of the event is that a target meets.
template <class Bench>
[[nodiscard]] broken_promises targets_are_told_of_what_they_meet(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(4);
  svm::va_range const first{span.start(), mm::mm_of<Bench>::page_size};
  svm::va_range const last{mm::page_at<Bench>(span, 3), mm::mm_of<Bench>::page_size};
  mm::watcher<Bench> one{b, first};
  mm::watcher<Bench> two{b, last};
  b.unmap(span);
  svm::settle_events(b.mm());
  v.expect(1, one.saw(svm::invalidation_cause::unmap, first) && two.saw(svm::invalidation_cause::unmap, last));
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises unregistered_targets_are_told_nothing(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(2);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  w.stop();
  std::size_t const before = w.events.size();
  svm::va_range const next = b.map(2);
  static_cast<void>(b.store(next.start(), 8));
  b.unmap(next);
  svm::settle_events(b.mm());
  v.expect(8, w.events.size() == before);
  return v.result();
}

/// Promise 2, whatever others have at the same addresses.
template <class Bench>
[[nodiscard]] broken_promises targets_hear_of_their_own_process(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.other().mm(); }) {
    svm::va_range const here = b.map(1);
    svm::va_range const there = b.other().map(1);
    mm::watcher<Bench> w{b, here.hull(there)};
    static_cast<void>(b.other().store(there.start(), 7));
    b.other().unmap(there);
    svm::settle_events(b.other().mm());
    v.expect(2, w.events.empty());
    b.unmap(here);
    svm::settle_events(b.mm());
    v.expect(1, w.saw(svm::invalidation_cause::unmap, here));
  }
  return v.result();
}

/// Promises 5 and 6: all are told before the first is waited for, and each once.
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
  bool in_time = true;
  std::vector<mm::watcher<Bench> const*> told;
  std::vector<mm::watcher<Bench> const*> finished;
  for (mm::watcher<Bench>* const w : {&one, &two, &three}) {
    w->on_event = [&, w](svm::invalidation const&) {
      v.expect(5, finished.empty());
      in_time = in_time && mm::holds(b, handle, 7);
      if (w->answer == pending) told.push_back(w);
    };
    w->on_finish = [&, w] {
      if (in_time) v.expect(6, mm::holds(b, handle, 7));
      finished.push_back(w);
    };
  }
  b.unmap(span);
  svm::settle_events(b.mm());
  if (!in_time && svm::invalidates_before_unmap<mm::mm_of<Bench>>) return v.result();  // promise 3 is not kept
  v.expect(1, told.size() == 2);
  v.expect(6, finished == told && two.finished == 0);
  return v.result();
}

/// Promises 6 and 7: an event that may not block ends when a target refuses it, and those who were told finish.
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
      for (auto const* w : {&one, &two}) v.expect(6, w->finished == w->left_pending);
    };
    for (auto const& [first, second] : {std::pair{pending, refused}, std::pair{refused, pending}}) {
      one.answer = first;
      two.answer = second;
      v.expect(7, !b.clear_without_waiting(span));
      check_finished();
      v.expect(7, b.load(span.start()) == 7);
    }
    one.answer = two.answer = pending;
    v.expect(7, b.clear_without_waiting(span));
    check_finished();
    v.expect(7, b.load(span.start()) == 0);
  }
  return v.result();
}

/// Promise 11.
template <class Bench>
[[nodiscard]] broken_promises sequences_tell_of_events(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  mm::watcher<Bench> w{b, span};
  std::uint64_t const before = b.mm().read_begin(w.registration);
  v.expect(11, !b.mm().read_retry(w.registration, before));
  b.unmap(span);
  svm::settle_events(b.mm());
  if (b.mm().read_begin(w.registration) != w.last_sequence) return v.result();  // promise 10 is not kept
  v.expect(11, b.mm().read_retry(w.registration, before));
  return v.result();
}

/// Promises 10 and 11.
template <class Bench>
[[nodiscard]] broken_promises sequences_are_those_of_the_last_event(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(1);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  svm::settle_events(b.mm());
  std::uint64_t const after = b.mm().read_begin(w.registration);
  if (v.expect(10, after == w.last_sequence)) v.expect(11, !b.mm().read_retry(w.registration, after));
  return v.result();
}

/// Promise 13, of those who report it.
template <class Bench>
[[nodiscard]] broken_promises permissions_are_withdrawn_with_an_event(Bench& b) {
  verdict v{promises};
  if constexpr (svm::reports_protection<mm::mm_of<Bench>> && requires(svm::va_range span) { b.forbid_writing(span); }) {
    svm::va_range const span = b.map(2);
    for (std::size_t i = 0; i < 2; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), 7));
    mm::watcher<Bench> w{b, span};
    b.forbid_writing(span);
    svm::settle_events(b.mm());
    v.expect(13, w.saw(svm::invalidation_cause::protection, span));
  }
  return v.result();
}

/// Promise 14, of those who have it: an event that was put off has come.
template <class Bench>
[[nodiscard]] broken_promises late_events_are_waited_for(Bench& b) {
  verdict v{promises};
  if constexpr (svm::settling_mm<mm::mm_of<Bench>> &&
                requires(svm::va_range span) { b.unmap_with_a_late_event(span); }) {
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    mm::watcher<Bench> w{b, span};
    b.unmap_with_a_late_event(span);
    b.mm().settle();
    v.expect(14, w.saw(svm::invalidation_cause::unmap, span));
  }
  return v.result();
}

/// Promise 15: no function takes a lock that comes before one with which it is called.
template <class Bench>
[[nodiscard]] broken_promises notifiers_run_under_the_librarys_locks(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    svm::va_range const span = b.map(1);
    mm::watcher<Bench> w{b, span};
    held_lock<Bench, svm::lock_rank::service> const service;
    v.expect(15, in_order(b, [&] { w.stop(); }));
    held_lock<Bench, svm::lock_rank::vm> const vm;
    held_lock<Bench, svm::lock_rank::range> const range;
    v.expect(15, in_order(b, [&] { w.start(span); }));
    std::uint64_t seen = 0;
    v.expect(15, in_order(b, [&] { seen = b.mm().read_begin(w.registration); }));
    held_lock<Bench, svm::lock_rank::notifier> const notifier;
    v.expect(15, in_order(b, [&] { static_cast<void>(b.mm().read_retry(w.registration, seen)); }));
    v.expect(15, in_order(b, [&] { b.mm().set_sequence(w.registration, seen); }));
  }
  if constexpr (tells_of_locks<Bench> && svm::settling_mm<mm::mm_of<Bench>>) {
    held_lock<Bench, svm::lock_rank::range> const range;
    v.expect(15, in_order(b, [&] { b.mm().settle(); }));
  }
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  static_assert(address_space::has_all<mm::bench_of<Make>>());
  broken_promises all;
  all.add(unmaps_are_told_before_pages_go(*make()));
  all.add(targets_are_told_of_what_they_meet(*make()));
  all.add(unregistered_targets_are_told_nothing(*make()));
  all.add(targets_hear_of_their_own_process(*make()));
  all.add(events_have_two_passes(*make()));
  all.add(refused_events_change_nothing(*make()));
  all.add(sequences_tell_of_events(*make()));
  all.add(sequences_are_those_of_the_last_event(*make()));
  all.add(permissions_are_withdrawn_with_an_event(*make()));
  all.add(late_events_are_waited_for(*make()));
  all.add(notifiers_run_under_the_librarys_locks(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::interval_notifier

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::lock` (see verdict.hpp):
//
//     CHECK(svm::conformance::lock::check_one_thread<my_lock>() == conformance::kept);
//     CHECK(svm::conformance::lock::check_all<my_lock>() == conformance::kept);         // starts threads
//
// A model for one thread takes only the first.
//
//  1. checked: whether another thread gets it meanwhile, by trying and by waiting.
//  2. checked likewise.
//  3. checked with two readers.
//  4. checked.
//  5. checked: the lock can be had afterwards.
//  6. exercised, for TSan to judge: what is guarded is a plain word. On common machines a program sees no difference.
//  7. checked.
//  8. checked.
//  9. checked with two waiters.
// 10. checked with two waiters.
// 11. checked as far as one thread goes: with lower ranks held, a lock of a higher rank that nobody holds can be had.
// 12. checked where allocations are counted.
// 13. checked.
// 14. checked for one word; the order of operations on different words is not, see the litmus tests of a policy.
// 15. checked.
// 16. checked.
// 17. checked.
// 18. checked with a reader inside, before and after it leaves.
// 19. exercised with that reader, for TSan to judge.
// 20. checked with a reader inside.
// 21. checked.
// 22. checked with readers that are never all outside.
// 23. checked.
// 24. checked.
// 25. checked.

#include <svm/conformance/impl/joined_thread.hpp>
#include <svm/conformance/impl/lock_promises.hpp>
#include <svm/conformance/impl/read_domains.hpp>

#include <svm/conformance/verdict.hpp>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace svm::inline v0::conformance::lock {

/// Promises 4 and 5 for a lock that is held by this thread: another one is refused, and leaves no trace.
///
/// \param exclusion  the promise that it is refused
template <class M, class Try, class Take, class Give>
void expect_refusal(verdict& v, int exclusion, M& m, Try&& try_it, Take&& take_it, Give&& give_it) {
  take_it(m);
  bool given = false;
  attempt const how = elsewhere([&] { return try_it(m); },
                                [&] {
                                  give_it(m);
                                  given = true;
                                });
  v.expect(exclusion, how != attempt::got);
  v.expect(4, how != attempt::stuck);
  if (!given) give_it(m);
  if (how == attempt::refused) v.expect(5, try_once(m));
}

/// A thread that waits for a lock does not get it before it is given up.
///
/// \param exclusion  the promise of that
template <class M>
void expect_exclusion(verdict& v, int exclusion, M& m) {
  std::atomic<bool> waiting{false};
  std::atomic<bool> inside{false};
  take(m);
  joined_thread const other{[&] {
    waiting = true;
    take(m);
    inside = true;
    give(m);
  }};
  while (!waiting) std::this_thread::yield();
  bool entered = false;
  for (int i = 0; i < 100 && !entered; ++i) {
    std::this_thread::yield();
    entered = inside.load();
  }
  v.expect(exclusion, !entered);
  give(m);
}

/// Promises 1 to 5.
template <svm::lock L>
[[nodiscard]] broken_promises locks_exclude() {
  verdict v{promises};
  auto const exclusive = [](auto& m) { return try_once(m); };
  auto const shared = [](auto& m) { return try_once_shared(m); };
  typename L::template mutex<svm::lock_rank::range> m;
  typename L::template shared_mutex<svm::lock_rank::notifier> s;
  auto const take_it = [](auto& l) { take(l); };
  auto const give_it = [](auto& l) { give(l); };
  expect_refusal(v, 1, m, exclusive, take_it, give_it);
  expect_refusal(v, 2, s, exclusive, take_it, give_it);
  expect_refusal(v, 2, s, shared, take_it, give_it);
  expect_refusal(
      v, 2, s, exclusive, [](auto& l) { take_shared(l); }, [](auto& l) { give_shared(l); });
  expect_exclusion(v, 1, m);
  expect_exclusion(v, 2, s);
  // Any number of readers.
  take_shared(s);
  bool given = false;
  attempt const reader = elsewhere([&] { return try_once_shared(s); },
                                   [&] {
                                     give_shared(s);
                                     given = true;
                                   });
  v.expect(3, reader == attempt::got);
  if (!given) give_shared(s);
  return v.result();
}

/// Promise 6, and 1 and 2 again: two threads count in a plain word.
template <svm::lock L>
[[nodiscard]] broken_promises locks_hand_over() {
  verdict v{promises};
  typename L::template mutex<svm::lock_rank::range> m;
  typename L::template shared_mutex<svm::lock_rank::notifier> s;
  std::uint64_t under_mutex = 0;
  std::uint64_t under_shared_mutex = 0;
  constexpr int rounds = 500;
  auto const work = [&] {
    for (int i = 0; i < rounds; ++i) {
      take(m);
      ++under_mutex;
      give(m);
      take(s);
      ++under_shared_mutex;
      give(s);
      take_shared(s);
      static_cast<void>(under_shared_mutex);
      give_shared(s);
    }
  };
  {
    joined_thread const one{work};
    joined_thread const two{work};
  }
  v.expect(1, under_mutex == 2 * rounds);
  v.expect(2, under_shared_mutex == 2 * rounds);
  return v.result();
}

/// Promises 7 to 10.
template <svm::lock L>
[[nodiscard]] broken_promises events_wake_all() {
  verdict v{promises};
  typename L::template mutex<svm::lock_rank::leaf_sequence> m;
  typename L::event e;
  std::atomic<bool> ready{false};
  std::atomic<int> waiting{0};
  std::atomic<int> woken{0};
  std::atomic<int> not_ready{0};
  std::atomic<int> not_held{0};
  auto const wait = [&] {
    take(m);
    ++waiting;
    e.wait(m, [&] { return ready.load(); });
    if (!ready.load()) ++not_ready;
    // Held: nobody else gets it now.
    bool given = false;
    attempt const other = elsewhere([&] { return try_once(m); },
                                    [&] {
                                      give(m);
                                      given = true;
                                    });
    if (other == attempt::got) ++not_held;
    ++woken;
    if (!given) give(m);
  };
  joined_thread waiters[] = {joined_thread{wait}, joined_thread{wait}};
  // The second waiter gets in only when the first gave the lock up.
  v.expect(9, soon([&] { return waiting.load() == 2; }));
  bool given_up = false;
  v.expect(9, soon([&] { return given_up = given_up || try_once(m); }));
  if (given_up) {
    take(m);
    ready = true;
    give(m);
  }
  ready = true;
  e.notify_all();
  v.expect(10, soon([&] { return woken.load() == 2; }, 10 * patience));  // each of them waits for others too
  while (woken.load() != 2) {                                            // let them go, whatever is wrong
    e.notify_all();
    std::this_thread::yield();
  }
  v.expect(7, not_ready.load() == 0);
  v.expect(8, not_held.load() == 0);
  return v.result();
}

/// Promise 11, on one thread: every rank from `First` on, in rising order, all held at once.
template <svm::lock L, std::uint8_t First = 0>
[[nodiscard]] bool ranks_rise() {
  if constexpr (First > static_cast<std::uint8_t>(svm::lock_rank::leaf_statistics)) {
    return true;
  } else {
    constexpr auto rank = static_cast<svm::lock_rank>(First);
    typename L::template mutex<rank> m;
    typename L::template shared_mutex<rank> s;
    if (!try_once(m) || !try_once(s) || !try_once_shared(s)) return false;
    // The two kinds take turns: no rank is taken twice.
    if constexpr (First % 2 == 0)
      take(m);
    else
      take_shared(s);
    bool const rest = ranks_rise<L, First + 1>();
    if constexpr (First % 2 == 0)
      give(m);
    else
      give_shared(s);
    return rest;
  }
}

/// Locks of all ranks are taken in their order, the first to the last.
template <svm::lock L>
[[nodiscard]] broken_promises ranks_can_be_had_in_order() {
  verdict v{promises};
  v.expect(11, ranks_rise<L>());
  return v.result();
}

/// Promises 12 and 13.
template <svm::lock L>
[[nodiscard]] broken_promises nothing_allocates_or_throws() {
  verdict v{promises};
  typename L::template mutex<svm::lock_rank::leaf_sequence> m;
  typename L::template shared_mutex<svm::lock_rank::notifier> s;
  typename L::event e;
  typename L::template atomic<std::uint64_t> a{0};
  retired_object object;
  typename L::read_domain domain;
  bool threw = false;
  auto const use_all = [&] {
    take_shared(s);
    s.assert_held_shared();
    give_shared(s);
    take(s);
    s.assert_held();
    give(s);
    static_cast<void>(try_once(s));
    static_cast<void>(try_once_shared(s));
    take(m);
    m.assert_held();
    e.wait(m, [] { return true; });
    e.notify_all();
    give(m);
    static_cast<void>(try_once(m));
    a.store(a.load() + 1);
    domain.leave(domain.enter());
    domain.retire(object);
    static_cast<void>(domain.retired());
    domain.synchronize();
  };
  std::uint64_t const allocations = allocations_in([&] {
#if defined(__cpp_exceptions)
    try {
      use_all();
    } catch (...) {
      threw = true;
    }
#else
    use_all();
#endif
  });
  v.expect(12, allocations == 0);
  v.expect(13, !threw);
  return v.result();
}

/// Promises 14 to 16, for words of one size.
template <svm::lock L, class T>
[[nodiscard]] broken_promises atomics_compute() {
  verdict v{promises};
  typename L::template atomic<T> a{T{5}};
  v.expect(14, a.load() == 5);
  a.store(6);
  v.expect(15, a.exchange(7) == 6);
  v.expect(15, a.fetch_add(3) == 7);
  v.expect(15, a.fetch_sub(1) == 10);
  v.expect(15, a.fetch_or(16) == 9);
  v.expect(15, a.fetch_and(24) == 25);
  T expected = 1;
  v.expect(16, !a.compare_exchange(expected, 2) && expected == 24);
  v.expect(14, a.load() == 24);
  expected = 24;
  v.expect(16, a.compare_exchange(expected, 2) && expected == 24 && a.load() == 2);
  a.store(2);
  v.expect(15, a.exchange(0) == 2);
  v.expect(15, a.fetch_sub(1) == 0);
  v.expect(14, a.load() == static_cast<T>(-1));
  return v.result();
}

/// What a model for one thread can be asked.
template <svm::lock L>
[[nodiscard]] broken_promises check_one_thread() {
  broken_promises all;
  all.add(ranks_can_be_had_in_order<L>());
  all.add(retired_objects_are_released<L>());
  all.add(nothing_allocates_or_throws<L>());
  all.add(atomics_compute<L, std::uint32_t>());
  all.add(atomics_compute<L, std::uint64_t>());
  return all;
}

/// Runs the whole suite.
template <svm::lock L>
[[nodiscard]] broken_promises check_all() {
  broken_promises all;
  all.add(check_one_thread<L>());
  all.add(locks_exclude<L>());
  all.add(locks_hand_over<L>());
  all.add(events_wake_all<L>());
  all.add(readers_hold_objects_back<L>());
  all.add(synchronize_waits_for_readers<L>());
  all.add(readers_do_not_starve_synchronize<L>());
  all.add(readers_see_live_objects<L>());
  return all;
}

}  // namespace svm::inline v0::conformance::lock

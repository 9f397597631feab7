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
// 17. checked with a reader inside, before and after it leaves; what a release sees is exercised, for TSan to judge.
// 18. checked with a reader inside, and with readers that are never all outside.
// 19. checked.

#include <svm/conformance/verdict.hpp>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/config.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace svm::inline v0::conformance::lock {

/// The promises of `svm::lock`.
// clang-format off
inline constexpr promise_table<19> promises{"lock", {{
    {1, "one thread at a time holds a mutex"},
    {2, "nobody else holds a shared mutex that a writer holds"},
    {3, "any number of readers hold a shared mutex at a time"},
    {4, "`try_lock` returns at once"},
    {5, "`try_lock` changes nothing when it returns false"},
    {6, "what a thread wrote before an unlock is seen by the thread that locks next"},
    {7, "`event::wait` returns when what it waits for is true"},
    {8, "`event::wait` returns with the mutex held"},
    {9, "`event::wait` gives the mutex up while it waits"},
    {10, "`notify_all` wakes every waiter"},
    {11, "locks of different ranks that are taken in rising order never deadlock"},
    {12, "no operation allocates"},
    {13, "no operation throws"},
    {14, "the operations of an atomic are sequentially consistent"},
    {15, "`exchange` and `fetch_...` return the value before"},
    {16, "`compare_exchange` stores where it finds what was expected, and else tells what it found"},
    {17, "a retired object is released once, after every section that was entered before is left"},
    {18, "`synchronize` returns when the sections and the retired objects from before it are gone"},
    {19, "`enter`, `leave` and `retire` wait for no section; `retire` releases by itself, and `retired` counts"},
}}};
// clang-format on

/// How long a thread waits before it takes it that something will not happen. Only a lock that is broken makes it wait so
/// long; with less, a busy machine may make a good one look broken.
inline std::chrono::milliseconds patience{20'000};

/// Waits until `happened()`, but not for ever; false when it did not happen.
template <class Happened>
[[nodiscard]] bool soon(Happened&& happened, std::chrono::milliseconds wait = patience) {
  auto const end = std::chrono::steady_clock::now() + wait;
  while (!happened()) {
    if (std::chrono::steady_clock::now() >= end) return happened();
    std::this_thread::yield();
  }
  return true;
}

// What the suite does with a lock depends on what it finds, which no static analysis follows.
template <class M>
void take(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.lock();
}
template <class M>
void give(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.unlock();
}
template <class M>
void take_shared(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.lock_shared();
}
template <class M>
void give_shared(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  m.unlock_shared();
}
template <class M>
[[nodiscard]] bool try_once(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  bool const got = m.try_lock();
  if (got) m.unlock();
  return got;
}
template <class M>
[[nodiscard]] bool try_once_shared(M& m) SVM_NO_THREAD_SAFETY_ANALYSIS {
  bool const got = m.try_lock_shared();
  if (got) m.unlock_shared();
  return got;
}

/// How a try of another thread ended.
enum class attempt : std::uint8_t { got, refused, stuck };

/// Lets another thread try; `unblock` is called when it does not come back, and must let it.
template <class Try, class Unblock>
[[nodiscard]] attempt elsewhere(Try&& try_it, Unblock&& unblock) {
  std::atomic<int> answer{-1};
  std::jthread const other{[&] { answer = try_it() ? 1 : 0; }};
  bool const came_back = soon([&] { return answer.load() >= 0; });
  if (!came_back) {
    unblock();
    return attempt::stuck;
  }
  return answer.load() == 1 ? attempt::got : attempt::refused;
}

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
  std::jthread const other{[&] {
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
    std::jthread const one{work};
    std::jthread const two{work};
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
  std::array<std::jthread, 2> waiters;
  for (std::jthread& waiter : waiters)
    waiter = std::jthread{[&] {
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
    }};
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

template <svm::lock L>
[[nodiscard]] broken_promises ranks_can_be_had_in_order() {
  verdict v{promises};
  v.expect(11, ranks_rise<L>());
  return v.result();
}

/// An object that counts its releases, and looks at what readers wrote.
struct retired_object : retire_hook {
  retired_object() : retire_hook(&retired_object::count) {}

  std::atomic<int> releases{0};
  std::uint64_t const* written = nullptr;  ///< by readers, before they left
  std::uint64_t seen = 0;

 private:
  static void count(retire_hook& hook) noexcept {
    auto& object = static_cast<retired_object&>(hook);
    if (object.written != nullptr) object.seen = *object.written;
    ++object.releases;
  }
};

/// Another thread that is in a section from the constructor until `leave`.
template <class Domain>
class reader_inside {
 public:
  explicit reader_inside(Domain& domain)
      : thread_([this, &domain] {
          read_section const inside{domain};
          entered_ = true;
          while (!leaves_) std::this_thread::yield();
          written = 1;
          left_ = true;
        }) {
    while (!entered_) std::this_thread::yield();
  }
  /// Lets the thread go, and waits until it went.
  void leave() {
    let_go();
    if (thread_.joinable()) thread_.join();
  }
  void let_go() { leaves_ = true; }
  [[nodiscard]] bool is_about_to_leave() const { return left_; }
  ~reader_inside() { leave(); }
  reader_inside(reader_inside const&) = delete;
  reader_inside& operator=(reader_inside const&) = delete;

  std::uint64_t written = 0;

 private:
  std::atomic<bool> entered_{false};
  std::atomic<bool> leaves_{false};
  std::atomic<bool> left_{false};
  std::thread thread_;
};

/// Promises 17, 18 and 19 while nobody reads.
template <svm::lock L>
[[nodiscard]] broken_promises retired_objects_are_released() {
  verdict v{promises};
  typename L::read_domain domain;
  v.expect(19, domain.retired() == 0);
  std::vector<retired_object> objects(4 * max_idle_retired);
  for (retired_object& object : objects) {
    { read_section const inside{domain}; }
    domain.retire(object);
  }
  std::uint64_t released = 0;
  for (retired_object const& object : objects) released += object.releases.load() != 0 ? 1 : 0;
  v.expect(19, domain.retired() <= max_idle_retired && domain.retired() == objects.size() - released);
  domain.synchronize();
  for (retired_object const& object : objects) {
    v.expect(18, object.releases.load() != 0);
    v.expect(17, object.releases.load() <= 1);
  }
  v.expect(19, domain.retired() == 0);
  return v.result();
}

/// Promises 17 and 19: what a reader may look at stays, and who retires it does not wait.
template <svm::lock L>
[[nodiscard]] broken_promises readers_hold_objects_back() {
  verdict v{promises};
  typename L::read_domain domain;
  std::vector<retired_object> objects(2 * max_idle_retired);
  {
    reader_inside reader{domain};
    for (retired_object& object : objects) object.written = &reader.written;
    attempt const retire = elsewhere(
        [&] {
          for (retired_object& object : objects) domain.retire(object);
          return true;
        },
        [&] { reader.leave(); });
    v.expect(19, retire == attempt::got);
    if (retire == attempt::got) {
      // Readers that come and go later change nothing.
      { read_section const inside{domain}; }
      std::uint64_t released = 0;
      for (retired_object const& object : objects) released += object.releases.load() != 0 ? 1 : 0;
      v.expect(17, released == 0);
      v.expect(19, domain.retired() == objects.size() - released);
    }
    reader.leave();
    domain.synchronize();
    for (retired_object& object : objects) {
      v.expect(18, object.releases.load() != 0);
      v.expect(17, object.releases.load() == 0 || object.seen == 1);
      object.written = nullptr;
    }
  }
  domain.synchronize();
  return v.result();
}

/// Promise 18: `synchronize` waits for a reader from before, with something retired and with nothing.
template <svm::lock L>
[[nodiscard]] broken_promises synchronize_waits_for_readers() {
  verdict v{promises};
  for (bool const retires : {false, true}) {
    typename L::read_domain domain;
    retired_object object;
    reader_inside reader{domain};
    attempt const retire = elsewhere(
        [&] {
          if (retires) domain.retire(object);
          return true;
        },
        [&] { reader.leave(); });
    v.expect(19, retire == attempt::got);
    if (retire != attempt::got) {
      domain.synchronize();
      continue;
    }
    std::atomic<bool> waits{false};
    std::atomic<bool> returned{false};
    std::jthread const leaves_late{[&] {
      while (!waits) std::this_thread::yield();
      for (int i = 0; i < 100 && !returned; ++i) std::this_thread::yield();
      reader.let_go();
    }};
    waits = true;
    domain.synchronize();
    v.expect(18, reader.is_about_to_leave() && (object.releases.load() != 0) == retires);
    returned = true;
    reader.leave();
    domain.synchronize();
  }
  return v.result();
}

/// Promise 18: `synchronize` comes to its end though there is always somebody in a section.
template <svm::lock L>
[[nodiscard]] broken_promises readers_do_not_starve_synchronize() {
  verdict v{promises};
  typename L::read_domain domain;
  retired_object object;
  std::atomic<bool> stops{false};
  std::atomic<std::uint64_t> entered{0};
  // The two take turns, and nobody leaves before the other one is inside.
  auto const relay = [&](std::uint64_t self) {
    for (std::uint64_t turn = self; !stops; turn += 2) {
      while (entered != turn && !stops) std::this_thread::yield();
      read_section const inside{domain};
      if (!stops) entered = turn + 1;
      while (entered == turn + 1 && !stops) std::this_thread::yield();
    }
  };
  {
    std::jthread const one{relay, 0};
    std::jthread const two{relay, 1};
    while (entered == 0) std::this_thread::yield();
    domain.retire(object);
    attempt const how = elsewhere(
        [&] {
          domain.synchronize();
          return true;
        },
        [&] { stops = true; });
    v.expect(18, how == attempt::got);
    stops = true;
  }
  domain.synchronize();
  return v.result();
}

/// Promises 17 and 18 under load: readers look at objects that are replaced all the time.
template <svm::lock L>
[[nodiscard]] broken_promises readers_see_live_objects() {
  verdict v{promises};
  constexpr std::uint64_t rounds = 1000;
  typename L::read_domain domain;
  std::vector<retired_object> objects(rounds + 1);
  typename L::template atomic<std::uint64_t> current{0};
  std::atomic<int> dead{0};
  auto const read = [&] {
    std::uint64_t at = 0;
    while (at != rounds) {
      read_section const inside{domain};
      at = current.load();
      if (objects[at].releases.load() != 0) ++dead;
    }
  };
  {
    std::jthread const one{read};
    std::jthread const two{read};
    for (std::uint64_t next = 1; next <= rounds; ++next) {
      retired_object& old = objects[current.exchange(next)];
      domain.retire(old);
      if (next % 100 == 0) {
        domain.synchronize();
        v.expect(18, old.releases.load() != 0);
      }
    }
  }
  domain.synchronize();
  v.expect(17, dead.load() == 0);
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
  typename L::read_domain domain;
  retired_object object;
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

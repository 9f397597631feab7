// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What the checks of a lock have in common: its promises, and threads that try.

#include <svm/conformance/impl/joined_thread.hpp>
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
inline constexpr promise_table<25> promises{"lock", {{
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
    {17, "an object that was retired is released once"},
    {18, "a retired object is not released before every section that was entered before is left"},
    {19, "what a thread did before it left a section is seen by the release"},
    {20, "`synchronize` returns when the sections from before it are left"},
    {21, "`synchronize` returns when the objects from before it are released"},
    {22, "later sections do not hold `synchronize` up for ever"},
    {23, "`enter`, `leave` and `retire` wait for no section"},
    {24, "`retire` releases by itself while nobody reads"},
    {25, "`retired` counts the objects that are not released yet"},
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
  joined_thread const other{[&] { answer = try_it() ? 1 : 0; }};
  bool const came_back = soon([&] { return answer.load() >= 0; });
  if (!came_back) {
    unblock();
    return attempt::stuck;
  }
  return answer.load() == 1 ? attempt::got : attempt::refused;
}

}  // namespace svm::inline v0::conformance::lock

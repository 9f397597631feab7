// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include <svm/config.hpp>
#include <svm/explore/footprint.hpp>
#include <svm/explore/scheduler.hpp>
#include <svm/explore/trace.hpp>

// What a program that is explored may say by itself.

namespace svm::inline v0::explore {

/// Notes that the execution went wrong; it ends with the step of this moment. Only the first failure of an execution counts.
/// \pre a scheduler is running
inline void fail(std::string text) {
  if (scheduler::running() == nullptr) fail_assertion({"fail: no scenario is running", __FILE__, __LINE__, 0, 0});
  scheduler::running()->fail(std::move(text));
}

/// Starts a visible step of the program's own, which reads and writes what it says. Outside of threads it does nothing.
inline void point(site where, std::initializer_list<object> reads, std::initializer_list<object> writes) {
  if (scheduler* const s = scheduler::of_this_thread()) s->visible({where, "", {}}, {}, footprint{reads, writes});
}

/// Adds to what the step of this moment touches, where that is only known once it runs.
inline void touch(std::initializer_list<object> reads, std::initializer_list<object> writes) {
  if (scheduler* const s = scheduler::of_this_thread()) {
    for (object const o : reads) s->touch(o, access_kind::read);
    for (object const o : writes) s->touch(o, access_kind::write);
  }
}

/// Ends a round of a loop that waits for other threads. The thread goes on once another wrote to an object that it has
/// touched since its last yield, or when no other can go on.
inline void yield(site where) {
  if (scheduler* const s = scheduler::of_this_thread()) s->yield(where);
}

/// A number for a scenario's own random choices: the same when an execution is replayed, 0 where the order of steps is not
/// random.
[[nodiscard]] inline std::uint64_t seed() {
  return scheduler::running() == nullptr ? 0 : scheduler::running()->seed();
}

/// A number for a new object, the same in each execution that makes the same objects on the same thread before it.
[[nodiscard]] inline object new_object() {
  if (scheduler* const s = scheduler::running()) return s->new_object();
  // Made before any execution: it stays, and so does its number.
  constinit static thread_local std::uint64_t made = 0;
  return {object::own | std::uint64_t{0xff} << 32 | ++made};
}

/// One `T` a thread, and one for code outside of threads; each is made anew when it is first asked for in an execution.
/// Outside of executions there is one that stays.
template <class T>
[[nodiscard]] T& local() {
  struct place {
    T value{};
    std::uint64_t execution = 0;
    scheduler const* owner = nullptr;
  };
  static thread_local std::array<place, max_threads + 2> places;
  scheduler const* const s = scheduler::running();
  place& it = places[s == nullptr ? max_threads + 1 : s->context()];
  if (std::uint64_t const now = s == nullptr ? 0 : s->execution(); it.execution != now || it.owner != s) {
    it.value = T{};
    it.execution = now;
    it.owner = s;
  }
  return it.value;
}

}  // namespace svm::inline v0::explore

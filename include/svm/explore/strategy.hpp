// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include <svm/explore/footprint.hpp>

namespace svm::inline v0::explore {

/// The most threads a scenario may have.
inline constexpr std::size_t max_threads = 16;

/// A set of threads, a bit each.
using thread_set = std::uint32_t;

/// The set of one thread.
[[nodiscard]] constexpr thread_set only(std::size_t thread) {
  return thread_set{1} << thread;
}
/// True when the thread is in the set.
[[nodiscard]] constexpr bool contains(thread_set set, std::size_t thread) {
  return (set >> thread & 1) != 0;
}
/// \pre `set` is not empty
[[nodiscard]] constexpr std::size_t first_of(thread_set set) {
  return static_cast<std::size_t>(std::countr_zero(set));
}
/// The first of `set` after `thread`, going round.
[[nodiscard]] constexpr std::size_t next_of(thread_set set, std::size_t thread) {
  thread_set const later = thread + 1 < max_threads ? set >> (thread + 1) << (thread + 1) : 0;
  return first_of(later != 0 ? later : set);
}

/// Stands for no thread.
inline constexpr std::size_t nobody = max_threads;

/// What a strategy chooses from.
struct decision {
  thread_set enabled;   ///< not empty
  std::size_t current;  ///< the thread of the last step, or `nobody`; may be enabled or not
  bool yielding;        ///< the current thread asks that others go first
};

/// Decides in which order the threads of a scenario take their steps, one execution after the other.
class strategy {
 public:
  virtual ~strategy() = default;

  /// As written in a replay string.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Gets ready for the next execution, of `threads` threads; false when there is none left.
  [[nodiscard]] virtual bool start(std::uint64_t seed, std::size_t threads) = 0;
  /// One of the enabled threads, or `nobody` when nothing new can come of this execution.
  [[nodiscard]] virtual std::size_t choose(decision const& d) = 0;
  /// The step of the thread that was chosen last has ended, and touched this.
  virtual void stepped(footprint const&) {}
  /// False when it draws random numbers.
  [[nodiscard]] virtual bool is_systematic() const { return true; }
  /// True when the executions so far are all that there are.
  [[nodiscard]] virtual bool exhausted() const { return false; }
  /// True when the same choices led elsewhere than before: something in the scenario is not scheduled.
  [[nodiscard]] virtual bool diverged() const { return false; }
};

}  // namespace svm::inline v0::explore

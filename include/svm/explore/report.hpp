// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace svm::inline v0::explore {

/// How an execution can fail.
enum class failure_kind : std::uint8_t {
  violation,       ///< a check, an operation or a lock called `fail`
  deadlock,        ///< no thread can go on
  livelock,        ///< many steps of a fair schedule, and no end
  nondeterminism,  ///< the same choices led to something else
};

/// The kind in a word.
[[nodiscard]] constexpr char const* name(failure_kind kind) {
  constexpr char const* names[] = {"violation", "deadlock", "livelock", "nondeterminism"};
  return names[static_cast<std::uint8_t>(kind)];
}

/// An execution that went wrong.
struct failure {
  failure_kind kind = failure_kind::violation;
  std::string text;             ///< the message; for a deadlock or a livelock, which thread waits for which
  std::string last_steps;       ///< a line each, the last one at the end
  std::string replay;           ///< reproduces it: see `replay`
  std::uint64_t execution = 0;  ///< counted from 1; 0 for a replay
  std::size_t steps = 0;        ///< until it happened
  std::size_t switches = 0;     ///< between threads, until it happened
  std::uint64_t hash = 0;       ///< of the steps, in their order
};

/// What a search has seen.
struct report {
  std::string scenario;
  std::string strategy;
  std::uint64_t complete = 0;  ///< executions that ran to their ends
  std::uint64_t blocked = 0;   ///< executions given up because they were seen in another order
  std::uint64_t cut = 0;       ///< executions that reached the bound of steps and ended once the schedule was fair
  std::uint64_t steps = 0;     ///< of all executions
  std::size_t longest = 0;     ///< steps of the longest execution
  std::size_t distinct =
      0;                   ///< complete executions that differ in the order of conflicting steps; see `hash_set::most`
  std::uint64_t hash = 0;  ///< of all executions: two searches that did the same have the same
  bool exhausted = false;  ///< there is no other execution (within the strategy's bound)
  std::optional<failure> failed;

  [[nodiscard]] std::uint64_t executions() const { return complete + blocked + cut + (failed ? 1 : 0); }
};

/// One line of figures.
[[nodiscard]] inline std::string to_string(report const& r) {
  return r.scenario + ", " + r.strategy + ": " + std::to_string(r.complete) + " complete, " +
         std::to_string(r.blocked) + " blocked, " + std::to_string(r.cut) + " cut, " +
         (r.exhausted ? "exhausted" : "not exhausted") + ", " + std::to_string(r.distinct) + " distinct, longest " +
         std::to_string(r.longest) + " steps" + (r.failed ? ", failed" : "");
}

/// Several lines: what happened, how it came to that, and how to see it again.
[[nodiscard]] inline std::string to_string(failure const& f) {
  return std::string{name(f.kind)} + " at step " + std::to_string(f.steps) + ": " + f.text + "\nlast steps:\n" +
         f.last_steps + "replay: " + f.replay + "\n";
}

}  // namespace svm::inline v0::explore

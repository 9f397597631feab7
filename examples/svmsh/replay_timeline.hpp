// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_history.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// What happened when during a replay, for a viewer of trace events.
///
/// Time is counted in accesses. Events of a kind that happen in the same step of time are one event with a count; a
/// step is one access until there are too many events, and then twice as long each time, so that memory is bounded.
class timeline {
 public:
  static constexpr std::size_t most_events = std::size_t{1} << 16;

  /// What follows happens after this many accesses of the replay.
  void set_time(std::uint64_t accesses) { now_ = accesses; }
  /// Counts incidents that concern the memory from `address` on, and what they moved.
  void add(incident what, std::uint64_t count, std::uint64_t address, std::uint64_t bytes);
  /// Notes how much memory is in use.
  void sample(std::uint64_t ram_used, std::uint64_t vram_used);

  [[nodiscard]] std::uint64_t step() const { return step_; }
  [[nodiscard]] std::size_t events() const;

  /// The trace events as JSON: microseconds stand for accesses; an event lasts as long as its step.
  [[nodiscard]] std::string json(std::string_view trace, std::string_view settings) const;

 private:
  struct event {
    std::uint64_t at;  // a multiple of the step
    std::uint64_t count, address, bytes;
  };
  struct level {
    std::uint64_t at;
    std::uint64_t ram, vram;
  };

  void make_room();

  std::array<std::vector<event>, incident_kinds> tracks_;
  std::vector<level> levels_;  // the last of each step
  std::uint64_t now_ = 0;
  std::uint64_t step_ = 1;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/constants.hpp>

namespace svm::inline v0::placement {

/// When a group of pages is hot, and when it is cold.
struct heat_options {
  unsigned hot = defaults::hot_notifications;     ///< notifications in a row of periods that bring a group to the GPU
  unsigned penalty = defaults::pressure_penalty;  ///< under pressure it takes this many times as many
  unsigned cold = defaults::cold_periods;         ///< quiet periods after which it goes back
};

/// How warm one group of pages is to a GPU: memory comes when it is hot, and goes back when it is cold, with room between
/// the two so that it does not swing. Beyond UVM, which has no way back.
///
///     notifications   ....8 ==================> on the GPU
///                     0 <================== quiet for four periods
///
/// A period is what the caller says, such as a batch of notifications; heat halves with each.
class counter_heat {
 public:
  enum class wish : std::uint8_t { stay, promote, demote };

  /// The GPU counted accesses to the group. `pressure` says that room for it has to be made by eviction.
  [[nodiscard]] constexpr wish notified(bool pressure, heat_options const& options = {}) {
    quiet_ = 0;
    if (heat_ < defaults::heat_most) ++heat_;
    if (on_gpu_) return wish::stay;
    return heat_ >= options.hot * (pressure ? options.penalty : 1) ? wish::promote : wish::stay;
  }
  /// The group was used where it is, though no counter sees it there.
  constexpr void touched() { quiet_ = 0; }
  /// A period is over.
  [[nodiscard]] constexpr wish period(heat_options const& options = {}) {
    heat_ = static_cast<std::uint8_t>(heat_ / 2);
    if (quiet_ < defaults::heat_most) ++quiet_;
    return on_gpu_ && quiet_ >= options.cold ? wish::demote : wish::stay;
  }
  /// The group moved, for whatever cause.
  constexpr void moved(bool to_gpu) {
    on_gpu_ = to_gpu;
    heat_ = 0;
    quiet_ = 0;
  }
  [[nodiscard]] constexpr bool is_on_gpu() const { return on_gpu_; }

 private:
  std::uint8_t heat_ = 0;
  std::uint8_t quiet_ = 0;
  bool on_gpu_ = false;
};

}  // namespace svm::inline v0::placement

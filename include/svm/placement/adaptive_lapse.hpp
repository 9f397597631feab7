// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/time.hpp>
#include <svm/placement/constants.hpp>

namespace svm::inline v0::placement {

/// How far apart events may lie and still thrash, learnt from how far apart they do lie (rule B5).
///
/// Each gap votes: up when it is not shorter than the lapse, down otherwise. When one side leads by 32 the lapse moves an
/// eighth of itself, and half of the lead stays.
class adaptive_lapse {
 public:
  /// A lapse that somebody set by hand stays as it is.
  constexpr explicit adaptive_lapse(duration lapse = defaults::lapse, bool adapts = true)
      : lapse_(lapse), adapts_(adapts) {}

  [[nodiscard]] constexpr duration value() const { return lapse_; }
  [[nodiscard]] constexpr int votes() const { return votes_; }
  [[nodiscard]] constexpr duration times(unsigned n) const { return {lapse_.nanoseconds * n}; }

  constexpr void vote(duration gap) {
    if (!adapts_) return;
    votes_ += gap >= lapse_ ? 1 : -1;
    if (votes_ < defaults::votes_to_change && votes_ > -defaults::votes_to_change) return;
    duration const step{lapse_.nanoseconds / defaults::lapse_step};
    if (votes_ > 0)
      grow(step < defaults::lapse_step_most ? step : defaults::lapse_step_most);
    else
      shrink(step > defaults::lapse_step_least ? step : defaults::lapse_step_least);
    votes_ /= 2;
  }

 private:
  constexpr void grow(duration step) {
    if (lapse_ >= defaults::lapse_most) return;
    lapse_.nanoseconds += step.nanoseconds;
    if (lapse_ > defaults::lapse_most) lapse_ = defaults::lapse_most;
  }
  constexpr void shrink(duration step) {
    if (lapse_ <= defaults::lapse_least) return;
    std::uint64_t const room = lapse_.nanoseconds - defaults::lapse_least.nanoseconds;
    lapse_.nanoseconds -= step.nanoseconds < room ? step.nanoseconds : room;
  }

  duration lapse_;
  int votes_ = 0;
  bool adapts_;
};

}  // namespace svm::inline v0::placement

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>

namespace svm::inline v0 {

/// A span of time in nanoseconds.
struct duration {
  std::uint64_t nanoseconds = 0;
  friend constexpr auto operator<=>(duration, duration) = default;
};

/// So many milliseconds.
[[nodiscard]] constexpr duration milliseconds(std::uint64_t n) {
  return {n * 1'000'000};
}

/// A moment on a policy's clock. Two moments compare by their difference, so a counter that wraps does no harm while
/// the moments lie less than 2^63 ns apart.
struct time_point {
  std::uint64_t nanoseconds = 0;
  friend constexpr bool operator==(time_point, time_point) = default;
  friend constexpr time_point operator+(time_point t, duration d) { return {t.nanoseconds + d.nanoseconds}; }
};

/// True when `a` comes before `b`, by less than half of what a clock can count.
[[nodiscard]] constexpr bool is_before(time_point a, time_point b) {
  return static_cast<std::int64_t>(a.nanoseconds - b.nanoseconds) < 0;
}

}  // namespace svm::inline v0

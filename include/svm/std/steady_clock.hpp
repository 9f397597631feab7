// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include <svm/concepts/time_source.hpp>

namespace svm::inline v0 {

/// The clock policy on std::chrono::steady_clock.
struct steady_clock {
  [[nodiscard]] time_point now() noexcept {
    auto const elapsed = std::chrono::steady_clock::now().time_since_epoch();
    return {static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count())};
  }
  void wait_until(time_point t) noexcept {
    for (time_point current = now(); is_before(current, t); current = now())
      std::this_thread::sleep_for(std::chrono::nanoseconds{t.nanoseconds - current.nanoseconds});
  }
};
static_assert(time_source<steady_clock>);

}  // namespace svm::inline v0

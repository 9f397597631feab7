// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

#include <svm/concepts/clock.hpp>

namespace svm::inline v0::mock {

/// A clock that stands still until somebody moves it; who waits for a moment moves it there.
class virtual_clock {
 public:
  explicit virtual_clock(time_point start = {}) : now_(start.nanoseconds) {}

  [[nodiscard]] time_point now() noexcept { return {now_.load()}; }
  void advance(duration d) noexcept { now_.fetch_add(d.nanoseconds); }
  void wait_until(time_point t) noexcept {
    std::uint64_t seen = now_.load();
    while (is_before({seen}, t) && !now_.compare_exchange_weak(seen, t.nanoseconds)) {
    }
  }

 private:
  std::atomic<std::uint64_t> now_;
};
static_assert(clock<virtual_clock>);

}  // namespace svm::inline v0::mock

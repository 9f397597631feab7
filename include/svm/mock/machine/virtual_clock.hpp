// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

#include <svm/concepts/time_source.hpp>

namespace svm::inline v0::mock {

/// A clock that stands still until somebody moves it; who waits for a moment lets others go first, then moves it there.
class virtual_clock {
 public:
  explicit virtual_clock(time_point start = {}) : now_(start.nanoseconds) {}

  [[nodiscard]] time_point now() noexcept { return {now_.load()}; }
  void advance(duration d) noexcept { now_.fetch_add(d.nanoseconds); }
  void wait_until(time_point t) noexcept {
    if (lets_others_go != nullptr && is_before(now(), t)) lets_others_go("wait for a time");
    pass_to(t);
  }
  /// Moves the clock to a moment, unless it is there already.
  void pass_to(time_point t) noexcept {
    std::uint64_t seen = now_.load();
    while (is_before({seen}, t) && !now_.compare_exchange_weak(seen, t.nanoseconds)) {
    }
  }

  /// Lets other threads go on, by name of what waits; set it before other threads start.
  void (*lets_others_go)(char const*) noexcept = nullptr;

 private:
  std::atomic<std::uint64_t> now_;
};
static_assert(time_source<virtual_clock>);

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/time_source.hpp>
#include <svm/explore/scheduler.hpp>

namespace svm::inline v0::explore {

/// The virtual time of an execution, which begins at 0.
///
/// It stands still while any thread can go on; then it jumps to the first moment that a thread waits for. When all that
/// are left yield and none waits for a moment, it goes on by a millisecond, each time all have looked again.
/// Outside of threads a wait is over at once.
struct clock {
  [[nodiscard]] time_point now() noexcept {
    return scheduler::running() == nullptr ? time_point{} : scheduler::running()->now();
  }
  void wait_until(time_point t) noexcept {
    if (scheduler* const s = scheduler::of_this_thread()) s->wait_until(t);
  }
};
static_assert(svm::time_source<clock>);

}  // namespace svm::inline v0::explore

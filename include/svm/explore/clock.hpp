// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/time_source.hpp>
#include <svm/explore/scheduler.hpp>

namespace svm::inline v0::explore {

/// The virtual time of an execution, which begins at 0.
///
/// It stands still while any thread can go on; then it jumps to the first moment that somebody waits for. While all who are
/// left only yield and nobody waits for a moment, it goes on by a millisecond each time they have all looked again. Outside of
/// threads a wait is over at once.
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

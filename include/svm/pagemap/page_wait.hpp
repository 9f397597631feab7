// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/time_source.hpp>

namespace svm::inline v0::detail {

/// The time that one call waits for others to let go of pages that they have locked or pinned.
///
/// The first wait is `shortest`, each further one twice as long up to `longest`; all of them take `in_all` at most.
/// The clock is not read before the first wait.
template <time_source Clock>
class page_wait {
 public:
  static constexpr duration shortest{10'000};
  static constexpr duration longest = milliseconds(1);
  static constexpr duration in_all = milliseconds(20);

  explicit page_wait(Clock& clock) : clock_(clock) {}

  /// Waits; false, at once, when no time is left.
  ///
  /// \pre no lock of the library held
  [[nodiscard]] bool wait() {
    duration const left{in_all.nanoseconds - waited_.nanoseconds};
    if (left == duration{}) return false;
    duration const now = next_ < left ? next_ : left;
    clock_.wait_until(clock_.now() + now);
    waited_.nanoseconds += now.nanoseconds;
    next_ = next_.nanoseconds * 2 < longest.nanoseconds ? duration{next_.nanoseconds * 2} : longest;
    return true;
  }

 private:
  Clock& clock_;
  duration next_ = shortest;
  duration waited_{};
};

}  // namespace svm::inline v0::detail

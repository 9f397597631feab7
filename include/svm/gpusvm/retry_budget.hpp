// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/time_source.hpp>

namespace svm::inline v0::detail {

/// How long a loop that races with the CPU's mappings may go on.
///
/// Rounds that met an interfering event and rounds that did not are counted apart: the first are no mistake, the second
/// should not happen at all. Time is bounded too, from the first
/// retry on: a loop that needs none reads no clock.
template <time_source Clock>
class retry_budget {
 public:
  static constexpr int event_rounds = 16;
  static constexpr int unexplained_rounds = 3;
  static constexpr duration patience = milliseconds(1000);

  explicit retry_budget(Clock& clock) : clock_(clock) {}

  /// Pays for another round after an interfering event; false when there is none left.
  [[nodiscard]] bool after_event() { return ++after_event_ < event_rounds && has_time(); }
  /// Pays for another round that nothing explains; false when there is none left.
  [[nodiscard]] bool unexplained() { return ++unexplained_ < unexplained_rounds && has_time(); }

 private:
  [[nodiscard]] bool has_time() {
    time_point const now = clock_.now();
    if (after_event_ + unexplained_ == 1) deadline_ = now + patience;
    return is_before(now, deadline_);
  }

  Clock& clock_;
  time_point deadline_{};  // known with the first retry
  int after_event_ = 0;
  int unexplained_ = 0;
};

}  // namespace svm::inline v0::detail

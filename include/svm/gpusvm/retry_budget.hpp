// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/time_source.hpp>

namespace svm::inline v0::detail {

/// How long a loop that races with the CPU's mappings may go on.
///
/// Rounds that met an interfering event and rounds that did not are counted apart: the first are no mistake, the second
/// should not happen at all. Time is bounded too.
template <time_source Clock>
class retry_budget {
 public:
  static constexpr int event_rounds = 16;
  static constexpr int unexplained_rounds = 3;
  static constexpr duration patience = milliseconds(1000);

  explicit retry_budget(Clock& clock) : clock_(clock), deadline_(clock.now() + patience) {}

  /// Pays for another round after an interfering event; false when there is none left.
  [[nodiscard]] bool after_event() { return ++after_event_ < event_rounds && is_before(clock_.now(), deadline_); }
  /// Pays for another round that nothing explains; false when there is none left.
  [[nodiscard]] bool unexplained() { return ++unexplained_ < unexplained_rounds && is_before(clock_.now(), deadline_); }

 private:
  Clock& clock_;
  time_point deadline_;
  int after_event_ = 0;
  int unexplained_ = 0;
};

}  // namespace svm::inline v0::detail

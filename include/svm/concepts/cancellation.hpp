// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

namespace svm::inline v0 {

/// Somebody who may want a call to end early; the call then returns `errc::interrupted` at its next round.
///
/// Asked at the start of every round of a loop and before every wait, with no lock of rank notifier or later held.
class cancellation {
 public:
  [[nodiscard]] virtual bool is_cancelled() const noexcept = 0;

 protected:
  ~cancellation() = default;
};

/// True when somebody may cancel a call, and has.
[[nodiscard]] inline bool is_cancelled(cancellation const* by) noexcept {
  return by != nullptr && by->is_cancelled();
}

}  // namespace svm::inline v0

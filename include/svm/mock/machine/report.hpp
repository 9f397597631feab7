// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace svm::inline v0::mock {

/// Where the simulated machine writes down each rule that it saw broken: a line each, named after the rule.
///
/// May be called from any thread and with any lock held; keeps the first hundred lines and counts the others.
class report {
 public:
  static constexpr std::size_t kept = 100;

  void violation(std::string_view rule, std::string_view text) {
    std::scoped_lock const guard{lock_};
    empty_ = false;
    if (lines_.size() < kept)
      lines_.push_back(std::string{rule} + ": " + std::string{text});
    else
      ++dropped_;
  }

  /// Hands over the lines so far and starts anew.
  [[nodiscard]] std::vector<std::string> take() {
    std::scoped_lock const guard{lock_};
    empty_ = true;
    std::vector<std::string> lines = std::exchange(lines_, {});
    if (std::size_t const more = std::exchange(dropped_, 0); more != 0)
      lines.push_back("and " + std::to_string(more) + " more");
    return lines;
  }

  /// Waits for nobody, since it may be asked after every step.
  [[nodiscard]] bool empty() const { return empty_; }

 private:
  std::mutex lock_;
  std::vector<std::string> lines_;
  std::atomic<bool> empty_{true};
  std::size_t dropped_ = 0;
};

/// The report of lock misuse: locks are made without arguments, so they share one for the process.
[[nodiscard]] inline report& lock_report() {
  static report shared;
  return shared;
}

}  // namespace svm::inline v0::mock

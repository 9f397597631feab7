// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <svm/base/scope_guard.hpp>
#include <svm/mock/machine/brief_lock.hpp>
#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// Where the simulated machine writes down each rule that it saw broken: a line each, named after the rule.
///
/// May be called from any thread and with any lock held; keeps the first hundred lines and counts the others.
class report {
 public:
  static constexpr std::size_t kept = 100;

  void violation(std::string_view rule, std::string_view text) { violation(rule, {text}); }
  /// The text is what the pieces are, one after the other.
  [[gnu::noinline, gnu::cold]] void violation(std::string_view rule, std::initializer_list<std::string_view> pieces) {
    exclusive_guard const guard{lock_};
    empty_ = false;
    if (ends_.size() == kept) {
      ++dropped_;
      return;
    }
    add(rule);
    add(": ");
    for (std::string_view const piece : pieces) add(piece);
    ends_.push_back(text_.size());
  }

  /// Hands over the lines so far and starts anew.
  [[nodiscard]] std::vector<std::string> take() {
    exclusive_guard const guard{lock_};
    empty_ = true;
    std::vector<std::string> lines;
    for (std::size_t start = 0; std::size_t const end : ends_)
      lines.emplace_back(text_.data() + std::exchange(start, end), text_.data() + end);
    text_.clear();
    ends_.clear();
    if (std::size_t const more = std::exchange(dropped_, 0); more != 0)
      lines.push_back("and " + std::to_string(more) + " more");
    return lines;
  }

  /// Waits for nobody, since it may be asked after every step.
  [[nodiscard]] bool empty() const { return empty_; }

 private:
  void add(std::string_view piece) {
    for (char const c : piece) text_.push_back(c);
  }

  brief_lock lock_;
  plain_list<char> text_;         // of all lines
  plain_list<std::size_t> ends_;  // of each line
  std::atomic<bool> empty_{true};
  std::size_t dropped_ = 0;
};

/// The report of lock misuse: locks are made without arguments, so they share one for the process.
[[nodiscard]] inline report& lock_report() {
  static report shared;
  return shared;
}

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace svmsh {

/// Colours for what is written to a file descriptor; none unless it is a terminal that has them and NO_COLOR is not
/// set.
class palette {
 public:
  explicit palette(int file);

  [[nodiscard]] std::string title(std::string_view text) const { return in("1", text); }
  [[nodiscard]] std::string typed(std::string_view text) const { return in("36", text); }
  [[nodiscard]] std::string good(std::string_view text) const { return in("32", text); }
  [[nodiscard]] std::string bad(std::string_view text) const { return in("31", text); }
  [[nodiscard]] std::string faint(std::string_view text) const { return in("2", text); }

 private:
  [[nodiscard]] std::string in(std::string_view code, std::string_view text) const;

  bool on_;
};

[[nodiscard]] bool is_terminal(int file);
/// Whether a terminal moves its cursor; TERM says so.
[[nodiscard]] bool is_smart_terminal(int file);

}  // namespace svmsh

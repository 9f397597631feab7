// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// A line that is being typed, and those that were: what each key does, without a terminal.
class line_editor {
 public:
  enum class outcome {
    typing,
    done,        ///< the line is complete
    cancelled,   ///< the line is thrown away
    end,         ///< there is no further line
    candidates,  ///< there are several ways to go on: `candidates()`
    clear,       ///< the screen is to be cleared
  };

  /// Takes one byte of what the terminal sends.
  [[nodiscard]] outcome take(char byte);

  [[nodiscard]] std::string const& line() const { return line_; }
  [[nodiscard]] std::size_t cursor() const { return cursor_; }
  [[nodiscard]] std::vector<std::string> const& candidates() const { return candidates_; }

  /// Begins the next line; the present one is remembered, unless it is blank or the same as the last.
  void next();

 private:
  outcome take_control(char byte);
  void take_escape(char byte);
  void go_back_to(std::size_t entry);
  void erase(std::size_t from, std::size_t to);
  [[nodiscard]] std::size_t word_start() const;
  outcome complete();

  std::string line_;
  std::size_t cursor_ = 0;
  std::vector<std::string> history_;
  std::size_t at_ = 0;  // in the history; its size stands for the new line
  std::string new_line_;
  std::string escape_;  // what has come of a sequence
  std::vector<std::string> candidates_;
};

/// Reads lines from standard input, a terminal, and shows a prompt on standard error.
class prompt {
 public:
  prompt();

  /// The next line without its end; empty at the end of the input.
  [[nodiscard]] std::optional<std::string> read_line();

 private:
  [[nodiscard]] std::optional<std::string> read_plain();
  [[nodiscard]] std::optional<std::string> read_edited();
  void draw() const;

  bool smart_;
  line_editor editor_;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace svmsh {

/// Where a run writes: standard output in blocks, standard error a line at a time, each after what was printed before
/// it.
class console {
 public:
  /// `source` is the FILE of messages about lines of input.
  explicit console(std::string_view source);
  ~console();
  console(console const&) = delete;
  console& operator=(console const&) = delete;

  void print(std::string_view line);
  /// Writes what was printed. A failure is remembered; nothing is written after it.
  void flush();
  bool output_failed() const { return failed_; }

  /// `FILE:LINE: text`.
  void complain(std::uint64_t line, std::string_view text);
  /// `FILE: text`.
  void complain(std::string_view text);
  /// `svmsh: text`.
  void say(std::string_view text);

  /// Shows that `lines` lines are done, if standard error is a terminal and the run takes longer than a second.
  void progress(std::uint64_t lines);

 private:
  using clock = std::chrono::steady_clock;

  void erase_progress();
  void write_error(std::string const& line);

  std::string source_;
  std::string pending_;
  bool failed_ = false;
  bool terminal_;
  bool progress_shown_ = false;
  clock::time_point next_progress_;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "terminal.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace svmsh {

/// `43 %, 1200000 lines, 12 s left`: so many lines and such a share of the input were read in these seconds.
[[nodiscard]] std::string progress_text(std::uint64_t lines, std::optional<double> share, double seconds);

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
  /// From now on nothing is printed; messages still are.
  void mute() { muted_ = true; }
  /// Writes what was printed. A failure is remembered; nothing is written after it.
  void flush();
  bool output_failed() const { return failed_; }

  /// `FILE:LINE: text`.
  void complain(std::uint64_t line, std::string_view text);
  /// `FILE: text`.
  void complain(std::string_view text);
  /// `svmsh: text`.
  void say(std::string_view text);

  /// Shows that `lines` lines are done, if standard error is a terminal and the run takes longer than a second. Where
  /// `share`, the part of the input that was read, is known, it also shows what is to come.
  void progress(std::uint64_t lines, std::optional<double> share = {});

 private:
  using clock = std::chrono::steady_clock;

  void erase_progress();
  void write_error(std::string const& line);

  std::string source_;
  palette answers_, messages_;
  std::string pending_;
  bool failed_ = false;
  bool muted_ = false;
  bool terminal_;
  bool progress_shown_ = false;
  clock::time_point begun_ = clock::now();
  clock::time_point next_progress_ = begun_ + std::chrono::seconds(1);
};

}  // namespace svmsh

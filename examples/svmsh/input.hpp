// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace svmsh {

/// How long an input is, where that can be known: a file, also as standard input.
class input_length {
 public:
  /// `path` is as on the command line; `-` is standard input, from where it is now.
  explicit input_length(char const* path);

  /// Which part of the input so many bytes are.
  [[nodiscard]] std::optional<double> share(std::uint64_t bytes) const;

 private:
  std::uint64_t bytes_ = 0;  // 0: nobody knows
};

/// Reads the lines of a file or of standard input, one at a time.
class line_reader {
 public:
  /// Longer lines are refused, so that an endless one does not take all memory; comments do not count.
  static constexpr std::size_t longest_line = std::size_t{1} << 20;

  enum class status { line, end, too_long, failed };

  /// Opens `path`; `-` is standard input. Whether that worked is seen at the first `fill`.
  explicit line_reader(char const* path);
  ~line_reader();
  line_reader(line_reader const&) = delete;
  line_reader& operator=(line_reader const&) = delete;

  /// The next line without its comment and its end (LF, CR LF, or the end of the file). It is valid until the next
  /// call.
  ///
  /// `before_waiting()` is called before each read, which may wait for whoever writes the other end.
  template <class Callback>
  status next(std::string_view& line, Callback before_waiting) {
    start_line();
    while (!take()) {
      before_waiting();
      if (status const s = fill(); s != status::line) return s;
    }
    return finish_line(line);
  }

  std::uint64_t line_number() const { return number_; }
  /// What is wrong with the file, after `failed`.
  std::string const& error() const { return error_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  void start_line();
  /// Moves bytes to the line; true when the line is complete (or longer than it may be).
  bool take();
  /// Reads more bytes; `line` stands for success, also at the end of a file whose last line lacks its newline.
  status fill();
  status finish_line(std::string_view& line);

  static constexpr std::size_t block = std::size_t{1} << 16;

  std::string path_;
  int file_;
  std::unique_ptr<char[]> buffer_;
  std::size_t used_ = 0, filled_ = 0;
  std::string line_;
  bool in_comment_ = false;
  bool at_end_ = false;
  bool any_byte_ = false;  // of the current line, comment included
  std::uint64_t number_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::string error_;
};

}  // namespace svmsh

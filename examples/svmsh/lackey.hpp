// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace svmsh {

enum class access_kind : std::uint8_t { load, store, modify };

/// A data access of a memory trace: bytes `[address, address + size)`, size 1 to 4096, which may pass 2^64.
struct trace_access {
  std::uint64_t address = 0;
  std::uint32_t size = 0;
  access_kind kind = access_kind::load;
  std::optional<std::uint32_t> warp{};  ///< whose access it is, where the trace says so
};

/// An access, and the number of its line.
struct numbered_access {
  trace_access access;
  std::uint64_t line = 0;
};

/// Reads a memory trace as `valgrind --tool=lackey --trace-mem=yes` writes it.
///
/// A data access may name its warp: ` L ADDR,SIZE # WARP`. A line is of the trace when it begins with `I  `, ` L `, ` S ` or ` M ` (or ends within these three characters,
/// behind the letter); others are skipped, whatever they hold. Memory used does not depend on the length of a line.
class lackey_reader {
 public:
  static constexpr std::size_t usual_block = std::size_t{1} << 20;
  static constexpr std::size_t smallest_block = 128;
  static constexpr std::uint32_t largest_access = 4096;

  enum class status {
    access,
    kernel,  ///< a line that begins `== kernel`: what follows waits for what came before
    end,
    malformed,  ///< the line at `line_number()`; `error()` says why
    failed,     ///< the file cannot be read; `error()` says why
  };

  /// Opens `path`; `-` is standard input. Whether that worked is seen at the first `next`.
  ///
  /// `before_read`, if any, is called before each block of `block` bytes, at least `smallest_block`.
  explicit lackey_reader(char const* path, std::function<void()> before_read = {}, std::size_t block = usual_block);
  ~lackey_reader();
  lackey_reader(lackey_reader const&) = delete;
  lackey_reader& operator=(lackey_reader const&) = delete;

  /// The next data access; instruction lines are checked and skipped. To be called no more after anything but `access`
  /// and `kernel`.
  [[nodiscard]] status next(trace_access& out);
  /// From now on `next` stops at the beginning of kernels too.
  void tell_kernels() { tells_kernels_ = true; }

  /// The number of blocks of 2 MiB that the trace says it touches, in a line `== footprint BLOCKS` before the first line
  /// of the trace, which is the next one now.
  ///
  /// \pre `next` was not called yet
  [[nodiscard]] std::optional<std::uint64_t> read_footprint();

  /// The next data accesses as far as they are in memory and their lines are well-formed, so that nothing is waited for;
  /// how many they are. At 0 ask `next`.
  [[nodiscard]] std::size_t take_ready(std::span<numbered_access> out);

  /// Lines begun so far, and so the number of the line that `next` spoke of.
  [[nodiscard]] std::uint64_t line_number() const { return line_; }
  [[nodiscard]] std::string const& error() const { return error_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  /// What must be in the buffer before a line is judged: more than the longest line that is well-formed.
  static constexpr std::size_t lookahead = 64;

  [[nodiscard]] bool fill();
  [[nodiscard]] bool skip_line();
  [[nodiscard]] bool is_of_trace() const;
  [[nodiscard]] bool is_cut_off_tag() const;
  [[nodiscard]] std::string_view line_piece() const;
  [[nodiscard]] status refuse_line();

  std::string path_;
  int file_;
  std::function<void()> before_read_;
  std::size_t block_;
  std::unique_ptr<char[]> buffer_;  // of `block_` bytes and a lookahead of newlines behind what is filled
  char const* at_;
  char const* end_;
  bool ended_ = false;
  bool tells_kernels_ = false;
  std::uint64_t line_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::string error_;
};

}  // namespace svmsh

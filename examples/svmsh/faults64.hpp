// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace svmsh {

/// Reads a list of GPU faults: the address of a page each, 64 bits, little endian, nothing else.
///
/// Addresses are aligned to 4 KiB and below 2^47. Memory used does not depend on the length of the list.
class faults64_reader {
 public:
  static constexpr std::size_t usual_block = std::size_t{1} << 18;
  static constexpr std::size_t entry_bytes = 8;

  enum class status {
    fault,
    end,
    malformed,  ///< the entry at `offset()`; `error()` says why
    failed,     ///< the file cannot be read; `error()` says why
  };

  /// Opens `path`; `-` is standard input. Whether that worked is seen at the first `next`.
  ///
  /// `before_read`, if any, is called before each block of `block` bytes, at least `entry_bytes`.
  explicit faults64_reader(char const* path, std::function<void()> before_read = {}, std::size_t block = usual_block);
  ~faults64_reader();
  faults64_reader(faults64_reader const&) = delete;
  faults64_reader& operator=(faults64_reader const&) = delete;

  /// The next address. To be called no more after anything but `fault`.
  [[nodiscard]] status next(std::uint64_t& address);

  /// Where in the file the entry begins that `next` spoke of; its end at the end.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  /// Bytes of the file that were read so far, for progress.
  [[nodiscard]] std::uint64_t bytes_read() const { return next_offset_ + (end_ - at_); }
  /// Entries that came out.
  [[nodiscard]] std::uint64_t entries() const { return entries_; }
  [[nodiscard]] std::string const& error() const { return error_; }

 private:
  [[nodiscard]] bool fill();

  std::string path_;
  int file_;
  std::function<void()> before_read_;
  std::size_t block_;
  std::unique_ptr<unsigned char[]> buffer_;
  std::size_t at_ = 0, end_ = 0;  // in the buffer
  bool ended_ = false;
  std::uint64_t offset_ = 0, next_offset_ = 0, entries_ = 0;
  std::string error_;
};

}  // namespace svmsh

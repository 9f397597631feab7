// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace svmsh {

/// Formats answers into a large buffer, which is written when it is nearly full and when it is flushed.
class answer_writer {
 public:
  /// `put` and its like may write this much between two calls of `make_room`.
  static constexpr std::size_t room = 512;

  answer_writer() : buffer_(std::make_unique<char[]>(size)), at_(buffer_.get()) {}

  /// Call before each line.
  void make_room() {
    if (static_cast<std::size_t>(at_ - buffer_.get()) > size - room) flush();
  }
  void put(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put(char c) { *at_++ = c; }
  void put_hex(std::uint64_t value) {
    put("0x");
    unsigned const digits = value == 0 ? 1 : (67 - static_cast<unsigned>(__builtin_clzll(value))) / 4;
    for (unsigned i = digits; i > 0; --i, value >>= 4) at_[i - 1] = "0123456789abcdef"[value & 15];
    at_ += digits;
  }
  void put_decimal(std::uint64_t value) {
    char digits[20];
    char* first = digits + sizeof digits;
    do *--first = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    put(std::string_view(first, static_cast<std::size_t>(digits + sizeof digits - first)));
  }

  /// A failure is remembered; nothing is written after it.
  void flush() {
    for (char const* from = buffer_.get(); from != at_ && !failed_;) {
      ssize_t const written = write(STDOUT_FILENO, from, static_cast<std::size_t>(at_ - from));
      if (written >= 0)
        from += written;
      else if (errno != EINTR)
        failed_ = true;
    }
    at_ = buffer_.get();
  }
  bool failed() const { return failed_; }

 private:
  static constexpr std::size_t size = std::size_t{1} << 18;

  std::unique_ptr<char[]> buffer_;
  char* at_;
  bool failed_ = false;
};

}  // namespace svmsh

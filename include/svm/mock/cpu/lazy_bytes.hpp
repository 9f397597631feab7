// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdlib>
#include <utility>

namespace svm::inline v0::mock {

/// Bytes that are zero, of which the host gives memory only for what is written.
///
/// A large block of `calloc` comes straight from the system, which clears each page when it is first written; `new` would
/// have to clear all of them at once.
class lazy_bytes {
 public:
  /// No bytes.
  lazy_bytes() = default;
  explicit lazy_bytes(std::size_t size) : bytes_(static_cast<std::byte*>(std::calloc(size, 1))) {
    if (bytes_ == nullptr) std::abort();  // the host is out of memory
  }
  lazy_bytes(lazy_bytes&& other) noexcept : bytes_(std::exchange(other.bytes_, nullptr)) {}
  lazy_bytes& operator=(lazy_bytes other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~lazy_bytes() { std::free(bytes_); }

  /// The first of them; null where there are none.
  [[nodiscard]] std::byte* get() const { return bytes_; }

 private:
  std::byte* bytes_ = nullptr;
};

}  // namespace svm::inline v0::mock

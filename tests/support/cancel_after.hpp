// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/concepts/cancellation.hpp>

namespace support {

/// Lets a call go on for the first `rounds` times that it asks.
class cancel_after final : public svm::cancellation {
 public:
  explicit cancel_after(std::uint64_t rounds) : rounds_(rounds) {}
  [[nodiscard]] bool is_cancelled() const noexcept override { return asked_++ >= rounds_; }
  /// How often it was asked.
  [[nodiscard]] std::uint64_t asked() const { return asked_; }
  /// True when a call was told to end.
  [[nodiscard]] bool has_struck() const { return asked_ > rounds_; }

 private:
  std::uint64_t const rounds_;
  mutable std::uint64_t asked_ = 0;
};

}  // namespace support

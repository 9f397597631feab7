// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace svm::inline v0::mock {

/// splitmix64: small, fast, and the same on every compiler.
class random {
 public:
  explicit constexpr random(std::uint64_t seed) : state_(seed) {}

  constexpr std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// A number below `bound`, which is not 0.
  constexpr std::uint64_t below(std::uint64_t bound) {
    // The upper half of the 128-bit product, from 32-bit halves.
    std::uint64_t const value = next();
    std::uint64_t const low = (value & 0xffffffff) * (bound & 0xffffffff);
    std::uint64_t const middle = (value >> 32) * (bound & 0xffffffff) + (low >> 32);
    std::uint64_t const other = (value & 0xffffffff) * (bound >> 32) + (middle & 0xffffffff);
    return (value >> 32) * (bound >> 32) + (middle >> 32) + (other >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fuzz {

using bytes = std::span<std::byte const>;

/// Turns the bytes of a fuzzer into typed values.
///
/// Any bytes are an input: what lacks at the end reads as 0, and every value is brought into its domain. A choice takes
/// one byte, so that a byte more or less changes what follows no more than it must.
class input {
 public:
  explicit input(bytes all) : rest_(all) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bytes rest() const { return rest_; }

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    auto const value = std::to_integer<std::uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return value;
  }
  /// A number below `bound`, which is 1 to 256.
  unsigned below(unsigned bound) { return byte() % bound; }
  bool flag() { return (byte() & 1) != 0; }
  template <class T, std::size_t N>
  T one_of(std::array<T, N> const& choices) {
    static_assert(N > 0 && N <= 256);
    return choices[below(N)];
  }
  std::uint64_t word() {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }

  /// A number near one of at most eight corners: up to 16 steps below it or 15 above, modulo 2^64. Errors live there,
  /// and so few numbers meet one another often.
  std::uint64_t near(std::span<std::uint64_t const> corners, std::uint64_t step) {
    std::uint8_t const b = byte();
    return corners[(b >> 5) % corners.size()] + (std::uint64_t{b & 31u} - 16) * step;
  }
  /// A count that is mostly small: 0 to 32, or a multiple of 8 up to 1024.
  std::uint64_t count() {
    std::uint8_t const b = byte();
    return b < 128 ? b % 33u : (b - 127u) * 8u;
  }

 private:
  bytes rest_;
};

/// Which of the kinds of operations a run has, the first of them always: without some it gets further with the others.
class swarm {
 public:
  /// Takes a byte for every eight of `kinds` kinds (64 at most), in which a set bit takes a kind out.
  swarm(input& in, unsigned kinds) {
    std::uint8_t missing = 0;
    for (unsigned i = 0; i < kinds; ++i) {
      if (i % 8 == 0) missing = in.byte();
      if (i == 0 || (missing >> i % 8 & 1) == 0) kinds_[size_++] = static_cast<std::uint8_t>(i);
    }
  }

  unsigned draw(input& in) const { return kinds_[in.below(size_)]; }

 private:
  std::array<std::uint8_t, 64> kinds_{};
  unsigned size_ = 0;
};

}  // namespace fuzz

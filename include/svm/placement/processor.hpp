// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0::placement {

/// The CPU or a GPU: 0 is the CPU, GPUs count from 1, and `nobody` is neither.
struct processor {
  static constexpr unsigned most = 32;

  std::uint8_t id = most;

  friend constexpr auto operator<=>(processor, processor) = default;
  [[nodiscard]] constexpr bool is_some() const { return id < most; }
  [[nodiscard]] constexpr bool is_gpu() const { return id != 0 && id < most; }
};

/// No processor.
inline constexpr processor nobody{};
/// The CPU.
inline constexpr processor cpu{0};

/// GPU number `n`, from 0.
///
/// \pre n < processor::most - 1
[[nodiscard]] constexpr processor gpu(unsigned n) {
  SVM_ASSERT_OP(n, <, processor::most - 1);
  return {static_cast<std::uint8_t>(n + 1)};
}

/// A set of processors; `nobody` is in no set.
class processor_set {
 public:
  constexpr processor_set() = default;
  constexpr processor_set(processor p) : bits_(bit(p)) {}
  [[nodiscard]] static constexpr processor_set all() {
    processor_set s;
    s.bits_ = ~std::uint32_t{0};
    return s;
  }

  [[nodiscard]] constexpr bool contains(processor p) const { return (bits_ & bit(p)) != 0; }
  [[nodiscard]] constexpr bool contains(processor_set other) const { return (other.bits_ & ~bits_) == 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr unsigned size() const { return static_cast<unsigned>(__builtin_popcount(bits_)); }
  /// The member with the lowest number, the CPU first; `nobody` of an empty set.
  [[nodiscard]] constexpr processor first() const {
    return empty() ? nobody : processor{static_cast<std::uint8_t>(__builtin_ctz(bits_))};
  }
  /// The GPU with the lowest number; without one the CPU; `nobody` of an empty set.
  [[nodiscard]] constexpr processor first_gpu() const {
    processor const p = (*this - cpu).first();
    return p.is_some() ? p : first();
  }

  friend constexpr processor_set operator|(processor_set a, processor_set b) {
    return processor_set{a.bits_ | b.bits_};
  }
  friend constexpr processor_set operator&(processor_set a, processor_set b) {
    return processor_set{a.bits_ & b.bits_};
  }
  friend constexpr processor_set operator-(processor_set a, processor_set b) {
    return processor_set{a.bits_ & ~b.bits_};
  }
  constexpr processor_set& operator|=(processor_set b) { return *this = *this | b; }
  constexpr processor_set& operator&=(processor_set b) { return *this = *this & b; }
  constexpr processor_set& operator-=(processor_set b) { return *this = *this - b; }
  friend constexpr bool operator==(processor_set, processor_set) = default;

  /// Calls `visit(processor)` for each member, the lowest number first.
  template <class Visit>
  constexpr void each(Visit&& visit) const {
    for (std::uint32_t left = bits_; left != 0; left &= left - 1)
      visit(processor{static_cast<std::uint8_t>(__builtin_ctz(left))});
  }

 private:
  constexpr explicit processor_set(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(processor p) { return p.is_some() ? std::uint32_t{1} << p.id : 0; }

  std::uint32_t bits_ = 0;
};

}  // namespace svm::inline v0::placement

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>

namespace svm::inline v0 {

/// A non-empty run of addresses `[start, start + size)` that does not wrap.
///
///     start        last end
///       |------------|  |
///       [            )
///
/// Invariants: 1. size > 0. 2. start + size <= 2^64, so `last()` is always an address, while `end` may be 2^64 and
/// is therefore never handed out: compare with `last()` or with `contains`.
template <class Address>
class interval {
 public:
  /// The interval of `size` bytes from `start`.
  ///
  /// \errors empty_interval (`size` is 0), interval_wraps (start + size > 2^64)
  [[nodiscard]] static constexpr result<interval> make(Address start, byte_count size) {
    if (size.value == 0) return errc::empty_interval;
    if (size.value - 1 > UINT64_MAX - start.value) return errc::interval_wraps;
    return interval{start, size};
  }

  /// The interval from `first` to `last`, both inside.
  ///
  /// \errors empty_interval (`last` lies before `first`), interval_wraps (all 2^64 bytes, which no size can count)
  [[nodiscard]] static constexpr result<interval> from_bounds(Address first, Address last) {
    if (last < first) return errc::empty_interval;
    if (last.value - first.value == UINT64_MAX) return errc::interval_wraps;
    return interval{first, {last.value - first.value + 1}};
  }

  /// \pre size > 0, start + size <= 2^64
  constexpr interval(Address start, byte_count size) : start_(start), size_(size) {
    SVM_ASSERT_OP(size.value, !=, 0u);
    SVM_ASSERT_OP(size.value - 1, <=, UINT64_MAX - start.value);
  }

  [[nodiscard]] constexpr Address start() const { return start_; }
  [[nodiscard]] constexpr byte_count size() const { return size_; }
  /// The last address inside.
  [[nodiscard]] constexpr Address last() const { return {start_.value + (size_.value - 1)}; }
  /// True when the interval reaches the top of the address space: its end is 2^64.
  [[nodiscard]] constexpr bool reaches_top() const { return last().value == UINT64_MAX; }

  [[nodiscard]] constexpr bool contains(Address a) const { return a.value - start_.value < size_.value; }
  [[nodiscard]] constexpr bool contains(interval const& other) const {
    return start_ <= other.start_ && other.last() <= last();
  }
  [[nodiscard]] constexpr bool overlaps(interval const& other) const {
    return start_ <= other.last() && other.start_ <= last();
  }

  /// The part that two overlapping intervals share.
  ///
  /// \pre overlaps(other)
  [[nodiscard]] constexpr interval intersection(interval const& other) const {
    Address const first = start_ < other.start_ ? other.start_ : start_;
    Address const final = last() < other.last() ? last() : other.last();
    return interval{first, {final.value - first.value + 1}};
  }

  /// The smallest interval that holds both.
  ///
  /// \pre the two do not span all 2^64 bytes together
  [[nodiscard]] constexpr interval hull(interval const& other) const {
    Address const first = start_ < other.start_ ? start_ : other.start_;
    Address const final = last() < other.last() ? other.last() : last();
    return interval{first, {final.value - first.value + 1}};
  }

  [[nodiscard]] constexpr bool is_aligned(byte_count alignment) const {
    return start_.is_aligned(alignment) && (size_.value & (alignment.value - 1)) == 0;
  }

  friend constexpr bool operator==(interval const&, interval const&) = default;

 private:
  Address start_;
  byte_count size_;
};

/// A run of CPU addresses.
using va_range = interval<cpu_va>;

/// The naturally aligned block of `size` (a power of two) bytes around `a`.
template <class Address>
[[nodiscard]] constexpr interval<Address> aligned_block(Address a, byte_count size) {
  return {a.align_down(size), size};
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/gpuvm/mapping.hpp>

#include <cstdint>

namespace svm::inline v0 {

/// Which addresses a GPU VA space manages, and which of those the kernel keeps for itself.
///
///     start                              start + size (2^64 at most)
///       |-----------|====reserved====|-----|
///
/// Invariants: 1. the window is not empty and does not wrap. 2. the reserved part, if there is one, lies inside it.
/// \source drm_gpuvm_init(); unlike it, this refuses what does not hold
class gpuvm_layout {
 public:
  /// \param reserved_size 0: there is no reserved part
  /// \errors empty_interval (the window is empty), interval_wraps (the window or the reserved part passes 2^64),
  ///         outside_window (the reserved part leaves the window)
  [[nodiscard]] static constexpr result<gpuvm_layout> make(gpu_va start, byte_count size, gpu_va reserved_start = {},
                                                           byte_count reserved_size = {}) {
    result<gpu_range> const window = gpu_range::make(start, size);
    if (!window) return window.error();
    if (reserved_size.value == 0) return gpuvm_layout{*window, {}, {}};
    result<gpu_range> const reserved = gpu_range::make(reserved_start, reserved_size);
    if (!reserved) return reserved.error();
    if (!window->contains(*reserved)) return errc::outside_window;
    return gpuvm_layout{*window, reserved_start, reserved_size};
  }

  [[nodiscard]] constexpr gpu_range window() const { return window_; }
  [[nodiscard]] constexpr bool has_reserved() const { return reserved_size_.value != 0; }
  /// \pre has_reserved()
  [[nodiscard]] constexpr gpu_range reserved() const { return {reserved_start_, reserved_size_}; }

  /// True when a range touches the reserved part.
  [[nodiscard]] constexpr bool touches_reserved(gpu_range range) const {
    return has_reserved() && reserved().overlaps(range);
  }

  /// Whether mappings may cover a range.
  ///
  /// \errors empty_interval, interval_wraps, outside_window (it leaves the window or touches the reserved part)
  /// \source drm_gpuvm_range_valid(); unlike it, this refuses empty ranges and allows an end of 2^64
  [[nodiscard]] constexpr errc check(gpu_va start, byte_count size) const {
    if (errc const e = check_window(start, size); e != errc::ok) return e;
    return touches_reserved({start, size}) ? errc::outside_window : errc::ok;
  }
  /// The same, with the reserved part allowed.
  [[nodiscard]] constexpr errc check_window(gpu_va start, byte_count size) const {
    if (size.value == 0) return errc::empty_interval;
    if (size.value - 1 > UINT64_MAX - start.value) return errc::interval_wraps;
    return window_.contains(gpu_range{start, size}) ? errc::ok : errc::outside_window;
  }

 private:
  constexpr gpuvm_layout(gpu_range window, gpu_va reserved_start, byte_count reserved_size)
      : window_(window), reserved_start_(reserved_start), reserved_size_(reserved_size) {}

  gpu_range window_;
  gpu_va reserved_start_;
  byte_count reserved_size_;
};

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/index/chunk_layout.hpp>

namespace svm::inline v0 {

/// The addresses that a gpusvm manages and the sizes it divides them into, checked.
///
/// Invariants: 1. the window is page-aligned. 2. the chunk sizes are powers of two, descend, and end in the page size.
/// 3. the notifier size is a power of two and not below the largest chunk.
/// \source drm_gpusvm_init(); the reference checks none of this (erratum 3.1.20)
class gpusvm_layout {
 public:
  static constexpr std::size_t max_chunks = 16;

  /// Checks a configuration.
  ///
  /// \param window         page-aligned bytes of the CPU's address space
  /// \param notifier_size  bytes; notifiers are aligned to it
  /// \param chunks         bytes, largest first
  /// \errors misaligned (window), no_chunks (none, or more than `max_chunks`), chunk_not_power_of_two,
  ///         chunks_not_descending, last_chunk_not_page, notifier_not_power_of_two, notifier_below_chunk
  [[nodiscard]] static constexpr result<gpusvm_layout> make(va_range window, byte_count notifier_size,
                                                            std::span<byte_count const> chunks, byte_count page_size) {
    if (!window.is_aligned(page_size)) return errc::misaligned;
    if (chunks.empty() || chunks.size() > max_chunks) return errc::no_chunks;
    gpusvm_layout g{window, notifier_size, chunks.size()};
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      if (!chunks[i].is_power_of_two()) return errc::chunk_not_power_of_two;
      if (i != 0 && chunks[i] >= chunks[i - 1]) return errc::chunks_not_descending;
      g.chunks_[i] = chunks[i];
    }
    if (chunks.back() != page_size) return errc::last_chunk_not_page;
    if (!notifier_size.is_power_of_two()) return errc::notifier_not_power_of_two;
    if (notifier_size < chunks.front()) return errc::notifier_below_chunk;
    return g;
  }

  [[nodiscard]] constexpr va_range window() const { return window_; }
  [[nodiscard]] constexpr byte_count notifier_size() const { return notifier_size_; }
  [[nodiscard]] constexpr std::span<byte_count const> chunks() const { return {chunks_, count_}; }

  /// How the index of a notifier's ranges divides the notifier.
  [[nodiscard]] constexpr chunk_layout range_layout() const { return {{cpu_va{}, notifier_size_}, chunks()}; }
  /// How the index of the notifiers divides the window.
  [[nodiscard]] constexpr chunk_layout notifier_layout() const { return {window_, {&notifier_size_, 1}}; }

 private:
  constexpr gpusvm_layout(va_range window, byte_count notifier_size, std::size_t count)
      : window_(window), notifier_size_(notifier_size), count_(count) {}

  va_range window_;
  byte_count notifier_size_;
  byte_count chunks_[max_chunks]{};
  std::size_t count_;
};

}  // namespace svm::inline v0

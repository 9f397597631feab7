// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include <svm/base/interval.hpp>

namespace svm::inline v0::detail {

/// Chooses the span of a new range: the largest chunk that is naturally aligned, holds `fault`, lies inside `bounds`,
/// and passes `accept`.
///
///     bounds      |-----------------------------|
///     2M     [            fault            )          reaches outside
///     64K                [ fault )                     accept() decides
///     4K                  [fault)                      always fits
///
/// The smallest chunk, one page, needs no acceptance: nothing else can serve the fault.
///
/// \param chunks  as `gpusvm_layout` checked them
/// \param bounds  the part that the VMA, the notifier and the window share; holds the page of `fault`
/// \param accept  called with a candidate above the smallest size, largest first
/// \complexity O(chunks) and one call of `accept` each
/// \source drm_gpusvm_range_chunk_size(); "the page" is the last entry of the table, not 4 KiB
template <class Accept>
[[nodiscard, gnu::always_inline]] constexpr va_range choose_chunk(std::span<byte_count const> chunks, cpu_va fault,
                                                                  va_range bounds, Accept&& accept) {
  for (byte_count const size : chunks.first(chunks.size() - 1)) {
    va_range const candidate = aligned_block(fault, size);
    if (bounds.contains(candidate) && accept(candidate)) return candidate;
  }
  return aligned_block(fault, chunks.back());
}

}  // namespace svm::inline v0::detail

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <svm/config.hpp>

namespace svm::inline v0::detail {

/// Sorts by merging, in memory of the caller's; what is equal stays in its order, and what is in order costs one look.
///
/// \pre scratch.size() >= items.size()
template <class T, class Before>
constexpr void sort(std::span<T> items, std::span<T> scratch, Before before) {
  SVM_ASSERT_OP(scratch.size(), >=, items.size());
  std::size_t const n = items.size();
  std::size_t sorted = 1;
  while (sorted < n && !before(items[sorted], items[sorted - 1])) ++sorted;
  if (sorted >= n) return;
  T* from = items.data();
  T* to = scratch.data();
  for (std::size_t width = 1; width < n; width *= 2) {
    for (std::size_t first = 0; first < n; first += 2 * width) {
      std::size_t const middle = first + width < n ? first + width : n;
      std::size_t const end = middle + width < n ? middle + width : n;
      std::size_t left = first;
      std::size_t right = middle;
      for (std::size_t at = first; at < end; ++at) {
        bool const takes_left = right == end || (left < middle && !before(from[right], from[left]));
        to[at] = from[takes_left ? left++ : right++];
      }
    }
    T* const other = from;
    from = to;
    to = other;
  }
  if (from != items.data())
    for (std::size_t i = 0; i < n; ++i) items[i] = from[i];
}

}  // namespace svm::inline v0::detail

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

namespace svm::inline v0::detail {

/// Sorts in place without memory, by heapsort unless nothing is to be done. `before` is a strict order of all that differ.
template <class T, class Before>
constexpr void sort(std::span<T> items, Before before) {
  std::size_t sorted = 1;
  while (sorted < items.size() && !before(items[sorted], items[sorted - 1])) ++sorted;
  if (sorted >= items.size()) return;
  auto const sift = [&](std::size_t at, std::size_t end) {
    for (std::size_t child = 2 * at + 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end && before(items[child], items[child + 1])) ++child;
      if (!before(items[at], items[child])) return;
      T const moved = items[at];
      items[at] = items[child];
      items[child] = moved;
      at = child;
    }
  };
  for (std::size_t at = items.size() / 2; at-- != 0;) sift(at, items.size());
  for (std::size_t end = items.size(); end > 1;) {
    --end;
    T const last = items[0];
    items[0] = items[end];
    items[end] = last;
    sift(0, end);
  }
}

}  // namespace svm::inline v0::detail

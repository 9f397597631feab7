// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/page_mask.hpp>

namespace svm::inline v0::placement {

/// The pages of a group, 64 KiB of them: 16 pages of 4 KiB, 4 of 16 KiB, one of 64 KiB.
inline constexpr unsigned group_of_4k = 16;

/// The part of a block that a decision may touch, and how many of its pages make a group.
///
/// \invariant window.end <= page_mask::pages; group_pages is a power of two of at most page_mask::word_pages
struct block_window {
  page_span window{0, page_mask::pages};
  unsigned group_pages = group_of_4k;
};

}  // namespace svm::inline v0::placement

namespace svm::inline v0::detail {

/// How the pages of a window become the leaves of a binary tree.
///
///     block     0               16              32              48
///     window          5         |               |               |
///     leaf      . . . 5 ...  15 16          31  32              48     `.` is padding: no page, and never set
///
/// Where the window holds a whole group, leaves are moved so that groups lie on multiples of their size; `shift` is
/// what a page's number loses on the way to its leaf. A window without a whole group is one piece, from leaf 0.
struct leaf_layout {
  constexpr explicit leaf_layout(placement::block_window const& w) {
    SVM_ASSERT(!w.window.empty());
    unsigned const g = group = w.group_pages;
    SVM_ASSERT(g != 0 && g <= page_mask::word_pages && (g & (g - 1)) == 0);
    unsigned const first_group = (w.window.first + g - 1) & ~(g - 1);
    unsigned const groups_end = w.window.end & ~(g - 1);
    grouped = groups_end > first_group;
    padding = grouped && first_group > w.window.first ? g - (first_group - w.window.first) : 0;
    shift = w.window.first - padding;
    leaves = {padding, w.window.size() + padding};
    std::uint64_t const one = g == page_mask::word_pages ? ~std::uint64_t{0} : (std::uint64_t{1} << g) - 1;
    group_tops = ~std::uint64_t{0} / one << (g - 1);
  }

  unsigned group = 1;        ///< pages of one
  std::uint64_t group_tops;  ///< the last leaf of each group of a word
  bool grouped = false;
  unsigned padding = 0;
  unsigned shift = 0;
  page_span leaves;  ///< those that stand for pages

  /// All of each group in which `word` has a leaf.
  [[nodiscard]] constexpr std::uint64_t filled(std::uint64_t word) const {
    std::uint64_t const met = (((word & ~group_tops) + ~group_tops) | word) & group_tops;
    return (met - (met >> (group - 1))) | met;
  }
  /// The leaves of `pages`, which lie in the window.
  [[nodiscard]] constexpr page_mask to_leaves(page_mask const& pages) const {
    return shift == 0 ? pages : pages.lowered(shift);
  }
  [[nodiscard]] constexpr page_mask to_pages(page_mask const& leaf_set) const {
    return shift == 0 ? leaf_set : leaf_set.raised(shift);
  }
};

}  // namespace svm::inline v0::detail

namespace svm::inline v0::placement {

/// The pages of every group of the window that has a page of `some`. A group that the window cuts counts with what it
/// leaves; a window without a whole group is one group.
[[nodiscard]] constexpr page_mask groups_of(block_window const& w, page_mask const& some) {
  detail::leaf_layout const layout{w};
  if (!layout.grouped) return some.meets(page_mask{w.window}) ? page_mask{w.window} : page_mask{};
  page_mask const window{w.window};
  page_mask result = layout.to_leaves(some & window);
  for (unsigned word = 0; word < page_mask::words; ++word) result.set_word(word, layout.filled(result.word(word)));
  return layout.to_pages(result) & window;
}

}  // namespace svm::inline v0::placement

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/page_mask.hpp>
#include <svm/placement/constants.hpp>

namespace svm::inline v0::placement {

/// How far prefetch reaches in a block, learnt from what it brought and nobody used.
///
/// Evictions judge it. Of the pages that came along with others and go now, half or more unused: it reaches half as far,
/// down to a group. At most an eighth unused: twice as far, up to the block.
class prefetch_feedback {
 public:
  /// The pages that may come along: those in a faulted page's aligned piece of as many pages as it reaches.
  ///
  /// \param group_pages  a power of two
  [[nodiscard]] constexpr page_mask cut(page_mask const& along, page_mask const& faulted, unsigned group_pages) const {
    unsigned const width = reach(group_pages);
    if (width == page_mask::pages) return along;
    page_mask near;
    for (unsigned p = faulted.next(0); p != page_mask::pages;) {
      unsigned const first = p / width * width;
      near.set(page_span{first, first + width});
      p = first + width == page_mask::pages ? page_mask::pages : faulted.next(first + width);
    }
    return along & near;
  }
  /// Pages came because of faults on others.
  constexpr void came(page_mask const& along) { came_ |= along; }
  /// Which of the pages here came because of faults on others.
  [[nodiscard]] constexpr page_mask const& along() const { return came_; }
  /// Pages are not here any more, and nobody judges that.
  constexpr void gone(page_mask const& pages) { came_ -= pages; }
  /// Pages were evicted.
  ///
  /// \param used  those of them that were accessed since they came
  constexpr void evicted(page_mask const& pages, page_mask const& used) {
    page_mask const brought = came_ & pages;
    unsigned const all = brought.count();
    unsigned const unused = (brought - used).count();
    came_ -= pages;
    if (all == 0) return;
    if (unused * defaults::feedback_bad >= all && halvings_ < most_halvings)
      ++halvings_;
    else if (unused * defaults::feedback_good <= all && halvings_ != 0)
      --halvings_;
  }
  /// How many pages it reaches.
  [[nodiscard]] constexpr unsigned reach(unsigned group_pages) const {
    unsigned const width = page_mask::pages >> halvings_;
    return width > group_pages ? width : group_pages;
  }

 private:
  static constexpr unsigned most_halvings = 5;  // to a group of 16 pages

  page_mask came_{};
  unsigned halvings_ = 0;
};

}  // namespace svm::inline v0::placement

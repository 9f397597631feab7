// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/page_mask.hpp>
#include <svm/placement/block_tree.hpp>

namespace svm::inline v0::placement {

/// The pages that go when the group of `page` has to: prefetch by density, run backwards.
///
/// The group goes; then its block's tree is climbed. While a node would keep fewer than half of its pages in the device's
/// memory, all of it goes; its pages in the window count. Pages of `kept` stay, and count as kept.
///
/// \pre `page` lies in the window
/// \complexity O(levels), a few words each
[[nodiscard]] constexpr page_mask evicted_with(block_window const& where, page_mask const& resident,
                                               page_mask const& kept, unsigned page) {
  SVM_ASSERT(where.window.contains(page));
  detail::leaf_layout const layout{where};
  page_mask const window{where.window};
  page_mask const here = layout.to_leaves(resident & window);
  page_mask const may_go = here - layout.to_leaves(kept & window);
  unsigned const leaf = page - layout.shift;
  auto const node_of = [&](unsigned width) {
    unsigned const first = leaf & ~(width - 1);
    unsigned const end = first + width < layout.leaves.end ? first + width : layout.leaves.end;
    return page_mask{page_span{first < layout.padding ? layout.padding : first, end}};
  };

  unsigned width = where.group_pages;
  page_mask gone = (layout.grouped ? node_of(width) : page_mask{layout.leaves}) & may_go;
  while (width < layout.leaves.end) {
    width *= 2;
    page_mask const node = node_of(width);
    if ((node & (here - gone)).count() * 2 >= node.count()) break;
    gone |= node & may_go;
  }
  return layout.to_pages(gone);
}

}  // namespace svm::inline v0::placement

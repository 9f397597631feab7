// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/page_mask.hpp>
#include <svm/placement/eviction_classes.hpp>

namespace svm::inline v0::placement {

/// Pages of a block whose content nobody wants any more (rule E5): they keep their memory, and no copy of them is made.
class discarded_pages {
 public:
  [[nodiscard]] constexpr page_mask const& pages() const { return pages_; }

  /// A program discards pages; those that were duplicated are collapsed by the caller first. `unmaps` says that they also
  /// lose their mappings and their place at once: what of `resident` stays is returned.
  constexpr page_mask discard(page_mask const& pages, page_mask const& resident, bool unmaps) {
    pages_ |= pages;
    return unmaps ? resident - pages : resident;
  }
  /// A mapping with which pages may be written gives them a content again.
  constexpr void mapped_writable(page_mask const& pages) { pages_ -= pages; }
  /// A program moved pages: it wants them.
  constexpr void moved_by_program(page_mask const& pages) { pages_ -= pages; }
  /// Pages left the device: what comes in their place is not what was discarded.
  constexpr void left(page_mask const& pages) { pages_ -= pages; }

  /// Of pages that leave the device, those that have to be copied.
  [[nodiscard]] constexpr page_mask copied_by_eviction(page_mask const& leaving) const { return leaving - pages_; }
  /// What an eviction of `under` takes: what is resident there, and what is discarded and has memory there.
  [[nodiscard]] constexpr page_mask taken_by_eviction(page_mask const& under, page_mask const& resident) const {
    return under & (resident | pages_);
  }

  /// The class of a whole block that was discarded, or `used` while any page of it is not.
  [[nodiscard]] constexpr eviction_class class_of(page_mask const& block, page_mask const& resident,
                                                  page_mask const& mapped) const {
    if (!pages_.contains(block)) return eviction_class::used;
    return resident.any() || mapped.any() ? eviction_class::discarded : eviction_class::unused;
  }

 private:
  page_mask pages_;
};

}  // namespace svm::inline v0::placement

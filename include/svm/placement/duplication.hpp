// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/placement/rights.hpp>

namespace svm::inline v0::placement {

/// How a page gets a further copy.
struct duplication {
  processor_set unmapped{};   ///< who loses its mapping
  processor source = nobody;  ///< where the copy is made from
  bool write_taken = false;   ///< the source loses its right to write
  bool through_cpu = false;   ///< the source is copied to the CPU first, which keeps that copy
};

/// Gives `q` a copy of a page beside those that are there (rule F3).
///
/// \pre the page is somewhere, and not at `q`
constexpr duplication duplicate_to(topology const& links, page_state& page, processor q) {
  SVM_ASSERT(!page.copies.empty() && !page.copies.contains(q));
  duplication d{.source = links.nearest(page.copies, q)};
  d.unmapped = page.readers - page.copies;
  d.write_taken = !(page.writers & page.copies).empty();
  page.unmap(d.unmapped);
  page.writers = page.atomics = {};
  d.through_cpu = q.is_gpu() && d.source.is_gpu() && !links.can_access(q).contains(d.source);
  if (d.through_cpu) page.copies |= cpu;
  page.copies |= q;
  page.duplicated = true;
  return d;
}

/// Leaves one copy, at `place`, where the page is moving to or written: the holders that lose theirs (rule F3).
constexpr processor_set collapse(page_state& page, processor place) {
  processor_set const dropped = page.copies - place;
  page.unmap(processor_set::all() - place);
  page.copies = place;
  page.duplicated = false;
  return dropped;
}

/// Where a duplicated page stays when duplication ends: the preferred location if it has a copy, else the first holder.
[[nodiscard]] constexpr processor survivor(page_state const& page, range_policy const& policy) {
  return page.copies.contains(policy.preferred) ? policy.preferred : page.copies.first();
}

/// Read duplication was enabled: the page counts as duplicated where it is, and mappings of others' memory end.
constexpr processor_set enable_duplication(page_state& page) {
  processor_set const unmapped = page.readers - page.copies;
  page.unmap(unmapped);
  page.writers = page.atomics = {};
  page.duplicated = !page.copies.empty();
  return unmapped;
}

/// Read duplication ended: one copy stays. Who is kept mapped by policy is to be mapped again.
constexpr processor_set disable_duplication(page_state& page, range_policy const& policy) {
  return page.duplicated ? collapse(page, survivor(page, policy)) : processor_set{};
}

}  // namespace svm::inline v0::placement

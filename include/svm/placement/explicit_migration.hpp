// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/result.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/residency.hpp>
#include <svm/placement/rights.hpp>

namespace svm::inline v0::placement {

/// What a program asks for, in blocks.
struct explicit_request {
  std::uint64_t first_block = 0;
  std::uint64_t blocks = 0;
  processor destination = nobody;
  bool skips_cpu_mappings = false;  ///< the CPU is not mapped again
};

/// How many blocks from `block` on the CPU is unmapped from at once: at most 8 MiB, and none behind one where a page that
/// the CPU maps is at the destination already.
template <class View>
[[nodiscard]] std::uint64_t pre_unmapped_blocks(View&& view, std::uint64_t block, std::uint64_t end) {
  constexpr std::uint64_t most = defaults::pre_unmap_window.value / defaults::block_bytes.value;
  std::uint64_t n = 0;
  while (n < most && block + n < end && !view.is_at_destination(block + n)) ++n;
  return n;
}

/// Moves a span because a program said so (rule F5). The first pass moves every block and maps nothing; the second moves
/// again what was taken meanwhile, and maps. A span of one block, or one that leaves the CPU's mappings alone, has the
/// second pass alone.
///
/// `View` has `bool has_memory(processor)`, `errc unmap_cpu(first, count)` and `errc move(block, bool maps)`.
/// `bool unmaps_ahead()` says whether the CPU is unmapped in windows first, which pays where its link is fast.
/// `bool is_at_destination(block)` says whether a page that the CPU maps is there already.
///
/// \errors what the view answers; blocks before that one have moved
template <class View>
[[nodiscard]] errc migrate_explicitly(explicit_request const& r, View&& view) {
  if (!view.has_memory(r.destination)) return errc::ok;
  std::uint64_t const end = r.first_block + r.blocks;
  if (r.blocks > 1 && !r.skips_cpu_mappings) {
    std::uint64_t unmapped_to = r.first_block;
    for (std::uint64_t block = r.first_block; block < end; ++block) {
      if (view.unmaps_ahead() && block >= unmapped_to) {
        unmapped_to = block + pre_unmapped_blocks(view, block, end);
        if (unmapped_to == block)
          ++unmapped_to;  // its CPU pages are there in part: the move unmaps it
        else if (errc const e = view.unmap_cpu(block, unmapped_to - block); e != errc::ok)
          return e;
      }
      if (errc const e = view.move(block, false); e != errc::ok) return e;
    }
  }
  for (std::uint64_t block = r.first_block; block < end; ++block)
    if (errc const e = view.move(block, true); e != errc::ok) return e;
  return errc::ok;
}

/// Where a page of an explicit migration goes, and whether it stays, too: discarded pages are not worth a copy.
[[nodiscard]] constexpr residence explicit_residence(range_policy const& policy, page_state const& page,
                                                     processor destination, bool discarded) {
  if (policy.duplicates != read_duplication::enabled) return {destination, false};
  if (!discarded) return {destination, true};
  return {page.copies.contains(policy.preferred) ? policy.preferred : destination, false};
}

}  // namespace svm::inline v0::placement

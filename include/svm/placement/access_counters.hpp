// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include <svm/base/page_mask.hpp>
#include <svm/placement/block_tree.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/fault_entry.hpp>
#include <svm/placement/residency.hpp>
#include <svm/placement/sort.hpp>

namespace svm::inline v0::placement {

/// A GPU tells that it has accessed memory of others often. It is silent about the region until that is cleared.
struct counter_notification {
  cpu_va address{};               ///< aligned to a sub-region
  std::uint32_t sub_regions = 0;  ///< of 64 KiB each, from the start of the block
  std::uint32_t space = 0;
  processor gpu = nobody;
};

/// Puts notifications in the order of their service: by address space, GPU and address. \pre `scratch` is no smaller
constexpr void order(std::span<counter_notification> batch, std::span<counter_notification> scratch) {
  detail::sort(batch, scratch, [](counter_notification const& a, counter_notification const& b) {
    if (a.space != b.space) return a.space < b.space;
    return a.gpu != b.gpu ? a.gpu < b.gpu : a.address < b.address;
  });
}

/// Gathers the pages of a block that a GPU's notifications name (rule E2).
///
/// Pages that a notification names count only where its nearest copy has them, each by its own notification: two of one
/// block with different places lose nothing.
class counted_pages {
 public:
  constexpr counted_pages(block_window const& where, processor gpu) : where_(where), gpu_(gpu) {}

  /// One notification. `page` is that of its address, `nearest` the copy of it that is nearest to the GPU, `resident` what
  /// is there. `is_one_unit` says whether the memory behind it is one piece of 2 MiB, of which sub-regions count.
  constexpr void add(counter_notification const& n, unsigned page, processor nearest, page_mask const& resident,
                     bool is_one_unit) {
    if (!nearest.is_some() || nearest == gpu_) return;
    page_mask named;
    if (is_one_unit) {
      unsigned const run = where_.group_pages;
      for (std::uint32_t left = n.sub_regions; left != 0; left &= left - 1) {
        unsigned const first = static_cast<unsigned>(__builtin_ctz(left)) * run;
        named.set(page_span{first, first + run});
      }
    } else {
      named.set(page);
    }
    pages_ |= named & resident & page_mask{where_.window};
  }

  [[nodiscard]] constexpr page_mask const& pages() const { return pages_; }

 private:
  block_window where_;
  processor gpu_;
  page_mask pages_;
};

/// What a service of counted pages has to move.
struct counter_service {
  processor_set destinations{};
  std::array<page_mask, processor::most> to{};
  page_mask pinned{};
};

/// Where the counted pages of a block go (rule E3). `View`: `bool is_mapped()` (the GPU is mapped to any page of the block),
/// `thrash_hint hint(page)`, `residence place(page, thrash_hint)` with `is_counter` in its request, `processor_set
/// copies(page)`. `resident` are pages that the GPU has by now.
template <class View>
[[nodiscard]] counter_service look_at_counted(page_mask const& counted, page_mask const& resident, View&& view) {
  counter_service s;
  if (!view.is_mapped()) return s;
  page_mask const pages = counted - resident;
  for (unsigned p = pages.next(0); p != page_mask::pages; p = pages.next(p + 1)) {
    thrash_hint const hint = view.hint(p);
    if (hint.what == thrash_hint::kind::throttle) continue;
    processor const to = view.place(p, hint).where;
    if (view.copies(p).contains(to)) continue;
    s.destinations |= to;
    s.to[to.id].set(p);
    if (hint.what == thrash_hint::kind::pin) s.pinned.set(p);
  }
  return s;
}

/// What stood at a notification's address.
enum class counted_place : std::uint8_t {
  block,      ///< a block that was served
  no_block,   ///< memory without a block
  no_memory,  ///< nothing is mapped there
  unknown,    ///< the address space is gone, or moves nothing for counters
};

/// Whether the GPU is told to count on in that region (rule E4): whatever moved, and not when the service failed.
[[nodiscard]] constexpr bool is_cleared(counted_place place, bool service_failed) {
  switch (place) {
    case counted_place::block:
      return !service_failed;
    case counted_place::no_block:
    case counted_place::no_memory:
      return true;
    case counted_place::unknown:
      break;
  }
  return false;
}

}  // namespace svm::inline v0::placement

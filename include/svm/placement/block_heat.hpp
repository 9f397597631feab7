// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include <svm/base/page_mask.hpp>
#include <svm/placement/block_tree.hpp>
#include <svm/placement/counter_heat.hpp>

namespace svm::inline v0::placement {

/// A set of groups of a block, a bit each.
using group_set = std::uint32_t;

/// The groups in which a mask has a page.
[[nodiscard]] constexpr group_set groups_in(page_mask const& pages, unsigned group_pages) {
  group_set in = 0;
  for (unsigned p = pages.next(0); p != page_mask::pages;) {
    unsigned const g = p / group_pages;
    in |= group_set{1} << g;
    unsigned const after = (g + 1) * group_pages;
    p = after >= page_mask::pages ? page_mask::pages : pages.next(after);
  }
  return in;
}
/// The pages of groups.
[[nodiscard]] constexpr page_mask pages_of_groups(group_set groups, unsigned group_pages) {
  page_mask pages;
  for (group_set left = groups; left != 0; left &= left - 1) {
    unsigned const first = static_cast<unsigned>(__builtin_ctz(left)) * group_pages;
    pages.set(page_span{first, first + group_pages});
  }
  return pages;
}

/// How warm the groups of a block are to a GPU, and which of them it uses from afar until they are hot.
class block_heat {
 public:
  /// The GPU counted accesses to groups; those that are hot by now are returned.
  [[nodiscard]] constexpr group_set notified(group_set groups, bool pressure, heat_options const& options = {}) {
    return those(groups, [&](counter_heat& h) { return h.notified(pressure, options) == counter_heat::wish::promote; });
  }
  /// A period is over; the groups that are cold, and go back, are returned.
  [[nodiscard]] constexpr group_set period(heat_options const& options = {}) {
    return those(~group_set{0}, [&](counter_heat& h) { return h.period(options) == counter_heat::wish::demote; });
  }
  /// Faults touched groups where they are.
  constexpr void touched(group_set groups) {
    each(groups, [](counter_heat& h) { h.touched(); });
  }
  /// Counters brought groups to the GPU.
  constexpr void came(group_set groups) {
    each(groups, [](counter_heat& h) { h.moved(true); });
    distant_ &= ~groups;
  }
  /// Groups are used from afar from now on, until they are hot.
  constexpr void leave(group_set groups) {
    each(groups, [](counter_heat& h) {
      if (h.is_on_gpu()) h.moved(false);
    });
    distant_ |= groups;
  }
  [[nodiscard]] constexpr group_set distant() const { return distant_; }

 private:
  template <class Visit>
  constexpr void each(group_set groups, Visit&& visit) {
    for (group_set left = groups; left != 0; left &= left - 1) visit(heat_[static_cast<unsigned>(__builtin_ctz(left))]);
  }
  template <class Is>
  [[nodiscard]] constexpr group_set those(group_set groups, Is&& is) {
    group_set found = 0;
    for (group_set left = groups; left != 0; left &= left - 1) {
      unsigned const g = static_cast<unsigned>(__builtin_ctz(left));
      if (is(heat_[g])) found |= group_set{1} << g;
    }
    return found;
  }

  std::array<counter_heat, defaults::counter_subregions> heat_{};
  group_set distant_ = 0;
};

}  // namespace svm::inline v0::placement

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include <svm/base/page_mask.hpp>
#include <svm/placement/block_tree.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/processor.hpp>

namespace svm::inline v0::placement {

/// What the density of a block is judged by.
struct density_input {
  page_mask resident{};   ///< pages in the destination's memory
  page_mask faulted{};    ///< pages of the service that go there, already there or not
  page_mask thrashing{};  ///< pages of the block that thrash
  block_window where{};
};

}  // namespace svm::inline v0::placement

namespace svm::inline v0::detail {

/// Set bits of each lane of 16: the counts of the tree's nodes of 16 leaves.
[[nodiscard]] constexpr std::uint64_t lanes_of_16(std::uint64_t word) {
  word -= word >> 1 & 0x5555555555555555;
  word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return (word + (word >> 8)) & 0x00ff00ff00ff00ff;
}

/// The climb of density prefetch (rule A5) from the top down: the largest node that passes is the first one met, and
/// nodes above several faults are looked at once. `Whole` says that there are 512 leaves.
template <bool Whole>
class density_climb {
 public:
  static constexpr unsigned words = page_mask::words;

  /// `set` are the leaves that count, `climbing` those that look for a node, `waiting` the words where any does. Leaves
  /// end at `leaf_count`; a node that reaches over it is as large as what is before it.
  constexpr density_climb(page_mask const& set, page_mask const& climbing, unsigned waiting, unsigned leaf_count,
                          unsigned threshold)
      : set_(set), climbing_(climbing), waiting_(waiting), leaf_count_(leaf_count), threshold_(threshold) {
    for (unsigned w = 0; w < words; ++w) lanes_[w] = lanes_of_16(set_.word(w));
    std::array<std::uint64_t, words> totals{};
    for (unsigned w = 0; w < words; ++w) totals[w] = lanes_[w] + (lanes_[w] >> 32);
    for (unsigned w = 0; w < words; ++w)
      counts_[words + w] = static_cast<unsigned>((totals[w] + (totals[w] >> 16)) & 0xff);
    for (unsigned n = words - 1; n != 0; --n) counts_[n] = counts_[2 * n] + counts_[2 * n + 1];
  }

  /// The leaves of the nodes that were chosen, and what lies past the last leaf of such a node.
  [[nodiscard]] constexpr page_mask run() {
    node<words>(0);
    return chosen_;
  }

 private:
  /// Strictly above the threshold, in integers.
  [[nodiscard]] constexpr bool passes(unsigned count, unsigned first, unsigned width) const {
    if constexpr (Whole) return count * 100 > width * threshold_;
    unsigned const before_end = leaf_count_ - first;
    return count * 100 > (width < before_end ? width : before_end) * threshold_;
  }

  template <unsigned Width>
  constexpr void node(unsigned at) {
    if ((waiting_ >> at & ((1u << Width) - 1)) == 0) return;
    if (passes(counts_[(words + at) / Width], at * page_mask::word_pages, Width * page_mask::word_pages)) {
      for (unsigned w = 0; w < Width; ++w) chosen_.set_word(at + w, ~std::uint64_t{0});
    } else if constexpr (Width == 1) {
      inside_word(at);
    } else {
      node<Width / 2>(at);
      node<Width / 2>(at + Width / 2);
    }
  }

  constexpr void inside_word(unsigned w) {
    unsigned const base = w * page_mask::word_pages;
    std::uint64_t const lanes = lanes_[w];
    std::uint64_t chosen = 0;
    for (std::uint64_t left = climbing_.word(w); left != 0; left = (left & (left - 1)) & ~chosen) {
      unsigned const leaf = static_cast<unsigned>(__builtin_ctzll(left));
      unsigned const half = leaf & 32;
      unsigned const lane = leaf & 48;
      unsigned const in_half = static_cast<unsigned>((lanes >> half & 0xff) + (lanes >> (half + 16) & 0xff));
      if (passes(in_half, base + half, 32))
        chosen |= std::uint64_t{0xffffffff} << half;
      else if (passes(static_cast<unsigned>(lanes >> lane & 0xff), base + lane, 16))
        chosen |= std::uint64_t{0xffff} << lane;
      else
        chosen |= below_16(w, leaf);
    }
    chosen_.set_word(w, chosen);
  }

  /// The small nodes: reached where a group did not grow, or padding is in it.
  [[nodiscard]] constexpr std::uint64_t below_16(unsigned w, unsigned leaf) const {
    unsigned const base = w * page_mask::word_pages;
    std::uint64_t const set = set_.word(w) >> (leaf & 48);
    std::uint64_t const twos = set - (set >> 1 & 0x5555555555555555);
    std::uint64_t const fours = (twos & 0x3333) + (twos >> 2 & 0x3333);
    std::uint64_t const eights = (fours + (fours >> 4)) & 0x0f0f;
    if (passes(static_cast<unsigned>(eights >> (leaf & 8) & 15), base + (leaf & 56), 8))
      return std::uint64_t{0xff} << (leaf & 56);
    if (passes(static_cast<unsigned>(fours >> (leaf & 12) & 7), base + (leaf & 60), 4))
      return std::uint64_t{0xf} << (leaf & 60);
    if (passes(static_cast<unsigned>(twos >> (leaf & 14) & 3), base + (leaf & 62), 2))
      return std::uint64_t{0x3} << (leaf & 62);
    return std::uint64_t{passes(1, base + leaf, 1)} << leaf;
  }

  page_mask const& set_;
  page_mask const& climbing_;
  unsigned waiting_;
  unsigned leaf_count_;
  unsigned threshold_;
  std::array<std::uint64_t, words> lanes_{};
  std::array<unsigned, 2 * words> counts_{};  ///< a heap: node n has 2n and 2n + 1 below it
  page_mask chosen_;
};

/// The pages of the nodes that the faulted pages choose. `Whole` says that the window is the whole block, whose leaves are
/// its pages.
template <bool Whole>
[[nodiscard]] constexpr page_mask density_nodes(placement::density_input const& in, leaf_layout const& layout,
                                                unsigned threshold) {
  page_mask const window{in.where.window};
  page_mask const inside = Whole ? window : layout.to_leaves(window);
  page_mask const resident = Whole ? in.resident : layout.to_leaves(in.resident & window);
  page_mask const faulted = Whole ? in.faulted : layout.to_leaves(in.faulted & window);
  page_mask const thrashing = Whole ? in.thrashing : layout.to_leaves(in.thrashing & window);
  page_mask set = resident | faulted;
  page_mask const climbing = faulted - thrashing;
  unsigned waiting = 0;
  for (unsigned w = 0; w < page_mask::words; ++w) {
    if (faulted.word(w) == 0) continue;
    waiting |= unsigned{climbing.word(w) != 0} << w;
    std::uint64_t const grown = layout.filled(faulted.word(w)) & ~layout.filled(thrashing.word(w));
    if (layout.grouped) set.set_word(w, set.word(w) | (grown & inside.word(w)));
  }
  if (!layout.grouped && faulted.any() && thrashing.none()) set = inside;
  page_mask const nodes = density_climb<Whole>{set, climbing, waiting, layout.leaves.end, threshold}.run() & inside;
  return Whole ? nodes : layout.to_pages(nodes);
}

}  // namespace svm::inline v0::detail

namespace svm::inline v0::placement {

/// The pages that density adds to those that faulted: rules A3 to A6.
///
/// A faulted group counts as if it were there; then each fault takes the largest node of the tree of which more than
/// `threshold` percent is there.
///
/// \pre threshold <= 100
/// \complexity O(words + faults), without a look at single pages
[[nodiscard]] constexpr page_mask density(density_input const& in, unsigned threshold = defaults::density_threshold) {
  SVM_ASSERT_OP(threshold, <=, 100);
  detail::leaf_layout const layout{in.where};
  bool const whole = in.where.window.size() == page_mask::pages;
  page_mask const chosen =
      whole ? detail::density_nodes<true>(in, layout, threshold) : detail::density_nodes<false>(in, layout, threshold);
  return chosen - in.faulted - in.thrashing;
}

/// The numbers of density prefetch; out of bounds they fall back to what they are by default.
struct prefetch_options {
  bool enabled = true;
  unsigned threshold = defaults::density_threshold;
  unsigned min_faults = defaults::density_min_faults;

  [[nodiscard]] constexpr prefetch_options valid() const {
    prefetch_options v = *this;
    if (threshold > 100) v.threshold = defaults::density_threshold;
    if (min_faults < 1 || min_faults > defaults::density_min_faults_most) v.min_faults = defaults::density_min_faults;
    return v;
  }
};

/// What a block remembers of the services before.
struct prefetch_history {
  processor last = nobody;  ///< where the last service went
  unsigned faulted = 0;     ///< pages that faulted there since
};

/// One service whose pages all go to one destination; a service with several destinations prefetches nothing and does
/// not ask.
struct prefetch_request {
  density_input pages{};
  processor destination = nobody;
  processor preferred = nobody;   ///< the preferred location of the first faulted page, or nobody
  bool resident_anywhere = true;  ///< whether any processor's memory has a page of the block
  page_mask mapped_by_cpu{};      ///< pages that the CPU has in its memory and in its page table
};

/// The pages that move along with the faulted ones: rules A1 to A7, and no page of the service itself.
///
/// \pre options.valid() was asked where the numbers come from outside
[[nodiscard]] constexpr page_mask prefetch(prefetch_history& history, prefetch_request const& request,
                                           prefetch_options const& options = {}) {
  if (!options.enabled) return {};
  if (history.last != request.destination) history = {.last = request.destination, .faulted = 0};

  page_mask hint;
  if (!request.resident_anywhere && request.destination == request.preferred)
    hint = page_mask{request.pages.where.window} - request.pages.faulted - request.pages.thrashing;
  else if (!request.preferred.is_some() || request.preferred == request.destination)
    hint = density(request.pages, options.threshold);
  if (request.destination == cpu) hint -= request.mapped_by_cpu;

  unsigned const known = options.min_faults + page_mask::pages;  // more of them change nothing
  history.faulted += request.pages.faulted.count();
  if (history.faulted > known) history.faulted = known;
  return history.faulted < options.min_faults ? page_mask{} : hint;
}

/// What a service moves when all of it does not fit.
struct fitted_service {
  page_mask faulted{};     ///< faulted pages that move
  page_mask prefetched{};  ///< what moves with them
};

/// Cuts a service to `capacity` pages of device memory: what is prefetched is cut to the groups of the faulted pages,
/// then dropped; where the faulted pages alone are too many nothing moves.
///
/// `resident` are pages of the service that are in device memory already: they stay, and take their room.
[[nodiscard]] constexpr fitted_service fit(block_window const& where, page_mask const& faulted,
                                           page_mask const& prefetched, page_mask const& resident,
                                           std::uint64_t capacity) {
  if ((faulted | prefetched | resident).count() <= capacity) return {faulted, prefetched};
  page_mask const near = prefetched & groups_of(where, faulted);
  if ((faulted | near | resident).count() <= capacity) return {faulted, near};
  if ((faulted | resident).count() <= capacity) return {faulted, {}};
  return {};
}

}  // namespace svm::inline v0::placement

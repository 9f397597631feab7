// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <svm/base/page_mask.hpp>
#include <svm/concepts/page_wise.hpp>

namespace svm::inline v0 {

template <migrating_policies P>
class devmem;

namespace detail {

/// Which pages of an allocation of device memory are discarded: nothing, where no page can be.
template <migrating_policies P>
class discard_marks {};

/// With a policy that decides page by page, a mark a page (rule E5). It is the page's, in its place in memory. So it ends
/// with the page, whatever ends that, and moves with it to another address.
///
/// A page is marked with its lock held and no mapping left. Before a device has a mapping through which it can write, the
/// mark goes. So a locked page that no page table has is marked only if nobody wrote to it since.
/// Memory is not used twice in one allocation: the mark of a page that ended says nothing.
///
/// Locks: none. Several devices may map pages of an allocation at a time.
template <discarding_policies P>
class discard_marks<P> {
 public:
  using page = typename P::mm::page;

  /// Marks a page of an allocation; false for one beyond the first 512, which is never marked.
  ///
  /// \pre the page is locked, and nobody maps it
  [[nodiscard]] bool set(devmem<P> const& of, page p) {
    auto const all = of.pages();
    std::size_t const count = all.size() < page_mask::pages ? all.size() : page_mask::pages;
    std::size_t i = 0;
    while (i < count && all[i].page != p) ++i;
    if (i == count) return false;
    any_.store(1);
    words_[i / word_bits].fetch_or(bit(i));
    return true;
  }
  /// Takes the marks of pages that a device may write from now on.
  ///
  /// \pre the notifier's lock held, under which they are mapped next
  void clear(devmem<P> const& of, page first, page_count count) {
    if (!of.owner().may_discard() || any_.load() == 0) return;
    for (std::uint64_t n = 0; n < count.value; ++n)
      if (std::size_t const i = find(of, P::mm::page_at(first, n)); i != none) words_[i / word_bits].fetch_and(~bit(i));
  }
  /// True for a page that is marked; exact while the page is locked and out of every page table.
  [[nodiscard]] bool test(devmem<P> const& of, page p) const { return any_.load() != 0 && find(of, p) != none; }

 private:
  using word = typename P::lock::template atomic<std::uint64_t>;
  static constexpr std::size_t word_bits = 64;
  static constexpr std::size_t none = SIZE_MAX;

  [[nodiscard]] static std::uint64_t bit(std::size_t i) { return std::uint64_t{1} << i % word_bits; }
  /// The place of a page that is marked.
  [[nodiscard]] std::size_t find(devmem<P> const& of, page p) const {
    auto const all = of.pages();
    for (std::size_t w = 0; w < words_.size() && w * word_bits < all.size(); ++w)
      for (std::uint64_t left = words_[w].load(); left != 0; left &= left - 1) {
        std::size_t const i = w * word_bits + static_cast<std::size_t>(__builtin_ctzll(left));
        if (all[i].page == p) return i;
      }
    return none;
  }

  typename P::lock::template atomic<std::uint32_t> any_{0};
  std::array<word, page_mask::pages / word_bits> words_{};
};

}  // namespace detail

}  // namespace svm::inline v0

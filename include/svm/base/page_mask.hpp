// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// A run of pages `[first, end)` of one block, counted from the block's start; it may be empty.
struct page_span {
  unsigned first = 0;
  unsigned end = 0;

  friend constexpr bool operator==(page_span, page_span) = default;
  [[nodiscard]] constexpr bool empty() const { return first >= end; }
  [[nodiscard]] constexpr unsigned size() const { return empty() ? 0 : end - first; }
  [[nodiscard]] constexpr bool contains(unsigned page) const { return page >= first && page < end; }
};

/// A set of pages of one block of at most 512 pages: 2 MiB of 4 KiB pages, or fewer pages that are larger.
///
/// Its operators work on words, so that they cost eight steps whatever is in the set.
class page_mask {
 public:
  static constexpr unsigned pages = 512;
  static constexpr unsigned word_pages = 64;
  static constexpr unsigned words = pages / word_pages;

  constexpr page_mask() = default;
  /// The pages of `span`.
  ///
  /// \pre span.end <= pages
  constexpr explicit page_mask(page_span span) { set(span); }

  [[nodiscard]] constexpr bool test(unsigned page) const {
    SVM_ASSERT_OP(page, <, pages);
    return (words_[page / word_pages] >> page % word_pages & 1) != 0;
  }
  constexpr void set(unsigned page) {
    SVM_ASSERT_OP(page, <, pages);
    words_[page / word_pages] |= std::uint64_t{1} << page % word_pages;
  }
  constexpr void reset(unsigned page) {
    SVM_ASSERT_OP(page, <, pages);
    words_[page / word_pages] &= ~(std::uint64_t{1} << page % word_pages);
  }
  /// \pre span.end <= pages
  constexpr void set(page_span span) {
    SVM_ASSERT_OP(span.end, <=, pages);
    if (span.empty()) return;
    unsigned const last = (span.end - 1) / word_pages;
    std::uint64_t run = ~std::uint64_t{0} << span.first % word_pages;
    for (unsigned w = span.first / word_pages; w != last; ++w, run = ~std::uint64_t{0}) words_[w] |= run;
    words_[last] |= run & ~std::uint64_t{0} >> (word_pages - 1 - (span.end - 1) % word_pages);
  }
  constexpr void reset(page_span span) { *this -= page_mask{span}; }

  [[nodiscard]] constexpr bool any() const {
    std::uint64_t all = 0;
    for (std::uint64_t const word : words_) all |= word;
    return all != 0;
  }
  [[nodiscard]] constexpr bool none() const { return !any(); }
  [[nodiscard]] constexpr unsigned count() const {
    unsigned n = 0;
    for (std::uint64_t const word : words_) n += static_cast<unsigned>(__builtin_popcountll(word));
    return n;
  }
  [[nodiscard]] constexpr bool meets(page_mask const& other) const {
    std::uint64_t all = 0;
    for (unsigned w = 0; w < words; ++w) all |= words_[w] & other.words_[w];
    return all != 0;
  }
  [[nodiscard]] constexpr bool contains(page_mask const& other) const {
    std::uint64_t missing = 0;
    for (unsigned w = 0; w < words; ++w) missing |= other.words_[w] & ~words_[w];
    return missing == 0;
  }

  /// The first page of the set at or behind `from`; `pages` when there is none.
  [[nodiscard]] constexpr unsigned next(unsigned from) const { return next_where(from, 0); }
  /// The first page at or behind `from` that is not in the set; `pages` when there is none.
  [[nodiscard]] constexpr unsigned next_absent(unsigned from) const { return next_where(from, ~std::uint64_t{0}); }
  /// The first maximal run at or behind `from`; an empty one at `pages` when there is none.
  [[nodiscard]] constexpr page_span next_run(unsigned from) const {
    unsigned const first = next(from);
    return {first, next_absent(first)};
  }
  /// The smallest run that holds the set; empty when the set is.
  [[nodiscard]] constexpr page_span hull() const {
    unsigned end = 0;
    for (unsigned w = 0; w < words; ++w)
      if (words_[w] != 0) end = (w + 1) * word_pages - static_cast<unsigned>(__builtin_clzll(words_[w]));
    return end == 0 ? page_span{} : page_span{next(0), end};
  }

  [[nodiscard]] constexpr std::uint64_t word(unsigned w) const { return words_[w]; }
  constexpr void set_word(unsigned w, std::uint64_t value) { words_[w] = value; }

  /// The set with each page's number lowered by `n`; pages below `n` are gone.
  ///
  /// \pre n < pages
  [[nodiscard]] constexpr page_mask lowered(unsigned n) const {
    SVM_ASSERT_OP(n, <, pages);
    page_mask result;
    unsigned const whole = n / word_pages;
    unsigned const bits = n % word_pages;
    for (unsigned w = 0; w + whole < words; ++w) {
      std::uint64_t value = words_[w + whole] >> bits;
      if (bits != 0 && w + whole + 1 < words) value |= words_[w + whole + 1] << (word_pages - bits);
      result.words_[w] = value;
    }
    return result;
  }
  /// The set with each page's number raised by `n`; pages that leave the block are gone.
  ///
  /// \pre n < pages
  [[nodiscard]] constexpr page_mask raised(unsigned n) const {
    SVM_ASSERT_OP(n, <, pages);
    page_mask result;
    unsigned const whole = n / word_pages;
    unsigned const bits = n % word_pages;
    for (unsigned w = whole; w < words; ++w) {
      std::uint64_t value = words_[w - whole] << bits;
      if (bits != 0 && w > whole) value |= words_[w - whole - 1] >> (word_pages - bits);
      result.words_[w] = value;
    }
    return result;
  }

  constexpr page_mask& operator|=(page_mask const& other) {
    for (unsigned w = 0; w < words; ++w) words_[w] |= other.words_[w];
    return *this;
  }
  constexpr page_mask& operator&=(page_mask const& other) {
    for (unsigned w = 0; w < words; ++w) words_[w] &= other.words_[w];
    return *this;
  }
  constexpr page_mask& operator-=(page_mask const& other) {
    for (unsigned w = 0; w < words; ++w) words_[w] &= ~other.words_[w];
    return *this;
  }
  friend constexpr page_mask operator|(page_mask a, page_mask const& b) { return a |= b; }
  friend constexpr page_mask operator&(page_mask a, page_mask const& b) { return a &= b; }
  friend constexpr page_mask operator-(page_mask a, page_mask const& b) { return a -= b; }
  friend constexpr bool operator==(page_mask const&, page_mask const&) = default;

 private:
  [[nodiscard]] constexpr unsigned next_where(unsigned from, std::uint64_t flip) const {
    if (from >= pages) return pages;
    unsigned w = from / word_pages;
    std::uint64_t value = (words_[w] ^ flip) & (~std::uint64_t{0} << from % word_pages);
    while (value == 0)
      if (++w == words)
        return pages;
      else
        value = words_[w] ^ flip;
    return w * word_pages + static_cast<unsigned>(__builtin_ctzll(value));
  }

  std::array<std::uint64_t, words> words_{};
};

}  // namespace svm::inline v0

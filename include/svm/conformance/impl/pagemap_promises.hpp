// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/conformance/verdict.hpp>

#include <svm/concepts/pagemap.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::pagemap {

/// The promises of `svm::pagemap`.
// clang-format off
inline constexpr promise_table<20> promises{"pagemap", {{
    {1, "`allocate` takes what was asked for or fails with the reason"},
    {2, "an `allocate` that fails takes nothing"},
    {3, "`available` falls and rises by what is taken from this pagemap and given back"},
    {4, "what `allocate` hands out reads as zero once it was cleared"},
    {5, "clearing comes before any copy, whose bytes stay"},
    {6, "`pages` names pages that no other allocation has"},
    {7, "`pages` names the pages of an allocation in the same order each time"},
    {8, "the block that a page begins is contiguous, and is the next pages of the allocation"},
    {9, "`release` gives back an allocation, all of it and nothing else"},
    {10, "`release_pages` gives a block back before the rest, and `release` then what is left"},
    {11, "a copy succeeds once all bytes have moved"},
    {12, "a copy that fails leaves the data of the source whole"},
    {13, "`map` makes device pages reachable at consecutive addresses for a device of the group"},
    {14, "a `map` that fails changes nothing"},
    {15, "`unmap` undoes exactly one `map`"},
    {16, "`owner` is not nobody"},
    {17, "`owner` never changes"},
    {18, "pagemaps of one mm have different owners"},
    {19, "pagemaps are in one group only when their devices reach each other's memory"},
    {20, "each function works with the locks held that the concept lists, and needs no other"},
}}};
// clang-format on

template <class Bench>
using job_of = std::vector<svm::copy_block<typename Bench::page>>;

/// An allocation of some pages, given back at the end.
template <class Bench>
class allocation {
 public:
  allocation(Bench& b, std::size_t count)
      : bench_(b), count_(count), memory_(b.pagemap().allocate(Bench::page_size * count)) {
    if (!memory_) return;
    named = again();
    for (auto const& p : named) pages.push_back(p.page);
    good = pages.size() == count;
  }
  allocation(allocation const&) = delete;
  allocation& operator=(allocation const&) = delete;
  ~allocation() {
    if (memory_) bench_.pagemap().release(*memory_);
  }
  /// The pages, asked for once more; none when that fails.
  [[nodiscard]] std::vector<svm::device_page<typename Bench::page>> again() {
    std::vector<svm::device_page<typename Bench::page>> out(count_);
    if (bench_.pagemap().pages(*memory_, std::span{out}) != svm::errc::ok) out.clear();
    return out;
  }
  [[nodiscard]] auto& memory() { return *memory_; }
  [[nodiscard]] bool clear() { return bench_.pagemap().wait_cleared(*memory_) == svm::errc::ok; }

  std::vector<svm::device_page<typename Bench::page>> named;
  std::vector<typename Bench::page> pages;
  bool good = false;

 private:
  Bench& bench_;
  std::size_t const count_;
  svm::result<typename Bench::pagemap_type::memory> memory_;
};

}  // namespace svm::inline v0::conformance::pagemap

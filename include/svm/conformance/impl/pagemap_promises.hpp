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
inline constexpr promise_table<6> promises{"pagemap", {{
    {1, "`allocate` takes what was asked for or changes nothing, and what it hands out reads as zero"},
    {2, "`pages` names the pages of an allocation, in order"},
    {3, "`release` gives an allocation back, once"},
    {4, "a copy returns when all bytes have moved, or with an error when the source is still whole"},
    {5, "`map` makes a page reachable for a device of the group or changes nothing, and `unmap` undoes one `map`"},
    {6, "`owner` never changes, and is another one for each pagemap"},
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

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include <svm/base/interval.hpp>

namespace svm::inline v0::mock {

/// What a process advised about a page of its memory.
struct page_advice {
  enum class huge : std::uint8_t { as_machine, yes, no };
  huge huge_pages = huge::as_machine;
  bool dont_fork = false;
  bool wipe_on_fork = false;
  bool locked = false;  ///< mlock: it is not swapped out
  friend constexpr bool operator==(page_advice const&, page_advice const&) = default;
};

/// Advice by address. It is kept beside the VMAs, so that it splits none.
///
/// Invariants: 1. neighbouring pieces differ. 2. what nothing was said about is no piece.
class advice_map {
 public:
  [[nodiscard]] page_advice at(cpu_va a) const {
    auto const next = pieces_.upper_bound(a.value);
    return next == pieces_.begin() ? page_advice{} : std::prev(next)->second;
  }

  /// Calls `change(page_advice&)` for each piece of the span.
  template <class Change>
  void change(va_range span, Change&& change) {
    std::uint64_t const end = span.last().value + 1;
    cut(span.start().value);
    cut(end);
    for (auto p = pieces_.find(span.start().value); p != pieces_.end() && p->first < end; ++p) change(p->second);
    join();
  }
  void clear(va_range span) {
    change(span, [](page_advice& a) { a = {}; });
  }
  /// What was said about `from` holds for the `size` bytes from `to` on too.
  void copy(cpu_va from, byte_count size, cpu_va to) {
    std::vector<std::pair<va_range, page_advice>> said;
    for_each({from, size}, [&](va_range piece, page_advice const& a) { said.emplace_back(piece, a); });
    for (auto const& s : said)
      change({to + (s.first.start() - from), s.first.size()}, [&s](page_advice& now) { now = s.second; });
  }
  /// Calls `visit(va_range, page_advice const&)` for each maximal piece of the span, ascending.
  template <class Visit>
  void for_each(va_range span, Visit&& visit) const {
    for (cpu_va a = span.start(); span.contains(a);) {
      auto const next = pieces_.upper_bound(a.value);
      bool const ends_inside = next != pieces_.end() && next->first <= span.last().value;
      cpu_va const last{ends_inside ? next->first - 1 : span.last().value};
      visit(*va_range::from_bounds(a, last), at(a));
      if (!ends_inside) return;
      a = last + byte_count{1};
    }
  }

 private:
  void cut(std::uint64_t address) { pieces_.emplace(address, at({address})); }
  void join() {
    page_advice before{};
    for (auto p = pieces_.begin(); p != pieces_.end();)
      if (p->second == before) {
        p = pieces_.erase(p);
      } else {
        before = p->second;
        ++p;
      }
  }

  std::map<std::uint64_t, page_advice> pieces_;  // by start; each ends where the next begins
};

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/interval.hpp>
#include <svm/mock/cpu/span_map.hpp>
#include <svm/mock/machine/plain_list.hpp>

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
class advice_map {
 public:
  [[nodiscard]] page_advice at(cpu_va a) const { return pieces_.at(a.value); }

  /// Calls `change(page_advice&)` for each piece of the span.
  template <class Change>
  void change(va_range span, Change&& change) {
    pieces_.change(span.start().value, span.last().value + 1, change);
  }
  void clear(va_range span) {
    change(span, [](page_advice& a) { a = {}; });
  }
  /// What was said about `from` holds for the `size` bytes from `to` on too.
  void copy(cpu_va from, byte_count size, cpu_va to) {
    struct advice_of {
      va_range piece;
      page_advice what;
    };
    plain_list<advice_of> said;
    for_each({from, size}, [&](va_range piece, page_advice const& a) { said.push_back({piece, a}); });
    for (advice_of const& s : said)
      change({to + (s.piece.start() - from), s.piece.size()}, [&s](page_advice& now) { now = s.what; });
  }
  /// Calls `visit(va_range, page_advice const&)` for each maximal piece of the span, ascending.
  template <class Visit>
  void for_each(va_range span, Visit&& visit) const {
    std::uint64_t const end = span.last().value + 1;
    for (std::uint64_t a = span.start().value; a != end;) {
      std::uint64_t const next = pieces_.next_change(a, end);
      visit(va_range{cpu_va{a}, byte_count{next - a}}, pieces_.at(a));
      a = next;
    }
  }

 private:
  span_map<page_advice> pieces_;
};

}  // namespace svm::inline v0::mock

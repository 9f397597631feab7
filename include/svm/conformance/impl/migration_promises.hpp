// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/conformance/mm_bench.hpp>

namespace svm::inline v0::conformance::page_migration {

/// The promises of `svm::mm` that are about page migration.
// clang-format off
inline constexpr promise_table<4> promises{"mm", {{
    {6, "`collect` and `collect_pages` take the pages that are named out of every page table, or say why not"},
    {7, "`install` and `finalize` leave each page where it moved to or where it was, with nothing locked or lost"},
    {8, "a block that was made or adopted has one reference, and is gone with its last put"},
    {9, "the handle of a page takes no reference, and that of a freed page is recognised"},
}}};
// clang-format on

/// True when a page goes to device memory with what it holds, and goes with its mapping. A check that needs device
/// pages asks first, so that a model that breaks one promise is not reported for another.
template <class Bench>
[[nodiscard]] bool moves_pages(Bench& b) {
  mm::counting_owner<typename Bench::page> owner{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  if (!mm::migrate(b, span, owner)) return false;
  auto const there = mm::look(b, span)[0];
  bool const arrived = there.place == svm::page_place::device && there.owner_object == &owner;
  bool const whole = arrived && mm::holds(b, there.page, 7);
  b.unmap(span);
  return whole && !b.is_live(there.page) && owner.freed == 1;
}

/// The same, for the way back.
template <class Bench>
[[nodiscard]] bool moves_pages_back(Bench& b) {
  if (!moves_pages(b)) return false;
  mm::counting_owner<typename Bench::page> owner{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, owner));
  auto slots = mm::slots_for<Bench>(mm::look(b, span));
  mm::session_of<Bench> session{};
  mm::collect_pages(b, session, slots);
  if (!slots[0].is_collected() || !mm::fill_with_system_pages(b, slots)) return false;
  b.mm().install(session);
  b.mm().finalize(session);
  bool const arrived = mm::holds(b, slots[0].destination, 7) && mm::look(b, span)[0].page == slots[0].destination;
  if (arrived) b.unmap(span);
  return arrived && !b.is_live(slots[0].destination);
}

}  // namespace svm::inline v0::conformance::page_migration

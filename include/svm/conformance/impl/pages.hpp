// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of page_migration.hpp that are about pages by themselves: promises 17 to 23.

#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::page_migration {

/// Promises 17 and 21.
template <class Bench>
[[nodiscard]] broken_promises system_pages_are_made_and_let_go(Bench& b) {
  verdict v{promises};
  auto const one = b.mm().allocate_page(svm::page_order{});
  auto const two = b.mm().allocate_page(svm::page_order{});
  if (!v.expect(17, one && two)) return v.result();
  v.expect(17, b.is_live(*one) && b.is_live(*two) && *one != *two);
  b.mm().discard_page(*one);
  v.expect(21, !b.is_live(*one) && b.is_live(*two));
  b.mm().discard_page(*two);
  return v.result();
}

/// Promise 32.
template <class Bench>
[[nodiscard]] broken_promises pages_are_cleared(Bench& b) {
  verdict v{promises};
  auto const one = b.mm().allocate_page(svm::page_order{});
  auto const beside = b.mm().allocate_page(svm::page_order{});
  if (!one || !beside) return v.result();  // reported by others
  b.poke(*one, 7);
  b.poke(*beside, 8);
  b.mm().clear_page(*one, svm::page_order{});
  v.expect(32, mm::holds(b, *one, 0) && mm::holds(b, *beside, 8));
  b.mm().discard_page(*one);
  b.mm().discard_page(*beside);
  return v.result();
}

/// Promises 18, 19 and 21.
template <class Bench>
[[nodiscard]] broken_promises device_pages_are_adopted_and_let_go(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  auto const device = b.device_pages(1)[0];
  b.mm().adopt_device_page(device, svm::page_order{}, behind, false);
  v.expect(18, b.is_live(device));
  v.expect(19, behind.freed == 0);
  b.mm().discard_page(device);
  if (v.expect(21, !b.is_live(device))) v.expect(19, behind.freed == 1);
  return v.result();
}

/// Promise 19: what stands behind a page does so until its last put, and hears of that.
template <class Bench>
[[nodiscard]] broken_promises owners_stand_behind_their_pages(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  auto const there = mm::look(b, span)[0];
  if (there.place != svm::page_place::device || !b.is_live(there.page)) return v.result();  // reported by others
  v.expect(19, there.owner_object == &behind && behind.freed == 0);
  b.unmap(span);
  if (!b.is_live(there.page)) v.expect(19, behind.freed == 1);
  return v.result();
}

/// Promise 20: what is coherent the CPU reaches in place.
template <class Bench>
[[nodiscard]] broken_promises coherent_pages_stay(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.coherent_page(); }) {
    if (!moves_pages(b)) return v.result();  // reported by others
    mm::counting_owner<typename Bench::page> behind{b.owner()};
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    mm::slots_of<Bench> slots;
    {
      svm::shared_guard const guard{b.mm().map_lock()};
      mm::session_of<Bench> session{};
      auto const place = b.coherent_page();
      b.mm().adopt_device_page(place, svm::page_order{}, behind, true);
      slots.assign(1, {});
      if (mm::collects_into_places<Bench>) slots[0].destination = place;
      auto const e = b.mm().collect(session, span, std::span{slots}, svm::nobody);
      slots[0].destination = place;
      if (e != svm::errc::ok || !slots[0].is_collected()) return v.result();
      b.poke(place, 8);
      b.mm().install(session);
      b.mm().finalize(session);
    }
    v.expect(20, b.load(span.start()) == 8);
    v.expect(20, b.store(span.start(), 9) && b.peek(slots[0].destination) == 9);
    v.expect(20, behind.faulted == 0);
    b.unmap(span);
    v.expect(20, behind.freed == 1);
  }
  return v.result();
}

/// Promises 22 and 23.
template <class Bench>
[[nodiscard]] broken_promises handles_are_values(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  std::vector<typename Bench::page> const copies(10, mm::look(b, span)[0].page);
  b.unmap(span);
  v.expect(22, !b.is_live(copies.front()));
  mm::slots_of<Bench> slots(1);
  slots[0].source = copies.back();
  mm::session_of<Bench> session{};
  mm::collect_pages(b, session, slots);
  v.expect(23, slots[0].state == svm::slot_state::untouched);
  b.mm().finalize(session);
  return v.result();
}

}  // namespace svm::inline v0::conformance::page_migration

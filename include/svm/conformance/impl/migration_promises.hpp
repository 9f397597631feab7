// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/conformance/mm_bench.hpp>

#include <cstdint>

namespace svm::inline v0::conformance::page_migration {

/// The promises of `svm::page_migration`.
// clang-format off
inline constexpr promise_table<32> promises{"page_migration", {{
    {1, "`collect` takes every page of system memory and every hole of the span"},
    {2, "`collect` takes the device pages that `reach` reaches, and refuses others"},
    {3, "an event with cause migrate comes before a page is taken, on behalf of the right owner"},
    {4, "a page that others have locked, pinned or mapped or that is swapped out is refused, with the reason"},
    {5, "a block comes whole where the slots have room for all of it, and otherwise in smaller blocks that fit"},
    {6, "`collect_pages` takes the pages that the slots name, whichever address space is asked"},
    {7, "`collect_pages` with a scope takes only pages that this address space maps inside this span"},
    {8, "the reference for the CPU fault on `faulting` pins no page, and every other one does"},
    {9, "`install` moves the mappings of every collected slot that has a destination"},
    {10, "the pages of a block that is split keep what they hold"},
    {11, "the owner object of a device block that is split is told so"},
    {12, "`finalize` points the page tables at the source again where nothing moved"},
    {13, "`finalize` leaves no page of the slots locked"},
    {14, "`finalize` puts the sources that moved and the destinations that got no mapping"},
    {15, "the destructor of a session does what `finalize` does"},
    {16, "the page tables take over the reference with which a destination came"},
    {17, "`allocate_page` returns a block of contiguous system pages with one reference"},
    {18, "`adopt_device_page` makes contiguous device pages a block with one reference"},
    {19, "the owner object stands behind an adopted block until its last put, and is told of that put"},
    {20, "the CPU reaches a block that was adopted as coherent without a fault"},
    {21, "`discard_page` puts a block that no slot got"},
    {22, "a copy of a page's handle takes no reference"},
    {23, "the handle of a page that was freed is recognised"},
    {24, "each function works with the locks held that the concept lists, and needs no other"},
    {25, "`collect` into destinations takes a system page, or a hole, only where there is one for it"},
    {26, "`collect` into destinations says that a page has moved, and its bytes are there"},
    {27, "`collect` into destinations splits what is larger, the source or the destination"},
    {28, "`finalize` brings the bytes back of what `collect` has moved and `install` has not"},
    {29, "a `collect` into destinations that fails leaves them to its caller"},
    {30, "the bytes of what `collect_pages` says has moved are there once `install` has returned"},
    {31, "`collect` takes nothing where a slot is outside, and no event covers it"},
    {32, "`clear_page` makes all of a block of system pages zero, and changes nothing else"},
}}};
// clang-format on

/// True when a slot says that its page has moved, and its destination holds a value.
template <class Bench, class Slot>
[[nodiscard]] bool has_moved(Bench& b, Slot const& slot, std::uint64_t value) {
  return slot.state == svm::slot_state::moved && mm::holds(b, slot.destination, value);
}

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

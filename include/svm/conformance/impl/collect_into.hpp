// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of page_migration.hpp that are about models that collect into destinations: promises 25 to 30.

#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace svm::inline v0::conformance::page_migration {

/// Promise 25: of two pages and two holes one of each has a destination.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_what_has_a_place(Bench& b) {
  using enum svm::slot_state;
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(4);
  for (std::size_t const i : {0u, 1u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  auto const places = b.device_pages(2);
  mm::slots_of<Bench> slots(4);
  for (std::size_t i = 0; i < 2; ++i) {
    b.mm().adopt_device_page(places[i], svm::page_order{}, behind, false);
    slots[i * 2 + 1].destination = places[i];
  }
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (b.mm().collect(session, span, std::span{slots}, svm::nobody) != svm::errc::ok) return v.result();
    v.expect(25, slots[0].state == untouched && slots[2].state == untouched);
    v.expect(25, slots[1].is_collected() && slots[3].is_collected());
    v.expect(25, mm::look_locked(b, span)[0].place == svm::page_place::system);
    b.mm().finalize(session);
  }
  return v.result();
}

/// Promise 26: once they are collected, and once their mappings have moved.
template <class Bench>
[[nodiscard]] broken_promises collect_moves_the_bytes(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(3);
  for (std::size_t i = 0; i < 3; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  mm::slots_of<Bench> slots;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (mm::collect_locked(b, session, span, slots, behind) != svm::errc::ok) return v.result();
    for (auto const& slot : slots)
      if (!slot.is_collected()) return v.result();  // promise 1 is not kept
    for (std::size_t i = 0; i < 3; ++i) v.expect(26, has_moved(b, slots[i], i + 7));
    b.mm().install(session);
    b.mm().finalize(session);
  }
  for (std::size_t i = 0; i < 3; ++i)
    if (b.is_live(slots[i].destination)) v.expect(26, b.peek(slots[i].destination) == i + 7);
  b.unmap(span);
  return v.result();
}

/// Promise 2: device pages need no destination to be taken.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_device_pages_anyway(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  mm::slots_of<Bench> slots(1);
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (b.mm().collect(session, span, std::span{slots}, b.owner()) != svm::errc::ok) return v.result();
    v.expect(2, slots[0].has_page() && slots[0].owner_object == &behind);
    b.mm().finalize(session);
  }
  b.unmap(span);
  return v.result();
}

/// Promise 28: beside a page that was refused, by `finalize`, and then by the destructor of the session.
template <class Bench>
[[nodiscard]] broken_promises bytes_come_back(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(3);
  for (std::size_t i = 0; i < 3; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  auto const refused = mm::look(b, span)[1].page;
  b.set_pinned(refused, true);
  for (bool const by_hand : {true, false}) {
    {
      mm::slots_of<Bench> slots;
      svm::shared_guard const guard{b.mm().map_lock()};
      mm::session_of<Bench> session{};
      if (mm::collect_locked(b, session, span, slots, behind) != svm::errc::ok) return v.result();
      for (std::size_t const i : {0u, 2u})
        if (!has_moved(b, slots[i], i + 7)) return v.result();  // promise 26 is not kept
      if (by_hand) b.mm().finalize(session);
    }
    auto const after = mm::look(b, span);
    for (std::size_t i = 0; i < 3; ++i)
      if (after[i].place == svm::page_place::system) v.expect(28, b.peek(after[i].page) == i + 7);
  }
  b.set_pinned(refused, false);
  return v.result();
}

/// Promise 29: where nothing is mapped.
template <class Bench>
[[nodiscard]] broken_promises a_collect_that_fails_takes_nothing_over(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  b.unmap(span);
  auto const place = b.device_pages(1)[0];
  b.mm().adopt_device_page(place, svm::page_order{}, behind, false);
  mm::slots_of<Bench> slots(1);
  slots[0].destination = place;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (b.mm().collect(session, span, std::span{slots}, svm::nobody) == svm::errc::ok) return v.result();
  }
  if (!v.expect(29, slots[0].destination == place && b.is_live(place) && behind.freed == 0)) return v.result();
  b.mm().discard_page(place);
  return v.result();
}

/// Promise 30: to system memory.
template <class Bench>
[[nodiscard]] broken_promises named_pages_move_with_their_bytes(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(3);
  for (std::size_t i = 0; i < 3; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  static_cast<void>(mm::migrate(b, span, behind));
  auto slots = mm::slots_for<Bench>(mm::look(b, span));
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    if (!mm::fill_with_system_pages(b, slots)) return v.result();
    b.mm().install(session);
    b.mm().finalize(session);
  }
  for (std::size_t i = 0; i < 3; ++i)
    if (slots[i].state == svm::slot_state::moved && b.is_live(slots[i].destination))
      v.expect(30, b.peek(slots[i].destination) == i + 7);
  b.unmap(span);
  return v.result();
}

/// Promises 11 and 27: single pages that get one block, and a block that gets single pages.
template <class Bench>
[[nodiscard]] broken_promises collect_makes_blocks_alike(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  svm::va_range const room = b.map(m.pages * 2);
  svm::cpu_va const aligned = (room.start() + (m.span.size() - svm::byte_count{1})).align_down(m.span.size());
  svm::va_range const pages{aligned, m.span.size()};
  for (std::size_t i = 0; i < m.pages; ++i) static_cast<void>(b.store(mm::page_at<Bench>(pages, i), i + 100));
  auto const check = [&](svm::va_range span, svm::page_order order) {
    mm::counting_owner<typename Bench::page> behind{b.owner()};
    mm::slots_of<Bench> slots;
    {
      svm::shared_guard const guard{b.mm().map_lock()};
      mm::session_of<Bench> session{};
      auto const places = mm::places_ahead(b, m.pages, order);
      if (mm::collect_to_locked(b, session, span, slots, places, order, behind) != svm::errc::ok) return;
      for (auto const& slot : slots)
        if (!slot.is_collected()) return;  // promise 1 is not kept
      std::size_t end = 0;
      for (std::size_t i = 0; i < slots.size(); ++i) {
        bool const begins = i >= end;
        if (begins) end = i + slots[i].order.pages().value;
        v.expect(27, begins == (slots[i].destination != typename Bench::page{}) && begins != slots[i].follows);
        v.expect(27, !begins || slots[i].destination_order == slots[i].order);
      }
      b.mm().install(session);
      b.mm().finalize(session);
    }
    auto const seen = mm::look(b, span);
    for (std::size_t i = 0; i < m.pages; ++i)
      if (seen[i].place == svm::page_place::device) v.expect(27, mm::holds(b, seen[i].page, i + 100));
    bool const was_split = slots[0].destination_order != order;
    if (was_split && seen[0].place == svm::page_place::device) v.expect(11, !behind.splits.empty());
    b.unmap(span == pages ? room : span);
  };
  check(m.span, {});
  check(pages, m.order);
  return v.result();
}

/// All of them.
template <class Make>
[[nodiscard]] broken_promises check_places(Make&& make) {
  broken_promises all;
  all.add(collect_takes_what_has_a_place(*make()));
  all.add(collect_moves_the_bytes(*make()));
  all.add(collect_takes_device_pages_anyway(*make()));
  all.add(bytes_come_back(*make()));
  all.add(a_collect_that_fails_takes_nothing_over(*make()));
  all.add(named_pages_move_with_their_bytes(*make()));
  if constexpr (requires(mm::bench_of<Make> & b) { b.device_block(svm::page_order{}); })
    all.add(collect_makes_blocks_alike(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::page_migration

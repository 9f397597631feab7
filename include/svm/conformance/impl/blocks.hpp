// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of page_migration.hpp that are about blocks of several pages, for benches that can make them.

#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::page_migration {

/// Every block lies inside the slots, and its slots are of one kind; nothing follows what did not begin.
template <class Slots>
[[nodiscard]] bool are_whole_blocks(Slots const& slots) {
  for (std::size_t i = 0; i < slots.size();) {
    std::uint64_t const count = slots[i].order.pages().value;
    if (slots[i].follows || count > slots.size() - i) return false;
    for (std::size_t k = i + 1; k < i + count; ++k)
      if (!slots[k].follows || slots[k].state != slots[i].state) return false;
    i += count;
  }
  return true;
}

/// Gives a block of slots one destination; each page of it gets the first word of its source.
template <class Bench>
void fill_block(Bench& b, mm::slots_of<Bench>& slots, typename Bench::page first, svm::page_order order) {
  slots[0].destination = first;
  slots[0].destination_order = order;
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (slots[i].state == svm::slot_state::hole)
      b.poke(b.nth(first, i), 0);
    else
      mm::copy_word(b, slots[i], b.nth(first, i));
}

/// Collects a mapping; where the model needs places ahead, into one block of device memory.
///
/// \pre the map lock is held shared, until the session is finalized. Of `collect_block_locked` clang cannot follow it.
template <class Bench>
[[nodiscard]] svm::errc collect_block_locked(Bench& b, mm::session_of<Bench>& session,
                                             mm::large_mapping<Bench> const& m, mm::slots_of<Bench>& slots,
                                             svm::device_page_owner<typename Bench::page>& owner) {
  return mm::collect_to_locked(b, session, m.span, slots, mm::places_ahead(b, m.pages, m.order), m.order, owner);
}
/// Gives a mapping that was collected one block of device memory, unless it has one; returns that.
template <class Bench>
[[nodiscard]] typename Bench::page give_block(Bench& b, mm::large_mapping<Bench> const& m, mm::slots_of<Bench>& slots,
                                              svm::device_page_owner<typename Bench::page>& owner) {
  auto fresh = slots[0].destination;
  if constexpr (!mm::collects_into_places<Bench>) {
    fresh = b.device_block(m.order);
    b.mm().adopt_device_page(fresh, m.order, owner, false);
  }
  fill_block(b, slots, fresh, m.order);
  return fresh;
}

/// Moves a mapping to one block of device memory; false, with nothing moved, when it does not come as one block
/// (promise 5) or the destination is none (promise 18).
template <class Bench>
[[nodiscard]] bool migrate_block(Bench& b, mm::large_mapping<Bench> const& m,
                                 svm::device_page_owner<typename Bench::page>& owner) {
  mm::slots_of<Bench> slots;
  svm::shared_guard const guard{b.mm().map_lock()};
  mm::session_of<Bench> session{};
  if (collect_block_locked(b, session, m, slots, owner) != svm::errc::ok || slots[0].order != m.order) return false;
  auto const fresh = give_block(b, m, slots, owner);
  if (!b.is_live(b.nth(fresh, m.pages - 1))) return false;
  b.mm().install(session);
  b.mm().finalize(session);
  return true;
}

/// True when a walk finds device pages `first`, `first + 1`, ... with what `store` wrote.
template <class Bench>
[[nodiscard]] bool is_on_device(Bench& b, mm::large_mapping<Bench> const& m, typename Bench::page first) {
  auto const seen = mm::look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i)
    if (seen[i].place != svm::page_place::device || seen[i].page != b.nth(first, i) ||
        !mm::holds(b, seen[i].page, i + 100))
      return false;
  return true;
}

/// Promises 1 and 5: a block comes whole where it fits, and otherwise in blocks that do.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_whole_blocks(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  auto const check = [&](svm::va_range span, bool is_present, svm::page_order order) {
    auto const seen = is_present ? mm::look(b, span) : mm::records_of<Bench>{};
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    auto const places = mm::places_ahead(b, mm::pages_in<Bench>(span), order);
    v.expect(1, mm::collect_to_locked(b, session, span, slots, places, order, behind) == svm::errc::ok);
    v.expect(5, are_whole_blocks(slots));
    for (auto const& slot : slots)
      v.expect(1, is_present ? mm::is_taken<Bench>(slot) : slot.state == svm::slot_state::hole);
    for (std::size_t i = 0; i < seen.size(); ++i) v.expect(1, slots[i].source == seen[i].page);
    if (is_present)
      for (auto const& entry : mm::look_locked(b, span)) v.expect(1, entry.place == svm::page_place::absent);
    b.mm().finalize(session);
    return slots[0].order;
  };
  mm::large_mapping<Bench> const whole{b};
  whole.store(b);
  v.expect(5, check(whole.span, true, whole.order) == whole.order);
  mm::large_mapping<Bench> const split{b};
  split.store(b);
  svm::cpu_va const middle = mm::page_at<Bench>(split.span, split.pages / 2);
  static_cast<void>(check({middle, split.span.size() - (middle - split.span.start())}, true, {}));
  mm::large_mapping<Bench> const untouched{b};
  static_cast<void>(check(untouched.span, false, untouched.order));
  return v.result();
}

/// Promises 5 and 6: a block whose pages are all named comes whole, and one page of it alone.
template <class Bench>
[[nodiscard]] broken_promises named_blocks_are_taken_whole(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  if (!moves_pages(b) || !migrate_block(b, m, behind)) return v.result();
  auto const there = mm::look(b, m.span);
  if (!is_on_device(b, m, there[0].page)) return v.result();  // reported by others
  {
    auto slots = mm::slots_for<Bench>(there);
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    if (v.expect(6, mm::is_taken<Bench>(slots[0]))) v.expect(5, slots[0].order == m.order && are_whole_blocks(slots));
    b.mm().finalize(session);
  }
  if (mm::look(b, m.span)[0].place != svm::page_place::device) return v.result();  // reported by others
  {
    mm::slots_of<Bench> slots(1);
    slots[0].source = there[1].page;
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    if (v.expect(6, mm::is_taken<Bench>(slots[0]))) v.expect(5, are_whole_blocks(slots));
    b.mm().finalize(session);
  }
  b.unmap(m.span);
  return v.result();
}

/// Promises 9 and 14: a block that gets a block moves whole, to the device and back.
template <class Bench>
[[nodiscard]] broken_promises blocks_move_whole(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  auto const before = mm::look(b, m.span);
  if (!moves_pages_back(b) || !migrate_block(b, m, behind)) return v.result();
  auto const there = mm::look(b, m.span);
  if (!v.expect(9, is_on_device(b, m, there[0].page))) return v.result();
  for (auto const& entry : before) v.expect(14, !b.is_live(entry.page));

  auto slots = mm::slots_for<Bench>(there);
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    auto const block = b.mm().allocate_page(m.order);
    if (slots[0].order != m.order || !block) return v.result();
    if (!b.is_live(b.nth(*block, m.pages - 1))) return v.result();  // promise 17 is not kept
    fill_block(b, slots, *block, m.order);
    b.mm().install(session);
    b.mm().finalize(session);
  }
  for (std::size_t i = 0; i < m.pages; ++i) v.expect(9, b.load(mm::page_at<Bench>(m.span, i)) == i + 100);
  for (auto const& entry : there) v.expect(14, !b.is_live(entry.page));
  v.expect(9, behind.splits.empty());
  b.unmap(m.span);
  return v.result();
}

/// Promises 9 to 12 and 14: a block that gets smaller destinations is split, and every page with one moves.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_split_for_small_destinations(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  if (!moves_pages_back(b) || !migrate_block(b, m, behind)) return v.result();
  auto const there = mm::look(b, m.span);
  if (!is_on_device(b, m, there[0].page) || there[0].owner_object != &behind) return v.result();
  auto slots = mm::slots_for<Bench>(there);
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    if (slots[0].order != m.order || !are_whole_blocks(slots)) return v.result();
    for (std::size_t i = 1; i < m.pages; ++i) {  // not the first
      auto const one = b.mm().allocate_page(svm::page_order{});
      if (!one) return v.result();
      slots[i].destination = *one;
      mm::copy_word(b, slots[i], *one);
    }
    b.mm().install(session);
    b.mm().finalize(session);
  }
  auto const after = mm::look(b, m.span);
  for (std::size_t i = 1; i < m.pages; ++i) {
    if (!v.expect(9, after[i].place == svm::page_place::system && b.load(mm::page_at<Bench>(m.span, i)) == i + 100))
      return v.result();
    v.expect(14, !b.is_live(there[i].page));
  }
  if (v.expect(12, after[0].place == svm::page_place::device && after[0].page == there[0].page))
    v.expect(10, mm::holds(b, there[0].page, 100));
  v.expect(11, !behind.splits.empty() && behind.splits[0].first == there[0].page && behind.splits[0].from == m.order);
  b.unmap(m.span);
  return v.result();
}

/// Promises 9, 10 and 12: one page of a block, as when memory is short for the others.
template <class Bench>
[[nodiscard]] broken_promises one_page_leaves_its_block(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  if (!moves_pages_back(b) || !migrate_block(b, m, behind)) return v.result();
  auto const there = mm::look(b, m.span);
  if (!is_on_device(b, m, there[0].page)) return v.result();
  mm::slots_of<Bench> slots(1);
  slots[0].source = there[1].page;
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    auto const one = b.mm().allocate_page(svm::page_order{});
    if (!slots[0].is_collected() || slots[0].order != svm::page_order{} || !one) return v.result();
    slots[0].destination = *one;
    v.expect(10, b.peek(slots[0].source) == 101);
    mm::copy_word(b, slots[0], *one);
    b.mm().install(session);
    b.mm().finalize(session);
  }
  v.expect(9, b.load(mm::page_at<Bench>(m.span, 1)) == b.peek(slots[0].destination));
  auto const after = mm::look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i)
    if (i != 1 && v.expect(12, after[i].page == there[i].page)) v.expect(10, mm::holds(b, there[i].page, i + 100));
  b.unmap(m.span);
  return v.result();
}

/// Promise 9: a large hole, filled by one block and by single pages.
template <class Bench>
[[nodiscard]] broken_promises large_holes_are_filled(Bench& b) {
  verdict v{promises};
  for (bool const by_one : {true, false}) {
    mm::counting_owner<typename Bench::page> behind{b.owner()};
    mm::large_mapping<Bench> const m{b};
    mm::slots_of<Bench> slots;
    {
      svm::shared_guard const guard{b.mm().map_lock()};
      mm::session_of<Bench> session{};
      svm::errc const e = by_one ? collect_block_locked(b, session, m, slots, behind)
                                 : mm::collect_locked(b, session, m.span, slots, behind);
      if (e != svm::errc::ok || !are_whole_blocks(slots)) return v.result();
      if (slots[0].state != svm::slot_state::hole) return v.result();  // promise 1 is not kept
      if (!by_one) {
        mm::fill(b, slots, behind);
      } else if (slots[0].order == m.order) {
        auto const fresh = give_block(b, m, slots, behind);
        if (!b.is_live(b.nth(fresh, m.pages - 1))) return v.result();  // promise 18 is not kept
      }
      b.mm().install(session);
      b.mm().finalize(session);
    }
    if (by_one && slots[0].order != m.order) continue;
    auto const seen = mm::look(b, m.span);
    for (std::size_t i = 0; i < m.pages; ++i) {
      auto const expected = by_one ? b.nth(slots[0].destination, i) : slots[i].destination;
      v.expect(9, seen[i].place == svm::page_place::device && seen[i].page == expected);
    }
    b.unmap(m.span);
  }
  return v.result();
}

/// Promises 12, 14 and 15: a block that moves nowhere is where it was, and its destination is gone.
template <class Bench>
[[nodiscard]] broken_promises blocks_that_fail_restore(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  auto const before = mm::look(b, m.span);
  typename Bench::page fresh{};
  bool have_moved = mm::collects_into_places<Bench>;
  auto const end_early = [&](bool by_hand) {
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (collect_block_locked(b, session, m, slots, behind) != svm::errc::ok || slots[0].order != m.order) return false;
    fresh = give_block(b, m, slots, behind);
    for (std::size_t i = 0; i < m.pages; ++i) have_moved = have_moved && mm::holds(b, b.nth(fresh, i), i + 100);
    if (by_hand) b.mm().finalize(session);
    return true;
  };
  auto const is_restored = [&] {
    auto const after = mm::look(b, m.span);
    for (std::size_t i = 0; i < m.pages; ++i) {
      if (after[i].page != before[i].page) return false;
      bool const holds = b.load(mm::page_at<Bench>(m.span, i)) == i + 100;
      if (have_moved) v.expect(28, holds);
      if (!mm::collects_into_places<Bench> && !holds) return false;
    }
    return true;
  };
  auto const is_put = [&] {
    for (std::size_t i = 0; i < m.pages; ++i)
      if (b.is_live(b.nth(fresh, i))) return false;
    return true;
  };
  if (!end_early(true)) return v.result();  // promise 5 is not kept
  if (!v.expect(12, is_restored()) || !v.expect(14, is_put())) return v.result();
  if (!end_early(false)) return v.result();  // promise 13 is not kept
  if (!v.expect(15, is_restored() && is_put())) return v.result();
  b.unmap(m.span);
  for (auto const& one : before) v.expect(14, !b.is_live(one.page));
  return v.result();
}

/// Promises 17 to 19 and 21.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_made_and_let_go(Bench& b) {
  verdict v{promises};
  mm::large_mapping<Bench> const m{b};
  auto const last = m.pages - 1;
  if (auto const block = b.mm().allocate_page(m.order)) {
    if (!v.expect(17, b.is_live(*block) && b.is_live(b.nth(*block, last)))) return v.result();
    b.mm().discard_page(*block);
    v.expect(21, !b.is_live(*block) && !b.is_live(b.nth(*block, last)));
  }
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  auto const device = b.device_block(m.order);
  b.mm().adopt_device_page(device, m.order, behind, false);
  if (!v.expect(18, b.is_live(device) && b.is_live(b.nth(device, last)))) return v.result();
  b.mm().discard_page(device);
  if (v.expect(21, !b.is_live(b.nth(device, last)))) v.expect(19, behind.freed == m.pages);

  mm::counting_owner<typename Bench::page> mapped{b.owner()};
  m.store(b);
  if (!migrate_block(b, m, mapped)) return v.result();
  auto const there = mm::look(b, m.span)[0];
  if (there.place != svm::page_place::device) return v.result();  // reported by others
  b.unmap(m.span);
  if (!b.is_live(there.page)) v.expect(19, mapped.freed == m.pages);
  return v.result();
}

/// Promise 32.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_cleared(Bench& b) {
  verdict v{promises};
  mm::large_mapping<Bench> const m{b};
  auto const block = b.mm().allocate_page(m.order);
  if (!block || !b.is_live(b.nth(*block, m.pages - 1))) return v.result();  // reported by others
  for (std::size_t i = 0; i < m.pages; ++i) b.poke(b.nth(*block, i), i + 1);
  b.mm().clear_page(*block, m.order);
  for (std::size_t i = 0; i < m.pages; ++i) v.expect(32, mm::holds(b, b.nth(*block, i), 0));
  b.mm().discard_page(*block);
  return v.result();
}

/// All of them.
template <class Make>
[[nodiscard]] broken_promises check_blocks(Make&& make) {
  broken_promises all;
  all.add(collect_takes_whole_blocks(*make()));
  all.add(named_blocks_are_taken_whole(*make()));
  all.add(blocks_move_whole(*make()));
  all.add(blocks_are_split_for_small_destinations(*make()));
  all.add(one_page_leaves_its_block(*make()));
  all.add(large_holes_are_filled(*make()));
  all.add(blocks_that_fail_restore(*make()));
  all.add(blocks_are_made_and_let_go(*make()));
  if constexpr (svm::clearing_mm<mm::mm_of<mm::bench_of<Make>>>) all.add(blocks_are_cleared(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::page_migration

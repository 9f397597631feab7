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
    b.poke(b.nth(first, i), slots[i].state == svm::slot_state::collected ? b.peek(slots[i].source) : 0);
}

/// Moves a mapping to one block of device memory; false, with nothing moved, when it does not come as one block
/// (promise 6) or the destination is none (promise 8).
template <class Bench>
[[nodiscard]] bool migrate_block(Bench& b, mm::large_mapping<Bench> const& m,
                                 svm::device_page_owner<typename Bench::page>& owner) {
  mm::slots_of<Bench> slots;
  svm::shared_guard const guard{b.mm().map_lock()};
  mm::session_of<Bench> session{};
  if (mm::collect_locked(b, session, m.span, slots) != svm::errc::ok || slots[0].order != m.order) return false;
  auto const fresh = b.device_block(m.order);
  b.mm().adopt_device_page(fresh, m.order, owner, false);
  fill_block(b, slots, fresh, m.order);
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

/// Promise 6: a block comes whole where it fits, and otherwise in blocks that do.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_whole_blocks(Bench& b) {
  verdict v{promises};
  auto const check = [&](svm::va_range span, svm::slot_state expected) {
    auto const seen = mm::look(b, span);
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    v.expect(6, mm::collect_locked(b, session, span, slots) == svm::errc::ok);
    v.expect(6, are_whole_blocks(slots));
    for (std::size_t i = 0; i < slots.size(); ++i) {
      v.expect(6, slots[i].state == expected);
      if (expected == svm::slot_state::collected) v.expect(6, slots[i].source == seen[i].page);
    }
    for (auto const& entry : mm::look_locked(b, span)) v.expect(6, entry.place == svm::page_place::absent);
    b.mm().finalize(session);
    return slots[0].order;
  };
  mm::large_mapping<Bench> const whole{b};
  whole.store(b);
  v.expect(6, check(whole.span, svm::slot_state::collected) == whole.order);
  mm::large_mapping<Bench> const split{b};
  split.store(b);
  svm::cpu_va const middle = mm::page_at<Bench>(split.span, split.pages / 2);
  static_cast<void>(check({middle, split.span.size() - (middle - split.span.start())}, svm::slot_state::collected));
  mm::large_mapping<Bench> const untouched{b};
  static_cast<void>(check(untouched.span, svm::slot_state::hole));
  return v.result();
}

/// Promise 6: a block whose pages are all named comes whole, and one page of it alone.
template <class Bench>
[[nodiscard]] broken_promises named_blocks_are_taken_whole(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  if (!moves_pages(b) || !migrate_block(b, m, behind)) return v.result();
  auto const there = mm::look(b, m.span);
  if (!is_on_device(b, m, there[0].page)) return v.result();  // promise 7 is not kept
  {
    auto slots = mm::slots_for<Bench>(there);
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    v.expect(6, slots[0].state == svm::slot_state::collected && slots[0].order == m.order && are_whole_blocks(slots));
    b.mm().finalize(session);
  }
  if (mm::look(b, m.span)[0].place != svm::page_place::device) return v.result();  // promise 7 is not kept
  {
    mm::slots_of<Bench> slots(1);
    slots[0].source = there[1].page;
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    v.expect(6, slots[0].state == svm::slot_state::collected && are_whole_blocks(slots));
    b.mm().finalize(session);
  }
  b.unmap(m.span);
  return v.result();
}

/// Promise 7: a block that gets a block moves whole, to the device and back.
template <class Bench>
[[nodiscard]] broken_promises blocks_move_whole(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  auto const before = mm::look(b, m.span);
  if (!moves_pages_back(b) || !migrate_block(b, m, behind)) return v.result();
  auto const there = mm::look(b, m.span);
  v.expect(7, is_on_device(b, m, there[0].page));
  for (auto const& entry : before) v.expect(7, !b.is_live(entry.page));

  auto slots = mm::slots_for<Bench>(there);
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    auto const block = b.mm().allocate_page(m.order);
    if (slots[0].order != m.order || !block) return v.result();
    if (!b.is_live(b.nth(*block, m.pages - 1))) return v.result();  // promise 8 is not kept
    fill_block(b, slots, *block, m.order);
    b.mm().install(session);
    b.mm().finalize(session);
  }
  for (std::size_t i = 0; i < m.pages; ++i) v.expect(7, b.load(mm::page_at<Bench>(m.span, i)) == i + 100);
  for (auto const& entry : there) v.expect(7, !b.is_live(entry.page));
  v.expect(7, behind.splits.empty());
  b.unmap(m.span);
  return v.result();
}

/// Promise 7: a block that gets smaller destinations is split, and every page with one moves.
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
      b.poke(*one, b.peek(slots[i].source));
    }
    b.mm().install(session);
    b.mm().finalize(session);
  }
  auto const after = mm::look(b, m.span);
  v.expect(7, after[0].place == svm::page_place::device && after[0].page == there[0].page &&
                  mm::holds(b, there[0].page, 100));
  for (std::size_t i = 1; i < m.pages; ++i) {
    v.expect(7, after[i].place == svm::page_place::system && b.load(mm::page_at<Bench>(m.span, i)) == i + 100);
    v.expect(7, !b.is_live(there[i].page));
  }
  v.expect(7, !behind.splits.empty() && behind.splits[0].first == there[0].page && behind.splits[0].from == m.order);
  b.unmap(m.span);
  return v.result();
}

/// Promise 7: one page of a block, as when memory is short for the others.
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
    b.poke(*one, b.peek(slots[0].source));
    b.mm().install(session);
    b.mm().finalize(session);
  }
  v.expect(7, b.load(mm::page_at<Bench>(m.span, 1)) == 101);
  auto const after = mm::look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i)
    if (i != 1) v.expect(7, after[i].page == there[i].page && mm::holds(b, there[i].page, i + 100));
  b.unmap(m.span);
  return v.result();
}

/// Promise 7: a large hole, filled by one block and by single pages.
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
      if (mm::collect_locked(b, session, m.span, slots) != svm::errc::ok || !are_whole_blocks(slots)) return v.result();
      if (!by_one) {
        mm::fill(b, slots, behind);
      } else if (slots[0].order == m.order) {
        auto const fresh = b.device_block(m.order);
        b.mm().adopt_device_page(fresh, m.order, behind, false);
        fill_block(b, slots, fresh, m.order);
        if (!b.is_live(b.nth(fresh, m.pages - 1))) return v.result();  // promise 8 is not kept
      }
      b.mm().install(session);
      b.mm().finalize(session);
    }
    if (by_one && slots[0].order != m.order) continue;
    auto const seen = mm::look(b, m.span);
    for (std::size_t i = 0; i < m.pages; ++i) {
      auto const expected = by_one ? b.nth(slots[0].destination, i) : slots[i].destination;
      v.expect(7, seen[i].place == svm::page_place::device && seen[i].page == expected);
    }
    b.unmap(m.span);
  }
  return v.result();
}

/// Promise 7: a block that moves nowhere is where it was, and its destination is gone.
template <class Bench>
[[nodiscard]] broken_promises blocks_that_fail_restore(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::large_mapping<Bench> const m{b};
  m.store(b);
  auto const before = mm::look(b, m.span);
  auto const fresh = b.device_block(m.order);
  {
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (mm::collect_locked(b, session, m.span, slots) != svm::errc::ok || slots[0].order != m.order) return v.result();
    b.mm().adopt_device_page(fresh, m.order, behind, false);
    fill_block(b, slots, fresh, m.order);
  }
  auto const after = mm::look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i) {
    v.expect(7, after[i].page == before[i].page && b.load(mm::page_at<Bench>(m.span, i)) == i + 100);
    v.expect(7, !b.is_live(b.nth(fresh, i)));
  }
  b.unmap(m.span);
  for (auto const& entry : before) v.expect(7, !b.is_live(entry.page));
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_made_and_let_go(Bench& b) {
  verdict v{promises};
  mm::large_mapping<Bench> const m{b};
  auto const last = m.pages - 1;
  if (auto const block = b.mm().allocate_page(m.order)) {
    v.expect(8, b.is_live(*block) && b.is_live(b.nth(*block, last)));
    b.mm().discard_page(*block);
    v.expect(8, !b.is_live(*block) && !b.is_live(b.nth(*block, last)));
  }
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  auto const device = b.device_block(m.order);
  b.mm().adopt_device_page(device, m.order, behind, false);
  v.expect(8, b.is_live(device) && b.is_live(b.nth(device, last)) && behind.freed == 0);
  b.mm().discard_page(device);
  v.expect(8, behind.freed == m.pages && !b.is_live(b.nth(device, last)));

  mm::counting_owner<typename Bench::page> mapped{b.owner()};
  m.store(b);
  if (!migrate_block(b, m, mapped)) return v.result();
  auto const there = mm::look(b, m.span)[0];
  if (there.place != svm::page_place::device) return v.result();  // promise 7 is not kept
  b.unmap(m.span);
  if (!b.is_live(there.page)) v.expect(8, mapped.freed == m.pages);
  return v.result();
}

/// Promises 6 to 8, for benches that can make blocks.
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
  return all;
}

}  // namespace svm::inline v0::conformance::page_migration

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of mm.hpp that are about blocks of several pages, for benches that can make them.

#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::mm {

/// A mapping that is one block, and its order.
template <class Bench>
struct large_mapping {
  svm::va_range span;
  std::size_t pages;
  svm::page_order order;

  explicit large_mapping(Bench& b)
      : span(b.map_large()),
        pages(svm::pages_in(span.size(), Bench::mm_type::page_size).value),
        order{static_cast<std::uint8_t>(__builtin_ctzll(pages))} {}
  /// The first word of page `i` becomes `i + 100`.
  void store(Bench& b) const {
    for (std::size_t i = 0; i < pages; ++i) static_cast<void>(b.store(page_at<Bench>(span, i), i + 100));
  }
};

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
void fill_block(Bench& b, slots_of<Bench>& slots, typename Bench::page first, svm::page_order order) {
  slots[0].destination = first;
  slots[0].destination_order = order;
  for (std::size_t i = 0; i < slots.size(); ++i)
    b.poke(b.nth(first, i), slots[i].state == svm::slot_state::collected ? b.peek(slots[i].source) : 0);
}

/// Moves a mapping to one block of device memory; false, with nothing moved, when it does not come as one block (promise
/// 6) or the destination is none (promise 8).
template <class Bench>
[[nodiscard]] bool migrate_block(Bench& b, large_mapping<Bench> const& m,
                                 svm::device_page_owner<typename Bench::page>& owner) {
  slots_of<Bench> slots;
  svm::shared_guard const guard{b.mm().map_lock()};
  typename Bench::mm_type::migration session{};
  if (collect_locked(b, session, m.span, slots) != svm::errc::ok || slots[0].order != m.order) return false;
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
[[nodiscard]] bool is_on_device(Bench& b, large_mapping<Bench> const& m, typename Bench::page first) {
  auto const seen = look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i)
    if (seen[i].place != svm::page_place::device || seen[i].page != b.nth(first, i) || !holds(b, seen[i].page, i + 100))
      return false;
  return true;
}

/// Promise 3: a walk of a part of a block sees that part, and each page in its place.
template <class Bench>
[[nodiscard]] broken_promises walks_report_blocks(Bench& b) {
  verdict v;
  large_mapping<Bench> const m{b};
  m.store(b);
  watcher<Bench> w{b, m.span};
  auto const check = [&](entries_of<Bench> const& seen) {
    for (std::size_t i = 0; i < seen.size(); ++i)
      v.expect(3, seen[i].place == svm::page_place::system && seen[i].page == b.nth(seen[0].page, i));
  };
  entries_of<Bench> found;
  v.expect(3, walk(b, w, m.span, svm::access_kind::write, b.owner(), found) == svm::errc::ok);
  check(found);
  check(look(b, m.span));
  svm::va_range const part{page_at<Bench>(m.span, 1), Bench::mm_type::page_size * (m.pages - 2)};
  v.expect(3, walk(b, w, part, svm::access_kind::read, b.owner(), found) == svm::errc::ok);
  check(found);
  check(look(b, part));
  return v.result();
}

/// Promise 6: a block comes whole where it fits, and otherwise in blocks that do.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_whole_blocks(Bench& b) {
  verdict v;
  auto const check = [&](svm::va_range span, svm::slot_state expected) {
    auto const seen = look(b, span);
    slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    typename Bench::mm_type::migration session{};
    v.expect(6, collect_locked(b, session, span, slots) == svm::errc::ok);
    v.expect(6, are_whole_blocks(slots));
    for (std::size_t i = 0; i < slots.size(); ++i) {
      v.expect(6, slots[i].state == expected);
      if (expected == svm::slot_state::collected) v.expect(6, slots[i].source == seen[i].page);
    }
    for (auto const& entry : look_locked(b, span)) v.expect(6, entry.place == svm::page_place::absent);
    b.mm().finalize(session);
    return slots[0].order;
  };
  large_mapping<Bench> const whole{b};
  whole.store(b);
  v.expect(6, check(whole.span, svm::slot_state::collected) == whole.order);
  large_mapping<Bench> const split{b};
  split.store(b);
  svm::cpu_va const middle = page_at<Bench>(split.span, split.pages / 2);
  static_cast<void>(check({middle, split.span.size() - (middle - split.span.start())}, svm::slot_state::collected));
  large_mapping<Bench> const untouched{b};
  static_cast<void>(check(untouched.span, svm::slot_state::hole));
  return v.result();
}

/// Promise 7: a block that gets a block moves whole, to the device and back.
template <class Bench>
[[nodiscard]] broken_promises blocks_move_whole(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  large_mapping<Bench> const m{b};
  m.store(b);
  auto const before = look(b, m.span);
  if (!migrate_block(b, m, behind)) return v.result();
  auto const there = look(b, m.span);
  v.expect(7, is_on_device(b, m, there[0].page));
  for (auto const& entry : before) v.expect(7, !b.is_live(entry.page));

  slots_of<Bench> slots(m.pages);
  for (std::size_t i = 0; i < m.pages; ++i) slots[i].source = there[i].page;
  {
    typename Bench::mm_type::migration session{};
    b.mm().collect_pages(session, std::span{slots}, nullptr, typename Bench::page{});
    v.expect(6, slots[0].order == m.order && are_whole_blocks(slots));
    auto const block = b.mm().allocate_page(m.order);
    if (slots[0].order != m.order || !block) return v.result();
    if (!b.is_live(b.nth(*block, m.pages - 1))) return v.result();  // promise 8 is not kept
    fill_block(b, slots, *block, m.order);
    b.mm().install(session);
    b.mm().finalize(session);
  }
  for (std::size_t i = 0; i < m.pages; ++i) v.expect(7, b.load(page_at<Bench>(m.span, i)) == i + 100);
  for (auto const& entry : there) v.expect(7, !b.is_live(entry.page));
  v.expect(7, behind.splits.empty());
  b.unmap(m.span);
  return v.result();
}

/// Promise 7: a block that gets smaller destinations is split, and every page with one moves.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_split_for_small_destinations(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  large_mapping<Bench> const m{b};
  m.store(b);
  if (!migrate_block(b, m, behind)) return v.result();
  auto const there = look(b, m.span);
  if (!is_on_device(b, m, there[0].page) || there[0].owner_object != &behind) return v.result();
  slots_of<Bench> slots(m.pages);
  for (std::size_t i = 0; i < m.pages; ++i) slots[i].source = there[i].page;
  {
    typename Bench::mm_type::migration session{};
    b.mm().collect_pages(session, std::span{slots}, nullptr, typename Bench::page{});
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
  auto const after = look(b, m.span);
  v.expect(7,
           after[0].place == svm::page_place::device && after[0].page == there[0].page && holds(b, there[0].page, 100));
  for (std::size_t i = 1; i < m.pages; ++i) {
    v.expect(7, after[i].place == svm::page_place::system && b.load(page_at<Bench>(m.span, i)) == i + 100);
    v.expect(7, !b.is_live(there[i].page));
  }
  v.expect(7, !behind.splits.empty() && behind.splits[0].first == there[0].page && behind.splits[0].from == m.order);
  b.unmap(m.span);
  return v.result();
}

/// Promises 6 and 7: one page of a block, as when memory is short for the others.
template <class Bench>
[[nodiscard]] broken_promises one_page_leaves_its_block(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  large_mapping<Bench> const m{b};
  m.store(b);
  if (!migrate_block(b, m, behind)) return v.result();
  auto const there = look(b, m.span);
  if (!is_on_device(b, m, there[0].page)) return v.result();
  slots_of<Bench> slots(1);
  slots[0].source = there[1].page;
  {
    typename Bench::mm_type::migration session{};
    b.mm().collect_pages(session, std::span{slots}, nullptr, typename Bench::page{});
    v.expect(6, are_whole_blocks(slots) && slots[0].state == svm::slot_state::collected);
    auto const one = b.mm().allocate_page(svm::page_order{});
    if (!slots[0].is_collected() || !one) return v.result();
    slots[0].destination = *one;
    b.poke(*one, b.peek(slots[0].source));
    b.mm().install(session);
    b.mm().finalize(session);
  }
  v.expect(7, b.load(page_at<Bench>(m.span, 1)) == 101);
  auto const after = look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i)
    if (i != 1) v.expect(7, after[i].page == there[i].page && holds(b, there[i].page, i + 100));
  b.unmap(m.span);
  return v.result();
}

/// Promise 7: a large hole, filled by one block and by single pages.
template <class Bench>
[[nodiscard]] broken_promises large_holes_are_filled(Bench& b) {
  verdict v;
  for (bool const by_one : {true, false}) {
    counting_owner<typename Bench::page> behind{b.owner()};
    large_mapping<Bench> const m{b};
    slots_of<Bench> slots;
    {
      svm::shared_guard const guard{b.mm().map_lock()};
      typename Bench::mm_type::migration session{};
      if (collect_locked(b, session, m.span, slots) != svm::errc::ok || !are_whole_blocks(slots)) return v.result();
      if (!by_one) {
        fill(b, slots, behind);
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
    auto const seen = look(b, m.span);
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
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  large_mapping<Bench> const m{b};
  m.store(b);
  auto const before = look(b, m.span);
  auto const fresh = b.device_block(m.order);
  {
    slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    typename Bench::mm_type::migration session{};
    if (collect_locked(b, session, m.span, slots) != svm::errc::ok || slots[0].order != m.order) return v.result();
    b.mm().adopt_device_page(fresh, m.order, behind, false);
    fill_block(b, slots, fresh, m.order);
  }
  auto const after = look(b, m.span);
  for (std::size_t i = 0; i < m.pages; ++i) {
    v.expect(7, after[i].page == before[i].page && b.load(page_at<Bench>(m.span, i)) == i + 100);
    v.expect(7, !b.is_live(b.nth(fresh, i)));
  }
  b.unmap(m.span);
  for (auto const& entry : before) v.expect(7, !b.is_live(entry.page));
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_made_and_let_go(Bench& b) {
  verdict v;
  large_mapping<Bench> const m{b};
  auto const last = m.pages - 1;
  if (auto const block = b.mm().allocate_page(m.order)) {
    v.expect(8, b.is_live(*block) && b.is_live(b.nth(*block, last)));
    b.mm().discard_page(*block);
    v.expect(8, !b.is_live(*block) && !b.is_live(b.nth(*block, last)));
  }
  counting_owner<typename Bench::page> behind{b.owner()};
  auto const device = b.device_block(m.order);
  b.mm().adopt_device_page(device, m.order, behind, false);
  v.expect(8, b.is_live(device) && b.is_live(b.nth(device, last)) && behind.freed == 0);
  b.mm().discard_page(device);
  v.expect(8, behind.freed == m.pages && !b.is_live(b.nth(device, last)));

  counting_owner<typename Bench::page> mapped{b.owner()};
  m.store(b);
  if (!migrate_block(b, m, mapped)) return v.result();
  if (look(b, m.span)[0].place != svm::page_place::device) return v.result();  // promise 7 is not kept
  b.unmap(m.span);
  v.expect(8, mapped.freed == m.pages);
  return v.result();
}

template <class MakeBench>
[[nodiscard]] broken_promises check_blocks(MakeBench&& make) {
  verdict v;
  v.add(walks_report_blocks(*make()));
  v.add(collect_takes_whole_blocks(*make()));
  v.add(blocks_move_whole(*make()));
  v.add(blocks_are_split_for_small_destinations(*make()));
  v.add(one_page_leaves_its_block(*make()));
  v.add(large_holes_are_filled(*make()));
  v.add(blocks_that_fail_restore(*make()));
  v.add(blocks_are_made_and_let_go(*make()));
  return v.result();
}

}  // namespace svm::inline v0::conformance::mm

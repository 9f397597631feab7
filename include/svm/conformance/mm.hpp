// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::mm` (see verdict.hpp). An mm changes only with what a process does, so the suite
// takes a bench, a new one for each check:
//
//     struct my_bench {
//       using mm_type = my_mm;
//       using page = my_mm::page;
//       my_mm& mm();
//       // The process. Mappings are anonymous and writable, lie apart from each other, and have nothing present.
//       svm::va_range map(std::size_t pages);
//       svm::va_range map_read_only(std::size_t pages);   // may be left out
//       void unmap(svm::va_range mapping);
//       bool store(svm::cpu_va, std::uint64_t);           // a word at the beginning of a page
//       std::optional<std::uint64_t> load(svm::cpu_va);
//       bool has_vma(svm::cpu_va);                        // also from inside an invalidation
//       void exit();                                      // drops the process's own user reference
//       // Pages, as the rest of the kernel sees them.
//       bool is_live(page);
//       std::uint64_t peek(page);                         // the first word
//       void poke(page, std::uint64_t);
//       void set_locked(page, bool);                      // by somebody else
//       void set_pinned(page, bool);
//       std::vector<page> device_pages(std::size_t);      // free pages of device memory
//       svm::page_owner owner();                          // of that memory
//       // All of these may be left out.
//       bool clear_without_waiting(svm::va_range);        // drops the pages; false: a target refused
//       void share(svm::va_range);                        // some other process maps the pages too from now on
//       void swap_out(svm::cpu_va);
//       page coherent_page();                             // a free page of device memory that the CPU reaches
//       // A mapping of a power of two of pages, at least four, of which the first store makes one block.
//       svm::va_range map_large();
//       page nth(page first, std::size_t);                // a page of a block
//       page device_block(svm::page_order);               // a free one
//     };
//     CHECK(svm::conformance::mm::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
//  1. checked, but for the locks.
//  2. checked: both lookups agree. That others cannot change anything meanwhile needs their threads.
//  3. checked, but for no_ram and busy, and for the copy that a write needs after a fork; blocks in mm_blocks.hpp.
//  4. checked, with an unmap and with a target that refuses; both passes.
//  5. checked, with one thread: that `read_begin` waits for an open event is not.
//  6. checked. That `collect_pages` does not take the map lock shows under a lock policy that checks ranks.
//  7. checked, both ways, and with nothing installed; whole blocks and split ones in mm_blocks.hpp.
//  8. checked, but that a new page is locked; blocks in mm_blocks.hpp.
//  9. checked.

#include <svm/conformance/mm_bench.hpp>
#include <svm/conformance/mm_blocks.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::mm {

/// Promise 1.
template <class Bench>
[[nodiscard]] broken_promises user_references_keep_the_process(Bench& b) {
  verdict v;
  svm::cpu_va const at = b.map(1).start();
  v.expect(1, b.store(at, 1));
  if (!v.expect(1, b.mm().get_user())) return v.result();
  b.exit();
  v.expect(1, b.has_vma(at));
  b.mm().put_user();
  v.expect(1, !b.has_vma(at));
  v.expect(1, !b.mm().get_user());
  return v.result();
}

/// Promise 2.
template <class Bench>
[[nodiscard]] broken_promises lookups_agree(Bench& b) {
  verdict v;
  svm::va_range const one = b.map(4);
  svm::va_range const two = b.map(2);
  svm::va_range const low = one.start() < two.start() ? one : two;
  svm::shared_guard const guard{b.mm().map_lock()};
  for (svm::va_range const mapping : {one, two})
    for (svm::cpu_va const a : {mapping.start(), mapping.last()}) {
      auto const found = b.mm().find_vma(a);
      v.expect(2, found && found->extent == mapping && found->readable && found->writable && found->migratable);
    }
  v.expect(2, b.mm().find_vma(low.start() - svm::byte_count{1}).error() == svm::errc::no_vma);
  v.expect(2, b.mm().find_vma(low.last() + svm::byte_count{1}).error() == svm::errc::no_vma);
  auto const first = b.mm().find_first_vma(one.hull(two));
  v.expect(2, first && first->extent == low);
  v.expect(2,
           b.mm().find_first_vma({low.last() + svm::byte_count{1}, svm::byte_count{1}}).error() == svm::errc::no_vma);
  return v.result();
}

/// Promise 3.
template <class Bench>
[[nodiscard]] broken_promises walks_make_present_and_snapshots_do_not(Bench& b) {
  verdict v;
  svm::va_range const span = b.map(3);
  watcher<Bench> w{b, span};
  v.expect(3, b.store(page_at<Bench>(span, 1), 7));
  for (int again = 0; again < 2; ++again) {
    auto const seen = look(b, span);
    v.expect(3, seen[0].place == svm::page_place::absent && seen[2].place == svm::page_place::absent);
    v.expect(3, seen[1].place == svm::page_place::system && holds(b, seen[1].page, 7));
  }
  entries_of<Bench> found;
  v.expect(3, walk(b, w, span, svm::access_kind::read, b.owner(), found) == svm::errc::ok);
  for (auto const& entry : found) v.expect(3, entry.place == svm::page_place::system && b.is_live(entry.page));
  v.expect(3, walk(b, w, span, svm::access_kind::write, b.owner(), found) == svm::errc::ok);
  for (auto const& entry : found) v.expect(3, entry.place == svm::page_place::system && entry.writable);
  v.expect(3, holds(b, found[1].page, 7));
  if constexpr (requires { b.map_read_only(std::size_t{1}); }) {
    svm::va_range const fixed = b.map_read_only(1);
    watcher<Bench> other{b, fixed};
    v.expect(3, walk(b, other, fixed, svm::access_kind::read, b.owner(), found) == svm::errc::ok);
    v.expect(3, walk(b, other, fixed, svm::access_kind::write, b.owner(), found) == svm::errc::read_only);
  }
  b.unmap(span);
  v.expect(3, walk(b, w, span, svm::access_kind::read, b.owner(), found) == svm::errc::no_vma);
  return v.result();
}

/// Promise 3: device pages of the walker stay where they are, others come back.
template <class Bench>
[[nodiscard]] broken_promises walks_leave_the_owners_pages(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  watcher<Bench> w{b, span};
  static_cast<void>(b.store(span.start(), 7));
  if (!migrate(b, span, behind)) return v.result();
  if (look(b, span)[0].owner_object != &behind) return v.result();  // promise 7 or 8 is not kept
  entries_of<Bench> found;
  v.expect(3, walk(b, w, span, svm::access_kind::read, b.owner(), found) == svm::errc::ok);
  v.expect(3, found[0].place == svm::page_place::device && found[0].owner == b.owner() && behind.faulted == 0);
  svm::page_owner const peer{b.owner().group, b.owner().member + 1};
  v.expect(3, walk(b, w, span, svm::access_kind::read, peer, found) == svm::errc::ok);
  v.expect(3, found[0].place == svm::page_place::device && found[0].owner == b.owner() && behind.faulted == 0);
  for (svm::page_owner const other : {svm::nobody, svm::page_owner{b.owner().group + 1, b.owner().member}}) {
    behind.faulted = 0;
    v.expect(3, walk(b, w, span, svm::access_kind::read, other, found) == svm::errc::busy);  // as `behind` said
    v.expect(3, behind.faulted != 0);
  }
  b.unmap(span);
  return v.result();
}

/// Promise 4.
template <class Bench>
[[nodiscard]] broken_promises events_come_in_time(Bench& b) {
  verdict v;
  svm::va_range const span = b.map(2);
  v.expect(4, b.store(span.start(), 7));
  auto const handle = look(b, span)[0].page;
  watcher<Bench> w{b, span};
  w.on_event = [&](svm::invalidation const&) {
    v.expect(4, holds(b, handle, 7));
    v.expect(4, !b.has_vma(span.start()));
  };
  b.unmap(span);
  v.expect(4, w.saw(svm::invalidation_cause::unmap, span));
  w.stop();
  std::size_t const before = w.events.size();
  w.on_event = nullptr;
  svm::va_range const next = b.map(2);
  v.expect(4, b.store(next.start(), 8));
  b.unmap(next);
  v.expect(4, w.events.size() == before);
  return v.result();
}

/// Promise 4: all are told before the first is waited for, and each once.
template <class Bench>
[[nodiscard]] broken_promises events_have_two_passes(Bench& b) {
  using enum svm::invalidation_answer;
  verdict v;
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  auto const handle = look(b, span)[0].page;
  watcher<Bench> one{b, span};
  watcher<Bench> two{b, span};
  watcher<Bench> three{b, span};
  one.answer = three.answer = pending;
  std::vector<watcher<Bench> const*> told;
  std::vector<watcher<Bench> const*> finished;
  for (watcher<Bench>* const w : {&one, &two, &three}) {
    w->on_event = [&, w](svm::invalidation const&) {
      v.expect(4, finished.empty());
      if (w->answer == pending) told.push_back(w);
    };
    w->on_finish = [&, w] {
      v.expect(4, holds(b, handle, 7));
      finished.push_back(w);
    };
  }
  b.unmap(span);
  v.expect(4, told.size() == 2 && finished == told && two.finished == 0);
  return v.result();
}

/// Promise 4: an event that may not block ends when a target refuses it, and those who were told finish.
template <class Bench>
[[nodiscard]] broken_promises refused_events_change_nothing(Bench& b) {
  using enum svm::invalidation_answer;
  verdict v;
  if constexpr (requires(svm::va_range span) { b.clear_without_waiting(span); }) {
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    watcher<Bench> one{b, span};
    watcher<Bench> two{b, span};
    auto const check_finished = [&] {
      for (auto const* w : {&one, &two}) v.expect(4, w->finished == w->left_pending);
    };
    for (auto const& [first, second] : {std::pair{pending, refused}, std::pair{refused, pending}}) {
      one.answer = first;
      two.answer = second;
      v.expect(4, !b.clear_without_waiting(span));
      check_finished();
      v.expect(4, b.load(span.start()) == 7);
    }
    one.answer = two.answer = pending;
    v.expect(4, b.clear_without_waiting(span));
    check_finished();
    v.expect(4, b.load(span.start()) == 0);
  }
  return v.result();
}

/// Promise 5.
template <class Bench>
[[nodiscard]] broken_promises sequences_tell_of_events(Bench& b) {
  verdict v;
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  watcher<Bench> w{b, span};
  std::uint64_t const before = b.mm().read_begin(w.registration);
  v.expect(5, !b.mm().read_retry(w.registration, before));
  b.unmap(span);
  v.expect(5, b.mm().read_retry(w.registration, before));
  std::uint64_t const after = b.mm().read_begin(w.registration);
  v.expect(5, after == w.last_sequence);
  v.expect(5, !b.mm().read_retry(w.registration, after));
  return v.result();
}

/// Promise 6.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_out_or_says_why(Bench& b) {
  using enum svm::slot_state;
  verdict v;
  svm::va_range const span = b.map(5);
  for (std::size_t const i : {0u, 2u, 3u, 4u}) static_cast<void>(b.store(page_at<Bench>(span, i), i));
  auto const seen = look(b, span);
  watcher<Bench> w{b, span};
  b.set_locked(seen[2].page, true);
  b.set_pinned(seen[3].page, true);
  slots_of<Bench> slots;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    typename Bench::mm_type::migration session{};
    v.expect(6, collect_locked(b, session, span, slots) == svm::errc::ok);
    std::array const expected{collected, hole, locked, pinned, collected};
    for (std::size_t i = 0; i < slots.size(); ++i) v.expect(6, slots[i].state == expected[i]);
    v.expect(6, slots[0].source == seen[0].page && slots[4].source == seen[4].page);
    v.expect(6, w.saw(svm::invalidation_cause::migrate, span));
    auto const during = look_locked(b, span);
    v.expect(6, during[0].place == svm::page_place::absent && during[4].place == svm::page_place::absent);
    b.mm().finalize(session);
  }
  b.set_locked(seen[2].page, false);
  b.set_pinned(seen[3].page, false);
  return v.result();
}

/// Promise 6: device pages, of those whom the caller reaches and of others.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_what_is_in_reach(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(2);
  for (std::size_t const i : {0u, 1u}) static_cast<void>(b.store(page_at<Bench>(span, i), i + 7));
  if (!migrate(b, span, behind)) return v.result();
  auto const seen = look(b, span);
  if (seen[0].owner_object != &behind) return v.result();  // promise 7 or 8 is not kept
  svm::page_owner const own = b.owner();
  for (svm::page_owner const reach : {svm::nobody, own, svm::page_owner{own.group, own.member + 1}}) {
    slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    typename Bench::mm_type::migration session{};
    v.expect(6, collect_locked(b, session, span, slots, reach) == svm::errc::ok);
    if (slots[0].state == svm::slot_state::locked) return v.result();  // promise 7 is not kept
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (reach == svm::nobody) {
        v.expect(6, slots[i].state == svm::slot_state::resident);
        continue;
      }
      v.expect(6, slots[i].state == svm::slot_state::collected && slots[i].source == seen[i].page);
      v.expect(6, slots[i].owner_object == &behind);
    }
    b.mm().finalize(session);
  }
  v.expect(6, behind.faulted == 0);
  b.unmap(span);
  return v.result();
}

/// Promise 6: pages that others map, and pages that are not in memory.
template <class Bench>
[[nodiscard]] broken_promises collect_refuses_what_is_not_its_own(Bench& b) {
  verdict v;
  auto const expect_refused = [&](svm::va_range span, svm::slot_state why) {
    slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    typename Bench::mm_type::migration session{};
    v.expect(6, collect_locked(b, session, span, slots) == svm::errc::ok);
    v.expect(6, slots[0].state == why);
    b.mm().finalize(session);
  };
  if constexpr (requires(svm::va_range span) { b.share(span); }) {
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    b.share(span);
    expect_refused(span, svm::slot_state::shared);
  }
  if constexpr (requires(svm::cpu_va a) { b.swap_out(a); }) {
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    b.swap_out(span.start());
    expect_refused(span, svm::slot_state::swapped);
    v.expect(6, b.load(span.start()) == 7);
  }
  return v.result();
}

/// Promise 6, for device pages.
template <class Bench>
[[nodiscard]] broken_promises collect_pages_takes_out_or_says_why(Bench& b) {
  using enum svm::slot_state;
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(4);
  svm::va_range const other = b.map(1);
  for (std::size_t i = 0; i < 4; ++i) static_cast<void>(b.store(page_at<Bench>(span, i), i));
  if (!migrate(b, span, behind)) return v.result();
  auto const seen = look(b, span);
  if (seen[0].place != svm::page_place::device) return v.result();  // promise 7 is not kept
  watcher<Bench> w{b, span};
  b.set_locked(seen[2].page, true);
  b.set_pinned(seen[3].page, true);
  slots_of<Bench> slots(4);
  for (std::size_t i = 0; i < 4; ++i) slots[i].source = seen[i].page;
  {
    slots_of<Bench> elsewhere_slots(slots.begin(), slots.begin() + 1);
    typename Bench::mm_type::migration session{};
    svm::page_scope const within{b.mm().id(), other};
    b.mm().collect_pages(session, std::span{elsewhere_slots}, &within, typename Bench::page{});
    v.expect(6, elsewhere_slots[0].state == elsewhere);
    b.mm().finalize(session);
  }
  {
    slots_of<Bench> elsewhere_slots(slots.begin(), slots.begin() + 1);
    typename Bench::mm_type::migration session{};
    svm::page_scope const within{{~b.mm().id().value}, span};  // no address space has this number
    b.mm().collect_pages(session, std::span{elsewhere_slots}, &within, typename Bench::page{});
    v.expect(6, elsewhere_slots[0].state == elsewhere);
    b.mm().finalize(session);
  }
  {
    svm::shared_guard const guard{b.mm().map_lock()};  // as a CPU fault has it
    typename Bench::mm_type::migration session{};
    b.mm().collect_pages(session, std::span{slots}, nullptr, typename Bench::page{});
    std::array const expected{collected, collected, locked, pinned};
    for (std::size_t i = 0; i < 4; ++i) v.expect(6, slots[i].state == expected[i]);
    v.expect(6, w.saw(svm::invalidation_cause::migrate, {span.start(), Bench::mm_type::page_size * 2}));
    v.expect(6, look_locked(b, span)[0].place == svm::page_place::absent);
    b.mm().finalize(session);
  }
  b.set_locked(seen[2].page, false);
  b.set_pinned(seen[3].page, false);
  w.stop();
  return v.result();
}

/// Promise 7, to device memory and back.
template <class Bench>
[[nodiscard]] broken_promises migrations_move_the_mappings(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(2);  // the second page stays a hole
  static_cast<void>(b.store(span.start(), 7));
  auto const before = look(b, span)[0].page;
  v.expect(7, migrate(b, span, behind));
  auto const there = look(b, span);
  for (auto const& entry : there) v.expect(7, entry.place == svm::page_place::device);
  v.expect(7, holds(b, there[0].page, 7));
  v.expect(7, !b.is_live(before));

  slots_of<Bench> slots(1);
  slots[0].source = there[0].page;
  {
    typename Bench::mm_type::migration session{};
    b.mm().collect_pages(session, std::span{slots}, nullptr, typename Bench::page{});
    if (!v.expect(7, slots[0].is_collected())) return v.result();
    auto const system = b.mm().allocate_page(svm::page_order{});
    if (!system) return v.result();
    slots[0].destination = *system;
    b.poke(*system, b.peek(slots[0].source));
    b.mm().install(session);
    b.mm().finalize(session);
  }
  v.expect(7, b.load(span.start()) == 7);
  v.expect(7, !b.is_live(there[0].page));
  b.unmap(span);
  return v.result();
}

/// Promise 7, when nothing is installed: by `finalize` or by the destructor of the session.
template <class Bench>
[[nodiscard]] broken_promises migrations_that_fail_restore(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(2);
  static_cast<void>(b.store(span.start(), 7));
  auto const before = look(b, span)[0].page;
  for (bool const by_hand : {true, false}) {
    slots_of<Bench> slots;
    {
      svm::shared_guard const guard{b.mm().map_lock()};
      typename Bench::mm_type::migration session{};
      v.expect(7, collect_locked(b, session, span, slots) == svm::errc::ok);
      if (!v.expect(7, slots[0].is_collected())) return v.result();
      fill(b, slots, behind);
      if (by_hand) b.mm().finalize(session);
    }
    auto const after = look(b, span);
    v.expect(7, after[0].place == svm::page_place::system && after[0].page == before);
    v.expect(7, after[1].place == svm::page_place::absent);
    v.expect(7, b.load(span.start()) == 7);
    for (auto const& slot : slots) v.expect(7, !b.is_live(slot.destination));
  }
  b.unmap(span);
  v.expect(7, !b.is_live(before));
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises pages_are_made_and_let_go(Bench& b) {
  verdict v;
  auto const one = b.mm().allocate_page(svm::page_order{});
  auto const two = b.mm().allocate_page(svm::page_order{});
  if (!v.expect(8, one && two)) return v.result();
  v.expect(8, b.is_live(*one) && b.is_live(*two) && *one != *two);
  b.mm().discard_page(*one);
  v.expect(8, !b.is_live(*one) && b.is_live(*two));
  b.mm().discard_page(*two);

  counting_owner<typename Bench::page> behind{b.owner()};
  auto const device = b.device_pages(1)[0];
  b.mm().adopt_device_page(device, svm::page_order{}, behind, false);
  v.expect(8, b.is_live(device) && behind.freed == 0);
  b.mm().discard_page(device);
  v.expect(8, behind.freed == 1);

  counting_owner<typename Bench::page> mapped{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  if (!migrate(b, span, mapped)) return v.result();
  auto const entry = look(b, span)[0];
  if (entry.place != svm::page_place::device) return v.result();  // promise 7 is not kept
  v.expect(8, entry.owner_object == &mapped && mapped.freed == 0);
  b.unmap(span);
  v.expect(8, mapped.freed == 1);
  return v.result();
}

/// Promise 8: what is coherent the CPU reaches in place.
template <class Bench>
[[nodiscard]] broken_promises coherent_pages_stay(Bench& b) {
  verdict v;
  if constexpr (requires { b.coherent_page(); }) {
    counting_owner<typename Bench::page> behind{b.owner()};
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    slots_of<Bench> slots;
    {
      svm::shared_guard const guard{b.mm().map_lock()};
      typename Bench::mm_type::migration session{};
      if (collect_locked(b, session, span, slots) != svm::errc::ok || !slots[0].is_collected()) return v.result();
      slots[0].destination = b.coherent_page();
      b.mm().adopt_device_page(slots[0].destination, svm::page_order{}, behind, true);
      b.poke(slots[0].destination, 8);
      b.mm().install(session);
      b.mm().finalize(session);
    }
    if (look(b, span)[0].page != slots[0].destination) return v.result();  // promise 7 is not kept
    v.expect(8, b.load(span.start()) == 8);
    v.expect(8, b.store(span.start(), 9) && b.peek(slots[0].destination) == 9);
    v.expect(8, behind.faulted == 0);
    b.unmap(span);
    v.expect(8, behind.freed == 1);
  }
  return v.result();
}

/// Promise 9.
template <class Bench>
[[nodiscard]] broken_promises handles_are_values(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  if (!migrate(b, span, behind)) return v.result();
  auto const entry = look(b, span)[0];
  if (entry.place != svm::page_place::device) return v.result();  // promise 7 is not kept
  std::vector<typename Bench::page> const copies(10, entry.page);
  b.unmap(span);
  v.expect(9, !b.is_live(entry.page));
  slots_of<Bench> slots(1);
  slots[0].source = copies.back();
  typename Bench::mm_type::migration session{};
  b.mm().collect_pages(session, std::span{slots}, nullptr, typename Bench::page{});
  v.expect(9, slots[0].state == svm::slot_state::untouched);
  b.mm().finalize(session);
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class MakeBench>
[[nodiscard]] broken_promises check_all(MakeBench&& make) {
  verdict v;
  v.add(user_references_keep_the_process(*make()));
  v.add(lookups_agree(*make()));
  v.add(walks_make_present_and_snapshots_do_not(*make()));
  v.add(walks_leave_the_owners_pages(*make()));
  v.add(events_come_in_time(*make()));
  v.add(events_have_two_passes(*make()));
  v.add(refused_events_change_nothing(*make()));
  v.add(sequences_tell_of_events(*make()));
  v.add(collect_takes_out_or_says_why(*make()));
  v.add(collect_takes_what_is_in_reach(*make()));
  v.add(collect_refuses_what_is_not_its_own(*make()));
  v.add(collect_pages_takes_out_or_says_why(*make()));
  v.add(migrations_move_the_mappings(*make()));
  v.add(migrations_that_fail_restore(*make()));
  v.add(pages_are_made_and_let_go(*make()));
  v.add(coherent_pages_stay(*make()));
  v.add(handles_are_values(*make()));
  if constexpr (requires { make()->map_large(); }) v.add(check_blocks(make));
  return v.result();
}

}  // namespace svm::inline v0::conformance::mm

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of page_migration.hpp that are about where pages go, whose they are, and what walks say of them.

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::page_migration {

/// Promises 5 and 6 of address_space: what may migrate says so.
template <class Bench>
[[nodiscard]] broken_promises lookups_say_what_may_migrate(Bench& b) {
  verdict v{address_space::promises};
  svm::va_range const span = b.map(1);
  svm::shared_guard const guard{b.mm().map_lock()};
  auto const found = b.mm().find_vma(span.start());
  auto const first = b.mm().find_first_vma(span);
  if (found) v.expect(5, found->migratable);
  if (first) v.expect(6, first->migratable);
  return v.result();
}

/// Promise 11 of address_space: device pages of the walker and its peers stay where they are.
template <class Bench>
[[nodiscard]] broken_promises walks_leave_what_is_in_reach(Bench& b) {
  verdict v{address_space::promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  mm::watcher<Bench> w{b, span};
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  svm::page_owner const own = b.owner();
  for (svm::page_owner const who : {own, svm::page_owner{own.group, own.member + 1}}) {
    mm::records_of<Bench> found;
    if (!v.expect(11, mm::walk(b, w, span, svm::access_kind::read, who, found) == svm::errc::ok)) continue;
    v.expect(11, found[0].place == svm::page_place::device && found[0].owner == own && behind.faulted == 0);
  }
  b.unmap(span);
  return v.result();
}

/// Promise 12 of address_space: other device pages come back, if their owner lets them.
template <class Bench>
[[nodiscard]] broken_promises walks_bring_back_what_is_out_of_reach(Bench& b) {
  verdict v{address_space::promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  mm::watcher<Bench> w{b, span};
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  svm::page_owner const own = b.owner();
  for (svm::page_owner const who : {svm::nobody, svm::page_owner{own.group + 1, own.member}}) {
    behind.faulted = 0;
    mm::records_of<Bench> found;
    v.expect(12, mm::walk(b, w, span, svm::access_kind::read, who, found) == svm::errc::busy);  // as `behind` said
    v.expect(12, behind.faulted != 0);
  }
  b.unmap(span);
  return v.result();
}

/// Promises 12 and 13 of address_space: with an owner that lets its pages go, which takes an event for each.
template <class Bench>
[[nodiscard]] broken_promises walks_bring_all_pages_back(Bench& b) {
  verdict v{address_space::promises};
  if (!moves_pages_back(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(3);
  for (std::size_t i = 0; i < 3; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  static_cast<void>(mm::migrate(b, span, behind));
  bool has_failed = false;
  behind.on_fault = [&](svm::cpu_fault<typename Bench::page> const& fault) -> svm::cpu_fault_answer {
    mm::slots_of<Bench> slots(1);
    slots[0].source = fault.page;
    mm::session_of<Bench> session{};
    mm::collect_pages_of(b, session, slots, {fault.space, fault.vma}, fault.page);
    if (!slots[0].is_collected() || !mm::fill_with_system_pages(b, slots)) {
      has_failed = true;
      return {svm::cpu_fault_answer::action::fail, {}, svm::errc::in_use};
    }
    b.mm().install(session);
    b.mm().finalize(session);
    return {};
  };
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  std::uint64_t const sequence = b.mm().read_begin(w.registration);
  auto const are_back = [&](mm::records_of<Bench> const& seen) {
    return std::none_of(seen.begin(), seen.end(), [](auto const& one) { return one.place != svm::page_place::system; });
  };
  svm::errc e = svm::errc::ok;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    e = mm::walk_locked(b, w, span, sequence, svm::access_kind::read, svm::nobody, found, 3);
    if (e == svm::errc::busy && !has_failed) v.expect(13, are_back(mm::look_locked(b, span)));
  }
  for (std::size_t i = 0; i < 3 && !has_failed; ++i) {
    svm::va_range const page{mm::page_at<Bench>(span, i), mm::mm_of<Bench>::page_size};
    e = mm::walk(b, w, page, svm::access_kind::read, svm::nobody, found);
    v.expect(12, e == svm::errc::ok && are_back(mm::look(b, page)));
  }
  w.stop();
  b.unmap(span);
  return v.result();
}

/// Promises 9 and 14: to device memory; the source goes.
template <class Bench>
[[nodiscard]] broken_promises migrations_move_the_mappings(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  auto const before = mm::look(b, span)[0].page;
  if (!mm::migrate(b, span, behind)) return v.result();  // promise 1 is not kept
  auto const there = mm::look(b, span)[0];
  if (!v.expect(9, there.place == svm::page_place::device)) return v.result();
  if constexpr (!mm::collects_into_places<Bench>)
    if (b.is_live(there.page)) v.expect(9, b.peek(there.page) == 7);
  v.expect(14, !b.is_live(before));
  b.unmap(span);
  return v.result();
}

/// Promise 9: where nothing was, the destination is.
template <class Bench>
[[nodiscard]] broken_promises holes_are_filled(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  mm::slots_of<Bench> slots;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (mm::collect_locked(b, session, span, slots, behind) != svm::errc::ok) return v.result();
    if (slots[0].state != svm::slot_state::hole) return v.result();  // promise 1 is not kept
    mm::fill(b, slots, behind);
    b.mm().install(session);
    b.mm().finalize(session);
  }
  auto const there = mm::look(b, span)[0];
  v.expect(9, there.place == svm::page_place::device && there.page == slots[0].destination);
  b.unmap(span);
  return v.result();
}

/// Promise 16: the page table has the one reference on a page that moved, no less and no more.
template <class Bench>
[[nodiscard]] broken_promises page_tables_take_over_destinations(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  auto const there = mm::look(b, span)[0];
  if (there.place != svm::page_place::device) return v.result();  // reported by others
  v.expect(16, b.is_live(there.page));
  b.unmap(span);
  v.expect(16, !b.is_live(there.page));
  return v.result();
}

/// Promises 9, 14 and 16: back to system memory, where the page table takes a page over too.
template <class Bench>
[[nodiscard]] broken_promises migrations_move_back(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(2);
  static_cast<void>(b.store(span.start(), 7));
  static_cast<void>(mm::migrate(b, span, behind));
  auto const there = mm::look(b, span);
  auto slots = mm::slots_for<Bench>(there);
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    if (!slots[0].is_collected() || !slots[1].is_collected()) return v.result();  // reported by others
    if (!mm::fill_with_system_pages(b, slots)) return v.result();
    b.mm().install(session);
    b.mm().finalize(session);
  }
  for (auto const& one : there) v.expect(14, !b.is_live(one.page));
  if (!v.expect(16, b.is_live(slots[0].destination) && b.is_live(slots[1].destination))) return v.result();
  v.expect(9, mm::look(b, span)[0].page == slots[0].destination);
  v.expect(9, slots[0].state == svm::slot_state::moved || b.load(span.start()) == 7);
  b.unmap(span);
  for (auto const& slot : slots) v.expect(16, !b.is_live(slot.destination));
  return v.result();
}

/// Promises 9 and 16, for a page of another process.
template <class Bench>
[[nodiscard]] broken_promises mappings_of_others_move(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.other().map(1);
  static_cast<void>(b.other().store(span.start(), 7));
  static_cast<void>(mm::migrate_of(b, b.other(), span, behind));
  auto slots = mm::slots_for<Bench>(mm::look(b.other(), span));
  {
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    if (!slots[0].is_collected() || !mm::fill_with_system_pages(b, slots)) return v.result();  // reported by others
    b.mm().install(session);
    b.mm().finalize(session);
  }
  if (!v.expect(16, b.is_live(slots[0].destination))) return v.result();
  v.expect(9, mm::look(b.other(), span)[0].page == slots[0].destination);
  v.expect(9, slots[0].state == svm::slot_state::moved || b.other().load(span.start()) == 7);
  b.other().unmap(span);
  v.expect(16, !b.is_live(slots[0].destination));
  return v.result();
}

/// Promises 12 to 15, when nothing is installed: by `finalize`, and then by the destructor of the session.
template <class Bench>
[[nodiscard]] broken_promises migrations_that_end_early_restore(Bench& b) {
  verdict v{promises};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(2);
  static_cast<void>(b.store(span.start(), 7));
  auto const before = mm::look(b, span);
  mm::slots_of<Bench> slots;
  auto const end_early = [&](bool by_hand) {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    if (mm::collect_locked(b, session, span, slots, behind) != svm::errc::ok || !slots[0].is_collected()) return false;
    mm::fill(b, slots, behind);
    if (by_hand) b.mm().finalize(session);
    return true;
  };
  auto const is_restored = [&] {
    auto const after = mm::look(b, span);
    for (std::size_t i = 0; i < 2; ++i)
      if (after[i].place != before[i].place || after[i].page != before[i].page) return false;
    return true;
  };
  auto const has_bytes = [&] { return mm::collects_into_places<Bench> || b.load(span.start()) == 7; };
  auto const are_put = [&] {
    return std::none_of(slots.begin(), slots.end(), [&](auto const& slot) { return b.is_live(slot.destination); });
  };
  if (!end_early(true)) return v.result();  // promise 1 is not kept
  if (!v.expect(12, is_restored() && has_bytes()) || !v.expect(14, are_put())) return v.result();
  if (!v.expect(13, end_early(false))) return v.result();
  if (!v.expect(15, is_restored() && are_put() && has_bytes())) return v.result();
  if (!v.expect(15, end_early(true))) return v.result();
  b.unmap(span);
  v.expect(14, !b.is_live(before[0].page));
  return v.result();
}

/// Promise 8: the page that a CPU fault of any process names as its own can be taken although the mm holds it. Nothing
/// else that is held can.
template <class Bench>
[[nodiscard]] broken_promises faults_take_their_own_page(Bench& b) {
  verdict v{promises};
  if (!moves_pages_back(b) || b.mm().id() == b.other().mm().id()) return v.result();  // another promise is not kept
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  auto& p = b.other();
  svm::va_range const span = p.map(3);
  for (std::size_t i = 0; i < 3; ++i) static_cast<void>(p.store(mm::page_at<Bench>(span, i), i + 7));
  static_cast<void>(mm::migrate_of(b, p, span, behind));
  auto const seen = mm::look(p, span);
  {
    auto free = mm::slots_for<Bench>(seen);
    mm::session_of<Bench> session{};
    mm::collect_pages_of(b, session, free, {p.mm().id(), span});
    for (auto const& slot : free)
      if (!slot.is_collected()) return v.result();  // promise 6 or 7 is not kept
    b.mm().finalize(session);
  }
  b.set_pinned(seen[2].page, true);
  behind.on_fault = [&](svm::cpu_fault<typename Bench::page> const& fault) -> svm::cpu_fault_answer {
    constexpr svm::cpu_fault_answer failed{svm::cpu_fault_answer::action::fail, {}, svm::errc::busy};
    v.expect(8, fault.space == p.mm().id() && fault.page == seen[0].page && fault.vma == span);
    {
      auto stranger = mm::slots_for<Bench>(seen);  // somebody else, who has no fault
      mm::session_of<Bench> session{};
      mm::collect_pages(b, session, stranger);
      v.expect(8, !stranger[0].is_collected() && stranger[1].is_collected());
      b.mm().finalize(session);
    }
    auto slots = mm::slots_for<Bench>(seen);
    mm::session_of<Bench> session{};
    mm::collect_pages_of(b, session, slots, {fault.space, fault.vma}, fault.page);
    v.expect(8, slots[0].is_collected() && slots[1].is_collected());
    if (v.expect(8, !slots[2].is_collected())) v.expect(4, slots[2].state == svm::slot_state::pinned);
    if (!slots[0].is_collected() || !mm::fill_with_system_pages(b, slots)) return failed;
    b.mm().install(session);
    b.mm().finalize(session);
    return {};
  };
  v.expect(8, p.load(span.start()) == 7 && behind.faulted == 1);
  b.set_pinned(seen[2].page, false);
  p.unmap(span);
  return v.result();
}

/// Promise 24: no function takes a lock that comes before one with which it is called.
template <class Bench>
[[nodiscard]] broken_promises migrations_run_under_the_librarys_locks(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    mm::counting_owner<typename Bench::page> behind{b.owner()};
    svm::va_range const span = b.map(1);
    static_cast<void>(b.store(span.start(), 7));
    mm::slots_of<Bench> slots;
    {
      held_lock<Bench, svm::lock_rank::vm> const vm;
      held_lock<Bench, svm::lock_rank::range> const range;
      svm::shared_guard const guard{b.mm().map_lock()};
      mm::session_of<Bench> session{};
      v.expect(24, in_order(b, [&] { static_cast<void>(mm::collect_locked(b, session, span, slots, behind)); }));
      v.expect(24, in_order(b, [&] { mm::fill(b, slots, behind); }));
      v.expect(24, in_order(b, [&] { b.mm().install(session); }));
      v.expect(24, in_order(b, [&] { b.mm().finalize(session); }));
    }
    slots = mm::slots_for<Bench>(mm::look(b, span));
    {
      held_lock<Bench, svm::lock_rank::range> const range;
      held_lock<Bench, svm::lock_rank::eviction> const eviction;
      mm::session_of<Bench> session{};
      v.expect(24, in_order(b, [&] { mm::collect_pages(b, session, slots); }));
      b.mm().finalize(session);
    }
    {
      svm::shared_guard const guard{b.mm().map_lock()};  // as a CPU fault has it
      mm::session_of<Bench> session{};
      v.expect(24, in_order(b, [&] { mm::collect_pages(b, session, slots); }));
      v.expect(24, in_order(b, [&] {
                 auto const one = b.mm().allocate_page(svm::page_order{});
                 if (!one) return;
                 if constexpr (svm::clearing_mm<mm::mm_of<Bench>>) b.mm().clear_page(*one, svm::page_order{});
                 b.mm().discard_page(*one);
               }));
      b.mm().finalize(session);
    }
    b.unmap(span);
  }
  return v.result();
}

}  // namespace svm::inline v0::conformance::page_migration

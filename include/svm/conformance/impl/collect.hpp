// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of page_migration.hpp that are about what is collected: promises 1 to 7.

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::page_migration {

/// Promise 1.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_pages_and_holes_out(Bench& b) {
  using enum svm::slot_state;
  verdict v{promises};
  svm::va_range const span = b.map(3);
  for (std::size_t const i : {0u, 2u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i));
  auto const first = mm::look(b, {span.start(), mm::mm_of<Bench>::page_size})[0].page;
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::slots_of<Bench> slots;
  svm::shared_guard const guard{b.mm().map_lock()};
  mm::session_of<Bench> session{};
  v.expect(1, mm::collect_locked(b, session, span, slots, behind) == svm::errc::ok);
  v.expect(1, mm::is_taken<Bench>(slots[0]) && slots[1].state == hole && mm::is_taken<Bench>(slots[2]));
  v.expect(1, slots[0].source == first);
  auto const during = mm::look_locked(b, span);
  v.expect(1, during[0].place == svm::page_place::absent && during[2].place == svm::page_place::absent);
  b.mm().finalize(session);
  return v.result();
}

/// Promise 3: with an event on behalf of those whose pages may be taken, before the pages are.
template <class Bench>
[[nodiscard]] broken_promises collect_tells_of_the_migration(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(2);
  static_cast<void>(b.store(span.start(), 7));
  mm::watcher<Bench> w{b, span};
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::slots_of<Bench> slots;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    w.on_event = [&](svm::invalidation const& event) { v.expect(3, event.owner == b.owner()); };
    v.expect(3, mm::collect_locked(b, session, span, slots, behind, b.owner()) == svm::errc::ok);
    v.expect(3, w.saw(svm::invalidation_cause::migrate, span));
    w.on_event = nullptr;
    b.mm().finalize(session);
  }
  return v.result();
}

/// Promise 4: pages that somebody else uses.
template <class Bench>
[[nodiscard]] broken_promises collect_refuses_what_is_in_use(Bench& b) {
  using enum svm::slot_state;
  verdict v{promises};
  svm::va_range const span = b.map(3);
  for (std::size_t const i : {0u, 1u, 2u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i));
  auto const seen = mm::look(b, span);
  b.set_locked(seen[0].page, true);
  b.set_pinned(seen[1].page, true);
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::slots_of<Bench> slots;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    v.expect(1, mm::collect_locked(b, session, span, slots, behind) == svm::errc::ok);
    v.expect(4, slots[0].state == locked && slots[1].state == pinned);
    v.expect(1, mm::is_taken<Bench>(slots[2]));
    b.mm().finalize(session);
  }
  b.set_locked(seen[0].page, false);
  b.set_pinned(seen[1].page, false);
  return v.result();
}

/// Promise 2: device pages, of those whom the caller reaches and of others.
template <class Bench>
[[nodiscard]] broken_promises collect_takes_what_is_in_reach(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  mm::counting_owner<typename Bench::page> further{b.owner()};
  svm::va_range const span = b.map(2);
  for (std::size_t const i : {0u, 1u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  static_cast<void>(mm::migrate(b, span, behind));
  auto const seen = mm::look(b, span);
  svm::page_owner const own = b.owner();
  for (svm::page_owner const reach : {svm::nobody, own, svm::page_owner{own.group, own.member + 1}}) {
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    v.expect(2, mm::collect_locked(b, session, span, slots, further, reach) == svm::errc::ok);
    if (slots[0].state == svm::slot_state::locked) return v.result();  // promise 7 is not kept
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (reach == svm::nobody) {
        v.expect(2, slots[i].state == svm::slot_state::resident);
        continue;
      }
      v.expect(2, mm::is_taken<Bench>(slots[i]) && slots[i].source == seen[i].page);
      v.expect(2, slots[i].owner_object == &behind);
    }
    b.mm().finalize(session);
  }
  v.expect(2, behind.faulted == 0);
  b.unmap(span);
  return v.result();
}

/// A mapping of two pages: the first in device memory of the bench, the second in that of a stranger.
template <class Bench>
class page_in_each_memory {
 public:
  mm::counting_owner<typename Bench::page> own;
  mm::counting_owner<typename Bench::page> strange;
  svm::va_range span;

  explicit page_in_each_memory(Bench& b) : own(b.owner()), strange(b.stranger_owner()), span(b.map(2)), bench_(b) {
    svm::va_range const second{mm::page_at<Bench>(span, 1), mm::mm_of<Bench>::page_size};
    for (std::size_t i = 0; i < 2; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
    static_cast<void>(mm::migrate(b, {span.start(), mm::mm_of<Bench>::page_size}, own));
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    auto const fresh = b.stranger_pages(1);
    auto const ahead = mm::collects_into_places<Bench> ? fresh : decltype(fresh){};
    if (mm::collect_to_locked(b, session, second, slots, ahead, {}, strange) != svm::errc::ok) return;
    mm::fill_with(b, slots, fresh, strange);
    b.mm().install(session);
    b.mm().finalize(session);
  }
  page_in_each_memory(page_in_each_memory const&) = delete;
  page_in_each_memory& operator=(page_in_each_memory const&) = delete;
  ~page_in_each_memory() { bench_.unmap(span); }

 private:
  Bench& bench_;
};

/// Promise 16 of address_space: of neighbours in the memories of two devices a walk says whose each is.
template <class Bench>
[[nodiscard]] broken_promises each_page_has_its_own_owner(Bench& b) {
  verdict v{address_space::promises};
  if constexpr (requires { b.stranger_pages(std::size_t{1})[0] == b.device_pages(std::size_t{1})[0]; }) {
    if (!moves_pages(b)) return v.result();  // reported by others
    page_in_each_memory<Bench> const both{b};
    svm::shared_guard const guard{b.mm().map_lock()};
    auto const seen = mm::snapshot_locked(b, both.span, 2);
    for (auto const& one : seen)
      if (one.place != svm::page_place::device) return v.result();  // promise 15 of address_space is not kept
    v.expect(16, seen[0].owner == b.owner() && seen[0].owner_object == &both.own);
    v.expect(16, seen[1].owner == b.stranger_owner() && seen[1].owner_object == &both.strange);
  }
  return v.result();
}

/// Promise 2: reach is a matter of each page.
template <class Bench>
[[nodiscard]] broken_promises collect_leaves_pages_of_strangers(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.stranger_pages(std::size_t{1})[0] == b.device_pages(std::size_t{1})[0]; }) {
    if (!moves_pages(b)) return v.result();  // reported by others
    page_in_each_memory<Bench> const both{b};
    mm::counting_owner<typename Bench::page> further{b.owner()};
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    v.expect(2, mm::collect_locked(b, session, both.span, slots, further, b.owner()) == svm::errc::ok);
    v.expect(2, mm::is_taken<Bench>(slots[0]) && slots[1].state == svm::slot_state::resident);
    b.mm().finalize(session);
  }
  return v.result();
}

/// Promise 4: pages that others map, and pages that are not in memory.
template <class Bench>
[[nodiscard]] broken_promises collect_refuses_what_is_not_its_own(Bench& b) {
  verdict v{promises};
  auto const expect_refused = [&](svm::va_range span, svm::slot_state why) {
    mm::counting_owner<typename Bench::page> behind{b.owner()};
    mm::slots_of<Bench> slots;
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    v.expect(4, mm::collect_locked(b, session, span, slots, behind) == svm::errc::ok);
    v.expect(4, slots[0].state == why);
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
    v.expect(4, b.load(span.start()) == 7);
  }
  return v.result();
}

/// Promises 3, 4, 6 and 8, for `collect_pages`: a default page as the faulting one allows nobody a reference.
template <class Bench>
[[nodiscard]] broken_promises named_pages_are_taken_or_refused(Bench& b) {
  using enum svm::slot_state;
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.map(4);
  for (std::size_t i = 0; i < 4; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i));
  static_cast<void>(mm::migrate(b, span, behind));
  auto const seen = mm::look(b, span);
  mm::watcher<Bench> w{b, span};
  b.set_locked(seen[2].page, true);
  b.set_pinned(seen[3].page, true);
  auto slots = mm::slots_for<Bench>(seen);
  {
    svm::shared_guard const guard{b.mm().map_lock()};  // as a CPU fault has it
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    v.expect(6, mm::is_taken<Bench>(slots[0]) && mm::is_taken<Bench>(slots[1]));
    v.expect(4, slots[2].state == locked);
    if (v.expect(8, !slots[3].is_collected())) v.expect(4, slots[3].state == pinned);
    v.expect(3, w.saw(svm::invalidation_cause::migrate, {span.start(), mm::mm_of<Bench>::page_size * 2}));
    v.expect(6, mm::look_locked(b, span)[0].place == svm::page_place::absent);
    b.mm().finalize(session);
  }
  b.set_locked(seen[2].page, false);
  b.set_pinned(seen[3].page, false);
  w.stop();
  return v.result();
}

/// A device page in each of two processes.
template <class Bench>
struct page_in_each_process {
  struct place {
    svm::space_id space;
    svm::va_range span;
    typename Bench::page page;
  };
  mm::counting_owner<typename Bench::page> behind;
  std::array<place, 2> places;

  explicit page_in_each_process(Bench& b) : behind{b.owner()}, places{make(b, b), make(b, b.other())} {}
  [[nodiscard]] mm::slots_of<Bench> slots() const {
    mm::slots_of<Bench> both(2);
    for (std::size_t i = 0; i < 2; ++i) both[i].source = places[i].page;
    return both;
  }

 private:
  template <class Process>
  [[nodiscard]] place make(Bench& b, Process& p) {
    svm::va_range const span = p.map(1);
    static_cast<void>(p.store(span.start(), 7));
    static_cast<void>(mm::migrate_of(b, p, span, behind));
    return {p.mm().id(), span, mm::look(p, span)[0].page};
  }
};

/// True when both pages are taken where no scope is given.
template <class Process, class Both>
[[nodiscard]] bool collects_all(Process& asked, Both const& both) {
  auto slots = both.slots();
  mm::session_of<Process> session{};
  mm::collect_pages(asked, session, slots);
  bool const all = slots[0].is_collected() && slots[1].is_collected();
  asked.mm().finalize(session);
  return all;
}

/// Promise 7: a scope is of the address space that it names, whichever one is asked.
template <class Bench>
[[nodiscard]] broken_promises scopes_are_of_the_space_that_they_name(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b) || b.mm().id() == b.other().mm().id()) return v.result();  // another promise is not kept
  page_in_each_process<Bench> const both{b};
  if (!collects_all(b, both) || !collects_all(b.other(), both)) return v.result();  // promise 6 is not kept
  auto const check = [&](auto& asked, svm::page_scope const& within) {
    auto slots = both.slots();
    typename mm::session_of<decltype(asked)> session{};
    mm::collect_pages_of(asked, session, slots, within);
    for (std::size_t i = 0; i < 2; ++i) {
      bool const is_inside = both.places[i].space == within.space && within.span.contains(both.places[i].span);
      v.expect(7, is_inside ? mm::is_taken<Bench>(slots[i]) : slots[i].state == svm::slot_state::elsewhere);
    }
    asked.mm().finalize(session);
  };
  for (auto const& named : both.places)
    for (auto const& spanned : both.places) {
      check(b, {named.space, spanned.span});
      check(b.other(), {named.space, spanned.span});
    }
  check(b, {svm::space_id{~b.mm().id().value}, both.places[0].span});  // no address space has this name
  b.unmap(both.places[0].span);
  b.other().unmap(both.places[1].span);
  return v.result();
}

/// Promises 3 and 6: without a scope, wherever pages are mapped; whose mapping it is hears of it.
template <class Bench>
[[nodiscard]] broken_promises pages_of_others_are_taken_out_of_their_tables(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  page_in_each_process<Bench> const both{b};
  svm::va_range const there = both.places[1].span;
  mm::watcher w{b.other(), there};
  auto slots = both.slots();
  {
    svm::shared_guard const guard{b.other().mm().map_lock()};
    mm::session_of<Bench> session{};
    mm::collect_pages(b, session, slots);
    v.expect(6, mm::is_taken<Bench>(slots[0]));
    if (v.expect(6, mm::is_taken<Bench>(slots[1]))) {
      v.expect(3, w.saw(svm::invalidation_cause::migrate, there));
      v.expect(6, mm::look_locked(b.other(), there)[0].place == svm::page_place::absent);
    }
    b.mm().finalize(session);
  }
  w.stop();
  b.unmap(both.places[0].span);
  b.other().unmap(there);
  return v.result();
}

/// Promise 6: pages are the machine's, so it does not matter whether the process that is asked has exited.
template <class Bench>
[[nodiscard]] broken_promises exited_processes_collect_for_others(Bench& b) {
  verdict v{promises};
  if (!moves_pages(b)) return v.result();  // reported by others
  mm::counting_owner<typename Bench::page> behind{b.owner()};
  svm::va_range const span = b.other().map(1);
  static_cast<void>(b.other().store(span.start(), 7));
  static_cast<void>(mm::migrate_of(b, b.other(), span, behind));
  b.exit();
  auto slots = mm::slots_for<Bench>(mm::look(b.other(), span));
  mm::session_of<Bench> session{};
  mm::collect_pages(b, session, slots);
  v.expect(6, mm::is_taken<Bench>(slots[0]));
  b.mm().finalize(session);
  b.other().unmap(span);
  return v.result();
}

}  // namespace svm::inline v0::conformance::page_migration

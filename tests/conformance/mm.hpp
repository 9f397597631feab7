// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::mm` (see conformance.hpp). An mm changes only with what a process does, so the suite
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
//     };
//     CHECK(conformance::mm::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
//  1. checked, but for the locks.
//  2. checked: both lookups agree. That others cannot change anything meanwhile needs their threads.
//  3. checked, but for no_ram and busy.
//  4. checked, with an unmap.
//  5. checked, with one thread: that `read_begin` waits for an open event is not.
//  6. checked. That `collect_pages` does not take the map lock shows under a lock policy that checks ranks.
//  7. checked, both ways, and with nothing installed.
//  8. checked, but that a new page is locked.
//  9. checked.

#include <conformance/conformance.hpp>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mm.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace conformance::mm {

template <class Bench>
using entries_of = std::vector<svm::page_entry<typename Bench::page>>;
template <class Bench>
using slots_of = std::vector<svm::migration_slot<typename Bench::page>>;

/// The address of a page of a mapping.
template <class Bench>
[[nodiscard]] svm::cpu_va page_at(svm::va_range mapping, std::size_t i) {
  return mapping.start() + Bench::mm_type::page_size * i;
}

/// A notifier's target that writes down what it is told.
template <class Bench>
class watcher final : public svm::invalidation_target {
 public:
  watcher(Bench& b, svm::va_range span) : bench_(b) {
    watching_ = b.mm().register_notifier(registration, span, *this) == svm::errc::ok;
  }
  ~watcher() { stop(); }
  watcher(watcher const&) = delete;
  watcher& operator=(watcher const&) = delete;
  void stop() {
    if (watching_) bench_.mm().unregister_notifier(registration);
    watching_ = false;
  }

  [[nodiscard]] bool invalidate(svm::invalidation const& event, std::uint64_t sequence) noexcept override {
    if (watching_) bench_.mm().set_sequence(registration, sequence);
    last_sequence = sequence;
    events.push_back(event);
    if (on_event) on_event(event);
    return true;
  }
  /// True when events of a cause covered all of a span.
  [[nodiscard]] bool saw(svm::invalidation_cause cause, svm::va_range span) const {
    for (svm::byte_count done{}; done < span.size(); done += Bench::mm_type::page_size) {
      auto const covers = [&](svm::invalidation const& e) {
        return e.cause == cause && e.span.contains(span.start() + done);
      };
      if (std::none_of(events.begin(), events.end(), covers)) return false;
    }
    return true;
  }

  typename Bench::mm_type::registration registration{};
  std::vector<svm::invalidation> events;
  std::uint64_t last_sequence = 0;
  std::function<void(svm::invalidation const&)> on_event;

 private:
  Bench& bench_;
  bool watching_ = false;
};

/// What stands behind device pages; counts, and lets no page come back.
template <class Page>
class counting_owner final : public svm::device_page_owner<Page> {
 public:
  int faulted = 0;
  int freed = 0;
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<Page> const&) noexcept override {
    ++faulted;
    return {svm::cpu_fault_answer::action::fail, {}, svm::errc::busy};
  }
  void page_freed() noexcept override { ++freed; }
};

/// What a snapshot says. As the library, with the map lock held shared.
template <class Bench>
[[nodiscard]] entries_of<Bench> look_locked(Bench& b, svm::va_range span) {
  entries_of<Bench> entries(svm::pages_in(span.size(), Bench::mm_type::page_size).value);
  b.mm().snapshot(span, std::span{entries});
  return entries;
}
template <class Bench>
[[nodiscard]] entries_of<Bench> look(Bench& b, svm::va_range span) {
  svm::shared_guard const guard{b.mm().map_lock()};
  return look_locked(b, span);
}

/// True when a page is live and holds a value.
template <class Bench>
[[nodiscard]] bool holds(Bench& b, typename Bench::page p, std::uint64_t value) {
  return b.is_live(p) && b.peek(p) == value;
}

/// Walks for a device with pages of `owner`; tries again a few times, as the library does.
template <class Bench>
[[nodiscard]] svm::errc walk(Bench& b, watcher<Bench>& w, svm::va_range span, svm::access want, svm::page_owner owner,
                             entries_of<Bench>& out) {
  svm::errc e = svm::errc::busy;
  for (int tries = 0; tries < 4 && e == svm::errc::busy; ++tries) {
    out.assign(svm::pages_in(span.size(), Bench::mm_type::page_size).value, {});
    svm::walk_request<typename Bench::mm_type::registration> const request{span, want, owner, w.registration,
                                                                           b.mm().read_begin(w.registration)};
    svm::shared_guard const guard{b.mm().map_lock()};
    e = b.mm().fault_in(request, std::span{out});
  }
  return e;
}

/// \pre the map lock is held shared, until the session is finalized
template <class Bench>
[[nodiscard]] svm::errc collect_locked(Bench& b, typename Bench::mm_type::migration& session, svm::va_range span,
                                       slots_of<Bench>& slots) {
  slots.assign(svm::pages_in(span.size(), Bench::mm_type::page_size).value, {});
  return b.mm().collect(session, span, std::span{slots});
}

/// Gives each collected slot a device page with the content of its source.
template <class Bench>
void fill(Bench& b, slots_of<Bench>& slots, svm::device_page_owner<typename Bench::page>& owner) {
  auto const fresh = b.device_pages(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].is_collected()) continue;
    b.mm().adopt_device_page(fresh[i], owner);
    slots[i].destination = fresh[i];
    if (slots[i].state == svm::slot_state::collected) b.poke(fresh[i], b.peek(slots[i].source));
  }
}

/// Moves a mapping to device memory; false when it does not go there.
template <class Bench>
[[nodiscard]] bool migrate(Bench& b, svm::va_range span, svm::device_page_owner<typename Bench::page>& owner) {
  slots_of<Bench> slots;
  svm::shared_guard const guard{b.mm().map_lock()};
  typename Bench::mm_type::migration session{};
  if (collect_locked(b, session, span, slots) != svm::errc::ok) return false;
  fill(b, slots, owner);
  b.mm().install(session);
  b.mm().finalize(session);
  return true;
}

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
  v.expect(3, walk(b, w, span, svm::access::read, b.owner(), found) == svm::errc::ok);
  for (auto const& entry : found) v.expect(3, entry.place == svm::page_place::system && b.is_live(entry.page));
  v.expect(3, walk(b, w, span, svm::access::write, b.owner(), found) == svm::errc::ok);
  for (auto const& entry : found) v.expect(3, entry.place == svm::page_place::system && entry.writable);
  v.expect(3, holds(b, found[1].page, 7));
  if constexpr (requires { b.map_read_only(std::size_t{1}); }) {
    svm::va_range const fixed = b.map_read_only(1);
    watcher<Bench> other{b, fixed};
    v.expect(3, walk(b, other, fixed, svm::access::read, b.owner(), found) == svm::errc::ok);
    v.expect(3, walk(b, other, fixed, svm::access::write, b.owner(), found) == svm::errc::read_only);
  }
  b.unmap(span);
  v.expect(3, walk(b, w, span, svm::access::read, b.owner(), found) == svm::errc::no_vma);
  return v.result();
}

/// Promise 3: device pages of the walker stay where they are, others come back.
template <class Bench>
[[nodiscard]] broken_promises walks_leave_the_owners_pages(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind;
  svm::va_range const span = b.map(1);
  watcher<Bench> w{b, span};
  static_cast<void>(b.store(span.start(), 7));
  if (!migrate(b, span, behind)) return v.result();
  if (look(b, span)[0].behind != &behind) return v.result();  // promise 7 or 8 is not kept
  entries_of<Bench> found;
  v.expect(3, walk(b, w, span, svm::access::read, b.owner(), found) == svm::errc::ok);
  v.expect(3, found[0].place == svm::page_place::device && behind.faulted == 0);
  v.expect(3, walk(b, w, span, svm::access::read, svm::nobody, found) == svm::errc::busy);  // as `behind` said
  v.expect(3, behind.faulted != 0);
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

/// Promise 6, for device pages.
template <class Bench>
[[nodiscard]] broken_promises collect_pages_takes_out_or_says_why(Bench& b) {
  using enum svm::slot_state;
  verdict v;
  counting_owner<typename Bench::page> behind;
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
    b.mm().collect_pages(session, std::span{elsewhere_slots}, &other, typename Bench::page{});
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
  counting_owner<typename Bench::page> behind;
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
    auto const system = b.mm().allocate_page();
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
  counting_owner<typename Bench::page> behind;
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
  auto const one = b.mm().allocate_page();
  auto const two = b.mm().allocate_page();
  if (!v.expect(8, one && two)) return v.result();
  v.expect(8, b.is_live(*one) && b.is_live(*two) && *one != *two);
  b.mm().discard_page(*one);
  v.expect(8, !b.is_live(*one) && b.is_live(*two));
  b.mm().discard_page(*two);

  counting_owner<typename Bench::page> behind;
  auto const device = b.device_pages(1)[0];
  b.mm().adopt_device_page(device, behind);
  v.expect(8, b.is_live(device) && behind.freed == 0);
  b.mm().discard_page(device);
  v.expect(8, behind.freed == 1);

  counting_owner<typename Bench::page> mapped;
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  if (!migrate(b, span, mapped)) return v.result();
  auto const entry = look(b, span)[0];
  if (entry.place != svm::page_place::device) return v.result();  // promise 7 is not kept
  v.expect(8, entry.behind == &mapped && mapped.freed == 0);
  b.unmap(span);
  v.expect(8, mapped.freed == 1);
  return v.result();
}

/// Promise 9.
template <class Bench>
[[nodiscard]] broken_promises handles_are_values(Bench& b) {
  verdict v;
  counting_owner<typename Bench::page> behind;
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
  v.add(sequences_tell_of_events(*make()));
  v.add(collect_takes_out_or_says_why(*make()));
  v.add(collect_pages_takes_out_or_says_why(*make()));
  v.add(migrations_move_the_mappings(*make()));
  v.add(migrations_that_fail_restore(*make()));
  v.add(pages_are_made_and_let_go(*make()));
  v.add(handles_are_values(*make()));
  return v.result();
}

}  // namespace conformance::mm

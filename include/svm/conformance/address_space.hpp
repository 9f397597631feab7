// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::address_space` (see verdict.hpp): users, lookups and walks. A model with notifiers and
// no page migration takes this suite and interval_notifier.hpp. An address space changes only with what
// a process does, so the suite takes a bench, a new one for each check:
//
//     struct my_bench {
//       using mm_type = my_mm;
//       using page = my_mm::page;
//       my_mm& mm();
//       // The process. Mappings are writable, lie apart from each other, and have nothing present.
//       svm::va_range map(std::size_t pages);
//       void unmap(svm::va_range mapping);
//       bool store(svm::cpu_va, std::uint64_t);           // a word at the beginning of a page
//       std::optional<std::uint64_t> load(svm::cpu_va);
//       bool has_vma(svm::cpu_va);                        // also from inside an invalidation
//       void exit();                                      // drops the process's own user reference
//       // Pages, as the rest of the kernel sees them.
//       bool is_live(page);
//       std::uint64_t peek(page);                         // the first word
//       // All of these may be left out.
//       svm::va_range map_read_only(std::size_t pages);
//       // A mapping of a power of two of pages, at least four, of which the first store makes one block.
//       svm::va_range map_large();
//       page nth(page first, std::size_t);                // a page of a block
//       my_process& other();                              // a second process: mm, map, unmap, store and load
//       using lock_type = my_lock;                        // a lock policy that sees who takes locks out of order
//       std::size_t lock_complaints();                    // how often it did so far
//     };
//     CHECK(svm::conformance::address_space::check_all([] { return std::make_unique<my_bench>(); }) == kept);
//
//  1. checked.
//  2. checked.
//  3. checked.
//  4. checked, against a second process where the bench has one.
//  5. checked; that such a mapping may migrate is checked with page migration.
//  6. checked.
//  7. not checked: it needs the threads of others.
//  8. checked.
//  9. checked.
// 10. checked for no_vma, and for read_only where the bench has such a mapping.
// 11. checked with page migration, but for the copy that a write needs after a fork.
// 12. checked with page migration.
// 13. not checked: no bench has events of a walk's own to offer.
// 14. checked.
// 15. checked: a walk of several pages finds what walks of each page find.
// 16. checked; with the device pages of two devices, where the bench has them, with page migration.
// 17. checked, with blocks where the bench has them.
// 18. checked, with room for fewer runs than there are.
// 19. checked so, with the map lock dropped between.
// 20. checked, with blocks where the bench has them; beyond the end of contiguous memory it is not.
// 21. checked where the bench tells of locks.

#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::address_space {

/// The promises of `svm::address_space`.
// clang-format off
inline constexpr promise_table<21> promises{"address_space", {{
    {1, "`get_user` is false once the address space has exited"},
    {2, "an address space exits with the last user reference, and not before"},
    {3, "`id` is the same from the beginning to the end"},
    {4, "no other address space has this `id`, and it is not the default"},
    {5, "`find_vma` describes the VMA around an address, or says that there is none"},
    {6, "`find_first_vma` describes the lowest VMA that meets a span, or says that there is none"},
    {7, "no VMA changes while the map lock is held shared"},
    {8, "`fault_in` makes every page of the span present and readable"},
    {9, "`fault_in` for a write makes every page writable"},
    {10, "`fault_in` fails with the reason"},
    {11, "`fault_in` leaves device pages in place that the owner reaches"},
    {12, "`fault_in` brings other device pages back to system memory"},
    {13, "`fault_in` fails with busy for an event of its own only after it made every page present"},
    {14, "`snapshot` makes no page present"},
    {15, "a page walk adds every page that is present, in ascending order"},
    {16, "what a page walk says of a page is true"},
    {17, "page `n` of a run is `page_at(run.page, n)`"},
    {18, "a page walk stops at once when the sink is full, and succeeds"},
    {19, "a page walk that stopped reports the rest as one walk would"},
    {20, "`page_at` names the pages of contiguous memory"},
    {21, "each function works with the locks held that the concept lists, and needs no other"},
}}};
// clang-format on

/// Walks here are for a device that reaches no device memory of this machine.
inline constexpr svm::page_owner somebody{~std::uint32_t{0}, 1};

/// Promises 1 and 2: while a reference is held the process does not exit.
template <class Bench>
[[nodiscard]] broken_promises user_references_keep_the_process(Bench& b) {
  verdict v{promises};
  svm::cpu_va const at = b.map(1).start();
  static_cast<void>(b.store(at, 1));
  if (!v.expect(1, b.mm().get_user())) return v.result();
  b.exit();
  v.expect(2, b.has_vma(at));
  b.mm().put_user();
  v.expect(2, !b.has_vma(at));
  return v.result();
}

/// Promise 1: nobody gets a reference after the last one.
template <class Bench>
[[nodiscard]] broken_promises exited_processes_get_no_users(Bench& b) {
  verdict v{promises};
  b.exit();
  v.expect(1, !b.mm().get_user());
  return v.result();
}

/// Promises 3 and 4: the name of an address space.
template <class Bench>
[[nodiscard]] broken_promises ids_tell_address_spaces_apart(Bench& b) {
  verdict v{promises};
  svm::space_id const id = b.mm().id();
  v.expect(4, id != svm::space_id{});
  if constexpr (requires { b.other().mm(); }) v.expect(4, b.other().mm().id() != id);
  static_cast<void>(b.store(b.map(1).start(), 1));
  v.expect(3, b.mm().id() == id);
  b.exit();
  v.expect(3, b.mm().id() == id);
  return v.result();
}

/// Promises 5 and 6.
template <class Bench>
[[nodiscard]] broken_promises lookups_find_what_is_mapped(Bench& b) {
  verdict v{promises};
  svm::va_range const mappings[] = {b.map(4), b.map(2)};
  svm::shared_guard const guard{b.mm().map_lock()};
  for (svm::va_range const mapping : mappings)
    for (svm::cpu_va const a : {mapping.start(), mapping.last()}) {
      auto const found = b.mm().find_vma(a);
      v.expect(5, found && found->extent == mapping && found->readable && found->writable);
      auto const first = b.mm().find_first_vma(svm::va_range{a, svm::byte_count{1}});
      v.expect(6, first && first->extent == mapping && first->readable && first->writable);
    }
  return v.result();
}

/// Promises 5 and 6: to the byte.
template <class Bench>
[[nodiscard]] broken_promises lookups_find_nothing_beside(Bench& b) {
  verdict v{promises};
  svm::va_range const one = b.map(4);
  svm::shared_guard const guard{b.mm().map_lock()};
  for (svm::cpu_va const a : {one.start() - svm::byte_count{1}, one.last() + svm::byte_count{1}}) {
    v.expect(5, b.mm().find_vma(a).error() == svm::errc::no_vma);
    v.expect(6, b.mm().find_first_vma(svm::va_range{a, svm::byte_count{1}}).error() == svm::errc::no_vma);
  }
  return v.result();
}

/// Promise 6: of several, the lowest.
template <class Bench>
[[nodiscard]] broken_promises the_first_vma_is_the_lowest(Bench& b) {
  verdict v{promises};
  svm::va_range const one = b.map(4);
  svm::va_range const two = b.map(2);
  svm::va_range const low = one.start() < two.start() ? one : two;
  svm::shared_guard const guard{b.mm().map_lock()};
  auto const first = b.mm().find_first_vma(one.hull(two));
  v.expect(6, first && first->extent == low);
  return v.result();
}

/// Promise 14: of three pages the second is present, and stays the only one.
template <class Bench>
[[nodiscard]] broken_promises snapshots_fault_nothing_in(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  static_cast<void>(b.store(mm::page_at<Bench>(span, 1), 7));
  for (int again = 0; again < 2; ++again) {
    auto const seen = mm::look(b, span);
    v.expect(14, seen[0].place == svm::page_place::absent && seen[2].place == svm::page_place::absent);
  }
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises walks_make_every_page_present(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  static_cast<void>(b.store(mm::page_at<Bench>(span, 1), 7));
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  v.expect(8, mm::walk(b, w, span, svm::access_kind::read, somebody, found) == svm::errc::ok);
  for (auto const& one : mm::look(b, span)) v.expect(8, one.place == svm::page_place::system);
  return v.result();
}

/// Promise 9: so that a store needs no fault.
template <class Bench>
[[nodiscard]] broken_promises walks_for_writing_make_writable(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  static_cast<void>(mm::walk(b, w, span, svm::access_kind::read, somebody, found));
  v.expect(9, mm::walk(b, w, span, svm::access_kind::write, somebody, found) == svm::errc::ok);
  for (auto const& one : found)
    if (one.place == svm::page_place::system) v.expect(9, one.writable);
  return v.result();
}

/// Promise 10.
template <class Bench>
[[nodiscard]] broken_promises walks_say_why_they_fail(Bench& b) {
  verdict v{promises};
  mm::records_of<Bench> found;
  if constexpr (requires { b.map_read_only(std::size_t{1}); }) {
    svm::va_range const fixed = b.map_read_only(1);
    mm::watcher<Bench> w{b, fixed};
    v.expect(10, mm::walk(b, w, fixed, svm::access_kind::read, somebody, found) == svm::errc::ok);
    v.expect(10, mm::walk(b, w, fixed, svm::access_kind::write, somebody, found) == svm::errc::read_only);
  }
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  v.expect(10, mm::walk(b, w, span, svm::access_kind::read, somebody, found) == svm::errc::no_vma);
  return v.result();
}

/// Promise 16: page by page, for both walks.
template <class Bench>
[[nodiscard]] broken_promises walks_say_what_is_there(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  for (std::size_t const i : {2u, 0u, 1u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  auto const check = [&](mm::page_record<typename Bench::page> const& one, std::size_t i) {
    if (one.place == svm::page_place::absent) return;  // promise 8 or 15 is not kept
    v.expect(16, one.place == svm::page_place::system && mm::holds(b, one.page, i + 7));
    v.expect(16, one.owner == svm::nobody && one.owner_object == nullptr);
  };
  auto const seen = mm::look(b, span);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    check(seen[i], i);
    svm::va_range const one{mm::page_at<Bench>(span, i), mm::mm_of<Bench>::page_size};
    mm::records_of<Bench> found;
    if (mm::walk(b, w, one, svm::access_kind::read, somebody, found) == svm::errc::ok) check(found[0], i);
  }
  return v.result();
}

/// A mapping of six pages, four of them present. They became so from the last to the first, so that few mms have
/// neighbours in contiguous memory.
template <class Bench>
[[nodiscard]] svm::va_range map_with_holes(Bench& b) {
  svm::va_range const span = b.map(6);
  for (std::size_t const i : {5u, 3u, 2u, 0u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i));
  return span;
}
/// True when two walks report the same of a page; how they make runs is their own.
template <class Page>
[[nodiscard]] bool is_same(mm::page_record<Page> const& a, mm::page_record<Page> const& b) {
  return a.place == b.place && a.page == b.page && a.owner == b.owner && a.owner_object == b.owner_object;
}

/// Compares what walks of a span say with what walks of each page say: promises 15 and 17.
template <class Bench>
void check_runs(Bench& b, verdict& v, svm::va_range span) {
  auto const compare = [&](mm::records_of<Bench> const& one_by_one, mm::records_of<Bench> const& at_once) {
    for (std::size_t i = 0; i < one_by_one.size(); ++i)
      if (v.expect(15, at_once[i].place == one_by_one[i].place)) v.expect(17, at_once[i].page == one_by_one[i].page);
  };
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    compare(mm::look_locked(b, span), mm::snapshot_locked(b, span, mm::pages_in<Bench>(span)));
  }
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> at_once;
  if (mm::walk(b, w, span, svm::access_kind::read, somebody, at_once) != svm::errc::ok) return;
  mm::records_of<Bench> one_by_one;
  for (std::size_t i = 0; i < at_once.size(); ++i) {
    svm::va_range const page{mm::page_at<Bench>(span, i), mm::mm_of<Bench>::page_size};
    mm::records_of<Bench> one;
    if (mm::walk(b, w, page, svm::access_kind::read, somebody, one) != svm::errc::ok) return;
    one_by_one.push_back(one[0]);
  }
  compare(one_by_one, at_once);
}

/// Promises 15 and 17: for pages that are apart from each other, with holes between.
template <class Bench>
[[nodiscard]] broken_promises walks_report_every_page(Bench& b) {
  verdict v{promises};
  check_runs(b, v, map_with_holes(b));
  return v.result();
}

/// Promises 18 and 19: with less room than there are runs. What a walk adds although it should have stopped makes pages
/// look absent.
template <class Bench>
[[nodiscard]] broken_promises walks_stop_and_go_on(Bench& b) {
  verdict v{promises};
  using mm_type = mm::mm_of<Bench>;
  svm::va_range const span = map_with_holes(b);
  mm::watcher<Bench> w{b, span};
  svm::walk_request<typename mm_type::registration> request{span, svm::access_kind::read, somebody, w.registration, 0};
  auto const check = [&](std::size_t runs, bool by_snapshot) {
    mm::records_of<Bench> whole;
    mm::records_of<Bench> so_far;
    auto const walk = [&](std::size_t room, mm::records_of<Bench>& out, auto&& after_step) {
      return mm::walk_by_steps<Bench>(room, span, out, [&](svm::va_range rest, auto& sink) {
        after_step();
        request.span = rest;
        request.sequence = b.mm().read_begin(w.registration);
        svm::shared_guard const guard{b.mm().map_lock()};  // dropped from step to step
        if (!by_snapshot) return b.mm().fault_in(request, sink);
        b.mm().snapshot(rest, sink);
        return svm::errc::ok;
      });
    };
    if (walk(mm::pages_in<Bench>(span), whole, [] {}) != svm::errc::ok) return;
    std::size_t first_step = 0;
    if (!v.expect(18, walk(runs, so_far, [&] {
                        if (first_step == 0) first_step = so_far.size();
                      }) == svm::errc::ok))
      return;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      bool const is_right = is_same(so_far[i], whole[i]);
      if (first_step == 0 || i < first_step)
        v.expect(18, is_right);
      else
        v.expect(19, is_right);
      if (!is_right) return;
    }
  };
  for (std::size_t const runs : {1u, 2u, 3u}) check(runs, true);
  static_cast<void>(b.store(mm::page_at<Bench>(span, 4), 4));
  static_cast<void>(b.store(mm::page_at<Bench>(span, 1), 1));
  for (std::size_t const runs : {1u, 2u}) check(runs, false);
  return v.result();
}

/// Promises 15 and 17: for a block, also when a walk begins and ends inside it.
template <class Bench>
[[nodiscard]] broken_promises walks_report_blocks(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.map_large(); }) {
    mm::large_mapping<Bench> const m{b};
    m.store(b);
    check_runs(b, v, m.span);
    check_runs(b, v, {mm::page_at<Bench>(m.span, 1), mm::mm_of<Bench>::page_size * (m.pages - 2)});
  }
  return v.result();
}

/// Promise 20: counting from a page goes on from where it came.
template <class Bench>
[[nodiscard]] broken_promises pages_are_counted(Bench& b) {
  using mm_type = mm::mm_of<Bench>;
  verdict v{promises};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  auto const first = mm::look(b, span)[0].page;
  v.expect(20, mm_type::page_at(first, 0) == first);
  v.expect(20, mm_type::page_at(mm_type::page_at(first, 2), 3) == mm_type::page_at(first, 5));
  for (std::uint64_t n = 1; n < 6; ++n) v.expect(20, mm_type::page_at(first, n) != first);
  if constexpr (requires { b.nth(first, b.map_large().size().value); }) {
    mm::large_mapping<Bench> const m{b};
    m.store(b);
    auto const block = mm::look(b, m.span)[0].page;
    for (std::size_t i = 0; i < m.pages; ++i) v.expect(20, mm_type::page_at(block, i) == b.nth(block, i));
  }
  return v.result();
}

/// Promise 21: no function takes a lock that comes before one with which it is called.
template <class Bench>
[[nodiscard]] broken_promises walks_run_under_the_map_lock(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    svm::va_range const span = b.map(1);
    mm::watcher<Bench> w{b, span};
    v.expect(21, in_order(b, [&] {
               held_lock<Bench, svm::lock_rank::range> const range;
               static_cast<void>(b.mm().get_user());
             }));
    v.expect(21, in_order(b, [&] { b.mm().put_user(); }));
    std::uint64_t const sequence = b.mm().read_begin(w.registration);
    held_lock<Bench, svm::lock_rank::vm> const vm;
    held_lock<Bench, svm::lock_rank::range> const range;
    svm::shared_guard const guard{b.mm().map_lock()};
    v.expect(21, in_order(b, [&] { static_cast<void>(b.mm().id()); }));
    v.expect(21, in_order(b, [&] { static_cast<void>(b.mm().find_vma(span.start())); }));
    v.expect(21, in_order(b, [&] { static_cast<void>(b.mm().find_first_vma(span)); }));
    v.expect(21, in_order(b, [&] { static_cast<void>(mm::look_locked(b, span)); }));
    v.expect(21, in_order(b, [&] {
               mm::records_of<Bench> found;
               static_cast<void>(mm::walk_locked(b, w, span, sequence, svm::access_kind::read, somebody, found, 1));
             }));
  }
  return v.result();
}

/// Says what a bench of this suite lacks.
template <class Bench>
[[nodiscard]] constexpr bool has_all() {
  static_assert(
      requires { typename Bench::page; }, "svm: a bench of address_space needs a type `page`");
  static_assert(
      requires(Bench & b) { b.mm().find_vma(svm::cpu_va{}); },
      "svm: a bench of address_space needs `mm()`, which returns the model");
  static_assert(
      requires(Bench & b) { b.unmap(b.map(std::size_t{1})); },
      "svm: a bench of address_space needs `va_range map(std::size_t)` and `void unmap(va_range)`");
  static_assert(
      requires(Bench & b, svm::cpu_va a) { b.store(a, *b.load(a)); },
      "svm: a bench of address_space needs `bool store(cpu_va, std::uint64_t)` and "
      "`std::optional<std::uint64_t> load(cpu_va)`");
  static_assert(
      requires(Bench & b, svm::cpu_va a) { static_cast<bool>(b.has_vma(a)); },
      "svm: a bench of address_space needs `bool has_vma(cpu_va)`");
  static_assert(
      requires(Bench & b) { b.exit(); }, "svm: a bench of address_space needs `void exit()`");
  static_assert(
      requires(Bench & b, typename Bench::page p) { b.is_live(p) && b.peek(p) == 0; },
      "svm: a bench of address_space needs `bool is_live(page)` and `std::uint64_t peek(page)`");
  return true;
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  static_assert(has_all<mm::bench_of<Make>>());
  broken_promises all;
  all.add(user_references_keep_the_process(*make()));
  all.add(exited_processes_get_no_users(*make()));
  all.add(ids_tell_address_spaces_apart(*make()));
  all.add(lookups_find_what_is_mapped(*make()));
  all.add(lookups_find_nothing_beside(*make()));
  all.add(the_first_vma_is_the_lowest(*make()));
  all.add(snapshots_fault_nothing_in(*make()));
  all.add(walks_make_every_page_present(*make()));
  all.add(walks_for_writing_make_writable(*make()));
  all.add(walks_say_why_they_fail(*make()));
  all.add(walks_say_what_is_there(*make()));
  all.add(walks_report_every_page(*make()));
  all.add(walks_stop_and_go_on(*make()));
  all.add(walks_report_blocks(*make()));
  all.add(pages_are_counted(*make()));
  all.add(walks_run_under_the_map_lock(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::address_space

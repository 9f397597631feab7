// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of the address space of a model of `svm::mm` (see verdict.hpp): users, lookups and walks. A model with
// notifiers and no page migration takes this suite and interval_notifier.hpp. An address space changes only with what
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
//  1. checked; under which locks the functions are called shows where the bench tells of locks, here and below.
//  2. checked: both lookups agree. That others cannot change anything meanwhile needs their threads.
//  3. checked, but for no_ram and busy, and for the copy that a write needs after a fork; what becomes of device pages
//     is checked with page migration.

#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::address_space {

/// The promises of `svm::mm` that are about the address space.
// clang-format off
inline constexpr promise_table<3> promises{"mm", {{
    {1, "the address space lives while a user reference is held, and its id is its own and never changes"},
    {2, "`find_vma` and `find_first_vma` tell what is mapped"},
    {3, "`fault_in` makes every page of the span present or says why not, and `snapshot` faults nothing in"},
}}};
// clang-format on

/// Walks here are for a device that reaches no device memory of this machine.
inline constexpr svm::page_owner somebody{~std::uint32_t{0}, 1};

/// Promise 1: while a reference is held the process does not exit.
template <class Bench>
[[nodiscard]] broken_promises user_references_keep_the_process(Bench& b) {
  verdict v{promises};
  svm::cpu_va const at = b.map(1).start();
  v.expect(1, b.store(at, 1));
  if (!v.expect(1, b.mm().get_user())) return v.result();
  b.exit();
  v.expect(1, b.has_vma(at));
  b.mm().put_user();
  v.expect(1, !b.has_vma(at));
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

/// Promise 1: the name of an address space.
template <class Bench>
[[nodiscard]] broken_promises ids_tell_address_spaces_apart(Bench& b) {
  verdict v{promises};
  svm::space_id const id = b.mm().id();
  v.expect(1, id != svm::space_id{});
  if constexpr (requires { b.other().mm(); }) v.expect(1, b.other().mm().id() != id);
  static_cast<void>(b.store(b.map(1).start(), 1));
  v.expect(1, b.mm().id() == id);
  b.exit();
  v.expect(1, b.mm().id() == id);
  return v.result();
}

/// Promise 2.
template <class Bench>
[[nodiscard]] broken_promises lookups_find_what_is_mapped(Bench& b) {
  verdict v{promises};
  svm::va_range const mappings[] = {b.map(4), b.map(2)};
  svm::shared_guard const guard{b.mm().map_lock()};
  for (svm::va_range const mapping : mappings)
    for (svm::cpu_va const a : {mapping.start(), mapping.last()}) {
      auto const found = b.mm().find_vma(a);
      v.expect(2, found && found->extent == mapping && found->readable && found->writable);
      auto const first = b.mm().find_first_vma(svm::va_range{a, svm::byte_count{1}});
      v.expect(2, first && first->extent == mapping);
    }
  return v.result();
}

/// Promise 2: to the byte.
template <class Bench>
[[nodiscard]] broken_promises lookups_find_nothing_beside(Bench& b) {
  verdict v{promises};
  svm::va_range const one = b.map(4);
  svm::shared_guard const guard{b.mm().map_lock()};
  for (svm::cpu_va const a : {one.start() - svm::byte_count{1}, one.last() + svm::byte_count{1}}) {
    v.expect(2, b.mm().find_vma(a).error() == svm::errc::no_vma);
    v.expect(2, b.mm().find_first_vma(svm::va_range{a, svm::byte_count{1}}).error() == svm::errc::no_vma);
  }
  return v.result();
}

/// Promise 2: of several, the lowest.
template <class Bench>
[[nodiscard]] broken_promises the_first_vma_is_the_lowest(Bench& b) {
  verdict v{promises};
  svm::va_range const one = b.map(4);
  svm::va_range const two = b.map(2);
  svm::va_range const low = one.start() < two.start() ? one : two;
  svm::shared_guard const guard{b.mm().map_lock()};
  auto const first = b.mm().find_first_vma(one.hull(two));
  v.expect(2, first && first->extent == low);
  return v.result();
}

/// Promise 3: of three pages the second is present.
template <class Bench>
[[nodiscard]] broken_promises snapshots_fault_nothing_in(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  v.expect(3, b.store(mm::page_at<Bench>(span, 1), 7));
  for (int again = 0; again < 2; ++again) {
    auto const seen = mm::look(b, span);
    v.expect(3, seen[0].place == svm::page_place::absent && seen[2].place == svm::page_place::absent);
    v.expect(3, seen[1].place == svm::page_place::system && mm::holds(b, seen[1].page, 7));
  }
  return v.result();
}

/// Promise 3.
template <class Bench>
[[nodiscard]] broken_promises walks_make_every_page_present(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  v.expect(3, b.store(mm::page_at<Bench>(span, 1), 7));
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  v.expect(3, mm::walk(b, w, span, svm::access_kind::read, somebody, found) == svm::errc::ok);
  for (auto const& one : found) v.expect(3, one.place == svm::page_place::system && b.is_live(one.page));
  v.expect(3, mm::holds(b, found[1].page, 7));
  return v.result();
}

/// Promise 3: so that a store needs no fault.
template <class Bench>
[[nodiscard]] broken_promises walks_for_writing_make_writable(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  static_cast<void>(mm::walk(b, w, span, svm::access_kind::read, somebody, found));
  v.expect(3, mm::walk(b, w, span, svm::access_kind::write, somebody, found) == svm::errc::ok);
  for (auto const& one : found) v.expect(3, one.place == svm::page_place::system && one.writable);
  return v.result();
}

/// Promise 3: with the reason.
template <class Bench>
[[nodiscard]] broken_promises walks_say_why_they_fail(Bench& b) {
  verdict v{promises};
  mm::records_of<Bench> found;
  if constexpr (requires { b.map_read_only(std::size_t{1}); }) {
    svm::va_range const fixed = b.map_read_only(1);
    mm::watcher<Bench> w{b, fixed};
    v.expect(3, mm::walk(b, w, fixed, svm::access_kind::read, somebody, found) == svm::errc::ok);
    v.expect(3, mm::walk(b, w, fixed, svm::access_kind::write, somebody, found) == svm::errc::read_only);
  }
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  v.expect(3, mm::walk(b, w, span, svm::access_kind::read, somebody, found) == svm::errc::no_vma);
  return v.result();
}

/// Promise 3: a run never has more pages than the walk saw.
template <class Bench>
[[nodiscard]] broken_promises walks_report_blocks(Bench& b) {
  verdict v{promises};
  if constexpr (requires(typename Bench::page p) { b.nth(p, b.map_large().size().value); }) {
    mm::large_mapping<Bench> const m{b};
    m.store(b);
    mm::watcher<Bench> w{b, m.span};
    auto const check = [&](mm::records_of<Bench> const& seen) {
      for (std::size_t i = 0; i < seen.size(); ++i) {
        v.expect(3, seen[i].run <= seen.size() - i);
        v.expect(3, seen[i].place == svm::page_place::system && seen[i].page == b.nth(seen[0].page, i));
      }
    };
    mm::records_of<Bench> found;
    v.expect(3, mm::walk(b, w, m.span, svm::access_kind::write, somebody, found) == svm::errc::ok);
    check(found);
    v.expect(3, found[0].run == m.pages);
    check(mm::look(b, m.span));
    svm::va_range const part{mm::page_at<Bench>(m.span, 1), mm::mm_of<Bench>::page_size * (m.pages - 2)};
    v.expect(3, mm::walk(b, w, part, svm::access_kind::read, somebody, found) == svm::errc::ok);
    check(found);
    check(mm::look(b, part));
  }
  return v.result();
}

/// Promises 1 to 3: no function takes a lock that comes before one with which it is called.
template <class Bench>
[[nodiscard]] broken_promises walks_run_under_the_map_lock(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    svm::va_range const span = b.map(1);
    mm::watcher<Bench> w{b, span};
    v.expect(1, in_order(b, [&] {
               held_lock<Bench, svm::lock_rank::range> const range;
               static_cast<void>(b.mm().get_user());
             }));
    v.expect(1, in_order(b, [&] { b.mm().put_user(); }));
    std::uint64_t const sequence = b.mm().read_begin(w.registration);
    held_lock<Bench, svm::lock_rank::vm> const vm;
    held_lock<Bench, svm::lock_rank::range> const range;
    svm::shared_guard const guard{b.mm().map_lock()};
    v.expect(1, in_order(b, [&] { static_cast<void>(b.mm().id()); }));
    v.expect(2, in_order(b, [&] { static_cast<void>(b.mm().find_vma(span.start())); }));
    v.expect(2, in_order(b, [&] { static_cast<void>(b.mm().find_first_vma(span)); }));
    v.expect(3, in_order(b, [&] { static_cast<void>(mm::look_locked(b, span)); }));
    v.expect(3, in_order(b, [&] {
               mm::records_of<Bench> found;
               static_cast<void>(mm::walk_locked(b, w, span, sequence, svm::access_kind::read, somebody, found));
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
  all.add(walks_report_blocks(*make()));
  all.add(walks_run_under_the_map_lock(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::address_space

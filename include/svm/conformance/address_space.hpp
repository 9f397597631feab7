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
// 13. checked with page migration.
// 14. checked.
// 15. checked: a walk of several pages finds what walks of each page find.
// 16. checked; with the device pages of two devices, where the bench has them, with page migration.
// 17. checked, with blocks where the bench has them.
// 18. checked, with room for fewer runs than there are.
// 19. checked so, with the map lock dropped between.
// 20. checked, with blocks where the bench has them; beyond the end of contiguous memory it is not.
// 21. checked where the bench tells of locks.

#include <svm/conformance/impl/space_promises.hpp>
#include <svm/conformance/impl/walks.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::address_space {

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

/// Promise 20: counting from a page goes on from where it came.
template <class Bench>
[[nodiscard]] broken_promises pages_are_counted(Bench& b) {
  using mm_type = mm::mm_of<Bench>;
  verdict v{promises};
  svm::va_range const span = b.map(1);
  static_cast<void>(b.store(span.start(), 7));
  auto const first = mm::look(b, span)[0].page;
  constexpr std::uint64_t count = 6;
  for (std::uint64_t n = 0; n < count; ++n) {
    v.expect(20, (mm_type::page_at(first, n) == first) == (n == 0));
    for (std::uint64_t m = 0; n + m < count; ++m)
      v.expect(20, mm_type::page_at(mm_type::page_at(first, n), m) == mm_type::page_at(first, n + m));
  }
  if constexpr (requires { b.nth(first, b.map_large().size().value); }) {
    mm::large_mapping<Bench> const m{b};
    m.store(b);
    auto const block = mm::look(b, m.span)[0].page;
    for (std::size_t i = 0; i < m.pages; ++i)
      v.expect(20, mm_type::page_at(block, std::uint64_t{i}) == b.nth(block, i));
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

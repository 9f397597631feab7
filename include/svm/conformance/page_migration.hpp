// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::page_migration` (see verdict.hpp). The suite takes the bench of
// address_space.hpp, with this beside. Its mappings are anonymous:
//
//       my_process& other();                              // a second process: mm, map, unmap, store and load
//       void poke(page, std::uint64_t);                   // the first word
//       void set_locked(page, bool);                      // by somebody else
//       void set_pinned(page, bool);
//       std::vector<page> device_pages(std::size_t);      // free pages of device memory
//       svm::page_owner owner();                          // of that memory
//       // All of these may be left out.
//       void share(svm::va_range);                        // some other process maps the pages too from now on
//       void swap_out(svm::cpu_va);
//       std::vector<page> stranger_pages(std::size_t);    // of device memory of another group
//       svm::page_owner stranger_owner();
//       page coherent_page();                             // a free page of device memory that the CPU reaches
//       page device_block(svm::page_order);               // a free one; for those who have map_large
//
//     CHECK(svm::conformance::page_migration::check_all([] { return std::make_unique<my_bench>(); }) == kept);
//
//  1. checked.
//  2. checked; with the pages of another device where the bench has them.
//  3. checked.
//  4. checked; shared and swapped pages where the bench has them.
//  5. checked where the bench has blocks.
//  6. checked, with two processes, one of which exits.
//  7. checked, with two processes.
//  8. checked, with a CPU fault in the second process.
//  9. checked, both ways, for holes, and for blocks where the bench has them.
// 10. checked where the bench has blocks.
// 11. checked where the bench has blocks.
// 12. checked, for whole blocks and split ones too.
// 13. checked for what did not move.
// 14. checked.
// 15. checked where nothing was installed.
// 16. checked, both ways.
// 17. checked, but that a new block is locked.
// 18. checked likewise.
// 19. checked.
// 20. checked where the bench has such a page.
// 21. checked.
// 22. checked: a page goes although there are copies.
// 23. checked.
// 24. checked where the bench tells of locks.
//
// Of a model that `collects_into_destination`:
//
// 25. checked.
// 26. checked.
// 27. checked where the bench has blocks.
// 28. checked, for blocks too where the bench has them.
// 29. checked.
// 30. checked.
//
// 31. checked where the model `collects_masks` and does not collect into destinations.
//
// 32. checked where the model is a `clearing_mm`, by the first word of each page; for blocks too where the bench has them.
//
// The suite also has the checks of an address space that need device pages.

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/impl/blocks.hpp>
#include <svm/conformance/impl/collect.hpp>
#include <svm/conformance/impl/collect_into.hpp>
#include <svm/conformance/impl/collect_masks.hpp>
#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/impl/move.hpp>
#include <svm/conformance/impl/pages.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::page_migration {

/// Says what a bench of this suite lacks.
template <class Bench>
[[nodiscard]] constexpr bool has_all() {
  static_assert(
      requires(Bench & b, svm::cpu_va a) {
        b.other().mm().id();
        b.other().unmap(b.other().map(std::size_t{1}));
        b.other().store(a, *b.other().load(a));
      },
      "svm: a bench of page_migration needs `other()`, a second process with mm, map, unmap, store and load");
  static_assert(
      requires(Bench & b, typename Bench::page p) { b.poke(p, std::uint64_t{}); },
      "svm: a bench of page_migration needs `void poke(page, std::uint64_t)`");
  static_assert(
      requires(Bench & b, typename Bench::page p) {
        b.set_locked(p, true);
        b.set_pinned(p, true);
      },
      "svm: a bench of page_migration needs `void set_locked(page, bool)` and `void set_pinned(page, bool)`");
  static_assert(
      requires(Bench & b, typename Bench::page & p) { p = b.device_pages(std::size_t{1})[0]; },
      "svm: a bench of page_migration needs `std::vector<page> device_pages(std::size_t)`");
  static_assert(
      requires(Bench & b, svm::page_owner & who) { who = b.owner(); },
      "svm: a bench of page_migration needs `page_owner owner()`");
  return true;
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  using bench = mm::bench_of<Make>;
  static_assert(address_space::has_all<bench>() && has_all<bench>());
  broken_promises all;
  all.add(lookups_say_what_may_migrate(*make()));
  all.add(walks_leave_what_is_in_reach(*make()));
  all.add(walks_bring_back_what_is_out_of_reach(*make()));
  all.add(walks_bring_all_pages_back(*make()));
  all.add(collect_takes_pages_and_holes_out(*make()));
  all.add(collect_tells_of_the_migration(*make()));
  if constexpr (svm::collects_masks<mm::mm_of<bench>> && !svm::collects_into_destination<mm::mm_of<bench>>)
    all.add(collect_leaves_what_is_outside(*make()));
  all.add(collect_refuses_what_is_in_use(*make()));
  all.add(collect_takes_what_is_in_reach(*make()));
  all.add(each_page_has_its_own_owner(*make()));
  all.add(collect_leaves_pages_of_strangers(*make()));
  all.add(collect_refuses_what_is_not_its_own(*make()));
  all.add(named_pages_are_taken_or_refused(*make()));
  all.add(scopes_are_of_the_space_that_they_name(*make()));
  all.add(pages_of_others_are_taken_out_of_their_tables(*make()));
  all.add(exited_processes_collect_for_others(*make()));
  all.add(faults_take_their_own_page(*make()));
  all.add(migrations_move_the_mappings(*make()));
  all.add(holes_are_filled(*make()));
  all.add(page_tables_take_over_destinations(*make()));
  all.add(migrations_move_back(*make()));
  all.add(mappings_of_others_move(*make()));
  all.add(migrations_that_end_early_restore(*make()));
  all.add(system_pages_are_made_and_let_go(*make()));
  if constexpr (svm::clearing_mm<mm::mm_of<bench>>) all.add(pages_are_cleared(*make()));
  all.add(device_pages_are_adopted_and_let_go(*make()));
  all.add(owners_stand_behind_their_pages(*make()));
  all.add(coherent_pages_stay(*make()));
  all.add(handles_are_values(*make()));
  all.add(migrations_run_under_the_librarys_locks(*make()));
  if constexpr (mm::collects_into_places<bench>) all.add(check_places(make));
  if constexpr (requires(bench & b) { b.device_block(svm::page_order{}); }) all.add(check_blocks(make));
  return all;
}

}  // namespace svm::inline v0::conformance::page_migration

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::pagemap` (see verdict.hpp). The suite takes a bench, a new one for each check,
// with at least 256 KiB of device memory that nobody uses:
//
//     struct my_bench {
//       using pagemap_type = my_vram;
//       using page = my_mm::page;
//       static constexpr svm::byte_count page_size;
//       my_vram& pagemap();
//       my_gpu& device();                                 // whose memory it is
//       std::uint64_t peek(page);                         // the first word of a page of either kind
//       void poke(page, std::uint64_t);
//       page system_page(std::uint64_t);                  // a new page of system memory; its first word
//       svm::device_address dma_address(page, svm::page_order);  // of a system block, mapped both ways for the device
//       std::optional<std::uint64_t> device_read(svm::device_address const&);  // the first word, as the device sees it
//       // All of these may be left out.
//       void fail_copy();                                 // the next job
//       void unplug();
//       page nth(page first, std::size_t);                // a page of a block
//       page system_block(svm::page_order, std::uint64_t);  // the first words are the value, value + 1, ...
//       my_gpu& peer();                                   // another device of the group
//       my_vram& peer_pagemap();
//       std::optional<std::uint64_t> peer_read(svm::device_address const&);
//       my_vram& stranger_pagemap();                      // the memory of a device of another group
//       using lock_type = my_lock;                        // a lock policy that sees who takes locks out of order
//       std::size_t lock_complaints();                    // how often it did so far
//     };
//     CHECK(svm::conformance::pagemap::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
//  1. checked, with an unplugged device where the bench has one.
//  2. checked likewise.
//  3. checked, against other pagemaps where the bench has them.
//  4. checked.
//  5. checked.
//  6. checked, against other pagemaps where the bench has them. Failure is the model's own.
//  7. checked.
//  8. checked: it lies inside the allocation, and is its next pages where the bench can tell.
//  9. checked: the memory can be had again.
// 10. checked for a `piecewise_pagemap`.
// 11. checked in both directions; with blocks, and with the memory of a peer, where the bench has them.
// 12. checked where the bench lets one fail.
// 13. checked with single pages, for the own device and for a peer.
// 14. not checked: no bench lets one fail.
// 15. checked likewise, for the own device and for a peer.
// 16. checked.
// 17. checked.
// 18. checked against other pagemaps where the bench has them; `owners_are_right` compares two of one mm.
// 19. checked likewise.
// 20. checked where the bench tells of locks.

#include <svm/conformance/impl/copies.hpp>
#include <svm/conformance/impl/lock_watch.hpp>
#include <svm/conformance/impl/pagemap_promises.hpp>
#include <svm/conformance/verdict.hpp>

#include <svm/concepts/pagemap.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::pagemap {

/// Promises 1 to 4.
template <class Bench>
[[nodiscard]] broken_promises allocations_are_whole_and_clear(Bench& b) {
  verdict v{promises};
  svm::byte_count const before = b.pagemap().available();
  v.expect(3, before <= b.pagemap().capacity());
  auto const too_large = b.pagemap().allocate(b.pagemap().capacity() + Bench::page_size);
  if (!v.expect(1, too_large.error() == svm::errc::no_device_memory)) return v.result();
  v.expect(2, b.pagemap().available() == before);
  for (int again = 0; again < 2; ++again) {
    svm::byte_count const left = b.pagemap().available();
    allocation<Bench> a{b, 3};
    if (!a.good || !a.clear()) return v.result();
    v.expect(3, b.pagemap().available() == left - Bench::page_size * 3);
    for (auto const p : a.pages) {
      v.expect(4, b.peek(p) == 0);
      b.poke(p, 99);  // must not be seen by the next owner
    }
  }
  return v.result();
}

/// Promises 4 and 5: a copy comes after the clearing, and what no copy fills is clear.
template <class Bench>
[[nodiscard]] broken_promises clearing_comes_before_copies(Bench& b) {
  verdict v{promises};
  {
    allocation<Bench> a{b, 2};
    if (!a.good || !a.clear()) return v.result();
    for (auto const p : a.pages) b.poke(p, 99);
  }
  allocation<Bench> a{b, 2};
  if (!a.good) return v.result();
  job_of<Bench> const job{{b.dma_address(b.system_page(5), svm::page_order{}), a.pages[0]}};
  if (b.pagemap().copy_to_device(std::span{job}) != svm::errc::ok) return v.result();
  if (b.peek(a.pages[0]) != 5) return v.result();  // promise 11 is not kept
  if (!a.clear()) return v.result();               // it may fail
  v.expect(5, b.peek(a.pages[0]) == 5);
  v.expect(4, b.peek(a.pages[1]) == 0);
  return v.result();
}

/// Promises 1 and 2: without its device there is no memory.
template <class Bench>
[[nodiscard]] broken_promises unplugged_memory_is_gone(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.unplug(); }) {
    svm::byte_count const before = b.pagemap().available();
    b.unplug();
    v.expect(1, b.pagemap().allocate(Bench::page_size).error() == svm::errc::device_gone);
    v.expect(2, b.pagemap().available() == before);
  }
  return v.result();
}

/// Promises 6 and 7.
template <class Bench>
[[nodiscard]] broken_promises pages_are_named_in_order(Bench& b) {
  verdict v{promises};
  allocation<Bench> a{b, 4};
  allocation<Bench> c{b, 4};
  if (!a.good || !c.good) return v.result();
  for (auto* const one : {&a, &c}) {
    auto const again = one->again();
    v.expect(7, again.size() == one->named.size());
    for (std::size_t i = 0; i < again.size(); ++i)
      v.expect(7, again[i].page == one->named[i].page && again[i].order == one->named[i].order);
  }
  std::vector<typename Bench::page> all = a.pages;
  all.insert(all.end(), c.pages.begin(), c.pages.end());
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) v.expect(6, !(all[i] == all[k]));
  return v.result();
}

/// Promise 8, for the blocks that pages begin.
template <class Bench>
[[nodiscard]] broken_promises blocks_lie_inside_the_allocation(Bench& b) {
  verdict v{promises};
  for (std::size_t const count : {1u, 3u, 16u}) {
    allocation<Bench> const a{b, count};
    if (!a.good) return v.result();
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t const pages = a.named[i].order.pages().value;
      if (!v.expect(8, pages <= count - i)) continue;
      if constexpr (requires { b.nth(a.pages[i], i); })
        for (std::size_t k = 0; k < pages; ++k) v.expect(8, b.nth(a.pages[i], k) == a.pages[i + k]);
    }
  }
  return v.result();
}

/// Promises 3, 6 and 9, for a pagemap beside: each has memory of its own.
template <class Bench>
void expect_own_memory(verdict& v, Bench& b, typename Bench::pagemap_type& other) {
  svm::byte_count const left = other.available();
  allocation<Bench> const a{b, 2};
  if (!a.good) return;
  v.expect(3, other.available() == left);
  auto memory = other.allocate(Bench::page_size);
  svm::device_page<typename Bench::page> far{};
  if (!memory) return;
  if (other.pages(*memory, std::span{&far, 1}) == svm::errc::ok)
    for (auto const p : a.pages) v.expect(6, !(p == far.page));
  svm::byte_count const ours = b.pagemap().available();
  other.release(*memory);
  v.expect(9, b.pagemap().available() == ours);
}
/// What one pagemap gives out another still has.
template <class Bench>
[[nodiscard]] broken_promises pagemaps_do_not_share_memory(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.peer_pagemap(); }) expect_own_memory(v, b, b.peer_pagemap());
  if constexpr (requires { b.stranger_pagemap(); }) expect_own_memory(v, b, b.stranger_pagemap());
  return v.result();
}

/// Promise 9.
template <class Bench>
[[nodiscard]] broken_promises released_memory_can_be_had_again(Bench& b) {
  verdict v{promises};
  svm::byte_count const before = b.pagemap().available();
  for (int round = 0; round < 3; ++round) {
    auto all = b.pagemap().allocate(before);
    if (!v.expect(9, all.has_value())) return v.result();
    b.pagemap().release(*all);
    v.expect(9, b.pagemap().available() == before);
  }
  return v.result();
}

/// Promise 10: what goes in pieces goes once.
template <class Bench>
[[nodiscard]] broken_promises pieces_are_released_once(Bench& b) {
  verdict v{promises};
  if constexpr (svm::piecewise_pagemap<typename Bench::pagemap_type, typename Bench::page>) {
    svm::byte_count const before = b.pagemap().available();
    {
      allocation<Bench> a{b, 4};
      if (!a.good) return v.result();
      svm::byte_count const taken = before - b.pagemap().available();
      b.pagemap().release_pages(a.memory(), a.pages[1], svm::page_order{});
      v.expect(10, b.pagemap().available() == before - taken + Bench::page_size);
      b.pagemap().release_pages(a.memory(), a.pages[3], svm::page_order{});
      v.expect(10, b.pagemap().available() == before - taken + Bench::page_size * 2);
    }
    v.expect(10, b.pagemap().available() == before);
    auto all = b.pagemap().allocate(before);
    v.expect(10, all.has_value());
    if (all) b.pagemap().release(*all);
  }
  return v.result();
}

/// Promises 13 and 15.
template <class Bench>
[[nodiscard]] broken_promises maps_make_reachable(Bench& b) {
  verdict v{promises};
  allocation<Bench> a{b, 2};
  if (!a.good || !a.clear()) return v.result();
  constexpr auto both_ways = svm::dma_direction::bidirectional;
  for (std::size_t i = 0; i < 2; ++i) {
    b.poke(a.pages[i], i + 5);
    auto const one = b.pagemap().map(b.device(), a.pages[i], svm::page_count{1}, both_ways);
    auto const two = b.pagemap().map(b.device(), a.pages[i], svm::page_count{1}, both_ways);
    if (!one || !two) return v.result();  // it may fail
    v.expect(13, b.device_read(*one) == i + 5);
    bool const has_other = b.device_read(*two) == i + 5;
    b.pagemap().unmap(b.device(), *one);
    if (has_other) v.expect(15, b.device_read(*two) == i + 5);
    b.pagemap().unmap(b.device(), *two);
  }
  return v.result();
}

/// Promises 13 and 15, for a peer.
template <class Bench>
[[nodiscard]] broken_promises maps_make_reachable_for_peers(Bench& b) {
  verdict v{promises};
  if constexpr (requires(svm::device_address const& a) { b.peer_read(a); }) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    allocation<Bench> a{b, 1};
    if (!a.good || !a.clear()) return v.result();
    b.poke(a.pages[0], 5);
    auto const own = b.pagemap().map(b.device(), a.pages[0], svm::page_count{1}, both_ways);
    auto const theirs = b.pagemap().map(b.peer(), a.pages[0], svm::page_count{1}, both_ways);
    if (!own || !theirs) return v.result();  // it may fail
    v.expect(13, own->path == svm::interconnect::local && theirs->path != svm::interconnect::local);
    if (!v.expect(13, b.peer_read(*theirs) == 5)) return v.result();
    bool const has_own = b.device_read(*own) == 5;
    b.pagemap().unmap(b.peer(), *theirs);
    if (has_own) v.expect(15, b.device_read(*own) == 5);
    auto const again = b.pagemap().map(b.peer(), a.pages[0], svm::page_count{1}, both_ways);
    b.pagemap().unmap(b.device(), *own);
    if (!again) return v.result();
    v.expect(15, b.peer_read(*again) == 5);
    b.pagemap().unmap(b.peer(), *again);
  }
  return v.result();
}

/// Promises 16 and 17.
template <class Bench>
[[nodiscard]] broken_promises owner_is_somebody(Bench& b) {
  verdict v{promises};
  svm::page_owner const before = b.pagemap().owner();
  v.expect(16, before.group != svm::nobody.group);
  allocation<Bench> const a{b, 1};
  v.expect(17, b.pagemap().owner() == before);
  return v.result();
}
/// Promises 18 and 19.
///
/// \param linked  whether their devices reach each other's memory
template <class P>
[[nodiscard]] broken_promises owners_are_right(P& one, P& other, bool linked) {
  verdict v{promises};
  if (one.owner() == svm::nobody) return v.result();  // promise 16 is not kept
  if (v.expect(18, one.owner() != other.owner())) v.expect(19, linked || !one.owner().reaches(other.owner()));
  return v.result();
}

/// Promises 18 and 19, against a pagemap of the group and one of another group.
template <class Bench>
[[nodiscard]] broken_promises owners_tell_pagemaps_apart(Bench& b) {
  broken_promises all;
  if constexpr (requires { b.peer_pagemap(); }) {
    verdict v{promises};
    if (b.pagemap().owner() != svm::nobody) v.expect(19, b.peer_pagemap().owner().reaches(b.pagemap().owner()));
    all.add(v.result());
    all.add(owners_are_right(b.pagemap(), b.peer_pagemap(), true));
  }
  if constexpr (requires { b.stranger_pagemap(); }) all.add(owners_are_right(b.pagemap(), b.stranger_pagemap(), false));
  return all;
}

/// Promise 20: no function takes a lock that comes before one with which it is called.
template <class Bench>
[[nodiscard]] broken_promises calls_run_under_the_librarys_locks(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    auto const system = b.system_page(7);
    job_of<Bench> job{{b.dma_address(system, svm::page_order{}), typename Bench::page{}}};
    held_lock<Bench, svm::lock_rank::range> const range;
    held_lock<Bench, svm::lock_rank::eviction> const eviction;
    std::size_t const before = b.lock_complaints();
    auto memory = b.pagemap().allocate(Bench::page_size);
    v.expect(20, b.lock_complaints() == before);
    svm::device_page<typename Bench::page> one{};
    if (!memory || b.pagemap().pages(*memory, std::span{&one, 1}) != svm::errc::ok) return v.result();
    job[0].local = one.page;
    std::span<svm::copy_block<typename Bench::page> const> const all{job};
    {
      held_lock<Bench, svm::lock_rank::mm> const map;
      held_lock<Bench, svm::lock_rank::page> const page;
      v.expect(20, in_order(b, [&] { static_cast<void>(b.pagemap().copy_to_device(all)); }));
      v.expect(20, in_order(b, [&] { static_cast<void>(b.pagemap().copy_to_system(all)); }));
    }
    held_lock<Bench, svm::lock_rank::notifier> const notifier;
    v.expect(20, in_order(b, [&] {
               auto const a = b.pagemap().map(b.device(), one.page, svm::page_count{1}, both_ways);
               if (a) b.pagemap().unmap(b.device(), *a);
             }));
    held_lock<Bench, svm::lock_rank::device> const device;
    v.expect(20, in_order(b, [&] { b.pagemap().release(*memory); }));
  }
  return v.result();
}

/// Says what a bench of this suite lacks.
template <class Bench>
[[nodiscard]] constexpr bool has_all() {
  static_assert(
      requires { typename Bench::pagemap_type::memory; },
      "svm: a bench of pagemap needs a type `pagemap_type`, of the model");
  static_assert(
      requires { typename Bench::page; }, "svm: a bench of pagemap needs a type `page`");
  static_assert(
      requires { svm::byte_count{Bench::page_size}; },
      "svm: a bench of pagemap needs `static constexpr byte_count page_size`");
  static_assert(
      requires(Bench & b) { b.pagemap().available(); },
      "svm: a bench of pagemap needs `pagemap()`, which returns the model");
  static_assert(
      requires(Bench & b, typename Bench::page p) {
        b.pagemap().map(b.device(), p, svm::page_count{1}, svm::dma_direction::bidirectional);
      },
      "svm: a bench of pagemap needs `device()`, whose memory it is");
  static_assert(
      requires(Bench & b, typename Bench::page p) { b.poke(p, b.peek(p)); },
      "svm: a bench of pagemap needs `std::uint64_t peek(page)` and `void poke(page, std::uint64_t)`");
  static_assert(
      requires(Bench & b, svm::device_address & a) {
        a = b.dma_address(b.system_page(std::uint64_t{}), svm::page_order{});
      },
      "svm: a bench of pagemap needs `page system_page(std::uint64_t)` and `device_address dma_address(page, "
      "page_order)`");
  static_assert(
      requires(Bench & b, svm::device_address const& a) { *b.device_read(a) == std::uint64_t{}; },
      "svm: a bench of pagemap needs `std::optional<std::uint64_t> device_read(device_address const&)`");
  return true;
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  static_assert(has_all<std::remove_cvref_t<decltype(*make())>>());
  broken_promises all;
  all.add(allocations_are_whole_and_clear(*make()));
  all.add(clearing_comes_before_copies(*make()));
  all.add(unplugged_memory_is_gone(*make()));
  all.add(pages_are_named_in_order(*make()));
  all.add(blocks_lie_inside_the_allocation(*make()));
  all.add(pagemaps_do_not_share_memory(*make()));
  all.add(released_memory_can_be_had_again(*make()));
  all.add(pieces_are_released_once(*make()));
  all.add(copies_move_all_bytes(*make()));
  all.add(copies_move_whole_blocks(*make()));
  all.add(copies_reach_peers(*make()));
  all.add(maps_make_reachable(*make()));
  all.add(maps_make_reachable_for_peers(*make()));
  all.add(owner_is_somebody(*make()));
  all.add(owners_tell_pagemaps_apart(*make()));
  all.add(calls_run_under_the_librarys_locks(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::pagemap

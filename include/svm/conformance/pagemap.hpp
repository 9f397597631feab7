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
//     };
//     CHECK(svm::conformance::pagemap::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
//  1. checked.
//  2. checked: the pages differ, and are the same ones in the same order when asked again; a block that a page begins
//     lies inside the allocation, and is the next pages of it where the bench can tell. Failure is the model's own.
//  3. checked: the memory can be had again, and so can the pieces of a `piecewise_pagemap`. Its locks show under a lock
//     policy that checks ranks.
//  4. checked in both directions; with blocks, and with the memory of a peer, where the bench has them.
//  5. checked with single pages, for the own device and for a peer.
//  6. checked; `owners_are_right` compares two pagemaps of one mm.

#include <svm/conformance/verdict.hpp>

#include <svm/concepts/pagemap.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::pagemap {

template <class Bench>
using job_of = std::vector<svm::copy_block<typename Bench::page>>;

/// An allocation of some pages, given back at the end.
template <class Bench>
class allocation {
 public:
  allocation(Bench& b, std::size_t count)
      : bench_(b), count_(count), memory_(b.pagemap().allocate(Bench::page_size * count)) {
    if (!memory_) return;
    named = again();
    for (auto const& p : named) pages.push_back(p.page);
    good = pages.size() == count;
  }
  allocation(allocation const&) = delete;
  allocation& operator=(allocation const&) = delete;
  ~allocation() {
    if (memory_) bench_.pagemap().release(*memory_);
  }
  /// The pages, asked for once more; none when that fails.
  [[nodiscard]] std::vector<svm::device_page<typename Bench::page>> again() {
    std::vector<svm::device_page<typename Bench::page>> out(count_);
    if (bench_.pagemap().pages(*memory_, std::span{out}) != svm::errc::ok) out.clear();
    return out;
  }
  [[nodiscard]] auto& memory() { return *memory_; }
  [[nodiscard]] bool clear() { return bench_.pagemap().wait_cleared(*memory_) == svm::errc::ok; }

  std::vector<svm::device_page<typename Bench::page>> named;
  std::vector<typename Bench::page> pages;
  bool good = false;

 private:
  Bench& bench_;
  std::size_t const count_;
  svm::result<typename Bench::pagemap_type::memory> memory_;
};

/// Promise 1.
template <class Bench>
[[nodiscard]] broken_promises allocations_are_whole_and_clear(Bench& b) {
  verdict v;
  svm::byte_count const before = b.pagemap().available();
  v.expect(1, before <= b.pagemap().capacity());
  auto const too_large = b.pagemap().allocate(b.pagemap().capacity() + Bench::page_size);
  v.expect(1, too_large.error() == svm::errc::no_device_memory);
  v.expect(1, b.pagemap().available() == before);
  for (int again = 0; again < 2; ++again) {
    allocation<Bench> a{b, 3};
    if (!a.good || !a.clear()) return v.result();
    v.expect(1, b.pagemap().available() == before - Bench::page_size * 3);
    for (auto const p : a.pages) {
      v.expect(1, b.peek(p) == 0);
      b.poke(p, 99);  // must not be seen by the next owner
    }
  }
  return v.result();
}

/// Promise 1: a copy comes after the clearing, and what no copy fills is clear.
template <class Bench>
[[nodiscard]] broken_promises clearing_comes_before_copies(Bench& b) {
  verdict v;
  {
    allocation<Bench> a{b, 2};
    if (!a.good || !a.clear()) return v.result();
    for (auto const p : a.pages) b.poke(p, 99);
  }
  allocation<Bench> a{b, 2};
  if (!a.good) return v.result();
  job_of<Bench> const job{{b.dma_address(b.system_page(5), svm::page_order{}), a.pages[0]}};
  if (b.pagemap().copy_to_device(std::span{job}) != svm::errc::ok) return v.result();
  if (b.peek(a.pages[0]) != 5) return v.result();  // promise 4 is not kept
  v.expect(1, a.clear());
  v.expect(1, b.peek(a.pages[0]) == 5 && b.peek(a.pages[1]) == 0);
  return v.result();
}

/// Promise 1: without its device there is no memory.
template <class Bench>
[[nodiscard]] broken_promises unplugged_memory_is_gone(Bench& b) {
  verdict v;
  if constexpr (requires { b.unplug(); }) {
    svm::byte_count const before = b.pagemap().available();
    b.unplug();
    v.expect(1, b.pagemap().allocate(Bench::page_size).error() == svm::errc::device_gone);
    v.expect(1, b.pagemap().available() == before);
  }
  return v.result();
}

/// Promise 2.
template <class Bench>
[[nodiscard]] broken_promises pages_are_named_in_order(Bench& b) {
  verdict v;
  allocation<Bench> a{b, 4};
  allocation<Bench> c{b, 4};
  if (!a.good || !c.good) return v.result();
  for (auto* const one : {&a, &c}) {
    auto const again = one->again();
    v.expect(2, again.size() == one->named.size());
    for (std::size_t i = 0; i < again.size(); ++i)
      v.expect(2, again[i].page == one->named[i].page && again[i].order == one->named[i].order);
  }
  std::vector<typename Bench::page> all = a.pages;
  all.insert(all.end(), c.pages.begin(), c.pages.end());
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) v.expect(2, !(all[i] == all[k]));
  return v.result();
}

/// Promise 2, for the blocks that pages begin.
template <class Bench>
[[nodiscard]] broken_promises blocks_lie_inside_the_allocation(Bench& b) {
  verdict v;
  for (std::size_t const count : {1u, 3u, 16u}) {
    allocation<Bench> const a{b, count};
    if (!a.good) return v.result();
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t const pages = a.named[i].order.pages().value;
      if (!v.expect(2, pages <= count - i)) continue;
      if constexpr (requires { b.nth(a.pages[i], i); })
        for (std::size_t k = 0; k < pages; ++k) v.expect(2, b.nth(a.pages[i], k) == a.pages[i + k]);
    }
  }
  return v.result();
}

/// Promise 3.
template <class Bench>
[[nodiscard]] broken_promises released_memory_can_be_had_again(Bench& b) {
  verdict v;
  svm::byte_count const before = b.pagemap().available();
  for (int round = 0; round < 3; ++round) {
    auto all = b.pagemap().allocate(before);
    if (!v.expect(3, all.has_value())) return v.result();
    b.pagemap().release(*all);
    v.expect(3, b.pagemap().available() == before);
  }
  return v.result();
}

/// Promise 3: what goes in pieces goes once.
template <class Bench>
[[nodiscard]] broken_promises pieces_are_released_once(Bench& b) {
  verdict v;
  if constexpr (svm::piecewise_pagemap<typename Bench::pagemap_type, typename Bench::page>) {
    svm::byte_count const before = b.pagemap().available();
    {
      allocation<Bench> a{b, 4};
      if (!a.good) return v.result();
      svm::byte_count const taken = before - b.pagemap().available();
      b.pagemap().release_pages(a.memory(), a.pages[1], svm::page_order{});
      v.expect(3, b.pagemap().available() == before - taken + Bench::page_size);
      b.pagemap().release_pages(a.memory(), a.pages[3], svm::page_order{});
      v.expect(3, b.pagemap().available() == before - taken + Bench::page_size * 2);
    }
    v.expect(3, b.pagemap().available() == before);
    auto all = b.pagemap().allocate(before);
    v.expect(3, all.has_value());
    if (all) b.pagemap().release(*all);
  }
  return v.result();
}

/// Promise 4.
template <class Bench>
[[nodiscard]] broken_promises copies_move_all_bytes(Bench& b) {
  verdict v;
  constexpr std::size_t count = 3;
  allocation<Bench> a{b, count};
  if (!a.good || !a.clear()) return v.result();
  std::vector<typename Bench::page> system;
  job_of<Bench> job;
  for (std::size_t i = 0; i < count; ++i) {
    system.push_back(b.system_page(i + 1));
    job.push_back({b.dma_address(system[i], svm::page_order{}), a.pages[i]});
  }
  std::span<svm::copy_block<typename Bench::page> const> const all{job};
  v.expect(4, b.pagemap().copy_to_device(all) == svm::errc::ok);
  for (std::size_t i = 0; i < count; ++i) v.expect(4, b.peek(a.pages[i]) == i + 1 && b.peek(system[i]) == i + 1);
  for (std::size_t i = 0; i < count; ++i) b.poke(a.pages[i], i + 10);
  v.expect(4, b.pagemap().copy_to_system(all) == svm::errc::ok);
  for (std::size_t i = 0; i < count; ++i) v.expect(4, b.peek(a.pages[i]) == i + 10 && b.peek(system[i]) == i + 10);
  if constexpr (requires { b.fail_copy(); }) {
    for (std::size_t i = 0; i < count; ++i) b.poke(a.pages[i], i + 20);
    b.fail_copy();
    v.expect(4, b.pagemap().copy_to_system(all) != svm::errc::ok);
    for (std::size_t i = 0; i < count; ++i) v.expect(4, b.peek(a.pages[i]) == i + 20);
  }
  return v.result();
}

/// Promise 4, for blocks.
template <class Bench>
[[nodiscard]] broken_promises copies_move_whole_blocks(Bench& b) {
  verdict v;
  if constexpr (requires { b.nth(b.system_block(svm::page_order{}, std::uint64_t{}), std::size_t{}); }) {
    allocation<Bench> a{b, 4};
    if (!a.good || !a.clear() || a.named[0].order != svm::page_order{2}) return v.result();
    auto const system = b.system_block(svm::page_order{2}, 40);
    job_of<Bench> const job{{b.dma_address(system, svm::page_order{2}), a.pages[0]}};
    v.expect(4, b.pagemap().copy_to_device(std::span{job}) == svm::errc::ok);
    for (std::size_t i = 0; i < 4; ++i) v.expect(4, b.peek(b.nth(a.pages[0], i)) == i + 40);
    for (std::size_t i = 0; i < 4; ++i) b.poke(b.nth(a.pages[0], i), i + 50);
    v.expect(4, b.pagemap().copy_to_system(std::span{job}) == svm::errc::ok);
    for (std::size_t i = 0; i < 4; ++i) v.expect(4, b.peek(b.nth(system, i)) == i + 50);
  }
  return v.result();
}

/// Promise 4, between the memories of two devices.
template <class Bench>
[[nodiscard]] broken_promises copies_reach_peers(Bench& b) {
  verdict v;
  if constexpr (requires { b.peer_pagemap(); }) {
    auto& theirs = b.peer_pagemap();
    allocation<Bench> a{b, 1};
    auto memory = theirs.allocate(Bench::page_size);
    svm::device_page<typename Bench::page> far{};
    if (!a.good || !a.clear() || !memory || theirs.wait_cleared(*memory) != svm::errc::ok) return v.result();
    if (theirs.pages(*memory, std::span{&far, 1}) != svm::errc::ok) return v.result();
    auto const remote = theirs.map(b.device(), far.page, svm::page_count{1}, svm::dma_direction::bidirectional);
    b.poke(far.page, 60);
    if (remote && b.device_read(*remote) == 60) {  // it may fail, or not keep promise 5
      job_of<Bench> const job{{*remote, a.pages[0]}};
      v.expect(4, b.pagemap().copy_to_device(std::span{job}) == svm::errc::ok && b.peek(a.pages[0]) == 60);
      b.poke(a.pages[0], 61);
      v.expect(4, b.pagemap().copy_to_system(std::span{job}) == svm::errc::ok && b.peek(far.page) == 61);
      theirs.unmap(b.device(), *remote);
    }
    theirs.release(*memory);
  }
  return v.result();
}

/// Promise 5.
template <class Bench>
[[nodiscard]] broken_promises maps_make_reachable(Bench& b) {
  verdict v;
  allocation<Bench> a{b, 2};
  if (!a.good || !a.clear()) return v.result();
  constexpr auto both_ways = svm::dma_direction::bidirectional;
  for (std::size_t i = 0; i < 2; ++i) {
    b.poke(a.pages[i], i + 5);
    auto const one = b.pagemap().map(b.device(), a.pages[i], svm::page_count{1}, both_ways);
    auto const two = b.pagemap().map(b.device(), a.pages[i], svm::page_count{1}, both_ways);
    if (!one || !two) return v.result();  // it may fail
    v.expect(5, b.device_read(*one) == i + 5);
    b.pagemap().unmap(b.device(), *one);
    v.expect(5, b.device_read(*two) == i + 5);
    b.pagemap().unmap(b.device(), *two);
  }
  return v.result();
}

/// Promise 5, for a peer.
template <class Bench>
[[nodiscard]] broken_promises maps_make_reachable_for_peers(Bench& b) {
  verdict v;
  if constexpr (requires(svm::device_address const& a) { b.peer_read(a); }) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    allocation<Bench> a{b, 1};
    if (!a.good || !a.clear()) return v.result();
    b.poke(a.pages[0], 5);
    auto const own = b.pagemap().map(b.device(), a.pages[0], svm::page_count{1}, both_ways);
    auto const theirs = b.pagemap().map(b.peer(), a.pages[0], svm::page_count{1}, both_ways);
    if (!own || !theirs) return v.result();  // it may fail
    v.expect(5, own->path == svm::interconnect::local && theirs->path != svm::interconnect::local);
    v.expect(5, b.peer_read(*theirs) == 5);
    b.pagemap().unmap(b.peer(), *theirs);
    v.expect(5, b.device_read(*own) == 5);
    b.pagemap().unmap(b.device(), *own);
  }
  return v.result();
}

/// Promise 6.
template <class Bench>
[[nodiscard]] broken_promises owner_is_somebody(Bench& b) {
  verdict v;
  svm::page_owner const before = b.pagemap().owner();
  v.expect(6, before.group != svm::nobody.group);
  allocation<Bench> const a{b, 1};
  v.expect(6, b.pagemap().owner() == before);
  return v.result();
}
/// \param linked  whether their devices reach each other's memory
template <class P>
[[nodiscard]] broken_promises owners_are_right(P& one, P& other, bool linked) {
  verdict v;
  v.expect(6, one.owner() != other.owner());
  v.expect(6, linked || !one.owner().reaches(other.owner()));
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class MakeBench>
[[nodiscard]] broken_promises check_all(MakeBench&& make) {
  verdict v;
  v.add(allocations_are_whole_and_clear(*make()));
  v.add(clearing_comes_before_copies(*make()));
  v.add(unplugged_memory_is_gone(*make()));
  v.add(pages_are_named_in_order(*make()));
  v.add(blocks_lie_inside_the_allocation(*make()));
  v.add(released_memory_can_be_had_again(*make()));
  v.add(pieces_are_released_once(*make()));
  v.add(copies_move_all_bytes(*make()));
  v.add(copies_move_whole_blocks(*make()));
  v.add(copies_reach_peers(*make()));
  v.add(maps_make_reachable(*make()));
  v.add(maps_make_reachable_for_peers(*make()));
  v.add(owner_is_somebody(*make()));
  return v.result();
}

}  // namespace svm::inline v0::conformance::pagemap

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::device` (see verdict.hpp). What a device does shows in what its programs read, so
// the suite takes a bench, a new one for each check:
//
//     struct my_bench {
//       using device_type = my_gpu;
//       using page = my_mm::page;
//       static constexpr svm::byte_count page_size;
//       my_gpu& device();
//       page system_page(std::uint64_t);                  // a new page of system memory; its first word
//       std::optional<std::uint64_t> load(svm::cpu_va);   // by a GPU program; nothing: a fault that nobody serves, or
//                                                         // its queue stands still
//       bool store(svm::cpu_va, std::uint64_t);
//       std::size_t dma_mappings();                       // live ones
//       // All of these may be left out.
//       void fail_dma_map();                              // the next one
//       page system_block(svm::page_order, std::uint64_t);  // the first words are the value, value + 1, ...
//       void poke(page, std::uint64_t);                   // as the system writes and reads
//       std::uint64_t peek(page);
//     };
//     CHECK(svm::conformance::device::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
//  1. checked, with blocks where the bench has them; so are an `iova_device`, and a `noncoherent_device` where the bench
//     can look from both sides. That none of it sleeps is not checked.
//  2. checked with a span of 3 MiB that lies across the boundaries of common page tables.
//  3. checked; allocation where it is counted (see verdict.hpp), the locks where a lock policy checks ranks.
//  4. checked after an access has filled the caches, in one pass and in two. That accesses under way have ended needs a
//     device that runs.
//  5. checked for loads and stores that come after the stop; allocation and locks as in 3.

#include <svm/conformance/verdict.hpp>

#include <svm/concepts/device.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::device {

inline constexpr svm::cpu_va somewhere{std::uint64_t{5} << 30};

template <class Bench>
[[nodiscard]] svm::va_range pages_from(svm::cpu_va start, std::size_t count) {
  return {start, Bench::page_size * count};
}

/// Maps a page of system memory for DMA, as one that the device may read and write.
template <class Bench>
[[nodiscard]] std::optional<svm::device_address> map(Bench& b, typename Bench::page p) {
  constexpr auto both_ways = svm::dma_direction::bidirectional;
  auto const mapped = b.device().dma_map(p, svm::page_count{1}, both_ways);
  if (!mapped) return std::nullopt;
  return svm::device_address{.address = *mapped, .direction = both_ways};
}
template <class Bench>
void unmap(Bench& b, svm::device_address const& a) {
  b.device().dma_unmap(a.address, a.pages(), a.direction);
}

/// Points a page of the GPU's address space at a device address, where there is one.
template <class Bench>
void point(Bench& b, svm::cpu_va at, std::optional<svm::device_address> const& to,
           svm::mapping_access how = svm::mapping_access::read_write) {
  svm::va_range const span = pages_from<Bench>(at, 1);
  if (to && b.device().prepare(span) == svm::errc::ok) b.device().commit(span, std::span{&*to, 1}, how);
}

/// Promise 1.
template <class Bench>
[[nodiscard]] broken_promises mappings_are_made_and_ended_one_by_one(Bench& b) {
  verdict v;
  std::size_t const before = b.dma_mappings();
  auto const p = b.system_page(7);
  auto const one = map(b, p);
  auto const two = map(b, p);
  if (!v.expect(1, one && two)) return v.result();
  v.expect(1, b.dma_mappings() == before + 2);
  unmap(b, *one);
  v.expect(1, b.dma_mappings() == before + 1);
  point(b, somewhere, two);
  v.expect(1, b.load(somewhere) == 7);
  b.device().invalidate(pages_from<Bench>(somewhere, 1));
  unmap(b, *two);
  v.expect(1, b.dma_mappings() == before);
  if constexpr (requires { b.fail_dma_map(); }) {
    b.fail_dma_map();
    v.expect(1, !map(b, p));
    v.expect(1, b.dma_mappings() == before);
  }
  return v.result();
}

/// Promise 1, for a block.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_mapped_whole(Bench& b) {
  verdict v;
  if constexpr (requires { b.system_block(svm::page_order{}, std::uint64_t{}); }) {
    constexpr svm::page_order order{2};
    std::size_t const before = b.dma_mappings();
    auto const mapped = b.device().dma_map(b.system_block(order, 30), order.pages(), svm::dma_direction::bidirectional);
    if (!v.expect(1, mapped.has_value())) return v.result();
    for (std::uint64_t i = 0; i < order.pages().value; ++i) {
      svm::cpu_va const at = somewhere + Bench::page_size * i;
      point(b, at, svm::device_address{*mapped + Bench::page_size * i});
      v.expect(1, b.load(at) == 30 + i);
      b.device().invalidate(pages_from<Bench>(at, 1));
    }
    b.device().dma_unmap(*mapped, order.pages(), svm::dma_direction::bidirectional);
    v.expect(1, b.dma_mappings() == before);
  }
  return v.result();
}

/// Promise 1, for what an `iova_device` has beside.
template <class Bench>
[[nodiscard]] broken_promises reserved_addresses_are_linked(Bench& b) {
  verdict v;
  if constexpr (svm::iova_device<typename Bench::device_type, typename Bench::page>) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    constexpr svm::byte_count size = Bench::page_size * 3;
    constexpr svm::byte_count linked = Bench::page_size * 2;
    auto& device = b.device();
    std::size_t const before = b.dma_mappings();
    auto const base = device.reserve_iova(size);
    auto const unused = device.reserve_iova(size);
    if (!base || !unused) return v.result();                          // it may fail
    v.expect(1, *unused - *base >= size && *base - *unused >= size);  // apart, whichever is below
    for (std::uint64_t i = 0; i < 2; ++i)
      v.expect(1, device.link_iova(*base, Bench::page_size * i, b.system_page(i + 5), svm::page_count{1}, both_ways) ==
                      svm::errc::ok);
    v.expect(1, device.sync_iova(*base, linked) == svm::errc::ok);
    if constexpr (requires { b.fail_dma_map(); }) {
      std::size_t const live = b.dma_mappings();
      b.fail_dma_map();
      v.expect(1, device.link_iova(*base, linked, b.system_page(9), svm::page_count{1}, both_ways) != svm::errc::ok);
      v.expect(1, b.dma_mappings() == live);
    }
    for (std::uint64_t i = 0; i < 2; ++i) {
      svm::cpu_va const at = somewhere + Bench::page_size * i;
      point(b, at, svm::device_address{*base + Bench::page_size * i});
      v.expect(1, b.load(at) == i + 5);
      b.device().invalidate(pages_from<Bench>(at, 1));
    }
    device.release_iova(*base, size, linked, both_ways);
    device.release_iova(*unused, size, {}, both_ways);
    v.expect(1, b.dma_mappings() == before);
  }
  return v.result();
}

/// Promise 1, for what a `noncoherent_device` has beside.
template <class Bench>
[[nodiscard]] broken_promises what_one_side_wrote_the_other_sees(Bench& b) {
  verdict v;
  if constexpr (svm::noncoherent_device<typename Bench::device_type> &&
                requires(typename Bench::page p) { b.poke(p, b.peek(p)); }) {
    auto const p = b.system_page(7);
    auto const to = map(b, p);
    if (!to) return v.result();
    point(b, somewhere, to);
    v.expect(1, b.load(somewhere) == 7);
    b.poke(p, 8);
    b.device().sync_for_device(to->address, to->pages(), to->direction);
    v.expect(1, b.load(somewhere) == 8);
    v.expect(1, b.store(somewhere, 9));
    b.device().sync_for_system(to->address, to->pages(), to->direction);
    v.expect(1, b.peek(p) == 9);
    v.expect(1, b.store(somewhere, 10));
    b.device().invalidate(pages_from<Bench>(somewhere, 1));
    unmap(b, *to);
    v.expect(1, b.peek(p) == 10);
  }
  return v.result();
}

/// Promise 2: what was prepared can be committed, wherever its pages lie.
template <class Bench>
[[nodiscard]] broken_promises what_is_prepared_can_be_committed(Bench& b) {
  verdict v;
  std::size_t const count = (std::size_t{3} << 20) / Bench::page_size.value;
  svm::va_range const span = pages_from<Bench>(somewhere + Bench::page_size, count);
  std::vector<svm::device_address> blocks;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto const a = map(b, b.system_page(i));
    if (!a) return v.result();
    blocks.push_back(*a);
  }
  if (b.device().prepare(span) != svm::errc::ok) return v.result();  // it may fail
  std::span<svm::device_address const> const all{blocks};
  b.device().commit(span, all, svm::mapping_access::read_only);
  for (std::size_t i = 0; i < count; ++i) v.expect(2, b.load(span.start() + Bench::page_size * i).has_value());
  b.device().invalidate(span);
  for (svm::device_address const& a : blocks) unmap(b, a);
  return v.result();
}

/// Promise 3.
template <class Bench>
[[nodiscard]] broken_promises commits_point_at_the_blocks_in_order(Bench& b) {
  verdict v;
  svm::va_range const span = pages_from<Bench>(somewhere, 3);
  std::vector<svm::device_address> blocks;
  for (std::uint64_t i = 0; i < 3; ++i) {
    auto const a = map(b, b.system_page(i + 10));
    if (!a) return v.result();
    blocks.push_back(*a);
  }
  if (b.device().prepare(span) != svm::errc::ok) return v.result();
  std::span<svm::device_address const> const all{blocks};
  v.expect(3, allocations_in([&] { b.device().commit(span, all, svm::mapping_access::read_only); }) == 0);
  for (std::uint64_t i = 0; i < 3; ++i) v.expect(3, b.load(span.start() + Bench::page_size * i) == i + 10);
  v.expect(3, !b.store(span.start(), 1));
  v.expect(3, b.load(span.start()) == 10);
  // Writable, and over what was there.
  b.device().invalidate(span);
  b.device().commit(span, all, svm::mapping_access::read_write);
  v.expect(3, b.store(span.start(), 20) && b.load(span.start()) == 20);
  b.device().invalidate(span);
  for (svm::device_address const& a : blocks) unmap(b, a);
  return v.result();
}

/// Promise 3, with blocks of several sizes.
template <class Bench>
[[nodiscard]] broken_promises commits_spread_blocks(Bench& b) {
  verdict v;
  if constexpr (requires { b.system_block(svm::page_order{}, std::uint64_t{}); }) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    std::vector<svm::device_address> blocks;
    for (svm::page_order const order : {svm::page_order{0}, svm::page_order{2}, svm::page_order{1}}) {
      auto const a = b.device().dma_map(b.system_block(order, order.value * 10u), order.pages(), both_ways);
      if (!a) return v.result();
      blocks.push_back(
          {.address = *a, .direction = both_ways, .count = static_cast<std::uint32_t>(order.pages().value)});
    }
    std::array<std::uint64_t, 7> const expected{0, 20, 21, 22, 23, 10, 11};
    svm::va_range const span = pages_from<Bench>(somewhere, expected.size());
    svm::cpu_va at = span.last() + svm::byte_count{1};
    for (std::size_t i = 0; svm::device_address const& a : blocks)
      for (std::uint64_t k = 0; k < a.count; ++k, at = at + Bench::page_size) {
        point(b, at, svm::device_address{a.address + Bench::page_size * k});
        if (b.load(at) != expected[i++]) return v.result();  // promise 1 is not kept
      }
    if (b.device().prepare(span) != svm::errc::ok) return v.result();
    b.device().commit(span, std::span<svm::device_address const>{blocks}, svm::mapping_access::read_only);
    for (std::size_t i = 0; i < expected.size(); ++i)
      v.expect(3, b.load(span.start() + Bench::page_size * i) == expected[i]);
    b.device().invalidate({span.start(), at - span.start()});
    for (svm::device_address const& a : blocks) unmap(b, a);
  }
  return v.result();
}

/// Promise 4.
template <class Bench>
[[nodiscard]] broken_promises invalidation_ends_every_access(Bench& b) {
  verdict v;
  auto const to = map(b, b.system_page(7));
  if (!to) return v.result();
  for (svm::byte_count const offset : {svm::byte_count{}, Bench::page_size}) point(b, somewhere + offset, to);
  static_cast<void>(b.load(somewhere));  // into the caches
  static_cast<void>(b.load(somewhere + Bench::page_size));
  b.device().invalidate(pages_from<Bench>(somewhere, 2));
  for (svm::byte_count const offset : {svm::byte_count{}, Bench::page_size}) {
    v.expect(4, !b.load(somewhere + offset));
    v.expect(4, !b.store(somewhere + offset, 8));
  }
  unmap(b, *to);
  return v.result();
}

/// Promise 4, for a device with two passes: begin all, then wait for each.
template <class Bench>
[[nodiscard]] broken_promises two_passes_end_every_access(Bench& b) {
  verdict v;
  if constexpr (svm::two_pass_device<typename Bench::device_type>) {
    auto const to = map(b, b.system_page(7));
    if (!to) return v.result();
    svm::cpu_va const places[] = {somewhere, somewhere + Bench::page_size * 8};
    for (svm::cpu_va const first : {places[0], places[1]}) {  // so that each is once the last in the caches
      for (svm::cpu_va const a : places) point(b, a, to);
      for (svm::cpu_va const a : places) static_cast<void>(b.load(a));
      static_cast<void>(b.load(first));
      for (svm::cpu_va const a : places) b.device().begin_invalidate(pages_from<Bench>(a, 1));
      for (svm::cpu_va const a : places) {
        b.device().finish_invalidate(pages_from<Bench>(a, 1));
        v.expect(4, !b.load(a) && !b.store(a, 8));
      }
    }
    unmap(b, *to);
  }
  return v.result();
}

/// Promise 5.
template <class Bench>
[[nodiscard]] broken_promises queues_stand_still_until_they_are_resumed(Bench& b) {
  verdict v;
  if constexpr (svm::queue_device<typename Bench::device_type>) {
    auto const to = map(b, b.system_page(7));
    if (!to) return v.result();
    for (svm::byte_count const offset : {svm::byte_count{}, Bench::page_size}) point(b, somewhere + offset, to);
    if (b.load(somewhere) != 7) return v.result();  // into the caches; another promise is not kept
    for (std::uint64_t stored : {8u, 9u}) {
      v.expect(5, allocations_in([&] { b.device().stop_queues(); }) == 0);
      v.expect(5, !b.load(somewhere) && !b.store(somewhere, 1));
      v.expect(5, !b.load(somewhere + Bench::page_size));
      v.expect(5, allocations_in([&] { b.device().resume_queues(); }) == 0);
      v.expect(5, b.load(somewhere) == stored - 1 && b.store(somewhere, stored));
      v.expect(5, b.load(somewhere + Bench::page_size) == stored);
    }
    // What goes while they stand still is gone when they go on.
    b.device().stop_queues();
    b.device().invalidate(pages_from<Bench>(somewhere, 1));
    b.device().resume_queues();
    v.expect(5, b.load(somewhere + Bench::page_size) == 9);
    b.device().invalidate(pages_from<Bench>(somewhere, 2));
    unmap(b, *to);
  }
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class MakeBench>
[[nodiscard]] broken_promises check_all(MakeBench&& make) {
  verdict v;
  v.add(mappings_are_made_and_ended_one_by_one(*make()));
  v.add(blocks_are_mapped_whole(*make()));
  v.add(reserved_addresses_are_linked(*make()));
  v.add(what_one_side_wrote_the_other_sees(*make()));
  v.add(what_is_prepared_can_be_committed(*make()));
  v.add(commits_point_at_the_blocks_in_order(*make()));
  v.add(commits_spread_blocks(*make()));
  v.add(invalidation_ends_every_access(*make()));
  v.add(two_passes_end_every_access(*make()));
  v.add(queues_stand_still_until_they_are_resumed(*make()));
  return v.result();
}

}  // namespace svm::inline v0::conformance::device

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
//       svm::device_address local_page(std::uint64_t);    // of the device's own memory, mapped for it; its first word
//       svm::device_address peer_page(std::uint64_t);     // of another device's memory, mapped for this one
//       my_gpu& peer();                                   // another device
//       std::optional<std::uint64_t> peer_load(svm::cpu_va);
//       std::size_t peer_dma_mappings();
//       using lock_type = my_lock;                        // a lock policy that sees who takes locks out of order
//       std::size_t lock_complaints();                    // how often it did so far
//     };
//     CHECK(svm::conformance::device::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
// The addresses at which the suite maps begin at `somewhere`.
//
//  1. checked, with blocks where the bench has them. That the address 0 is valid shows in the model itself.
//  2. checked where the bench lets one fail.
//  3. checked; with a second device where the bench has one.
//  4. checked with a span of 3 MiB that lies across the boundaries of common page tables.
//  5. checked, with blocks, parts of blocks and the memory of devices where the bench has them.
//  6. checked for stores; atomic accesses are not.
//  7. checked where allocations are counted (see verdict.hpp), but for `invalidate`: the caches of a simulated device may
//     be made of memory.
//  8. checked after an access has filled the caches, in one pass and in two, and over what was never mapped. That
//     accesses under way have ended needs a device that runs.
//  9. checked against a second device where the bench has one; other spans are not.
// 10. checked for loads and stores that come after the stop.
// 11. checked.
// 12. checked with two reservations.
// 13. checked.
// 14. checked where the bench lets one fail.
// 15. checked by the number of live mappings.
// 16. checked where the bench can look from both sides.
// 17. checked likewise.
// 18. checked likewise.
// 19. checked where the bench tells of locks. That nothing sleeps is not.

#include <svm/conformance/impl/device_promises.hpp>
#include <svm/conformance/impl/dma.hpp>
#include <svm/conformance/impl/lock_watch.hpp>
#include <svm/conformance/verdict.hpp>

#include <svm/concepts/device.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace svm::inline v0::conformance::device {

/// Promise 4: what was prepared can be committed, wherever its pages lie.
template <class Bench>
[[nodiscard]] broken_promises what_is_prepared_can_be_committed(Bench& b) {
  verdict v{promises};
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
  for (std::size_t i = 0; i < count; ++i) v.expect(4, b.load(span.start() + Bench::page_size * i).has_value());
  b.device().invalidate(span);
  for (svm::device_address const& a : blocks) unmap(b, a);
  return v.result();
}

/// Promises 5 to 7.
template <class Bench>
[[nodiscard]] broken_promises commits_point_at_the_blocks_in_order(Bench& b) {
  verdict v{promises};
  svm::va_range const span = pages_from<Bench>(somewhere, 3);
  std::vector<svm::device_address> blocks;
  for (std::uint64_t i = 0; i < 3; ++i) {
    auto const a = map(b, b.system_page(i + 10));
    if (!a) return v.result();
    blocks.push_back(*a);
  }
  if (b.device().prepare(span) != svm::errc::ok) return v.result();
  std::span<svm::device_address const> const all{blocks};
  v.expect(7, allocations_in([&] { b.device().commit(span, all, svm::mapping_access::read_only); }) == 0);
  for (std::uint64_t i = 0; i < 3; ++i) v.expect(5, b.load(span.start() + Bench::page_size * i) == i + 10);
  v.expect(6, !b.store(span.start(), 1) && b.load(span.start()) != 1);
  // Writable, and over what was there.
  b.device().invalidate(span);
  b.device().commit(span, all, svm::mapping_access::read_write);
  if (b.load(span.start()) != 10) return v.result();  // reported above
  v.expect(6, b.store(span.start(), 20) && b.load(span.start()) == 20);
  b.device().invalidate(span);
  for (svm::device_address const& a : blocks) unmap(b, a);
  return v.result();
}

/// Promise 5, with blocks of several sizes.
template <class Bench>
[[nodiscard]] broken_promises commits_spread_blocks(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.system_block(svm::page_order{}, std::uint64_t{}); }) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    std::vector<svm::device_address> blocks;
    for (svm::page_order const order : {svm::page_order{0}, svm::page_order{2}, svm::page_order{1}}) {
      auto const a = b.device().dma_map(b.system_block(order, order.value * 10u), order.pages(), both_ways);
      if (!a) return v.result();
      blocks.push_back({.address = *a, .count = static_cast<std::uint32_t>(order.pages().value)});
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
      v.expect(5, b.load(span.start() + Bench::page_size * i) == expected[i]);
    b.device().invalidate({span.start(), at - span.start()});
    for (svm::device_address const& a : blocks) unmap(b, a);
  }
  return v.result();
}

/// Promise 5, with a part of a block, as where a range ends inside it: the rest of the block is not mapped.
template <class Bench>
[[nodiscard]] broken_promises commits_take_parts_of_a_block(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.system_block(svm::page_order{}, std::uint64_t{}); }) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    auto const whole = b.device().dma_map(b.system_block(svm::page_order{3}, 40), svm::page_count{8}, both_ways);
    if (!whole) return v.result();
    svm::device_address const inner{.address = *whole + Bench::page_size * 3, .count = 2};
    for (std::uint64_t i = 0; i < 2; ++i) {
      point(b, somewhere, svm::device_address{inner.address + Bench::page_size * i});
      if (b.load(somewhere) != 43 + i) return v.result();  // promise 1 is not kept
      b.device().invalidate(pages_from<Bench>(somewhere, 1));
    }
    svm::va_range const around = pages_from<Bench>(somewhere, 8);
    svm::va_range const span = pages_from<Bench>(somewhere + Bench::page_size * 5, 2);  // not aligned as the block is
    if (b.device().prepare(around) != svm::errc::ok) return v.result();
    b.device().commit(span, std::span{&inner, 1}, svm::mapping_access::read_only);
    for (std::uint64_t i = 0; i < 8; ++i) {
      auto const seen = b.load(around.start() + Bench::page_size * i);
      v.expect(5, i == 5 || i == 6 ? seen == 38 + i : !seen);
    }
    b.device().invalidate(around);
    b.device().dma_unmap(*whole, svm::page_count{8}, both_ways);
  }
  return v.result();
}

/// Promise 5: blocks of one span lie in memory of the system, of the device and of a peer.
template <class Bench>
[[nodiscard]] broken_promises commits_reach_every_memory(Bench& b) {
  verdict v{promises};
  std::vector<svm::device_address> blocks;
  auto const system = map(b, b.system_page(50));
  if (!system) return v.result();
  blocks.push_back(*system);
  if constexpr (requires { b.local_page(std::uint64_t{}); }) blocks.push_back(b.local_page(50 + blocks.size()));
  if constexpr (requires { b.peer_page(std::uint64_t{}); }) blocks.push_back(b.peer_page(50 + blocks.size()));
  svm::va_range const span = pages_from<Bench>(somewhere, blocks.size());
  if (b.device().prepare(span) != svm::errc::ok) return v.result();
  b.device().commit(span, std::span<svm::device_address const>{blocks}, svm::mapping_access::read_write);
  for (std::size_t i = 0; i < blocks.size(); ++i) v.expect(5, b.load(somewhere + Bench::page_size * i) == 50 + i);
  b.device().invalidate(span);
  unmap(b, *system);
  return v.result();
}

/// Promises 3, 5 and 9: each device has mappings of its own, of the same pages at the same addresses too.
template <class Bench>
[[nodiscard]] broken_promises devices_do_not_share_mappings(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.peer_load(somewhere); }) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    svm::va_range const span = pages_from<Bench>(somewhere, 1);
    auto const p = b.system_page(7);
    auto const ours = map(b, p);
    auto const theirs = b.peer().dma_map(p, svm::page_count{1}, both_ways);
    if (!ours || !theirs || b.peer().prepare(span) != svm::errc::ok) return v.result();
    point(b, somewhere, ours);
    v.expect(5, b.load(somewhere) == 7 && !b.peer_load(somewhere));
    b.device().invalidate(span);
    svm::device_address const to{*theirs, svm::interconnect::system, both_ways, 1};
    b.peer().commit(span, std::span{&to, 1}, svm::mapping_access::read_only);
    if (!b.peer_load(somewhere)) return v.result();  // reported for the device
    point(b, somewhere, ours);
    b.device().invalidate(span);
    v.expect(9, b.peer_load(somewhere) == 7);
    std::size_t const live = b.peer_dma_mappings();
    unmap(b, *ours);
    v.expect(3, b.peer_dma_mappings() == live);
    b.peer().invalidate(span);
    b.peer().dma_unmap(*theirs, svm::page_count{1}, both_ways);
  }
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises invalidation_ends_every_access(Bench& b) {
  verdict v{promises};
  auto const to = map(b, b.system_page(7));
  if (!to) return v.result();
  for (svm::byte_count const offset : {svm::byte_count{}, Bench::page_size}) point(b, somewhere + offset, to);
  static_cast<void>(b.load(somewhere));  // into the caches
  static_cast<void>(b.load(somewhere + Bench::page_size));
  b.device().invalidate(pages_from<Bench>(somewhere, 2));
  for (svm::byte_count const offset : {svm::byte_count{}, Bench::page_size}) {
    v.expect(8, !b.load(somewhere + offset));
    v.expect(8, !b.store(somewhere + offset, 8));
  }
  unmap(b, *to);
  return v.result();
}

/// Promise 8: much of a span may never have been mapped, its first page too.
template <class Bench>
[[nodiscard]] broken_promises invalidation_passes_over_gaps(Bench& b) {
  verdict v{promises};
  auto const to = map(b, b.system_page(7));
  if (!to) return v.result();
  b.device().invalidate(pages_from<Bench>(somewhere, 64));
  svm::cpu_va const places[] = {somewhere + Bench::page_size * 8, somewhere + Bench::page_size * 40};
  for (svm::cpu_va const a : places) point(b, a, to);
  for (svm::cpu_va const a : places) static_cast<void>(b.load(a));
  b.device().invalidate(pages_from<Bench>(somewhere, 64));
  for (svm::cpu_va const a : places) v.expect(8, !b.load(a) && !b.store(a, 8));
  unmap(b, *to);
  return v.result();
}

/// Promise 8, for a device with two passes: begin all, then wait for each.
template <class Bench>
[[nodiscard]] broken_promises two_passes_end_every_access(Bench& b) {
  verdict v{promises};
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
        v.expect(8, !b.load(a) && !b.store(a, 8));
      }
    }
    unmap(b, *to);
  }
  return v.result();
}

/// Promises 7, 10 and 11.
template <class Bench>
[[nodiscard]] broken_promises queues_stand_still_until_they_are_resumed(Bench& b) {
  verdict v{promises};
  if constexpr (svm::queue_device<typename Bench::device_type>) {
    auto const to = map(b, b.system_page(7));
    if (!to) return v.result();
    for (svm::byte_count const offset : {svm::byte_count{}, Bench::page_size}) point(b, somewhere + offset, to);
    if (b.load(somewhere) != 7) return v.result();  // into the caches; another promise is not kept
    for (std::uint64_t stored : {8u, 9u}) {
      v.expect(7, allocations_in([&] { b.device().stop_queues(); }) == 0);
      if (!v.expect(10, !b.load(somewhere) && !b.store(somewhere, 1))) return v.result();
      v.expect(10, !b.load(somewhere + Bench::page_size));
      v.expect(7, allocations_in([&] { b.device().resume_queues(); }) == 0);
      v.expect(11, b.load(somewhere) == stored - 1 && b.store(somewhere, stored));
      v.expect(11, b.load(somewhere + Bench::page_size) == stored);
    }
    // What goes while they stand still is gone when they go on.
    b.device().stop_queues();
    b.device().invalidate(pages_from<Bench>(somewhere, 1));
    b.device().resume_queues();
    v.expect(11, b.load(somewhere + Bench::page_size) == 9);
    b.device().invalidate(pages_from<Bench>(somewhere, 2));
    unmap(b, *to);
  }
  return v.result();
}

/// Promise 19: what is called with a notifier's lock held takes none that comes before that.
template <class Bench>
[[nodiscard]] broken_promises events_run_under_the_notifier_lock(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    auto& device = b.device();
    svm::va_range const span = pages_from<Bench>(somewhere, 1);
    auto const p = b.system_page(7);
    if (device.prepare(span) != svm::errc::ok) return v.result();
    held_lock<Bench, svm::lock_rank::range> const range;
    held_lock<Bench, svm::lock_rank::notifier> const notifier;
    std::size_t const before = b.lock_complaints();
    auto const to = device.dma_map(p, svm::page_count{1}, both_ways);
    v.expect(19, b.lock_complaints() == before);
    if (!to) return v.result();
    svm::device_address const block{*to, svm::interconnect::system, both_ways, 1};
    v.expect(19, in_order(b, [&] { device.commit(span, std::span{&block, 1}, svm::mapping_access::read_only); }));
    v.expect(19, in_order(b, [&] { device.invalidate(span); }));
    if constexpr (svm::two_pass_device<typename Bench::device_type>)
      v.expect(19, in_order(b, [&] {
                 device.begin_invalidate(span);
                 device.finish_invalidate(span);
               }));
    if constexpr (svm::queue_device<typename Bench::device_type>)
      v.expect(19, in_order(b, [&] {
                 device.stop_queues();
                 device.resume_queues();
               }));
    v.expect(19, in_order(b, [&] { device.dma_unmap(*to, svm::page_count{1}, both_ways); }));
  }
  return v.result();
}

/// Says what a bench of this suite lacks.
template <class Bench>
[[nodiscard]] constexpr bool has_all() {
  static_assert(
      requires { typename Bench::device_type; }, "svm: a bench of device needs a type `device_type`, of the model");
  static_assert(
      requires { typename Bench::page; }, "svm: a bench of device needs a type `page`");
  static_assert(
      requires { svm::byte_count{Bench::page_size}; },
      "svm: a bench of device needs `static constexpr byte_count page_size`");
  static_assert(
      requires(Bench & b) { b.device().prepare(pages_from<Bench>(somewhere, 1)); },
      "svm: a bench of device needs `device()`, which returns the model");
  static_assert(
      requires(Bench & b, typename Bench::page & p) { p = b.system_page(std::uint64_t{}); },
      "svm: a bench of device needs `page system_page(std::uint64_t)`");
  static_assert(
      requires(Bench & b, svm::cpu_va a) { b.store(a, *b.load(a)); },
      "svm: a bench of device needs `bool store(cpu_va, std::uint64_t)` and "
      "`std::optional<std::uint64_t> load(cpu_va)`");
  static_assert(
      requires(Bench & b, std::size_t & n) { n = b.dma_mappings(); },
      "svm: a bench of device needs `std::size_t dma_mappings()`");
  return true;
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  static_assert(has_all<std::remove_cvref_t<decltype(*make())>>());
  broken_promises all;
  all.add(mappings_are_made_and_ended_one_by_one(*make()));
  all.add(blocks_are_mapped_whole(*make()));
  all.add(reserved_addresses_are_linked(*make()));
  all.add(what_one_side_wrote_the_other_sees(*make()));
  all.add(what_is_prepared_can_be_committed(*make()));
  all.add(commits_point_at_the_blocks_in_order(*make()));
  all.add(commits_spread_blocks(*make()));
  all.add(commits_take_parts_of_a_block(*make()));
  all.add(commits_reach_every_memory(*make()));
  all.add(devices_do_not_share_mappings(*make()));
  all.add(invalidation_ends_every_access(*make()));
  all.add(invalidation_passes_over_gaps(*make()));
  all.add(two_passes_end_every_access(*make()));
  all.add(queues_stand_still_until_they_are_resumed(*make()));
  all.add(events_run_under_the_notifier_lock(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::device

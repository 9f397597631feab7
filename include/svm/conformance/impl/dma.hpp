// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of device.hpp that are about DMA: promises 1 to 3 and 12 to 18.

#include <svm/conformance/impl/device_promises.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::device {

/// Promises 1 to 3.
template <class Bench>
[[nodiscard]] broken_promises mappings_are_made_and_ended_one_by_one(Bench& b) {
  verdict v{promises};
  std::size_t const before = b.dma_mappings();
  auto const p = b.system_page(7);
  auto const one = map(b, p);
  auto const two = map(b, p);
  if (!v.expect(1, one && two)) return v.result();
  v.expect(1, b.dma_mappings() == before + 2);
  unmap(b, *one);
  v.expect(3, b.dma_mappings() == before + 1);
  point(b, somewhere, two);
  v.expect(3, b.load(somewhere) == 7);
  b.device().invalidate(pages_from<Bench>(somewhere, 1));
  unmap(b, *two);
  if (!v.expect(3, b.dma_mappings() == before)) return v.result();
  if constexpr (requires { b.fail_dma_map(); }) {
    b.fail_dma_map();
    v.expect(2, !map(b, p));
    v.expect(2, b.dma_mappings() == before);
  }
  return v.result();
}

/// Promises 1 and 3, for a block.
template <class Bench>
[[nodiscard]] broken_promises blocks_are_mapped_whole(Bench& b) {
  verdict v{promises};
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
    if (v.result() == kept) v.expect(3, b.dma_mappings() == before);
  }
  return v.result();
}

/// Promises 12 to 15, for what an `iova_device` has beside.
template <class Bench>
[[nodiscard]] broken_promises reserved_addresses_are_linked(Bench& b) {
  verdict v{promises};
  if constexpr (svm::iova_device<typename Bench::device_type, typename Bench::page>) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    constexpr svm::byte_count size = Bench::page_size * 3;
    constexpr svm::byte_count linked = Bench::page_size * 2;
    auto& device = b.device();
    std::size_t const before = b.dma_mappings();
    auto const base = device.reserve_iova(size);
    auto const unused = device.reserve_iova(size);
    if (!base || !unused) return v.result();                           // it may fail
    v.expect(12, *unused - *base >= size && *base - *unused >= size);  // apart, whichever is below
    for (std::uint64_t i = 0; i < 2; ++i)
      v.expect(13, device.link_iova(*base, Bench::page_size * i, b.system_page(i + 5), svm::page_count{1}, both_ways) ==
                       svm::errc::ok);
    v.expect(13, device.sync_iova(*base, linked) == svm::errc::ok);
    if constexpr (requires { b.fail_dma_map(); }) {
      std::size_t const live = b.dma_mappings();
      b.fail_dma_map();
      v.expect(14, device.link_iova(*base, linked, b.system_page(9), svm::page_count{1}, both_ways) != svm::errc::ok);
      v.expect(14, b.dma_mappings() == live);
    }
    for (std::uint64_t i = 0; i < 2; ++i) {
      svm::cpu_va const at = somewhere + Bench::page_size * i;
      point(b, at, svm::device_address{*base + Bench::page_size * i});
      v.expect(13, b.load(at) == i + 5);
      b.device().invalidate(pages_from<Bench>(at, 1));
    }
    device.release_iova(*base, size, linked, both_ways);
    device.release_iova(*unused, size, {}, both_ways);
    if (v.result() == kept) v.expect(15, b.dma_mappings() == before);
  }
  return v.result();
}

/// Promises 16 to 18, for what a `noncoherent_device` has beside.
template <class Bench>
[[nodiscard]] broken_promises what_one_side_wrote_the_other_sees(Bench& b) {
  verdict v{promises};
  if constexpr (svm::noncoherent_device<typename Bench::device_type> &&
                requires(typename Bench::page p) { b.poke(p, b.peek(p)); }) {
    auto const p = b.system_page(7);
    auto const to = map(b, p);
    if (!to) return v.result();
    point(b, somewhere, to);
    v.expect(16, b.load(somewhere) == 7);
    b.poke(p, 8);
    b.device().sync_for_device(to->address, to->pages(), to->direction);
    v.expect(16, b.load(somewhere) == 8);
    if (!b.store(somewhere, 9)) return v.result();  // promise 6 is not kept
    b.device().sync_for_system(to->address, to->pages(), to->direction);
    v.expect(17, b.peek(p) == 9);
    static_cast<void>(b.store(somewhere, 10));
    b.device().invalidate(pages_from<Bench>(somewhere, 1));
    std::size_t const live = b.dma_mappings();
    unmap(b, *to);
    if (b.dma_mappings() != live) v.expect(18, b.peek(p) == 10);
  }
  return v.result();
}

}  // namespace svm::inline v0::conformance::device

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>

namespace svm::inline v0 {

/// Which way data may flow through a DMA mapping; the most restrictive that serves is asked for.
enum class dma_direction : std::uint8_t { to_device, from_device, bidirectional };

/// How a device reaches an address.
enum class interconnect : std::uint8_t {
  system,  ///< through the IOMMU, to a page of system memory
  local,   ///< in the device's own memory
};

/// A block of 2^order contiguous pages as a device addresses it.
struct device_address {
  dma_addr address{};
  interconnect path = interconnect::system;
  page_order order{};
  dma_direction direction = dma_direction::bidirectional;
  friend constexpr bool operator==(device_address const&, device_address const&) = default;
};

enum class mapping_access : std::uint8_t { read_only, read_write };

/// A GPU that mirrors part of a CPU address space.
///
/// A model also promises (tests/conformance/device.hpp checks it):
///  1. `dma_map` makes 2^order pages from `page` on reachable for DMA or changes nothing; every address is valid,
///     0 too. `dma_unmap` undoes exactly one `dma_map`. Both may be called with a notifier lock held and neither
///     sleeps;
///  2. `prepare(span)` makes room in the GPU's page tables, so that a `commit` of the span cannot fail; it may allocate
///     and is called with no lock of rank notifier or later held;
///  3. `commit(span, blocks, how)` points the GPU's page table for the span at the blocks, which add up to it, in
///     order. It runs with the notifier lock held, allocates nothing, and takes only locks of rank device and above;
///  4. `invalidate(span)` returns once no access of the device through the span can start or be under way any more:
///     entries zapped, then caches of them flushed. It runs with the notifier lock held exclusive (or the range lock
///     and the notifier lock shared), under the same rules as `commit`.
// clang-format off
template <class D, class Page>
concept device = requires(D& d, Page page, page_order order, dma_direction direction, dma_addr address, va_range span,
                          std::span<device_address const> blocks, mapping_access how) {
  { d.dma_map(page, order, direction) } noexcept -> std::same_as<result<dma_addr>>;
  { d.dma_unmap(address, order, direction) } noexcept -> std::same_as<void>;
  { d.prepare(span) } noexcept -> std::same_as<errc>;
  { d.commit(span, blocks, how) } noexcept -> std::same_as<void>;
  { d.invalidate(span) } noexcept -> std::same_as<void>;
};
// clang-format on

}  // namespace svm::inline v0

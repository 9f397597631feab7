// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <span>

#include <svm/base/result.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// One block of a copy job: a block of system memory as the device addresses it, and the device page beside it.
template <class Page>
struct copy_block {
  dma_addr system{};
  Page device{};
  page_order order{};
};

/// The memory of a device, as pages that CPU page tables can name.
///
/// A model also promises (tests/conformance/pagemap.hpp checks it):
///  1. `allocate(size)` takes `size` bytes, a multiple of the page size, or fails with no_device_memory and changes
///     nothing. What it hands out reads as zero. `available()` falls and rises by whole allocations;
///  2. `pages(memory, out)` names the pages in order; `out` has one element a base page. It may fail, and then the
///     library uses nothing of `out`;
///  3. `release` gives an allocation back; the library calls it exactly once for each, from any context, so it takes
///     only leaf locks and does not sleep;
///  4. `copy_to_device` and `copy_to_system` return when all bytes have moved, or with an error when the data of the
///     source is still whole; an empty job is never submitted;
///  5. `map(page, ...)` makes a device page reachable for the pagemap's own device or changes nothing; `unmap` undoes
///     exactly one `map`. Both may be called with a notifier lock held and neither sleeps;
///  6. `owner()` is not `nobody`, and no other pagemap of the same mm has it.
// clang-format off
template <class P, class Page>
concept pagemap = std::movable<typename P::memory> &&
    requires(P& p, typename P::memory& memory, byte_count size, std::span<Page> out, Page page, page_order order,
             dma_direction direction, device_address const& address, std::span<copy_block<Page> const> job) {
  { p.allocate(size) } noexcept -> std::same_as<result<typename P::memory>>;
  { p.pages(memory, out) } noexcept -> std::same_as<errc>;
  { p.release(memory) } noexcept -> std::same_as<void>;
  { p.copy_to_device(job) } noexcept -> std::same_as<errc>;
  { p.copy_to_system(job) } noexcept -> std::same_as<errc>;
  { p.map(page, order, direction) } noexcept -> std::same_as<result<device_address>>;
  { p.unmap(address) } noexcept -> std::same_as<void>;
  { p.owner() } noexcept -> std::same_as<page_owner>;
  { p.capacity() } noexcept -> std::same_as<byte_count>;
  { p.available() } noexcept -> std::same_as<byte_count>;
};
// clang-format on

}  // namespace svm::inline v0

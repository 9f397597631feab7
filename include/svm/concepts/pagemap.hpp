// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <span>
#include <type_traits>

#include <svm/base/result.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// One block of a copy job: memory elsewhere (of the system, or of a peer) as the device addresses it, and a block of
/// the device's own memory beside it. Both are contiguous; `remote.count` is their size, which need not be that of a folio.
template <class Page>
struct copy_block {
  device_address remote{};
  Page local{};
};

/// A page of an allocation of device memory, and the contiguous, naturally aligned block of the allocation that it
/// begins.
template <class Page>
struct device_page {
  Page page{};
  page_order order{};
};

/// The memory of a device, as pages that CPU page tables can name.
///
/// A model also promises (svm/conformance/pagemap.hpp checks it):
///  1. `allocate(size)` takes `size` bytes, a multiple of the page size, or fails with the reason: no_device_memory, or
///     device_gone when the device was unplugged;
///  2. an `allocate` that fails takes nothing;
///  3. `available()` falls and rises by what is taken from this pagemap and given back;
///  4. what `allocate` hands out reads as zero, all of it, once `wait_cleared(memory)` or a `copy_to_device` into it has
///     returned;
///  5. clearing comes before any copy, whose bytes stay;
///  6. `pages(memory, out)` names base pages that no other allocation has, one an element of `out`. It may fail, and then
///     the library uses nothing of `out`;
///  7. `pages` names the pages of an allocation in the same order each time;
///  8. the block that a page begins is contiguous, and is the next pages of the allocation;
///  9. `release` gives back an allocation, all of it and nothing else. The library calls it exactly once for each;
/// 10. where there is a `release_pages`, it gives a block back before the rest, and `release` then what is left;
/// 11. `copy_to_device` and `copy_to_system` succeed once all bytes have moved;
/// 12. a copy that fails leaves the data of the source whole;
/// 13. `map(for, page, count, ...)` makes contiguous device pages, each found by the mm's `page_at`, reachable at
///     consecutive addresses, for its own device or one of the same group;
/// 14. a `map` that fails changes nothing;
/// 15. `unmap` undoes exactly one `map`;
/// 16. `owner()` is not `nobody`;
/// 17. `owner()` never changes;
/// 18. pagemaps of one mm have different owners;
/// 19. pagemaps of one mm are in one group only when their devices reach each other's memory;
/// 20. each function works with the locks held that are listed below, and needs no other.
///
/// An empty job is never submitted. The pagemap's own device moves a job, so `remote` was mapped for it.
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * allocate: those of the ranks range and eviction;
///  * copy_to_device, copy_to_system, wait_cleared: the same, the map lock shared, and pages locked;
///  * map, unmap: a notifier lock too, so neither sleeps;
///  * release, release_pages: any, as they may come from the last put of a page: they take only leaf locks and do not
///    sleep;
///  * pages, owner, capacity, available: as for allocate.
///
/// What a pagemap may have beside:
///  * `coherent_pagemap` (`static constexpr bool is_coherent = true`): the CPU reaches its pages in place;
///  * `piecewise_pagemap`: `release_pages(memory, first, order)` gives a block of an allocation back before the rest,
///    in the same context as `release`, which then gives back what is left.
// clang-format off
template <class P, class Page, class Device>
concept pagemap = std::movable<typename P::memory> &&
    requires(P& p, typename P::memory& memory, byte_count size, std::span<device_page<Page>> out, Page page,
             page_count count, dma_direction direction, device_address const& address,
             std::span<copy_block<Page> const> job, Device& device) {
  { p.allocate(size) } noexcept -> std::same_as<result<typename P::memory>>;
  { p.pages(memory, out) } noexcept -> std::same_as<errc>;
  { p.release(memory) } noexcept -> std::same_as<void>;
  { p.copy_to_device(job) } noexcept -> std::same_as<errc>;
  { p.copy_to_system(job) } noexcept -> std::same_as<errc>;
  { p.wait_cleared(memory) } noexcept -> std::same_as<errc>;
  { p.map(device, page, count, direction) } noexcept -> std::same_as<result<device_address>>;
  { p.unmap(device, address) } noexcept -> std::same_as<void>;
  { p.owner() } noexcept -> std::same_as<page_owner>;
  { p.capacity() } noexcept -> std::same_as<byte_count>;
  { p.available() } noexcept -> std::same_as<byte_count>;
};

/// A pagemap whose pages the CPU reaches in place.
template <class P>
concept coherent_pagemap = requires { requires P::is_coherent; };

/// A pagemap that takes blocks of an allocation back one by one.
template <class P, class Page>
concept piecewise_pagemap = requires(P& p, typename P::memory& memory, Page first, page_order order) {
  { p.release_pages(memory, first, order) } noexcept -> std::same_as<void>;
};

namespace detail {

/// True when a pagemap has something by the name of the part, whatever its type; likewise the next.
template <class P>
concept claims_coherence = requires { P::is_coherent; };

template <class P, class Page>
concept claims_pieces = requires { &P::release_pages; } ||
    requires(P& p, typename P::memory& memory, Page first, page_order order) { p.release_pages(memory, first, order); };

}  // namespace detail

/// Explains what a type lacks to be a pagemap.
template <class P, class Page, class Device, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_pagemap() {
  if constexpr (!requires { typename P::memory; })
    static_assert(How == on_missing::answer, "svm: pagemap needs a type `memory`, of an allocation");
  else if constexpr (!std::movable<typename P::memory>)
    static_assert(How == on_missing::answer, "svm: pagemap needs a `memory` that can be moved and assigned");
  else if constexpr (!requires(P& p, byte_count size) {
    { p.allocate(size) } noexcept -> std::same_as<result<typename P::memory>>;
  })
    static_assert(How == on_missing::answer, "svm: pagemap needs `result<memory> allocate(byte_count) noexcept`");
  else if constexpr (!requires(P& p, typename P::memory& memory, std::span<device_page<Page>> out) {
    { p.pages(memory, out) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `errc pages(memory&, std::span<device_page<page>>) noexcept`");
  else if constexpr (!requires(P& p, typename P::memory& memory) {
    { p.release(memory) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: pagemap needs `void release(memory&) noexcept`");
  else if constexpr (!requires(P& p, std::span<copy_block<Page> const> job) {
    { p.copy_to_device(job) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `errc copy_to_device(std::span<copy_block<page> const>) noexcept`");
  else if constexpr (!requires(P& p, std::span<copy_block<Page> const> job) {
    { p.copy_to_system(job) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `errc copy_to_system(std::span<copy_block<page> const>) noexcept`");
  else if constexpr (!requires(P& p, typename P::memory& memory) {
    { p.wait_cleared(memory) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer, "svm: pagemap needs `errc wait_cleared(memory&) noexcept`");
  else if constexpr (!requires(P& p, Device& device, Page page, page_count count, dma_direction direction) {
    { p.map(device, page, count, direction) } noexcept -> std::same_as<result<device_address>>;
  })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `result<device_address> map(device&, page, page_count, dma_direction) noexcept`");
  else if constexpr (!requires(P& p, Device& device, device_address const& address) {
    { p.unmap(device, address) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `void unmap(device&, device_address const&) noexcept`");
  else if constexpr (!requires(P& p) { { p.owner() } noexcept -> std::same_as<page_owner>; })
    static_assert(How == on_missing::answer, "svm: pagemap needs `page_owner owner() noexcept`");
  else if constexpr (!requires(P& p) { { p.capacity() } noexcept -> std::same_as<byte_count>; })
    static_assert(How == on_missing::answer, "svm: pagemap needs `byte_count capacity() noexcept`");
  else if constexpr (!requires(P& p) { { p.available() } noexcept -> std::same_as<byte_count>; })
    static_assert(How == on_missing::answer, "svm: pagemap needs `byte_count available() noexcept`");
  else
    return true;
  return false;
}

/// Explains what a pagemap that claims the part lacks of it; likewise the next.
template <class P, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_coherent() {
  if constexpr (!detail::claims_coherence<P>)
    return true;
  else if constexpr (!requires { typename std::bool_constant<P::is_coherent>; })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `static constexpr bool is_coherent`, to be a coherent_pagemap");
  else
    return true;
  return false;
}

/// Explains what a pagemap that begins to be a `piecewise_pagemap` lacks to be one.
template <class P, class Page, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_pieces() {
  if constexpr (!detail::claims_pieces<P, Page>)
    return true;
  else if constexpr (!requires(P& p, typename P::memory& memory, Page first, page_order order) {
    { p.release_pages(memory, first, order) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: pagemap needs `void release_pages(memory&, page, page_order) noexcept`, to be a "
                  "piecewise_pagemap");
  else
    return true;
  return false;
}
// clang-format on

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/on_missing.hpp>

namespace svm::inline v0 {

/// Which way data may flow through a DMA mapping; the most restrictive that serves is asked for.
enum class dma_direction : std::uint8_t { to_device, from_device, bidirectional };

/// How a device reaches an address.
enum class interconnect : std::uint8_t {
  system,  ///< through the IOMMU, to a page of system memory
  local,   ///< in the device's own memory
  peer,    ///< over a link, in another device's memory
};

/// A run of contiguous pages as a device addresses it.
struct device_address {
  dma_addr address{};
  interconnect path = interconnect::system;
  dma_direction direction = dma_direction::bidirectional;
  std::uint32_t count = 1;
  [[nodiscard]] constexpr page_count pages() const { return {count}; }
  friend constexpr bool operator==(device_address const&, device_address const&) = default;
};

/// What a device may do through a mapping.
enum class mapping_access : std::uint8_t {
  read_only,
  no_atomics,  ///< loads and stores; an atomic access faults
  read_write,  ///< atomic accesses too, where the place of the memory allows them
};

/// A GPU that mirrors part of a CPU address space.
///
/// A model also promises (svm/conformance/device.hpp checks it):
///  1. `dma_map` makes `count` pages from `page` on, each found by `page_at`, reachable for DMA at consecutive
///     addresses, or changes nothing; every address is valid, 0 too. `dma_unmap` undoes exactly one `dma_map`. Both may be called with a notifier lock held and neither
///     sleeps;
///  2. `prepare(span)` makes room in the GPU's page tables, so that a `commit` of the span cannot fail; it may allocate
///     and is called with no lock of rank notifier or later held;
///  3. `commit(span, blocks, how)` points the GPU's page table for the span at the blocks, which add up to it, in
///     order, for the accesses that `how` names; any other faults. It runs with the notifier lock held, allocates
///     nothing, and takes only locks of rank device and above;
///  4. `invalidate(span)` returns once no access of the device through the span can start or be under way any more:
///     entries zapped, then caches of them flushed. It runs with the notifier lock held exclusive (or the range lock
///     and the notifier lock shared), under the same rules as `commit`;
///  5. where the device has queues that stop: once `stop_queues()` has returned, no access of theirs is under way and
///     none starts until `resume_queues()`, which lets them go on where they were. The two come in turns, a stop first.
///     Both may come with a notifier lock held, take locks as `commit` does, allocate nothing, and wait for nothing but
///     the device.
///
/// What a device may have beside. Each is claimed by having a function of it, and half of one is an error of `explain`:
///  * `two_pass_device`: `begin_invalidate(span)` starts what `invalidate` does, `finish_invalidate(span)` waits for it;
///  * `iova_device`: `reserve_iova(size)` sets addresses aside, `link_iova(base, offset, page, count, direction)` maps a
///    run there or changes nothing, `sync_iova(base, size)` makes what was linked reachable, and `release_iova(base,
///    size, linked, direction)` undoes the reservation with its first `linked` bytes of links. All but `reserve_iova`
///    may be called with a notifier lock held;
///  * `queue_device`: `stop_queues()` and `resume_queues()`, for hardware that cannot replay a fault;
///  * `noncoherent_device`: `sync_for_device` and `sync_for_system(address, count, direction)` make what one side wrote
///    visible to the other while the mapping lives; mapping and unmapping do so by themselves.
// clang-format off
template <class D, class Page>
concept device = requires(D& d, Page page, page_count count, dma_direction direction, dma_addr address, va_range span,
                          std::span<device_address const> blocks, mapping_access how) {
  { d.dma_map(page, count, direction) } noexcept -> std::same_as<result<dma_addr>>;
  { d.dma_unmap(address, count, direction) } noexcept -> std::same_as<void>;
  { d.prepare(span) } noexcept -> std::same_as<errc>;
  { d.commit(span, blocks, how) } noexcept -> std::same_as<void>;
  { d.invalidate(span) } noexcept -> std::same_as<void>;
};

template <class D>
concept two_pass_device = requires(D& d, va_range span) {
  { d.begin_invalidate(span) } noexcept -> std::same_as<void>;
  { d.finish_invalidate(span) } noexcept -> std::same_as<void>;
};

template <class D>
concept queue_device = requires(D& d) {
  { d.stop_queues() } noexcept -> std::same_as<void>;
  { d.resume_queues() } noexcept -> std::same_as<void>;
};

template <class D, class Page>
concept iova_device = requires(D& d, Page page, page_count count, dma_direction direction, dma_addr base,
                               byte_count size) {
  { d.reserve_iova(size) } noexcept -> std::same_as<result<dma_addr>>;
  { d.link_iova(base, size, page, count, direction) } noexcept -> std::same_as<errc>;
  { d.sync_iova(base, size) } noexcept -> std::same_as<errc>;
  { d.release_iova(base, size, size, direction) } noexcept -> std::same_as<void>;
};

template <class D>
concept noncoherent_device = requires(D& d, dma_addr address, page_count count, dma_direction direction) {
  { d.sync_for_device(address, count, direction) } noexcept -> std::same_as<void>;
  { d.sync_for_system(address, count, direction) } noexcept -> std::same_as<void>;
};

namespace detail {

/// True when a device has something by a name of the part, whatever its type: then it means to have the part, and one
/// that is misspelt or has another type is a mistake.
template <class D>
concept claims_two_pass = requires { &D::begin_invalidate; } || requires { &D::finish_invalidate; } ||
    requires(D& d, va_range span) { d.begin_invalidate(span); } ||
    requires(D& d, va_range span) { d.finish_invalidate(span); };

template <class D>
concept claims_queues = requires { &D::stop_queues; } || requires { &D::resume_queues; } ||
    requires(D& d) { d.stop_queues(); } || requires(D& d) { d.resume_queues(); };

template <class D, class Page>
concept claims_iova = requires { &D::reserve_iova; } || requires { &D::link_iova; } || requires { &D::sync_iova; } ||
    requires { &D::release_iova; } || requires(D& d, byte_count size) { d.reserve_iova(size); } ||
    requires(D& d, Page page, page_count count, dma_direction direction, dma_addr base, byte_count size) {
      d.link_iova(base, size, page, count, direction);
    } ||
    requires(D& d, dma_addr base, byte_count size) { d.sync_iova(base, size); } ||
    requires(D& d, dma_addr base, byte_count size, dma_direction direction) {
      d.release_iova(base, size, size, direction);
    };

template <class D>
concept claims_noncoherent = requires { &D::sync_for_device; } || requires { &D::sync_for_system; } ||
    requires(D& d, dma_addr address, page_count count, dma_direction direction) {
      d.sync_for_device(address, count, direction);
    } ||
    requires(D& d, dma_addr address, page_count count, dma_direction direction) {
      d.sync_for_system(address, count, direction);
    };

}  // namespace detail

/// Explains what a type lacks to be a device.
template <class D, class Page, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_device() {
  if constexpr (!requires(D& d, Page page, page_count count, dma_direction direction) {
    { d.dma_map(page, count, direction) } noexcept -> std::same_as<result<dma_addr>>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `result<dma_addr> dma_map(page, page_count, dma_direction) noexcept`");
  else if constexpr (!requires(D& d, dma_addr address, page_count count, dma_direction direction) {
    { d.dma_unmap(address, count, direction) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void dma_unmap(dma_addr, page_count, dma_direction) noexcept`");
  else if constexpr (!requires(D& d, va_range span) { { d.prepare(span) } noexcept -> std::same_as<errc>; })
    static_assert(How == on_missing::answer, "svm: device needs `errc prepare(va_range) noexcept`");
  else if constexpr (!requires(D& d, va_range span, std::span<device_address const> blocks, mapping_access how) {
    { d.commit(span, blocks, how) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void commit(va_range, std::span<device_address const>, mapping_access) "
                  "noexcept`");
  else if constexpr (!requires(D& d, va_range span) { { d.invalidate(span) } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: device needs `void invalidate(va_range) noexcept`");
  else
    return true;
  return false;
}

/// Explains what a device that claims the part lacks of it; likewise the next.
template <class D, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_two_pass() {
  if constexpr (!detail::claims_two_pass<D>)
    return true;
  else if constexpr (!requires(D& d, va_range span) { { d.begin_invalidate(span) } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void begin_invalidate(va_range) noexcept`, to be a two_pass_device");
  else if constexpr (!requires(D& d, va_range span) { { d.finish_invalidate(span) } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void finish_invalidate(va_range) noexcept`, to be a two_pass_device");
  else
    return true;
  return false;
}

template <class D, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_queues() {
  if constexpr (!detail::claims_queues<D>)
    return true;
  else if constexpr (!requires(D& d) { { d.stop_queues() } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: device needs `void stop_queues() noexcept`, to be a queue_device");
  else if constexpr (!requires(D& d) { { d.resume_queues() } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: device needs `void resume_queues() noexcept`, to be a queue_device");
  else
    return true;
  return false;
}

template <class D, class Page, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_iova() {
  if constexpr (!detail::claims_iova<D, Page>)
    return true;
  else if constexpr (!requires(D& d, byte_count size) {
    { d.reserve_iova(size) } noexcept -> std::same_as<result<dma_addr>>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `result<dma_addr> reserve_iova(byte_count) noexcept`, to be an iova_device");
  else if constexpr (!requires(D& d, dma_addr base, byte_count size, Page page, page_count count,
                               dma_direction direction) {
    { d.link_iova(base, size, page, count, direction) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `errc link_iova(dma_addr, byte_count, page, page_count, dma_direction) "
                  "noexcept`, to be an iova_device");
  else if constexpr (!requires(D& d, dma_addr base, byte_count size) {
    { d.sync_iova(base, size) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `errc sync_iova(dma_addr, byte_count) noexcept`, to be an iova_device");
  else if constexpr (!requires(D& d, dma_addr base, byte_count size, dma_direction direction) {
    { d.release_iova(base, size, size, direction) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void release_iova(dma_addr, byte_count, byte_count, dma_direction) noexcept`, "
                  "to be an iova_device");
  else
    return true;
  return false;
}

template <class D, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_noncoherent() {
  if constexpr (!detail::claims_noncoherent<D>)
    return true;
  else if constexpr (!requires(D& d, dma_addr address, page_count count, dma_direction direction) {
    { d.sync_for_device(address, count, direction) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void sync_for_device(dma_addr, page_count, dma_direction) noexcept`, to be a "
                  "noncoherent_device");
  else if constexpr (!requires(D& d, dma_addr address, page_count count, dma_direction direction) {
    { d.sync_for_system(address, count, direction) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: device needs `void sync_for_system(dma_addr, page_count, dma_direction) noexcept`, to be a "
                  "noncoherent_device");
  else
    return true;
  return false;
}
// clang-format on

}  // namespace svm::inline v0

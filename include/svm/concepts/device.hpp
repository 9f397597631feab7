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
///  1. `dma_map` makes `count` pages from `page` on, each found by `page_at`, reachable for DMA at consecutive addresses.
///     Every address is valid, 0 too;
///  2. a `dma_map` that fails changes nothing;
///  3. `dma_unmap` undoes exactly one `dma_map` of this device;
///  4. a `commit` of a span that was prepared cannot fail;
///  5. `commit` points the span at the blocks, which add up to it, in order, and points nothing else;
///  6. an access through the span faults that `how` does not name;
///  7. `commit`, `invalidate` and what stops and resumes queues allocate nothing;
///  8. `invalidate` returns once no access of the device through the span can start or be under way any more: entries
///     zapped, then caches of them flushed;
///  9. `invalidate` leaves other spans and other devices as they are;
/// 10. once `stop_queues` has returned, no access of the queues is under way and none starts until `resume_queues`;
/// 11. `resume_queues` lets the queues go on where they were;
/// 12. `reserve_iova` sets addresses aside that nobody else gets meanwhile;
/// 13. what `link_iova` mapped at its offset is reachable once `sync_iova` has returned;
/// 14. a `link_iova` that fails changes nothing;
/// 15. `release_iova` undoes the reservation, with its first `linked` bytes of links;
/// 16. `sync_for_device` lets the device see what the system wrote, as mapping does;
/// 17. `sync_for_system` lets the system see what the device wrote;
/// 18. unmapping does so too, without being asked;
/// 19. each function works with the locks held that are listed below, needs no other, and waits for nothing but the device.
/// Promises 10 to 18 are of models that have these functions.
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * prepare, which may allocate, and reserve_iova: no lock of rank notifier or later;
///  * commit: the notifier lock;
///  * invalidate, begin_invalidate, finish_invalidate: the notifier lock, exclusive, or shared with the range lock;
///  * all others: a notifier lock.
///
/// What a device may have beside. Each is claimed by having a function of it, and half of one is an error of `explain`:
///  * `two_pass_device`: `begin_invalidate(span)` starts what `invalidate` does, `finish_invalidate(span)` waits for it;
///  * `iova_device`: `reserve_iova(size)`, `link_iova(base, offset, page, count, direction)`, `sync_iova(base, size)` and
///    `release_iova(base, size, linked, direction)`, for a mapping that is made of several runs;
///  * `queue_device`: `stop_queues()` and `resume_queues()`, for hardware that cannot replay a fault. They come in turns,
///    a stop first;
///  * `noncoherent_device`: `sync_for_device` and `sync_for_system(address, count, direction)`, while a mapping lives.
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

/// A device whose TLB flush can be begun and waited for in two calls.
template <class D>
concept two_pass_device = requires(D& d, va_range span) {
  { d.begin_invalidate(span) } noexcept -> std::same_as<void>;
  { d.finish_invalidate(span) } noexcept -> std::same_as<void>;
};

/// A device whose queues are stopped, because it cannot replay a fault.
template <class D>
concept queue_device = requires(D& d) {
  { d.stop_queues() } noexcept -> std::same_as<void>;
  { d.resume_queues() } noexcept -> std::same_as<void>;
};

/// A device that reserves addresses first, and links memory to them.
template <class D, class Page>
concept iova_device = requires(D& d, Page page, page_count count, dma_direction direction, dma_addr base,
                               byte_count size) {
  { d.reserve_iova(size) } noexcept -> std::same_as<result<dma_addr>>;
  { d.link_iova(base, size, page, count, direction) } noexcept -> std::same_as<errc>;
  { d.sync_iova(base, size) } noexcept -> std::same_as<errc>;
  { d.release_iova(base, size, size, direction) } noexcept -> std::same_as<void>;
};

/// A device that does not see what is in the caches of the CPU.
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

/// Explains what a device that begins to be a `queue_device` lacks to be one.
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

/// Explains what a device that begins to be an `iova_device` lacks to be one.
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

/// Explains what a device that begins to be a `noncoherent_device` lacks to be one.
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

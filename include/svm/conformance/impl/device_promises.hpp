// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/conformance/verdict.hpp>

#include <svm/concepts/device.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace svm::inline v0::conformance::device {

/// The promises of `svm::device`.
// clang-format off
inline constexpr promise_table<19> promises{"device", {{
    {1, "`dma_map` makes the pages reachable at consecutive addresses"},
    {2, "a `dma_map` that fails changes nothing"},
    {3, "`dma_unmap` undoes exactly one `dma_map` of this device"},
    {4, "a `commit` of a span that was prepared cannot fail"},
    {5, "`commit` points the span at the blocks, in order, and points nothing else"},
    {6, "an access that `how` does not name faults"},
    {7, "`commit`, `invalidate` and what stops and resumes queues allocate nothing"},
    {8, "`invalidate` returns once no access through the span can start or be under way any more"},
    {9, "`invalidate` leaves other spans and other devices as they are"},
    {10, "queues that were stopped make no access until they are resumed"},
    {11, "queues that are resumed go on where they were"},
    {12, "`reserve_iova` sets addresses aside that nobody else gets"},
    {13, "what `link_iova` mapped is reachable once `sync_iova` has returned"},
    {14, "a `link_iova` that fails changes nothing"},
    {15, "`release_iova` undoes the reservation and its links"},
    {16, "`sync_for_device` lets the device see what the system wrote"},
    {17, "`sync_for_system` lets the system see what the device wrote"},
    {18, "unmapping lets the system see what the device wrote"},
    {19, "each function works with the locks held that the concept lists, and needs no other"},
}}};
// clang-format on

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

}  // namespace svm::inline v0::conformance::device

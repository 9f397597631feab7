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
inline constexpr promise_table<5> promises{"device", {{
    {1, "`dma_map` makes a block reachable or changes nothing, and `dma_unmap` undoes exactly one `dma_map`"},
    {2, "what was prepared can be committed, wherever its pages lie"},
    {3, "`commit` points the span at the blocks, in order and for the accesses that it names, and allocates nothing"},
    {4, "`invalidate` returns once no access through the span can start or be under way any more"},
    {5, "queues that were stopped make no access until they are resumed, and go on where they were"},
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

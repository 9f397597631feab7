// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace svm::inline v0 {

// clang-format off
/// The order of all locks; a thread takes a lock only while every rank it holds is lower.
///
/// | rank     | lock                                 | guards                                                        |
/// |----------|--------------------------------------|---------------------------------------------------------------|
/// | service  | one a driver that serves page by page | its services, and what its policies remember                 |
/// | vm       | one a gpusvm, shared/exclusive       | the index of notifiers                                        |
/// | range    | one a range                          | its pages: get, unmap by choice, evict, remove; two faults on one range queue here |
/// | eviction | one an allocation of device memory   | its eviction: who comes second waits and finds it done        |
/// | mm       | the address space's map lock         | VMA lookup, page walks; invalidations may arrive with it held |
/// | history  | one an address space                 | what pages did that move to and fro                           |
/// | page     | the mm's page locks                  | one migration at a time for a page; the first may be waited for, further ones are tried |
/// | notifier | one a notifier, shared/exclusive     | its index of ranges, their mappings and flags; never two at once |
/// | queues   | one a driver that stops queues       | whether they are stopped, and how often they were             |
/// | device   | the driver's page-table lock         | GPU page tables, TLB                                          |
/// | leaf_*   | one each, in this order              | themselves                                                    |
///
/// Where a concept names the locks that may be held around a function, that of the rank service may be held too. Where it
/// says none, none is.
///
/// With a lock of rank notifier or a later one held, nothing is allocated. A thread waits there for a device alone,
/// which promises to answer without any lock of the library.
// clang-format on
enum class lock_rank : std::uint8_t {
  service,
  vm,
  range,
  eviction,
  mm,
  history,
  page,
  notifier,
  queues,
  device,
  leaf_page_table,
  leaf_device_memory,
  leaf_collector,
  leaf_sequence,
  leaf_allocator,
  leaf_iommu,
  leaf_statistics,
};

/// The names of the ranks, once a program: a table in the function would be built at each call.
namespace detail {
inline constexpr char const* rank_names[] = {
    "service", "vm",         "range",         "eviction",  "mm",       "history",   "page",  "notifier",  "queues",
    "device",  "page table", "device memory", "collector", "sequence", "allocator", "iommu", "statistics"};
}  // namespace detail
/// The rank's name, for messages.
[[nodiscard]] constexpr char const* lock_rank_name(lock_rank rank) {
  return detail::rank_names[static_cast<std::uint8_t>(rank)];
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/gpusvm/device_mapping.hpp>
#include <svm/gpusvm/range.hpp>

namespace svm::inline v0 {

/// What a caller of `find_or_insert` is about to do with the range.
struct lookup_options {
  access_kind want = access_kind::read;
  bool devmem_possible = false;  ///< a new range over migratable memory may go to device memory
  bool devmem_only = false;      ///< memory that cannot migrate is refused
  byte_count
      check_pages_threshold{};  ///< chunks up to this size are taken only when all their pages are present; 0: any
  cancellation const* cancel = nullptr;
  va_range const* within =
      nullptr;  ///< the part of the window around the address that the range may not leave; null: all
};

/// What `find_or_insert` found.
template <svm_policies P>
struct lookup {
  enum class kind : std::uint8_t {
    existing,
    inserted,
    stale,  ///< it no longer lies inside the VMA, or not inside `within`: evict and remove it, and look again
  };
  range_ref<P> range;
  kind what;
  vma_info vma;
  /// After `find_or_bind`: true when `get_pages` and `bind` were tried for the new range, and came to `bound`.
  bool is_settled = false;
  errc bound = errc::ok;
};

/// How `find_or_bind` binds a new range.
struct bind_options {
  page_options pages;  ///< read-only where the VMA is, too
  mapping_access permitted = mapping_access::read_write;
};

/// What one gpusvm may have, so that a hostile program on the GPU cannot exhaust the host.
struct gpusvm_limits {
  /// Those that were removed count until no fault can look at them any more; who meets the limit waits for that first.
  std::uint64_t ranges = UINT64_MAX;
};

/// Where the memory of a range is now.
enum class residence : std::uint8_t {
  unpopulated,   ///< a page at least is absent
  here,          ///< all of it in the memory of this device
  other,         ///< all of it in the memory of one other device
  system,        ///< all of it in system memory
  mixed_device,  ///< in the memory of several devices
  mixed,         ///< in system memory and in that of devices
};

}  // namespace svm::inline v0

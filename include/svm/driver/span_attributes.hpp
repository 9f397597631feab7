// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// Where a span's memory is best.
enum class preferred_place : std::uint8_t {
  as_driver,  ///< what the driver's options say
  system,     ///< it stays in system memory, and comes back to it; what a service by pages finds on the device stays
  device,     ///< in this device's memory
  another,    ///< in that of another device, which this one reaches: a service by pages lets that one take it
};

/// Which pages a migration takes.
enum class migration_policy : std::uint8_t {
  all_pages,
  system_pages_only,  ///< nothing is taken from another device
};

/// Whether the device may do atomic accesses, and what they need.
enum class atomic_mode : std::uint8_t {
  undefined,  ///< as `device`
  device,     ///< in device memory
  global,     ///< in device memory too, while the CPU does them as well
  cpu,        ///< only the CPU does; the device's are refused
};

/// What a program said of a span of its memory.
struct span_attributes {
  preferred_place preferred = preferred_place::as_driver;
  migration_policy policy = migration_policy::all_pages;
  atomic_mode atomic = atomic_mode::undefined;
  // Where services decide page by page:
  bool accessed_by : 1 = false;      ///< this device maps the memory where it is
  bool read_duplicated : 1 = false;  ///< it reads copies of its own of what is in system memory
  friend constexpr bool operator==(span_attributes, span_attributes) = default;
};

}  // namespace svm::inline v0

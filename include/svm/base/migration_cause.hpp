// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace svm::inline v0 {

/// Why pages move.
enum class migration_cause : std::uint8_t {
  gpu_fault,
  cpu_fault,
  prefetch,            ///< moved along with a fault
  eviction,            ///< to make room
  counter,             ///< a GPU counted its remote accesses
  advice,              ///< a preferred location, read duplication, or its end
  explicit_migration,  ///< a program asked for it
  collection,          ///< the memory was unmapped
  gather,              ///< a range became one allocation
  unbind,              ///< the device memory goes away
  fork,
};

/// True of a move for the sake of an access, on either side.
[[nodiscard]] constexpr bool is_fault(migration_cause c) {
  return c == migration_cause::gpu_fault || c == migration_cause::cpu_fault;
}

}  // namespace svm::inline v0

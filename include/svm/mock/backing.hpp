// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include <svm/base/units.hpp>
#include <svm/mock/frame.hpp>

namespace svm::inline v0::mock {

/// What mappings of memory other than anonymous stand for: a file of its own, full of zeros, and its cached pages.
///
/// Offsets are of bytes in the file. Guarded by the page-table lock.
struct backing {
  std::map<std::uint64_t, page> cache;  ///< each with a reference
  std::uint64_t end = UINT64_MAX;       ///< where it was truncated: nothing is there from here on
  std::map<std::uint64_t, std::unique_ptr<std::byte[]>> registers;  ///< of a device: memory without page frames

  /// A part of it was mapped once more.
  void map(std::uint64_t offset, byte_count size) { count(offset, size, 1); }
  void unmap(std::uint64_t offset, byte_count size) { count(offset, size, -1); }
  [[nodiscard]] bool is_mapped(std::uint64_t offset) const {
    int n = 0;
    for (auto const& [at, step] : steps_) {
      if (at > offset) break;
      n += step;
    }
    return n != 0;
  }

 private:
  void count(std::uint64_t offset, byte_count size, int n) {
    for (auto const& [at, step] : {std::pair{offset, n}, std::pair{offset + size.value, -n}})
      if ((steps_[at] += step) == 0) steps_.erase(at);
  }

  std::map<std::uint64_t, int> steps_;  // by how much the number of mappings changes at an offset
};

}  // namespace svm::inline v0::mock

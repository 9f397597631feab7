// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <svm/base/refcount.hpp>
#include <svm/base/units.hpp>
#include <svm/mock/cpu/frame.hpp>
#include <svm/mock/cpu/span_map.hpp>
#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/owned.hpp>

namespace svm::inline v0::mock {

/// What mappings of memory other than anonymous stand for: a file of its own, full of zeros, and its cached pages.
///
/// Offsets are of bytes in the file. Guarded by the page-table lock.
struct backing {
  /// A new one, which goes with its last mapping.
  [[nodiscard]] static counted_ref<backing> make() { return counted_ref<backing>::adopt(*new backing); }
  void get() { ++references_; }
  void put() {
    if (--references_ == 0) delete this;
  }

  std::uint64_t const number = next_number();    ///< no other one's
  number_map<page> cache;                        ///< each with a reference
  std::uint64_t end = UINT64_MAX;                ///< where it was truncated: nothing is there from here on
  number_map<owned_array<std::byte>> registers;  ///< of a device: memory without page frames

  /// A part of it was mapped once more.
  void map(std::uint64_t offset, byte_count size) {
    mappings_.change(offset, end_of(offset, size), [](std::uint32_t& n) { ++n; });
  }
  void unmap(std::uint64_t offset, byte_count size) {
    mappings_.change(offset, end_of(offset, size), [](std::uint32_t& n) { --n; });
  }
  [[nodiscard]] bool is_mapped(std::uint64_t offset) const { return mappings_.at(offset) != 0; }

 private:
  /// A mapping may reach beyond the largest file.
  [[nodiscard]] static std::uint64_t end_of(std::uint64_t offset, byte_count size) {
    return size.value > UINT64_MAX - offset ? UINT64_MAX : offset + size.value;
  }

  [[nodiscard]] static std::uint64_t next_number() {
    constinit static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  std::atomic<std::uint32_t> references_{1};
  span_map<std::uint32_t> mappings_;  // how many show a byte
};

/// A counted reference on a backing.
using backing_ref = counted_ref<backing>;

}  // namespace svm::inline v0::mock

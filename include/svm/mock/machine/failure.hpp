// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <svm/mock/machine/callback.hpp>

namespace svm::inline v0::mock {

/// The operations of the machine that can be told to fail.
enum class failure : std::uint8_t {
  alloc,       ///< an allocation of the library
  ram,         ///< a system page
  dma_map,     ///< an IOMMU mapping
  copy,        ///< a copy job
  populate,    ///< a device memory allocation
  notifier,    ///< a registration
  lock,        ///< an attempt to lock: a page for a migration, a notifier for an event that may not wait, a reservation
  page_table,  ///< room in a GPU's page table
  page_list,   ///< the pages of an allocation of device memory
  clear,       ///< the clearing of fresh device memory
  device_map,  ///< a mapping of device memory for a device
  iova,        ///< DMA addresses that are set aside, or made reachable
};
/// How many there are.
inline constexpr std::size_t failure_kinds = 12;

/// Failure on demand: one failure is armed at a time, and every operation that could fail is counted.
class failure_plan {
 public:
  enum class repeat : std::uint8_t { once, from_then_on };

  /// Lets the `nth` operation of a kind from now on fail (1 is the next); replaces what was armed.
  void arm(failure kind, std::uint64_t nth, repeat how = repeat::once) {
    kind_ = kind;
    repeat_ = how;
    remaining_ = nth;
  }
  void disarm() { remaining_ = 0; }
  /// True while what was armed has not happened yet (for `from_then_on`: until it is disarmed).
  [[nodiscard]] bool is_armed() const { return remaining_ != 0; }

  /// To be asked by each operation once, before it does anything.
  [[nodiscard, gnu::noinline]] bool strikes(failure kind) {
    ++calls_[static_cast<std::size_t>(kind)];
    if (kind_ != kind) return false;
    std::uint64_t left = remaining_;
    while (true) {
      if (left == 0) return false;
      if (left == 1 && repeat_ == repeat::from_then_on) break;
      if (remaining_.compare_exchange_weak(left, left - 1)) {
        if (left != 1) return false;
        break;
      }
    }
    ++struck_;
    if (listener) listener(kind);
    return true;
  }

  /// How often operations of a kind were tried.
  [[nodiscard]] std::uint64_t calls(failure kind) const { return calls_[static_cast<std::size_t>(kind)]; }
  /// How often one was made to fail.
  [[nodiscard]] std::uint64_t struck() const { return struck_; }

  /// Called with each failure that is about to happen, in the context of the operation that fails. Set it before other
  /// threads start.
  callback<failure> listener;

 private:
  std::atomic<failure> kind_{failure::alloc};
  std::atomic<repeat> repeat_{repeat::once};
  std::atomic<std::uint64_t> remaining_{0};
  std::atomic<std::uint64_t> struck_{0};
  std::array<std::atomic<std::uint64_t>, failure_kinds> calls_{};
};

}  // namespace svm::inline v0::mock

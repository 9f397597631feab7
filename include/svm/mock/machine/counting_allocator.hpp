// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <svm/concepts/allocator.hpp>
#include <svm/mock/machine/block_pool.hpp>
#include <svm/mock/machine/failure.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/mock/machine/report.hpp>

namespace svm::inline v0::mock {

/// The heap with a ledger: it counts what lives, fails on demand, fills new and dead memory with garbage, and reports
/// an allocation under a lock that forbids it (O-28).
class counting_allocator {
 public:
  using lock_lookup = held_locks& (*)();

  /// \param held  finds the locks of the thread that calls
  counting_allocator(
      failure_plan& failures, report& broken, lock_lookup held = +[]() -> held_locks& { return this_thread_locks; })
      : failures_(failures), report_(broken), held_(held) {}
  counting_allocator(counting_allocator const&) = delete;
  counting_allocator& operator=(counting_allocator const&) = delete;

  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    check_context();
    if (failures_.strikes(failure::alloc)) return nullptr;
    std::byte* const memory = pool_.allocate(size, alignment);
    if (memory == nullptr) return nullptr;
    std::memset(memory, 0xcd, size);
    ++live_blocks_;
    ++total_blocks_;
    live_bytes_ += size;
    return memory;
  }
  void deallocate(std::byte* memory, std::size_t size, std::size_t alignment) noexcept {
    check_context();
    std::memset(memory, 0xdd, size);
    --live_blocks_;
    live_bytes_ -= size;
    pool_.deallocate(memory, size, alignment);
  }

  [[nodiscard]] std::uint64_t live_blocks() const { return live_blocks_; }
  [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }
  /// Allocations that succeeded since the beginning.
  [[nodiscard]] std::uint64_t total_blocks() const { return total_blocks_; }

 private:
  void check_context() {
    if (held_().holds_rank_from(lock_rank::notifier))
      report_.violation("O-28", "memory is allocated or freed under a lock of rank notifier or later");
  }

  failure_plan& failures_;
  report& report_;
  lock_lookup held_;
  block_pool pool_;
  std::atomic<std::uint64_t> live_blocks_{0};
  std::atomic<std::uint64_t> live_bytes_{0};
  std::atomic<std::uint64_t> total_blocks_{0};
};
static_assert(allocator<counting_allocator>);

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

#include <svm/base/scope_guard.hpp>
#include <svm/mock/machine/brief_lock.hpp>
#include <svm/std/heap.hpp>

namespace svm::inline v0::mock {

/// Small blocks of memory, side by side with those of their size, and kept for the next request once they are freed.
///
/// A general heap joins neighbours, which touches cold memory for each of many objects that are freed. Any function may
/// be called from any thread. Where AddressSanitizer looks on, every block comes from the heap.
class block_pool {
 public:
  block_pool() = default;
  block_pool(block_pool const&) = delete;
  block_pool& operator=(block_pool const&) = delete;
  ~block_pool() {
    while (slab* const last = slabs_) {
      slabs_ = last->next;
      heap{}.deallocate(reinterpret_cast<std::byte*>(last), last->size, alignof(slab));
    }
  }

  /// \errors null: no memory
  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) {
    if (!is_small(size, alignment)) return heap{}.allocate(size, alignment);
    exclusive_guard const guard{mutex_};
    size_class& c = classes_[class_of(size)];
    if (c.freed != nullptr) return reinterpret_cast<std::byte*>(std::exchange(c.freed, c.freed->next));
    std::size_t const rounded = (class_of(size) + 1) * step;
    if (c.fresh == c.end && !grow(c, rounded)) return nullptr;
    return std::exchange(c.fresh, c.fresh + rounded);
  }
  void deallocate(std::byte* block, std::size_t size, std::size_t alignment) {
    if (!is_small(size, alignment)) return heap{}.deallocate(block, size, alignment);
    exclusive_guard const guard{mutex_};
    size_class& c = classes_[class_of(size)];
    c.freed = ::new (block) freed_block{c.freed};
  }

 private:
  struct freed_block {
    freed_block* next;
  };
  struct alignas(16) slab {
    slab* next;
    std::size_t size;
  };
  struct size_class {
    freed_block* freed = nullptr;
    std::byte* fresh = nullptr;  ///< what was never handed out, up to `end`
    std::byte* end = nullptr;
    std::size_t blocks = 2;  ///< in the last slab
  };
  static constexpr std::size_t step = 16;  ///< sizes are rounded up to it
  static constexpr std::size_t largest = 512;
  static constexpr std::size_t most_blocks = 512;  ///< in a slab
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool pools = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  static constexpr bool pools = false;
#else
  static constexpr bool pools = true;
#endif
#else
  static constexpr bool pools = true;
#endif

  [[nodiscard]] static constexpr bool is_small(std::size_t size, std::size_t alignment) {
    return pools && size != 0 && size <= largest && alignment <= step;
  }
  [[nodiscard]] static constexpr std::size_t class_of(std::size_t size) {
    return (size - 1) / step;
  }

  /// Makes a slab, with twice as many blocks as the one before; false when there is no memory.
  [[nodiscard]] bool grow(size_class& c, std::size_t block) {
    std::size_t const count = c.blocks < most_blocks ? c.blocks * 2 : most_blocks;
    std::size_t const size = sizeof(slab) + count * block;
    std::byte* const memory = heap{}.allocate(size, alignof(slab));
    if (memory == nullptr) return false;
    slabs_ = ::new (memory) slab{slabs_, size};
    c.blocks = count;
    c.fresh = memory + sizeof(slab);
    c.end = memory + size;
    return true;
  }

  brief_lock mutex_;
  slab* slabs_ = nullptr;
  std::array<size_class, largest / step> classes_{};
};

}  // namespace svm::inline v0::mock

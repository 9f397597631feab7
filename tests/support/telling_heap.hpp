// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/std/heap.hpp>

#include <cstddef>
#include <vector>

namespace support {

/// Tells what it handed out, zeroed.
struct telling_heap {
  svm::heap memory;
  std::vector<std::byte*> blocks;

  std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    std::byte* const block = memory.allocate(size, alignment);
    for (std::size_t i = 0; i < size; ++i) block[i] = std::byte{};
    blocks.push_back(block);
    return block;
  }
  void deallocate(std::byte* block, std::size_t size, std::size_t alignment) noexcept {
    memory.deallocate(block, size, alignment);
  }
};

}  // namespace support

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>

#include <svm/concepts/allocator.hpp>

namespace svm::inline v0 {

/// The allocator policy on the global heap.
struct heap {
  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    return static_cast<std::byte*>(::operator new (size, std::align_val_t{alignment}, std::nothrow));
  }
  void deallocate(std::byte* memory, std::size_t, std::size_t alignment) noexcept {
    ::operator delete (memory, std::align_val_t{alignment});
  }
};
static_assert(allocator<heap>);

}  // namespace svm::inline v0

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
    return static_cast<std::byte*>(is_usual(alignment)
                                       ? ::operator new(size, std::nothrow)
                                       : ::operator new (size, std::align_val_t{alignment}, std::nothrow));
  }
  void deallocate(std::byte* memory, std::size_t, std::size_t alignment) noexcept {
    if (is_usual(alignment))
      ::operator delete(memory);
    else
      ::operator delete (memory, std::align_val_t{alignment});
  }

 private:
  /// Heaps keep caches for what needs no alignment beyond this, and search for the rest.
  [[nodiscard]] static constexpr bool is_usual(std::size_t alignment) {
    return alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  }
};
static_assert(allocator<heap>);

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

#include <svm/concepts/on_missing.hpp>

namespace svm::inline v0 {

/// Memory for bookkeeping objects, which may run out.
///
/// A model also promises (svm/conformance/allocator.hpp checks it):
///  1. `allocate(size, alignment)`, with a size that is not 0, returns `size` bytes that nobody else has, or null;
///  2. they are aligned to `alignment`, a power of two of at most 64;
///  3. `deallocate`, with the same size and alignment, takes back what `allocate` returned, and cannot fail;
///  4. it leaves what else was allocated as it is;
///  5. both may be called from any thread.
///
/// Neither is ever called with a lock of rank notifier or later held. `deallocate` may be called from the last put of a
/// device page.
// clang-format off
template <class A>
concept allocator = requires(A& a, std::byte* memory, std::size_t n) {
  { a.allocate(n, n) } noexcept -> std::same_as<std::byte*>;
  { a.deallocate(memory, n, n) } noexcept -> std::same_as<void>;
};

/// Explains what a type lacks to be an allocator.
template <class A, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_allocator() {
  if constexpr (!requires(A& a, std::size_t n) { { a.allocate(n, n) } noexcept -> std::same_as<std::byte*>; })
    static_assert(How == on_missing::answer,
                  "svm: allocator needs `std::byte* allocate(std::size_t, std::size_t) noexcept`");
  else if constexpr (!requires(A& a, std::byte* memory, std::size_t n) {
    { a.deallocate(memory, n, n) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: allocator needs `void deallocate(std::byte*, std::size_t, std::size_t) noexcept`");
  else
    return true;
  return false;
}
// clang-format on

}  // namespace svm::inline v0

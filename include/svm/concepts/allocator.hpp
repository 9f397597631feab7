// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

namespace svm::inline v0 {

/// Memory for bookkeeping objects, which may run out.
///
/// A model also promises (tests/conformance/allocator.hpp checks it):
///  1. `allocate(size, alignment)` returns `size` bytes of its own, aligned, or null; it never throws. `size` is not 0
///     and `alignment` is a power of two of at most 64;
///  2. `deallocate` takes back what `allocate` returned, with the same size and alignment, and cannot fail;
///  3. both may be called from any thread. Neither is ever called with a lock of rank notifier or later held;
///     `deallocate` may be called from the last put of a device page.
// clang-format off
template <class A>
concept allocator = requires(A& a, std::byte* memory, std::size_t n) {
  { a.allocate(n, n) } noexcept -> std::same_as<std::byte*>;
  { a.deallocate(memory, n, n) } noexcept -> std::same_as<void>;
};
// clang-format on

}  // namespace svm::inline v0

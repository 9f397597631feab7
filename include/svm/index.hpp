// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The interval index by itself, for programs of one thread that take memory from the heap.

#include <svm/index/interval_index.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

namespace svm::inline v0 {

/// An `interval_index` whose user locks it, if anybody does, and whose nodes come from the heap by default.
template <interval_traits Traits, class LockPolicy = null_lock, class Allocator = heap>
using simple_index = interval_index<Traits, LockPolicy, Allocator>;

/// Where a `simple_index` takes its nodes from; it outlives the index.
template <interval_traits Traits, class LockPolicy = null_lock, class Allocator = heap>
using simple_index_pool = typename simple_index<Traits, LockPolicy, Allocator>::pool;

}  // namespace svm::inline v0

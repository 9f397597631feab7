// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/allocator.hpp>
#include <svm/concepts/lock.hpp>

namespace svm::inline v0 {

/// The types that a driver brings to its GPU VA spaces.
///
///     struct my_mapping;
///     struct my_object;
///     struct my_types {
///       using mapping = my_mapping;      // derives from svm::gpu_mapping<my_types>
///       using object = my_object;        // what backs a mapping: a buffer
///       using lock = svm::std_lock;      // guards what the library shares between threads by itself
///       using allocator = svm::heap;     // index nodes and operation lists
///     };
///
/// `mapping` and `object` may be incomplete here. The user also promises:
///  1. a `mapping` stays where it is, and alive, while it is in a space, linked, in a list that will be applied, or in a
///     step that was put off;
///  2. two objects are the same when their addresses are; an object lives while a mapping refers to it;
///  3. the driver's own lock on a space is held shared for its `const` functions and exclusive for the others.
template <class T>
concept gpuvm_types = requires {
  typename T::mapping;
  typename T::object;
  requires lock<typename T::lock>;
  requires allocator<typename T::allocator>;
};

}  // namespace svm::inline v0

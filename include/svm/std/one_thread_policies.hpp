// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/policies.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/steady_clock.hpp>

namespace svm::inline v0 {

/// What a bundle for one thread takes from the standard library; it lacks an mm, a device, and a pagemap where there is
/// device memory.
struct one_thread_policies : default_policies {
  using lock = null_lock;
  using clock = steady_clock;
  using allocator = heap;

  /// The objects of these policies.
  struct objects {
    heap memory;
    steady_clock clock;
    null_observer observer;
  };
};

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: use of deleted function|call to deleted constructor
// each-with: COPIED MOVED
#include <svm/gpuvm.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <utility>

struct mapping;
struct object;
struct types {
  using mapping = ::mapping;
  using object = ::object;
  using lock = svm::null_lock;
  using allocator = svm::heap;
};
struct mapping : svm::gpu_mapping<types> {};
struct object {};

svm::errc unmap(svm::gpuvm<types>& space, svm::unmap_step<types>& step) {
#ifdef FIXED
  svm::unmap_operation<types> const kept = space.later(step);
#elif defined(COPIED)
  svm::unmap_step<types> kept = step;
#else
  svm::unmap_step<types> kept = std::move(step);
#endif
  static_cast<void>(space);
  static_cast<void>(kept);
  return svm::errc::ok;
}

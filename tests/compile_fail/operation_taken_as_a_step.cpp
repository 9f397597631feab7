// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: (no matching function for call|cannot bind|no matching member function|cannot convert|non-const lvalue reference)
#include <svm/gpuvm.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

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

// A driver of a list that is written for any kind of step would take it behind the back of the list.
template <class Step>
svm::errc map(svm::gpuvm<types>& space, Step& step, mapping& fresh) {
  return space.map(step, fresh);
}

#ifdef FIXED
svm::errc take(svm::gpuvm<types>& space, svm::map_step<types>& step, mapping& fresh) {
#else
svm::errc take(svm::gpuvm<types>& space, svm::map_operation<types>& step, mapping& fresh) {
#endif
  return map(space, step, fresh);
}

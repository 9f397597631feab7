// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: a mapping derives from svm::gpu_mapping<Types>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

struct mapping;
struct object {
  void assert_mappings_locked() const {}
};
struct types {
  using mapping = ::mapping;
  using object = ::object;
  using lock = svm::null_lock;
  using allocator = svm::heap;
};
#ifdef FIXED
struct mapping : svm::gpu_mapping<types> {};
#else
struct mapping {};
#endif

void make(svm::gpuvm_layout const& layout, svm::heap& memory) {
  svm::gpuvm<types> const space{layout, memory};
}

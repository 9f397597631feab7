// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: an object derives from svm::gpuvm_object<Types>
#include <svm/gpuvm/objects.hpp>
#include <svm/mock/machine/reservation.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

struct mapping;
struct object;
struct types {
  using mapping = ::mapping;
  using object = ::object;
  using lock = svm::null_lock;
  using allocator = svm::heap;
  using reservation = svm::mock::reservation;
};
struct mapping : svm::gpu_mapping<types> {};
#ifdef FIXED
struct object : svm::gpuvm_object<types> {};
#else
struct object {
  void assert_mappings_locked() const {}
};
#endif

void make(svm::gpuvm<types>& space, svm::mock::reservation& local, svm::heap& memory) {
  svm::gpuvm_objects<types> const objects{space, local, memory};
}

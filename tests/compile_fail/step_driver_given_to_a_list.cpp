// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: a driver of lists needs `errc map
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

// It takes each step when it gets it.
struct step_driver {
  svm::gpuvm<types>& space;
  mapping fresh;
  svm::errc map(svm::map_step<types>& s) { return space.map(s, fresh); }
  svm::errc remap(svm::remap_step<types>& s) { return space.remap(s, s->prev, s->next); }
  svm::errc unmap(svm::unmap_step<types>& s) {
    space.unmap(s);
    return svm::errc::ok;
  }
};

svm::errc request(svm::gpuvm<types>& space, svm::gpuvm_op_list<types>& list, step_driver& driver) {
#ifdef FIXED
  static_cast<void>(list);
  return space.sm_map(driver, {{0}, {0x1000}}).error();
#else
  static_cast<void>(space);
  return list.apply(driver);
#endif
}

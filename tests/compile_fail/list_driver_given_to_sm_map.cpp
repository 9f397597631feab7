// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: a driver of sm_(un)?map needs `errc (map|remap)
// each-with: A_MAP AN_UNMAP
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

// It names mappings, and leaves the space to whoever applies the list.
struct list_driver {
  svm::errc map(svm::map_operation<types>& o) {
    o.mapping = &fresh;
    return svm::errc::ok;
  }
  svm::errc remap(svm::remap_operation<types>&) { return svm::errc::ok; }
  svm::errc unmap(svm::unmap_operation<types>&) { return svm::errc::ok; }
  mapping fresh;
};

svm::errc request(svm::gpuvm<types>& space, svm::gpuvm_op_list<types>& list, list_driver& driver) {
#ifdef FIXED
  static_cast<void>(space);
  return list.apply(driver);
#elif defined(A_MAP)
  static_cast<void>(list);
  return space.sm_map(driver, {{0}, {0x1000}}).error();
#else
  static_cast<void>(list);
  return space.sm_unmap(driver, {0}, {0x1000}).error();
#endif
}

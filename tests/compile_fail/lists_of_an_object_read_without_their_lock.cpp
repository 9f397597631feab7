// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// only-clang
// expect-error: requires holding lists of an object 'o.lists_' exclusively \[-Werror,-Wthread-safety-analysis\]
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
struct object : svm::gpuvm_object<types> {};

/// A member that forgot the lock.
template <>
auto svm::gpuvm_objects<types>::find(object& o) -> bo* {
#ifdef FIXED
  svm::gpuvm_object<types>::lists_held const guard{o};
#endif
  return find_locked(o);
}

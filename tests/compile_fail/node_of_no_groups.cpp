// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: nodes are searched in groups of keys
#include <svm/index/interval_index.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

struct traits {
  using entry = svm::va_range;
  using address = svm::cpu_va;
  static svm::va_range interval_of(svm::va_range const& r) { return r; }
};
#ifdef FIXED
using index = svm::interval_index<traits, svm::null_lock, svm::heap, 16>;
#else
using index = svm::interval_index<traits, svm::null_lock, svm::heap, 18>;
#endif

std::size_t count(index const& all) {
  return all.size();
}

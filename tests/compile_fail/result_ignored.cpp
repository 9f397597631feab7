// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: ignoring return(ed)? value
#include <svm/base/interval.hpp>

void make(svm::cpu_va start, svm::byte_count size) {
#ifdef FIXED
  (void)svm::va_range::make(start, size);
#else
  svm::va_range::make(start, size);
#endif
}

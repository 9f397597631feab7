// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: could not convert|no viable conversion|cannot convert
#include <svm/base/units.hpp>

svm::byte_count size(svm::page_count pages) {
#ifdef FIXED
  return pages * svm::byte_count{4096};
#else
  return pages;
#endif
}

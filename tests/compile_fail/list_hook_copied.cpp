// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: use of deleted function|call to (implicitly-)?deleted
#include <svm/base/intrusive_list.hpp>

struct item : svm::list_hook<item> {};

void duplicate(item& original) {
#ifdef FIXED
  item& copy = original;
#else
  item copy = original;
#endif
  (void)copy;
}

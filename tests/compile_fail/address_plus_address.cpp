// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: no match for .operator\+.|invalid operands to binary expression
#include <svm/base/units.hpp>

svm::cpu_va end_of(svm::cpu_va start, svm::cpu_va size) {
#ifdef FIXED
  return start + (size - svm::cpu_va{0});
#else
  return start + size;
#endif
}

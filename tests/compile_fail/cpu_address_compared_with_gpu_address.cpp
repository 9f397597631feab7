// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: no match for .operator==.|invalid operands to binary expression
#include <svm/base/units.hpp>

bool same(svm::cpu_va a, svm::gpu_va b) {
#ifdef FIXED
  return a.value == b.value;
#else
  return a == b;
#endif
}

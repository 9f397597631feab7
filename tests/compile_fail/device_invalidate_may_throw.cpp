// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: device needs `void invalidate\(va_range\) noexcept`
#include <svm/driver/svm_driver.hpp>

#include "../static/archetypes.hpp"

struct my_gpu : archetypes::device {
#ifdef FIXED
  void invalidate(svm::va_range) noexcept;
#else
  void invalidate(svm::va_range);
#endif
};

struct my_policies : archetypes::policies {
  using device = my_gpu;
};
svm::svm_driver<my_policies>* driver;

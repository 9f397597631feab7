// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: device needs `void finish_invalidate\(va_range\) noexcept`, to be a two_pass_device
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_device : archetypes::device {
#ifdef FIXED
  void begin_invalidate(svm::va_range) noexcept;
  void finish_invalidate(svm::va_range) noexcept;
#else
  void begin_invalidate(svm::va_range) noexcept;
  void finish_invalidation(svm::va_range) noexcept;
#endif
};
struct my_policies : archetypes::policies {
  using device = my_device;
};

#include "named_policies.hpp"

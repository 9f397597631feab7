// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: device needs `errc prepare\(va_range\) noexcept`
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_device : archetypes::device {
#ifndef FIXED
  svm::errc prepare(svm::va_range) noexcept = delete;
#endif
};
struct my_policies : archetypes::policies {
  using device = my_device;
};

#include "named_policies.hpp"

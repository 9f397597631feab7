// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: page_migration needs `void discard_page\(page\) noexcept`
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifndef FIXED
  void discard_page(page) noexcept = delete;
#endif
};
struct my_policies : archetypes::policies {
  using mm = my_mm;
};

#include "named_policies.hpp"

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: page_migration needs `errc collect\(migration&, va_range, std::span<migration_slot<page>>, page_owner\) noexcept`
// each-with: BY_ASSERTION BY_DRIVER
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifdef FIXED
  svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept;
#else
  svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner);
#endif
};
struct my_policies : archetypes::policies {
  using mm = my_mm;
};

#include "named_policies.hpp"

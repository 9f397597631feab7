// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: m\.snapshot\(span, entries\)|no member named .snapshot.
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifdef FIXED
  void snapshot(svm::va_range, std::span<entry>) noexcept;
#else
  void snapshot(svm::va_range, std::span<entry>) noexcept = delete;
#endif
};
static_assert(svm::mm<my_mm>);

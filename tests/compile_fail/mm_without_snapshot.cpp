// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: m\.snapshot\(span, sink\)|no member named .snapshot.
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifdef FIXED
  void snapshot(svm::va_range, svm::run_sink<archetypes::page>&) noexcept;
#else
  void snapshot(svm::va_range, svm::run_sink<archetypes::page>&) noexcept = delete;
#endif
};
static_assert(svm::mm<my_mm>);

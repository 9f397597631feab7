// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: page_size
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifdef FIXED
  static constexpr svm::byte_count page_size{16384};
#else
  static svm::byte_count const page_size;
#endif
};
static_assert(svm::mm<my_mm>);

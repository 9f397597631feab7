// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: is_lvalue_reference_v<decltype
#include "../static/archetypes.hpp"

struct my_mm : archetypes::mm {
#ifdef FIXED
  shared_lock& map_lock();
#else
  shared_lock map_lock();
#endif
};
static_assert(svm::mm<my_mm>);

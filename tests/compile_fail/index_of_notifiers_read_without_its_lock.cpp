// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// only-clang
// expect-error: requires holding \w+ 'lock_' \[-Werror,-Wthread-safety-analysis\]
#include "../static/archetypes.hpp"

#include <svm/gpusvm/gpusvm.hpp>

/// A member that forgot the lock.
template <>
bool svm::gpusvm<archetypes::policies>::check() {
#ifdef FIXED
  svm::shared_guard const guard{lock_};
#endif
  return notifiers_.check();
}

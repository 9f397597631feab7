// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// only-clang
// expect-error: requires holding \w+ 'n.lock_' \[-Werror,-Wthread-safety-analysis\]
// each-with: COMMITS TOUCHES
#include "../static/archetypes.hpp"

#include <svm/gpusvm/gpusvm.hpp>

using policies = archetypes::policies;

void bind(svm::notifier<policies>& n, svm::device_mapping<policies>& mapping) {
#ifdef FIXED
  svm::shared_guard const guard{n.lock()};
#endif
#ifdef COMMITS
  mapping.commit_locked(n.lock(), n.interval(), svm::mapping_access::read_only);
#else
  mapping.touch_locked(n.lock());
#endif
}

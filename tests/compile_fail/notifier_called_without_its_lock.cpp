// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// only-clang
// expect-error: requires holding \w+ 'n.lock_'( exclusively)? \[-Werror,-Wthread-safety-analysis\]
// each-with: VISITS UNMAPS MARKS MARKS_SHARED CALLS_BACK
#include "../static/archetypes.hpp"

#include <svm/driver/svm_driver.hpp>

using policies = archetypes::policies;

void forget([[maybe_unused]] svm::svm_driver<policies>& driver, svm::notifier<policies>& n, svm::range<policies>& r) {
#if defined(FIXED)
  svm::exclusive_guard const guard{n.lock()};
#elif defined(MARKS_SHARED)
  svm::shared_guard const guard{n.lock()};
#endif
#if defined(VISITS)
  n.for_each_range_locked(r.interval(), [](svm::range<policies>&) {});
#elif defined(UNMAPS)
  n.unmap_pages_locked(r);
#elif defined(CALLS_BACK)
  static_cast<void>(driver.invalidate(n, {r.interval()}, svm::invalidation_passes::one));
#else
  n.set_unmapped_locked(r, r.interval());
#endif
}

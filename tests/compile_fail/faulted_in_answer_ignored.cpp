// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: ignoring return(ed)? value
#include "../static/archetypes.hpp"

#include <svm/gpusvm/gpusvm.hpp>

/// What relies on the pages may not have run.
void use(svm::faulted_in<archetypes::policies>& pages) {
#ifdef FIXED
  if (pages.with_valid([] {}) == svm::errc::retry) return;
#else
  pages.with_valid([] {});
#endif
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: discards qualifiers|rvalue ref-qualifier
#include "../static/archetypes.hpp"

#include <svm/gpusvm/gpusvm.hpp>

#include <utility>

/// To work on the range otherwise, what is known of its pages is given up.
svm::locked_range<archetypes::policies> work_on(svm::faulted_in<archetypes::policies>& pages) {
#ifdef FIXED
  return std::move(pages).release();
#else
  return pages.release();
#endif
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-error: deleted
#include "../static/archetypes.hpp"

#include <svm/gpusvm/gpusvm.hpp>

#include <utility>

/// The right to work on a range is one.
svm::faulted_in<archetypes::policies> keep(svm::faulted_in<archetypes::policies>& pages) {
#ifdef FIXED
  return std::move(pages);
#else
  return pages;
#endif
}

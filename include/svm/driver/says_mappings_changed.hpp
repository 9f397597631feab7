// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>

namespace svm::inline v0 {

/// True for an error which says that the CPU's mappings changed under a pass, so that another one may serve.
[[nodiscard]] constexpr bool says_mappings_changed(errc e) {
  switch (e) {
    case errc::retry:
    case errc::stale:
    case errc::gone:
    case errc::unmapped:
    case errc::no_vma:
    case errc::spans_vmas:
    case errc::not_migratable:
    case errc::no_access:
    case errc::read_only:
      return true;
    default:
      return false;
  }
}

}  // namespace svm::inline v0

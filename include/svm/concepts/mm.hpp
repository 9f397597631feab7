// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/address_space.hpp>
#include <svm/concepts/interval_notifier.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/page_migration.hpp>

namespace svm::inline v0 {

/// Everything that the library asks of memory management: an address space that can be watched and whose pages can move.
template <class M>
concept mm = address_space<M> && interval_notifier<M> && page_migration<M>;

/// Explains what a type lacks to be an mm: the first thing that is missing of the first part that is not whole.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_mm() {
  if constexpr (!explain_address_space<M, How>())
    return false;
  else if constexpr (!explain_interval_notifier<M, How>())
    return false;
  else
    return explain_page_migration<M, How>();
}

}  // namespace svm::inline v0

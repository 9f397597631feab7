// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

/// A bundle whose placement policy decides page by page what moves and what is mapped:
///
///     struct my_policies : ... {
///       using placement = svm::placement::uvm_placement;
///     };
///
/// A bundle that names no `placement` moves and maps ranges whole, and nothing of pages is compiled into it.
template <class P>
concept page_wise_policies = migrating_policies<P> && requires {
  typename P::placement::options;
  typename P::placement::block_data;
};

}  // namespace svm::inline v0

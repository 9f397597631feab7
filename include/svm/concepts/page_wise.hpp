// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/policies.hpp>
#include <svm/concepts/write_protection.hpp>

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

/// One whose mm also has what it takes that devices have copies of pages that are in system memory: read duplication.
template <class P>
concept duplicating_policies = page_wise_policies<P> && write_protecting_mm<typename P::mm>;

/// One that can also leave pages whose content nobody wants without a copy. What the CPU reaches in place it writes unseen.
template <class P>
concept discarding_policies =
    page_wise_policies<P> && clearing_mm<typename P::mm> && !coherent_pagemap<typename P::pagemap>;

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::mm` (see verdict.hpp): the suites of its three parts, on one bench. The heads of the three say what the bench has.
//
//     CHECK(svm::conformance::mm::check_all([] { return std::make_unique<my_bench>(); }) == svm::conformance::kept);

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/interval_notifier.hpp>
#include <svm/conformance/page_migration.hpp>

namespace svm::inline v0::conformance::mm {

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  broken_promises all;
  all.add(address_space::check_all(make));
  all.add(interval_notifier::check_all(make));
  all.add(page_migration::check_all(make));
  return all;
}

}  // namespace svm::inline v0::conformance::mm

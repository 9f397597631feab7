// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::time_source` (see verdict.hpp):
//
//     CHECK(svm::conformance::time_source::check_all(my_clock) == conformance::kept);
//
//  1. checked.
//  2. checked: `wait_until` returns late enough, for moments before, at and after now. That it returns at all is for
//     the time limit of the test program.
//  3. not checked; it shows only under a lock policy that checks ranks.

#include <svm/conformance/verdict.hpp>

#include <svm/concepts/time_source.hpp>

#include <cstdint>

namespace svm::inline v0::conformance::time_source {

/// The promises of `svm::time_source`.
// clang-format off
inline constexpr promise_table<3> promises{"time_source", {{
    {1, "`now` never goes back"},
    {2, "`wait_until` returns when that moment has come, and not before"},
    {3, "`now` takes no lock of a rank below leaf_statistics"},
}}};
// clang-format on

/// Promise 1.
template <svm::time_source C>
[[nodiscard]] broken_promises time_does_not_go_back(C& c) {
  verdict v{promises};
  svm::time_point before = c.now();
  for (int i = 0; i < 1000; ++i) {
    svm::time_point const now = c.now();
    v.expect(1, !svm::is_before(now, before));
    before = now;
  }
  return v.result();
}

/// Promise 2.
template <svm::time_source C>
[[nodiscard]] broken_promises waits_long_enough(C& c) {
  verdict v{promises};
  constexpr std::uint64_t past = std::uint64_t{0} - 1000;
  for (std::uint64_t const offset : {past, std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2'000'000}}) {
    svm::time_point const t = c.now() + svm::duration{offset};
    c.wait_until(t);
    v.expect(2, !svm::is_before(c.now(), t));
  }
  return v.result();
}

/// Runs the whole suite.
template <svm::time_source C>
[[nodiscard]] broken_promises check_all(C& c) {
  broken_promises all;
  all.add(time_does_not_go_back(c));
  all.add(waits_long_enough(c));
  return all;
}

}  // namespace svm::inline v0::conformance::time_source

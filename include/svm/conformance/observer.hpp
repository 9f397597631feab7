// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::observer` (see verdict.hpp):
//
//     CHECK(svm::conformance::observer::check_all(my_observer) == conformance::kept);
//
//  1. checked from two threads at a time, where allocations are counted (see verdict.hpp).
//  2. not checked: what "soon" means no program can tell.
//  3. not checked; run a driver with it on the simulated machine, whose lock policy reports what is taken out of order.
//  4. not checked; that machine shows it too, when a lock is taken twice.

#include <svm/conformance/impl/joined_thread.hpp>
#include <svm/conformance/verdict.hpp>

#include <svm/concepts/observer.hpp>

#include <cstdint>

namespace svm::inline v0::conformance::observer {

/// The promises of `svm::observer`.
// clang-format off
inline constexpr promise_table<4> promises{"observer", {{
    {1, "`record` allocates nothing"},
    {2, "`record` returns soon"},
    {3, "`record` takes no lock of a rank below leaf_statistics"},
    {4, "`record` calls nothing of the library"},
}}};
// clang-format on

/// Promise 1.
template <svm::observer O>
[[nodiscard]] broken_promises records_without_allocating(O& o) {
  auto const record_all = [&o] {
    return allocations_in([&o] {
      constexpr auto last = static_cast<unsigned>(svm::event_kind::copied);
      for (unsigned kind = 0; kind <= last; ++kind)
        o.record({static_cast<svm::event_kind>(kind), {svm::cpu_va{4096}, svm::byte_count{4096}}});
    });
  };
  std::uint64_t elsewhere = 0;
  joined_thread other{[&] { elsewhere = record_all(); }};
  std::uint64_t const here = record_all();
  other.join();
  verdict v{promises};
  v.expect(1, here == 0 && elsewhere == 0);
  return v.result();
}

/// Runs the whole suite.
template <svm::observer O>
[[nodiscard]] broken_promises check_all(O& o) {
  return records_without_allocating(o);
}

}  // namespace svm::inline v0::conformance::observer

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include <svm/base/time.hpp>
#include <svm/concepts/on_missing.hpp>

namespace svm::inline v0 {

/// Where the library reads the time.
///
/// A model also promises (svm/conformance/time_source.hpp checks it):
///  1. `now()` never goes back, in the sense of `is_before`;
///  2. `wait_until(t)`, which is called with no lock of the library held, returns when `now()` is not before `t`;
///  3. `now()` takes no lock of a rank below leaf_statistics.
// clang-format off
template <class C>
concept time_source = requires(C& c, time_point t) {
  { c.now() } noexcept -> std::same_as<time_point>;
  { c.wait_until(t) } noexcept -> std::same_as<void>;
};

/// Explains what a type lacks to be a clock.
template <class C, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_time_source() {
  if constexpr (!requires(C& c) { { c.now() } noexcept -> std::same_as<time_point>; })
    static_assert(How == on_missing::answer, "svm: clock needs `time_point now() noexcept`");
  else if constexpr (!requires(C& c, time_point t) { { c.wait_until(t) } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: clock needs `void wait_until(time_point) noexcept`");
  else
    return true;
  return false;
}
// clang-format on

}  // namespace svm::inline v0

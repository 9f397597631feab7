// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace svm::inline v0::mock {

// What the machine does without a lock of the policy, told to a policy that explores; other policies pay nothing.

/// A step of its own: somebody else may act before it.
template <class Lock>
void visible_step(char const* what) {
  if constexpr (requires { Lock::point(what, {}, {}); }) Lock::point(what, {}, {});
}

/// The step of this moment reads the thing with this name and number.
template <class Lock>
void looks_at(char const* kind, std::uint64_t number) {
  if constexpr (requires { Lock::touch({}, {}); }) Lock::touch({{kind, number}}, {});
}

/// The step of this moment changes the thing with this name and number.
template <class Lock>
void changes(char const* kind, std::uint64_t number) {
  if constexpr (requires { Lock::touch({}, {}); }) Lock::touch({}, {{kind, number}});
}

/// Ends a round of a loop that goes on until others have changed something.
template <class Lock>
void lets_others_go([[maybe_unused]] char const* where) noexcept {
  if constexpr (requires { Lock::yield(where); }) Lock::yield(where);
}

}  // namespace svm::inline v0::mock

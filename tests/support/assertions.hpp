// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <svm/config.hpp>

namespace support {

/// A failed assertion, carried out of the failing call as an exception.
struct assertion_raised {
  svm::assertion_failure failure;
};

/// Runs `action`, which must not be noexcept on the way, and returns the assertion that failed in it, if one did.
template <class Action>
[[nodiscard]] std::optional<svm::assertion_failure> failed_assertion(Action&& action) {
  struct restore {
    void (*previous)(svm::assertion_failure const&);
    ~restore() { svm::assertion_handler = previous; }
  };
  restore const guard{std::exchange(svm::assertion_handler,
                                    [](svm::assertion_failure const& failure) { throw assertion_raised{failure}; })};
  try {
    std::forward<Action>(action)();
  } catch (assertion_raised const& raised) {
    return raised.failure;
  }
  return std::nullopt;
}

/// The text of the assertion that fails in `action`, or "no assertion failed".
template <class Action>
[[nodiscard]] std::string failed_expression(Action&& action) {
  auto const failure = failed_assertion(std::forward<Action>(action));
  return failure ? failure->expression : "no assertion failed";
}

}  // namespace support

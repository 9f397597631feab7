// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include <svm/config.hpp>

namespace support {

/// True when an assertion fails in `action`, run in a child process: for destructors and other noexcept calls.
template <class Action>
[[nodiscard]] bool asserts_in_child(Action&& action) {
  constexpr int asserted = 42;
  pid_t const child = ::fork();
  if (child == 0) {
    svm::assertion_handler = [](svm::assertion_failure const&) { std::_Exit(asserted); };
    std::forward<Action>(action)();
    std::_Exit(0);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == asserted;
}

}  // namespace support

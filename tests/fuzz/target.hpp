// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "input.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

/// Something to fuzz. `run` returns 0 when all was well and does not return otherwise: see `fail`.
struct target {
  std::string_view name;
  int (*run)(bytes);
};

/// The targets that are linked into the program.
[[nodiscard]] std::vector<target>& targets();

/// Makes a target known; each stands at the end of its file.
struct registration {
  registration(std::string_view name, int (*run)(bytes)) { targets().push_back({name, run}); }
};

/// Runs a target on one input, whose `origin` (a file, a seed) is told when the run fails.
int run(target const& what, bytes input, std::string_view origin);

/// Ends the program: says what is wrong and where the input came from, prints the input, and repeats the run with all
/// its operations told.
///
/// A failed assertion of the library ends here too. Nothing is unwound, since what is wrong may be what unwinding needs.
[[noreturn]] void fail(std::string const& what);

inline void expect(bool good, char const* what) {
  if (!good) fail(what);
}

/// Whether the run tells its operations: the repetition of a failed one does, and any with SVM_FUZZ_TELL in the
/// environment.
[[nodiscard]] bool telling();
void tell(std::string const& line);

/// Tells an operation by its `text`.
template <class Operation>
void tell_operation(Operation const& o) {
  if (telling()) tell(text(o));
}

[[nodiscard]] std::string hex(std::uint64_t value);

}  // namespace fuzz

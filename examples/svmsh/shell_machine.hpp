// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "system.hpp"

#include <svm/mock/machine.hpp>
#include <svm/std/null_lock.hpp>

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace svmsh {

/// The simulated machine that svmsh drives.
using shell_machine = svm::mock::machine<svm::mock::rank_checked<svm::null_lock>>;

/// Builds the machine, or says in one sentence why the library refuses the configuration.
[[nodiscard]] std::variant<std::unique_ptr<shell_machine>, std::string> make_machine(machine_options const& options);

/// The statistics in the order of the manual page, the exact ones first.
[[nodiscard]] std::vector<stat_line> statistics_of(shell_machine& computer);

}  // namespace svmsh

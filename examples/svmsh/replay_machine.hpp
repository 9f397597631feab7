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

/// The machine that a replay drives without a front in between, since every access counts.
class replay_machine : public svm::mock::machine<svm::mock::rank_checked<svm::null_lock>> {
 public:
  using machine::machine;
  /// Also for a replay that ends early, without an audit: device memory goes with the pages of the process.
  ~replay_machine() {
    driver.close();
    if (process.users() != 0) process.exit();
  }
};

/// Builds the machine, or says in one sentence why the library refuses the configuration.
[[nodiscard]] std::variant<std::unique_ptr<replay_machine>, std::string> make_replay_machine(
    machine_options const& options);

/// The exact statistics in the order of the manual page.
[[nodiscard]] std::vector<stat_line> exact_statistics(replay_machine& computer);

}  // namespace svmsh

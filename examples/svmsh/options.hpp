// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "system.hpp"
#include "words.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace svmsh {

/// Every machine option of the manual page: those that the machine knows, and those that it does not support yet.
struct options {
  machine_options machine;
  std::uint64_t gpus = 1;
  std::uint64_t page = 4096;
  bool thp = false;
  bool split = false;
};

/// Whether an argument of the command line has the form KEY=VALUE; the others are file names.
bool is_option(std::string_view word);

/// Sets one option from `KEY=VALUE`; what was set before is overwritten. On an error nothing changes.
[[nodiscard]] std::optional<bad_input> assign(options& to, std::string_view word);

/// What can be judged only when all options are known. The rest of the judgement is the library's, in system::create.
[[nodiscard]] std::optional<bad_input> check(options const& all);

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"
#include "system.hpp"
#include "words.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace svmsh {

/// Whether an argument of the command line has the form KEY=VALUE; the others are file names.
bool is_option(std::string_view word);

/// Sets one machine option from `KEY=VALUE`; what was set before is overwritten. On an error nothing changes.
[[nodiscard]] std::optional<bad_input> assign(machine_options& to, std::string_view word);

/// The sizes of ranges: what was set, or 2M, 64K and the page size.
[[nodiscard]] std::vector<std::uint64_t> chunk_sizes(machine_options const& options);

/// The machine options, for the manual.
[[nodiscard]] std::vector<manual_row> machine_rows();

/// What can be judged only when all options are known. The rest of the judgement is the library's, in system::create.
[[nodiscard]] std::optional<bad_input> check(machine_options const& all);

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"
#include "terminal.hpp"

#include <string>

namespace svmsh {

/// The manual as it is shown on a screen: no line is wider than this.
inline constexpr std::size_t help_width = 80;

/// What `svmsh --help` prints.
[[nodiscard]] std::string main_help(palette const& colours);
/// What `svmsh help VERB` prints.
[[nodiscard]] std::string verb_help(verb_manual const& verb, palette const& colours);
/// The commands of a scenario, for the prompt.
[[nodiscard]] std::string command_help(palette const& colours);

}  // namespace svmsh

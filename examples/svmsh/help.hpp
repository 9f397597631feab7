// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"
#include "terminal.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace svmsh {

/// The manual as it is shown on a screen: no line is wider than this.
inline constexpr std::size_t help_width = 80;

/// A title and its rows.
[[nodiscard]] std::string section_text(manual_section const& s, palette const& colours);

/// What `svmsh --help` prints.
[[nodiscard]] std::string main_help(palette const& colours);
/// What `svmsh help VERB` prints.
[[nodiscard]] std::string verb_help(verb_manual const& verb, palette const& colours);
/// The commands of a scenario whose form has `word`, or all of them, for the prompt; without the newline at its end.
[[nodiscard]] std::string command_help(std::string_view word, palette const& colours);

}  // namespace svmsh

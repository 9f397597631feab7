// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// What the last word of a scenario's line may become: the words of the table that fit where it stands, in order. A
/// word that is complete with a `=` has a value to follow.
[[nodiscard]] std::vector<std::string> complete_command(std::string_view line);

/// What all of the words begin with.
[[nodiscard]] std::string common_start(std::vector<std::string> const& words);

}  // namespace svmsh

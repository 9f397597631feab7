// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace svmsh {

/// The word of `known` that `word` was most likely meant to be: another case, a beginning that fits only one, or a few
/// letters that are wrong, missing, too many or in the wrong order.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word, std::span<std::string_view const> known);

/// ` (did you mean 'WORD'?)`, or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<std::string_view const> known);

}  // namespace svmsh

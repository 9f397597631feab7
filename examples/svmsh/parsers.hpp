// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "command.hpp"
#include "line_parser.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace svmsh {

/// N of `gpuN`, 0 of `gpu`; empty if the word has another form. A number that no GPU can have comes out as one that
/// does not exist.
std::optional<std::size_t> gpu_number(std::string_view word);

/// Fails the line if there is no such GPU; `word` is what named it.
void require_gpu(line_parser& p, parse_context const& context, std::string_view word, std::size_t number);

/// What follows the words `show` and `expect`.
action parse_show(line_parser& p);
action parse_expect(line_parser& p, parse_context const& context);

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_history.hpp"
#include "replay_output.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// What a map says in words.
struct map_caption {
  std::string_view trace;     ///< the name of the file
  std::string_view settings;  ///< options that are not the default, or nothing
  std::vector<report_line> const& report;
  std::string_view title = {};  ///< whose memory it was, if that is not the file's
};

/// No map is larger, whatever the trace: it loads at once, and may stand in a repository.
inline constexpr std::size_t largest_map = 150'000;

/// Draws the address space over the time of a replay that has finished, as an SVG document that stands alone: time goes
/// to the right in accesses, addresses go up, with what was never accessed folded away; the colour tells where memory
/// was.
[[nodiscard]] std::string draw_svg(history const& past, map_caption const& caption);

}  // namespace svmsh

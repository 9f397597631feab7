// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_engine.hpp"
#include "replay_output.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// Where a report comes from.
struct report_source {
  std::string_view trace;
  machine_options const& machine;
  replay_options const& replay;
};

/// The lines of the report on a replay.
[[nodiscard]] std::vector<report_line> make_report(replay_engine& replay, replay_options const& options);

// The report for programs: the same names and values, the trace and the settings before them.

/// One object.
[[nodiscard]] std::string report_json(report_source const& from, std::vector<report_line> const& report);
/// A line of names and a line of values.
[[nodiscard]] std::string report_csv(report_source const& from, std::vector<report_line> const& report);

}  // namespace svmsh

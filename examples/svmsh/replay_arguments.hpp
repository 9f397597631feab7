// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"
#include "replay_engine.hpp"
#include "system.hpp"
#include "words.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace svmsh {

/// What the command line of `svmsh replay` says.
struct replay_arguments {
  char const* file = "-";
  std::optional<std::string> map, timeline, title, json, csv;
  std::string settings;  ///< as they stand on the command line, for titles
  machine_options machine;
  replay_options replay;
};

[[nodiscard]] parsed<replay_arguments> parse_replay_arguments(std::span<char const* const> args);

/// The keys that only replay has, and its options that begin with `--`, for the manual.
[[nodiscard]] std::vector<manual_row> replay_rows();
[[nodiscard]] std::vector<manual_row> replay_output_rows();

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "words.hpp"

#include <span>
#include <string>
#include <string_view>

namespace svmsh {

/// A scenario that is a part of the program.
struct tour_stop {
  std::string_view name;  ///< `01-first-touch`
  std::string_view text;  ///< of the file

  /// What it is about: the first line of its comment that is not about whose it is.
  [[nodiscard]] std::string_view about() const;
};

/// All of examples/scenarios/, in its order; what the reference once did wrong is last.
[[nodiscard]] std::span<tour_stop const> tour();

/// The stop of that name or number; an error names the one that is most like it.
[[nodiscard]] parsed<tour_stop const*> find_stop(std::span<tour_stop const> stops, std::string_view name);

/// `svmsh scenarios` with the arguments that follow the verb; returns the exit status.
int scenarios_main(std::span<char const* const> args);

}  // namespace svmsh

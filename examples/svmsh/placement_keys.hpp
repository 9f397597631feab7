// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_engine.hpp"
#include "system.hpp"
#include "words.hpp"

#include <optional>
#include <string_view>

namespace svmsh {

// The values of the keys that say what moves, when, and what makes room. Each sets what a value means, or says what was
// expected; then nothing has changed.

/// What is wrong with a value: `expected off, ...`, or nothing.
using wrong_value = std::optional<std::string_view>;

[[nodiscard]] wrong_value set_prefetch(machine_options& to, std::string_view value);
[[nodiscard]] wrong_value set_evict(machine_options& to, std::string_view value);
[[nodiscard]] wrong_value set_thrash(machine_options& to, std::string_view value);
[[nodiscard]] wrong_value set_counters(machine_options& to, std::string_view value);

/// Sets a key of a replay that is about placement; true if it is one. An `error` says that its value is wrong.
///
/// To be asked before machine options are, some of which it notes: the report has more lines for them.
[[nodiscard]] bool assign_placement(replay_options& to, machine_options& machine, std::string_view word,
                                    std::optional<bad_input>& error);

}  // namespace svmsh

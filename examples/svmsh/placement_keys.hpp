// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "key_table.hpp"
#include "replay_engine.hpp"
#include "system.hpp"
#include "words.hpp"

#include <optional>

namespace svmsh {

// Setters of the keys that say what moves, when, and what makes room; where the value is wrong nothing changes.

[[nodiscard]] std::optional<bad_input> set_prefetch(machine_options& to, setting const& s);
[[nodiscard]] std::optional<bad_input> set_evict(machine_options& to, setting const& s);
[[nodiscard]] std::optional<bad_input> set_thrash(machine_options& to, setting const& s);

[[nodiscard]] std::optional<bad_input> set_format(replay_options& to, setting const& s);
[[nodiscard]] std::optional<bad_input> set_counters(replay_options& to, setting const& s);
[[nodiscard]] std::optional<bad_input> set_batch(replay_options& to, setting const& s);
[[nodiscard]] std::optional<bad_input> set_warps(replay_options& to, setting const& s);
[[nodiscard]] std::optional<bad_input> set_capacity(replay_options& to, setting const& s);

/// Notes which machine options were given: the report has more lines for some, and others end what `capacity` said.
void note_machine_option(replay_options& to, std::string_view name);
/// What the keys mean for the machine and the report, once the name of the file is known too.
///
/// \return why they do not go together
[[nodiscard]] std::optional<bad_input> settle(replay_options& of, machine_options& machine, std::string_view file);

}  // namespace svmsh

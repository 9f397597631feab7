// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace svmsh {

/// Something that can be typed: how it is written, and what it does.
///
/// Help, the man page, completions and suggestions are all made of these rows. In a form, capitals stand for something
/// else, and what is between `|` are the words to choose from: `migrate=on|off|only`.
struct manual_row {
  std::string_view form;
  std::string_view text = {};
  std::string_view usual = {};  ///< the value of a key that nobody sets

  /// The first word, or the key: `mmap`, `ram`, `--map`.
  [[nodiscard]] constexpr std::string_view name() const { return form.substr(0, form.find_first_of("= ")); }
};

struct manual_section {
  std::string_view title;
  std::vector<manual_row> rows;
};

/// All that is said of a verb.
struct verb_manual {
  std::string_view name;
  std::string_view summary;  ///< what it does, on one line
  std::string_view usage;    ///< what follows `svmsh NAME`
  std::string_view text;     ///< a paragraph
  std::vector<manual_section> sections;
  std::string_view notes;  ///< a paragraph behind the sections
  std::vector<manual_row> statuses;
  std::vector<manual_row> examples;
};

/// What svmsh is, in a phrase and in a paragraph.
inline constexpr std::string_view program_summary =
    "a shell for a simulated machine with a GPU that shares the CPU's memory";
inline constexpr std::string_view program_text =
    "Runs the shared-virtual-memory algorithms of the svm library on a simulated machine: processes, GPUs, page "
    "tables, "
    "device memory, real bytes moving. It needs no GPU. An oracle looks on and names each rule that is broken. FILE is "
    "- "
    "for standard input, which is the default.";
/// The section of machine options, which several verbs have.
inline constexpr std::string_view machine_title = "machine options";

/// The verbs, in the order in which help lists them.
[[nodiscard]] std::vector<verb_manual> const& all_verbs();
/// The verb's manual, or null.
[[nodiscard]] verb_manual const* find_verb(std::string_view name);

/// What may stand in place of a verb, and in front of its arguments.
[[nodiscard]] std::span<manual_row const> general_options();
/// What svmsh reads from its environment.
[[nodiscard]] std::span<manual_row const> environment_rows();

/// The commands of a scenario.
[[nodiscard]] std::vector<manual_section> const& scenario_commands();
/// The requests of `vm_bind`.
[[nodiscard]] std::span<manual_row const> bind_requests();

/// The words that a form lets one choose from where its value or an argument stands; capitals are none.
[[nodiscard]] std::vector<std::string_view> choices_of(std::string_view form);

}  // namespace svmsh

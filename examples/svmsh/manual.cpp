// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "manual.hpp"

#include "command_forms.hpp"
#include "options.hpp"
#include "replay_arguments.hpp"
#include "vm_bind.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace svmsh {

namespace {

constexpr manual_row general_rows[] = {
    {"--help", "these lines, or those of the verb in front of it; also -h"},
    {"--version", "print the version"},
};

constexpr manual_row environment[] = {
    {"NO_COLOR", "when set to anything, nothing is coloured; nor is it where no terminal is"},
    {"TERM", "dumb: no colour, and a prompt without line editing"},
};

template <class Rows>
std::vector<manual_row> list(Rows const& rows) {
  return {std::begin(rows), std::end(rows)};
}

std::vector<manual_row> statuses(std::string_view good, std::string_view bad, std::string_view wrong) {
  return {{"0", good}, {"1", bad}, {"2", wrong}};
}

verb_manual run_manual() {
  verb_manual m{
      .name = "run",
      .summary = "run a scenario: commands, one a line",
      .usage = "[FILE|-] [KEY=VALUE...]",
      .text =
          "Runs a scenario: commands for a simulated machine, one a line, in order, with what is expected of them. A # "
          "starts a comment. On a terminal it shows a prompt; help and quit are commands there, and Tab completes.",
      .sections = scenario_commands(),
      .notes =
          "Any command but machine, show and expect may end in -> ERRNO: it has to fail so. Numbers are decimal or "
          "0x-hex, with an optional K, M, G or T. An address is a number, a NAME, or either plus or minus a number: "
          "A+64K. gpu is gpu0.",
      .statuses = statuses("all expectations held and the closing audit is clean", "otherwise",
                           "a line that cannot be understood, or a wrong command line"),
      .examples = {{"svmsh run", "a prompt"},
                   {"svmsh run FILE.svm gpus=2 vram=64M", "a file, on another machine than it asks for"}}};
  m.sections.push_back({machine_title, machine_rows()});
  return m;
}

verb_manual replay_manual() {
  return {.name = "replay",
          .summary = "replay a memory trace of a real program, as if a GPU ran it",
          .usage = "[FILE|-] [KEY=VALUE...] [--map FILE.svg] [--timeline FILE.json]",
          .text =
              "Replays a memory trace, as written by valgrind --tool=lackey --trace-mem=yes, on the simulated machine. "
              "Compares every load with what the program stored, and prints what the trace cost: faults, migrations, "
              "bytes moved.",
          .sections = {{"output", replay_output_rows()}, {"options", replay_rows()}, {machine_title, machine_rows()}},
          .notes = {},
          .statuses = statuses("every load was right and the closing audit is clean", "otherwise",
                               "a line that cannot be understood, no access at all, or a wrong command line"),
          .examples = {{"svmsh replay FILE.lackey vram=1M turns=20000 --map map.svg",
                        "little device memory, CPU and GPU in turns, and a picture"}}};
}

verb_manual bind_manual() {
  return {
      .name = "vm_bind",
      .summary = "GPU VA requests in, split and merge operations out",
      .usage = "[FILE|-] [KEY=VALUE...]",
      .text =
          "Keeps the VA space of a GPU: reads requests, one a line, and answers each with the operations that it "
          "takes, in the order in which they are executed, and \"ok\", or with \"error: ERRNO\" alone. A # starts a "
          "comment.",
      .sections = {{"requests", list(bind_forms)}, {"options", bind_rows()}},
      .notes = {},
      .statuses = statuses("all lines were understood, whatever the answers", "the answers could not be written",
                           "a line that cannot be understood, or a wrong command line"),
      .examples = {}};
}

verb_manual tour_manual() {
  return {
      .name = "scenarios",
      .summary = "list or run the tour: short scenarios, each about one thing",
      .usage = "[NAME|NUMBER|all]... [--text] [KEY=VALUE...]",
      .text =
          "Without a NAME, lists the scenarios that come with svmsh. With one, runs it and shows its lines, each "
          "above what it printed. With all, runs every one and says how it ended.",
      .sections = {{"options", {{"--text", "print it, to be changed and run by svmsh run"}}}},
      .notes = "KEY=VALUE are the machine options of svmsh help run.",
      .statuses = statuses("all expectations held", "otherwise", "a name that is not there, or a wrong command line"),
      .examples = {{"svmsh scenarios 1", "run the first"},
                   {"svmsh scenarios --text 1 > mine.svm", "have it in a file, to change it"}}};
}

}  // namespace

std::vector<manual_section> const& scenario_commands() {
  static std::vector<manual_section> const sections = {
      {"memory", list(memory_forms)}, {"processes", list(process_forms)}, {"access", list(access_forms)},
      {"device", list(device_forms)}, {"looking", list(looking_forms)},   {"first command only", list(first_forms)}};
  return sections;
}

std::span<manual_row const> bind_requests() {
  return bind_forms;
}

std::span<manual_row const> general_options() {
  return general_rows;
}

std::span<manual_row const> environment_rows() {
  return environment;
}

std::vector<verb_manual> const& all_verbs() {
  static std::vector<verb_manual> const verbs = {run_manual(), replay_manual(), bind_manual(), tour_manual()};
  return verbs;
}

verb_manual const* find_verb(std::string_view name) {
  std::vector<verb_manual> const& verbs = all_verbs();
  auto const found = std::find_if(verbs.begin(), verbs.end(), [name](verb_manual const& v) { return v.name == name; });
  return found == verbs.end() ? nullptr : &*found;
}

std::vector<std::string_view> choices_of(std::string_view form) {
  std::size_t const behind_name = form.find_first_of("= ");
  if (behind_name == std::string_view::npos) return {};
  std::string_view rest = form.substr(behind_name + 1);
  std::vector<std::string_view> words;
  while (!rest.empty()) {
    std::size_t const end = rest.find_first_of("| [,:");
    std::string_view const word = rest.substr(0, end);
    // A word in capitals stands for something else, as a dot or a sign of comparison does for no word.
    if (word.find_first_of("abcdefghijklmnopqrstuvwxyz0123456789") == 0) words.push_back(word);
    if (end == std::string_view::npos || rest[end] != '|') break;
    rest.remove_prefix(end + 1);
  }
  return words;
}

}  // namespace svmsh

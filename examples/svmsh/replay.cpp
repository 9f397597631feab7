// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include "console.hpp"
#include "faults64.hpp"
#include "footprint.hpp"
#include "lackey.hpp"
#include "options.hpp"
#include "placement_keys.hpp"
#include "replay_engine.hpp"
#include "replay_history.hpp"
#include "replay_output.hpp"
#include "replay_report.hpp"
#include "replay_timeline.hpp"
#include "svg_map.hpp"
#include "words.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace svmsh {

namespace {

constexpr int good = 0, bad_result = 1, wrong_input = 2;

struct arguments {
  char const* file = "-";
  std::optional<std::string> map, timeline, json, csv;
  std::string settings;  // as they stand on the command line, for titles
  machine_options machine;
  replay_options replay;
};

/// Sets a key that only replay has; true if it is one. An `error` says that its value is wrong.
bool assign_own(replay_options& to, std::string_view word, std::optional<bad_input>& error) {
  std::size_t const equals = word.find('=');
  std::string_view const key = word.substr(0, equals);
  std::string_view const value = word.substr(equals + 1);
  if (key == "prefill") {
    if (value != "on" && value != "off")
      error = bad_input{quoted(word) + ": expected on or off"};
    else
      to.prefill = value == "on";
  } else if (key == "agent") {
    // agent and turns answer the same question, so of the two the last wins.
    if (value != "gpu" && value != "cpu")
      error = bad_input{quoted(word) + ": expected gpu or cpu"};
    else
      to.start_on_cpu = value == "cpu", to.turns = 0;
  } else if (key == "turns") {
    parsed<std::uint64_t> const turns = parse_number(value);
    if (!turns)
      error = bad_input{quoted(word) + ": " + turns.error()};
    else if (*turns == 0)
      error = bad_input{quoted(word) + ": expected 1 or more accesses"};
    else
      to.start_on_cpu = false, to.turns = *turns;
  } else {
    return false;
  }
  return true;
}

/// Takes an option that names a file to write, `NAME FILE` or `NAME=FILE`; true if it is that one.
bool take_output(std::span<char const* const> args, std::size_t& i, std::string_view name, std::string_view file,
                 std::optional<std::string>& to, std::optional<bad_input>& error) {
  std::string_view const word = args[i];
  std::string const expected = ", expected " + std::string(name) + " " + std::string(file);
  if (word == name) {
    if (++i == args.size()) {
      error = bad_input{std::string(name) + " lacks its FILE" + expected};
      return true;
    }
    to = args[i];
  } else if (word.starts_with(name) && word[name.size()] == '=') {
    to = word.substr(name.size() + 1);
  } else {
    return false;
  }
  if (to->empty()) error = bad_input{"the FILE of " + std::string(name) + " is empty" + expected};
  return true;
}

parsed<arguments> parse_arguments(std::span<char const* const> args) {
  arguments a;
  bool file_given = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view const word = args[i];
    std::optional<bad_input> wrong;
    if (take_output(args, i, "--map", "FILE.svg", a.map, wrong) ||
        take_output(args, i, "--timeline", "FILE.json", a.timeline, wrong) ||
        take_output(args, i, "--json", "FILE", a.json, wrong) || take_output(args, i, "--csv", "FILE", a.csv, wrong)) {
      if (wrong) return *wrong;
    } else if (word.size() > 1 && word.starts_with('-')) {
      return bad_input{"there is no option " + quoted(word) + ", expected those of svmsh replay --help"};
    } else if (is_option(word)) {
      if (!assign_own(a.replay, word, wrong) && !assign_placement(a.replay, a.machine, word, wrong))
        wrong = assign(a.machine, word);
      if (wrong) return *wrong;
      a.settings += (a.settings.empty() ? "" : " ") + std::string(word);
    } else if (file_given) {
      return bad_input{quoted(word) + " is a second FILE, expected one"};
    } else {
      a.file = args[i];
      file_given = true;
    }
  }
  if (a.replay.format == trace_format::automatic)
    a.replay.format = std::string_view{a.file}.ends_with(".u64") ? trace_format::faults64 : trace_format::lackey;
  bool const is_list = a.replay.format == trace_format::faults64;
  a.replay.tells_placement = a.replay.tells_placement || is_list;
  a.machine.serves_blocks = a.replay.tells_placement && a.machine.faults;
  if (is_list && !a.machine.faults)
    return bad_input{"faults=off: expected on, since a list of faults is of a GPU that has them"};
  if (std::optional<bad_input> const wrong = check(a.machine)) return *wrong;
  return a;
}

/// Gives the machine as much memory as the blocks of the trace call for, where their number was asked for.
std::optional<bad_input> fit_memory(arguments& a, std::optional<std::uint64_t> blocks) {
  // What nobody touches takes nothing, so that all but endless traces have room.
  constexpr std::uint64_t plenty = std::uint64_t{64} << 30;
  if (!a.replay.ram_given) a.machine.ram = std::max(plenty, blocks.value_or(0) * footprint_block);
  if (!a.replay.capacity_percent) return {};
  std::string const word = "capacity=" + std::to_string(*a.replay.capacity_percent) + "%: ";
  if (!blocks)
    return bad_input{word +
                     "the blocks of a pipe are not known, expected a file, or a line \"== footprint BLOCKS\" first"};
  constexpr std::uint64_t whole = 100;
  constexpr std::uint64_t most_blocks = std::uint64_t{1} << 26, most_percent = std::uint64_t{1} << 16;
  if (*blocks > most_blocks || *a.replay.capacity_percent > most_percent)
    return bad_input{word + "it is more than any machine has, expected less"};
  std::uint64_t const bytes = *blocks * footprint_block * *a.replay.capacity_percent / whole;
  a.machine.vram = bytes / a.machine.page * a.machine.page;
  if (a.machine.vram == 0) return bad_input{word + "less than a page, expected more"};
  return check(a.machine);
}

void print(std::vector<report_line> const& report, console& out) {
  std::size_t name_width = 0, value_width = 0;
  for (report_line const& line : report) {
    name_width = std::max(name_width, line.name.size());
    value_width = std::max(value_width, line.value.size());
  }
  for (report_line const& line : report)
    out.print(line.name + std::string(name_width - line.name.size() + 2 + value_width - line.value.size(), ' ') +
              line.value);
}

void say_rate(std::uint64_t accesses, std::uint64_t lines, std::chrono::duration<double> elapsed, console& out) {
  double const seconds = std::max(elapsed.count(), 1e-9);
  char text[160];
  std::snprintf(text, sizeof text, "%llu accesses (%llu lines) in %.3f s: %.2f million accesses a second",
                static_cast<unsigned long long>(accesses), static_cast<unsigned long long>(lines), seconds,
                static_cast<double>(accesses) / 1e6 / seconds);
  out.say(text);
}

/// Where more is wrong than what was told one by one.
void say_totals(replay_counts const& done, console& out) {
  auto const say = [&](std::uint64_t count, std::string const& what) {
    if (count > replay_engine::complaints_told)
      out.say(std::to_string(count) + " " + what + ", of which the first " +
              std::to_string(replay_engine::complaints_told) + " are told above");
  };
  say(done.wrong_loads, "loads were wrong");
  say(done.refused, "accesses were refused");
  say(done.broken_rules, "rules were broken");
}

/// The exit status of a replay whose input ended early, with the reason told.
template <class Reader>
std::optional<int> judge_end(Reader& input, std::uint64_t place, typename Reader::status how, console& out) {
  if (how == Reader::status::malformed) {
    out.complain(place, input.error());
    return wrong_input;
  }
  if (how == Reader::status::failed) {
    out.say(input.error());
    return wrong_input;
  }
  return {};
}

/// Replays every line; the exit status if that ended early.
std::optional<int> replay_all(lackey_reader& input, replay_engine& replay, console& out) {
  lackey_reader::status const how = replay.serve(input);
  if (std::optional<int> const status = judge_end(input, input.line_number(), how, out)) return status;
  if (replay.done().accesses() != 0) return std::nullopt;
  out.complain("no data access, expected lines such as \" L 1ffefff7d8,8\"");
  return wrong_input;
}
/// Replays every fault.
std::optional<int> replay_all(faults64_reader& input, replay_engine& replay, console& out) {
  faults64_reader::status const how = replay.serve(input);
  if (std::optional<int> const status = judge_end(input, input.offset(), how, out)) return status;
  if (input.entries() != 0) return std::nullopt;
  out.complain("at offset 0: no fault, expected addresses of pages, 64 bits each, little endian");
  return wrong_input;
}

std::uint64_t place_in(lackey_reader const& input) {
  return input.line_number();
}
std::uint64_t place_in(faults64_reader const& input) {
  return input.entries();
}
std::optional<std::uint64_t> blocks_of(lackey_reader& input, char const* path) {
  std::optional<std::uint64_t> const told = input.read_footprint();
  return told ? told : count_lackey_blocks(path);
}
std::optional<std::uint64_t> blocks_of(faults64_reader&, char const* path) {
  return count_fault_blocks(path);
}

/// Replays a trace that `Reader` reads; the exit status.
template <class Reader>
int replay_trace(arguments a, console& out) {
  auto const begin = std::chrono::steady_clock::now();
  auto const refuse = [&out](std::string_view why) {
    out.say(why);
    return wrong_input;
  };
  Reader* running = nullptr;
  Reader input(a.file, [&] {
    if (running != nullptr) out.progress(place_in(*running));
  });
  running = &input;
  std::optional<std::uint64_t> blocks;
  if (a.replay.capacity_percent) {
    if (!input.error().empty()) return refuse(input.error());
    blocks = blocks_of(input, a.file);
  }
  if (std::optional<bad_input> const wrong = fit_memory(a, blocks)) return refuse(wrong->text);
  history past(a.machine.page);
  timeline events;
  made_replay made = replay_engine::create(
      a.machine, a.replay, [&out](std::uint64_t line, std::string const& text) { out.complain(line, text); },
      {.map = a.map ? &past : nullptr, .events = a.timeline ? &events : nullptr});
  if (std::string const* const why = std::get_if<std::string>(&made)) return refuse(*why);
  replay_engine& replay = **std::get_if<std::unique_ptr<replay_engine>>(&made);

  if (!input.error().empty()) return refuse(input.error());
  output_file map, trace_events, json, csv;
  if (a.map && !map.open(*a.map)) return refuse(map.error());
  if (a.timeline && !trace_events.open(*a.timeline)) return refuse(trace_events.error());
  if (a.json && !json.open(*a.json)) return refuse(json.error());
  if (a.csv && !csv.open(*a.csv)) return refuse(csv.error());

  if (std::optional<int> const status = replay_all(input, replay, out)) return *status;
  replay.finish();
  std::vector<report_line> const report = make_report(replay, a.replay);
  std::vector<std::string> const findings = replay.audit();
  std::chrono::duration<double> const elapsed = std::chrono::steady_clock::now() - begin;

  print(report, out);
  for (std::string const& text : findings) out.say(text);
  say_totals(replay.done(), out);
  bool written = true;
  auto const write = [&](output_file& to, std::string const& text) {
    if (to.write(text)) return;
    out.say(to.error());
    written = false;
  };
  report_source const from{a.file, a.machine, a.replay};
  if (a.map) write(map, draw_svg(past, {a.file, a.settings, report}));
  if (a.timeline) write(trace_events, events.json(a.file, a.settings));
  if (a.json) write(json, report_json(from, report));
  if (a.csv) write(csv, report_csv(from, report));
  say_rate(replay.done().accesses(), place_in(input), elapsed, out);
  out.flush();
  return replay.done().clean() && findings.empty() && written && !out.output_failed() ? good : bad_result;
}

}  // namespace

int replay_main(std::span<char const* const> args) {
  parsed<arguments> const a = parse_arguments(args);
  console out(a ? a->file : "-");
  if (!a) {
    out.say(a.error());
    return wrong_input;
  }
  return a->replay.format == trace_format::faults64 ? replay_trace<faults64_reader>(*a, out)
                                                    : replay_trace<lackey_reader>(*a, out);
}

}  // namespace svmsh

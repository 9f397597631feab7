// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include "console.hpp"
#include "faults64.hpp"
#include "footprint.hpp"
#include "input.hpp"
#include "lackey.hpp"
#include "options.hpp"
#include "replay_arguments.hpp"
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

/// The program that unpacks `file`, if it begins as what that writes.
std::string unpacker(char const* file) {
  constexpr std::pair<std::string_view, char const*> kinds[] = {{"\xfd"
                                                                 "7zXZ",
                                                                 "xz"},
                                                                {"\x1f\x8b", "gzip"},
                                                                {"\x28\xb5\x2f\xfd", "zstd"}};
  char head[8] = {};
  if (std::FILE* const f = std::fopen(file, "rb")) {
    static_cast<void>(std::fread(head, 1, sizeof head - 1, f));
    std::fclose(f);
  }
  for (auto const& [begin, program] : kinds)
    if (std::string_view(head).starts_with(begin)) return program;
  return {};
}

/// Gives the machine as much memory as the blocks of the trace call for, where their number was asked for.
std::optional<bad_input> fit_memory(replay_arguments& a, std::optional<std::uint64_t> blocks) {
  // What nobody touches takes nothing, so that all but endless traces have room.
  constexpr std::uint64_t plenty = std::uint64_t{64} << 30, most = std::uint64_t{1} << 40;
  if (!a.replay.ram_given)
    a.machine.ram = std::clamp(blocks.value_or(0), plenty / footprint_block, most / footprint_block) * footprint_block;
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
std::optional<int> replay_all(char const* file, lackey_reader& input, replay_engine& replay, console& out) {
  lackey_reader::status const how = replay.serve(input);
  if (std::optional<int> const status = judge_end(input, input.line_number(), how, out)) return status;
  if (replay.done().accesses() != 0) return std::nullopt;
  std::string const program = unpacker(file);
  out.complain(program.empty()
                   ? "no data access, expected lines such as \" L 1ffefff7d8,8\""
                   : "no data access, the file is compressed, expected: " + program + " -dc FILE | svmsh replay -");
  return wrong_input;
}
/// Replays every fault.
std::optional<int> replay_all(char const*, faults64_reader& input, replay_engine& replay, console& out) {
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
int replay_trace(replay_arguments a, console& out) {
  auto const begin = std::chrono::steady_clock::now();
  auto const refuse = [&out](std::string_view why) {
    out.say(why);
    return wrong_input;
  };
  input_length const length(a.file);
  Reader* running = nullptr;
  Reader input(a.file, [&] {
    if (running != nullptr) out.progress(place_in(*running), length.share(running->bytes_read()));
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

  if (std::optional<int> const status = replay_all(a.file, input, replay, out)) return *status;
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
  if (a.map) write(map, draw_svg(past, {a.file, a.settings, report, a.title ? *a.title : std::string_view{}}));
  if (a.timeline) write(trace_events, events.json(a.file, a.settings));
  if (a.timeline && written) out.say(*a.timeline + " opens in ui.perfetto.dev and in chrome://tracing");
  if (a.json) write(json, report_json(from, report));
  if (a.csv) write(csv, report_csv(from, report));
  say_rate(replay.done().accesses(), place_in(input), elapsed, out);
  out.flush();
  return replay.done().clean() && findings.empty() && written && !out.output_failed() ? good : bad_result;
}

}  // namespace

int replay_main(std::span<char const* const> args) {
  parsed<replay_arguments> const a = parse_replay_arguments(args);
  console out(a ? a->file : "-");
  if (!a) {
    out.say(a.error());
    return wrong_input;
  }
  return a->replay.format == trace_format::faults64 ? replay_trace<faults64_reader>(*a, out)
                                                    : replay_trace<lackey_reader>(*a, out);
}

}  // namespace svmsh

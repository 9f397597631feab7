// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include "console.hpp"
#include "input.hpp"
#include "lackey.hpp"
#include "replay_arguments.hpp"
#include "replay_engine.hpp"
#include "replay_history.hpp"
#include "replay_output.hpp"
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

/// `part` for each million of `whole`, with one decimal.
std::string per_million(std::uint64_t part, std::uint64_t whole) {
  char text[64];
  double const value = whole == 0 ? 0.0 : static_cast<double>(part) * 1e6 / static_cast<double>(whole);
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::uint64_t value_of(std::vector<stat_line> const& statistics, std::string_view name) {
  for (stat_line const& s : statistics)
    if (s.name == name) return s.value;
  return 0;
}

std::vector<report_line> make_report(replay_counts const& done, std::vector<stat_line> const& statistics) {
  std::vector<report_line> report = {
      {"accesses", std::to_string(done.accesses())},
      {"loads", std::to_string(done.loads)},
      {"stores", std::to_string(done.stores)},
      {"distinct pages", std::to_string(done.distinct_pages)},
  };
  for (stat_line const& s : statistics)
    if (s.exact) report.push_back({std::string(s.name), std::to_string(s.value)});
  std::uint64_t const moved =
      value_of(statistics, "bytes_to_vram") + value_of(statistics, "bytes_to_ram") + value_of(statistics, "bytes_peer");
  report.push_back(
      {"GPU faults per million accesses", per_million(value_of(statistics, "gpu_faults"), done.accesses())});
  report.push_back({"bytes moved per million accesses", per_million(moved, done.accesses())});
  return report;
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

/// Replays every line; the exit status if that ended early.
std::optional<int> replay_lines(char const* file, lackey_reader& input, replay_engine& replay, console& out) {
  switch (replay.serve(input)) {
    case lackey_reader::status::malformed:
      out.complain(input.line_number(), input.error());
      return wrong_input;
    case lackey_reader::status::failed:
      out.say(input.error());
      return wrong_input;
    case lackey_reader::status::access:
    case lackey_reader::status::end:
      break;
  }
  if (replay.done().accesses() != 0) return std::nullopt;
  std::string const program = unpacker(file);
  out.complain(program.empty()
                   ? "no data access, expected lines such as \" L 1ffefff7d8,8\""
                   : "no data access, the file is compressed, expected: " + program + " -dc FILE | svmsh replay -");
  return wrong_input;
}

}  // namespace

int replay_main(std::span<char const* const> args) {
  auto const begin = std::chrono::steady_clock::now();
  parsed<replay_arguments> const a = parse_replay_arguments(args);
  console out(a ? a->file : "-");
  auto const refuse = [&out](std::string_view why) {
    out.say(why);
    return wrong_input;
  };
  if (!a) return refuse(a.error());
  history past(a->machine.page);
  timeline events;
  made_replay made = replay_engine::create(
      a->machine, a->replay, [&out](std::uint64_t line, std::string const& text) { out.complain(line, text); },
      {.map = a->map ? &past : nullptr, .events = a->timeline ? &events : nullptr});
  if (std::string const* const why = std::get_if<std::string>(&made)) return refuse(*why);
  replay_engine& replay = **std::get_if<std::unique_ptr<replay_engine>>(&made);

  input_length const length(a->file);
  lackey_reader* running = nullptr;
  lackey_reader input(a->file, [&] {
    if (running != nullptr) out.progress(running->line_number(), length.share(running->bytes_read()));
  });
  running = &input;
  if (!input.error().empty()) return refuse(input.error());
  output_file map, trace_events;
  if (a->map && !map.open(*a->map)) return refuse(map.error());
  if (a->timeline && !trace_events.open(*a->timeline)) return refuse(trace_events.error());

  if (std::optional<int> const status = replay_lines(a->file, input, replay, out)) return *status;
  replay.finish();
  std::vector<report_line> const report = make_report(replay.done(), replay.statistics());
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
  if (a->map) write(map, draw_svg(past, {a->file, a->settings, report, a->title ? *a->title : std::string_view{}}));
  if (a->timeline) write(trace_events, events.json(a->file, a->settings));
  if (a->timeline && written) out.say(*a->timeline + " opens in ui.perfetto.dev and in chrome://tracing");
  say_rate(replay.done().accesses(), input.line_number(), elapsed, out);
  out.flush();
  return replay.done().clean() && findings.empty() && written && !out.output_failed() ? good : bad_result;
}

}  // namespace svmsh

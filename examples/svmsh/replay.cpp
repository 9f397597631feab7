// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include "console.hpp"
#include "lackey.hpp"
#include "options.hpp"
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

struct arguments {
  char const* file = "-";
  std::optional<std::string> map, timeline;
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
        take_output(args, i, "--timeline", "FILE.json", a.timeline, wrong)) {
      if (wrong) return *wrong;
    } else if (word.size() > 1 && word.starts_with('-')) {
      return bad_input{"there is no option " + quoted(word) + ", expected those of svmsh replay --help"};
    } else if (is_option(word)) {
      if (!assign_own(a.replay, word, wrong)) wrong = assign(a.machine, word);
      if (wrong) return *wrong;
      a.settings += (a.settings.empty() ? "" : " ") + std::string(word);
    } else if (file_given) {
      return bad_input{quoted(word) + " is a second FILE, expected one"};
    } else {
      a.file = args[i];
      file_given = true;
    }
  }
  if (std::optional<bad_input> const wrong = check(a.machine)) return *wrong;
  return a;
}

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

/// Replays every line; the exit status if that ended early.
std::optional<int> replay_lines(lackey_reader& input, replay_engine& replay, console& out) {
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
  out.complain("no data access, expected lines such as \" L 1ffefff7d8,8\"");
  return wrong_input;
}

}  // namespace

int replay_main(std::span<char const* const> args) {
  auto const begin = std::chrono::steady_clock::now();
  parsed<arguments> const a = parse_arguments(args);
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

  lackey_reader* running = nullptr;
  lackey_reader input(a->file, [&] {
    if (running != nullptr) out.progress(running->line_number());
  });
  running = &input;
  if (!input.error().empty()) return refuse(input.error());
  output_file map, trace_events;
  if (a->map && !map.open(*a->map)) return refuse(map.error());
  if (a->timeline && !trace_events.open(*a->timeline)) return refuse(trace_events.error());

  if (std::optional<int> const status = replay_lines(input, replay, out)) return *status;
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
  if (a->map) write(map, draw_svg(past, {a->file, a->settings, report}));
  if (a->timeline) write(trace_events, events.json(a->file, a->settings));
  say_rate(replay.done().accesses(), input.line_number(), elapsed, out);
  out.flush();
  return replay.done().clean() && findings.empty() && written && !out.output_failed() ? good : bad_result;
}

}  // namespace svmsh

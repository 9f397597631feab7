// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "tour.hpp"

#include "console.hpp"
#include "help.hpp"
#include "key_table.hpp"
#include "options.hpp"
#include "scenario.hpp"
#include "suggest.hpp"
#include "terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <vector>

namespace svmsh {

namespace {

constexpr int good = 0, bad_result = 1, wrong_input = 2;

/// Takes the next line off `text`, without its end.
std::string_view take_line(std::string_view& text) {
  std::string_view const line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

struct arguments {
  std::vector<tour_stop const*> stops;
  bool all = false, text = false;
  std::vector<std::string_view> settings;
};

parsed<arguments> parse_arguments(std::span<char const* const> args) {
  static std::vector<manual_row> const options = {{"--text", "print it"}};
  arguments a;
  machine_options scratch;
  for (std::string_view const word : args) {
    if (word == "--text") {
      a.text = true;
    } else if (word.starts_with('-')) {
      return unknown_option("scenarios", word, options);
    } else if (is_option(word)) {
      if (std::optional<bad_input> const wrong = assign(scratch, word)) return *wrong;
      a.settings.push_back(word);
    } else if (word == "all") {
      a.all = true;
      for (tour_stop const& stop : tour()) a.stops.push_back(&stop);
    } else {
      parsed<tour_stop const*> const stop = find_stop(tour(), word);
      if (!stop) return bad_input{stop.error()};
      a.stops.push_back(*stop);
    }
  }
  if (a.stops.empty() && (a.text || !a.settings.empty()))
    return bad_input{"there is no NAME, expected one of svmsh scenarios"};
  if (std::optional<bad_input> const wrong = check(scratch)) return *wrong;
  return a;
}

int print(std::string_view text) {
  bool const written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) std::fputs("svmsh: cannot write to standard output\n", stderr);
  return written ? good : bad_result;
}

int list_all() {
  manual_section stops{"the tour", {}}, upstream{"what the reference once did wrong", {}};
  for (tour_stop const& stop : tour())
    (stop.name.find('/') == std::string_view::npos ? stops : upstream).rows.push_back({stop.name, stop.about()});
  palette const colours(STDOUT_FILENO);
  return print(section_text(stops, colours) + "\n" + section_text(upstream, colours) +
               "\nsvmsh scenarios NAME|NUMBER|all runs them.\n");
}

/// Runs one scenario; with `tell`, shows its lines, each above what it printed.
int run_stop(tour_stop const& stop, std::vector<std::string_view> const& settings, bool tell) {
  console out(stop.name);
  if (!tell) out.mute();
  palette const colours(STDOUT_FILENO);
  scenario run(out, settings);
  std::uint64_t number = 0;
  bool begun = false;  // behind the lines about whose it is
  for (std::string_view rest = stop.text; !rest.empty();) {
    std::string_view const line = take_line(rest);
    ++number;
    bool const is_comment = line.starts_with('#');
    begun = begun || (!line.starts_with("# SPDX") && line != "#");
    if (begun) out.print(is_comment ? colours.faint(line) : colours.typed(line));
    if (std::optional<bad_input> const wrong = run.execute(line, number)) {
      if (run.command_line_is_wrong())
        out.say(wrong->text);
      else
        out.complain(number, wrong->text);
      return wrong_input;
    }
    if (out.output_failed()) return bad_result;
  }
  if (std::optional<bad_input> const wrong = run.finish()) {
    out.say(wrong->text);
    return wrong_input;
  }
  out.flush();
  return run.clean() && !out.output_failed() ? good : bad_result;
}

}  // namespace

std::string_view tour_stop::about() const {
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = take_line(rest);
    if (!line.starts_with("# ") || line.starts_with("# SPDX")) continue;
    return line.substr(2);
  }
  return {};
}

parsed<tour_stop const*> find_stop(std::span<tour_stop const> stops, std::string_view name) {
  std::vector<std::string_view> known = {"all"};
  for (tour_stop const& stop : stops) {
    std::string_view const number = stop.name.substr(0, stop.name.find('-'));
    bool const is_number = parse_number(name) && name.size() <= number.size() &&
                           std::string(number.size() - name.size(), '0') + std::string(name) == number;
    bool const is_rest =
        stop.name.front() >= '0' && stop.name.front() <= '9' && stop.name.substr(number.size() + 1) == name;
    if (stop.name == name || number == name || is_number || is_rest) return &stop;
    known.push_back(stop.name);
  }
  std::string const hint = did_you_mean(name, known);
  return bad_input{"there is no scenario " + quoted(name) +
                   (hint.empty() ? ", expected one of svmsh scenarios" : hint)};
}

int scenarios_main(std::span<char const* const> args) {
  parsed<arguments> const a = parse_arguments(args);
  if (!a) {
    console("").say(a.error());
    return wrong_input;
  }
  if (a->stops.empty()) return list_all();
  palette const colours(STDOUT_FILENO);
  int status = good;
  for (tour_stop const* const stop : a->stops) {
    if (a->text) {
      status = std::max(status, print(stop->text));
      continue;
    }
    int const result = run_stop(*stop, a->settings, !a->all);
    std::string const verdict = result == good ? colours.good("ok") : colours.bad("not as expected");
    status = std::max({status, result, print(std::string(stop->name) + ": " + verdict + "\n")});
  }
  return status;
}

}  // namespace svmsh

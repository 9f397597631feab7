// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_arguments.hpp"

#include "key_table.hpp"
#include "options.hpp"
#include "placement_keys.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace svmsh {

namespace {

using error = std::optional<bad_input>;

// agent and turns answer the same question, so of the two the last wins.
error set_agent(replay_options& o, setting const& s) {
  bool cpu = false;
  if (error e = set_switch(s, cpu, "cpu", "gpu")) return e;
  o.start_on_cpu = cpu;
  o.turns = 0;
  return {};
}

error set_turns(replay_options& o, setting const& s) {
  std::uint64_t turns = 0;
  if (error e = set_number(s, turns)) return e;
  if (turns == 0) return refusal(s, "1 or more accesses");
  o.start_on_cpu = false;
  o.turns = turns;
  return {};
}

// A new key of replay is a row here.
constexpr key<replay_options> keys[] = {
    {{"agent=gpu|cpu", "who makes the data accesses", "gpu"}, set_agent},
    {{"turns=N", "in turns of N accesses each, GPU first"}, set_turns},
    {{"prefill=on|off", "the CPU fills memory before its first access", "on"},
     [](replay_options& o, setting const& s) { return set_switch(s, o.prefill); }},
    {{"format=auto|lackey|faults64", "faults64: addresses of pages that faulted; auto: of FILE.u64", "auto"},
     set_format},
    {{"batch=N", "GPU faults are served in batches of up to 4096", "1"}, set_batch},
    {{"warps=N", "in batches: who makes accesses that name no warp", "1"}, set_warps},
    {{"counters=off|on|hysteresis", "memory used from afar comes; hysteresis: when hot, and goes back", "off"},
     set_counters},
    {{"capacity=SIZE|PERCENT%", "device memory; of the 2M blocks that the trace touches"}, set_capacity},
};

/// An option that begins with `--` and takes a word: `NAME WORD` or `NAME=WORD`.
struct word_option {
  manual_row about;
  std::optional<std::string> replay_arguments::*to;
};

// A new option with a word is a row here.
constexpr word_option word_options[] = {
    {{"--map FILE.svg", "draw the address space over the trace's time"}, &replay_arguments::map},
    {{"--title TEXT", "whose memory the map says that it was"}, &replay_arguments::title},
    {{"--timeline FILE.json",
      "write what happened when, as trace events: they open in ui.perfetto.dev and chrome://tracing"},
     &replay_arguments::timeline},
    {{"--json FILE.json", "write the report and the settings as JSON"}, &replay_arguments::json},
    {{"--csv FILE.csv", "write them as CSV: a line of names, a line of values"}, &replay_arguments::csv},
};

/// Takes the option at `i` and its word, if it is one of the table.
bool take_word(std::span<char const* const> args, std::size_t& i, replay_arguments& a, error& wrong) {
  std::string_view const word = args[i];
  for (word_option const& option : word_options) {
    std::string const name(option.about.name());
    std::string const what(option.about.form.substr(name.size() + 1, option.about.form.find('.') - name.size() - 1));
    std::string const expected = ", expected " + std::string(option.about.form);
    std::optional<std::string>& to = a.*option.to;
    if (word == name) {
      if (++i == args.size()) {
        wrong = bad_input{name + " lacks its " + what + expected};
        return true;
      }
      to = args[i];
    } else if (word.starts_with(name + "=")) {
      to = word.substr(name.size() + 1);
    } else {
      continue;
    }
    if (to->empty()) wrong = bad_input{"the " + what + " of " + name + " is empty" + expected};
    return true;
  }
  return false;
}

error set_any(replay_arguments& a, std::string_view word) {
  std::span<key<replay_options> const> const own = keys;
  if (auto const* const k = find_key(own, word)) return set_key(*k, a.replay, word);
  std::vector<manual_row> known = machine_rows();
  for (manual_row const& row : known)
    if (row.name() == word.substr(0, word.find('='))) {
      note_machine_option(a.replay, row.name());
      return assign(a.machine, word);
    }
  for (manual_row const& row : replay_rows()) known.push_back(row);
  return unknown_key("option", word, known);
}

}  // namespace

parsed<replay_arguments> parse_replay_arguments(std::span<char const* const> args) {
  replay_arguments a;
  bool file_given = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view const word = args[i];
    error wrong;
    if (take_word(args, i, a, wrong)) {
      if (wrong) return *wrong;
    } else if (word.size() > 1 && word.starts_with('-')) {
      return unknown_option("replay", word, replay_output_rows());
    } else if (is_option(word)) {
      if (error e = set_any(a, word)) return *e;
      a.settings += (a.settings.empty() ? "" : " ") + std::string(word);
    } else if (file_given) {
      return bad_input{quoted(word) + " is a second FILE, expected one"};
    } else {
      a.file = args[i];
      file_given = true;
    }
  }
  if (error e = settle(a.replay, a.machine, a.file)) return *e;
  if (error e = check(a.machine)) return *e;
  return a;
}

std::vector<manual_row> replay_rows() {
  return rows_of(std::span<key<replay_options> const>(keys));
}

std::vector<manual_row> replay_output_rows() {
  std::vector<manual_row> rows;
  for (word_option const& option : word_options) rows.push_back(option.about);
  return rows;
}

}  // namespace svmsh

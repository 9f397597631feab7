// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "run.hpp"

#include "console.hpp"
#include "help.hpp"
#include "input.hpp"
#include "key_table.hpp"
#include "options.hpp"
#include "prompt.hpp"
#include "scenario.hpp"
#include "terminal.hpp"

#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

namespace {

constexpr int good = 0, bad_result = 1, wrong_input = 2;

struct arguments {
  char const* file = "-";
  std::vector<std::string_view> settings;
};

parsed<arguments> parse_arguments(std::span<char const* const> args) {
  arguments a;
  machine_options all;
  bool file_given = false;
  for (char const* const argument : args) {
    std::string_view const word = argument;
    if (word.size() > 1 && word.starts_with('-')) return unknown_option("run", word, {});
    if (is_option(word)) {
      if (std::optional<bad_input> const wrong = assign(all, word)) return *wrong;
      a.settings.push_back(word);
    } else if (file_given) {
      return bad_input{quoted(word) + " is a second FILE, expected one"};
    } else {
      a.file = argument;
      file_given = true;
    }
  }
  if (std::optional<bad_input> const wrong = check(all)) return *wrong;
  return a;
}

/// Executes every line; the exit status if that ended early.
std::optional<int> run_lines(char const* file, scenario& run, console& out) {
  input_length const length(file);
  line_reader input(file);
  for (;;) {
    std::string_view line;
    switch (input.next(line, [&out] { out.flush(); })) {
      case line_reader::status::end:
        return std::nullopt;
      case line_reader::status::failed:
        out.say(input.error());
        return wrong_input;
      case line_reader::status::too_long:
        out.complain(input.line_number(), "the line is too long, expected at most 1M bytes");
        return wrong_input;
      case line_reader::status::line:
        break;
    }
    if (std::optional<bad_input> const wrong = run.execute(line, input.line_number())) {
      if (run.command_line_is_wrong()) {
        out.say(wrong->text);
      } else {
        out.complain(input.line_number(), wrong->text);
      }
      return wrong_input;
    }
    if (out.output_failed()) return bad_result;
    out.progress(input.line_number(), length.share(input.bytes_read()));
  }
}

/// What only the prompt understands; true if the line is of that kind.
bool take_prompt_word(std::string_view line, console& out, bool& leave) {
  std::vector<std::string_view> const words = split_words(line);
  if (words.empty() || words.size() > 2) return false;
  leave = words.size() == 1 && (words[0] == "quit" || words[0] == "exit");
  if (leave || words[0] != "help") return leave;
  out.print(command_help(words.size() == 2 ? words[1] : std::string_view{}, palette(STDOUT_FILENO)));
  return true;
}

/// Executes what is typed; a line that is wrong is told and forgotten. The exit status if that ended early.
std::optional<int> run_typed(scenario& run, console& out) {
  prompt typed;
  for (std::uint64_t number = 1;; ++number) {
    out.flush();
    std::optional<std::string> const line = typed.read_line();
    if (!line) return std::nullopt;
    bool leave = false;
    if (take_prompt_word(*line, out, leave)) {
      if (leave) return std::nullopt;
      continue;
    }
    if (std::optional<bad_input> const wrong = run.execute(*line, number)) {
      if (run.command_line_is_wrong()) {
        out.say(wrong->text);
        return wrong_input;
      }
      out.complain(number, wrong->text);
    }
    if (out.output_failed()) return bad_result;
  }
}

}  // namespace

int run_main(std::span<char const* const> args) {
  parsed<arguments> const a = parse_arguments(args);
  console out(a ? a->file : "-");
  if (!a) {
    out.say(a.error());
    return wrong_input;
  }
  scenario run(out, a->settings);
  bool const is_typed = std::string_view(a->file) == "-" && is_terminal(STDIN_FILENO);
  if (std::optional<int> const status = is_typed ? run_typed(run, out) : run_lines(a->file, run, out)) return *status;
  if (std::optional<bad_input> const wrong = run.finish()) {
    out.say(wrong->text);
    return wrong_input;
  }
  out.flush();
  return run.clean() && !out.output_failed() ? good : bad_result;
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "help.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace svmsh {

namespace {

/// The words of `text`, in lines of at most `width`.
std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    std::string_view const word = text.substr(0, text.find(' '));
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + std::string(word);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::string paragraph(std::string_view text) {
  std::string out;
  for (std::string const& line : wrap(text, help_width)) out += line + "\n";
  return out;
}

std::string pad(std::size_t width, std::size_t used) {
  return std::string(used < width ? width - used : 0, ' ');
}

/// Rows below a title: the form, what it usually is, and the text behind it, or below it where the form is long.
std::string section(std::string_view title, std::vector<manual_row> const& rows, palette const& colours) {
  constexpr std::size_t widest_form = 30;
  std::size_t form_width = 0, usual_width = 0;
  for (manual_row const& row : rows) {
    if (row.form.size() <= widest_form) form_width = std::max(form_width, row.form.size());
    usual_width = std::max(usual_width, row.usual.size());
  }
  std::size_t const usual_column = 2 + form_width + 2;
  std::size_t const text_column = usual_column + (usual_width == 0 ? 0 : std::max(usual_width, std::size_t{7}) + 2);
  std::string out = colours.title(std::string(title) + ":");
  if (usual_width != 0) out += pad(usual_column, title.size() + 1) + colours.faint("default");
  out += "\n";
  for (manual_row const& row : rows) {
    out += "  " + colours.typed(row.form);
    std::size_t used = 2 + row.form.size();
    if (used + 2 > usual_column && !(row.text.empty() && row.usual.empty())) out += "\n", used = 0;
    if (row.text.empty() && row.usual.empty()) {
      out += "\n";
      continue;
    }
    std::string const gap = pad(usual_column, used);
    out += row.usual.empty() ? gap : gap + std::string(row.usual);
    used = usual_column + row.usual.size();
    for (std::string const& line : wrap(row.text, help_width - text_column)) {
      out += pad(text_column, used) + line + "\n";
      used = 0;
    }
  }
  return out;
}

}  // namespace

std::string section_text(manual_section const& s, palette const& colours) {
  return section(s.title, s.rows, colours);
}

std::string main_help(palette const& colours) {
  std::vector<manual_row> verbs;
  for (verb_manual const& v : all_verbs()) verbs.push_back({v.name, v.summary});
  verbs.push_back({"help [VERB]", "the commands and options of a verb"});
  std::vector<manual_row> const options(general_options().begin(), general_options().end());
  std::vector<manual_row> const environment(environment_rows().begin(), environment_rows().end());
  return paragraph("svmsh - " + std::string(program_summary)) + "\n" + colours.title("usage:") +
         " svmsh VERB [FILE|-] [KEY=VALUE...]\n\n" + section("verbs", verbs, colours) + "\n" +
         section("options", options, colours) + "\n" + section("environment", environment, colours) +
         "\nFILE is - for standard input, which is the default.\n";
}

std::string verb_help(verb_manual const& verb, palette const& colours) {
  std::string const begin = "usage: svmsh " + std::string(verb.name) + " ";
  std::string out = colours.title("usage:") + begin.substr(6);
  std::size_t column = begin.size();
  bool first = true;
  for (std::string_view rest = verb.usage; !rest.empty(); first = false) {
    // A line is broken only between what is in brackets.
    std::size_t const between = rest.find("] [");
    std::string_view const part = between == std::string_view::npos ? rest : rest.substr(0, between + 1);
    if (column + 1 + part.size() > help_width) {
      out += "\n" + std::string(begin.size(), ' ');
      column = begin.size();
    } else if (!first) {
      out += " ";
      ++column;
    }
    out += part;
    column += part.size();
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  out += "\n\n" + paragraph(verb.text);
  for (manual_section const& s : verb.sections) out += "\n" + section_text(s, colours);
  if (!verb.notes.empty()) out += "\n" + paragraph(verb.notes);
  out += "\n" + section("exit status", verb.statuses, colours);
  if (!verb.examples.empty()) out += "\n" + section("examples", verb.examples, colours);
  return out;
}

std::string command_help(std::string_view word, palette const& colours) {
  std::string out;
  for (manual_section s : scenario_commands()) {
    std::erase_if(s.rows, [word](manual_row const& row) { return row.form.find(word) == std::string_view::npos; });
    if (!s.rows.empty()) out += section_text(s, colours);
  }
  if (out.empty()) return "there is no command with that word; help alone has them all";
  out.pop_back();
  return out;
}

}  // namespace svmsh

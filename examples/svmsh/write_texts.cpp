// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Writes the man page of svmsh, or its completion for a shell, from the rows that its help is made of.

#include "manual.hpp"
#include "tour.hpp"

#include <svm/version.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

// When the texts last changed; a man page has to say it.
constexpr std::string_view date = "2026-11-30";

/// Whose a text is, in comments of its language; in pieces, since the words would be read as this file's.
std::string licence(std::string_view comment) {
  std::string const begin = std::string(comment) + " SPDX-";
  return begin + "FileCopyrightText: 2026 The svm authors\n" + begin + "License-Identifier: MIT\n";
}

std::string roff(std::string_view text) {
  std::string out;
  for (char const c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return (out.starts_with('.') || out.starts_with('\'') ? "\\&" : "") + out;
}

/// The same in lines that are short enough for mandoc.
std::string roff_lines(std::string_view text) {
  constexpr std::size_t widest = 72;
  std::string out, line;
  auto const end_line = [&] {
    out += (out.empty() ? "" : "\n") + roff(line);
    line.clear();
  };
  while (!text.empty()) {
    std::string_view const word = text.substr(0, text.find(' '));
    if (!line.empty() && roff(line).size() + word.size() > widest) end_line();
    line += (line.empty() ? "" : " ") + std::string(word);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  end_line();
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string rows(std::vector<svmsh::manual_row> const& all) {
  std::string out;
  for (svmsh::manual_row const& row : all) {
    out += ".TP\n\\fB" + roff(row.form) + "\\fR\n" + roff_lines(row.text) + "\n";
    if (!row.usual.empty()) out += "(default: " + roff(row.usual) + ")\n";
  }
  return out;
}

std::string man_page() {
  std::string out = licence(".\\\"") + ".TH SVMSH 1 \"" + std::string(date) + "\" \"svm " + svm::version_string +
                    "\" \"svm\"\n.SH NAME\nsvmsh \\- " + roff(svmsh::program_summary) + "\n.SH SYNOPSIS\n";
  bool first = true;
  for (svmsh::verb_manual const& verb : svmsh::all_verbs()) {
    out +=
        std::string(first ? "" : ".br\n") + "\\fBsvmsh " + std::string(verb.name) + "\\fR " + roff(verb.usage) + "\n";
    first = false;
  }
  out += ".br\n\\fBsvmsh help\\fR [VERB]\n.SH DESCRIPTION\n" + roff_lines(svmsh::program_text) + "\n.SH OPTIONS\n" +
         rows({svmsh::general_options().begin(), svmsh::general_options().end()});
  std::vector<std::string_view> told;
  for (svmsh::verb_manual const& verb : svmsh::all_verbs()) {
    out += ".SH " + upper(verb.name) + "\n" + roff_lines(verb.text) + "\n";
    for (svmsh::manual_section const& s : verb.sections) {
      bool const again = s.title == svmsh::machine_title && std::find(told.begin(), told.end(), s.title) != told.end();
      told.push_back(s.title);
      out += ".SS \"" + roff(s.title) + "\"\n" + (again ? "As of \\fBrun\\fR, above.\n" : rows(s.rows));
    }
    if (!verb.notes.empty()) out += ".SS notes\n" + roff_lines(verb.notes) + "\n";
    out += ".SS \"exit status\"\n" + rows(verb.statuses);
    if (!verb.examples.empty()) out += ".SS examples\n" + rows(verb.examples);
  }
  return out + ".SH ENVIRONMENT\n" + rows({svmsh::environment_rows().begin(), svmsh::environment_rows().end()}) +
         ".SH SEE ALSO\n.BR valgrind (1)\n";
}

bool is_key(svmsh::manual_row const& row) {
  return row.form.size() > row.name().size() && row.form[row.name().size()] == '=';
}

/// Calls `f` with each row of a verb that stands on a command line.
template <class F>
void for_each_argument(svmsh::verb_manual const& verb, F f) {
  for (svmsh::manual_section const& s : verb.sections)
    for (svmsh::manual_row const& row : s.rows)
      if (is_key(row) || row.form.starts_with("--")) f(row);
}

std::string bash_completion() {
  std::string verbs = "help --help --version", cases, files;
  for (svmsh::verb_manual const& verb : svmsh::all_verbs()) {
    verbs += " " + std::string(verb.name);
    std::string words = "--help", values;
    for_each_argument(verb, [&](svmsh::manual_row const& row) {
      std::string const name(row.name());
      words += " " + name + (is_key(row) ? "=" : "");
      if (is_key(row))
        for (std::string_view const choice : svmsh::choices_of(row.form))
          values += (values.empty() ? "" : " ") + name + "=" + std::string(choice);
      if (row.form.find(" FILE") != std::string_view::npos) files += (files.empty() ? "" : "|") + name;
    });
    if (verb.name == "scenarios") {
      words += " all";
      for (svmsh::tour_stop const& stop : svmsh::tour()) words += " " + std::string(stop.name);
    }
    cases +=
        "    " + std::string(verb.name) + ")\n      words='" + words + "'\n      values='" + values + "'\n      ;;\n";
  }
  return "# bash completion for svmsh                                 -*- shell-script -*-\n" + licence("#") + R"(
_svmsh() {
  # Words are cut at blanks alone, since = is a part of them.
  local line=${COMP_LINE:0:COMP_POINT} words='' values='' word before reply
  word=${line##*[[:space:]]}
  before=${line%"$word"}
  read -ra before <<<"$before"
  COMPREPLY=()
  case ${#before[@]} in
    0 | 1) words=')" +
         verbs + R"(' ;;
  esac
  if ((${#before[@]} > 1)); then
    case ${before[1]} in
)" + std::string("    help)\n      words='") +
         [] {
           std::string names;
           for (svmsh::verb_manual const& verb : svmsh::all_verbs())
             names += (names.empty() ? "" : " ") + std::string(verb.name);
           return names;
         }() +
         "'\n      ;;\n" + cases + R"(    esac
    case ${before[-1]} in
      )" +
         files + R"() words='' values='' ;;
    esac
  fi
  if [[ $word == *=* ]]; then
    while IFS='' read -r reply; do COMPREPLY+=("${reply#"${word%%=*}="}"); done < <(compgen -W "$values" -- "$word")
    return
  fi
  while IFS='' read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -W "$words" -- "$word")
  if ((${#before[@]} > 1)) && [[ ${before[1]} != help ]]; then
    while IFS='' read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -f -- "$word")
  fi
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o filenames -F _svmsh svmsh
)";
}

/// A word and what it does, as zsh's _describe takes it.
std::string described(std::string_view word, std::string_view text) {
  std::string out = "'" + std::string(word) + ":";
  for (char const c : text) out += c == '\'' ? std::string("'\\''") : c == ':' ? std::string("\\:") : std::string(1, c);
  return out + "'";
}

std::string zsh_completion() {
  std::string verbs, cases;
  for (svmsh::verb_manual const& verb : svmsh::all_verbs()) {
    verbs += "    " + described(verb.name, verb.summary) + "\n";
    std::string keys, options, branches;
    auto const branch = [&branches](std::string const& condition, std::string const& body) {
      branches +=
          std::string(branches.empty() ? "      if " : "      elif ") + condition + "; then\n        " + body + "\n";
    };
    for_each_argument(verb, [&](svmsh::manual_row const& row) {
      std::string const name(row.name());
      (is_key(row) ? keys : options) += "        " + described(name, row.text) + "\n";
      if (row.form.find(" FILE") != std::string_view::npos)
        branch("[[ ${words[CURRENT-1]} == " + name + " ]]", "_files");
    });
    for_each_argument(verb, [&](svmsh::manual_row const& row) {
      std::string choices;
      if (is_key(row))
        for (std::string_view const choice : svmsh::choices_of(row.form)) choices += " " + std::string(choice);
      if (!choices.empty()) branch("compset -P '" + std::string(row.name()) + "='", "compadd --" + choices);
    });
    branch("compset -P '*='", "_message 'a value'");
    std::string names;
    if (verb.name == "scenarios") {
      names = "        " + described("all", "every one") + "\n";
      for (svmsh::tour_stop const& stop : svmsh::tour())
        names += "        " + described(stop.name, stop.about()) + "\n";
    }
    cases += "    " + std::string(verb.name) + ")\n      keys=(\n" + keys +
             "      )\n      options=(\n        '--help:its manual'\n" + options + "      )\n      names=(\n" + names +
             "      )\n" + branches +
             "      else\n        _describe -t keys key keys -S '='\n        _describe -t options option options\n"
             "        _describe -t names scenario names\n        _files\n      fi\n      ;;\n";
  }
  return "#compdef svmsh\n" + licence("#") +
         "\n_svmsh() "
         "{\n"
         "  local -a verbs keys options names\n  verbs=(\n" +
         verbs +
         "    'help:the manual of a verb'\n  )\n  if ((CURRENT == 2)); then\n    _describe -t verbs verb verbs\n    "
         "return\n  fi\n" +
         "  case ${words[2]} in\n    help)\n      _describe -t verbs verb verbs\n      ;;\n" + cases +
         "  esac\n}\n\n_svmsh \"$@\"\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view const kind = argc == 2 ? argv[1] : "";
  std::string const text = kind == "man"    ? man_page()
                           : kind == "bash" ? bash_completion()
                           : kind == "zsh"  ? zsh_completion()
                                            : "";
  if (text.empty()) {
    std::fputs("usage: write_texts man|bash|zsh\n", stderr);
    return 2;
  }
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// svmsh: a shell for the simulated machine. Its manual is `svmsh help VERB` and README.md.

#include "help.hpp"
#include "manual.hpp"
#include "replay.hpp"
#include "run.hpp"
#include "suggest.hpp"
#include "terminal.hpp"
#include "tour.hpp"
#include "vm_bind.hpp"
#include "words.hpp"

#include <svm/version.hpp>

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct verb {
  std::string_view name;  // which has a manual
  int (*run)(std::span<char const* const>);
};

// A new verb is a row here and one in all_verbs().
constexpr verb verbs[] = {
    {"run", svmsh::run_main},
    {"replay", svmsh::replay_main},
    {"vm_bind", svmsh::vm_bind_main},
    {"scenarios", svmsh::scenarios_main},
};

int print(std::string const& text) {
  bool const written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) std::fputs("svmsh: cannot write to standard output\n", stderr);
  return written ? 0 : 1;
}

int refuse(std::string const& text) {
  std::fputs((svmsh::palette(STDERR_FILENO).title("svmsh:") + " " + text + "\n").c_str(), stderr);
  return 2;
}

bool asks_for_help(std::string_view word) {
  return word == "--help" || word == "-h";
}

int refuse_verb(std::string_view word) {
  std::vector<std::string_view> known = {"help", "--help", "--version"};
  for (verb const& v : verbs) known.push_back(v.name);
  std::string const hint = svmsh::did_you_mean(word, known);
  return refuse("there is no verb " + svmsh::quoted(word) + (hint.empty() ? ", expected one of svmsh --help" : hint));
}

/// `svmsh help [VERB]`; what follows `help` is `rest`.
int help(std::span<char const* const> rest) {
  svmsh::palette const colours(STDOUT_FILENO);
  if (rest.empty()) return print(svmsh::main_help(colours));
  if (rest.size() > 1) return refuse(svmsh::quoted(rest[1]) + " is a second VERB, expected one");
  svmsh::verb_manual const* const about = svmsh::find_verb(rest[0]);
  return about == nullptr ? refuse_verb(rest[0]) : print(svmsh::verb_help(*about, colours));
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that went away is a failed write like any other, with an exit status of its own.
  std::signal(SIGPIPE, SIG_IGN);

  std::span<char const* const> const args(argv, static_cast<std::size_t>(argc));
  if (args.size() < 2) return refuse("there is no verb, expected one of svmsh --help");
  std::string_view const first = args[1];
  std::span<char const* const> const rest = args.subspan(2);
  if (first == "help") return help(rest);
  if (asks_for_help(first) || first == "--version") {
    if (!rest.empty()) return refuse("nothing may follow " + std::string(first));
    return first == "--version" ? print(std::string("svmsh ") + svm::version_string + "\n") : help({});
  }
  for (verb const& v : verbs) {
    if (v.name != first) continue;
    for (std::string_view const argument : rest)
      if (asks_for_help(argument)) return help(args.subspan(1, 1));
    return v.run(rest);
  }
  return refuse_verb(first);
}

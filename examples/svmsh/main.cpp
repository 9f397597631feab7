// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// svmsh: a shell for the simulated machine. Its manual is `svmsh VERB --help` and README.md.

#include "help.hpp"
#include "replay.hpp"
#include "run.hpp"
#include "vm_bind.hpp"
#include "words.hpp"

#include <svm/version.hpp>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

namespace {

struct verb {
  std::string_view name;
  char const* help;
  int (*run)(std::span<char const* const>);
};

constexpr verb verbs[] = {
    {"run", svmsh::run_help, svmsh::run_main},
    {"replay", svmsh::replay_help, svmsh::replay_main},
    {"vm_bind", svmsh::vm_bind_help, svmsh::vm_bind_main},
};

int print(std::string const& text) {
  bool const written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) std::fputs("svmsh: cannot write to standard output\n", stderr);
  return written ? 0 : 1;
}

int refuse(std::string const& text) {
  std::fputs(("svmsh: " + text + "\n").c_str(), stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that went away is a failed write like any other, with an exit status of its own.
  std::signal(SIGPIPE, SIG_IGN);

  std::span<char const* const> const args(argv, static_cast<std::size_t>(argc));
  constexpr char const* expected = ", expected: svmsh run|replay|vm_bind [FILE|-] [KEY=VALUE...], or --help";
  if (args.size() < 2) return refuse(std::string("there is no verb") + expected);
  std::string_view const first = args[1];
  std::span<char const* const> const rest = args.subspan(2);
  if (first == "--help" || first == "--version") {
    if (!rest.empty()) return refuse("nothing may follow " + std::string(first));
    return print(first == "--help" ? svmsh::main_help : std::string("svmsh ") + svm::version_string + "\n");
  }
  for (verb const& v : verbs) {
    if (v.name != first) continue;
    for (std::string_view const argument : rest)
      if (argument == "--help") return print(v.help);
    return v.run(rest);
  }
  return refuse("there is no verb " + svmsh::quoted(first) + expected);
}

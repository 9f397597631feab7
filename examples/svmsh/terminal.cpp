// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <unistd.h>

#include <cstdlib>

namespace svmsh {

namespace {

std::string_view variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

}  // namespace

bool is_terminal(int file) {
  return isatty(file) == 1;
}

bool is_smart_terminal(int file) {
  std::string_view const kind = variable("TERM");
  return is_terminal(file) && !kind.empty() && kind != "dumb";
}

palette::palette(int file) : on_(is_smart_terminal(file) && variable("NO_COLOR").empty()) {}

std::string palette::in(std::string_view code, std::string_view text) const {
  if (!on_ || text.empty()) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "target.hpp"

#include <svm/config.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace fuzz {

namespace {

struct {
  target what{};
  bytes input;
  std::string origin;
  bool repeated = false;
} current;

void write(std::string const& line) {
  std::fputs((line + "\n").c_str(), stderr);
}

std::string hex_of(bytes all) {
  std::string digits;
  for (std::byte const b : all) {
    digits += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    digits += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  return digits;
}

void report(svm::assertion_failure const& f) {
  fail(std::string("assertion ") + f.expression + " failed with " + std::to_string(f.left) + " and " +
       std::to_string(f.right) + " at " + f.file + ":" + std::to_string(f.line));
}

}  // namespace

std::vector<target>& targets() {
  static std::vector<target> all;
  return all;
}

int run(target const& what, bytes input, std::string_view origin) {
  current.what = what;
  current.input = input;
  current.origin = origin;
  auto* const before = svm::assertion_handler;
  svm::assertion_handler = report;
  int const status = what.run(input);
  svm::assertion_handler = before;
  return status;
}

void fail(std::string const& what) {
  write("fuzz " + std::string(current.what.name) + ": " + what);
  if (!current.repeated) {
    current.repeated = true;
    write("origin: " + current.origin);
    write("input: " + hex_of(current.input));
    write("operations:");
    current.what.run(current.input);
    write("the repetition found nothing: the run does not depend on its input alone");
  }
  std::abort();
}

bool telling() {
  static bool const always = std::getenv("SVM_FUZZ_TELL") != nullptr;
  return always || current.repeated;
}

void tell(std::string const& line) {
  write("  " + line);
}

std::string hex(std::uint64_t value) {
  char digits[16];
  std::to_chars_result const r = std::to_chars(digits, digits + sizeof digits, value, 16);
  return "0x" + std::string(digits, r.ptr);
}

}  // namespace fuzz

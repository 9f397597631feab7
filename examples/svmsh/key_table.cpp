// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "key_table.hpp"

namespace svmsh {

namespace {

std::vector<std::string_view> names_of(std::span<manual_row const> rows) {
  std::vector<std::string_view> names;
  for (manual_row const& row : rows) names.push_back(row.name());
  return names;
}

}  // namespace

bad_input unknown_key(std::string_view what, std::string_view word, std::span<manual_row const> known) {
  std::string_view const name = word.substr(0, word.find('='));
  std::string text = "there is no " + std::string(what) + " " + quoted(name);
  std::vector<std::string_view> const names = names_of(known);
  if (std::string const hint = did_you_mean(name, names); !hint.empty()) return {text + hint};
  text += ", expected one of ";
  for (std::string_view const& n : names) text += (&n == names.data() ? "" : ", ") + std::string(n);
  return {text};
}

bad_input unknown_option(std::string_view verb, std::string_view word, std::span<manual_row const> known) {
  std::vector<std::string_view> names = names_of(known);
  names.push_back("--help");
  std::string const hint = did_you_mean(word.substr(0, word.find('=')), names);
  return {"there is no option " + quoted(word) +
          (hint.empty() ? ", expected those of svmsh help " + std::string(verb) : hint)};
}

std::optional<bad_input> set_number(setting const& s, std::uint64_t& to) {
  parsed<std::uint64_t> const number = parse_number(s.value);
  if (!number) return bad_input{quoted(s.word) + ": " + number.error()};
  to = *number;
  return {};
}

std::optional<bad_input> set_bounded(setting const& s, std::uint64_t low, std::uint64_t high, std::uint64_t& to) {
  std::uint64_t value = 0;
  if (std::optional<bad_input> e = set_number(s, value)) return e;
  if (value < low || value > high) return refusal(s, std::to_string(low) + " to " + std::to_string(high));
  to = value;
  return {};
}

std::optional<bad_input> set_switch(setting const& s, bool& to, std::string_view on, std::string_view off) {
  if (s.value != on && s.value != off) return refusal(s, std::string(on) + " or " + std::string(off));
  to = s.value == on;
  return {};
}

}  // namespace svmsh

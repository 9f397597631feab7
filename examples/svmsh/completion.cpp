// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "completion.hpp"

#include "manual.hpp"
#include "options.hpp"
#include "words.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace svmsh {

namespace {

bool is_gpu(std::string_view word) {
  return word.starts_with("gpu") && word.find_first_not_of("0123456789", 3) == std::string_view::npos;
}

/// What a word of a form lets one choose from: `[r|rw]` is r and rw.
std::vector<std::string_view> alternatives(std::string_view group) {
  if (group.starts_with('[')) group.remove_prefix(1);
  if (group.ends_with(']')) group.remove_suffix(1);
  std::vector<std::string_view> found;
  while (!group.empty()) {
    found.push_back(group.substr(0, group.find('|')));
    group.remove_prefix(std::min(found.back().size() + 1, group.size()));
  }
  return found;
}

bool is_literal(std::string_view alternative) {
  return alternative.front() >= 'a' && alternative.front() <= 'z';
}

bool may_be(std::string_view group, std::string_view word) {
  for (std::string_view const a : alternatives(group)) {
    std::size_t const equals = a.find('=');
    if (!is_literal(a) || a == word || (a == "gpuN" && is_gpu(word))) return true;
    if (equals != std::string_view::npos && word.starts_with(a.substr(0, equals + 1))) return true;
  }
  return false;
}

void add(std::vector<std::string>& to, std::string_view word, std::string_view start) {
  if (word.starts_with(start) && std::find(to.begin(), to.end(), word) == to.end()) to.emplace_back(word);
}

/// Adds what may come behind `words` where the rest of a form is `groups`; what is in brackets may be left out.
void add_next(std::span<std::string_view const> groups, std::span<std::string_view const> words, std::string_view start,
              std::vector<std::string>& to) {
  if (groups.empty()) return;
  std::string_view const group = groups.front();
  if (!words.empty() && may_be(group, words.front())) add_next(groups.subspan(1), words.subspan(1), start, to);
  if (words.empty())
    for (std::string_view const a : alternatives(group)) {
      std::size_t const equals = a.find('=');
      if (is_literal(a))
        add(to, a == "gpuN" ? "gpu" : equals == std::string_view::npos ? a : a.substr(0, equals + 1), start);
    }
  if (group.starts_with('[')) add_next(groups.subspan(1), words, start, to);
}

/// What may follow `machine`.
std::vector<std::string> complete_setting(std::string_view last) {
  std::vector<std::string> found;
  std::size_t const equals = last.find('=');
  for (manual_row const& row : machine_rows()) {
    std::string const key = std::string(row.name()) + "=";
    if (equals == std::string_view::npos) add(found, key, last);
    if (equals != std::string_view::npos && last.starts_with(key))
      for (std::string_view const choice : choices_of(row.form)) add(found, key + std::string(choice), last);
  }
  return found;
}

}  // namespace

std::vector<std::string> complete_command(std::string_view line) {
  std::vector<std::string_view> words = split_words(line);
  std::string_view last;
  if (!words.empty() && !line.ends_with(' ') && !line.ends_with('\t')) {
    last = words.back();
    words.pop_back();
  }
  if (!words.empty() && words.front().starts_with('@')) words.erase(words.begin());
  if (!words.empty() && words.front() == "machine") return complete_setting(last);
  std::vector<std::string> found;
  for (manual_section const& section : scenario_commands())
    for (manual_row const& row : section.rows) add_next(split_words(row.form), words, last, found);
  if (words.empty())
    for (std::string_view const word : {"help", "quit"}) add(found, word, last);
  return found;
}

std::string common_start(std::vector<std::string> const& words) {
  if (words.empty()) return {};
  std::string start = words.front();
  for (std::string const& word : words) {
    auto const differ = std::mismatch(start.begin(), start.end(), word.begin(), word.end());
    start.erase(differ.first, start.end());
  }
  return start;
}

}  // namespace svmsh

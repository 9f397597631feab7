// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "suggest.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace svmsh {

namespace {

constexpr std::size_t longest_word = 40;

std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// The least number of letters to insert, erase, replace or exchange with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t const replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

/// The only word of `known` that begins with `start`.
std::optional<std::string_view> only_one_with(std::string_view start, std::span<std::string_view const> known) {
  std::optional<std::string_view> found;
  for (std::string_view const candidate : known) {
    if (!lower(candidate).starts_with(start)) continue;
    if (found && *found != candidate) return std::nullopt;
    found = candidate;
  }
  return found;
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view word, std::span<std::string_view const> known) {
  if (word.empty() || word.size() > longest_word) return std::nullopt;
  std::string const meant = lower(word);
  if (meant.size() >= 3)
    if (std::optional<std::string_view> const longer = only_one_with(meant, known)) return longer;
  std::size_t best = std::max<std::size_t>(1, meant.size() / 3) + 1;
  std::optional<std::string_view> found;
  for (std::string_view const candidate : known) {
    std::size_t const d = distance(meant, lower(candidate));
    if (d >= best || d >= candidate.size()) continue;
    best = d;
    found = candidate;
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<std::string_view const> known) {
  std::optional<std::string_view> const found = nearest(word, known);
  return found ? " (did you mean '" + std::string(*found) + "'?)" : "";
}

}  // namespace svmsh

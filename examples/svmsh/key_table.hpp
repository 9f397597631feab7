// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"
#include "suggest.hpp"
#include "words.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// What a setter needs to know: the whole word, for the message, and its part behind the `=`.
struct setting {
  std::string_view word;
  std::string_view value;
};

inline bad_input refusal(setting const& s, std::string_view expected) {
  return {quoted(s.word) + ": expected " + std::string(expected)};
}

/// A KEY=VALUE that sets something in an `Options`; a table of these is a part of the command line.
template <class Options>
struct key {
  manual_row about;
  std::optional<bad_input> (*set)(Options&, setting const&);
};

template <class Options>
[[nodiscard]] std::vector<manual_row> rows_of(std::span<key<Options> const> keys) {
  std::vector<manual_row> rows;
  for (key<Options> const& k : keys) rows.push_back(k.about);
  return rows;
}

/// The key that `KEY=VALUE` is about, or null.
template <class Options>
[[nodiscard]] key<Options> const* find_key(std::span<key<Options> const> keys, std::string_view word) {
  for (key<Options> const& k : keys)
    if (k.about.name() == word.substr(0, word.find('='))) return &k;
  return nullptr;
}

template <class Options>
[[nodiscard]] std::optional<bad_input> set_key(key<Options> const& k, Options& to, std::string_view word) {
  return k.set(to, {.word = word, .value = word.substr(word.find('=') + 1)});
}

/// Why `word` is none of the keys; names the one that is most like it, or all.
[[nodiscard]] bad_input unknown_key(std::string_view what, std::string_view word, std::span<manual_row const> known);

/// Why `word`, which begins with a dash, is no option of the verb.
[[nodiscard]] bad_input unknown_option(std::string_view verb, std::string_view word, std::span<manual_row const> known);

// Setters that tables share.
[[nodiscard]] std::optional<bad_input> set_number(setting const& s, std::uint64_t& to);
[[nodiscard]] std::optional<bad_input> set_bounded(setting const& s, std::uint64_t low, std::uint64_t high,
                                                   std::uint64_t& to);
[[nodiscard]] std::optional<bad_input> set_switch(setting const& s, bool& to, std::string_view on = "on",
                                                  std::string_view off = "off");

}  // namespace svmsh

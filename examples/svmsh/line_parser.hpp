// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "suggest.hpp"
#include "words.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace svmsh {

/// A word of a fixed vocabulary and what it means.
template <class T>
struct choice {
  std::string_view word;
  T meaning;
};

/// Takes the words of a line one after the other and remembers the first thing that is wrong.
///
/// After an error every call returns a neutral value and takes nothing, so that a parser reads straight down and looks
/// at `error()` once, at its end.
class line_parser {
 public:
  line_parser(std::span<std::string_view const> words, name_table const& names) : words_(words), names_(names) {}

  /// The form of the command that is being read; it closes the message of every later error.
  void set_form(std::string_view form) { form_ = form; }

  bool at_end() const { return error_ || words_.empty(); }
  std::string_view peek() const { return at_end() ? std::string_view{} : words_.front(); }

  /// The next word; `what` names it in the message that there is none.
  std::string_view word(std::string_view what) {
    if (error_) return {};
    if (words_.empty()) {
      fail(std::string(what) + " is missing");
      return {};
    }
    std::string_view const w = words_.front();
    words_ = words_.subspan(1);
    return w;
  }

  /// Takes the next word if it is `literal`.
  bool accept(std::string_view literal) {
    if (at_end() || words_.front() != literal) return false;
    words_ = words_.subspan(1);
    return true;
  }

  std::uint64_t number(std::string_view what) {
    std::string_view const w = word(what);
    return error_ ? 0 : value_or_fail(what, parse_number(w));
  }

  std::uint64_t address(std::string_view what) { return address(what, word(what)); }
  std::uint64_t address(std::string_view what, std::string_view from) {
    return error_ ? 0 : value_or_fail(what, parse_address(from, names_));
  }

  /// Takes the next word if it begins with `key`, which an address follows: `at=ADDR`.
  std::optional<std::uint64_t> accept_address(std::string_view key) {
    if (!peek().starts_with(key)) return std::nullopt;
    return address(key, word(key).substr(key.size()));
  }

  /// Takes the next word if it is one of the choices.
  template <class T, std::size_t N>
  std::optional<T> accept_one(std::array<choice<T>, N> const& choices) {
    for (choice<T> const& c : choices)
      if (accept(c.word)) return c.meaning;
    return std::nullopt;
  }

  template <class T, std::size_t N>
  T one_of(std::string_view what, std::array<choice<T>, N> const& choices) {
    if (std::optional<T> const found = accept_one(choices)) return *found;
    if (std::string_view const w = word(what); !error_) {
      std::vector<std::string_view> words;
      std::string known;
      for (choice<T> const& c : choices) {
        words.push_back(c.word);
        known += (known.empty() ? "" : "|") + std::string(c.word);
      }
      std::string const hint = did_you_mean(w, words);
      fail(quoted(w) + " is not " + std::string(what) + (hint.empty() ? " (" + known + ")" : hint));
    }
    return choices.front().meaning;
  }

  /// Records `text` as what is wrong, unless something already is.
  void fail(std::string text) {
    if (error_) return;
    if (!form_.empty()) text += ", expected: " + std::string(form_);
    error_ = bad_input{std::move(text)};
  }

  std::optional<bad_input> const& error() const { return error_; }

 private:
  std::uint64_t value_or_fail(std::string_view what, parsed<std::uint64_t> const& value) {
    if (value) return *value;
    fail(std::string(what) + ": " + value.error());
    return 0;
  }

  std::span<std::string_view const> words_;
  name_table const& names_;
  std::string_view form_;
  std::optional<bad_input> error_;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace svmsh {

/// Why a word or a line cannot be understood: one line of text, without its place and without a newline.
struct bad_input {
  std::string text;
};

/// A value, or why there is none.
template <class T>
class [[nodiscard]] parsed {
 public:
  parsed(T value) : state_(std::move(value)) {}
  parsed(bad_input error) : state_(std::move(error)) {}

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  T const& operator*() const { return *std::get_if<T>(&state_); }
  T const* operator->() const { return std::get_if<T>(&state_); }
  /// \pre there is no value
  std::string const& error() const {
    assert(!*this);
    return std::get_if<bad_input>(&state_)->text;
  }

 private:
  std::variant<T, bad_input> state_;
};

/// The addresses that `mmap` has bound.
using name_table = std::map<std::string, std::uint64_t, std::less<>>;

/// Cuts a line (without its end) into words at spaces and tabs; a comment ends it. The words point into `line`.
std::vector<std::string_view> split_words(std::string_view line);

bool is_name(std::string_view word);

/// A decimal or 0x-hex number below 2^64 with an optional K, M, G or T. A decimal number has no leading zeros, because
/// nobody can tell whether an octal one was meant.
parsed<std::uint64_t> parse_number(std::string_view word);

/// A number or a bound name, either of them plus or minus one number; the sum is a 64-bit address too.
parsed<std::uint64_t> parse_address(std::string_view word, name_table const& names);

/// The word in single quotes, shortened, and with every byte that is not printable ASCII written as \xNN.
std::string quoted(std::string_view word);

std::string hex(std::uint64_t value);

/// A JSON string; bytes that are not printable ASCII, of which nobody knows the encoding, become `?`.
std::string json_text(std::string_view text);

/// The exclusive end of a span that includes `last`: hex, one above the largest number included.
std::string hex_end(std::uint64_t last);

}  // namespace svmsh

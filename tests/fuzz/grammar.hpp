// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz::grammar {

/// What the lines of a scenario may refer to.
struct world {
  std::map<std::string, std::uint64_t, std::less<>> names;
  std::set<std::string, std::less<>> running;
  std::set<std::string, std::less<>> exited;
  std::uint64_t gpus;
  bool first;  ///< no command came before
};

/// The words of a line as the manual says: blanks are spaces and tabs, and # starts a comment.
[[nodiscard]] std::vector<std::string> words_of(std::string_view line);

/// The value of a number, or nothing: decimal without leading zeros or 0x-hex, with an optional K, M, G or T.
[[nodiscard]] std::optional<std::uint64_t> number(std::string_view word);
[[nodiscard]] bool name(std::string_view word);
/// A number or a bound name, plus or minus one number.
[[nodiscard]] std::optional<std::uint64_t> address(std::string_view word, world const& in);
/// Whether a machine option is one.
[[nodiscard]] bool option(std::string_view word);

/// The forms of all commands, in the notation of the manual: a small word stands for itself, a large one for a class of
/// words, | is a choice, and what stands in brackets may be left out.
[[nodiscard]] std::span<std::string_view const> forms();

/// The addresses and numbers of a line that is a command, in their order, or nothing.
[[nodiscard]] std::optional<std::vector<std::uint64_t>> command(std::span<std::string const> words, world const& in);

}  // namespace fuzz::grammar

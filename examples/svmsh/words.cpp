// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "words.hpp"

#include <charconv>
#include <cstddef>
#include <optional>

namespace svmsh {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::optional<unsigned> suffix_shift(char c) {
  switch (c) {
    case 'K':
      return 10;
    case 'M':
      return 20;
    case 'G':
      return 30;
    case 'T':
      return 40;
    default:
      return std::nullopt;
  }
}

bad_input malformed(std::string_view word) {
  return {quoted(word) + " is not a number (such as 4096, 0x1000, 64K)"};
}

bad_input too_large(std::string_view word) {
  return {quoted(word) + " is above 2^64-1"};
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  for (;;) {
    std::size_t const start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return words;
    line.remove_prefix(start);
    std::string_view const word = line.substr(0, line.find_first_of(" \t"));
    words.push_back(word);
    line.remove_prefix(word.size());
  }
}

bool is_name(std::string_view word) {
  if (word.empty() || !is_letter(word.front())) return false;
  for (char const c : word)
    if (!is_letter(c) && !is_digit(c)) return false;
  return true;
}

parsed<std::uint64_t> parse_number(std::string_view word) {
  std::string_view digits = word;
  unsigned shift = 0;
  if (!digits.empty()) {
    if (std::optional<unsigned> const s = suffix_shift(digits.back())) {
      shift = *s;
      digits.remove_suffix(1);
    }
  }
  int base = 10;
  if (digits.starts_with("0x")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits.front() == '0') {
    return malformed(word);
  }
  std::uint64_t value = 0;
  char const* const end = digits.data() + digits.size();
  std::from_chars_result const r = std::from_chars(digits.data(), end, value, base);
  if (r.ptr != end || r.ec == std::errc::invalid_argument) return malformed(word);
  if (r.ec == std::errc::result_out_of_range || value > (UINT64_MAX >> shift)) return too_large(word);
  return value << shift;
}

parsed<std::uint64_t> parse_address(std::string_view word, name_table const& names) {
  std::size_t const sign = word.find_first_of("+-");
  std::string_view const head = word.substr(0, sign);
  std::uint64_t base = 0;
  if (!head.empty() && is_digit(head.front())) {
    parsed<std::uint64_t> const number = parse_number(head);
    if (!number) return number;
    base = *number;
  } else if (is_name(head)) {
    auto const bound = names.find(head);
    if (bound == names.end()) return bad_input{"the name " + quoted(head) + " is not bound"};
    base = bound->second;
  } else {
    return bad_input{quoted(word) + " is not an address (such as 0x1000, A, A+4K)"};
  }
  if (sign == std::string_view::npos) return base;

  parsed<std::uint64_t> const offset = parse_number(word.substr(sign + 1));
  if (!offset) return offset;
  if (word[sign] == '+') {
    if (*offset > UINT64_MAX - base) return too_large(word);
    return base + *offset;
  }
  if (*offset > base) return bad_input{quoted(word) + " is below 0"};
  return base - *offset;
}

std::string quoted(std::string_view word) {
  constexpr std::size_t shown = 40;
  std::string text = "'";
  for (char const c : word.substr(0, shown)) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += hex_digits[byte >> 4];
      text += hex_digits[byte & 15];
    }
  }
  text += word.size() > shown ? "...'" : "'";
  return text;
}

std::string hex(std::uint64_t value) {
  char digits[16];
  std::to_chars_result const r = std::to_chars(digits, digits + sizeof digits, value, 16);
  return "0x" + std::string(digits, r.ptr);
}

std::string hex_end(std::uint64_t last) {
  return last == UINT64_MAX ? "0x10000000000000000" : hex(last + 1);
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return out + "\"";
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_text.hpp"

#include "words.hpp"

#include <algorithm>

namespace svmsh {

std::string text_of(trace_access const& a, svm::access_kind want) {
  return std::string(want == svm::access_kind::read ? "the load" : "the store") + " of " + std::to_string(a.size) +
         " bytes at " + hex(a.address);
}

std::string text_of(std::byte const* bytes, std::size_t size) {
  constexpr std::size_t shown = 8;
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < std::min(size, shown); ++i) {
    unsigned const byte = std::to_integer<unsigned>(bytes[i]);
    text += text.empty() ? "" : " ";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return size > shown ? text + " ..." : text;
}

}  // namespace svmsh

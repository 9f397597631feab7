// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include <svm/base/page_mask.hpp>

namespace masks {

/// The pages of some runs.
inline svm::page_mask of(std::initializer_list<svm::page_span> runs) {
  svm::page_mask m;
  for (svm::page_span const run : runs) m.set(run);
  return m;
}
/// Some single pages.
inline svm::page_mask pages(std::initializer_list<unsigned> list) {
  svm::page_mask m;
  for (unsigned const page : list) m.set(page);
  return m;
}

/// The runs of a mask in words, for messages.
inline std::string text(svm::page_mask const& m) {
  std::string s;
  for (svm::page_span run = m.next_run(0); !run.empty(); run = m.next_run(run.end))
    s += (s.empty() ? "" : " ") + std::to_string(run.first) + "-" + std::to_string(run.end - 1);
  return s.empty() ? "none" : s;
}

/// Random numbers that are the same everywhere (splitmix64).
class random {
 public:
  explicit random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  /// Below `n`.
  unsigned below(unsigned n) { return static_cast<unsigned>((*this)() % n); }
  /// A mask that is empty, sparse, half, nearly full, or made of runs.
  svm::page_mask mask() {
    svm::page_mask m;
    switch (below(6)) {
      case 0:
        break;
      case 1:
        for (unsigned n = below(12); n != 0; --n) m.set(below(512));
        break;
      case 2:
        for (unsigned w = 0; w < svm::page_mask::words; ++w) m.set_word(w, (*this)());
        break;
      case 3:
        for (unsigned w = 0; w < svm::page_mask::words; ++w) m.set_word(w, (*this)() | (*this)() | (*this)());
        break;
      case 4:
        for (unsigned n = below(8); n != 0; --n) m.set(run());
        break;
      default:
        for (unsigned n = below(20); n != 0; --n) group(m);
    }
    return m;
  }
  svm::page_span run() {
    unsigned const first = below(512);
    return {first, first + 1 + below(512 - first)};
  }

 private:
  void group(svm::page_mask& m) {
    unsigned const first = below(32) * 16;
    m.set(svm::page_span{first, first + 16});
  }

  std::uint64_t state_;
};

}  // namespace masks

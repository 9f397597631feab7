// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/mock/machine/number_map.hpp>

namespace svm::inline v0::mock {

/// A value for each number, in pieces that have the same one; `Value{}` where nothing else was said.
///
/// Invariants: 1. neighbouring pieces differ. 2. before the first piece all is `Value{}`.
template <class Value>
class span_map {
 public:
  [[nodiscard]] Value at(std::uint64_t n) const {
    auto const next = pieces_.upper_bound(n);
    return next == pieces_.begin() ? Value{} : pieces_.before(next)->second;
  }
  /// The first number behind `n` with another value than `n` has; `end` when that comes first.
  [[nodiscard]] std::uint64_t next_change(std::uint64_t n, std::uint64_t end) const {
    auto const next = pieces_.upper_bound(n);
    return next == pieces_.end() || next->first > end ? end : next->first;
  }
  /// Calls `change(Value&)` for each piece of `[start, end)`.
  ///
  /// \complexity O(log n), and O(1) for each piece there
  template <class Change>
  void change(std::uint64_t start, std::uint64_t end, Change&& change) {
    auto piece = cut(start);
    auto const behind = cut(end);
    Value before = piece == pieces_.begin() ? Value{} : pieces_.before(piece)->second;
    for (bool inside = true; inside;) {
      inside = piece != behind;
      if (inside) change(piece->second);
      if (piece->second == before) {
        piece = pieces_.erase(piece);
      } else {
        before = piece->second;
        ++piece;
      }
    }
  }

 private:
  auto cut(std::uint64_t n) { return pieces_.emplace(n, at(n)).first; }

  number_map<Value> pieces_;  // by start; each ends where the next begins
};

}  // namespace svm::inline v0::mock

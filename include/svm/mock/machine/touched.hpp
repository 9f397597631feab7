// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <svm/base/interval.hpp>

namespace svm::inline v0::mock {

/// What may be under way while the oracle looks.
enum class moment : std::uint8_t {
  step,      ///< calls on other threads, each between two of its steps
  returned,  ///< nothing: every call returned
};

/// Which addresses, or which frames, changed since somebody looked: runs of them, which may overlap.
///
/// Where there is no room for another run it is missing, and everything would have to be looked at. Whoever notes or
/// looks has the lock of what changes.
class touched {
 public:
  static constexpr std::size_t capacity = 32;
  struct run {
    std::uint64_t first;
    std::uint64_t last;
  };

  [[gnu::noinline]] void note(std::uint64_t first, std::uint64_t last) {
    for (std::size_t i = size_; i-- > 0;)
      if (touches(runs_[i], {first, last})) return reach(runs_[i], {first, last});
    if (size_ == capacity)
      overflowed_ = true;
    else
      runs_[size_++] = {first, last};
  }
  void note(va_range span) { note(span.start().value, span.last().value); }
  void note(touched const& other) {
    overflowed_ = overflowed_ || other.overflowed_;
    for (std::size_t i = 0; i < other.size_; ++i) note(other.runs_[i].first, other.runs_[i].last);
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// True when a run is missing.
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  void clear() {
    size_ = 0;
    overflowed_ = false;
  }
  /// Calls `visit(first, last)` for each run.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < size_; ++i) visit(runs_[i].first, runs_[i].last);
  }

 private:
  /// True when two runs overlap, or one begins where the other ends.
  [[nodiscard]] static bool touches(run a, run b) {
    return (a.first <= b.last || a.first - 1 == b.last) && (b.first <= a.last || b.first - 1 == a.last);
  }
  static void reach(run& grown, run other) {
    if (other.first < grown.first) grown.first = other.first;
    if (other.last > grown.last) grown.last = other.last;
  }

  std::array<run, capacity> runs_;
  std::size_t size_ = 0;
  bool overflowed_ = false;
};

}  // namespace svm::inline v0::mock

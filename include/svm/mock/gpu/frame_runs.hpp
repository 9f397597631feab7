// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// The numbers of the frames of an allocation, as runs that lie together.
///
/// One run, which most allocations are, needs no memory beside this object: evictions walk over many of them.
///
/// Invariant: the runs are disjoint, and their first frames ascend.
class frame_runs {
 public:
  /// Frames that lie together, and the place of the first one in the allocation.
  struct run {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t place = 0;
  };

  frame_runs() = default;
  /// The frames of an allocation, in the order of their places.
  explicit frame_runs(std::span<std::uint32_t const> frames) {
    run last;
    for (std::uint32_t place = 0; std::uint32_t const n : frames) {
      if (last.count != 0 && n != last.first + last.count) add(std::exchange(last, {n, 0, place}));
      if (last.count == 0) last.first = n;
      ++last.count;
      ++place;
    }
    if (several_.empty())
      only_ = last;
    else
      add(last);
  }

  [[nodiscard]] std::span<run const> all() const {
    return several_.empty() ? std::span<run const>{&only_, 1} : std::span<run const>{several_.data(), several_.size()};
  }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t n = 0;
    for (run const& r : all()) n += r.count;
    return n;
  }
  /// Calls `visit(number)` for each frame, in ascending order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (run const& r : all())
      for (std::uint32_t i = 0; i < r.count; ++i) visit(r.first + i);
  }
  /// Takes one frame out; false when it is none of these.
  ///
  /// \complexity O(log n) at an end of a run, O(n) inside of one
  [[nodiscard]] bool remove(std::uint32_t number) {
    if (several_.empty()) several_.push_back(only_);
    std::size_t const next = behind(number);
    if (next == 0) return false;
    run& r = several_[next - 1];
    std::uint32_t const before = number - r.first;
    if (before >= r.count) return false;
    run const rest{number + 1, r.count - before - 1, r.place + before + 1};
    r.count = before;
    if (before == 0)
      r = rest;
    else if (rest.count != 0)
      several_.insert(next, rest);
    return true;
  }

 private:
  /// The place of the first run that begins behind a frame.
  [[nodiscard]] std::size_t behind(std::uint32_t number) const {
    std::size_t low = 0;
    for (std::size_t high = several_.size(); low != high;) {
      std::size_t const middle = (low + high) / 2;
      if (several_[middle].first <= number)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  void add(run r) { several_.insert(behind(r.first), r); }

  run only_;                 // while there are not several
  plain_list<run> several_;  // all of them
};

}  // namespace svm::inline v0::mock

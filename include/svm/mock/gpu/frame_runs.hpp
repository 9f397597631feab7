// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

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
    std::vector<run> found;
    for (std::uint32_t place = 0; std::uint32_t const n : frames) {
      run& last = found.empty() ? only_ : found.back();
      if (last.count == 0) {
        last = {n, 1, 0};
      } else if (n == last.first + last.count) {
        ++last.count;
      } else {
        if (found.empty()) found.push_back(only_);
        found.push_back({n, 1, place});
      }
      ++place;
    }
    std::ranges::sort(found, {}, &run::first);
    several_ = std::move(found);
  }

  [[nodiscard]] std::span<run const> all() const {
    return several_.empty() ? std::span<run const>{&only_, 1} : std::span<run const>{several_};
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
    auto const next = std::ranges::upper_bound(several_, number, {}, &run::first);
    if (next == several_.begin()) return false;
    run& r = *std::prev(next);
    std::uint32_t const before = number - r.first;
    if (before >= r.count) return false;
    run const behind{number + 1, r.count - before - 1, r.place + before + 1};
    r.count = before;
    if (before == 0)
      r = behind;
    else if (behind.count != 0)
      several_.insert(next, behind);
    return true;
  }

 private:
  run only_;                  // while there are not several
  std::vector<run> several_;  // all of them
};

}  // namespace svm::inline v0::mock

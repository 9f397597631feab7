// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <svm/base/construct.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/page_walk.hpp>

namespace svm::inline v0::detail {

/// The runs of a page walk of a whole span: in a small array of its own, which most walks do with, and beyond that in an
/// array of the allocator.
template <class M, class Allocator>
class walked_runs {
 public:
  using run = page_run<typename M::page>;

  /// How many runs need no array of the allocator.
  static constexpr std::size_t runs_on_stack = 16;

  walked_runs(Allocator& memory, va_range span) : memory_(memory), more_(memory), walk_(span, own_.all()) {}
  walked_runs(walked_runs const&) = delete;
  walked_runs& operator=(walked_runs const&) = delete;

  [[nodiscard]] page_walk<M>& walk() { return walk_; }
  [[nodiscard]] std::span<run const> all() const { return walk_.runs(); }

  /// Makes room for more runs, when the walk is full.
  ///
  /// \pre    no lock of rank notifier or later held, and not the map lock
  /// \errors no_memory
  /// \allocs an array, at most as large as the span has pages
  [[nodiscard]] errc grow() {
    std::size_t const used = all().size();
    scratch_array<run, Allocator> larger{memory_};
    std::size_t const further = walk_.most_further_runs();
    if (!larger.reserve_for_overwrite(used + (further < growth * used ? further : growth * used)))
      return errc::no_memory;
    for (std::size_t i = 0; i < used; ++i) larger[i] = all()[i];
    more_.swap(larger);
    walk_.resume({more_.data(), more_.size()}, used);
    return errc::ok;
  }

 private:
  static constexpr std::size_t growth = 31;  // one array does for 2 MiB of small pages

  Allocator& memory_;
  run_room<typename M::page, runs_on_stack> own_;
  scratch_array<run, Allocator> more_;
  page_walk<M> walk_;
};

}  // namespace svm::inline v0::detail

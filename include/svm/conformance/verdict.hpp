// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance suites: does a type keep the numbered promises of the concept that it models?
//
// There is a header for each concept. Each of its checks is a function template that takes a model (or a bench, which
// is a model with the means to set up a test) and returns the numbers of the promises that it saw broken; none when all
// is well. `check_all` runs them all. A suite needs nothing but the library, so it runs under any test framework:
//
//     CHECK(svm::conformance::allocator::check_all(my_allocator) == conformance::kept);
//
// Every check is proved: for each promise there is a model that breaks just this one, and must be reported with just
// this number. Promises that no program can check are named in the header of their concept.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance {

/// Numbers of broken promises, ascending, each once.
class broken_promises {
 public:
  broken_promises(std::initializer_list<int> numbers) : numbers_(numbers) {}
  explicit broken_promises(std::vector<int> numbers) : numbers_(std::move(numbers)) {
    std::sort(numbers_.begin(), numbers_.end());
    numbers_.erase(std::unique(numbers_.begin(), numbers_.end()), numbers_.end());
  }
  [[nodiscard]] std::vector<int> const& numbers() const { return numbers_; }

  friend bool operator==(broken_promises const&, broken_promises const&) = default;
  template <class Stream>
  friend Stream& operator<<(Stream& out, broken_promises const& broken) {
    if (broken.numbers_.empty()) out << "none";
    for (int const number : broken.numbers_) out << number << " ";
    return out;
  }

 private:
  std::vector<int> numbers_;
};

/// What a model that keeps its promises gets.
inline broken_promises const kept{};

/// Gathers the verdicts of a check.
class verdict {
 public:
  /// Notes that promise `number` is broken unless `holds`; hands `holds` on.
  bool expect(int number, bool holds) {
    if (!holds) broken_.push_back(number);
    return holds;
  }
  void add(broken_promises const& more) { broken_.insert(broken_.end(), more.numbers().begin(), more.numbers().end()); }
  [[nodiscard]] broken_promises result() const { return broken_promises{broken_}; }

 private:
  std::vector<int> broken_;
};

/// How many times this thread has allocated so far. Promises to allocate nothing are checked when a program that
/// replaces the global `operator new` (as tests/conformance/count_new.cpp does) puts its counter here.
inline std::uint64_t (*allocations_so_far)() = nullptr;
/// Lets every allocation of this thread fail, or succeed again; in the same programs.
inline void (*let_allocations_fail)(bool) = nullptr;

/// The number of allocations in `action`; 0 when nobody counts.
template <class Action>
[[nodiscard]] std::uint64_t allocations_in(Action&& action) {
  std::uint64_t const before = allocations_so_far == nullptr ? 0 : allocations_so_far();
  action();
  return allocations_so_far == nullptr ? 0 : allocations_so_far() - before;
}

}  // namespace svm::inline v0::conformance

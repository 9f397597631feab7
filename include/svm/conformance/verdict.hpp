// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance suites: does a type keep the numbered promises of the concept that it models?
//
// There is a header for each concept. Each of its checks is a function template that takes a model or a bench. A bench
// is a model with the means to set up a test. A check returns the promises that it saw broken; none when all is well.
// `check_all` runs them all. A suite needs nothing but the library, so it runs under any test framework, or under none:
//
//     CHECK(svm::conformance::allocator::check_all(my_allocator) == svm::conformance::kept);
//     std::cout << svm::conformance::allocator::check_all(my_allocator);
//
// Every check is proved: for each promise there is a model that breaks just this one, and must be reported with just
// this number. What no program can check is named at the head of the suite.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace svm::inline v0::conformance {

/// A promise of a concept, in a sentence.
struct promise {
  int number;  ///< as in the comment of the concept
  std::string_view sentence;
};

/// The promises that a suite checks.
struct promise_list {
  std::string_view concept_name;
  std::span<promise const> promises;
};

/// The same, with the memory for it: what a suite defines.
template <std::size_t Count>
struct promise_table {
  std::string_view concept_name;
  std::array<promise, Count> promises;

  constexpr operator promise_list() const { return {concept_name, promises}; }
};

/// A promise that broke.
struct broken_promise {
  std::string_view concept_name;
  int number;
  std::string_view sentence;
  std::vector<std::string_view> checks;  ///< the functions of the suite that saw it

  /// True when both are about the same promise, whoever saw it.
  [[nodiscard]] friend bool operator==(broken_promise const& a, broken_promise const& b) {
    return a.concept_name == b.concept_name && a.number == b.number;
  }
};

/// The promises that broke, each once, in the order in which they were found.
class broken_promises {
 public:
  broken_promises() = default;
  /// Some of a suite by their numbers, to compare a result with.
  broken_promises(promise_list const& all, std::initializer_list<int> numbers) {
    for (int const number : numbers) add(all, number, {});
  }

  void add(promise_list const& all, int number, std::string_view check) {
    auto const known = std::find_if(all.promises.begin(), all.promises.end(),
                                    [number](promise const& p) { return p.number == number; });
    std::string_view const sentence = known != all.promises.end() ? known->sentence : std::string_view{};
    broken_promise one{all.concept_name, number, sentence, {}};
    if (!check.empty()) one.checks.push_back(check);
    add(one);
  }
  void add(broken_promises const& more) {
    for (broken_promise const& one : more.list_) add(one);
  }
  [[nodiscard]] std::vector<broken_promise> const& list() const { return list_; }

  /// True when the same promises broke, in whatever order.
  [[nodiscard]] friend bool operator==(broken_promises const& a, broken_promises const& b) {
    return std::is_permutation(a.list_.begin(), a.list_.end(), b.list_.begin(), b.list_.end());
  }
  /// Writes a line a promise: the concept, the number, the sentence, and the checks that saw it broken.
  ///
  /// \param out  takes `std::string_view` and `int` by `<<`
  template <class Stream>
  friend Stream& operator<<(Stream& out, broken_promises const& broken) {
    if (broken.list_.empty()) out << std::string_view{"every promise is kept\n"};
    for (broken_promise const& one : broken.list_) {
      out << one.concept_name << std::string_view{" "} << one.number << std::string_view{": "} << one.sentence;
      for (std::string_view separator{" ("}; std::string_view const check : one.checks) {
        out << separator << check;
        separator = ", ";
      }
      out << std::string_view{one.checks.empty() ? "\n" : ")\n"};
    }
    return out;
  }

 private:
  void add(broken_promise const& one) {
    auto const known = std::find(list_.begin(), list_.end(), one);
    if (known == list_.end()) {
      list_.push_back(one);
      return;
    }
    for (std::string_view const check : one.checks)
      if (std::find(known->checks.begin(), known->checks.end(), check) == known->checks.end())
        known->checks.push_back(check);
  }

  std::vector<broken_promise> list_;
};

/// What a model that keeps its promises gets.
inline broken_promises const kept{};

/// Gathers what a check sees broken.
class verdict {
 public:
  /// \param check  who sees it; the function that makes the verdict unless it says otherwise
  explicit verdict(promise_list const& all, std::string_view check = __builtin_FUNCTION())
      : all_(all), check_(check.substr(0, check.find('<'))) {}  // some compilers add template arguments

  /// Notes that promise `number` is broken unless `holds`; hands `holds` on.
  bool expect(int number, bool holds) {
    if (!holds) broken_.add(all_, number, check_);
    return holds;
  }
  [[nodiscard]] broken_promises result() const { return broken_; }

 private:
  promise_list const all_;
  std::string_view const check_;
  broken_promises broken_;
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

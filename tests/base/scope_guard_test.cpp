// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/scope_guard.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

using namespace svm;

namespace {

/// Writes down what is done to it.
class SVM_CAPABILITY("mutex") recording_lock {
 public:
  explicit recording_lock(std::string& log) : log_(log) {}
  void lock() SVM_ACQUIRE() { log_ += "lock "; }
  void unlock() SVM_RELEASE() { log_ += "unlock "; }
  void lock_shared() SVM_ACQUIRE_SHARED() { log_ += "lock_shared "; }
  void unlock_shared() SVM_RELEASE_SHARED() { log_ += "unlock_shared "; }

 private:
  std::string& log_;
};

using any_guard = scope_guard<void (*)()>;
static_assert(!std::is_copy_constructible_v<any_guard> && !std::is_move_constructible_v<any_guard>);
static_assert(!std::is_copy_constructible_v<exclusive_guard<recording_lock>>);
static_assert(!std::is_copy_constructible_v<shared_guard<recording_lock>>);

constexpr int runs_in_constant_expression(bool dismiss) {
  int runs = 0;
  {
    scope_guard guard{[&runs] { ++runs; }};
    if (dismiss) guard.dismiss();
  }
  return runs;
}
static_assert(runs_in_constant_expression(false) == 1 && runs_in_constant_expression(true) == 0);

}  // namespace

TEST_SUITE("base/scope_guard") {
  TEST_CASE("the undo runs once, at the end of the scope and not before") {
    int runs = 0;
    {
      scope_guard const guard{[&] { ++runs; }};
      CHECK(runs == 0);
    }
    CHECK(runs == 1);
  }

  TEST_CASE("a dismissed guard does nothing, however often it is dismissed") {
    int runs = 0;
    {
      scope_guard guard{[&] { ++runs; }};
      guard.dismiss();
      guard.dismiss();
    }
    CHECK(runs == 0);
  }

  TEST_CASE("guards run in the reverse of the order of their declarations") {
    std::string log;
    {
      scope_guard const first{[&] { log += "first "; }};
      scope_guard second{[&] { log += "second "; }};
      scope_guard const third{[&] { log += "third "; }};
      second.dismiss();
    }
    CHECK(log == "third first ");
  }

  TEST_CASE("the undo runs when an exception leaves the scope") {
    int runs = 0;
    try {
      scope_guard const guard{[&] { ++runs; }};
      throw 1;
    } catch (int) {
      CHECK(runs == 1);
    }
    CHECK(runs == 1);
  }

  TEST_CASE("a guard owns a move-only undo") {
    int value = 0;
    {
      scope_guard const guard{[&value, owned = std::make_unique<int>(7)] { value = *owned; }};
    }
    CHECK(value == 7);
  }

  TEST_CASE("an exclusive guard holds its lock for the scope") {
    std::string log;
    recording_lock lock{log};
    {
      exclusive_guard const guard{lock};
      log += "held ";
    }
    CHECK(log == "lock held unlock ");
  }

  TEST_CASE("a shared guard holds its lock shared for the scope") {
    std::string log;
    recording_lock lock{log};
    {
      shared_guard const guard{lock};
      log += "held ";
    }
    CHECK(log == "lock_shared held unlock_shared ");
  }

  TEST_CASE("an undo declared after a guard runs under the lock") {
    std::string log;
    recording_lock lock{log};
    {
      exclusive_guard const guard{lock};
      scope_guard const undo{[&] { log += "undo "; }};
    }
    CHECK(log == "lock undo unlock ");
  }
}

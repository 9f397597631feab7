// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// std_reservation without memory, apart from its other tests, which run where operator new is not replaced.

#include <svm/std/std_reservation.hpp>

#include <doctest/doctest.h>
#include <svm/conformance/verdict.hpp>
#include <support/assertions.hpp>

using svm::errc;

namespace {

/// What an action returns while nothing can be allocated.
template <class Action>
[[nodiscard]] auto without_memory(Action&& action) {
  svm::conformance::let_allocations_fail(true);
  auto const answer = action();
  svm::conformance::let_allocations_fail(false);
  return answer;
}

}  // namespace

TEST_SUITE("std/std_reservation, memory") {
  TEST_CASE("a reservation without memory for fences says so, keeps what it has, and may be asked again") {
    bool const is_replaced = svm::conformance::let_allocations_fail != nullptr;
    REQUIRE(is_replaced);
    svm::std_reservation r;
    svm::std_reservation::ticket t;
    svm::std_fence fence;
    REQUIRE(r.lock(t) == errc::ok);
    CHECK(without_memory([&] { return r.reserve_fences(3); }) == errc::no_memory);
    CHECK(without_memory([&] { return r.reserve_fences(0); }) == errc::ok);
    REQUIRE(r.reserve_fences(3) == errc::ok);
    CHECK(without_memory([&] {
            r.add_fence(fence, svm::fence_usage::write);
            return r.reserve_fences(2);
          }) == errc::ok);
    CHECK(without_memory([&] { return r.reserve_fences(1000); }) == errc::no_memory);
    CHECK(svm::conformance::allocations_in([&] {
            r.add_fence(fence, svm::fence_usage::read);
            r.add_fence(fence, svm::fence_usage::read);
          }) == 0);
    CHECK(r.reserve_fences(1000) == errc::ok);
    CHECK(svm::conformance::allocations_in([&] {
            for (int i = 0; i < 1000; ++i) r.add_fence(fence, svm::fence_usage::kernel);
          }) == 0);
    r.unlock(t);
  }

  TEST_CASE("a fence that no room was made for is an assertion") {
    svm::std_reservation r;
    svm::std_reservation::ticket t;
    svm::std_fence fence;
    REQUIRE(r.lock(t) == errc::ok);
    CHECK(support::failed_expression([&] { r.add_fence(fence, svm::fence_usage::read); }) == "count_ != room_");
    r.unlock(t);
  }
}

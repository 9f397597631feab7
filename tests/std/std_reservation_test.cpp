// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/std_reservation.hpp>

#include <atomic>
#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

using support::failed_expression;
using svm::errc;
using svm::std_fence;
using svm::std_reservation;

TEST_SUITE("std/std_reservation") {
  TEST_CASE("who has it is told so, a younger one is sent away, and after the unlock anybody gets it") {
    std_reservation r;
    std_reservation::ticket older;
    std_reservation::ticket younger;
    CHECK(r.lock(older) == errc::ok);
    CHECK(r.lock(older) == errc::exists);
    CHECK(r.lock(younger) == errc::would_block);
    r.unlock(older);
    CHECK(r.lock(younger) == errc::ok);
    CHECK(r.lock(younger) == errc::exists);
    r.unlock(younger);
  }

  TEST_CASE("an older one waits for a younger one, and who is sent away may wait for anybody") {
    // Whether the other thread has to wait is the scheduler's choice; most of so many rounds make it.
    for (int round = 0; round < 100; ++round) {
      for (bool const slow : {false, true}) {
        std_reservation r;
        std::optional<std_reservation::ticket> tickets[2];
        for (auto& t : tickets) t.emplace();
        auto& mine = *tickets[slow ? 0 : 1];
        auto& others = *tickets[slow ? 1 : 0];
        int owner = 1;  // plain: the lock orders the accesses
        REQUIRE(r.lock(mine) == errc::ok);
        std::atomic<bool> begun{false};
        std::thread waiter([&] {
          begun = true;
          errc const e = slow ? r.lock_slow(others) : r.lock(others);
          if (e != errc::ok) return;
          owner = owner == 2 ? 3 : -1;
          r.unlock(others);
        });
        while (!begun) std::this_thread::yield();
        for (int i = 0; i < 10; ++i) std::this_thread::yield();
        owner = 2;
        r.unlock(mine);
        waiter.join();
        CHECK(owner == 3);
      }
    }
  }

  TEST_CASE("it takes the fences that room was made for, and a fence that is signaled stays so") {
    std_fence done;
    CHECK_FALSE(done.is_signaled());
    done.signal();
    CHECK(done.is_signaled());
    done.signal();
    CHECK(done.is_signaled());
    std_reservation r;
    std_reservation::ticket t;
    REQUIRE(r.lock(t) == errc::ok);
    REQUIRE(r.reserve_fences(2) == errc::ok);
    r.add_fence(done, svm::fence_usage::write);
    r.add_fence(done, svm::fence_usage::read);
    r.unlock(t);
  }

  TEST_CASE("a reservation that nobody holds, and an unlock by a stranger, are assertions") {
    std_reservation r;
    std_reservation::ticket t;
    std_reservation::ticket stranger;
    CHECK(failed_expression([&] { r.assert_held(); }) == "owner_ != nullptr");
    REQUIRE(r.lock(t) == errc::ok);
    CHECK(failed_expression([&] { r.assert_held(); }) == "no assertion failed");
    CHECK(failed_expression([&] { r.unlock(stranger); }) == "owner_ == &t");
    r.unlock(t);
  }
}

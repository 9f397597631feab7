// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/std_lock.hpp>

#include <cstdint>
#include <type_traits>

#include <doctest/doctest.h>

using namespace svm;

namespace {

using mutex = std_lock::mutex<lock_rank::range>;
using shared_mutex = std_lock::shared_mutex<lock_rank::notifier>;

}  // namespace

TEST_SUITE("std/std_lock") {
  TEST_CASE("locks neither copy nor move") {
    CHECK(!std::is_copy_constructible_v<mutex>);
    CHECK(!std::is_move_constructible_v<mutex>);
    CHECK(!std::is_copy_constructible_v<shared_mutex>);
    CHECK(!std::is_move_constructible_v<shared_mutex>);
  }

  TEST_CASE("locks of different ranks are different types") {
    CHECK(!std::is_same_v<std_lock::mutex<lock_rank::vm>, mutex>);
    CHECK(!std::is_same_v<std_lock::shared_mutex<lock_rank::vm>, shared_mutex>);
  }

  TEST_CASE("a free lock can be had by trying") {
    mutex m;
    bool const got = m.try_lock();
    CHECK(got);
    if (got) m.unlock();
    shared_mutex s;
    bool const got_exclusive = s.try_lock();
    CHECK(got_exclusive);
    if (got_exclusive) s.unlock();
    bool const got_shared = s.try_lock_shared();
    CHECK(got_shared);
    if (got_shared) s.unlock_shared();
  }

  TEST_CASE("an atomic is as large as its word, and lock-free") {
    CHECK(sizeof(std_lock::atomic<std::uint32_t>) == sizeof(std::uint32_t));
    CHECK(std::atomic<std::uint64_t>::is_always_lock_free);
  }

  TEST_CASE("an atomic starts with zero or with the value given") {
    CHECK(std_lock::atomic<std::uint32_t>{}.load() == 0);
    CHECK(std_lock::atomic<std::uint32_t>{7}.load() == 7);
  }

  TEST_CASE("a compare-exchange fails with the value it found, and never for nothing") {
    std_lock::atomic<std::uint32_t> a{7};
    std::uint32_t expected = 8;
    CHECK(!a.compare_exchange(expected, 9));
    CHECK(expected == 7);
    CHECK(a.compare_exchange(expected, 9));
    CHECK(a.load() == 9);
  }

  TEST_CASE("waiting for what is ready returns at once, with the mutex still held") {
    mutex m;
    std_lock::event e;
    m.lock();
    e.wait(m, [] { return true; });
    m.unlock();
    bool const got = m.try_lock();
    CHECK(got);
    if (got) m.unlock();
  }
}

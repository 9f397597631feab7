// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/null_lock.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <svm/base/scope_guard.hpp>

#include <support/assertions.hpp>

using namespace svm;

namespace {

using mutex = null_lock::mutex<lock_rank::range>;
using shared_mutex = null_lock::shared_mutex<lock_rank::notifier>;

}  // namespace

TEST_SUITE("std/null_lock") {
  TEST_CASE("locks hold nothing and cost nothing") {
    CHECK(std::is_empty_v<mutex>);
    CHECK(std::is_empty_v<shared_mutex>);
    CHECK(std::is_empty_v<null_lock::event>);
    CHECK(sizeof(null_lock::atomic<std::uint32_t>) == sizeof(std::uint32_t));
  }

  TEST_CASE("an atomic starts with zero or with the value given") {
    CHECK(null_lock::atomic<std::uint32_t>{}.load() == 0);
    CHECK(null_lock::atomic<std::uint32_t>{7}.load() == 7);
  }

  TEST_CASE("an atomic can be used in constant expressions as a start value") {
    constexpr null_lock::atomic<std::uint64_t> five{5};
    CHECK(five.load() == 5);
  }

  TEST_CASE("an exchange happens only from the value expected, and else tells the one found") {
    null_lock::atomic<std::uint32_t> word{7};
    std::uint32_t expected = 6;
    CHECK_FALSE(word.compare_exchange(expected, 9));
    CHECK(expected == 7);
    CHECK(word.load() == 7);
    CHECK(word.compare_exchange(expected, 9));
    CHECK(word.load() == 9);
  }

  TEST_CASE("what is retired is released at once, and a section costs nothing") {
    static int released;
    released = 0;
    retire_hook object{+[](retire_hook&) noexcept { ++released; }};
    null_lock::read_domain domain;
    { read_section const inside{domain}; }
    CHECK(domain.retired() == 0);
    domain.retire(object);
    CHECK(released == 1);
    CHECK(domain.retired() == 0);
    domain.synchronize();
    CHECK(released == 1);
    CHECK(std::is_empty_v<null_lock::read_domain>);
  }

  TEST_CASE("waiting for what is ready returns at once, and calls the predicate") {
    null_lock::event e;
    mutex m;
    int asked = 0;
    e.wait(m, [&] { return ++asked > 0; });
    CHECK(asked == 1);
  }

  TEST_CASE("waiting for what is not ready is an assertion, since nobody could make it ready") {
    null_lock::event e;
    mutex m;
    bool ready = false;
    CHECK(support::failed_expression([&] { e.wait(m, [&ready] { return ready; }); }) ==
          "event::wait would never return");
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/refcount.hpp>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/std/std_lock.hpp>

using namespace svm;

namespace {

using count = reference_count<std_lock::atomic<std::uint32_t>>;

}  // namespace

TEST_SUITE("threads/refcount") {
  TEST_CASE("of all threads that put a reference exactly one has the last") {
    for (int round = 0; round < 200; ++round) {
      count c;
      constexpr int thread_count = 4;
      for (int i = 1; i < thread_count; ++i) c.get();
      std::atomic<int> last{0};
      {
        std::vector<std::jthread> threads;
        for (int i = 0; i < thread_count; ++i)
          threads.emplace_back([&] {
            if (c.put()) ++last;
          });
      }
      REQUIRE(last == 1);
      REQUIRE(c.value() == 0);
    }
  }

  TEST_CASE("what a thread wrote before its put is seen by the thread with the last one") {
    for (int round = 0; round < 200; ++round) {
      count c;
      c.get();
      int plain[2] = {0, 0};  // written without synchronisation of its own: TSan would see a race
      std::atomic<int> sum{0};
      auto const work = [&](int i) {
        plain[i] = 1;
        if (c.put()) sum = plain[0] + plain[1];
      };
      {
        std::jthread const first{work, 0};
        std::jthread const second{work, 1};
      }
      REQUIRE(sum == 2);
    }
  }

  TEST_CASE("try_get against the last put either holds a reference or fails") {
    for (int round = 0; round < 200; ++round) {
      count c;
      std::atomic<int> last{0};
      {
        std::jthread const owner{[&] {
          if (c.put()) ++last;
        }};
        std::jthread const visitor{[&] {
          if (c.try_get() && c.put()) ++last;
        }};
      }
      REQUIRE(last == 1);
      REQUIRE(c.value() == 0);
    }
  }
}

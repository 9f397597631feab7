// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/std_lock.hpp>

#include <atomic>
#include <cstdint>
#include <thread>

#include <doctest/doctest.h>

#include <svm/base/scope_guard.hpp>

using namespace svm;

namespace {

using mutex = std_lock::mutex<lock_rank::range>;
using shared_mutex = std_lock::shared_mutex<lock_rank::notifier>;
constexpr int rounds = 2000;

/// Runs `work(0)` and `work(1)` on two threads.
template <class Work>
void on_two_threads(Work&& work) {
  std::jthread const one{[&] { work(0); }};
  std::jthread const two{[&] { work(1); }};
}

}  // namespace

// What a lock guards here is plain memory: TSan judges whether it does.
TEST_SUITE("threads/std_lock") {
  TEST_CASE("two threads that count under a mutex lose nothing") {
    mutex m;
    int count = 0;
    on_two_threads([&](int) {
      for (int i = 0; i < rounds; ++i) {
        exclusive_guard const guard{m};
        ++count;
      }
    });
    CHECK(count == 2 * rounds);
  }

  TEST_CASE("a reader under a shared mutex sees a writer's two words together") {
    shared_mutex m;
    int one = 0;
    int two = 0;
    int torn = 0;
    on_two_threads([&](int thread) {
      for (int i = 0; i < rounds; ++i) {
        if (thread == 0) {
          exclusive_guard const guard{m};
          ++one;
          ++two;
        } else {
          shared_guard const guard{m};
          torn += one == two ? 0 : 1;
        }
      }
    });
    CHECK(torn == 0);
    CHECK(one == rounds);
  }

  TEST_CASE("two readers hold a shared mutex at the same time") {
    shared_mutex m;
    std::atomic<int> inside{0};
    // Each leaves only when it has seen both inside: with one reader at a time this would not end.
    on_two_threads([&](int) {
      shared_guard const guard{m};
      ++inside;
      while (inside.load() != 2) std::this_thread::yield();
    });
    CHECK(inside.load() == 2);
  }

  TEST_CASE("a thread that waits for an event is woken, holds the mutex, and sees what the other wrote") {
    std_lock::mutex<lock_rank::leaf_sequence> m;
    std_lock::event e;
    int turn = 0;  // under m
    int handed_over = 0;
    on_two_threads([&](int thread) {
      for (int i = 0; i < rounds / 10; ++i) {
        exclusive_guard const guard{m};
        e.wait(m, [&] { return turn == thread; });
        ++handed_over;
        turn = 1 - thread;
        e.notify_all();
      }
    });
    CHECK(handed_over == 2 * (rounds / 10));
  }

  TEST_CASE("atomic operations of two threads lose nothing") {
    std_lock::atomic<std::uint32_t> sum{0};
    std_lock::atomic<std::uint32_t> bits{0};
    on_two_threads([&](int thread) {
      for (int i = 0; i < rounds; ++i) {
        sum.fetch_add(3);
        sum.fetch_sub(1);
        std::uint32_t seen = sum.load();
        while (!sum.compare_exchange(seen, seen + 1)) {
        }
        bits.fetch_or(1u << thread);
      }
    });
    CHECK(sum.load() == 6 * rounds);
    CHECK(bits.load() == 3);
  }
}

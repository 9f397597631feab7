// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/distributed_lock.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/base/scope_guard.hpp>

using namespace svm;

namespace {

using mutex = distributed_lock::mutex<lock_rank::range>;
using shared_mutex = distributed_lock::shared_mutex<lock_rank::notifier>;

/// Runs `work(n)` on `count` threads.
template <class Work>
void on_threads(std::size_t count, Work&& work) {
  std::vector<std::jthread> threads;
  for (std::size_t n = 0; n < count; ++n) threads.emplace_back([&work, n] { work(n); });
}

/// A word that readers look at until it is replaced.
struct node : retire_hook {
  explicit node(std::uint64_t n) : retire_hook(&node::destroy), one(n), two(n) {}
  std::uint64_t one;
  std::uint64_t two;

 private:
  static void destroy(retire_hook& hook) noexcept {
    node& it = static_cast<node&>(hook);
    it.two = ~it.one;  // who looks now sees it torn, and TSan sees the race
    delete &it;
  }
};

}  // namespace

// What a lock guards here is plain memory: TSan judges whether it does.
TEST_SUITE("threads/distributed_lock") {
  TEST_CASE("threads that count under a mutex lose nothing") {
    mutex m;
    std::uint64_t count = 0;
    on_threads(4, [&](std::size_t) {
      for (int i = 0; i < 2000; ++i) {
        exclusive_guard const guard{m};
        ++count;
      }
    });
    CHECK(count == 8000);
  }

  TEST_CASE("readers by slot and by count see a writer's two words together") {
    shared_mutex m;
    std::uint64_t one = 0;
    std::uint64_t two = 0;
    std::atomic<int> torn{0};
    // A writer comes now and then: the lock is given its bias and loses it again, some twenty times.
    on_threads(4, [&](std::size_t thread) {
      for (std::uint64_t i = 0; i < 40'000; ++i) {
        if (i % 8000 == 2000 * thread) {
          exclusive_guard const guard{m};
          ++one;
          ++two;
        } else if (i % 7 == 0 && m.try_lock_shared()) {
          torn += one == two ? 0 : 1;
          m.unlock_shared();
        } else {
          shared_guard const guard{m};
          torn += one == two ? 0 : 1;
        }
        if (i % 5000 == 0 && m.try_lock()) {
          ++one;
          ++two;
          m.unlock();
        }
      }
    });
    CHECK(torn == 0);
    CHECK(one == two);
    CHECK(one >= 20);
  }

  TEST_CASE("a reader of one lock after the other has left the first one for its writer") {
    std::array<shared_mutex, 2> locks;
    std::array<std::uint64_t, 2> values{};
    std::atomic<std::uint64_t> sum{0};
    on_threads(3, [&](std::size_t thread) {
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        if (thread < 2 && i % 4000 == 3999) {
          exclusive_guard const guard{locks[thread]};
          ++values[thread];
        } else {
          // Both notes stand in one place of the slot.
          shared_guard const guard{locks[i % 2]};
          sum += values[i % 2];
        }
      }
    });
    CHECK(values[0] == 5);
    CHECK(values[1] == 5);
  }

  TEST_CASE("more locks than a slot has room for are held shared at once, and given up in any order") {
    using bare = word_shared_mutex<thread_platform>;  // Clang's analysis does not follow locks in arrays
    std::array<bare, 8> locks;
    std::array<std::uint64_t, 8> values{};
    std::atomic<int> torn{0};
    on_threads(2, [&](std::size_t thread) {
      for (std::uint64_t i = 0; i < 4000; ++i) {
        for (bare& m : locks) m.lock_shared();
        for (std::uint64_t const v : values) torn += v == values[0] ? 0 : 1;
        for (std::size_t k = 0; k < locks.size(); ++k) locks[(k + i) % locks.size()].unlock_shared();
        if (thread == 0 && i % 2000 == 1999) {
          for (bare& m : locks) m.lock();
          for (std::uint64_t& v : values) ++v;
          for (bare& m : locks) m.unlock();
        }
      }
    });
    CHECK(torn == 0);
    CHECK(values[7] == 2);
  }

  TEST_CASE("a writer is not starved by readers that are never all outside") {
    shared_mutex m;
    std::atomic<bool> written{false};
    on_threads(3, [&](std::size_t thread) {
      if (thread == 0) {
        exclusive_guard const guard{m};
        written = true;
      } else {
        while (!written) shared_guard const guard{m};
      }
    });
    CHECK(written);
  }

  TEST_CASE("a lock may go as soon as its last writer has it") {
    for (int i = 0; i < 100; ++i) {
      auto owner = std::make_unique<shared_mutex>();
      shared_mutex& m = *owner;
      for (std::uint32_t k = 0; k < thread_platform::reads_for_bias; ++k) shared_guard const guard{m};  // biased by now
      std::atomic<bool> inside{false};
      on_threads(2, [&](std::size_t thread) {
        if (thread == 0) {
          shared_guard const guard{m};
          inside = true;
        } else {
          while (!inside) std::this_thread::yield();
          { exclusive_guard const guard{m}; }
          owner.reset();
        }
      });
    }
  }

  TEST_CASE("readers of a domain see live objects while several threads retire them") {
    distributed_lock::read_domain domain;
    std::array<distributed_lock::atomic<node*>, 2> current;
    for (auto& c : current) c.store(new node{0});
    std::atomic<int> torn{0};
    std::atomic<int> writers{2};
    on_threads(4, [&](std::size_t thread) {
      if (thread < 2) {
        for (std::uint64_t i = 1; i <= 5000; ++i) {
          domain.retire(*current[thread].exchange(new node{i}));
          if (i % 1000 == 0) domain.synchronize();
        }
        --writers;
      } else {
        while (writers != 0) {
          read_section const inside{domain};
          for (auto const& c : current) {
            node const& seen = *c.load();
            torn += seen.one == seen.two ? 0 : 1;
          }
        }
      }
    });
    CHECK(torn == 0);
    for (auto& c : current) domain.retire(*c.load());
    domain.synchronize();
    CHECK(domain.retired() == 0);
  }

  TEST_CASE("a slot goes back when its thread ends") {
    // Far more threads than slots, one after the other; the last one still reads by its slot.
    for (std::size_t i = 0; i < 2 * thread_platform::max_slots; ++i)
      std::jthread{[] { static_cast<void>(thread_platform::this_slot()); }};
    std::jthread{[] { CHECK(thread_platform::this_slot() != nullptr); }};
  }

  TEST_CASE("threads that come when all slots are taken are counted") {
    std::vector<reader_slot<thread_platform>*> taken;
    while (auto* const slot = thread_platform::slots().take()) taken.push_back(slot);
    shared_mutex m;
    distributed_lock::read_domain domain;
    distributed_lock::atomic<node*> current{new node{0}};
    std::uint64_t one = 0;
    std::uint64_t two = 0;
    std::atomic<int> torn{0};
    on_threads(3, [&](std::size_t thread) {
      CHECK(thread_platform::this_slot() == nullptr);
      for (std::uint64_t i = 0; i < 3000; ++i) {
        if (thread == 0 && i % 100 == 0) {
          domain.retire(*current.exchange(new node{i}));
          if (i % 1000 == 0) domain.synchronize();
          exclusive_guard const guard{m};
          ++one;
          ++two;
        } else {
          read_section const inside{domain};
          node const& seen = *current.load();
          torn += seen.one == seen.two ? 0 : 1;
        }
        shared_guard const guard{m};
        torn += one == two ? 0 : 1;
      }
    });
    CHECK(torn == 0);
    domain.retire(*current.load());
    domain.synchronize();
    for (auto* const slot : taken) slot->give_back();
  }
}

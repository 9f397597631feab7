// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Threads that lock overlapping sets of reservations in clashing orders: nobody deadlocks, and the locks exclude.

#include <svm/gpuvm/exec.hpp>

#include <svm/std/heap.hpp>
#include <svm/std/std_lock.hpp>

#include "gpuvm/reservations.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace {

struct thread_mapping;
struct thread_buffer;
struct types {
  using mapping = thread_mapping;
  using object = thread_buffer;
  using lock = svm::std_lock;
  using allocator = svm::heap;
  using reservation = bind_test::std_reservation;
};
struct thread_mapping : svm::gpu_mapping<types> {};
struct thread_buffer : svm::gpuvm_object<types> {
  using svm::gpuvm_object<types>::gpuvm_object;
};

constexpr unsigned threads = 3, rounds = 400, count = 5;

}  // namespace

TEST_SUITE("gpuvm/exec_threads") {
  TEST_CASE("threads that lock the same reservations in different orders all get through, one at a time") {
    bind_test::std_reservation locks[count];
    std::uint64_t guarded[count] = {};  // plain words: a lock that does not exclude loses increments
    auto const work = [&](unsigned self) {
      svm::heap memory;
      for (unsigned round = 0; round < rounds; ++round) {
        svm::gpuvm_exec<types> exec(memory);
        svm::errc const e = exec.lock([&](auto& x) {
          for (unsigned i = 0; i < 3; ++i) {
            unsigned const at = (self % 2 == 0 ? round + i : round + count - i) % count;
            if (svm::errc const failed = x.prepare(locks[at], 0); failed != svm::errc::ok) return failed;
          }
          return svm::errc::ok;
        });
        if (e != svm::errc::ok) return;
        for (unsigned i = 0; i < 3; ++i) ++guarded[(self % 2 == 0 ? round + i : round + count - i) % count];
      }
    };
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; ++t) all.emplace_back(work, t);
    for (std::thread& t : all) t.join();
    std::uint64_t sum = 0;
    for (std::uint64_t const g : guarded) sum += g;
    CHECK(sum == threads * rounds * 3);
  }

  TEST_CASE("bos of one object come and go in several threads, in immediate mode, and none is left") {
    svm::heap memory;
    bind_test::std_reservation local, own;
    svm::gpuvm<types> vm(*svm::gpuvm_layout::make({0}, {1 << 20}), memory);
    svm::gpuvm_objects<types> all(vm, local, memory);
    thread_buffer buffer(own, svm::list_guard::immediate);
    auto const work = [&](unsigned self) {
      for (unsigned round = 0; round < rounds; ++round) {
        auto const got = all.obtain(buffer);
        if (!got) return;
        svm::gpuvm_objects<types>::set_evicted(buffer, round % 2 == 0);
        if (self == 0)
          all.put(**got);
        else
          all.put_deferred(**got);
        if (self == 1 && round % 8 == 0) all.clean_up();
        if (self == 2 && round % 16 == 0) {
          svm::gpuvm_exec<types> exec(memory);
          if (exec.lock_all(all, 1) != svm::errc::ok) return;
          if (all.validate([](auto&) { return svm::errc::ok; }) != svm::errc::ok) return;
        }
      }
    };
    std::vector<std::thread> workers;
    for (unsigned t = 0; t < threads; ++t) workers.emplace_back(work, t);
    for (std::thread& t : workers) t.join();
    all.clean_up();
    CHECK(all.bo_count() == 0);
  }
}

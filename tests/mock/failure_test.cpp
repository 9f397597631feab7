// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <vector>

#include <svm/mock/machine/reservation.hpp>

#include <pagemap/scene.hpp>

using namespace support;
using svm::mock::failure_plan;

TEST_SUITE("mock/failure") {
  TEST_CASE("the n-th operation of the armed kind fails, once, and all are counted") {
    failure_plan plan;
    plan.arm(failure::copy, 3);
    CHECK(plan.is_armed());
    CHECK_FALSE(plan.strikes(failure::ram));
    CHECK_FALSE(plan.strikes(failure::copy));
    CHECK_FALSE(plan.strikes(failure::copy));
    CHECK(plan.is_armed());
    CHECK(plan.strikes(failure::copy));
    CHECK_FALSE(plan.is_armed());
    CHECK_FALSE(plan.strikes(failure::copy));
    CHECK(plan.calls(failure::copy) == 4);
    CHECK(plan.calls(failure::ram) == 1);
    CHECK(plan.calls(failure::alloc) == 0);
    CHECK(plan.struck() == 1);
  }

  TEST_CASE("from the n-th on all fail, until it is disarmed") {
    failure_plan plan;
    plan.arm(failure::alloc, 2, repeat::from_then_on);
    CHECK_FALSE(plan.strikes(failure::alloc));
    for (int i = 0; i < 5; ++i) CHECK(plan.strikes(failure::alloc));
    CHECK_FALSE(plan.strikes(failure::notifier));
    CHECK(plan.is_armed());
    plan.disarm();
    CHECK_FALSE(plan.is_armed());
    CHECK_FALSE(plan.strikes(failure::alloc));
    CHECK(plan.struck() == 5);
  }

  TEST_CASE("arming again replaces, and counts from now") {
    failure_plan plan;
    plan.arm(failure::ram, 2);
    CHECK_FALSE(plan.strikes(failure::ram));
    plan.arm(failure::dma_map, 2);
    CHECK_FALSE(plan.strikes(failure::ram));
    CHECK_FALSE(plan.strikes(failure::dma_map));
    CHECK(plan.strikes(failure::dma_map));
    CHECK(plan.struck() == 1);
  }

  TEST_CASE("each kind strikes the operation that it names") {
    world w{small_chunks()};
    w.map(chunk);
    w.failures.arm(failure::alloc, 1);
    CHECK(w.memory.allocate(8, 8) == nullptr);
    w.failures.arm(failure::ram, 1);
    CHECK(w.process.allocate_page({}).error() == errc::no_ram);
    w.failures.arm(failure::populate, 1);
    CHECK(w.device_memory.allocate({chunk}).error() == errc::no_device_memory);
    w.failures.arm(failure::dma_map, 1);
    CHECK(w.device.dma_map(w.frames.zero_page(), {1}, svm::dma_direction::to_device).error() == errc::dma_map_failed);
    w.failures.arm(failure::iova, 1);
    CHECK(w.device.sync_iova({}, {page_bytes}) == errc::dma_map_failed);
    w.failures.arm(failure::page_table, 1);
    CHECK(w.device.prepare(span(base, chunk)) == errc::no_memory);
    auto memory = w.device_memory.allocate({page_bytes});
    REQUIRE(memory);
    svm::device_page<svm::mock::page> out[1]{};
    w.failures.arm(failure::page_list, 1);
    CHECK(w.device_memory.pages(*memory, out) == errc::no_device_memory);
    CHECK(w.device_memory.pages(*memory, out) == errc::ok);
    w.failures.arm(failure::clear, 1);
    CHECK(w.device_memory.wait_cleared(*memory) == errc::copy_failed);
    w.failures.arm(failure::device_map, 1);
    CHECK(w.device_memory.map(w.device, out[0].page, {1}, svm::dma_direction::to_device).error() ==
          errc::dma_map_failed);
    w.device_memory.release(*memory);
    CHECK(w.failures.struck() == 9);
    w.failures.arm(failure::populate, 1);  // the closing audit drops what is left
    CHECK(w.finish().empty());
    CHECK_FALSE(w.failures.is_armed());
  }

  TEST_CASE("an attempt to lock a page, a lock of the thread that asked for it, or a reservation can fail") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.failures.arm(failure::lock, 3);
    CHECK(to_device(w, base, chunk) == errc::in_use);
    CHECK(w.device_pages(base, chunk) == 0);

    lock_policy::mutex<svm::lock_rank::range> mutex;
    auto const attempt = [&] {
      if (!mutex.try_lock()) return false;
      mutex.unlock();
      return true;
    };
    w.failures.arm(failure::lock, 1);
    CHECK(attempt());
    svm::mock::this_thread_attempts = &w.failures;
    CHECK_FALSE(attempt());
    CHECK(attempt());
    svm::mock::this_thread_attempts = nullptr;

    svm::mock::reservation r;
    svm::mock::reservation::ticket t;
    r.failures = &w.failures;
    w.failures.arm(failure::lock, 1);
    CHECK(r.lock(t) == errc::would_block);
    CHECK(r.lock(t) == errc::ok);
    w.failures.arm(failure::alloc, 1);
    CHECK(r.reserve_fences(1) == errc::no_memory);
    r.unlock(t);
  }

  TEST_CASE("whoever listens hears of each failure before it happens") {
    failure_plan plan;
    std::vector<failure> heard;
    plan.listener = [&](failure kind) { heard.push_back(kind); };
    plan.arm(failure::copy, 2, repeat::from_then_on);
    for (int i = 0; i < 3; ++i) static_cast<void>(plan.strikes(failure::copy));
    CHECK_FALSE(plan.strikes(failure::ram));
    CHECK(heard == std::vector{failure::copy, failure::copy});
  }
}

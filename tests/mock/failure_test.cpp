// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

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
    CHECK(w.device.dma_map(w.frames.zero_page(), {}, svm::dma_direction::to_device).error() == errc::dma_map_failed);
    CHECK(w.failures.struck() == 4);
    w.failures.arm(failure::populate, 1);  // the closing audit drops what is left
    CHECK(w.finish().empty());
    CHECK_FALSE(w.failures.is_armed());
  }
}

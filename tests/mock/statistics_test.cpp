// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <vector>

#include <pagemap/scene.hpp>

using namespace support;
using svm::event_kind;

TEST_SUITE("mock/statistics") {
  TEST_CASE("each kind of event is counted by itself, with its bytes") {
    svm::mock::statistics stats;
    stats.record({event_kind::evicted, span(base, chunk), {100}});
    stats.record({event_kind::evicted, span(base, chunk), {11}});
    stats.record({event_kind::unexplained_retry, span(base, chunk)});
    CHECK(stats.count(event_kind::evicted) == 2);
    CHECK(stats.bytes(event_kind::evicted) == 111);
    CHECK(stats.count(event_kind::unexplained_retry) == 1);
    CHECK(stats.count(event_kind::gpu_fault) == 0);
  }

  TEST_CASE("a listener hears every event in its order") {
    world w{small_chunks()};
    std::vector<event_kind> heard;
    w.stats.listener = [&](svm::event const& e) { heard.push_back(e.kind); };
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.fault(base) == errc::ok);
    std::vector<event_kind> const expected{
        event_kind::gpu_fault, event_kind::notifier_created,   event_kind::range_created, event_kind::invalidated,
        event_kind::copied,    event_kind::migrated_to_device, event_kind::gpu_fault_end};
    CHECK(heard == expected);
    heard.clear();
    REQUIRE(w.cpu_read(base) == 1u);
    CHECK(heard == std::vector{event_kind::invalidated, event_kind::copied, event_kind::migrated_to_system});
    heard.clear();
    w.driver.close();
    CHECK(heard == std::vector{event_kind::range_removed, event_kind::notifier_removed});
    w.stats.listener = nullptr;
  }

  TEST_CASE("bytes moved are bytes copied: holes cost nothing out, and all that came back counts") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.fault(base) == errc::ok);
    CHECK(w.stats.bytes(event_kind::migrated_to_device) == page_bytes);
    REQUIRE(w.cpu_read(base) == 1u);
    CHECK(w.stats.bytes(event_kind::migrated_to_system) == chunk);
  }

  TEST_CASE("what made room is counted with the size of each victim") {
    world w{small_chunks(chunk)};
    w.map(2 * chunk);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(chunk)) == errc::ok);
    CHECK(w.count(event_kind::evicted) == 1);
    CHECK(w.stats.bytes(event_kind::evicted) == chunk);
    CHECK(w.mover.evict_all() == errc::ok);  // by choice: no pressure
    CHECK(w.count(event_kind::evicted) == 1);
  }
}

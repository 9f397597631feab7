// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// How long the CPU leaves migrated memory to the device: migrator::bring_back and devmem::timeslice_end.

#include <pagemap/scene.hpp>

using namespace support;
using action = svm::cpu_fault_answer::action;

namespace {

constexpr svm::duration microseconds(std::uint64_t n) {
  return {n * 1000};
}

/// A chunk in device memory, with a timeslice of 5 ms that begins now.
struct slice_scene : world {
  explicit slice_scene(svm::duration before = {})
      : world(small_chunks(MiB, [](auto& o) { o.driver.timeslice = svm::milliseconds(5); })) {
    clock.advance(before);
    begin = clock.now();
    map(chunk);
    cpu_tag(base, chunk, 1);
    REQUIRE(fault(base) == errc::ok);
    REQUIRE(device_pages(base, chunk) == chunk_pages);
  }
  /// The answer of the allocation to a CPU fault now.
  [[nodiscard]] svm::cpu_fault_answer ask() {
    auto const kept = allocation_at(*this, base);
    auto const p = process.entry_at(base).target;
    return kept->live_pages().page_faulted({process.id(), base, p, span(base, chunk)});
  }
  [[nodiscard]] svm::duration elapsed() { return {clock.now().nanoseconds - begin.nanoseconds}; }

  svm::time_point begin;
};

}  // namespace

TEST_SUITE("pagemap/migrator, timeslice") {
  TEST_CASE("a CPU fault waits at 1 ms and 4.9 ms of a timeslice of 5 ms, and migrates at 5 ms (TSL-01)") {
    slice_scene w;
    CHECK(allocation_at(w, base)->timeslice_end() == w.begin + svm::milliseconds(5));
    for (svm::duration const pause : {microseconds(1000), microseconds(3900)}) {
      w.clock.advance(pause);
      auto const answer = w.ask();
      CHECK(answer.next == action::wait);
      CHECK(answer.until == w.begin + svm::milliseconds(5));
      CHECK(w.device_pages(base, chunk) == chunk_pages);
    }
    w.clock.advance(microseconds(100));
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.elapsed() == svm::milliseconds(5));
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a CPU fault that waits moves the clock to the end of the timeslice, once (TSL-01)") {
    for (auto const before : {microseconds(0), microseconds(1000), microseconds(4900)}) {
      slice_scene w;
      w.clock.advance(before);
      auto const faults = w.process.cpu_faults();
      CHECK(w.cpu_read(page_at(9)) == 10u);
      CHECK(w.elapsed() == svm::milliseconds(5));
      CHECK(w.process.cpu_faults() - faults == 2);  // erratum 3.2.9: no busy refault
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.elapsed() == svm::milliseconds(5));
    }
  }

  TEST_CASE("a timeslice of nothing holds up nobody (TSL-02)") {
    world w{small_chunks()};
    w.clock.advance(svm::milliseconds(3));
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto const faults = w.process.cpu_faults();
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.process.cpu_faults() - faults == 1);
    CHECK(w.clock.now() == svm::time_point{} + svm::milliseconds(3));
  }

  TEST_CASE("eviction does not wait for a timeslice, be it of an allocation, a span, all, or for room (TSL-03)") {
    SUBCASE("of an allocation") {
      slice_scene w;
      w.clock.advance(svm::milliseconds(1));
      auto const kept = allocation_at(w, base);
      CHECK(w.mover.evict(*kept) == errc::ok);
      CHECK(w.elapsed() == svm::milliseconds(1));
      CHECK(w.device_pages(base, chunk) == 0);
    }
    SUBCASE("of a span") {
      slice_scene w;
      CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::ok);
      CHECK(w.elapsed() == svm::duration{});
    }
    SUBCASE("under pressure") {
      slice_scene w;
      w.clock.advance(svm::milliseconds(1));
      CHECK(w.mover.make_room({MiB}) == errc::ok);
      CHECK(w.elapsed() == svm::milliseconds(1));
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.elapsed() == svm::milliseconds(1));
    }
    SUBCASE("of all") {
      slice_scene w;
      CHECK(w.mover.evict_all() == errc::ok);
      CHECK(w.elapsed() == svm::duration{});
    }
  }

  TEST_CASE("the collector brings the rest of a partly unmapped range back within its timeslice (TSL-04, defect D15)") {
    slice_scene w;
    w.clock.advance(svm::milliseconds(1));
    REQUIRE(w.process.munmap(page_at(4), {4 * page_bytes}) == sys::ok);
    w.driver.collect_garbage();
    CHECK(w.elapsed() == svm::milliseconds(1));
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.range_count() == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.cpu_read(page_at(3)) == 4u);
    CHECK(w.cpu_read(page_at(8)) == 9u);
    CHECK(w.elapsed() == svm::milliseconds(1));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("each migration begins a timeslice of its own, counted from the end of the copy") {
    slice_scene w;
    w.hooks.hook = [&](step s) {
      if (s == step::copying) w.clock.advance(svm::milliseconds(2));  // a slow copy engine
    };
    w.map(chunk, at(chunk));
    w.cpu_tag(at(chunk), chunk, 100);
    REQUIRE(to_device(w, at(chunk), chunk, svm::milliseconds(5)) == errc::ok);
    w.hooks.hook = nullptr;
    CHECK(allocation_at(w, base)->timeslice_end() == w.begin + svm::milliseconds(5));
    CHECK(allocation_at(w, at(chunk))->timeslice_end() == w.begin + svm::milliseconds(7));
  }

  TEST_CASE("a timeslice that the clock wraps in is as long as any other (TSL-06)") {
    slice_scene w{svm::duration{UINT64_MAX - svm::milliseconds(2).nanoseconds}};
    auto const end = w.begin + svm::milliseconds(5);
    REQUIRE(end.nanoseconds < w.begin.nanoseconds);
    CHECK(w.ask().next == action::wait);
    w.clock.advance(svm::milliseconds(4));
    REQUIRE(w.clock.now().nanoseconds < w.begin.nanoseconds);
    CHECK(w.ask().next == action::wait);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.clock.now() == end);
    CHECK(w.device_pages(base, chunk) == 0);
  }

  TEST_CASE("a timeslice that ended before the clock wrapped is over (TSL-06)") {
    slice_scene w{svm::duration{UINT64_MAX - svm::milliseconds(6).nanoseconds}};
    w.clock.advance(svm::milliseconds(7));
    auto const now = w.clock.now();
    REQUIRE(now.nanoseconds < w.begin.nanoseconds);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.clock.now() == now);
  }
}

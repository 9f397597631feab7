// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What a driver may be told: limits, mixed ranges, suspend and resume, reports, cancellation.

#include <svm/driver/svm_driver.hpp>

#include <cstdint>
#include <functional>

#include <mock/processes.hpp>
#include <support/cancel_after.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::page_flag;
using svm::prefetch_report;

namespace {

std::uint64_t placed(prefetch_report const& r) {
  return r.placed.value;
}
std::uint64_t elsewhere(prefetch_report const& r) {
  return r.elsewhere.value;
}

/// Calls `act(world&, cancellation*)`, told to end after no round, one, two, ..., until it runs to its end.
template <class Act>
std::uint64_t cancel_at_every_round(std::function<void(world&)> const& set_up, Act&& act) {
  for (std::uint64_t rounds = 0;; ++rounds) {
    REQUIRE(rounds < 100);
    world w{small_chunks(2 * chunk)};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    set_up(w);
    cancel_after const stop{rounds};
    errc const e = act(w, &stop);
    w.hooks.hook = nullptr;
    CHECK(e == (stop.has_struck() ? errc::interrupted : errc::ok));
    CHECK(w.complaint() == "");
    CHECK(act(w, nullptr) == errc::ok);
    CHECK(w.gpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
    CHECK(w.complaint() == "");
    if (!stop.has_struck()) return rounds;
  }
}

}  // namespace

TEST_SUITE("driver/svm_driver, options") {
  TEST_CASE("a suspended driver has no mapping and refuses faults with retry; resumed it serves them") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.gpu_write(base, 10) == errc::ok);
    w.driver.suspend();
    CHECK_FALSE(w.device.has_mappings());
    CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::mapped));
    CHECK(w.device_pages(base, chunk) == chunk_pages);  // the memory stays
    CHECK(w.fault(base) == errc::retry);
    CHECK(w.fault(at(chunk), access_kind::write) == errc::retry);
    CHECK(w.driver.prefetch(span(base, 2 * chunk), prefetch_place::device) == errc::retry);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.complaint() == "");
    CHECK(w.driver.memory().evict_all() == errc::ok);
    CHECK(w.cpu_read(base) == 10u);
    w.driver.resume();
    CHECK(w.gpu_read(base) == 10u);
    CHECK(w.gpu_tags_until(at(page_bytes), 2 * chunk - page_bytes, 2) == 2 * chunk - page_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a driver that is suspended in the middle of a fault is left without a mapping") {
    for (step const when : {step::registering, step::walked, step::preparing, step::installing}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      bool held_up = false;
      interfere(w, when, [&] {
        // Whoever suspends waits for the range's lock where the fault has it; what it says first counts.
        held_up = true;
        if (when == step::registering) w.driver.suspend();
      });
      errc const e = w.fault(base);
      w.hooks.hook = nullptr;
      CHECK(held_up);
      if (when == step::registering) CHECK(e == errc::retry);
      w.driver.suspend();
      CHECK_FALSE(w.device.has_mappings());
      CHECK(w.fault(base) == errc::retry);
      w.driver.resume();
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("after a reset of the page tables everything is faulted in anew, and the ranges are those from before") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.gpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
    std::uint64_t const ranges = w.range_count();
    w.driver.reset();
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.range_count() == ranges);
    CHECK(w.dma.live() == 0);
    CHECK(w.gpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a prefetch reports what lies where it is wanted, and what does not") {
    world w{small_chunks(chunk)};  // room for one
    w.map(2 * chunk);
    w.map(chunk, at(2 * chunk), protection::read_write, mapping_kind::shared);  // goes to no device
    w.cpu_tag(base, 3 * chunk, 1);
    prefetch_report report;
    CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device, &report) == errc::ok);
    CHECK((placed(report) == chunk_pages && elsewhere(report) == 0));
    CHECK(w.driver.prefetch(span(at(2 * chunk), chunk), prefetch_place::device, &report) == errc::ok);
    CHECK((placed(report) == chunk_pages && elsewhere(report) == chunk_pages));  // added to
    prefetch_report back;
    CHECK(w.driver.prefetch(span(base, 3 * chunk), prefetch_place::system, &back) == errc::ok);
    CHECK((placed(back) == 3 * chunk_pages && elsewhere(back) == 0));
    prefetch_report any;
    CHECK(w.driver.prefetch(span(base, 3 * chunk), prefetch_place::as_fault, &any) == errc::ok);
    CHECK((placed(any) == 3 * chunk_pages && elsewhere(any) == 0));
  }

  TEST_CASE("holes count as nothing, and what came before an error is reported") {
    world w{small_chunks()};
    w.map(chunk);
    w.map(chunk, at(3 * chunk), protection::none);
    prefetch_report report;
    CHECK(w.driver.prefetch(span(base, 4 * chunk), prefetch_place::device, &report) == errc::no_access);
    CHECK((placed(report) == chunk_pages && elsewhere(report) == 0));
  }

  TEST_CASE("a prefetch that could not move its memory says so, and maps it where it is") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.failures.arm(failure::copy, 1, repeat::from_then_on);
    prefetch_report report;
    CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device, &report) == errc::ok);
    CHECK((placed(report) == 0 && elsewhere(report) == chunk_pages));
  }

  TEST_CASE("no more ranges than the limit, whoever asks; one that goes makes room") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.limits.ranges = 2; })};
    w.map(4 * chunk);
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.fault(at(chunk)) == errc::ok);
    CHECK(w.fault(at(2 * chunk)) == errc::quota_exceeded);
    CHECK(w.driver.prefetch(span(base, 4 * chunk), prefetch_place::as_fault) == errc::quota_exceeded);
    CHECK(w.fault(base, access_kind::write) == errc::ok);  // one that is there
    CHECK(w.range_count() == 2);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(w.fault(at(2 * chunk)) == errc::ok);
    REQUIRE(w.process.munmap(at(chunk), {2 * chunk}) == sys::ok);
    REQUIRE(w.process.mmap({2 * chunk}, protection::read_write, mapping_kind::anon, at(chunk)).error == sys::ok);
    CHECK(w.fault(at(chunk)) == errc::ok);
    CHECK(w.fault(at(3 * chunk)) == errc::ok);
    CHECK(w.fault(at(2 * chunk)) == errc::quota_exceeded);
  }

  TEST_CASE("no more device memory than the limit: the rest is used where it is, and what comes back counts no more") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.limits.device_memory = byte_count{2 * chunk}; })};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    CHECK(w.gpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
    CHECK(w.device_memory.used() == byte_count{2 * chunk});
    CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
    CHECK(w.complaint() == "");
    REQUIRE(w.cpu_read(base) == 1u);  // one allocation comes back
    CHECK(w.device_memory.used() == byte_count{chunk});
    CHECK(w.driver.prefetch(span(at(3 * chunk), chunk), prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(at(3 * chunk), chunk) == chunk_pages);
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.driver.prefetch(span(base, 2 * chunk), prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a limit on device memory is an error only where device memory is required") {
    world w{small_chunks(MiB, [](auto& o) {
      o.driver.limits.device_memory = byte_count{chunk};
      o.driver.migrate = svm::migration_mode::required;
    })};
    w.map(2 * chunk);
    CHECK(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.gpu_write(at(chunk), 1) == errc::quota_exceeded);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.gpu_write(at(chunk), 1) == errc::ok);
  }

  TEST_CASE("when the account of the device memory cannot be made a fault says so and makes nothing") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.limits.device_memory = byte_count{chunk}; })};
    w.map(chunk);
    w.failures.arm(failure::alloc, 1);
    CHECK(w.fault(base) == errc::no_memory);
    CHECK(w.range_count() == 0);
    CHECK(w.fault(base) == errc::ok);
  }

  TEST_CASE("a fault ends when it is told to, at whichever round, and the next one serves") {
    auto const calm = [](world&) {};
    auto const storm = [](world& w) {
      w.hooks.hook = [&w, left = 6](step s) mutable {
        if ((s == step::walked || s == step::preparing) && left-- > 0)
          CHECK(w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear}));
      };
    };
    auto const crowd = [](world& w) {  // memory that has to go first
      REQUIRE(to_device(w, at(chunk), chunk) == errc::ok);
      REQUIRE(to_device(w, at(2 * chunk), chunk) == errc::ok);
    };
    auto const fault = [](world& w, svm::cancellation const* by) {
      return w.driver.fault(base, access_kind::write, by);
    };
    CHECK(cancel_at_every_round(calm, fault) >= 3);
    CHECK(cancel_at_every_round(storm, fault) >= 6);
    CHECK(cancel_at_every_round(crowd, fault) >= 4);
  }

  TEST_CASE("a prefetch ends when it is told to, at whichever round") {
    for (auto const where : {prefetch_place::device, prefetch_place::system, prefetch_place::as_fault}) {
      auto const prefetch = [where](world& w, svm::cancellation const* by) {
        return w.driver.prefetch(span(base, 4 * chunk), where, nullptr, by);
      };
      CHECK(cancel_at_every_round([](world&) {}, prefetch) >= 8);
    }
  }

  TEST_CASE("system and device pages stand in one range where that is allowed, and only what differs moves") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.mixed = true; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk / 2) == errc::ok);
    auto const before = pages_behind(w, base, chunk / 2);
    std::uint64_t const bytes = w.stats.bytes(svm::event_kind::migrated_to_device);
    CHECK(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(pages_behind(w, base, chunk / 2) == before);
    CHECK(w.stats.bytes(svm::event_kind::migrated_to_device) - bytes == chunk / 2);
    CHECK(w.range_at(base)->mapping().has(page_flag::valid));
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range that cannot move whole is mapped mixed where that is allowed, and comes to memory otherwise") {
    for (bool const mixed : {true, false}) {
      world w{small_chunks(MiB, [&](auto& o) {
        o.driver.mixed = mixed;
        o.driver.migrate = svm::migration_mode::never;
      })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(to_device(w, base, chunk / 2) == errc::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.device_pages(base, chunk) == (mixed ? chunk_pages / 2 : 0));
      CHECK(w.range_at(base)->mapping().has(page_flag::system));
      CHECK(w.range_at(base)->mapping().has(page_flag::device) == mixed);
      CHECK(w.complaint() == "");
      std::uint64_t old = 0;
      CHECK(w.gpu_atomic_add(w.first(), 0, page_at(12), 1, old) == errc::no_atomics);  // migration is off
    }
  }

  TEST_CASE("a prefetch to the device is not content with a mapping of which a part, or all, lies elsewhere") {
    for (bool const peer : {false, true}) {
      CAPTURE(peer);
      world w{small_chunks(MiB, [](auto& o) {
        o.driver.mixed = true;
        o.gpus = 2;
      })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      auto& from = w.gpu_card(peer ? 1 : 0).mover;
      REQUIRE(from.migrate_to_device(w.process, span(base, peer ? chunk : chunk / 2), {}) == errc::ok);
      prefetch_report report;
      w.failures.arm(failure::populate, 1, repeat::from_then_on);
      CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device, &report) == errc::ok);
      w.failures.disarm();
      CHECK(placed(report) == 0);
      CHECK(elsewhere(report) == chunk_pages);
      auto const r = w.range_at(base);
      CHECK(r->mapping().has(page_flag::valid));
      CHECK(r->mapping().has(peer ? page_flag::peer : page_flag::system));
      CHECK_FALSE(svm::gpusvm<policies>::pages_valid(*r, {.devmem_only = true, .allow_mixed = true}));

      report = {};
      CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device, &report) == errc::ok);
      CHECK(placed(report) == chunk_pages);
      CHECK(elsewhere(report) == 0);
      for (auto const p : pages_behind(w, base, chunk)) CHECK((w.frames.is_device(p) && w.frames.gpu_of(p) == 0));
      CHECK(svm::gpusvm<policies>::pages_valid(*r, {.devmem_only = true}));
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("what may not be taken from other devices comes to the system when two of them share a range") {
    world w{small_chunks(MiB, [](auto& o) { o.gpus = 3; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk / 2), {}) == errc::ok);
    REQUIRE(w.gpu_card(2).mover.migrate_to_device(w.process, span(at(chunk / 2), chunk / 2), {}) == errc::ok);
    svm::span_attributes const modest{.policy = svm::migration_policy::system_pages_only};
    REQUIRE(w.driver.advise(span(base, chunk), modest) == errc::ok);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.stats.bytes(svm::event_kind::migrated_peer) == 0);
    for (auto const p : pages_behind(w, base, chunk)) CHECK((!w.frames.is_device(p) || w.frames.gpu_of(p) == 0));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an atomic access to a mixed range moves all of it (erratum 3.4.5)") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.mixed = true; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_read(base) == 1u);
    REQUIRE(w.mover.evict_all() == errc::ok);
    REQUIRE(to_device(w, base, chunk / 2) == errc::ok);
    std::uint64_t old = 0;
    CHECK(w.gpu_atomic_add(w.first(), 0, page_at(12), 5, old) == errc::ok);
    CHECK(old == 13);
    CHECK(w.cpu_read(page_at(12)) == 18u);
    CHECK(w.complaint() == "");
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <optional>
#include <utility>

#include <support/failures.hpp>

using namespace support;
using svm::event_kind;
using svm::migration_mode;
using svm::page_flag;
using svm::range_flag;

namespace {

svm::mock::machine_options mode(migration_mode m) {
  return options([m](auto& o) { o.driver.migrate = m; });
}

/// One of the sixteen ways to lose half of 2 MiB that the GPU has written to.
struct partial_unmap {
  bool map_again;
  bool middle;  ///< the half in the middle, or the first one
  bool cpu_reads_first;
  bool atomic;  ///< how the GPU writes
};

/// Replaces `before` by `value`.
errc gpu_change(world& w, cpu_va a, std::uint64_t before, std::uint64_t value, bool atomic) {
  if (!atomic) return w.gpu_write(a, value);
  std::uint64_t old = before;
  errc const e = w.gpu_atomic_add(w.first(), 0, a, value - before, old);
  CHECK(old == before);
  return e;
}

void lose_half(partial_unmap const& how, migration_mode m) {
  world w{mode(m)};
  w.map(2 * MiB);
  w.cpu_tag(base, 2 * MiB, 100);
  std::uint64_t const doomed = how.middle ? 512 * KiB : 0;
  std::uint64_t const kept = how.middle ? 4 * KiB : MiB + 4 * KiB;
  REQUIRE(gpu_change(w, at(doomed + 8 * KiB), 102 + doomed / page_bytes, 9001, how.atomic) == errc::ok);
  REQUIRE(gpu_change(w, at(kept), 100 + kept / page_bytes, 9002, how.atomic) == errc::ok);
  svm::range_ref<policies> const old = w.range_at(base);
  REQUIRE(old->interval() == span(base, 2 * MiB));
  REQUIRE(w.process.munmap(at(doomed), {MiB}) == sys::ok);
  if (how.map_again) w.map(MiB, at(doomed));
  CHECK(w.complaint() == "");
  if (how.cpu_reads_first) {
    CHECK(w.cpu_read(at(kept)) == 9002u);
    CHECK(w.cpu_read(at(doomed + 8 * KiB)) == (how.map_again ? std::optional<std::uint64_t>{0} : std::nullopt));
  }
  w.driver.collect_garbage();
  CHECK(old->has(range_flag::removed));
  CHECK(w.range_count() == 0);
  CHECK(w.device_memory.used().value == 0);  // what was kept has come back, so the allocation is free
  CHECK(w.complaint() == "");

  CHECK(w.gpu_read(at(kept)) == 9002u);
  CHECK(gpu_change(w, at(kept), 9002, 9003, how.atomic) == errc::ok);
  CHECK(w.cpu_read(at(kept)) == 9003u);
  CHECK(w.gpu_read(at(doomed + 8 * KiB)) == (how.map_again ? std::optional<std::uint64_t>{0} : std::nullopt));
  CHECK(w.cpu_read(at(doomed + 8 * KiB)) == (how.map_again ? std::optional<std::uint64_t>{0} : std::nullopt));
  CHECK(gpu_change(w, at(doomed), 0, 5, how.atomic && how.map_again) == (how.map_again ? errc::ok : errc::no_vma));
  // The last quarter is in the kept part whichever half went.
  CHECK(w.gpu_tags_until(at(1536 * KiB), 512 * KiB, 100 + 384) == 512 * KiB);
  CHECK(w.cpu_tags_until(at(1536 * KiB), 512 * KiB, 100 + 384) == 512 * KiB);
  CHECK(w.complaint() == "");
}

}  // namespace

TEST_SUITE("driver/garbage_collector") {
  TEST_CASE("half of a range goes and the other half keeps its data, by loads and stores or atomics (UNM-01..16)") {
    for (bool const map_again : {false, true})
      for (bool const middle : {false, true})
        for (bool const cpu_reads_first : {false, true})
          for (bool const atomic : {false, true})
            for (auto const m : {migration_mode::where_possible, migration_mode::never}) {
              if (atomic && m == migration_mode::never) continue;  // needs device memory
              CAPTURE(map_again);
              CAPTURE(middle);
              CAPTURE(cpu_reads_first);
              CAPTURE(atomic);
              CAPTURE(static_cast<int>(m));
              lose_half({map_again, middle, cpu_reads_first, atomic}, m);
            }
  }

  TEST_CASE(
      "a quarter of a device range is unmapped at its start, at a quarter, at half; the rest faults back (UNM-17)") {
    for (std::uint64_t const offset : {std::uint64_t{0}, 512 * KiB, MiB}) {
      CAPTURE(offset);
      world w;
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(w.fault(base) == errc::ok);
      REQUIRE(w.device_pages(base, 2 * MiB) == 512);
      REQUIRE(w.process.munmap(at(offset), {512 * KiB}) == sys::ok);
      for (std::uint64_t done = 0; done < 2 * MiB; done += page_bytes) {
        bool const gone = done >= offset && done < offset + 512 * KiB;
        std::optional<std::uint64_t> const expected =
            gone ? std::nullopt : std::optional<std::uint64_t>{1 + done / page_bytes};
        if (w.cpu_read(at(done)) != expected) FAIL_CHECK("wrong at " << done);
      }
      CHECK(w.complaint() == "");
      w.driver.collect_garbage();
      CHECK(w.device_memory.used().value == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("UNM-18 pages 2 to 5 of 16 go, and the GPU reads the right data beside them") {
    world w{mode(migration_mode::never)};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 10);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.process.munmap(at(2 * page_bytes), {4 * page_bytes}) == sys::ok);
    CHECK(w.gpu_read(base) == 10u);
    CHECK(w.gpu_read(at(6 * page_bytes)) == 16u);
    CHECK_FALSE(w.gpu_read(at(2 * page_bytes)).has_value());
    CHECK_FALSE(w.gpu_read(at(5 * page_bytes)).has_value());
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "UNM-19 one page of a device range goes: the rest is evicted, all device memory is free, ranges get smaller") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.process.munmap(at(MiB), {4 * KiB}) == sys::ok);
    CHECK(w.device_memory.used().value == 2 * MiB);
    w.driver.collect_garbage();
    CHECK(w.device_pages(base, 2 * MiB) == 0);
    CHECK(w.device_memory.used().value == 0);
    CHECK(w.range_count() == 0);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.gpu_tags_until(at(MiB + 4 * KiB), MiB - 4 * KiB, 258) == MiB - 4 * KiB);
    CHECK(w.range_at(base)->interval().size() == byte_count{64 * KiB});
    CHECK(w.range_at(at(MiB + 4 * KiB))->interval().size() == byte_count{4 * KiB});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("device pages beyond a hole come back too when a range that lost its first half is evicted") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.process.munmap(base, {MiB}) == sys::ok);
    {
      auto held = w.driver.svm().lock_range(w.range_at(base));
      CHECK(w.driver.evict(held) == errc::ok);
    }
    CHECK(w.device_pages(base, 2 * MiB) == 0);
    CHECK(w.frames.ram_used().value == MiB);  // the hole was not populated
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(at(MiB), MiB, 257) == MiB);
  }

  TEST_CASE("UNM-20 a second unmap before the collector runs queues the range once, and it stays partial") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    svm::range_ref<policies> const r = w.range_at(base);
    REQUIRE(w.process.munmap(base, {64 * KiB}) == sys::ok);
    CHECK(r->is_linked());
    CHECK(r->has(range_flag::partial_unmap));
    REQUIRE(w.process.munmap(at(MiB), {64 * KiB}) == sys::ok);
    REQUIRE(w.process.munmap(at(64 * KiB), {MiB - 64 * KiB}) == sys::ok);
    CHECK(r->has(range_flag::partial_unmap));
    w.driver.collect_garbage();
    CHECK_FALSE(r->is_linked());
    CHECK(w.count(event_kind::range_removed) == 1);
    w.driver.collect_garbage();
    CHECK(w.count(event_kind::range_removed) == 1);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(at(MiB + 64 * KiB), MiB - 64 * KiB, 1 + 272) == MiB - 64 * KiB);
  }

  TEST_CASE("UNM-21 memory mapped anew before the collector ran gets a new range and fresh contents") {
    for (auto const m : {migration_mode::never, migration_mode::where_possible}) {
      world w{mode(m)};
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(w.fault(base) == errc::ok);
      svm::range_ref<policies> const old = w.range_at(base);
      REQUIRE(w.process.munmap(base, {2 * MiB}) == sys::ok);
      w.map(2 * MiB);
      REQUIRE(w.cpu_write(base, 77) == sys::ok);
      CHECK(w.gpu_read(base) == 77u);
      CHECK(w.gpu_read(at(page_bytes)) == 0u);
      CHECK(old->has(range_flag::removed));
      CHECK(w.range_at(base).get() != old.get());
      CHECK(w.range_count() == 1);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("UNM-22 an unmap while the collector works is collected in the same run") {
    world w;
    w.map(4 * MiB);
    w.cpu_tag(base, 4 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(2 * MiB)) == errc::ok);
    REQUIRE(w.process.munmap(base, {MiB}) == sys::ok);
    bool done = false;
    w.hooks.hook = [&](step s) {
      if (s == step::collecting && !std::exchange(done, true))
        CHECK(w.process.munmap(at(2 * MiB), {2 * MiB}) == sys::ok);
    };
    w.driver.collect_garbage();
    CHECK(done);
    CHECK(w.range_count() == 0);
    CHECK(w.count(event_kind::range_removed) == 2);
    CHECK(w.device_memory.used().value == 0);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(at(MiB), MiB, 257) == MiB);
  }

  TEST_CASE("an unmap of the range that the collector is working on removes it once (UNM-22)") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.process.munmap(base, {MiB}) == sys::ok);
    bool done = false;
    w.hooks.hook = [&](step s) {
      if (s == step::collecting && !std::exchange(done, true)) CHECK(w.process.munmap(at(MiB), {64 * KiB}) == sys::ok);
    };
    w.driver.collect_garbage();
    CHECK(done);
    CHECK(w.range_count() == 0);
    CHECK(w.count(event_kind::range_removed) == 1);
    CHECK(w.device_memory.used().value == 0);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(at(MiB + 64 * KiB), MiB - 64 * KiB, 273) == MiB - 64 * KiB);
  }

  TEST_CASE("UNM-26 a hundred times unmapped and filled again, nothing grows") {
    for (auto const m : {migration_mode::never, migration_mode::where_possible}) {
      world w{mode(m)};
      w.map(64 * KiB);
      std::uint64_t blocks = 0;
      std::uint64_t ram = 0;
      for (std::uint64_t i = 0; i < 100; ++i) {
        for (std::uint64_t page = 0; page < 16; page += 5)
          REQUIRE(w.gpu_write(at(page * page_bytes), i * 16 + page) == errc::ok);
        CHECK(w.cpu_read(at(5 * page_bytes)) == i * 16 + 5);
        CHECK(w.cpu_read(at(page_bytes)) == 0u);
        if (i == 1) blocks = w.memory.live_blocks();
        if (i == 1) ram = w.frames.ram_used().value;
        if (i > 1) CHECK(w.memory.live_blocks() == blocks);
        if (i > 1) CHECK(w.frames.ram_used().value == ram);
        CHECK(w.range_count() == 1);
        CHECK(w.notifier_count() == 1);
        REQUIRE(w.process.munmap(base, {64 * KiB}) == sys::ok);
        w.map(64 * KiB);
      }
      CHECK(w.device_memory.used().value == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE(
      "a collector that cannot evict for want of anything removes the range, and the data comes back later (OOM-03)") {
    for (auto const kind : {failure::alloc, failure::ram, failure::dma_map, failure::copy})
      for (auto const how : {failure_plan::repeat::once, failure_plan::repeat::from_then_on})
        for (std::uint64_t k = 1; k <= 4; ++k) {
          CAPTURE(static_cast<int>(kind));
          CAPTURE(k);
          world w{options([](auto& o) { o.chunks = {{64 * KiB}, {4 * KiB}}; })};
          w.map(64 * KiB);
          w.cpu_tag(base, 64 * KiB, 1);
          REQUIRE(w.fault(base) == errc::ok);
          REQUIRE(w.process.munmap(base, {32 * KiB}) == sys::ok);
          w.failures.arm(kind, k, how);
          w.driver.collect_garbage();
          w.failures.disarm();
          CHECK(w.range_count() == 0);
          CHECK(w.dma.live() == 0);
          CHECK(w.complaint() == "");
          CHECK(w.gpu_tags_until(at(32 * KiB), 32 * KiB, 9) == 32 * KiB);
          CHECK(w.cpu_tags_until(at(32 * KiB), 32 * KiB, 9) == 32 * KiB);
          CHECK(w.complaint() == "");
        }
  }

  TEST_CASE("a range that was removed while it stood in the queue is passed over") {
    world w{mode(migration_mode::never)};
    w.map(64 * KiB);
    REQUIRE(w.fault(base) == errc::ok);
    svm::range_ref<policies> r = w.range_at(base);
    REQUIRE(w.process.munmap(base, {64 * KiB}) == sys::ok);
    w.driver.svm().remove(w.driver.svm().lock_range(std::move(r)));
    CHECK(w.count(event_kind::range_removed) == 1);
    w.driver.collect_garbage();
    CHECK(w.count(event_kind::range_removed) == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range that was removed is not split when it is collected again: nobody asked for ranges there") {
    for (auto const rest : {svm::partial_unmap::evict, svm::partial_unmap::split}) {
      world w{mode(migration_mode::never)};
      w.map(4 * MiB);
      REQUIRE(w.gpu_write(base, 7) == errc::ok);
      REQUIRE(w.gpu_write(at(2 * MiB), 7) == errc::ok);  // a neighbour, which keeps the notifier
      svm::range_ref<policies> old = w.range_at(base);
      REQUIRE(w.process.munmap(base, {MiB}) == sys::ok);
      w.driver.collect_garbage();
      REQUIRE(old->has(range_flag::removed));
      REQUIRE(w.range_count() == 1);

      svm::detail::range_memory<policies> memory{w.mover, w.memory};
      svm::garbage_collector<policies> second{w.driver.svm(), memory, rest};
      second.collect(w.driver.svm().lock_range(std::move(old)));
      CHECK(w.range_count() == 1);
      CHECK(w.complaint() == "");
    }
  }
}

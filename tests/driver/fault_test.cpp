// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include <support/failures.hpp>

using namespace support;
using svm::event_kind;
using svm::invalidation_cause;
using svm::migration_mode;
using svm::page_flag;

namespace {

constexpr int passes = svm::svm_driver<policies>::max_passes;

svm::mock::machine_options mode(migration_mode m) {
  return options([m](auto& o) { o.driver.migrate = m; });
}

}  // namespace

TEST_SUITE("driver/fault") {
  TEST_CASE("an error asks for another pass when it tells of the CPU's mappings, and of nothing else") {
    for (errc const e : {errc::retry, errc::stale, errc::gone, errc::unmapped, errc::no_vma, errc::spans_vmas,
                         errc::not_migratable, errc::no_access, errc::read_only})
      CHECK(svm::says_mappings_changed(e));
    for (errc const e : {errc::ok, errc::outside_window, errc::no_memory, errc::no_ram, errc::no_device_memory,
                         errc::quota_exceeded, errc::mm_gone, errc::device_gone, errc::dma_map_failed,
                         errc::copy_failed, errc::interrupted, errc::timed_out})
      CHECK_FALSE(svm::says_mappings_changed(e));
  }

  TEST_CASE("a fault that is served leaves a mapping, and a second one does no work") {
    for (auto const m : {migration_mode::never, migration_mode::where_possible, migration_mode::required}) {
      world w{mode(m)};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      CHECK(w.fault(at(5 * page_bytes + 3), access_kind::write) == errc::ok);
      CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
      CHECK(w.device_pages(base, 64 * KiB) == (m == migration_mode::never ? 0 : 16));
      std::uint64_t const blocks = w.memory.total_blocks();
      std::uint64_t const maps = w.failures.calls(failure::dma_map);
      CHECK(w.fault(base, access_kind::read) == errc::ok);
      CHECK(w.memory.total_blocks() == blocks);
      CHECK(w.failures.calls(failure::dma_map) == maps);
      CHECK(w.count(event_kind::gpu_fault) == 2);
      CHECK(w.count(event_kind::gpu_fault_end) == 2);
      CHECK(w.count(event_kind::gpu_fault_retry) == 0);
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    }
  }

  TEST_CASE("a fault on memory that is here already maps it again, and begins no migration") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.device_pages(base, 2 * MiB) == 512);
    // What is said of the memory changes, so the mapping goes, and the pages stay.
    REQUIRE(w.driver.advise(span(base, 2 * MiB), {.preferred = svm::preferred_place::device}) == errc::ok);
    REQUIRE(w.device_pages(base, 2 * MiB) == 512);
    int migrations = 0;
    w.hooks.hook = [&](step s) { migrations += s == step::collecting; };
    CHECK(w.fault(base) == errc::ok);
    w.hooks.hook = nullptr;
    CHECK(migrations == 0);
    CHECK(w.gpu_read(base) == 1u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-25 a wild address is an error, and what others have stays") {
    world w;
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    CHECK(w.fault(at(GiB)) == errc::no_vma);
    CHECK(w.fault(cpu_va{}) == errc::no_vma);
    CHECK(w.fault(cpu_va{svm::mock::user_end}) == errc::outside_window);
    CHECK(w.fault(cpu_va{UINT64_MAX}, access_kind::write) == errc::outside_window);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.count(event_kind::gpu_fault_retry) == 0);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
  }

  TEST_CASE("PAG-23 of four faults in a batch the one that fails does not touch the other three") {
    world w;
    std::array<std::uint64_t, 4> const areas{0, 4 * MiB, 8 * MiB, 12 * MiB};
    for (std::uint64_t const a : areas)
      if (a != 8 * MiB) w.map(64 * KiB, at(a));
    for (std::uint64_t const a : areas)
      CHECK(w.fault(at(a), access_kind::write) == (a == 8 * MiB ? errc::no_vma : errc::ok));
    for (std::uint64_t const a : areas)
      if (a != 8 * MiB) CHECK(w.gpu_write(at(a), a + 1) == errc::ok);
    for (std::uint64_t const a : areas)
      if (a != 8 * MiB) CHECK(w.cpu_read(at(a)) == a + 1);
    CHECK(w.range_count() == 3);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("errors of the request itself come at once and make nothing") {
    world w;
    w.map(64 * KiB, base, protection::read);
    w.map(64 * KiB, at(MiB), protection::none);
    CHECK(w.fault(base, access_kind::write) == errc::read_only);
    CHECK(w.fault(at(MiB)) == errc::no_access);
    CHECK(w.range_count() == 0);
    CHECK(w.notifier_count() == 0);
    CHECK(w.count(event_kind::gpu_fault_retry) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a driver whose GPU never writes refuses writes and maps for reading only (PAG-06)") {
    world w{options([](auto& o) {
      o.driver.read_only = true;
      o.driver.migrate = migration_mode::never;
    })};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    CHECK(w.fault(base, access_kind::write) == errc::read_only);
    CHECK(w.range_count() == 0);
    CHECK(w.fault(base, access_kind::read) == errc::ok);
    CHECK(w.range_at(base)->mapping().has(page_flag::read_only));
    CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    CHECK(w.gpu_write(base, 1) == errc::read_only);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("where device memory is required, memory that cannot go there is refused and makes nothing") {
    world w{mode(migration_mode::required)};
    w.map(64 * KiB, base, protection::read_write, mapping_kind::shared);
    CHECK(w.fault(base) == errc::not_migratable);
    CHECK(w.range_count() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "where it is required, a page that others keep in system memory ends the fault after 20 ms and ten passes") {
    world w{mode(migration_mode::required)};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    w.process.pin(at(page_bytes), true);
    auto const begin = w.clock.now();
    CHECK(w.fault(base) == errc::in_use);
    CHECK(w.clock.now() == begin + svm::milliseconds(20));
    CHECK(w.count(event_kind::gpu_fault_retry) == passes - 1);  // a wait uses up no pass
    // 10 us, doubled seven times to 1 ms, then 1 ms each, and what is left of 20 ms.
    constexpr std::uint64_t waits = 7 + 18 + 1;
    CHECK(w.count(event_kind::migration_failed) == passes + waits);
    CHECK_FALSE(w.device.has_mappings());
    w.process.pin(at(page_bytes), false);
    CHECK(w.complaint() == "");
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.device_pages(base, 64 * KiB) == 16);
    CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
  }

  TEST_CASE("where it is required, three tries are made a pass when the device's part fails, and nobody waits") {
    world w{mode(migration_mode::required)};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    auto const begin = w.clock.now();
    w.failures.arm(svm::mock::failure::copy, 1, svm::mock::failure_plan::repeat::from_then_on);
    CHECK(w.fault(base) == errc::copy_failed);
    CHECK(w.count(event_kind::migration_failed) == 3);
    CHECK(w.clock.now() == begin);
  }

  TEST_CASE("where it is only wished for, a page that stays is mapped where it is") {
    world w{mode(migration_mode::where_possible)};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    w.process.pin(at(page_bytes), true);
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.count(event_kind::migration_failed) == 1);
    CHECK(w.device_pages(base, 64 * KiB) == 0);
    CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    w.process.pin(at(page_bytes), false);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("mixed placement is gathered and served in the next pass, with the data intact (PAG-10, PAG-11)") {
    for (auto const m : {migration_mode::never, migration_mode::where_possible, migration_mode::required})
      for (bool const two_allocations : {false, true}) {
        CAPTURE(static_cast<int>(m));
        CAPTURE(two_allocations);
        world w{mode(m)};
        w.map(64 * KiB);
        w.cpu_tag(base, 64 * KiB, 1);
        {
          svm::mm_user const user{w.process};
          REQUIRE(w.mover.migrate_to_device(w.process, span(base, 32 * KiB), {}) == errc::ok);
          if (two_allocations)
            REQUIRE(w.mover.migrate_to_device(w.process, span(at(32 * KiB), 32 * KiB), {}) == errc::ok);
        }
        CHECK(w.fault(base) == errc::ok);
        CHECK(w.count(event_kind::gpu_fault_retry) == 1);
        CHECK(w.device_pages(base, 64 * KiB) == (m == migration_mode::never ? 0 : 16));
        CHECK(w.complaint() == "");
        CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
        CHECK(w.cpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("a range that no longer fits its VMA is replaced within the fault, which ends (MPR-04)") {
    for (auto const m : {migration_mode::never, migration_mode::where_possible}) {
      world w{mode(m)};
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(w.fault(base, access_kind::write) == errc::ok);
      svm::range_ref<policies> const old = w.range_at(base);
      REQUIRE(w.process.mprotect(at(MiB), {64 * KiB}, protection::read) == sys::ok);
      CHECK(w.process.vmas().all().size() == 3);
      CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 0);
      CHECK(w.fault(base, access_kind::write) == errc::ok);
      CHECK(old->has(svm::range_flag::removed));
      CHECK(w.range_at(base)->interval() == span(base, 64 * KiB));
      CHECK(w.fault(at(MiB), access_kind::write) == errc::read_only);
      CHECK(w.gpu_read(at(MiB)) == 1u + 256u);
      CHECK(w.gpu_write(at(MiB), 9) == errc::read_only);
      CHECK(w.gpu_write(at(MiB + 64 * KiB - 8), 9) == errc::read_only);
      CHECK(w.gpu_write(at(MiB - page_bytes), 256) == errc::ok);
      CHECK(w.gpu_write(at(MiB + 64 * KiB), 9) == errc::ok);
      CHECK(w.cpu_read(at(MiB)) == 1u + 256u);
      CHECK(w.cpu_read(at(MiB + 64 * KiB)) == 9u);
      CHECK(w.cpu_tags_until(base, MiB, 1) == MiB);
      CHECK(w.complaint() == "");
      // All of it taken away: the fault ends with the reason.
      REQUIRE(w.process.mprotect(base, {2 * MiB}, protection::none) == sys::ok);
      CHECK(w.fault(base, access_kind::read) == errc::no_access);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a stale range that somebody makes anew each time it is replaced ends the fault in busy (erratum 3.1.16)") {
    world w{mode(migration_mode::never)};
    w.map(2 * MiB);
    int made = 0;
    auto const make_stale = [&] {
      ++made;
      CHECK(w.process.mprotect(at(MiB), {MiB}, protection::read_write) == sys::ok);
      CHECK(w.driver.svm().find_or_insert(base, {}).has_value());
      CHECK(w.process.mprotect(at(MiB), {MiB}, protection::read) == sys::ok);
    };
    make_stale();
    w.hooks.hook = [&](step s) {
      if (s == step::registering) make_stale();
    };
    CHECK(w.fault(base) == errc::busy);
    CHECK(made == 16);
    w.hooks.hook = nullptr;
    CHECK(w.complaint() == "");
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.range_at(base)->interval() == span(base, 64 * KiB));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an event before each bind sends the fault round, ten passes at most (OOM-07)") {
    for (int events = 0; events <= passes + 1; ++events) {
      CAPTURE(events);
      world w{mode(migration_mode::never)};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      int left = events;
      int binds = 0;
      w.hooks.hook = [&](step s) {
        if (s != step::preparing) return;
        ++binds;
        if (left-- > 0) CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
      };
      CHECK(w.fault(base) == (events < passes ? errc::ok : errc::retry));
      CHECK(binds == std::min(events + 1, passes));
      CHECK(w.count(event_kind::gpu_fault_retry) == static_cast<unsigned>(binds - 1));
      w.hooks.hook = nullptr;
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    }
  }

  TEST_CASE("an event before the bind of a range whose notifier is there sends the fault round (OOM-07)") {
    world w{mode(migration_mode::never)};
    w.map(128 * KiB);
    w.cpu_tag(base, 128 * KiB, 1);
    REQUIRE(w.fault(at(64 * KiB)) == errc::ok);
    int binds = 0;
    w.hooks.hook = [&](step s) {
      if (s == step::preparing && ++binds == 1)
        CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    };
    CHECK(w.fault(base) == errc::ok);
    CHECK(binds == 2);
    w.hooks.hook = nullptr;
    CHECK(w.gpu_tags_until(base, 128 * KiB, 1) == 128 * KiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("each kind of change by the CPU just before the bind is seen by the next pass (RAC-02, RAC-04)") {
    enum class change { replace, dontneed, unmap, remap, cpu_touch };
    for (auto const m : {migration_mode::never, migration_mode::where_possible})
      for (auto const c : {change::replace, change::dontneed, change::unmap, change::remap, change::cpu_touch}) {
        CAPTURE(static_cast<int>(m));
        CAPTURE(static_cast<int>(c));
        world w{mode(m)};
        w.map(64 * KiB);
        w.cpu_tag(base, 64 * KiB, 1);
        bool done = false;
        w.hooks.hook = [&](step s) {
          if (s != step::preparing || std::exchange(done, true)) return;
          switch (c) {
            case change::replace:
              CHECK(w.process.replace_page(at(page_bytes)) == (m == migration_mode::never));
              break;
            case change::dontneed:
              CHECK(w.process.madvise_dontneed(base, {64 * KiB}) == sys::ok);
              break;
            case change::unmap:
              CHECK(w.process.munmap(base, {64 * KiB}) == sys::ok);
              break;
            case change::remap:
              CHECK(w.process.munmap(base, {64 * KiB}) == sys::ok);
              w.map(64 * KiB);
              CHECK(w.cpu_write(base, 77) == sys::ok);
              break;
            case change::cpu_touch:
              CHECK(w.cpu_read(at(page_bytes)) == 2u);
              break;
          }
        };
        errc const e = w.fault(base);
        CHECK(done);
        CHECK(e == (c == change::unmap ? errc::no_vma : errc::ok));
        CHECK(w.complaint() == "");
        std::optional<std::uint64_t> const seen = w.gpu_read(base);
        if (c == change::unmap)
          CHECK_FALSE(seen.has_value());
        else
          CHECK(seen == (c == change::dontneed ? 0u : c == change::remap ? 77u : 1u));
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("an endless storm over the walk ends in busy, and the storm over, the fault is served (PAG-16)") {
    world w{mode(migration_mode::never)};
    w.map(64 * KiB);
    w.hooks.hook = [&](step s) {
      if (s == step::walked) CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    };
    CHECK(w.fault(base) == errc::busy);
    CHECK(w.count(event_kind::gpu_fault_retry) == 0);
    CHECK(w.count(event_kind::retry_after_event) == 16);
    w.hooks.hook = nullptr;
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
    CHECK(w.fault(base) == errc::ok);
  }

  TEST_CASE("an IOMMU that never maps again ends the fault after ten passes, and every pass cleans up") {
    world w{mode(migration_mode::never)};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    w.failures.arm(failure::dma_map, 5, failure_plan::repeat::from_then_on);
    CHECK(w.fault(base) == errc::dma_map_failed);
    CHECK(w.count(event_kind::gpu_fault_retry) == passes - 1);
    CHECK(w.dma.live() == 0);
    w.failures.disarm();
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
  }

  TEST_CASE("memory that is unmapped and mapped again before every pass ends the fault all the same") {
    world w{mode(migration_mode::never)};
    w.map(64 * KiB);
    int storms = 0;
    w.hooks.hook = [&](step s) {
      if (s != step::preparing) return;
      ++storms;
      CHECK(w.process.munmap(base, {64 * KiB}) == sys::ok);
      w.map(64 * KiB);
    };
    CHECK(w.fault(base) == errc::retry);
    CHECK(storms == passes);
    w.hooks.hook = nullptr;
    CHECK(w.complaint() == "");
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.range_count() == 1);
  }

  TEST_CASE("RAC-06 RAC-07 two faults that cross leave one range and one mapping a page") {
    for (std::uint64_t const other : {std::uint64_t{0}, 9 * page_bytes}) {
      world w{mode(migration_mode::never)};
      w.map(64 * KiB);
      bool done = false;
      w.hooks.hook = [&](step s) {
        if (s == step::registering && !std::exchange(done, true))
          CHECK(w.fault(at(other), access_kind::write) == errc::ok);
      };
      CHECK(w.fault(base, access_kind::write) == errc::ok);
      CHECK(done);
      CHECK(w.range_count() == 1);
      CHECK(w.dma.live() == 16);
      CHECK(w.failures.calls(failure::dma_map) == 16);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the process that exits under a fault is told from one that lives (TRD-04)") {
    world w{mode(migration_mode::never)};
    w.map(64 * KiB);
    bool done = false;
    w.hooks.hook = [&](step s) {
      if (s == step::preparing && !std::exchange(done, true)) w.process.exit();
    };
    // The fault holds a reference: the exit comes when it lets go, and nothing is left mapped then.
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.process.users() == 0);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.fault(base) == errc::mm_gone);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "whatever fails on the way, the fault ends with its reason, no byte changes, and the next is served "
      "(OOM-01..03)") {
    for (auto const m : {migration_mode::never, migration_mode::where_possible, migration_mode::required})
      for (auto const kind :
           {failure::alloc, failure::ram, failure::dma_map, failure::notifier, failure::populate, failure::copy}) {
        bool const moves = m != migration_mode::never;
        // What moves needs no system page, and what stays no device memory.
        if (moves ? kind == failure::ram : kind == failure::populate || kind == failure::copy) continue;
        CAPTURE(static_cast<int>(m));
        fail_each(
            mode(m), kind,
            {errc::no_memory, errc::no_ram, errc::dma_map_failed, errc::registration_failed, errc::no_device_memory,
             errc::copy_failed, errc::not_in_device_memory},
            [](world& w) {
              w.map(64 * KiB);
              w.cpu_tag(base, 32 * KiB, 1);
            },
            [](world& w) { return w.fault(base, access_kind::write); },
            [](world& w) { return w.cpu_tags_until(base, 32 * KiB, 1) == 32 * KiB && w.cpu_read(at(48 * KiB)) == 0u; });
      }
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <utility>

#include <support/failures.hpp>

using namespace support;
using svm::event_kind;
using svm::migration_mode;
using svm::prefetch_place;

namespace {

svm::mock::machine_options small(migration_mode m = migration_mode::where_possible) {
  return options([m](auto& o) {
    o.chunks = {{64 * KiB}, {4 * KiB}};
    o.driver.migrate = m;
  });
}
errc prefetch(world& w, std::uint64_t offset, std::uint64_t size, prefetch_place where = prefetch_place::as_fault) {
  return w.driver.prefetch(span(at(offset), size), where);
}

}  // namespace

TEST_SUITE("driver/prefetch") {
  TEST_CASE("a prefetch maps all of its span ahead of the GPU, which then takes no fault") {
    world w{small()};
    w.map(256 * KiB);
    w.cpu_tag(base, 256 * KiB, 1);
    CHECK(prefetch(w, 0, 256 * KiB) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, 256 * KiB) == 64);
    CHECK(w.range_count() == 4);
    CHECK(w.gpu_tags_until(base, 256 * KiB, 1) == 256 * KiB);
    CHECK(w.count(event_kind::gpu_fault) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a span that begins and ends inside ranges takes those ranges whole, and no others") {
    world w{small()};
    w.map(512 * KiB);
    CHECK(prefetch(w, 68 * KiB, 64 * KiB) == errc::ok);
    CHECK(w.range_count() == 2);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 128 * KiB) == 32);
    CHECK(w.gpu_mapped_pages(at(192 * KiB), 320 * KiB) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("holes are skipped, at the start, in the middle and at the end; a hole alone is fine") {
    world w{small()};
    w.map(64 * KiB, at(64 * KiB));
    w.map(64 * KiB, at(256 * KiB));
    CHECK(prefetch(w, 0, MiB) == errc::ok);
    CHECK(w.range_count() == 2);
    CHECK(w.gpu_mapped_pages(base, MiB) == 32);
    CHECK(prefetch(w, 2 * MiB, MiB) == errc::ok);
    CHECK(w.range_count() == 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-24 the error of a prefetch stays its own: mapped later, the memory is served") {
    world w{small()};
    CHECK(prefetch(w, 0, 64 * KiB) == errc::ok);  // nothing there yet: a hole
    w.map(64 * KiB, at(64 * KiB), protection::none);
    CHECK(prefetch(w, 0, 128 * KiB) == errc::no_access);
    CHECK(w.range_count() == 0);
    CHECK(w.complaint() == "");
    w.map(64 * KiB);
    REQUIRE(w.process.mprotect(at(64 * KiB), {64 * KiB}, protection::read_write) == sys::ok);
    CHECK(w.fault(base, access_kind::write) == errc::ok);
    CHECK(w.gpu_write(at(64 * KiB), 3) == errc::ok);
    CHECK(w.cpu_read(at(64 * KiB)) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what came before an error stays mapped") {
    world w{small()};
    w.map(64 * KiB);
    w.map(64 * KiB, at(64 * KiB), protection::none);
    w.map(64 * KiB, at(128 * KiB));
    CHECK(prefetch(w, 0, 192 * KiB) == errc::no_access);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 128 * KiB) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("outside the window a prefetch is refused, in a hole too, after it did what lay inside") {
    world w{options([](auto& o) {
      o.chunks = {{64 * KiB}, {4 * KiB}};
      o.window = span(base, 128 * KiB);
    })};
    w.map(256 * KiB, at(64 * KiB));
    CHECK(prefetch(w, 0, 256 * KiB) == errc::outside_window);
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 64 * KiB) == 16);
    CHECK(w.gpu_mapped_pages(at(128 * KiB), 128 * KiB) == 0);
    CHECK(prefetch(w, MiB, 64 * KiB) == errc::outside_window);
    CHECK(w.driver.prefetch(span(cpu_va{4 * GiB - 64 * KiB}, 128 * KiB), prefetch_place::as_fault) ==
          errc::outside_window);
    CHECK(prefetch(w, 64 * KiB, 64 * KiB) == errc::ok);
    REQUIRE(w.process.munmap(at(64 * KiB), {256 * KiB}) == sys::ok);
    CHECK(prefetch(w, 0, 256 * KiB) == errc::outside_window);
    CHECK(prefetch(w, 0, 128 * KiB) == errc::ok);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PRE-03 after a prefetch to the device the GPU takes no fault, in any page") {
    world w{small()};
    w.map(256 * KiB);
    w.cpu_tag(base, 256 * KiB, 9);
    CHECK(prefetch(w, 0, 256 * KiB, prefetch_place::device) == errc::ok);
    CHECK(w.gpu_tags_until(base, 256 * KiB, 9) == 256 * KiB);
    CHECK(w.gpu_write(at(40 * KiB), 77) == errc::ok);
    CHECK(w.count(svm::event_kind::gpu_fault) == 0);
    CHECK(w.cpu_read(at(40 * KiB)) == 77);
  }

  TEST_CASE(
      "PRE-05 file, shared and huge memory that is wanted on the device is mapped in system memory, with success") {
    for (mapping_kind const kind : {mapping_kind::file, mapping_kind::shared, mapping_kind::hugetlb}) {
      CAPTURE(name(kind));
      world w{small()};
      w.map(2 * MiB, base, protection::read_write, kind);
      REQUIRE(w.cpu_write(base, 5) == sys::ok);
      CHECK(prefetch(w, 0, 2 * MiB, prefetch_place::device) == errc::ok);
      CHECK(w.device_pages(base, 2 * MiB) == 0);
      CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 512);
      CHECK(w.gpu_read(base) == 5);
      CHECK(w.count(svm::event_kind::migration_failed) == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a prefetch moves memory to where it is wanted, and back, with the data intact") {
    world w{small()};
    w.map(128 * KiB);
    w.cpu_tag(base, 128 * KiB, 1);
    CHECK(prefetch(w, 0, 128 * KiB, prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(base, 128 * KiB) == 32);
    CHECK(w.gpu_mapped_pages(base, 128 * KiB) == 32);
    CHECK(w.complaint() == "");
    CHECK(prefetch(w, 0, 64 * KiB, prefetch_place::system) == errc::ok);
    CHECK(w.device_pages(base, 64 * KiB) == 0);
    CHECK(w.device_pages(at(64 * KiB), 64 * KiB) == 16);
    CHECK(w.gpu_mapped_pages(base, 128 * KiB) == 32);
    CHECK(w.complaint() == "");
    // As a fault would: a valid mapping is taken where it is.
    CHECK(prefetch(w, 0, 128 * KiB, prefetch_place::as_fault) == errc::ok);
    CHECK(w.device_pages(base, 64 * KiB) == 0);
    CHECK(prefetch(w, 0, 128 * KiB, prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(base, 128 * KiB) == 32);
    CHECK(w.gpu_tags_until(base, 128 * KiB, 1) == 128 * KiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a prefetch to the system is served where faults demand device memory, and memory that cannot move stays") {
    {
      world w{small(migration_mode::required)};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      CHECK(prefetch(w, 0, 64 * KiB, prefetch_place::system) == errc::ok);
      CHECK(w.device_pages(base, 64 * KiB) == 0);
      CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
      CHECK(w.complaint() == "");
    }
    world w{small()};
    w.map(64 * KiB, base, protection::read_write, mapping_kind::shared);
    CHECK(prefetch(w, 0, 64 * KiB, prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(base, 64 * KiB) == 0);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that goes away under a prefetch becomes a hole, and the rest is served") {
    world w{options([](auto& o) {
      o.chunks = {{64 * KiB}, {4 * KiB}};
      o.notifier_size = {64 * KiB};
    })};
    w.map(192 * KiB);
    int registrations = 0;
    w.hooks.hook = [&](step s) {
      if (s == step::registering && ++registrations == 2) CHECK(w.process.munmap(at(64 * KiB), {64 * KiB}) == sys::ok);
    };
    svm::prefetch_report report;
    CHECK(w.driver.prefetch(span(base, 192 * KiB), prefetch_place::as_fault, &report) == errc::ok);
    CHECK(report.placed.value == 32);  // a hole is nowhere
    CHECK(report.elsewhere.value == 0);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 64 * KiB) == 0);
    CHECK(w.gpu_mapped_pages(at(128 * KiB), 64 * KiB) == 16);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("when part of a range goes away under a prefetch, only that part becomes a hole") {
    world w{small()};
    w.map(128 * KiB);
    bool done = false;
    w.hooks.hook = [&](step s) {
      if (s == step::preparing && !std::exchange(done, true)) CHECK(w.process.munmap(base, {32 * KiB}) == sys::ok);
    };
    CHECK(prefetch(w, 0, 128 * KiB) == errc::ok);
    CHECK(done);
    CHECK(w.gpu_mapped_pages(base, 32 * KiB) == 0);
    CHECK(w.gpu_mapped_pages(at(32 * KiB), 96 * KiB) == 24);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the last page below the end of user addresses is reached, and the span's end does not wrap") {
    world w{small()};
    cpu_va const top{svm::mock::user_end - 64 * KiB};
    w.map(64 * KiB, top);
    CHECK(w.driver.prefetch(span(top, 64 * KiB), prefetch_place::as_fault) == errc::ok);
    CHECK(w.gpu_mapped_pages(top, 64 * KiB) == 16);
    CHECK(w.driver.prefetch({top, byte_count{0 - top.value}}, prefetch_place::as_fault) == errc::outside_window);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a process that has exited is told") {
    world w{small()};
    w.map(64 * KiB);
    w.process.exit();
    CHECK(prefetch(w, 0, 64 * KiB) == errc::mm_gone);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("whatever fails on the way, no byte changes, and the same prefetch succeeds afterwards (OOM-01..03)") {
    for (auto const where : {prefetch_place::as_fault, prefetch_place::device, prefetch_place::system})
      for (auto const kind :
           {failure::alloc, failure::ram, failure::dma_map, failure::notifier, failure::populate, failure::copy}) {
        bool const system = where == prefetch_place::system;
        if (!system && kind == failure::ram) continue;  // what goes to the device takes no system page
        if (system && kind == failure::populate) continue;
        if (system && kind == failure::alloc) continue;  // the migrator kept what it needed on the way there
        CAPTURE(static_cast<int>(where));
        bool const notified = kind == failure::notifier;
        fail_each(
            small(), kind,
            {errc::no_memory, errc::no_ram, errc::dma_map_failed, errc::registration_failed, errc::no_device_memory,
             errc::copy_failed},
            [&](world& w) {
              w.map(32 * KiB);
              w.cpu_tag(base, 32 * KiB, 1);
              // What is to leave device memory is there first.
              if (system && !notified) REQUIRE(prefetch(w, 0, 32 * KiB, prefetch_place::device) == errc::ok);
            },
            [&](world& w) { return prefetch(w, 0, 32 * KiB, where); },
            [](world& w) { return w.cpu_tags_until(base, 32 * KiB, 1) == 32 * KiB; });
      }
  }
}

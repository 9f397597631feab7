// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Protections and kinds of memory, as the GPU meets them on the simulated machine.

#include <vector>

#include <pagemap/scene.hpp>

#include <svm/concepts/page_walk.hpp>

using namespace support;

TEST_SUITE("mock/mm, protection and kinds of memory") {
  TEST_CASE("after a change to read-only the GPU reads and may not write (MPR-01)") {
    for (bool const migrate : {true, false}) {
      world w{small_chunks(MiB, [&](auto& o) {
        if (!migrate) o.driver.migrate = svm::migration_mode::never;
      })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.gpu_write(base, 1) == errc::ok);
      REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
      std::byte const word[8]{};
      CHECK_FALSE(w.device.store(base, word));  // the old entry is gone
      CHECK(w.gpu_write(base, 2) == errc::read_only);
      CHECK(errno_name(errc::read_only) == doctest::String{"EPERM"});
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.gpu_write(base, 2) == errc::read_only);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("memory under PROT_NONE is out of reach for both, wherever it is, and intact afterwards (MPR-03)") {
    for (bool const migrate : {true, false}) {
      world w{small_chunks(MiB, [&](auto& o) {
        if (!migrate) o.driver.migrate = svm::migration_mode::never;
      })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.fault(base) == errc::ok);
      REQUIRE(w.process.mprotect(base, {chunk}, protection::none) == sys::ok);
      CHECK(w.fault(base) == errc::no_access);
      CHECK(errno_name(errc::no_access) == doctest::String{"EFAULT"});
      CHECK_FALSE(w.cpu_read(base));
      CHECK(w.device_pages(base, chunk) == (migrate ? chunk_pages : 0));
      CHECK(w.gpu_mapped_pages(base, chunk) == 0);
      CHECK(w.complaint() == "");
      REQUIRE(w.process.mprotect(base, {chunk}, protection::read_write) == sys::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.gpu_write(base, 1) == errc::ok);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("ranges over VMAs that have become one again serve, and none overlaps another (MPR-05)") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.process.mprotect(at(MiB), {MiB}, protection::read) == sys::ok);
    CHECK(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    REQUIRE(w.process.mprotect(at(MiB), {MiB}, protection::read_write) == sys::ok);
    REQUIRE(w.process.vmas().all().size() == 1);
    for (std::uint64_t done = 0; done < 2 * MiB; done += page_bytes)
      REQUIRE(w.gpu_write(at(done), done / page_bytes) == errc::ok);
    CHECK(w.complaint() == "");  // O-16: ranges are disjoint
    CHECK(w.cpu_tags_until(base, 2 * MiB, 0) == 2 * MiB);
  }

  TEST_CASE("a snapshot tells seven pages of every residence and protection apart (MPR-06)") {
    world w{small_chunks()};
    w.map(7 * page_bytes);
    // 0: never touched; 1: zero page; 2: written; 3: written, then read-only; 4: device; 5: device, then read-only;
    // 6: device, then PROT_NONE
    REQUIRE(w.cpu_read(page_at(1)) == 0u);
    for (std::uint64_t const i : {2u, 3u, 4u, 5u, 6u}) REQUIRE(w.cpu_write(page_at(i), i) == sys::ok);
    for (std::uint64_t const i : {4u, 5u, 6u}) REQUIRE(to_device(w, page_at(i), page_bytes) == errc::ok);
    for (std::uint64_t const i : {3u, 5u})
      REQUIRE(w.process.mprotect(page_at(i), {page_bytes}, protection::read) == sys::ok);
    REQUIRE(w.process.mprotect(page_at(6), {page_bytes}, protection::none) == sys::ok);
    std::vector<svm::page_run<svm::mock::page>> runs;  // no two pages have the same place, owner object and permission
    {
      svm::shared_guard const guard{w.process.map_lock()};
      svm::for_each_run(w.process, span(base, 7 * page_bytes), [&](auto const& run) {
        runs.push_back(run);
        return true;
      });
    }
    REQUIRE(runs.size() == 7);
    using enum svm::page_place;
    svm::page_place const places[] = {absent, system, system, system, device, device, device};
    for (std::size_t i = 0; i < 7; ++i) {
      CAPTURE(i);
      CHECK(runs[i].place == places[i]);
      CHECK((runs[i].owner_object != nullptr) == (places[i] == device));
      CHECK(runs[i].count == 1);
    }
    CHECK_FALSE(runs[1].writable);  // the zero page
    CHECK(runs[2].writable);
    CHECK(runs[4].owner_object != runs[5].owner_object);
    CHECK(w.process.entry_at(page_at(0)).is_none());  // nothing was faulted in
  }

  TEST_CASE("the GPU reads a shared mapping that the CPU may only read (FIL-01)") {
    world w{small_chunks()};
    w.map(chunk, base, protection::read_write, mapping_kind::shared);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.gpu_write(base, 1) == errc::read_only);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the GPU's stores reach what is behind a shared mapping, and outlast its page table (FIL-02)") {
    world w{small_chunks()};
    w.map(chunk, base, protection::read_write, mapping_kind::shared);
    CHECK(w.gpu_write(page_at(3), 33) == errc::ok);
    REQUIRE(w.process.madvise_dontneed(base, {chunk}) == sys::ok);
    REQUIRE(w.process.entry_at(page_at(3)).is_none());
    CHECK(w.cpu_read(page_at(3)) == 33u);
    CHECK(w.gpu_read(page_at(3)) == 33u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("shared memory and files are refused by a migration, and the GPU uses system memory (FIL-04)") {
    for (mapping_kind const kind : {mapping_kind::shared, mapping_kind::file}) {
      world w{small_chunks()};
      w.map(chunk, base, protection::read_write, kind);
      w.cpu_tag(base, chunk, 1);
      CHECK(to_device(w, base, chunk) == errc::not_migratable);
      CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.gpu_write(base, 4) == errc::ok);
      CHECK(w.cpu_read(base) == 4u);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the GPU works on reserved huge pages, which no migration moves (HUG-02)") {
    world w;
    w.map(2 * MiB, base, protection::read_write, mapping_kind::hugetlb);
    CHECK(w.gpu_write(at(MiB), 5) == errc::ok);
    CHECK(w.cpu_read(at(MiB)) == 5u);
    CHECK(to_device(w, base, 2 * MiB) == errc::not_migratable);
    CHECK(w.driver.prefetch(span(base, 2 * MiB), prefetch_place::device) == errc::ok);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.frames.ram_used() == byte_count{2 * MiB});  // one touch takes the whole page
    CHECK(w.complaint() == "");
  }
}

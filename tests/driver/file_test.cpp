// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Files as a GPU sees them: they stay in system memory.

#include <cstdint>

#include <mock/processes.hpp>

using namespace support;

TEST_SUITE("driver, files") {
  // Where the reference's self-test moves such pages by a system call, its GPU layer, as this one, migrates anonymous
  // memory only.
  TEST_CASE("a private page of a file that was copied stays in system memory, and is not the file's (FIL-03)") {
    for (bool const gpu_copies : {false, true}) {
      CAPTURE(gpu_copies);
      world w{small_chunks()};
      w.map(chunk, base, protection::read_write, mapping_kind::file);
      REQUIRE(w.process.mmap_same(base, 0, {chunk}, protection::read, at(MiB)).error == sys::ok);
      CHECK((gpu_copies ? w.gpu_write(base, 5) == errc::ok : w.cpu_write(base, 5) == sys::ok));
      CHECK(to_device(w, base, chunk) == errc::not_migratable);
      CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.gpu_read(base) == 5u);
      CHECK(w.gpu_write(page_at(1), 6) == errc::ok);
      CHECK(w.cpu_read(page_at(1)) == 6u);
      CHECK(w.cpu_read(base) == 5u);
      CHECK(w.cpu_read(at(MiB)) == 0u);
      CHECK(w.gpu_read(at(MiB)) == 0u);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the GPU reads and writes a file that is locked in memory, and swapping leaves it alone (FIL-10)") {
    for (auto const kind : {mapping_kind::shared, mapping_kind::file}) {
      CAPTURE(static_cast<int>(kind));
      world w{small_chunks()};
      w.map(chunk, base, protection::read_write, kind);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.process.mlock(base, {chunk}) == sys::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.gpu_write(page_at(3), 30) == errc::ok);
      CHECK(w.cpu_read(page_at(3)) == 30u);
      CHECK(w.complaint() == "");
      auto const behind = pages_behind(w, base, chunk);
      CHECK_FALSE(w.process.swap_out(page_at(3)));
      CHECK(pages_behind(w, base, chunk) == behind);
      CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
      CHECK(w.process.munlock(base, {chunk}) == sys::ok);
      CHECK(w.gpu_read(page_at(3)) == 30u);
      CHECK(w.gpu_read(page_at(4)) == 5u);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }
}

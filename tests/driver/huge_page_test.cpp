// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Folios as a GPU maps them.

#include <algorithm>
#include <cstdint>
#include <vector>

#include <mock/processes.hpp>

#include <svm/concepts/page_walk.hpp>

using namespace support;
using svm::page_flag;

namespace {

constexpr cpu_va far{64 * GiB};

svm::mock::machine_options stays_in_ram(bool thp) {
  return options([&](auto& o) {
    o.driver.migrate = svm::migration_mode::never;
    o.thp = thp;
  });
}
std::vector<svm::page_run<svm::mock::page>> runs(world& w, cpu_va a, std::uint64_t size) {
  std::vector<svm::page_run<svm::mock::page>> found;
  svm::shared_guard const guard{w.process.map_lock()};
  svm::for_each_run(w.process, span(a, size), [&](auto const& run) {
    found.push_back(run);
    return true;
  });
  return found;
}

}  // namespace

TEST_SUITE("driver, huge pages") {
  TEST_CASE("a reserved huge page is one block with one permission, before mprotect and after it (HUG-03)") {
    world w{stays_in_ram(false)};
    w.map(2 * MiB, base, protection::read_write, mapping_kind::hugetlb);
    REQUIRE(w.cpu_write(at(MiB), 7) == sys::ok);
    for (auto const allowed : {protection::read_write, protection::read}) {
      CAPTURE(static_cast<int>(allowed));
      bool const writable = allowed == protection::read_write;
      REQUIRE(w.process.mprotect(base, {2 * MiB}, allowed) == sys::ok);
      auto const seen = runs(w, base, 2 * MiB);
      REQUIRE(seen.size() == 1);
      CHECK(seen[0].count == 512);
      CHECK((seen[0].place == svm::page_place::system && seen[0].writable == writable));
      CHECK(w.gpu_read(at(MiB)) == 7u);
      auto const r = w.range_at(base);
      REQUIRE(r->mapping().blocks_locked().size() == 1);
      CHECK(r->mapping().blocks_locked()[0].count == 512);
      CHECK(r->mapping().has(page_flag::read_only) == !writable);
      CHECK(w.gpu_write(base, 1) == (writable ? errc::ok : errc::read_only));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("64 KiB of folios at odd places make blocks that end with the folio, the piece and the range (HUG-11)") {
    constexpr std::uint64_t piece = 64 * KiB;
    constexpr std::uint64_t shift = 3 * page_bytes;  // aligned to nothing but the page
    for (bool const reversed : {false, true}) {
      CAPTURE(reversed);
      world w{stays_in_ram(true)};
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(order_at(w, base) == 9);
      // Pieces 1, 3, 5, 7 of the huge page go side by side elsewhere, in order or not.
      for (std::uint64_t n = 0; n < 4; ++n) {
        cpu_va const to = far + byte_count{shift + (reversed ? 3 - n : n) * piece};
        REQUIRE(w.process.mremap(at((2 * n + 1) * piece), {piece}, {piece}, false, to).error == sys::ok);
      }
      cpu_va const start = far + byte_count{shift};
      for (std::uint64_t done = 0; done < 4 * piece; done += page_bytes)
        REQUIRE(w.fault(start + byte_count{done}, access_kind::write) == errc::ok);

      std::uint64_t mapped = 0;
      w.driver.svm().for_each_range(span(far, 2 * MiB), [&](auto const& r) {
        cpu_va a = r.interval().start();
        for (svm::device_address const& block : r.mapping().blocks_locked()) {
          std::uint64_t const size = block.count * page_bytes;
          std::uint64_t const from = (a - start).value;
          CHECK(from / piece == (from + size - 1) / piece);  // in one piece: no other has its neighbouring frames
          auto const first = w.process.entry_at(a).target;
          CHECK(w.dma.peek(block.address) == first);
          for (std::uint64_t i = 0; i < block.count; ++i)
            CHECK(w.process.entry_at(a + byte_count{i * page_bytes}).target == w.frames.after(first, i));
          a = a + byte_count{size};
          mapped += size;
        }
        CHECK(a == r.interval().last() + byte_count{1});
      });
      CHECK(mapped == 4 * piece);
      for (std::uint64_t n = 0; n < 4; ++n) {
        cpu_va const there = start + byte_count{(reversed ? 3 - n : n) * piece};
        CHECK(w.gpu_tags_until(there, piece, 1 + (2 * n + 1) * (piece / page_bytes)) == piece);
      }
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a range goes, and its neighbour under the same part of the GPU's page table works on (HUG-13)") {
    for (bool const on_device : {false, true}) {
      CAPTURE(on_device);
      world w{small_chunks(
          MiB, [&](auto& o) { o.driver.migrate = on_device ? o.driver.migrate : svm::migration_mode::never; })};
      w.map(3 * chunk);
      w.cpu_tag(base, 3 * chunk, 1);
      for (std::uint64_t n = 0; n < 3; ++n) REQUIRE(w.fault(at(n * chunk), access_kind::write) == errc::ok);
      auto const faults = w.count(svm::event_kind::gpu_fault);
      REQUIRE(w.process.munmap(at(chunk), {chunk}) == sys::ok);
      w.driver.collect_garbage();
      CHECK(w.range_count() == 2);
      CHECK(w.gpu_mapped_pages(base, 3 * chunk) == 2 * chunk_pages);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.gpu_tags_until(at(2 * chunk), chunk, 1 + 2 * chunk_pages) == chunk);
      CHECK(w.gpu_write(at(chunk - 8), 5) == errc::ok);
      CHECK(w.gpu_write(at(2 * chunk), 6) == errc::ok);
      CHECK(w.count(svm::event_kind::gpu_fault) == faults);
      CHECK(w.gpu_write(at(chunk), 7) == errc::no_vma);
      CHECK(w.cpu_read(at(2 * chunk)) == 6u);
      CHECK(w.complaint() == "");
    }
  }
}

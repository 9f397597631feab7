// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// migrator::bring_back: what a CPU's touch of device memory does.

#include <pagemap/scene.hpp>

using namespace support;

namespace {

/// A chunk with tags from 1 on, in device memory.
void place_chunk(world& w) {
  w.map(chunk);
  w.cpu_tag(base, chunk, 1);
  REQUIRE(w.fault(base) == errc::ok);
  REQUIRE(w.device_pages(base, chunk) == chunk_pages);
}

}  // namespace

TEST_SUITE("pagemap/migrator, CPU faults") {
  TEST_CASE("a touch of one page brings the whole allocation back and releases it once (CFB-01)") {
    world w{small_chunks()};
    place_chunk(w);
    auto const kept = allocation_at(w, base);
    auto const faults = w.process.cpu_faults();
    CHECK(w.cpu_read(page_at(5)) == 6u);
    CHECK(w.process.cpu_faults() == faults + 1);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(kept->is_detached());
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.dma.live() == 0);
    CHECK(w.count(svm::event_kind::migrated_to_system) == 1);
    CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == chunk);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.process.cpu_faults() == faults + 1);
  }

  TEST_CASE("the first, a middle and the last page bring back the same (CFB-02)") {
    for (std::uint64_t const page : {std::uint64_t{0}, chunk_pages / 2, chunk_pages - 1}) {
      CAPTURE(page);
      for (bool const store : {false, true}) {
        world w{small_chunks()};
        place_chunk(w);
        if (!store)
          CHECK(w.cpu_read(page_at(page)) == page + 1);
        else
          CHECK(w.cpu_write(page_at(page), page + 1) == sys::ok);
        CHECK(w.device_pages(base, chunk) == 0);
        CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
        CHECK(w.complaint() == "");
      }
    }
  }

  TEST_CASE("with a VMA smaller than the allocation only what lies in it comes back (CFB-06)") {
    world w{small_chunks()};
    place_chunk(w);
    REQUIRE(w.process.mprotect(base, {chunk / 2}, protection::read) == sys::ok);
    CHECK(w.cpu_read(page_at(2)) == 3u);
    CHECK(w.device_pages(base, chunk / 2) == 0);
    CHECK(w.device_pages(at(chunk / 2), chunk / 2) == chunk_pages / 2);
    CHECK(w.device_memory.used() == byte_count{chunk});  // goes with its last page
    CHECK(w.complaint() == "");
    CHECK(w.cpu_read(page_at(chunk_pages - 1)) == chunk_pages);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "what is left of an allocation beside a hole comes back, and the collector has nothing more to move (CFB-06)") {
    world w{small_chunks()};
    place_chunk(w);
    REQUIRE(w.process.munmap(page_at(4), {4 * page_bytes}) == sys::ok);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.device_pages(base, 4 * page_bytes) == 0);
    CHECK(w.device_pages(page_at(8), 8 * page_bytes) == 8);
    w.driver.collect_garbage();
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.cpu_read(page_at(8)) == 9u);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("pages of another allocation beside the fault stay on the device (CFB-07)") {
    world w{small_chunks()};
    place_chunk(w);
    REQUIRE(w.process.munmap(page_at(3), {page_bytes}) == sys::ok);
    w.map(page_bytes, page_at(3));
    REQUIRE(w.cpu_write(page_at(3), 333) == sys::ok);
    REQUIRE(to_device(w, page_at(3), page_bytes) == errc::ok);
    w.map(chunk, at(chunk));
    w.cpu_tag(at(chunk), chunk, 100);
    REQUIRE(to_device(w, at(chunk), chunk) == errc::ok);
    CHECK(w.cpu_read(page_at(4)) == 5u);
    CHECK(w.device_pages(base, chunk) == 1);
    CHECK(w.process.entry_at(page_at(3)).what == pte::state::device);
    CHECK(w.device_pages(at(chunk), chunk) == chunk_pages);
    CHECK(w.cpu_read(page_at(3)) == 333u);
    CHECK(w.cpu_tags_until(at(chunk), chunk, 100) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("when system pages run out after the first, the faulting page alone comes back (CFB-08)") {
    for (std::uint64_t const page : {std::uint64_t{0}, std::uint64_t{9}, chunk_pages - 1}) {
      CAPTURE(page);
      world w{small_chunks()};
      place_chunk(w);
      w.failures.arm(failure::ram, 2, repeat::from_then_on);  // erratum 3.2.11
      CHECK(w.cpu_read(page_at(page)) == page + 1);
      CHECK(w.process.entry_at(page_at(page)).what == pte::state::present);
      CHECK(w.device_pages(base, chunk) == chunk_pages - 1);
      w.failures.disarm();
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.device_memory.used() == byte_count{});
    }
  }

  TEST_CASE("a block for which there is no system block comes back page by page, the faulting one first") {
    for (std::uint64_t const n : {std::uint64_t{0}, std::uint64_t{5}}) {
      CAPTURE(n);
      world w{options([](auto& o) {
        o.thp = true;
        o.vram = {8 * MiB};
      })};
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
      REQUIRE(w.frames.head(w.process.entry_at(base).target).order.value == 9);
      w.failures.arm(failure::ram, 1);  // the block
      CHECK(w.cpu_read(page_at(n)) == n + 1);
      CHECK(w.failures.struck() == 1);
      CHECK(w.device_pages(base, 2 * MiB) == 0);
      CHECK(w.frames.head(w.process.entry_at(base).target).order.value == 0);
      CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("when there is no system page at all the touch is a bus error and the device's copy stays (CFB-08)") {
    world w{small_chunks()};
    place_chunk(w);
    auto const before = pages_behind(w, base, chunk);
    w.failures.arm(failure::ram, 1, repeat::from_then_on);
    std::byte word[8];
    CHECK(w.process.load(page_at(5), word) == sys::sigbus);
    CHECK(w.process.store(page_at(6), word) == sys::sigbus);
    w.failures.disarm();
    CHECK(pages_behind(w, base, chunk) == before);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a system page that is missing at any step costs no page and no byte (CFB-08)") {
    for (std::uint64_t k = 2; k <= chunk_pages; ++k) {
      CAPTURE(k);
      world w{small_chunks()};
      place_chunk(w);
      w.failures.arm(failure::ram, k, repeat::from_then_on);
      CHECK(w.cpu_read(page_at(7)) == 8u);
      w.failures.disarm();
      CHECK(w.device_pages(base, chunk) == chunk_pages - (k - 1));  // as far as memory went
      CHECK(w.frames.ram_used() == byte_count{(k - 1) * page_bytes});
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.device_memory.used() == byte_count{});
    }
  }

  TEST_CASE("without any bookkeeping memory the faulting page comes back alone (CFB-08)") {
    world w{small_chunks()};
    place_chunk(w);
    REQUIRE(w.mover.kept().take());  // as a migration does that is under way
    w.failures.arm(failure::alloc, 1, repeat::from_then_on);
    for (std::uint64_t touched = 0; touched < chunk_pages; ++touched) {
      CAPTURE(touched);
      std::uint64_t const page = (touched * 7 + 3) % chunk_pages;
      CHECK(w.cpu_read(page_at(page)) == page + 1);
      CHECK(w.device_pages(base, chunk) == chunk_pages - touched - 1);
    }
    CHECK(w.device_memory.used() == byte_count{});
    w.failures.disarm();
    w.mover.kept().give_back();
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a failed copy is a bus error, the device's copy stays and the next touch works (CFB-09)") {
    world w{small_chunks()};
    place_chunk(w);
    auto const before = pages_behind(w, base, chunk);
    w.failures.arm(failure::copy, 1);
    CHECK_FALSE(w.cpu_read(page_at(5)));
    CHECK(pages_behind(w, base, chunk) == before);
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.dma.live() == 0);  // the failed try ended the GPU's mapping; its device pages need none
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a DMA mapping that fails at any step loses nothing, and spares the faulting page if it can (CFB-09)") {
    for (std::uint64_t k = 1; k <= chunk_pages; ++k) {
      CAPTURE(k);
      world w{small_chunks()};
      place_chunk(w);
      w.failures.arm(failure::dma_map, k, repeat::from_then_on);
      CHECK(w.cpu_read(page_at(7)).has_value() == (k > 1));
      w.failures.disarm();
      CHECK(w.device_pages(base, chunk) == chunk_pages - (k - 1));
      CHECK(w.dma.live() == 0);
      CHECK(w.frames.ram_used() == byte_count{(k - 1) * page_bytes});
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the GPU's entries are gone before the copy begins, so no store of the GPU is lost (CFB-10)") {
    world w{small_chunks()};
    place_chunk(w);
    REQUIRE(w.gpu_write(page_at(4), 444) == errc::ok);
    bool checked = false;
    w.hooks.hook = [&](step s) {
      if (s != step::copying) return;
      checked = true;
      CHECK(w.gpu_mapped_pages(base, chunk) == 0);
      std::byte const word[8]{};
      CHECK_FALSE(w.device.store(page_at(4), word));
    };
    CHECK(w.cpu_read(page_at(4)) == 444u);
    CHECK(checked);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the CPU faults once for each chunk, and a chunk is as large as the table says (CFB-11)") {
    std::uint64_t const size = 256 * KiB;
    for (std::uint64_t const granule : {4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB}) {
      CAPTURE(granule);
      world w{options([&](auto& o) {
        o.chunks.clear();
        o.chunks.push_back({granule});
        if (granule != page_bytes) o.chunks.push_back({page_bytes});
      })};
      w.map(size);
      w.cpu_tag(base, size, 1);
      REQUIRE(w.driver.prefetch(span(base, size), prefetch_place::device) == errc::ok);
      auto const faults = w.process.cpu_faults();
      CHECK(w.cpu_tags_until(base, size, 1) == size);
      CHECK(w.process.cpu_faults() - faults == size / granule);
      CHECK(w.count(svm::event_kind::migrated_to_system) == size / granule);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("device memory that is withdrawn as a whole leaves every byte readable (CFB-13)") {
    world w{small_chunks()};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    REQUIRE(w.driver.prefetch(span(base, 4 * chunk), prefetch_place::device) == errc::ok);
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.device_memory.used() == byte_count{});
    auto const faults = w.process.cpu_faults();
    CHECK(w.cpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
    CHECK(w.process.cpu_faults() == faults);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range whose page went back to the CPU is not taken for device memory (CFB-14)") {
    world w{small_chunks()};
    place_chunk(w);
    auto const r = w.range_at(base);
    REQUIRE(r->mapping().has(svm::page_flag::device));
    CHECK(w.cpu_write(page_at(1), 77) == sys::ok);
    CHECK_FALSE(r->mapping().has(svm::page_flag::valid));
    w.process.pin(base, true);  // so that it stays in system memory
    CHECK(w.gpu_read(page_at(1)) == 77u);
    CHECK(r->mapping().has(svm::page_flag::valid));
    CHECK_FALSE(r->mapping().has(svm::page_flag::device));
    CHECK(w.dma.live() == chunk_pages);
    w.process.pin(base, false);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "a pinned device page is a bus error after a bounded number of faults, not an endless one (erratum 3.2.10)") {
    world w{small_chunks()};
    place_chunk(w);
    w.process.pin(page_at(5), true);
    auto const faults = w.process.cpu_faults();
    CHECK_FALSE(w.cpu_read(page_at(5)));
    CHECK(w.process.cpu_faults() - faults <= 2);
    CHECK(w.process.entry_at(page_at(5)).what == pte::state::device);
    w.process.pin(page_at(5), false);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("a neighbour that is pinned does not keep the faulting page from coming back") {
    world w{small_chunks()};
    place_chunk(w);
    w.process.pin(page_at(5), true);
    CHECK(w.cpu_read(page_at(6)) == 7u);
    CHECK(w.device_pages(base, chunk) == 1);
    w.process.pin(page_at(5), false);
    CHECK(w.cpu_read(page_at(5)) == 6u);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the page that faults and that somebody else is moving makes the fault look again") {
    world w{small_chunks()};
    place_chunk(w);
    auto const kept = allocation_at(w, base);
    auto const p = w.process.entry_at(base).target;
    auto& f = w.frames.of(p);
    f.locked = true;
    ++f.references;  // the fault's
    auto const answer = kept->live_pages().page_faulted({w.process.id(), base, p, span(base, page_bytes)});
    --f.references;
    f.locked = false;
    CHECK(answer.next == svm::cpu_fault_answer::action::look_again);
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "device memory that was moved to an odd place comes back when touched, and no other with it (erratum 3.2.8)") {
    for (std::uint64_t const shift : {1u, 3u, 15u}) {
      world w{small_chunks()};
      w.map(2 * chunk);
      w.cpu_tag(base, 2 * chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      REQUIRE(to_device(w, at(chunk), chunk) == errc::ok);
      cpu_va const there = at(MiB + shift * page_bytes);
      REQUIRE(w.process.mremap(base, {chunk}, {chunk}, false, there).error == sys::ok);
      REQUIRE(w.device_pages(there, chunk) == chunk_pages);
      CHECK(w.cpu_read(there + byte_count{5 * page_bytes}) == 6u);
      CHECK(w.device_pages(there, chunk) == 0);
      CHECK(w.device_pages(at(chunk), chunk) == chunk_pages);
      CHECK(w.device_memory.used() == byte_count{chunk});
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(there, chunk, 1) == chunk);
      CHECK(w.gpu_tags_until(there, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }
}

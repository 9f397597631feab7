// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using transfer = svm::detail::transfer<policies>;
using svm::dma_direction;

/// `count` system pages that belong to the test.
std::vector<svm::mock::page> pages_of_ram(world& w, std::size_t count) {
  std::vector<svm::mock::page> got;
  for (std::size_t i = 0; i < count; ++i) got.push_back(*w.process.allocate_page({}));
  return got;
}

}  // namespace

TEST_SUITE("pagemap/transfer") {
  TEST_CASE("it has a slot and a block for each page that it was asked for") {
    world w;
    transfer work{w.mover.env()};
    CHECK(work.slots().empty());
    REQUIRE(work.reserve(5));
    work.start_job(w.device);
    CHECK(work.slots().size() == 5);
    for (auto const& s : work.slots()) CHECK(s.state == svm::slot_state::untouched);
    CHECK(work.job().empty());
    CHECK(work.bytes() == byte_count{});
  }

  TEST_CASE("without memory for its arrays there is room for one page, also where a migrator keeps some") {
    for (bool const kept : {false, true}) {
      world w;
      std::optional<transfer> made;
      kept ? made.emplace(w.mover.env(), w.mover.kept()) : made.emplace(w.mover.env());
      transfer& work = *made;
      w.failures.arm(failure::alloc, 1);
      CHECK_FALSE(work.reserve(5));
      work.start_job(w.device);
      REQUIRE(work.slots().size() == 1);
      auto const pages = pages_of_ram(w, 1);
      CHECK(work.add_system(pages[0], {}, {1}, dma_direction::from_device) == errc::ok);
      CHECK(work.job().size() == 1);
      CHECK(work.bytes() == byte_count{page_bytes});
      work.unmap_all();
      w.process.discard_page(pages[0]);
      CHECK(w.dma.live() == 0);
    }
  }

  TEST_CASE("a DMA address of 0 is an address: it is in the job and is unmapped again (defect D10, erratum 3.2.6)") {
    world w;
    transfer work{w.mover.env()};
    REQUIRE(work.reserve(2));
    work.start_job(w.device);
    auto const pages = pages_of_ram(w, 2);
    CHECK(work.add_system(pages[0], {}, {1}, dma_direction::to_device) == errc::ok);
    CHECK(work.job()[0].remote.address == svm::dma_addr{0});
    CHECK(w.dma.live() == 1);
    work.unmap_all();
    CHECK(w.dma.live() == 0);
    CHECK(work.job().empty());
    for (auto const p : pages) w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory at DMA address 0 is copied both ways (PAG-18, defect D10)") {
    for (svm::dma_addr const first : {svm::dma_addr{0}, svm::dma_addr{std::uint64_t{1} << 40}}) {
      world w{small_chunks(MiB, [&](auto& o) { o.first_dma_address = first; })};
      w.map(2 * page_bytes);
      w.cpu_tag(base, 2 * page_bytes, 41);
      REQUIRE(to_device(w, base, page_bytes) == errc::ok);
      REQUIRE(to_device(w, page_at(1), page_bytes) == errc::ok);
      CHECK(w.gpu_tags_until(base, 2 * page_bytes, 41) == 2 * page_bytes);
      CHECK(w.cpu_tags_until(base, 2 * page_bytes, 41) == 2 * page_bytes);
      CHECK(w.dma.live() == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a block that cannot be mapped leaves the job as it was") {
    world w;
    transfer work{w.mover.env()};
    REQUIRE(work.reserve(3));
    work.start_job(w.device);
    auto const pages = pages_of_ram(w, 3);
    w.failures.arm(failure::dma_map, 2);
    CHECK(work.add_system(pages[0], {}, {1}, dma_direction::to_device) == errc::ok);
    CHECK(work.add_system(pages[1], {}, {1}, dma_direction::to_device) == errc::dma_map_failed);
    CHECK(work.job().size() == 1);
    CHECK(work.add_system(pages[2], {}, {1}, dma_direction::to_device) == errc::ok);
    CHECK(work.job().size() == 2);
    CHECK(w.dma.live() == 2);
    work.unmap_all();
    for (auto const p : pages) w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("its end ends its DMA mappings, in the direction in which they were made") {
    world w;
    auto const pages = pages_of_ram(w, 2);
    for (dma_direction const way : {dma_direction::to_device, dma_direction::from_device}) {
      {
        transfer work{w.mover.env()};
        REQUIRE(work.reserve(2));
        work.start_job(w.device);
        for (auto const p : pages) REQUIRE(work.add_system(p, {}, {1}, way) == errc::ok);
        CHECK(w.dma.live() == 2);
      }
      CHECK(w.dma.live() == 0);
    }
    for (auto const p : pages) w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a migration maps no page with more rights than its copy needs") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    int jobs = 0;
    w.hooks.hook = [&](step s) {
      if (s != step::copying) return;
      bool const to_system = jobs++ != 0;
      // The other way round would be a broken rule, and says so.
      CHECK(w.dma.resolve({0}, to_system) != svm::mock::page{});
      CHECK(w.broken.empty());
      static_cast<void>(w.dma.resolve({0}, !to_system));
      CHECK(w.broken.take().size() == 1);
    };
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    REQUIRE(w.mover.evict_all() == errc::ok);
    CHECK(jobs == 2);
  }

  TEST_CASE("a migration takes one block of the heap once its migrator is warm, and the way back none") {
    world w{small_chunks(16 * MiB)};
    w.map(4 * MiB);
    REQUIRE(to_device(w, at(MiB), chunk) == errc::ok);  // it stays in use
    auto const allocations = [&](auto&& action) {
      std::uint64_t const before = w.failures.calls(failure::alloc);
      action();
      return w.failures.calls(failure::alloc) - before;
    };
    for (svm::byte_count const size : {byte_count{page_bytes}, byte_count{chunk}, byte_count{2 * MiB}}) {
      CAPTURE(size.value);
      svm::cpu_va const start = at(2 * MiB);
      w.cpu_tag(start, size.value, 1);
      for (bool const warm : {false, true}) {
        std::uint64_t const there = allocations([&] { REQUIRE(to_device(w, start, size.value) == errc::ok); });
        std::uint64_t const back = allocations([&] { REQUIRE(w.mover.evict(*allocation_at(w, start)) == errc::ok); });
        if (!warm) continue;
        CHECK(there == 1);
        CHECK(back == 0);
      }
    }
    REQUIRE(to_device(w, at(2 * MiB), chunk) == errc::ok);
    CHECK(allocations([&] { CHECK(w.cpu_read(at(2 * MiB))); }) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what a migrator keeps goes with the last use of its memory") {
    world w{small_chunks(16 * MiB)};
    w.map(MiB);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    CHECK(w.mover.kept().arrays().capacity() == chunk_pages);
    REQUIRE(w.mover.evict_all() == errc::ok);
    CHECK(w.mover.kept().arrays().capacity() == 0);
  }

  TEST_CASE("arrays for more pages than a large folio has are not kept, and somebody's are left alone") {
    world w{small_chunks(16 * MiB)};
    w.map(4 * MiB);
    REQUIRE(to_device(w, base, 4 * MiB) == errc::ok);
    CHECK(w.mover.kept().arrays().capacity() == 0);
    REQUIRE(w.mover.kept().take());
    REQUIRE(w.mover.kept().arrays().reserve(2));
    REQUIRE(w.mover.evict_all() == errc::ok);  // with arrays of its own, and it was the last use
    CHECK(w.mover.kept().arrays().capacity() == 2);
    w.mover.kept().give_back();
    CHECK(w.mover.kept().arrays().capacity() == 0);
  }
}

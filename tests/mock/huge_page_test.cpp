// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Huge pages: first touch, advice, splits, collapse, compaction, and what migrations do with them.

#include <array>

#include <mock/processes.hpp>

#include <svm/concepts/page_walk.hpp>

using namespace support;

namespace {

constexpr auto rw = protection::read_write;

svm::mock::machine_options huge(std::uint64_t ram = GiB) {
  return options([&](auto& o) {
    o.thp = true;
    o.ram = {ram};
  });
}
/// The numbers of pages of the runs that a walk reports.
std::vector<std::uint32_t> runs(world& w, cpu_va a, std::uint64_t size) {
  std::vector<std::uint32_t> counts;
  svm::shared_guard const guard{w.process.map_lock()};
  svm::for_each_run(w.process, span(a, size), [&](auto const& run) {
    counts.push_back(run.count);
    return true;
  });
  return counts;
}

}  // namespace

TEST_SUITE("mock/mm, huge pages") {
  TEST_CASE("a write touches 2 MiB at once where they are aligned and in the VMA, and nowhere else (HUG-01)") {
    world w{huge()};
    w.map(5 * MiB, base + byte_count{MiB});  // one huge page can lie in the middle, and one more
    REQUIRE(w.cpu_write(at(MiB), 1) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{page_bytes});
    REQUIRE(w.cpu_write(at(3 * MiB), 2) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{2 * MiB + page_bytes});
    CHECK(order_at(w, at(2 * MiB)) == 9);
    CHECK(w.cpu_read(at(2 * MiB)) == 0u);
    CHECK(w.gpu_write(at(2 * MiB), 3) == errc::ok);
    CHECK(w.cpu_read(at(2 * MiB)) == 3u);
    CHECK(w.cpu_read(at(3 * MiB)) == 2u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a read maps the zero page everywhere, and the first write makes it one huge page (HUG-05)") {
    world w{huge()};
    w.map(2 * MiB);
    CHECK(w.cpu_read(at(MiB)) == 0u);
    CHECK(table(w, w.first(), base, 2 * page_bytes) == "zz");
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.cpu_write(base, 1) == sys::ok);
    CHECK(order_at(w, at(MiB)) == 9);
    CHECK(w.cpu_read(at(MiB)) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("small pages serve when no block of 2 MiB is free, or where something is there already (HUG-08)") {
    world w{huge(4 * MiB)};
    w.map(page_bytes, at(GiB));
    w.map(6 * MiB);
    w.failures.arm(failure::ram, 1);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    CHECK(order_at(w, base) == 0);
    CHECK(w.cpu_write(at(MiB), 2) == sys::ok);
    CHECK(order_at(w, at(MiB)) == 0);
    CHECK(w.cpu_write(at(2 * MiB), 3) == sys::ok);
    CHECK(order_at(w, at(2 * MiB)) == 9);
    CHECK(w.cpu_write(at(4 * MiB), 4) == sys::ok);
    CHECK(order_at(w, at(4 * MiB)) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("advice turns them on and off, and splits no VMA") {
    world w;
    w.map(4 * MiB);
    REQUIRE(w.process.madvise(base, {2 * MiB}, advice::hugepage) == sys::ok);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.cpu_write(at(2 * MiB), 1) == sys::ok);
    CHECK(order_at(w, base) == 9);
    CHECK(order_at(w, at(2 * MiB)) == 0);
    CHECK(w.process.vmas().all().size() == 1);
    CHECK(w.process.madvise(base, {8 * MiB}, advice::hugepage) == sys::enomem);
    CHECK(w.process.madvise(base, {100}, advice::hugepage) == sys::einval);
    world v{huge()};
    v.map(2 * MiB);
    REQUIRE(v.process.madvise(base, {2 * MiB}, advice::nohugepage) == sys::ok);
    REQUIRE(v.cpu_write(base, 1) == sys::ok);
    CHECK(order_at(v, base) == 0);
    REQUIRE(v.process.munmap(base, {2 * MiB}) == sys::ok);
    v.map(2 * MiB);
    REQUIRE(v.cpu_write(base, 1) == sys::ok);
    CHECK(order_at(v, base) == 9);  // nothing was said about the new mapping
  }

  TEST_CASE("a huge page that is unmapped in part becomes small pages, and one that is held waits (HUG-12)") {
    world w{huge()};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    auto const first = w.process.entry_at(base).target;
    REQUIRE(w.process.mprotect(at(MiB), {page_bytes}, protection::read) == sys::ok);
    CHECK(order_at(w, base) == 9);
    w.process.pin(base, true);
    REQUIRE(w.process.munmap(at(MiB), {page_bytes}) == sys::ok);
    CHECK(order_at(w, base) == 9);
    CHECK(w.frames.ram_used() == byte_count{2 * MiB});
    w.process.pin(base, false);
    REQUIRE(w.process.madvise_dontneed(at(MiB) + byte_count{page_bytes}, {page_bytes}) == sys::ok);
    CHECK(order_at(w, base) == 0);
    CHECK(w.process.entry_at(base).target == first);
    CHECK(w.frames.ram_used() == byte_count{2 * MiB - 2 * page_bytes});
    CHECK(w.cpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the kernel splits one, collapses small pages into one, and moves one (HUG-09, HUG-10)") {
    world w{options([](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(2 * MiB);
    w.cpu_tag(base, MiB, 1);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    CHECK_FALSE(w.process.split_page(base));
    CHECK(w.process.madvise(base, {2 * MiB}, advice::collapse) == sys::ok);
    CHECK(order_at(w, base) == 9);
    CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 0);
    CHECK(w.gpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.dma.live() == 1);
    CHECK(w.complaint() == "");
    auto const before = w.process.entry_at(base).target;
    CHECK(w.process.replace_page(at(MiB)));
    CHECK(order_at(w, base) == 9);
    CHECK(w.process.entry_at(base).target != before);
    CHECK(w.gpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.process.split_page(at(MiB)));
    CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 0);
    CHECK(order_at(w, base) == 0);
    CHECK(w.gpu_tags_until(base, MiB, 1) == MiB);
    w.process.pin(base, true);
    CHECK(w.process.madvise(base, {2 * MiB}, advice::collapse) == sys::eagain);
    w.process.pin(base, false);
    w.map(2 * MiB, at(4 * MiB), rw, mapping_kind::shared);
    CHECK(w.process.madvise(at(4 * MiB), {2 * MiB}, advice::collapse) == sys::einval);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("free drops the content of anonymous memory on the device, and both sides read zeros (HUG-06)") {
    world w{huge()};
    w.map(2 * MiB);
    w.map(page_bytes, at(4 * MiB), rw, mapping_kind::file);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
    REQUIRE(w.gpu_read(base) == 1u);
    CHECK(w.process.madvise(base, {2 * MiB}, advice::free) == sys::ok);
    CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 0);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.gpu_read(at(MiB)) == 0u);
    CHECK(w.process.madvise(at(4 * MiB), {page_bytes}, advice::free) == sys::einval);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a walk reports the largest run of frames at neighbouring addresses, wherever it begins (PAG-08, PAG-09)") {
    world w{huge()};
    w.map(4 * MiB);
    w.cpu_tag(base, 4 * MiB, 1);
    using counts = std::vector<std::uint32_t>;
    CHECK(runs(w, base, 2 * MiB) == counts{512});
    CHECK(runs(w, at(MiB), 2 * MiB) == counts{256, 256});  // blocks come from the top of memory downwards
    CHECK(runs(w, page_at(1), 3 * page_bytes) == counts{3});
    REQUIRE(w.process.mprotect(page_at(8), {page_bytes}, protection::read) == sys::ok);
    CHECK(runs(w, base, 16 * page_bytes) == counts{8, 1, 7});
  }

  TEST_CASE("a huge page moves whole to the device and back (HUG-07)") {
    world w{huge()};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.device_pages(base, 2 * MiB) == 512);
    CHECK(order_at(w, at(MiB)) == 9);
    CHECK(w.range_at(base)->mapping().blocks_locked().size() == 1);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_read(at(MiB)) == 257u);
    CHECK(order_at(w, base) == 9);
    CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that was never touched, and the huge zero page, become one block of the device (HUG-04, HUG-05)") {
    for (bool const read_before : {false, true}) {
      world w{huge()};
      w.map(2 * MiB);
      if (read_before) REQUIRE(w.cpu_read(base) == 0u);
      REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
      CHECK(order_at(w, base) == 9);
      CHECK(w.gpu_read(at(MiB)) == 0u);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_read(at(MiB)) == 0u);
    }
  }

  TEST_CASE("when no huge page is free it comes back as small ones (HUG-08)") {
    world w{huge(4 * MiB)};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
    // One small page in each 2 MiB of system memory.
    w.map(3 * MiB, at(GiB));
    REQUIRE(w.process.madvise(at(GiB), {3 * MiB}, advice::nohugepage) == sys::ok);
    w.cpu_tag(at(GiB), 3 * MiB, 1);
    REQUIRE(w.process.munmap(at(GiB), {MiB}) == sys::ok);
    REQUIRE(w.process.munmap(at(GiB + MiB) + byte_count{page_bytes}, {2 * MiB - 2 * page_bytes}) == sys::ok);
    REQUIRE(w.frames.allocate_ram({9}).error() == errc::no_ram);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(order_at(w, base) == 0);
    CHECK(w.device_pages(base, 2 * MiB) == 0);
    CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a huge page that the span cuts is split, and its half moves (HUG-12)") {
    world w{options([](auto& o) {
      o.thp = true;
      o.chunks = {byte_count{chunk}, byte_count{page_bytes}};
    })};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.gpu_write(at(MiB), 257) == errc::ok);
    CHECK(w.device_pages(base, 2 * MiB) == chunk_pages);
    CHECK(order_at(w, base) == 0);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a partial unmap of a huge page on the device gives back only its pages (UNM-17)") {
    world w{huge()};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
    REQUIRE(w.process.munmap(at(MiB), {MiB}) == sys::ok);
    CHECK(order_at(w, base) == 0);
    CHECK(w.device_pages(base, MiB) == 256);
    CHECK(w.device_memory.used() == byte_count{2 * MiB});  // the allocation stays whole
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an unmap in the middle of a huge page's migration is seen when it ends") {
    for (step const when : {step::copying, step::installing}) {
      world w{huge()};
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
      interfere(w, when, [&] { REQUIRE(w.process.munmap(at(MiB), {page_bytes}) == sys::ok); });
      static_cast<void>(w.mover.evict_all());
      w.hooks.hook = nullptr;
      CHECK(w.frames.ram_used() == byte_count{2 * MiB - page_bytes});
      CHECK(order_at(w, base) == 0);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.cpu_tags_until(base, MiB, 1) == MiB);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a fork shares a huge page, and a write of one process copies a small page of it") {
    world w{huge()};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    task& child = w.fork(w.first());
    CHECK(store(child, page_at(3), 0) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{2 * MiB + page_bytes});
    CHECK(order_at(w, base) == 9);
    CHECK(w.complaint() == "");
    w.exit(child);
    auto const page = w.process.entry_at(page_at(4)).target;
    CHECK(w.cpu_write(page_at(4), 9) == sys::ok);
    CHECK(w.process.entry_at(page_at(4)).target == page);
    CHECK(w.complaint() == "");
  }
}

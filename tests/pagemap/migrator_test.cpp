// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

namespace {

/// Device memory whose copy engine only knows one direction.
struct one_way_memory : policies::pagemap {
  svm::errc copy_to_system(std::span<svm::copy_block<policies::mm::page> const>) = delete;
};
static_assert(svm::pagemap<policies::pagemap, policies::mm::page, policies::device>);

}  // namespace

TEST_SUITE("pagemap/migrator") {
  TEST_CASE("a migration moves every byte, frees the system pages, and the GPU reads the data (MIG-01)") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    CHECK(to_device(w, base, 2 * MiB) == errc::ok);
    CHECK(w.device_pages(base, 2 * MiB) == 512);
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.device_memory.used() == byte_count{2 * MiB});
    CHECK(w.dma.live() == 0);
    CHECK(w.stats.bytes(svm::event_kind::migrated_to_device) == 2 * MiB);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("ten round trips with new data each way bring the right bytes every time (MIG-02)") {
    world w{small_chunks()};
    w.map(chunk);
    for (std::uint64_t round = 0; round < 10; ++round) {
      CAPTURE(round);
      w.cpu_tag(base, chunk, 1000 * round);
      REQUIRE(w.driver.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.gpu_tags_until(base, chunk, 1000 * round) == chunk);
      for (std::uint64_t i = 0; i < chunk_pages; ++i) REQUIRE(w.gpu_write(page_at(i), 500 + i + round) == errc::ok);
      CHECK(w.cpu_tags_until(base, chunk, 500 + round) == chunk);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("what came back in part is gathered in one new allocation and the old one goes (MIG-03)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 7);
    REQUIRE(w.fault(base) == errc::ok);
    auto const old = allocation_at(w, base);
    REQUIRE(w.mover.evict_span(w.process, span(base, chunk / 2)) == errc::ok);
    REQUIRE(w.device_pages(base, chunk) == chunk_pages / 2);
    CHECK_FALSE(old->is_detached());
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(old->is_detached());
    CHECK(w.device_memory.used() == byte_count{chunk});
    CHECK(w.gpu_tags_until(base, chunk, 7) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a hole, the part beyond a VMA and PROT_NONE are refused, and nothing moves (MIG-04)") {
    world w{small_chunks()};
    CHECK(to_device(w, base, chunk) == errc::no_vma);
    w.map(chunk / 2);
    w.cpu_tag(base, chunk / 2, 1);
    auto const before = pages_behind(w, base, chunk / 2);
    CHECK(to_device(w, base, chunk) == errc::spans_vmas);
    CHECK(errno_name(errc::spans_vmas) == doctest::String{"EINVAL"});
    REQUIRE(w.process.mprotect(base, {chunk / 2}, protection::none) == sys::ok);
    CHECK(w.driver.prefetch(span(base, chunk / 2), prefetch_place::device) == errc::no_access);
    CHECK(w.fault(base, access_kind::write) == errc::read_only);
    CHECK(pages_behind(w, base, chunk / 2) == before);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.range_count() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("read-only, writable and zero pages all move, and what was read-only stays so (MIG-05)") {
    world w{small_chunks()};
    w.map(3 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    for (std::uint64_t i = 0; i < chunk_pages; ++i)
      REQUIRE(w.cpu_read(at(2 * chunk) + byte_count{i * page_bytes}) == 0u);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
    REQUIRE(w.driver.prefetch(span(base, 3 * chunk), prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(base, 3 * chunk) == 3 * chunk_pages);
    CHECK(w.failures.calls(failure::copy) == 2);  // zero pages have no bytes to copy
    CHECK(w.gpu_write(base, 99) == errc::read_only);
    CHECK(w.gpu_write(at(chunk), 99) == errc::ok);
    CHECK(w.gpu_read(at(2 * chunk)) == 0u);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_write(base, 99) == sys::sigsegv);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.cpu_read(at(chunk)) == 99u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("never-touched memory reads zero in device memory that is full of old data (MIG-06)") {
    world w{small_chunks(chunk)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 0x5ec2e7);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    w.map(chunk);
    REQUIRE(to_device(w, base, chunk) == errc::ok);  // holes only: erratum 3.2.7
    REQUIRE(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.failures.calls(failure::copy) == 1);
    CHECK(dirty_pages(base, chunk, [&](cpu_va a, auto& bytes) { return w.gpu_load(a, bytes) == errc::ok; }) == 0);
    CHECK(dirty_pages(base, chunk, [&](cpu_va a, auto& bytes) { return w.process.load(a, bytes) == sys::ok; }) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("one pinned page keeps the whole span in system memory, and the GPU works there (MIG-07)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    auto const before = pages_behind(w, base, chunk);
    w.process.pin(page_at(5), true);
    CHECK(to_device(w, base, chunk) == errc::in_use);
    CHECK(pages_behind(w, base, chunk) == before);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.count(svm::event_kind::migration_failed) == 1);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(pages_behind(w, base, chunk) == before);
    w.process.pin(page_at(5), false);
    CHECK(w.complaint() == "");
    CHECK(to_device(w, base, chunk) == errc::ok);
  }

  TEST_CASE("a page that somebody has locked keeps the span in system memory") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    auto const before = pages_behind(w, base, chunk);
    w.frames.of(before[9]).locked = true;
    CHECK(to_device(w, base, chunk) == errc::in_use);
    CHECK(pages_behind(w, base, chunk) == before);
    w.frames.of(before[9]).locked = false;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range of memory that does not migrate is refused, as is one without its range or mm (MIG-12)") {
    world w;
    w.map(2 * MiB, base, protection::read_write, mapping_kind::hugetlb);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    auto& svm = w.driver.svm();
    auto const r = w.range_at(base);
    {
      auto held = svm.lock_range(r);
      CHECK(w.driver.migrate_to_device(held, {}) == errc::not_migratable);
    }
    CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 512);
    CHECK(w.count(svm::event_kind::invalidated) == 0);
    svm.remove(svm.lock_range(r));
    auto held = svm.lock_range(r);
    CHECK(w.driver.migrate_to_device(held, {}) == errc::gone);
  }

  TEST_CASE("a range over an address space that has exited does not migrate") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    w.process.exit();
    auto const r = w.range_at(base);
    REQUIRE(r);
    auto held = w.driver.svm().lock_range(r);
    CHECK(w.driver.migrate_to_device(held, {}) == errc::mm_gone);
  }

  TEST_CASE("device memory that cannot copy one way is no pagemap, so no migration begins (MIG-13)") {
    CHECK_FALSE(svm::pagemap<one_way_memory, policies::mm::page, policies::device>);
  }

  TEST_CASE("what is in this device's memory already is mapped without another copy (MIG-16)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.driver.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
    auto const before = pages_behind(w, base, chunk);
    REQUIRE(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
    REQUIRE(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
    REQUIRE(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
    CHECK(w.fault(page_at(3), access_kind::write) == errc::ok);
    CHECK(pages_behind(w, base, chunk) == before);
    CHECK(w.failures.calls(failure::copy) == 1);
    CHECK(w.failures.calls(failure::populate) == 1);
    CHECK(w.count(svm::event_kind::migration_failed) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("pages populated only in the middle move with their neighbours, which the GPU then fills (MIG-18)") {
    for (std::uint64_t const pages : {std::uint64_t{4}, chunk_pages}) {
      CAPTURE(pages);
      world w{small_chunks()};
      w.map(pages * page_bytes);
      REQUIRE(w.cpu_write(page_at(1), 11) == sys::ok);
      REQUIRE(w.cpu_write(page_at(2), 22) == sys::ok);
      REQUIRE(w.driver.prefetch(span(base, pages * page_bytes), prefetch_place::device) == errc::ok);
      CHECK(w.device_pages(base, pages * page_bytes) == pages);
      CHECK(w.gpu_write(page_at(0), 1) == errc::ok);
      CHECK(w.gpu_write(page_at(3), 33) == errc::ok);
      CHECK(w.complaint() == "");
      for (auto const& [page, value] : {std::pair{0u, 1u}, {1u, 11u}, {2u, 22u}, {3u, 33u}})
        CHECK(w.cpu_read(page_at(page)) == value);
    }
  }

  TEST_CASE("a large migration into fragmented device memory brings each page where it belongs (MIG-19)") {
    world w{small_chunks(4 * MiB)};
    w.map(4 * MiB);
    REQUIRE(w.driver.prefetch(span(base, 4 * MiB), prefetch_place::device) == errc::ok);
    for (std::uint64_t at_offset = 0; at_offset < 4 * MiB; at_offset += 2 * chunk)
      REQUIRE(w.mover.evict_span(w.process, span(at(at_offset), chunk)) == errc::ok);
    cpu_va const big = at(64 * MiB);
    w.map(2 * MiB, big);
    w.cpu_tag(big, 2 * MiB, 3000);
    REQUIRE(to_device(w, big, 2 * MiB) == errc::ok);
    auto const placed = pages_behind(w, big, 2 * MiB);
    std::uint64_t breaks = 0;
    for (std::size_t i = 1; i < placed.size(); ++i) breaks += placed[i].frame != placed[i - 1].frame + 1 ? 1 : 0;
    REQUIRE(breaks > 30);  // fragmented indeed
    CHECK(w.gpu_tags_until(big, 2 * MiB, 3000) == 2 * MiB);
    CHECK(w.cpu_tags_until(big, 2 * MiB, 3000) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("with device memory full of what cannot be evicted the GPU works from system memory (MIG-20)") {
    world w{small_chunks(chunk)};
    w.map(3 * chunk);
    w.cpu_tag(base, 3 * chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    w.process.pin(base, true);
    CHECK(to_device(w, at(2 * chunk), chunk) == errc::in_use);
    CHECK(w.gpu_tags_until(at(2 * chunk), chunk, 1 + 2 * chunk_pages) == chunk);
    CHECK(w.device_pages(at(2 * chunk), chunk) == 0);
    w.process.pin(base, false);
    CHECK(w.complaint() == "");
    CHECK(w.fault(at(chunk)) == errc::ok);
    CHECK(w.device_pages(at(chunk), chunk) == chunk_pages);
  }

  TEST_CASE("a span of two VMAs is refused (MIG-24)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.process.mprotect(base, {chunk / 2}, protection::read) == sys::ok);
    CHECK(to_device(w, base, chunk) == errc::spans_vmas);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a migration that a look at the VMA refuses leaves the GPU's mappings alone (erratum 3.2.16)") {
    world w{small_chunks()};
    w.map(chunk, base, protection::read_write, mapping_kind::shared);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    CHECK(to_device(w, base, chunk) == errc::not_migratable);
    CHECK(to_device(w, base, 2 * chunk) == errc::spans_vmas);
    CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    CHECK(w.driver.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);  // counts as placed
    CHECK(w.count(svm::event_kind::invalidated) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU fault on a valid mapping attempts no migration that would drop it (erratum 3.2.16)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.process.pin(base, true);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    auto const populated = w.failures.calls(failure::populate);
    CHECK(w.fault(page_at(7), access_kind::write) == errc::ok);
    CHECK(w.failures.calls(failure::populate) == populated);
    w.process.pin(base, false);
    CHECK(w.fault(page_at(8)) == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);
  }

  TEST_CASE("after a refused migration no device has a mapping of the span") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    w.process.pin(base, true);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    CHECK(to_device(w, base, chunk) == errc::in_use);
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.dma.live() == 0);
    w.process.pin(base, false);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("room is made before the pages are looked at, also for a migration that is then refused") {
    world w{small_chunks(chunk)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    CHECK(to_device(w, at(MiB), chunk) == errc::no_vma);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.count(svm::event_kind::evicted) == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a page is found by its handle while it lives, and no longer") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    auto const in_ram = w.process.entry_at(base).target;
    CHECK_FALSE(w.mover.find_slow(in_ram));
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    REQUIRE(to_device(w, at(chunk), chunk) == errc::ok);
    auto const second = w.process.entry_at(page_at(chunk_pages + 3)).target;
    auto const found = w.mover.find_slow(second);
    REQUIRE(found);
    CHECK(found.get() == allocation_at(w, at(chunk)).get());
    CHECK(found.get() != allocation_at(w, base).get());
    CHECK(found->size() == byte_count{chunk});
    CHECK(found->pages()[3].page == second);
    REQUIRE(w.cpu_read(at(chunk)) == 1u + chunk_pages);
    CHECK_FALSE(w.mover.find_slow(second));
  }
}

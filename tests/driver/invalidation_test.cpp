// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <support/failures.hpp>

using namespace support;
using svm::event_kind;
using svm::invalidation;
using svm::invalidation_cause;
using svm::page_flag;
using svm::range_flag;

namespace {

svm::mock::machine_options system_only() {
  return options([](auto& o) {
    o.driver.migrate = svm::migration_mode::never;
    o.notifier_size = {8 * MiB};
  });
}
svm::mock::machine_options small_chunks() {
  return options([](auto& o) {
    o.driver.migrate = svm::migration_mode::never;
    o.notifier_size = {8 * MiB};
    o.chunks = {{64 * KiB}, {4 * KiB}};
  });
}
bool gpu_reaches(world& w, cpu_va a) {
  std::byte word[8];
  return w.device.load(a, word);
}

}  // namespace

TEST_SUITE("driver/invalidation") {
  TEST_CASE("INV-01 an event over one page leaves no PTE, no TLB entry and no DMA mapping of the whole range") {
    world w{system_only()};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);  // every page is in the TLB
    REQUIRE(w.dma.live() == 512);
    invalidation const event{span(at(MiB), 4 * KiB), invalidation_cause::clear};
    CHECK(w.process.watchers().invalidate(event, [&] {  // before the event's end
      CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 0);
      CHECK(w.dma.live() == 0);
      bool reached = false;
      for (std::uint64_t page = 0; page < 512; ++page) reached = reached || gpu_reaches(w, at(page * page_bytes));
      CHECK_FALSE(reached);
    }));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-02 an event over one range flushes once and leaves its neighbours mapped") {
    world w{small_chunks()};
    w.map(256 * KiB);
    w.cpu_tag(base, 256 * KiB, 1);
    for (std::uint64_t offset = 0; offset < 256 * KiB; offset += 64 * KiB) REQUIRE(w.fault(at(offset)) == errc::ok);
    REQUIRE(w.gpu_tags_until(base, 256 * KiB, 1) == 256 * KiB);
    std::uint64_t const flushes = w.device.tlb_flushes();
    CHECK(w.process.invalidate_only({span(at(64 * KiB), 128 * KiB), invalidation_cause::clear}));
    CHECK(w.device.tlb_flushes() == flushes + 1);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 128 * KiB) == 0);
    CHECK(w.gpu_mapped_pages(at(192 * KiB), 64 * KiB) == 16);
    CHECK(w.dma.live() == 32);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-03 after an event that is no unmap the same range is mapped again, and nothing is collected") {
    for (auto const cause : {invalidation_cause::clear, invalidation_cause::protection, invalidation_cause::migrate,
                             invalidation_cause::release}) {
      world w{small_chunks()};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      REQUIRE(w.fault(base) == errc::ok);
      svm::range_ref<policies> const r = w.range_at(base);
      CHECK(w.process.invalidate_only({span(base, 64 * KiB), cause}));
      CHECK_FALSE(r->mapping().has(page_flag::mapped));
      w.driver.collect_garbage();
      CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
      CHECK(w.range_at(base).get() == r.get());
      CHECK(w.count(event_kind::range_removed) == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE(
      "INV-04 UNM-24 an unmap at the borders of its ranges marks them, not in part, and the collector removes them") {
    world w{small_chunks()};
    w.map(192 * KiB);
    for (std::uint64_t offset = 0; offset < 192 * KiB; offset += 64 * KiB)
      REQUIRE(w.fault(at(offset), access_kind::write) == errc::ok);
    svm::range_ref<policies> const hit = w.range_at(at(64 * KiB));
    REQUIRE(w.process.munmap(at(64 * KiB), {64 * KiB}) == sys::ok);
    CHECK(hit->has(range_flag::unmapped));
    CHECK_FALSE(hit->has(range_flag::partial_unmap));
    CHECK(w.range_at(at(64 * KiB)).get() == hit.get());  // it blocks its addresses until then
    CHECK(w.complaint() == "");
    w.driver.collect_garbage();
    CHECK_FALSE(w.range_at(at(64 * KiB)));
    CHECK(w.range_count() == 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("UNM-25 an unmap that ends at a range's start or begins at its end leaves it untouched") {
    world w{small_chunks()};
    w.map(192 * KiB);
    REQUIRE(w.fault(at(64 * KiB), access_kind::write) == errc::ok);
    svm::range_ref<policies> const between = w.range_at(at(64 * KiB));
    REQUIRE(w.process.munmap(base, {64 * KiB}) == sys::ok);
    REQUIRE(w.process.munmap(at(128 * KiB), {64 * KiB}) == sys::ok);
    CHECK_FALSE(between->has(range_flag::unmapped));
    CHECK(between->mapping().has(page_flag::valid));
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 64 * KiB) == 16);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "UNM-23 an unmap over ranges, holes and two notifiers marks each once, and those at its borders as partial") {
    world w{options([](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.notifier_size = {256 * KiB};
      o.chunks = {{64 * KiB}, {4 * KiB}};
    })};
    w.map(512 * KiB);
    std::vector<std::uint64_t> const faulted{0, 64 * KiB, 192 * KiB, 256 * KiB, 384 * KiB, 448 * KiB};
    for (std::uint64_t const offset : faulted) REQUIRE(w.fault(at(offset), access_kind::write) == errc::ok);
    REQUIRE(w.notifier_count() == 2);
    // From the middle of the second range to the middle of the last but one.
    REQUIRE(w.process.munmap(at(96 * KiB), {320 * KiB}) == sys::ok);
    auto const flags = [&](std::uint64_t offset) {
      auto const r = w.range_at(at(offset));
      return std::pair{r->has(range_flag::unmapped), r->has(range_flag::partial_unmap)};
    };
    CHECK(flags(0) == std::pair{false, false});
    CHECK(flags(64 * KiB) == std::pair{true, true});
    CHECK(flags(192 * KiB) == std::pair{true, false});
    CHECK(flags(256 * KiB) == std::pair{true, false});
    CHECK(flags(384 * KiB) == std::pair{true, true});
    CHECK(flags(448 * KiB) == std::pair{false, false});
    CHECK(w.complaint() == "");
    w.driver.collect_garbage();
    CHECK(w.count(event_kind::range_removed) == 4);
    CHECK(w.range_count() == 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-05 a second event over the same pages finds nothing to do") {
    for (bool const may_block : {true, false}) {
      world w{small_chunks()};
      w.map(64 * KiB);
      REQUIRE(w.fault(base, access_kind::write) == errc::ok);
      invalidation const event{span(base, 64 * KiB), invalidation_cause::clear, svm::nobody, may_block};
      CHECK(w.process.invalidate_only(event));
      std::uint64_t const flushes = w.device.tlb_flushes();
      CHECK(w.process.invalidate_only(event));
      CHECK(w.device.tlb_flushes() == flushes);
      CHECK(w.dma.live() == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("INV-06 an invalidation asks for no memory, an unmap neither") {
    world w{small_chunks()};
    w.map(MiB);
    for (std::uint64_t offset = 0; offset < MiB; offset += 64 * KiB) REQUIRE(w.fault(at(offset)) == errc::ok);
    w.failures.arm(failure::alloc, 1, failure_plan::repeat::from_then_on);
    std::uint64_t const asked = w.failures.calls(failure::alloc);
    CHECK(w.process.invalidate_only({span(base, 512 * KiB), invalidation_cause::clear}));
    CHECK(w.process.munmap(at(256 * KiB), {512 * KiB}) == sys::ok);
    CHECK(w.failures.calls(failure::alloc) == asked);
    CHECK(w.gpu_mapped_pages(base, 768 * KiB) == 0);
    w.failures.disarm();
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-07 a callback that takes the map lock is reported as out of order") {
    struct greedy final : svm::invalidation_client<policies> {
      explicit greedy(world& w) : w_(w) {}
      svm::invalidation_answer invalidate(svm::notifier<policies>&, invalidation const&,
                                          svm::invalidation_passes) noexcept override {
        w_.process.map_lock().lock_shared();
        w_.process.map_lock().unlock_shared();
        return svm::invalidation_answer::done;
      }
      void finish_invalidation(svm::notifier<policies>&, invalidation const&) noexcept override {}
      world& w_;
    };
    world w;
    w.map(64 * KiB);
    {
      greedy client{w};
      svm::gpusvm<policies> svm{w.mover.env(), w.driver.svm().shape(), client};
      REQUIRE(svm.find_or_insert(base, {}));
      CHECK(svm::mock::lock_report().empty());
      CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
      std::vector<std::string> const lines = svm::mock::lock_report().take();
      REQUIRE(lines.size() == 1);
      CHECK(lines[0].starts_with("O-36"));
    }
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-08 after MADV_DONTNEED the GPU reads zeros, or what was written since, never the old page") {
    world w{small_chunks()};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 100);
    REQUIRE(w.gpu_tags_until(base, 64 * KiB, 100) == 64 * KiB);
    REQUIRE(w.process.madvise_dontneed(base, {32 * KiB}) == sys::ok);
    REQUIRE(w.cpu_write(base, 55) == sys::ok);
    CHECK(w.gpu_read(base) == 55u);
    CHECK(w.gpu_read(at(page_bytes)) == 0u);
    CHECK(w.gpu_tags_until(at(32 * KiB), 32 * KiB, 108) == 32 * KiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "INV-09 a page that is physically replaced keeps its data for the GPU, which reads and writes the new one") {
    world w{small_chunks()};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 100);
    REQUIRE(w.gpu_tags_until(base, 64 * KiB, 100) == 64 * KiB);
    auto const before = w.process.entry_at(at(page_bytes)).target;
    REQUIRE(w.process.replace_page(at(page_bytes)));
    CHECK_FALSE(w.process.entry_at(at(page_bytes)).target == before);
    CHECK_FALSE(w.frames.is_alive(before));
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 64 * KiB, 100) == 64 * KiB);
    CHECK(w.gpu_write(at(page_bytes), 7) == errc::ok);
    CHECK(w.cpu_read(at(page_bytes)) == 7u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-11 an event over a hundred ranges with holes between them is one flush, before any DMA mapping ends") {
    world w{small_chunks()};
    cpu_va const start = at(GiB);
    w.map(8 * MiB, start);
    for (std::uint64_t i = 0; i < 100; ++i)
      REQUIRE(w.fault(start + byte_count{(i + i / 4) * 64 * KiB}, access_kind::write) == errc::ok);
    REQUIRE(w.range_count() == 100);
    REQUIRE(w.notifier_count() == 1);
    std::uint64_t const flushes = w.device.tlb_flushes();
    // The IOMMU reports a page that is unmapped while the GPU's page table still has it (O-27).
    CHECK(w.process.invalidate_only({span(start, 8 * MiB), invalidation_cause::clear}));
    CHECK(w.device.tlb_flushes() == flushes + 1);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-13 pages that were got and never bound lose their DMA mappings all the same") {
    world w{small_chunks()};
    w.map(64 * KiB);
    auto found = w.driver.svm().find_or_insert(base, {});
    REQUIRE(found.has_value());
    {
      auto held = w.driver.svm().lock_range(std::move(found->range));
      REQUIRE(w.driver.svm().get_pages(held, {}) == errc::ok);
    }
    REQUIRE(w.dma.live() == 16);
    CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("INV-14 when the CPU writes to a zero page that the GPU reads, the GPU sees the new page") {
    world w{options([](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.driver.read_only = true;
    })};
    w.map(64 * KiB);
    CHECK(w.gpu_read(base) == 0u);
    REQUIRE(w.frames.ram_used().value == 0);
    REQUIRE(w.cpu_write(base, 42) == sys::ok);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_read(base) == 42u);
    CHECK(w.gpu_read(at(page_bytes)) == 0u);
    CHECK(w.complaint() == "");
  }
}

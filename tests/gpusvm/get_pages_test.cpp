// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <support/failures.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::page_flag;
using svm::page_options;

namespace {

using hold = svm::locked_range<policies>;
constexpr page_options read_only{true, false};
constexpr page_options writable{false, false};
constexpr page_options device_only{false, true};

svm::mock::machine_options system_only() {
  return options([](auto& o) { o.driver.migrate = svm::migration_mode::never; });
}
/// The range around `a`, made when there is none, ready to be worked on.
hold hold_at(world& w, cpu_va a) {
  auto found = w.driver.svm().find_or_insert(a, {access_kind::read, true});
  REQUIRE(found.has_value());
  return w.driver.svm().lock_range(std::move(found->range));
}
errc get(world& w, cpu_va a, page_options const& o = writable) {
  hold held = hold_at(w, a);
  return w.driver.svm().get_pages(held, o);
}
errc bind(world& w, cpu_va a) {
  hold held = hold_at(w, a);
  return w.driver.svm().bind(held);
}
/// Moves part of a range's memory to the device, as an earlier and smaller range would have left it.
void migrate(world& w, va_range where) {
  svm::mm_user const user{w.process};
  REQUIRE(w.mover.migrate_to_device(w.process, where, {}) == errc::ok);
}

}  // namespace

TEST_SUITE("gpusvm/get_pages") {
  TEST_CASE("PAG-01 one fault serves untouched, zero and written pages, and the GPU reads zeros and data") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(w.cpu_read(at(page_bytes)) == 0u);
    w.cpu_tag(at(2 * page_bytes), 14 * page_bytes, 70);
    CHECK(w.gpu_read(base) == 0u);
    CHECK(w.gpu_read(at(page_bytes)) == 0u);
    CHECK(w.gpu_tags_until(at(2 * page_bytes), 14 * page_bytes, 70) == 14 * page_bytes);
    CHECK(w.count(svm::event_kind::gpu_fault) == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-02 the GPU reads nothing under PROT_NONE, nothing is mapped, and the destination is untouched") {
    world w{system_only()};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    REQUIRE(w.process.mprotect(base, {64 * KiB}, protection::none) == sys::ok);
    std::byte word[8];
    std::fill(std::begin(word), std::end(word), std::byte{0x5a});
    CHECK(w.gpu_load(base, word) == errc::no_access);
    CHECK(svm::errno_name(errc::no_access) == doctest::String("EFAULT"));
    for (std::byte const b : word) CHECK(b == std::byte{0x5a});
    CHECK(w.dma.live() == 0);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-03 what the GPU wrote to memory that was never touched the CPU reads") {
    world w{system_only()};
    w.map(64 * KiB);
    for (std::uint64_t page = 0; page < 16; ++page) REQUIRE(w.gpu_write(at(page * page_bytes), 500 + page) == errc::ok);
    CHECK(w.cpu_tags_until(base, 64 * KiB, 500) == 64 * KiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-04 zero pages read under PROT_READ are replaced once the memory may be written (MPR-02)") {
    world w{system_only()};
    w.map(64 * KiB, base, protection::read);
    CHECK(w.gpu_read(base) == 0u);
    CHECK(w.frames.ram_used().value == 0);  // all of it is the zero page
    CHECK(w.gpu_write(base, 1) == errc::read_only);
    CHECK(w.gpu_read(base) == 0u);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.mprotect(base, {64 * KiB}, protection::read_write) == sys::ok);
    CHECK(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.cpu_read(at(page_bytes)) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that the CPU has only read, 2 MiB of zero pages, is served by one fault") {
    world w{system_only()};
    w.map(2 * MiB);
    for (std::uint64_t page = 0; page < 512; ++page) REQUIRE(w.cpu_read(at(page * page_bytes)) == 0u);
    CHECK(w.fault(at(MiB), access_kind::write) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, 2 * MiB) == 512);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-05 pages that are valid are not mapped again") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(get(w, base) == errc::ok);
    std::uint64_t const maps = w.failures.calls(failure::dma_map);
    CHECK(maps == 16);
    for (int i = 0; i < 10; ++i) CHECK(get(w, base) == errc::ok);
    for (int i = 0; i < 10; ++i) CHECK(get(w, base, read_only) == errc::ok);
    CHECK(w.failures.calls(failure::dma_map) == maps);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-06 through a read-only mapping the GPU cannot store, and the DMA goes to the device only") {
    world w{system_only()};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    REQUIRE(get(w, base, read_only) == errc::ok);
    REQUIRE(bind(w, base) == errc::ok);
    std::byte word[8]{};
    CHECK(w.device.load(base, word));
    CHECK_FALSE(w.device.store(base, word));
    for (svm::device_address const& block : w.range_at(base)->mapping().blocks_locked())
      CHECK(block.direction == svm::dma_direction::to_device);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_write(base, 3) == errc::ok);  // the fault maps it anew
    CHECK(w.cpu_read(base) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a writing request is not served by a mapping made for reading, and never shares the zero page") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(get(w, base, read_only) == errc::ok);
    REQUIRE(w.frames.ram_used().value == 0);
    REQUIRE(get(w, base, writable) == errc::ok);
    CHECK(w.frames.ram_used().value == 64 * KiB);
    for (svm::device_address const& block : w.range_at(base)->mapping().blocks_locked()) {
      CHECK(block.direction == svm::dma_direction::bidirectional);
      CHECK_FALSE(w.frames.is_zero(w.dma.peek(block.address)));
    }
    CHECK(w.dma.live() == 16);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-10 half in device memory and half not is refused with nothing mapped, until it is evicted") {
    for (bool const device_first : {false, true}) {
      CAPTURE(device_first);
      world w;
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      migrate(w, span(at(device_first ? 0 : 32 * KiB), 32 * KiB));
      CHECK(get(w, base) == errc::mixed_placement);
      CHECK(w.dma.live() == 0);
      CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::mapped));
      CHECK(w.complaint() == "");
      {
        hold held = hold_at(w, base);
        CHECK(w.driver.svm().is_scattered(held));
        CHECK(w.driver.svm().scan(held) != svm::residence::here);
        REQUIRE(w.driver.evict(held) == errc::ok);
        CHECK_FALSE(w.driver.svm().is_scattered(held));
      }
      CHECK(get(w, base) == errc::ok);
      CHECK(w.dma.live() == 16);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    }
  }

  TEST_CASE("PAG-11 two allocations of one device are two places") {
    world w;
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    migrate(w, span(base, 32 * KiB));
    migrate(w, span(at(32 * KiB), 32 * KiB));
    {
      hold held = hold_at(w, base);
      CHECK(w.driver.svm().scan(held) == svm::residence::here);
      CHECK(w.driver.svm().get_pages(held, writable) == errc::mixed_placement);
      CHECK_FALSE(held->mapping().has(page_flag::mapped));
      REQUIRE(w.driver.evict(held) == errc::ok);
      CHECK(w.driver.svm().get_pages(held, writable) == errc::ok);
      CHECK_FALSE(held->mapping().has(page_flag::device));
    }
    CHECK(w.device_memory.used().value == 0);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
  }

  TEST_CASE("PAG-13 who demands device memory gets no system pages, valid mapping or not") {
    world w;
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    CHECK(get(w, base, device_only) == errc::not_in_device_memory);
    CHECK(svm::errno_name(errc::not_in_device_memory) == doctest::String("EFAULT"));
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
    REQUIRE(get(w, base, writable) == errc::ok);
    CHECK(get(w, base, device_only) == errc::not_in_device_memory);
    CHECK(w.complaint() == "");
    migrate(w, span(base, 64 * KiB));
    CHECK(get(w, base, device_only) == errc::ok);
    CHECK(w.range_at(base)->mapping().has(page_flag::device));
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "PAG-14 PAG-16 any failure undoes what was mapped, changes no byte, and the next call succeeds (OOM-01..03)") {
    auto const setup = [](world& w) {
      w.map(64 * KiB);
      w.cpu_tag(base, 32 * KiB, 1);  // the rest takes new pages
      static_cast<void>(hold_at(w, base));
    };
    auto const call = [](world& w) {
      errc const e = get(w, base);
      if (e != errc::ok) CHECK(w.dma.live() == 0);
      if (e != errc::ok) CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::mapped));
      return e;
    };
    auto const same = [](world& w) {
      return w.cpu_tags_until(base, 32 * KiB, 1) == 32 * KiB && w.cpu_read(at(32 * KiB)) == 0u &&
             w.cpu_read(at(60 * KiB)) == 0u;
    };
    fail_each(options(), failure::alloc, {errc::no_memory}, setup, call, same);
    fail_each(options(), failure::ram, {errc::no_ram}, setup, call, same);
    fail_each(options(), failure::dma_map, {errc::dma_map_failed}, setup, call, same);
  }

  TEST_CASE("a failure while a read-only mapping is to become writable leaves that mapping, or none") {
    auto const setup = [](world& w) {
      w.map(64 * KiB);
      w.cpu_tag(base, 32 * KiB, 1);
      REQUIRE(get(w, base, read_only) == errc::ok);
      REQUIRE(bind(w, base) == errc::ok);
    };
    auto const call = [](world& w) { return get(w, base, writable); };
    auto const same = [](world& w) { return w.cpu_tags_until(base, 32 * KiB, 1) == 32 * KiB; };
    fail_each(options(), failure::alloc, {errc::no_memory}, setup, call, same);
    fail_each(options(), failure::ram, {errc::no_ram}, setup, call, same);
    fail_each(options(), failure::dma_map, {errc::dma_map_failed}, setup, call, same);
  }

  TEST_CASE("PAG-17 a range that was unmapped gets no pages ever again, though the address is mapped anew (RAC-05)") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(w.fault(base) == errc::ok);
    svm::range_ref<policies> const old = w.range_at(base);
    REQUIRE(w.process.munmap(base, {64 * KiB}) == sys::ok);
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 7);
    for (int i = 0; i < 3; ++i) {
      hold held = w.driver.svm().lock_range(old);
      CHECK(w.driver.svm().get_pages(held, writable) == errc::unmapped);
      CHECK(w.driver.svm().get_pages(held, read_only) == errc::unmapped);
      CHECK(w.driver.svm().bind(held) == errc::retry);
    }
    CHECK(svm::errno_name(errc::unmapped) == doctest::String("EFAULT"));
    CHECK(w.dma.live() == 0);
    CHECK(w.gpu_tags_until(base, 64 * KiB, 7) == 64 * KiB);
    CHECK(w.range_at(base).get() != old.get());
    CHECK_FALSE(old->mapping().has(page_flag::mapped));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an unmap during the walk is noticed, and the range that it hit gets nothing (RAC-01, RAC-05)") {
    world w{system_only()};
    w.map(64 * KiB);
    bool done = false;
    w.hooks.hook = [&](step s) {
      if (s == step::walked && !std::exchange(done, true))
        CHECK(w.process.invalidate_only({span(base, 64 * KiB), invalidation_cause::unmap}));
    };
    CHECK(get(w, base) == errc::unmapped);
    w.hooks.hook = nullptr;
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-18 DMA address 0 is an address: mapped, invalidated, migrated and balanced") {
    world w{options([](auto& o) { o.first_dma_address = {}; })};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    REQUIRE(get(w, base) == errc::ok);
    bool zero = false;
    for (svm::device_address const& block : w.range_at(base)->mapping().blocks_locked())
      zero = zero || block.address.value == 0;
    CHECK(zero);
    CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);  // migrates, so the copy uses address 0
    CHECK(w.device_pages(base, 64 * KiB) == 16);
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-19 late cleanup of a range does not touch the mapping that now has its DMA addresses") {
    world w{system_only()};
    w.map(128 * KiB);
    REQUIRE(w.process.munmap(at(64 * KiB), {4 * KiB}) == sys::ok);
    w.map(4 * KiB, at(64 * KiB));
    w.cpu_tag(base, 128 * KiB, 1);
    REQUIRE(get(w, base) == errc::ok);
    REQUIRE(bind(w, base) == errc::ok);
    std::vector<svm::device_address> const first{w.range_at(base)->mapping().blocks_locked().begin(),
                                                 w.range_at(base)->mapping().blocks_locked().end()};
    REQUIRE(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    REQUIRE(get(w, at(64 * KiB)) == errc::ok);
    REQUIRE(bind(w, at(64 * KiB)) == errc::ok);
    bool reused = false;
    for (svm::device_address const& block : w.range_at(at(64 * KiB))->mapping().blocks_locked())
      reused = reused || std::ranges::find(first, block) != first.end();
    REQUIRE(reused);
    {
      hold held = hold_at(w, base);
      w.driver.svm().unmap_pages(held);
    }
    w.driver.svm().remove(hold_at(w, base));
    CHECK(w.dma.live() == 16);
    CHECK(w.gpu_tags_until(at(64 * KiB), 64 * KiB, 17) == 64 * KiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a bind needs a valid mapping, and an event just before it sends the caller back") {
    world w{system_only()};
    w.map(64 * KiB);
    CHECK(bind(w, base) == errc::retry);
    REQUIRE(get(w, base) == errc::ok);
    w.hooks.hook = [&](step s) {
      if (s == step::preparing) CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    };
    CHECK(bind(w, base) == errc::retry);
    w.hooks.hook = nullptr;
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.dma.live() == 0);
    REQUIRE(get(w, base) == errc::ok);
    CHECK(bind(w, base) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PAG-20 behind bounce pages each side sees what the other wrote after a sync in its direction") {
    world w{options([](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.iommu = svm::mock::iommu_mode::bounce;
    })};
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.gpu_write(base, 2) == errc::ok);
    auto const sync = [&](bool to_device) {
      auto held = w.driver.svm().lock_range(w.range_at(base));
      w.driver.svm().sync(held, to_device);
    };
    CHECK(w.cpu_read(base) == 1u);
    sync(false);
    CHECK(w.cpu_read(base) == 2u);
    REQUIRE(w.cpu_write(base, 3) == sys::ok);
    CHECK(w.gpu_read(base) == 2u);
    sync(true);
    CHECK(w.gpu_read(base) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("only migratable memory goes to the device, and residence is told page by page") {
    world w;
    w.map(64 * KiB, base, protection::read_write, mapping_kind::shared);
    w.map(64 * KiB, at(64 * KiB));
    {
      hold held = hold_at(w, base);
      CHECK(w.driver.migrate_to_device(held, {}) == errc::not_migratable);
    }
    {
      hold held = hold_at(w, at(64 * KiB));
      CHECK_FALSE(w.driver.svm().is_scattered(held));
      REQUIRE(w.driver.migrate_to_device(held, {}) == errc::ok);
      CHECK(w.driver.svm().scan(held) == svm::residence::here);
      REQUIRE(w.cpu_read(at(64 * KiB)) == 0u);  // brings the whole allocation back
      CHECK_FALSE(w.driver.svm().is_scattered(held));
    }
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what the CPU's mappings turned into meanwhile is told: nothing there, no access, read-only") {
    world w{system_only()};
    w.map(64 * KiB);
    static_cast<void>(hold_at(w, base));
    REQUIRE(w.process.mprotect(base, {64 * KiB}, protection::none) == sys::ok);
    {
      auto held = w.driver.svm().lock_range(w.range_at(base));
      CHECK(w.driver.svm().get_pages(held, read_only) == errc::no_access);
    }
    REQUIRE(w.process.mprotect(base, {64 * KiB}, protection::read) == sys::ok);
    CHECK(get(w, base, writable) == errc::read_only);
    CHECK(get(w, base, read_only) == errc::ok);
    CHECK(w.complaint() == "");
  }
}

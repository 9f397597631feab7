// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <vector>

#include <support/scripted_allocation.hpp>

#include <svm/concepts/page_walk.hpp>
#include <svm/gpusvm/device_mapping.hpp>
#include <svm/mock/machine/random.hpp>

using namespace svm::literals;
using svm::device_address;
using svm::dma_direction;
using svm::errc;
using svm::interconnect;
using svm::page_flag;
using svm::page_options;
using svm::page_place;

namespace {

using policies = support::scripted_policies<4096>;
using pages = svm::device_mapping<policies>;
using run = pages::run;
using allocation = support::scripted_allocation<policies>;
using support::device_page;

/// A pages object on ledgers, which must balance at the end.
struct bench {
  policies::mm mm;
  policies::device device;
  policies::pagemap pagemap;
  support::scripted_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::environment<policies> env{mm, device, pagemap, memory, clock, stats};
  svm::migrator<policies> mover{env};
  allocation one{mover};
  allocation other{mover};
  pages mapping{env};

  ~bench() {
    mapping.unmap();
    CHECK(device.live.size() == 0);
    CHECK(device.mismatches == 0);
    CHECK(pagemap.live.size() == 0);
    CHECK(pagemap.mismatches == 0);
  }

  [[nodiscard]] errc map(std::vector<run> const& found, page_options wanted = {}) {
    pages::resources room{env};
    REQUIRE(room.reserve(found, wanted.allow_mixed) == errc::ok);
    return mapping.map(found, wanted, room);
  }
  [[nodiscard]] std::size_t live() const { return device.live.size() + pagemap.live.size(); }
};

run system_page(std::uint64_t number, std::uint32_t count = 1) {
  return {.page = {number}, .count = count, .place = page_place::system, .writable = true};
}
std::vector<run> system_pages(std::size_t count) {
  std::vector<run> found;
  for (std::size_t i = 0; i < count; ++i) found.push_back(system_page(1000 + 3 * i));
  return found;
}

/// What a walk of a span of `count` pages makes of folios, each `before` pages before or behind its start.
struct folio {
  std::int64_t offset;
  run pages;
};
std::vector<run> walk_over(std::size_t count, std::vector<folio> const& folios) {
  constexpr std::int64_t first = 10000;
  auto const address = [](std::int64_t page) { return svm::cpu_va{static_cast<std::uint64_t>(first + page) * 4096}; };
  std::vector<run> room(count);
  svm::page_walk<policies::mm> walk{{address(0), 4_KiB * count}, room};
  for (folio const& f : folios) static_cast<void>(walk.add(address(f.offset), f.pages));
  REQUIRE(walk.is_complete());
  return {walk.runs().begin(), walk.runs().end()};
}

std::vector<std::uint32_t> sizes(pages const& mapping) {
  std::vector<std::uint32_t> all;
  for (device_address const& block : mapping.blocks_locked()) all.push_back(block.count);
  return all;
}

}  // namespace

TEST_SUITE("gpusvm/device_mapping") {
  TEST_CASE("PAG-07 a folio of 2 MiB under an aligned range is one DMA entry of 512 pages") {
    bench b;
    REQUIRE(b.map(walk_over(512, {{0, system_page(512, 512)}})) == errc::ok);
    CHECK(sizes(b.mapping) == std::vector{512u});
    CHECK(b.device.live.begin()->second.page.number == 512);
    CHECK(b.device.live.begin()->second.count.value == 512);
  }

  TEST_CASE("PAG-08 a range inside a larger folio maps no page outside itself") {
    SUBCASE("the folio begins before the range and ends after it") {
      bench b;
      REQUIRE(b.map(walk_over(16, {{-256, system_page(0, 512)}})) == errc::ok);
      CHECK(sizes(b.mapping) == std::vector{16u});
      CHECK(b.device.live.begin()->second.page.number == 256);
    }
    SUBCASE("the range is the tail of the folio") {
      bench b;
      REQUIRE(b.map(walk_over(16, {{-496, system_page(0, 512)}})) == errc::ok);
      CHECK(sizes(b.mapping) == std::vector{16u});
      CHECK(b.device.live.begin()->second.page.number == 496);
    }
    SUBCASE("the range begins and ends at odd pages of the folio") {
      bench b;
      REQUIRE(b.map(walk_over(7, {{-3, system_page(0, 100)}})) == errc::ok);
      CHECK(sizes(b.mapping) == std::vector{7u});
      CHECK(b.device.live.begin()->second.page.number == 3);
    }
  }

  TEST_CASE("PAG-09 blocks of random folio layouts add up to the span, and each stays inside its folio") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(seed);
      svm::mock::random draw{seed};
      bench b;
      std::size_t const count = 1 + draw.below(64);
      std::vector<folio> folios;
      std::size_t there = 0;
      while (there < count) {
        std::uint32_t const size = 1u << draw.below(8);
        std::uint64_t const skipped = folios.empty() ? draw.below(size) : 0;
        auto const offset = static_cast<std::int64_t>(there) - static_cast<std::int64_t>(skipped);
        folios.push_back({offset, system_page((1000 + there) * 1024, size)});
        there += size - skipped;
      }
      REQUIRE(b.map(walk_over(count, folios)) == errc::ok);
      REQUIRE(b.mapping.blocks_locked().size() == folios.size());
      std::size_t at = 0;
      bool good = true;
      for (std::size_t i = 0; i < folios.size(); ++i) {
        device_address const& block = b.mapping.blocks_locked()[i];
        std::size_t const skipped = at - static_cast<std::size_t>(folios[i].offset);  // 0 but for the first
        good = good && b.device.live.at(block.address.value).page.number == folios[i].pages.page.number + skipped;
        at += block.count;
        bool const is_last = i + 1 == folios.size();
        good = good && (is_last ? at == count && block.count <= folios[i].pages.count - skipped
                                : block.count == folios[i].pages.count - skipped);
      }
      CHECK(good);
      CHECK(at == count);
    }
  }

  TEST_CASE("PAG-10 pages in two places map nothing, in either order and at any position") {
    for (std::size_t odd = 0; odd < 4; ++odd) {
      CAPTURE(odd);
      bench b;
      std::vector<run> found;
      for (std::size_t i = 0; i < 4; ++i) found.push_back(i == odd ? device_page(i, b.one) : system_page(i));
      CHECK(b.map(found) == errc::mixed_placement);
      found.clear();
      for (std::size_t i = 0; i < 4; ++i) found.push_back(i == odd ? system_page(i) : device_page(i, b.one));
      CHECK(b.map(found) == errc::mixed_placement);
      CHECK(b.device.calls + b.pagemap.calls == 0);
      CHECK_FALSE(b.mapping.has(page_flag::mapped));
    }
  }

  TEST_CASE("PAG-11 pages of two allocations of one device map nothing") {
    bench b;
    CHECK(b.map({device_page(1, b.one), device_page(2, b.one), device_page(3, b.other)}) == errc::mixed_placement);
    CHECK(b.pagemap.calls == 0);
    CHECK(b.map({device_page(1, b.one), device_page(2, b.one), device_page(3, b.one)}) == errc::ok);
    CHECK(b.mapping.has(page_flag::device));
    CHECK(b.pagemap.live.size() == 3);
  }

  TEST_CASE("PAG-13 system pages do not serve who demands device memory, and nothing stays mapped") {
    bench b;
    CHECK(b.map(system_pages(4), {false, true}) == errc::not_in_device_memory);
    CHECK(b.map(system_pages(1), {false, true}) == errc::not_in_device_memory);  // one run goes a way of its own
    CHECK(b.live() == 0);
    CHECK(b.mapping.blocks_locked().empty());
    CHECK(b.map({device_page(1, b.one)}, {false, true}) == errc::ok);
  }

  TEST_CASE("PAG-14 a DMA mapping that fails at any entry undoes each earlier one once, and a retry succeeds") {
    for (std::uint64_t k = 1; k <= 8; ++k) {
      CAPTURE(k);
      bench b;
      b.device.fail_at = k;
      CHECK(b.map(system_pages(8)) == errc::dma_map_failed);
      CHECK(b.device.calls == k);
      CHECK(b.live() == 0);
      CHECK(b.device.mismatches == 0);
      CHECK(b.mapping.blocks_locked().empty());
      CHECK_FALSE(b.mapping.has(page_flag::mapped));
      CHECK_FALSE(b.mapping.has(page_flag::valid));
      CHECK(b.map(system_pages(8)) == errc::ok);
      CHECK(b.live() == 8);
    }
  }

  TEST_CASE("PAG-15 a device page that cannot be mapped undoes each earlier one once, and a retry succeeds") {
    for (std::uint64_t k = 1; k <= 4; ++k) {
      CAPTURE(k);
      bench b;
      std::vector<run> const found{device_page(1, b.one), device_page(5, b.one), device_page(9, b.one),
                                   device_page(2, b.one)};
      b.pagemap.fail_at = k;
      CHECK(b.map(found) == errc::dma_map_failed);
      CHECK(b.live() == 0);
      CHECK(b.pagemap.mismatches == 0);
      CHECK_FALSE(b.mapping.has(page_flag::mapped));
      CHECK(b.map(found) == errc::ok);
      CHECK(b.live() == 4);
      CHECK(b.device.calls == 0);
    }
  }

  TEST_CASE("PAG-18 address 0 is mapped and unmapped like any other") {
    bench b;
    REQUIRE(b.map(system_pages(1)) == errc::ok);
    CHECK(b.mapping.blocks_locked()[0].address.value == 0);
    CHECK(b.device.live.size() == 1);
    b.mapping.unmap();
    CHECK(b.device.live.size() == 0);
  }

  TEST_CASE("PAG-06 a read-only mapping is made to the device only") {
    bench b;
    REQUIRE(b.map(system_pages(2), {true, false}) == errc::ok);
    for (auto const& [address, m] : b.device.live) CHECK(m.direction == dma_direction::to_device);
    CHECK(b.mapping.has(page_flag::read_only));
    b.mapping.unmap();
    REQUIRE(b.map(system_pages(2)) == errc::ok);
    for (auto const& [address, m] : b.device.live) CHECK(m.direction == dma_direction::bidirectional);
    CHECK_FALSE(b.mapping.has(page_flag::read_only));
  }

  TEST_CASE("a mapping satisfies no more than what it was made for") {
    struct row {
      bool made_read_only;
      bool on_device;
      page_options wanted;
      bool satisfied;
    };
    for (row const& r : {row{false, false, {false, false}, true}, row{false, false, {true, false}, true},
                         row{false, false, {false, true}, false}, row{false, false, {true, true}, false},
                         row{true, false, {false, false}, false}, row{true, false, {true, false}, true},
                         row{false, true, {false, true}, true}, row{false, true, {false, false}, true},
                         row{true, true, {true, true}, true}, row{true, true, {false, true}, false}}) {
      bench b;
      CAPTURE(r.made_read_only);
      CAPTURE(r.on_device);
      CHECK_FALSE(b.mapping.satisfies(r.wanted));
      REQUIRE(b.map({r.on_device ? device_page(1, b.one) : system_page(1)}, {r.made_read_only, false}) == errc::ok);
      CHECK(b.mapping.satisfies(r.wanted) == r.satisfied);
      b.mapping.invalidate();
      CHECK_FALSE(b.mapping.satisfies(r.wanted));
    }
  }

  TEST_CASE("an invalidation leaves the DMA mappings to be ended, and ending them twice is ending them once (INV-05)") {
    bench b;
    REQUIRE(b.map(system_pages(3)) == errc::ok);
    b.mapping.invalidate();
    b.mapping.invalidate();
    CHECK(b.mapping.has(page_flag::mapped));
    CHECK(b.live() == 3);
    b.mapping.unmap();
    CHECK_FALSE(b.mapping.has(page_flag::mapped));
    CHECK(b.mapping.blocks_locked().empty());
    b.mapping.unmap();
    CHECK(b.live() == 0);
    CHECK(b.device.mismatches == 0);
  }
}

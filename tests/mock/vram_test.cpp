// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstring>
#include <set>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::mock::page;

std::vector<page> pages_of(world& w, policies::pagemap::memory& m, std::uint64_t count) {
  std::vector<page> got(count);
  REQUIRE(w.device_memory.pages(m, got) == errc::ok);
  return got;
}

}  // namespace

TEST_SUITE("mock/vram") {
  TEST_CASE("allocations of all sizes share no page, keep their bytes, and all come back (EVC-12)") {
    world w{small_chunks(64 * page_bytes)};
    std::vector<std::pair<policies::pagemap::memory, std::uint64_t>> live;
    std::uint64_t used = 0;
    for (std::uint64_t round = 0; round < 200; ++round) {
      std::uint64_t const size = 1 + round * 7 % 13;
      auto got = w.device_memory.allocate({size * page_bytes});
      CHECK(got.has_value() == (used + size <= 64));
      if (got) {
        auto const pages = pages_of(w, *got, size);
        for (page const p : pages) {
          std::byte const* const bytes = w.frames.bytes(p);
          REQUIRE(std::all_of(bytes, bytes + page_bytes, [](std::byte b) { return b == std::byte{}; }));
          std::memcpy(w.frames.bytes(p), &got->id, sizeof got->id);
        }
        live.emplace_back(*got, size);
        used += size;
      }
      if (!got || round % 3 == 0) {
        std::size_t const victim = round * 5 % live.size();
        w.device_memory.release(live[victim].first);
        used -= live[victim].second;
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(victim));
      }
      REQUIRE(w.device_memory.used() == byte_count{used * page_bytes});
    }
    std::set<std::uint32_t> seen;
    for (auto& [memory, size] : live)
      for (page const p : pages_of(w, memory, size)) {
        CHECK(seen.insert(p.frame).second);
        CHECK(std::memcmp(w.frames.bytes(p), &memory.id, sizeof memory.id) == 0);
      }
    for (auto& [memory, size] : live) w.device_memory.release(memory);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("it hands out its whole capacity and no page more") {
    world w{small_chunks(chunk)};
    CHECK(w.device_memory.capacity() == byte_count{chunk});
    CHECK(w.device_memory.allocate({chunk + page_bytes}).error() == errc::no_device_memory);
    auto all = w.device_memory.allocate({chunk});
    REQUIRE(all);
    CHECK(w.device_memory.available() == byte_count{});
    CHECK(w.device_memory.allocate({page_bytes}).error() == errc::no_device_memory);
    w.device_memory.release(*all);
    CHECK(w.device_memory.available() == byte_count{chunk});
  }

  TEST_CASE("the number of pages asked for must be that of the allocation") {
    world w;
    auto memory = *w.device_memory.allocate({4 * page_bytes});
    std::vector<page> too_few(3);
    CHECK(w.device_memory.pages(memory, too_few) != errc::ok);
    w.device_memory.release(memory);
    std::vector<page> of_nothing(4);
    CHECK(w.device_memory.pages(memory, of_nothing) != errc::ok);
  }

  TEST_CASE("a copy moves whole pages each way, and a failed one moves nothing") {
    world w;
    auto memory = *w.device_memory.allocate({page_bytes});
    page const there = pages_of(w, memory, 1)[0];
    page const here = *w.process.allocate_page();
    std::memset(w.frames.bytes(here), 0x5a, page_bytes);
    auto const a = *w.dma.map(here, svm::dma_direction::bidirectional);
    svm::copy_block<page> const job{a, there, {}};
    w.failures.arm(failure::copy, 1);
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::copy_failed);
    CHECK(w.frames.bytes(there)[0] == std::byte{});
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::ok);
    CHECK(w.frames.bytes(there)[page_bytes - 1] == std::byte{0x5a});
    std::memset(w.frames.bytes(there), 0x77, page_bytes);
    CHECK(w.device_memory.copy_to_system({&job, 1}) == errc::ok);
    CHECK(w.frames.bytes(here)[0] == std::byte{0x77});
    w.dma.unmap(a, svm::dma_direction::bidirectional);
    w.process.discard_page(here);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("its owner is somebody") {
    world w;
    CHECK(w.device_memory.owner() != svm::nobody);
    CHECK(w.device_memory.owner() == world::gpu_owner);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstring>
#include <set>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::mock::page;

using svm::device_address;
using svm::device_page;
using svm::interconnect;
using svm::page_order;

std::vector<device_page<page>> blocks_of(world& w, policies::pagemap::memory& m, std::uint64_t count) {
  std::vector<device_page<page>> got(count);
  REQUIRE(w.device_memory.pages(m, got) == errc::ok);
  return got;
}
std::vector<page> pages_of(world& w, policies::pagemap::memory& m, std::uint64_t count) {
  std::vector<page> got;
  for (auto const& p : blocks_of(w, m, count)) got.push_back(p.page);
  return got;
}
device_address by_bus(svm::dma_addr a, page_order order = {}) {
  return {.address = a, .count = static_cast<std::uint32_t>(order.pages().value)};
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
    std::vector<device_page<page>> too_few(3);
    CHECK(w.device_memory.pages(memory, too_few) != errc::ok);
    w.device_memory.release(memory);
    std::vector<device_page<page>> of_nothing(4);
    CHECK(w.device_memory.pages(memory, of_nothing) != errc::ok);
  }

  TEST_CASE("a copy moves whole pages each way, and a failed one moves nothing") {
    world w;
    auto memory = *w.device_memory.allocate({page_bytes});
    page const there = pages_of(w, memory, 1)[0];
    page const here = *w.process.allocate_page({});
    std::memset(w.frames.bytes(here), 0x5a, page_bytes);
    auto const a = *w.dma.map(here, svm::dma_direction::bidirectional);
    svm::copy_block<page> const job{by_bus(a), there};
    w.failures.arm(failure::copy, 1);
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::copy_failed);
    CHECK(w.frames.bytes(there)[0] == std::byte{});
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::ok);
    CHECK(w.frames.bytes(there)[page_bytes - 1] == std::byte{0x5a});
    std::memset(w.frames.bytes(there), 0x77, page_bytes);
    CHECK(w.device_memory.copy_to_system({&job, 1}) == errc::ok);
    CHECK(w.frames.bytes(here)[0] == std::byte{0x77});
    w.dma.unmap(a, svm::dma_direction::bidirectional);
    w.gpu_card(0).other_copied = 2 * page_bytes;
    w.process.discard_page(here);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an allocation lies together where it can, and says in which blocks") {
    world w{small_chunks(8 * MiB)};
    auto first = *w.device_memory.allocate({page_bytes});
    auto second = *w.device_memory.allocate({4 * MiB});
    auto const blocks = blocks_of(w, second, 1024);
    CHECK(blocks[0].order.value == 9);
    CHECK(blocks[512].order.value == 9);
    CHECK(blocks[1].order.value == 0);
    CHECK(blocks[2].order.value == 1);
    CHECK(blocks[256].order.value == 8);
    for (std::uint64_t i = 0; i < 512; ++i) CHECK(blocks[i].page.frame == blocks[0].page.frame + i);
    auto rest = *w.device_memory.allocate({4 * MiB - page_bytes});  // all there is, in pieces
    CHECK(w.device_memory.available() == byte_count{});
    w.device_memory.release(first);
    w.device_memory.release(second);
    w.device_memory.release(rest);
    auto whole = *w.device_memory.allocate({8 * MiB});  // the pieces are one again
    CHECK(blocks_of(w, whole, 2048)[1536].order.value == 9);
    w.device_memory.release(whole);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a part may be given back before the rest, once") {
    world w{small_chunks(chunk)};
    auto memory = *w.device_memory.allocate({chunk});
    auto const blocks = blocks_of(w, memory, chunk_pages);
    w.device_memory.release_pages(memory, blocks[4].page, {2});
    CHECK(w.device_memory.available() == byte_count{4 * page_bytes});
    auto other = *w.device_memory.allocate({4 * page_bytes});
    CHECK(blocks_of(w, other, 4)[0].page.frame == blocks[4].page.frame);
    w.device_memory.release(memory);
    CHECK(w.device_memory.available() == byte_count{chunk - 4 * page_bytes});
    w.device_memory.release(other);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a scattered allocation gives back its own pages in any order, each once, and no other's (O-30)") {
    constexpr std::uint64_t all = chunk_pages;
    world w{small_chunks(chunk)};
    std::vector<policies::pagemap::memory> singles(all);
    for (auto& m : singles) m = *w.device_memory.allocate({page_bytes});
    for (std::uint64_t i = 0; i < all; i += 2) w.device_memory.release(singles[i]);
    auto memory = *w.device_memory.allocate({all / 2 * page_bytes});
    std::vector<page> const pages = pages_of(w, memory, all / 2);
    page const foreign = pages_of(w, singles[1], 1).front();
    w.device_memory.release_pages(memory, foreign, {});
    CHECK(w.complaint().starts_with("O-30"));
    CHECK(w.device_memory.available() == byte_count{});
    for (std::uint64_t i = 0; i < pages.size(); ++i) {
      w.device_memory.release_pages(memory, pages[(i * 3 + 1) % pages.size()], {});
      CHECK(w.device_memory.available() == byte_count{(i + 1) * page_bytes});
      CHECK(w.complaint() == "");
    }
    w.device_memory.release_pages(memory, pages.front(), {});
    CHECK(w.complaint().starts_with("O-30"));
    w.device_memory.release(memory);
    for (std::uint64_t i = 1; i < all; i += 2) w.device_memory.release(singles[i]);
    CHECK(w.device_memory.available() == byte_count{chunk});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a copy moves blocks of any order") {
    world w;
    auto memory = *w.device_memory.allocate({4 * page_bytes});
    page const there = pages_of(w, memory, 4)[0];
    page const here = *w.process.allocate_page({2});
    for (std::uint64_t i = 0; i < 4; ++i) w.frames.bytes(w.frames.after(here, i))[9] = std::byte(i + 1);
    auto const a = *w.dma.map(here, svm::dma_direction::bidirectional, {4});
    svm::copy_block<page> const job{by_bus(a, {2}), there};
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::ok);
    CHECK(w.frames.bytes(w.frames.after(there, 3))[9] == std::byte{4});
    w.dma.unmap(a, svm::dma_direction::bidirectional, {4});
    w.gpu_card(0).other_copied = 4 * page_bytes;
    w.process.discard_page(here);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a late engine clears when it is asked to, or before the next job, which it does in any order") {
    world w{options([](auto& o) { o.late_copies = true; })};
    auto memory = *w.device_memory.allocate({2 * page_bytes});
    auto other = *w.device_memory.allocate({page_bytes});
    auto const there = pages_of(w, memory, 2);
    auto const beside = pages_of(w, other, 1);
    CHECK(w.frames.bytes(there[0])[0] != std::byte{});
    CHECK(w.device_memory.wait_cleared(memory) == errc::ok);
    CHECK(w.frames.bytes(there[0])[0] == std::byte{});
    CHECK(w.frames.bytes(beside[0])[0] != std::byte{});
    page const here = *w.process.allocate_page({});
    auto const a = *w.dma.map(here, svm::dma_direction::to_device);
    svm::copy_block<page> const job{by_bus(a), there[1]};
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::ok);
    CHECK(w.frames.bytes(beside[0])[0] == std::byte{});
    w.dma.unmap(a, svm::dma_direction::to_device);
    w.gpu_card(0).other_copied = page_bytes;
    w.process.discard_page(here);
    w.device_memory.release(memory);
    w.device_memory.release(other);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the library is right on a late engine too (MIG-06)") {
    world w{small_chunks(MiB, [](auto& o) { o.late_copies = true; })};
    w.map(2 * chunk);
    w.cpu_tag(base, chunk, 1);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.gpu_read(at(chunk)) == 0u);
    CHECK(w.gpu_write(page_at(5), 60) == errc::ok);
    CHECK(w.cpu_read(page_at(5)) == 60u);
    CHECK(w.cpu_read(page_at(20)) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("its owner is somebody") {
    world w;
    CHECK(w.device_memory.owner() != svm::nobody);
    CHECK(w.device_memory.owner() == world::gpu_owner);
  }
}

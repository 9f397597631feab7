// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Several GPUs: links, peers, atomics, reset and unplug.

#include <mock/processes.hpp>

using namespace support;

namespace {

/// Two GPUs with small chunks.
template <class Set>
svm::mock::machine_options two(Set&& set) {
  return small_chunks(MiB, [&](auto& o) {
    o.gpus = 2;
    set(o);
  });
}
svm::mock::machine_options two() {
  return two([](auto&) {});
}
std::string where(world& w, cpu_va a) {
  auto const target = w.process.entry_at(a).target;
  return w.frames.is_device(target) ? "gpu" + std::to_string(w.frames.gpu_of(target)) : "ram";
}

}  // namespace

TEST_SUITE("mock/machine, several GPUs") {
  TEST_CASE("two GPUs read the same system memory, each through its own IOMMU (MGP-01)") {
    world w{two([](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.joins_pages = true;
    })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    for (std::size_t n : {0u, 1u}) CHECK(gpu_load(w, w.first(), n, page_at(3)) == 4u);
    CHECK(w.gpu_card(0).dma.live() == 1);
    CHECK(w.gpu_card(1).dma.live() == 1);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.munmap(base, {page_bytes}) == sys::ok);
    CHECK(w.gpu_card(0).dma.live() + w.gpu_card(1).dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU reads the other's memory in place over a link, and by way of system memory without one (MGP-02)") {
    for (bool const linked : {true, false}) {
      world w{two([&](auto& o) {
        o.linked = linked;
        o.driver.migrate = svm::migration_mode::never;
      })};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.gpu_card(0).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::ok);
      CHECK(gpu_load(w, w.first(), 1, page_at(1)) == 2u);
      CHECK(where(w, base) == (linked ? "gpu0" : "ram"));
      CHECK(w.gpu_card(0).memory.peer_maps() == (linked ? 1 : 0));
      CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == (linked ? 0 : chunk));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("what one GPU wrote in its memory the other sees, linked or not (MGP-02)") {
    for (bool const linked : {true, false}) {
      world w{two([&](auto& o) { o.linked = linked; })};
      CHECK(w.gpu_card(0).memory.owner().reaches(w.gpu_card(1).memory.owner()) == linked);
      CHECK(w.gpu_card(0).memory.owner() != w.gpu_card(1).memory.owner());
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(gpu_store(w, w.first(), 0, base, 10) == errc::ok);
      CHECK(where(w, base) == "gpu0");
      CHECK(gpu_load(w, w.first(), 1, base) == 10u);
      CHECK(gpu_store(w, w.first(), 1, page_at(1), 20) == errc::ok);
      CHECK(gpu_load(w, w.first(), 0, page_at(1)) == 20u);
      CHECK(w.cpu_read(page_at(1)) == 20u);
      CHECK(w.cpu_read(page_at(2)) == 3u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a linked GPU's memory is mapped in place, and another's is not") {
    world w{two()};
    auto memory = *w.device_memory.allocate({page_bytes});
    svm::device_page<svm::mock::page> p;
    REQUIRE(w.device_memory.pages(memory, {&p, 1}) == errc::ok);
    auto& other = w.first().views[1]->device;
    auto const own = w.device_memory.map(w.device, p.page, {1}, svm::dma_direction::bidirectional);
    auto const peer = w.device_memory.map(other, p.page, {1}, svm::dma_direction::bidirectional);
    REQUIRE((own && peer));
    CHECK(own->path == svm::interconnect::local);
    CHECK(peer->path == svm::interconnect::peer);
    CHECK(w.device_memory.peer_maps() == 1);
    w.device_memory.unmap(w.device, *own);
    w.device_memory.unmap(other, *peer);
    CHECK(w.device_memory.peer_maps() == 0);
    w.frames.links().set_up(0, 1, false);
    CHECK(w.device_memory.map(other, p.page, {1}, svm::dma_direction::bidirectional).error() == errc::unsupported);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a block goes from GPU to GPU over the link, by either engine") {
    world w{two()};
    std::vector<svm::mock::page> pages;
    std::vector<policies::pagemap::memory> held;
    for (std::size_t n : {0u, 1u}) {
      held.push_back(*w.gpu_card(n).memory.allocate({page_bytes}));
      svm::device_page<svm::mock::page> p;
      REQUIRE(w.gpu_card(n).memory.pages(held.back(), {&p, 1}) == errc::ok);
      pages.push_back(p.page);
    }
    w.frames.bytes(pages[0])[7] = std::byte{1};
    auto const there = *w.device_memory.map(w.gpu_card(1).engine, pages[0], {1}, svm::dma_direction::bidirectional);
    svm::copy_block<svm::mock::page> const job{there, pages[1]};
    CHECK(w.gpu_card(1).memory.copy_to_device({&job, 1}) == errc::ok);  // a pull
    CHECK(w.frames.bytes(pages[1])[7] == std::byte{1});
    w.frames.bytes(pages[1])[7] = std::byte{2};
    CHECK(w.gpu_card(1).memory.copy_to_system({&job, 1}) == errc::ok);  // a push
    CHECK(w.frames.bytes(pages[0])[7] == std::byte{2});
    w.gpu_card(1).other_copied = 2 * page_bytes;
    CHECK(w.complaint() == "O-07: there are 1 mappings of peers' memory and 0 entries of ranges");
    w.frames.links().set_up(0, 1, false);
    CHECK(w.gpu_card(1).memory.copy_to_system({&job, 1}) == errc::copy_failed);
    CHECK(w.broken.take().size() == 1);
    w.device_memory.unmap(w.gpu_card(1).engine, there);
    for (std::size_t n : {0u, 1u}) w.gpu_card(n).memory.release(held[n]);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("atomics of CPU and both GPUs lose nothing (ATM-05, ATM-06)") {
    world w{two()};
    w.map(chunk);
    std::uint64_t old = 0;
    for (std::uint64_t round = 0; round < 20; ++round) {
      CHECK(w.gpu_atomic_add(w.first(), round % 2, base, 1, old) == errc::ok);
      CHECK(old == 2 * round);
      CHECK(where(w, base) == "gpu" + std::to_string(round % 2));
      CHECK(w.cpu_write(base, *w.cpu_read(base) + 1) == sys::ok);
    }
    CHECK(w.cpu_read(base) == 40u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a reset loses what was on the GPU, and says so until the memory is dropped") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    w.reset(0);
    CHECK_FALSE(w.device.has_mappings());
    std::byte word[8];
    CHECK(w.process.load(base, word) == sys::sigbus);
    CHECK(w.fault(base) == errc::lost);
    CHECK(w.cpu_tags_until(at(chunk), chunk, 1 + chunk_pages) == chunk);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.madvise_dontneed(base, {chunk}) == sys::ok);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.gpu_write(base, 5) == errc::ok);
    CHECK(w.cpu_read(base) == 5u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a lost page is not copied") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    w.frames.lose(0);
    CHECK(w.mover.evict_all() != errc::ok);
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU that is unplugged gives back what it has, and does nothing any more (MIG-21, MGP-06)") {
    world w{two()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(gpu_store(w, w.first(), 1, base, 70) == errc::ok);
    REQUIRE(gpu_load(w, w.first(), 0, base) == 70u);  // over the link, or moved
    REQUIRE(w.unplug(1) == errc::ok);
    CHECK(w.machine::gpu_load(w.first(), 1, base, std::span<std::byte>{}) == errc::device_gone);
    CHECK(w.gpu_card(1).memory.allocate({page_bytes}).error() == errc::device_gone);
    CHECK(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::device_gone);
    CHECK(w.cpu_read(base) == 70u);
    CHECK(gpu_load(w, w.first(), 0, page_at(1)) == 2u);
    CHECK(w.gpu_card(1).memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an access over a link that is down, or to memory that is not the GPU's, is found") {
    world w{two()};
    w.map(chunk);
    REQUIRE(gpu_store(w, w.first(), 0, base, 1) == errc::ok);
    auto& other = w.first().views[1]->device;
    auto const target = w.process.entry_at(base).target;
    svm::device_address where{.address = {std::uint64_t{target.frame} * page_bytes}, .path = svm::interconnect::peer};
    REQUIRE(other.prepare(span(base, page_bytes)) == errc::ok);
    other.commit(span(base, page_bytes), {&where, 1}, svm::mapping_access::read_only);
    std::byte word[8];
    CHECK(other.load(base, word));
    w.frames.links().set_up(0, 1, false);
    CHECK_FALSE(other.load(base, word));
    CHECK(w.broken.take() ==
          std::vector<std::string>{"O-10: a device access to another GPU's memory that does not reach it"});
    where.path = svm::interconnect::local;
    w.frames.links().set_up(0, 1, true);
    other.commit(span(base, page_bytes), {&where, 1}, svm::mapping_access::read_only);
    CHECK_FALSE(other.load(base, word));
    CHECK(w.broken.take().size() == 1);
    other.invalidate(span(base, page_bytes));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("three processes on two GPUs, and nothing is left of any (CFB-05)") {
    world w{two()};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    REQUIRE(gpu_store(w, w.first(), 0, base, 100) == errc::ok);
    task& second = w.fork(w.first());
    task& third = w.fork(second);
    std::uint64_t value = 1000;
    for (task* const t : {&third, &w.first(), &second})
      for (std::size_t n : {0u, 1u}) {
        CHECK(gpu_store(w, *t, n, at(chunk * n), value) == errc::ok);
        CHECK(gpu_load(w, *t, 1 - n, at(chunk * n)) == value);
        ++value;
        CHECK(w.complaint() == "");
      }
    CHECK(load(third, base) == 1000u);
    CHECK(w.cpu_read(at(chunk)) == 1003u);
    CHECK(load(second, at(chunk)) == 1005u);
    w.exit(second);
    CHECK(w.complaint() == "");
    CHECK(load(third, at(2 * chunk)) == 1 + 2 * chunk_pages);
    CHECK(w.finish().empty());
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The rules about page frames, device memory and DMA mappings, each broken on purpose once.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <mock/oracle_seams.hpp>

using namespace oracle_seams;

TEST_SUITE("mock/oracle_frames") {
  TEST_CASE("O-03 a dead page given to the IOMMU, a page freed under it, and a copy that meets one") {
    world w;
    auto const p = *w.process.allocate_page({});
    w.process.discard_page(p);
    auto const dead = *w.dma.map(p, dma_direction::to_device);
    CHECK(said(w, "O-03") == 1);
    auto memory = *w.device_memory.allocate({page_bytes});
    svm::device_page<page> to;
    REQUIRE(w.device_memory.pages(memory, {&to, 1}) == errc::ok);
    svm::copy_block<page> const job{block(dead, dma_direction::to_device), to.page};
    CHECK(w.device_memory.copy_to_device({&job, 1}) == errc::copy_failed);
    CHECK(said(w, "O-03") == 1);
    w.dma.unmap(dead, dma_direction::to_device);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 a peer's memory that is mapped for no range, and device memory that is unmapped twice") {
    world w{options([](auto& o) { o.gpus = 2; })};
    auto memory = *w.device_memory.allocate({page_bytes});
    svm::device_page<page> p;
    REQUIRE(w.device_memory.pages(memory, {&p, 1}) == errc::ok);
    auto const peer = *w.device_memory.map(w.gpu_card(1).engine, p.page, {1}, dma_direction::to_device);
    CHECK(found(w, "O-07") == 1);
    w.device_memory.unmap(w.gpu_card(1).engine, peer);
    CHECK(w.complaint() == "");
    w.device_memory.unmap(w.gpu_card(1).engine, peer);
    CHECK(said(w, "O-07") == 1);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 a peer's memory that a test says it has mapped is no violation, and one that it has not is") {
    world w{options([](auto& o) { o.gpus = 2; })};
    auto memory = *w.device_memory.allocate({page_bytes});
    svm::device_page<page> p;
    REQUIRE(w.device_memory.pages(memory, {&p, 1}) == errc::ok);
    auto const peer = *w.device_memory.map(w.gpu_card(1).engine, p.page, {1}, dma_direction::to_device);
    w.gpu_card(1).other_peer_blocks = 1;
    CHECK(w.complaint() == "");
    w.device_memory.unmap(w.gpu_card(1).engine, peer);
    CHECK(found(w, "O-07") == 1);
    w.gpu_card(1).other_peer_blocks = 0;
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 addresses that are given up with links, or linked where none are set aside") {
    world w{options([](auto& o) { o.iommu = svm::mock::iommu_mode::reserved; })};
    auto const p = *w.process.allocate_page({});
    auto const where = *w.dma.reserve({2 * page_bytes});
    CHECK(w.dma.link(where, {2 * page_bytes}, p, {1}, dma_direction::to_device) == errc::dma_map_failed);
    CHECK(said(w, "O-07") == 1);
    REQUIRE(w.dma.link(where, {0}, p, {1}, dma_direction::to_device) == errc::ok);
    CHECK(found(w, "O-07") == 1);
    w.dma.unmap(where, dma_direction::to_device);
    CHECK(said(w, "O-07") == 1);
    w.dma.release(where, {2 * page_bytes}, {0}, dma_direction::to_device);
    CHECK(said(w, "O-07") == 1);
    CHECK(w.dma.live() == 0);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-07 a DMA mapping that is ended twice, or with another direction, or that no range knows") {
    world w;
    auto const p = *w.process.allocate_page({});
    auto const a = *w.dma.map(p, dma_direction::to_device);
    CHECK(found(w, "O-07") == 1);
    w.dma.unmap(a, dma_direction::from_device);
    CHECK(said(w, "O-07") == 1);
    w.dma.unmap(a, dma_direction::to_device);
    CHECK(said(w, "O-07") == 1);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-11 a page freed under the CPU's page table, and a device page with nothing behind it") {
    SUBCASE("freed") {
      world w;
      w.map(page_bytes);
      REQUIRE(w.cpu_write(base, 1) == sys::ok);
      w.process.pin(base, false);  // the page table's own reference
      CHECK(said(w, "O-11") == 1);
      CHECK(found(w, "O-11") == 2);  // the entry is dead, and the frame does not know it
      static_cast<void>(w.finish());
    }
    SUBCASE("an entry that the frame does not know") {
      world w;
      w.map(page_bytes);
      REQUIRE(w.cpu_write(base, 1) == sys::ok);
      auto& mappings = w.frames.of(w.process.entry_at(base).target).mappings;
      auto const right = std::exchange(mappings, {});
      CHECK(found(w, "O-11") == 1);
      mappings = right;
      CHECK(w.complaint() == "");
    }
    SUBCASE("outside every allocation") {
      world w{small_chunks()};
      w.map(chunk);
      REQUIRE(w.fault(base) == errc::ok);
      auto& allocated = allocations(w.device_memory);
      REQUIRE(allocated.size() == 1);
      auto const [id, right] = *allocated.begin();
      allocated.clear();
      w.check_quiet();
      auto const lines = w.broken.take();
      CHECK(std::ranges::count(lines, "O-11: a device page is alive outside every allocation") == 1);
      CHECK(std::ranges::count(lines, "O-33: the device memory in use is not the sum of the allocations") == 1);
      allocated.emplace(id, right);
      CHECK(w.complaint() == "");
    }
    SUBCASE("nothing behind") {
      world w{small_chunks()};
      w.map(chunk);
      REQUIRE(w.fault(base) == errc::ok);
      auto& behind = w.frames.of(w.process.entry_at(base).target).owner_object;
      auto* const owner = std::exchange(behind, nullptr);
      w.check_quiet();
      auto const lines = w.broken.take();
      CHECK(std::ranges::any_of(lines, [](std::string const& line) {
        return line.starts_with("O-11: nothing stands behind the device page");
      }));
      behind = owner;
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("O-13 an empty copy job, and a source that a GPU may still write") {
    world w{small_chunks()};
    w.map(chunk);
    CHECK(w.device_memory.copy_to_system({}) == errc::ok);
    CHECK(said(w, "O-13") == 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto const p = *w.process.allocate_page({});
    svm::copy_block<page> const job{block(*w.dma.map(p, dma_direction::from_device), dma_direction::from_device),
                                    w.process.entry_at(base).target};
    CHECK(w.device_memory.copy_to_system({&job, 1}) == errc::ok);
    CHECK(said(w, "O-13") == 1);
    w.dma.unmap(job.remote.address, dma_direction::from_device);
    w.gpu_card(0).other_copied = page_bytes;
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-29 an allocation that counts more blocks than are alive") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const allocation = allocation_at(w, base);
    auto const p = w.process.entry_at(base).target;
    allocation->live_pages().page_split(p, {1}, {0});
    CHECK(found(w, "O-29") == 1);
    allocation->live_pages().page_freed(p, {});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-30 device memory that is released twice") {
    world w;
    auto memory = *w.device_memory.allocate({chunk});
    w.device_memory.release(memory);
    CHECK(said(w, "O-30") == 0);
    w.device_memory.release(memory);
    CHECK(said(w, "O-30") == 1);
  }

  TEST_CASE("O-31 a page left locked, a reference too many, one too few, a migration left, a locked page freed") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const p = w.process.entry_at(base).target;
    w.frames.of(p).locked = true;
    CHECK(found(w, "O-31") == 1);
    w.frames.of(p).locked = false;
    w.process.pin(base, true);
    CHECK(found(w, "O-31") == 1);
    w.process.pin(base, false);
    CHECK(w.complaint() == "");
    auto const other = *w.process.allocate_page({});
    w.frames.put(other);  // still locked
    CHECK(said(w, "O-31") == 1);
    w.frames.of(other).locked = false;
    w.frames.put(other);
    CHECK(said(w, "O-31") == 1);  // freed already
    {
      svm::migration_slot<page> slot;
      svm::mock::address_space<lock_policy>::migration session;
      {
        svm::shared_guard const guard{w.process.map_lock()};
        REQUIRE(w.process.collect(session, span(base, page_bytes), {&slot, 1}, svm::nobody) == errc::ok);
      }
      CHECK(found(w, "O-31") == 3);  // the entry, its lock, its reference
    }
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-31 a swap slot that nobody has, or that has too many") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const slot = w.shared.swap.write(w.frames.content(w.process.entry_at(base).target));
    w.shared.swap.get(slot);
    CHECK(found(w, "O-31") == 1);
    w.shared.swap.put(slot);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.swap_out(base));
    w.shared.swap.get(w.process.entry_at(base).target.frame);
    CHECK(found(w, "O-31") == 1);
    w.shared.swap.put(w.process.entry_at(base).target.frame);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-33 a page of device memory that two allocations have, and no block that is adopted") {
    world w{small_chunks()};
    auto memory = *w.device_memory.allocate({page_bytes});
    auto& all = allocations(w.device_memory);
    auto const twin = all.emplace(all.begin()->first + 1, all.begin()->second).first;
    CHECK(found(w, "O-33") == 2);
    all.erase(twin);
    CHECK(w.complaint() == "");
    svm::device_page<page> p;
    REQUIRE(w.device_memory.pages(memory, {&p, 1}) == errc::ok);
    freed_nowhere owner;
    w.process.adopt_device_page(p.page, {}, owner, false);
    CHECK(said(w, "O-33") == 0);
    w.process.adopt_device_page(p.page, {}, owner, false);
    CHECK(said(w, "O-33") == 1);
    w.process.discard_page(p.page);
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-33 a device page that is adopted twice") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const p = w.process.entry_at(base).target;
    auto& f = w.frames.of(p);
    w.process.adopt_device_page(p, {}, *f.owner_object, false);
    CHECK(said(w, "O-33") == 1);
    f.locked = false;
    CHECK(w.complaint() == "");
  }
}

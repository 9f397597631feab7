// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "driver/block_scene.hpp"

#include <array>
#include <cstdint>
#include <vector>

#include <support/failures.hpp>
#include <support/sanitized.hpp>
#include <svm/mock/machine/random.hpp>

using namespace support;

namespace {

/// Faults on the first page of a block that is not in device memory, until all are there; returns what each moved.
std::vector<unsigned> fill(world& w, std::uint64_t block, bool descending) {
  std::vector<unsigned> moved;
  while (true) {
    page_mask const before = on_device(w, block);
    if (before == pages(0, 512)) return moved;
    unsigned page = before.next_absent(0);
    if (descending)
      for (page = 511; before.test(page); --page) {
      }
    REQUIRE(serve(w, page_of(block, page)) == errc::ok);
    moved.push_back((on_device(w, block) - before).count());
    REQUIRE(moved.size() < 100);
  }
}

}  // namespace

TEST_SUITE("driver/block_service") {
  TEST_CASE("PLC-01 a cold block moves in six services, whichever end they begin at") {
    for (bool const descending : {false, true}) {
      world w{by_pages()};
      w.map(block_bytes);
      w.cpu_tag(base, block_bytes, 1);
      CHECK(fill(w, 0, descending) == std::vector<unsigned>{16, 16, 32, 64, 128, 256});
      auto const c = service_of(w).counts();
      CHECK(c.fault_services == 6);
      CHECK(c.pages_prefetched == 512 - 6);
      CHECK(copied(w, migration_cause::gpu_fault) == 6);
      CHECK(copied(w, migration_cause::prefetch) == 512 - 6);
      CHECK(w.range_count() == 1);
      CHECK(w.gpu_tags_until(base, block_bytes, 1) == block_bytes);
      CHECK(service_of(w).counts().fault_services == 6);
    }
  }

  TEST_CASE("PLC-02 pages outside a service are neither made present nor mapped, and stay as they are") {
    world w{by_pages()};
    w.map(block_bytes);
    REQUIRE(w.cpu_write(page_of(0, 40), 7) == sys::ok);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 16));
    CHECK(mapped(w, 0) == pages(0, 16));
    unsigned present = 0;
    w.process.for_each_entry(span(base, block_bytes), [&](cpu_va, pte const& e) { present += e.has_page() ? 1 : 0; });
    CHECK(present == 17);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-02 a service takes nothing from the GPU that it does not move") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    page_mask lost;
    w.hooks.hook = [&](step) { lost |= pages(0, 16) - mapped(w, 0); };
    REQUIRE(serve(w, page_of(0, 16)) == errc::ok);
    w.hooks.hook = nullptr;
    CHECK(lost.none());
    CHECK(mapped(w, 0) == pages(0, 32));
  }

  TEST_CASE("PLC-02 an event over one page takes that page alone from the GPU") {
    world w{by_pages()};
    w.map(block_bytes);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    svm::invalidation const event{span(page_of(0, 5), page_bytes), svm::invalidation_cause::clear};
    CHECK(w.process.watchers().invalidate(event, [&] { CHECK(mapped(w, 0) == pages(0, 16) - one(5)); }));
    CHECK(w.complaint() == "");
    // The page is there and not mapped: its fault maps it, moves nothing, and is resident.
    REQUIRE(serve(w, page_of(0, 5)) == errc::ok);
    CHECK(mapped(w, 0).contains(pages(0, 16)));
    CHECK(service_of(w).counts().faults_resident == 1);
  }

  TEST_CASE("PLC-03 a batch is merged and put in order, and each block has one service") {
    world w{by_pages()};
    w.map(3 * block_bytes);
    w.cpu_tag(base, 3 * block_bytes, 1);
    std::vector<std::uint64_t> order;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == svm::event_kind::migrated_to_device)
        order.push_back((e.span.start().value - base.value) / block_bytes);
    };
    REQUIRE(serve(w, {page_of(2, 9), page_of(0, 48), page_of(1, 0), page_of(0, 16), page_of(0, 0), page_of(0, 32),
                      page_of(0, 16), page_of(2, 9)}) == errc::ok);
    w.stats.listener = nullptr;
    CHECK(order == std::vector<std::uint64_t>{0, 1, 2});
    auto const c = service_of(w).counts();
    CHECK(c.batches == 1);
    CHECK(c.duplicates == 2);
    CHECK(c.fault_services == 3);
    CHECK(c.faults_resident == 0);
    CHECK(on_device(w, 0) == pages(0, 64));  // the golden vector of four groups
    CHECK(copied(w, migration_cause::gpu_fault) == 6);
    CHECK(copied(w, migration_cause::prefetch) == 60 + 15 + 15);
    CHECK(w.count(svm::event_kind::gpu_fault) == 8);
  }

  TEST_CASE("PLC-03 what is resident is judged before the first service of a batch") {
    world w{by_pages(block_bytes)};
    w.map(2 * block_bytes);
    REQUIRE(fill(w, 1, false).size() == 6);
    // The service of block 0 evicts what block 1 has of oldest; its page was there when the batch began.
    REQUIRE(serve(w, {page_of(0, 0), page_of(1, 0)}) == errc::ok);
    auto const c = service_of(w).counts();
    CHECK(c.faults_resident == 1);
    CHECK(c.refaults == 1);
    CHECK(c.fault_services == 8);
  }

  TEST_CASE("PLC-04 a write needs more than the mapping that a read left, where the CPU may write") {
    world w{by_pages()};
    w.map(block_bytes, base, protection::read);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    CHECK(serve(w, page_of(0, 0), access_kind::write) == errc::read_only);
    CHECK(w.gpu_write(page_of(0, 0), 1) == errc::read_only);
    REQUIRE(w.process.mprotect(base, {block_bytes}, protection::read_write) == sys::ok);
    CHECK(w.gpu_write(page_of(0, 0), 1) == errc::ok);
    CHECK(w.gpu_read(page_of(0, 0)) == 1);
  }

  TEST_CASE("PLC-04 an atomic access finds its page in the GPU's own memory") {
    world w{by_pages()};
    w.map(block_bytes);
    REQUIRE(w.cpu_write(page_of(0, 7), 40) == sys::ok);
    std::uint64_t old = 0;
    CHECK(w.gpu_atomic_add(w.first(), 0, page_of(0, 7), 2, old) == errc::ok);
    CHECK(old == 40);
    CHECK(w.cpu_read(page_of(0, 7)) == 42);
  }

  TEST_CASE("PLC-05 a fault is refused by itself, and the others of its batch are served") {
    world w{by_pages()};
    w.map(block_bytes);
    w.map(block_bytes, page_of(2, 0), protection::read);
    std::vector<block_fault> batch{{.at = page_of(1, 0)},
                                   {.at = page_of(2, 1), .want = access_kind::write},
                                   {.at = page_of(2, 2)},
                                   {.at = page_of(0, 0)},
                                   {.at = cpu_va{svm::mock::user_end + page_bytes}}};
    CHECK(service_of(w).serve(batch) == errc::no_vma);
    std::array const said{errc::no_vma, errc::read_only, errc::ok, errc::ok, errc::outside_window};
    for (std::size_t i = 0; i < batch.size(); ++i) CHECK(batch[i].error == said[i]);
    CHECK(on_device(w, 0).test(0));
    CHECK(on_device(w, 2).test(2));
  }

  TEST_CASE("PLC-05 a driver that only reads refuses a write before it looks at the address, as it does by ranges") {
    world w{by_pages(64 * MiB, [](auto& o) { o.driver.read_only = true; })};
    cpu_va const beyond{svm::mock::user_end + page_bytes};
    CHECK(serve(w, beyond, access_kind::write) == errc::read_only);
    CHECK(w.driver.fault(beyond, access_kind::write) == errc::read_only);
    CHECK(serve(w, beyond) == errc::outside_window);
  }

  TEST_CASE("PLC-05 each mapping of a block has its own window") {
    world w{by_pages()};
    w.map(5 * page_bytes);
    w.map(block_bytes - 8 * page_bytes, page_of(0, 8), protection::read);
    REQUIRE(serve(w, {page_of(0, 0), page_of(0, 20)}) == errc::ok);
    CHECK(on_device(w, 0).contains(pages(0, 5)));
    CHECK_FALSE(on_device(w, 0).meets(pages(5, 8)));
    CHECK(on_device(w, 0).contains(pages(16, 32)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-06 what exceeds the memory is cut, and then mapped where it is") {
    world w{by_pages(60 * page_bytes)};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    // All of four groups does not fit: the faulted pages alone move.
    REQUIRE(serve(w, {page_of(0, 0), page_of(0, 16), page_of(0, 32), page_of(0, 48)}) == errc::ok);
    CHECK(on_device(w, 0).count() == 4);
    CHECK(service_of(w).counts().pages_prefetched == 0);
    world small{by_pages(2 * page_bytes)};
    small.map(block_bytes);
    small.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(small, {page_of(0, 0), page_of(0, 1), page_of(0, 2)}) == errc::ok);
    CHECK(on_device(small, 0).none());
    CHECK(mapped(small, 0) == pages(0, 3));
    CHECK(service_of(small).counts().fault_services == 0);
    CHECK(small.gpu_tags_until(base, 3 * page_bytes, 1) == 3 * page_bytes);
  }

  TEST_CASE("PLC-06 where all that faulted is too much, atomic accesses get their pages, or are refused") {
    std::vector<svm::block_fault> batch{{.at = page_of(0, 0)}, {.at = page_of(0, 1)}, {.at = page_of(0, 2)}};
    batch[1].want = access_kind::atomic;
    world w{by_pages(2 * page_bytes)};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(service_of(w).serve(batch) == errc::ok);
    CHECK(on_device(w, 0) == pages(1, 2));
    CHECK(mapped(w, 0) == pages(0, 3));
    // Without prefetch the range is what faulted, and is larger than the memory.
    world whole{by_pages(2 * page_bytes, [](auto& o) { o.placement->prefetch = svm::placement::prefetch_mode::off; })};
    whole.map(block_bytes);
    std::uint64_t old = 0;
    CHECK(whole.gpu_atomic_add(whole.first(), 0, page_of(0, 7), 2, old) == errc::ok);
    CHECK(on_device(whole, 0) == pages(7, 8));
    // Three atomic accesses find no room for what they need.
    for (svm::block_fault& f : batch) f.want = access_kind::atomic;
    CHECK(service_of(whole).serve(batch) == errc::no_device_memory);
    CHECK(whole.complaint() == "");
  }

  TEST_CASE("PLC-07 an eviction takes only what it moves, and a return is a refault") {
    world w{by_pages(block_bytes + 16 * page_bytes)};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(fill(w, 0, false).size() == 6);
    REQUIRE(serve(w, page_of(1, 0)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 512));
    REQUIRE(serve(w, page_of(1, 16)) == errc::ok);  // 16 pages of room go: those of the first service
    CHECK(on_device(w, 0) == pages(16, 512));
    CHECK(mapped(w, 0) == pages(16, 512));
    CHECK(copied(w, migration_cause::eviction) == 16);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(service_of(w).counts().refaults == 1);
    CHECK(w.gpu_tags_until(base, 2 * block_bytes, 1) == 2 * block_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-07 a page that came back after an eviction, and that the CPU took then, is no refault again") {
    world w{by_pages(16 * page_bytes)};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    REQUIRE(serve(w, page_of(0, 100)) == errc::ok);  // there is room for one group
    REQUIRE(on_device(w, 0) == pages(96, 112));
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(service_of(w).counts().refaults == 1);
    CHECK(w.cpu_read(page_of(0, 3)) == 4);
    CHECK_FALSE(on_device(w, 0).test(3));
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(service_of(w).counts().refaults == 1);
  }

  TEST_CASE("PLC-08 a page that only moves along and cannot is no reason for faulted ones to stay") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    w.process.pin(page_of(0, 5), true);
    CHECK(w.gpu_read(page_of(0, 3)) == 4);
    w.process.pin(page_of(0, 5), false);
    CHECK(on_device(w, 0) == one(3));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-07 pages that the CPU took away are not evicted again, and their return is no refault") {
    world w{by_pages(block_bytes)};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(fill(w, 0, false).size() == 6);
    CHECK(w.cpu_read(page_of(0, 3)) == 4);  // with the rest of its allocation
    CHECK(on_device(w, 0) == pages(16, 512));
    REQUIRE(serve(w, page_of(1, 0)) == errc::ok);
    CHECK(copied(w, migration_cause::eviction) == 0);
    CHECK(copied(w, migration_cause::cpu_fault) + copied(w, migration_cause::prefetch) == 16 + 511 - 5 + 15);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(service_of(w).counts().refaults == 0);
    CHECK(copied(w, migration_cause::eviction) != 0);
  }

  TEST_CASE("PLC-08 memory that cannot move is mapped as a driver of whole ranges does") {
    world w{by_pages()};
    w.map(block_bytes, base, protection::read_write, mapping_kind::file);
    CHECK(serve(w, page_of(0, 5), access_kind::write) == errc::ok);
    CHECK(on_device(w, 0).none());
    CHECK(mapped(w, 0).test(5));
    CHECK(service_of(w).counts().fault_services == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-08 a prefetch by the program maps the range whole again, and a fault by pages ends that") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    REQUIRE(w.driver.prefetch(span(base, block_bytes), svm::prefetch_place::system) == errc::ok);
    CHECK(on_device(w, 0).none());
    CHECK(mapped(w, 0) == pages(0, 512));
    CHECK(copied(w, migration_cause::explicit_migration) == 16);
    CHECK(w.complaint() == "");
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    CHECK(mapped(w, 0) == pages(0, 16));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-09 an unmap in the middle of a block leaves no page behind") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(fill(w, 0, false).size() == 6);
    REQUIRE(w.process.munmap(page_of(0, 100), {page_bytes}) == sys::ok);
    CHECK(mapped(w, 0).none());
    CHECK(serve(w, page_of(0, 100)) == errc::no_vma);
    CHECK(w.device_pages(base, block_bytes) == 0);
    CHECK(copied(w, migration_cause::collection) == 511);
    REQUIRE(serve(w, page_of(0, 99)) == errc::ok);
    CHECK(w.gpu_tags_until(base, 100 * page_bytes, 1) == 100 * page_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-10 without prefetch a fault moves what is missing of its range, for the sake of the fault") {
    world w{by_pages(64 * MiB, [](auto& o) { o.placement->prefetch = prefetch_mode::off; })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 512));
    CHECK(copied(w, migration_cause::gpu_fault) == 512);
    CHECK(w.cpu_read(page_of(0, 9)) == 10);
    REQUIRE(serve(w, page_of(0, 9)) == errc::ok);
    CHECK(service_of(w).counts().pages_prefetched == 0);
    CHECK(service_of(w).counts().fault_services == 2);
  }

  TEST_CASE("PLC-10 prefetch until the memory is full ends with the service behind the first eviction") {
    world w{by_pages(block_bytes, [](auto& o) { o.placement->prefetch = prefetch_mode::until_full; })};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(fill(w, 0, false).size() == 6);
    REQUIRE(serve(w, page_of(1, 0)) == errc::ok);
    CHECK(on_device(w, 1) == pages(0, 16));
    REQUIRE(serve(w, page_of(1, 16)) == errc::ok);
    CHECK(on_device(w, 1) == pages(0, 17));
  }

  TEST_CASE("PLC-20 a CPU fault brings back its page and what density adds, of whichever allocations") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(fill(w, 0, false).size() == 6);
    std::uint64_t const in = copied(w, migration_cause::prefetch);
    std::vector<unsigned> left;
    for (unsigned page : {3u, 16u, 32u, 64u}) {
      page_mask const before = on_device(w, 0);
      CHECK(w.cpu_read(page_of(0, page)) == page + 1);
      left.push_back((before - on_device(w, 0)).count());
    }
    CHECK(left == std::vector<unsigned>{16, 16, 32, 64});
    CHECK(mapped(w, 0) == pages(128, 512));
    CHECK(copied(w, migration_cause::cpu_fault) == 4);
    CHECK(copied(w, migration_cause::prefetch) == in + 128 - 4);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-18 a program that goes through its blocks in order faults on the first ones alone") {
    for (bool const descending : {false, true}) {
      auto const services = [&](bool stream) {
        world w{by_pages(64 * MiB, [&](auto& o) { o.placement->stream = stream; })};
        constexpr std::uint64_t blocks = 16;
        w.map(blocks * block_bytes);
        w.cpu_tag(base, blocks * block_bytes, 1);
        for (std::uint64_t n = 0; n < blocks * 512; ++n) {
          cpu_va const a = page_of(0, descending ? blocks * 512 - 1 - n : n);
          REQUIRE(w.gpu_read(a).has_value());
        }
        CHECK(w.gpu_tags_until(base, blocks * block_bytes, 1) == blocks * block_bytes);
        CHECK(w.complaint() == "");
        return service_of(w).counts().fault_services;
      };
      CHECK(services(false) == 6 * 16);
      CHECK(services(true) <= 6 * 6);
    }
  }

  TEST_CASE("PLC-18 nothing is evicted for a block that nobody asked for") {
    world w{by_pages(3 * block_bytes, [](auto& o) { o.placement->stream = true; })};
    w.map(8 * block_bytes);
    w.cpu_tag(base, 8 * block_bytes, 1);
    for (std::uint64_t b = 0; b < 3; ++b) static_cast<void>(fill(w, b, false));
    CHECK(copied(w, migration_cause::eviction) == 0);
    CHECK(on_device(w, 3).none());
  }

  TEST_CASE("PLC-19 while memory is short less is prefetched, and so less moves in vain") {
    auto const moved = [](bool gate) {
      world w{by_pages(2 * block_bytes, [&](auto& o) { o.placement->gate = gate; })};
      constexpr std::uint64_t blocks = 8;
      w.map(blocks * block_bytes);
      w.cpu_tag(base, blocks * block_bytes, 1);
      svm::mock::random draw{7};
      for (unsigned n = 0; n < 1000; ++n) REQUIRE(serve(w, page_of(draw.below(blocks), draw.below(512))) == errc::ok);
      return w.stats.bytes(svm::event_kind::copied);
    };
    CHECK(moved(true) < moved(false));
  }

  TEST_CASE("PLC-21 a block whose prefetched pages went unused gets less, and so less moves in vain") {
    struct outcome {
      std::uint64_t bytes, services;
    };
    auto const run = [](bool feedback, bool sparse) {
      world w{by_pages(2 * block_bytes, [&](auto& o) { o.placement->feedback = feedback; })};
      constexpr std::uint64_t blocks = 6;
      w.map(blocks * block_bytes);
      w.cpu_tag(base, blocks * block_bytes, 1);
      svm::mock::random draw{7};
      if (sparse) {
        for (unsigned n = 0; n < 1200; ++n) {
          std::uint64_t const page = draw.below(blocks) * 512 + draw.below(512);
          CHECK(w.gpu_read(page_of(0, page)) == page + 1);
        }
      } else {
        for (std::uint64_t n = 0; n < 3 * blocks * 512; ++n)
          CHECK(w.gpu_read(page_of(0, n % (blocks * 512))).has_value());
      }
      CHECK(w.complaint() == "");
      return outcome{w.stats.bytes(svm::event_kind::copied), service_of(w).counts().fault_services};
    };
    outcome const before = run(false, true), with = run(true, true);
    INFO("bytes " << before.bytes << " -> " << with.bytes);
    CHECK(with.bytes * 4 < before.bytes * 3);
    // Where all of it is used it changes nothing.
    outcome const used = run(false, false), still = run(true, false);
    CHECK(still.bytes == used.bytes);
    CHECK(still.services == used.services);
  }

  TEST_CASE("PLC-11 a copy says why it was made, for which batch and for whom, and when") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    std::vector<svm::event> seen;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == svm::event_kind::copied) seen.push_back(e);
    };
    w.clock.advance(svm::milliseconds(3));
    std::vector<block_fault> batch{{.at = page_of(0, 0), .requester = 17}};
    REQUIRE(service_of(w).serve(batch) == errc::ok);
    batch[0].at = page_of(0, 16);
    REQUIRE(service_of(w).serve(batch) == errc::ok);
    w.stats.listener = nullptr;
    REQUIRE(seen.size() == 4);
    CHECK(seen[0].reason == svm::move_reason{migration_cause::gpu_fault, 1, 17});
    CHECK(seen[1].reason == svm::move_reason{migration_cause::prefetch, 1, 17});
    CHECK(seen[3].reason == svm::move_reason{migration_cause::prefetch, 2, 17});
    CHECK(seen[1].bytes == byte_count{15 * page_bytes});
    CHECK(seen[0].began.nanoseconds >= 3'000'000);
    CHECK_FALSE(svm::is_before(seen[0].ended, seen[0].began));
  }

  TEST_CASE("PLC-12 pages of two GPUs in one block are each GPU's own") {
    world w{by_pages(64 * MiB, [](auto& o) { o.gpus = 2; })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0), access_kind::write, 0) == errc::ok);
    REQUIRE(serve(w, page_of(0, 16), access_kind::write, 1) == errc::ok);
    CHECK(mapped(w, 0, 0) == pages(0, 16));
    CHECK(mapped(w, 0, 1) == pages(16, 32));
    REQUIRE(serve(w, page_of(0, 3), access_kind::write, 1) == errc::ok);
    CHECK(mapped(w, 0, 0).none());
    CHECK(mapped(w, 0, 1).contains(pages(0, 32)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-13 whatever fails at any step, nothing is left and the batch is served when it is repeated") {
    using svm::mock::failure;
    using repeat = svm::mock::failure_plan::repeat;
    constexpr std::uint64_t part = 64 * page_bytes;  // of each block
    for (failure const kind :
         {failure::alloc, failure::ram, failure::dma_map, failure::copy, failure::populate, failure::notifier,
          failure::lock, failure::page_table, failure::page_list, failure::device_map, failure::clear})
      for (repeat const how : {repeat::once, repeat::from_then_on}) {
        std::uint64_t nth = 0;
        for (bool struck = true; struck && nth < 2000;) {
          world w{by_pages(part)};
          for (std::uint64_t b = 0; b < 3; ++b) {
            w.map(part, page_of(b, 0));
            w.cpu_tag(page_of(b, 0), part, 1);
          }
          while (on_device(w, 0) != pages(0, 64))
            REQUIRE(serve(w, page_of(0, on_device(w, 0).next_absent(0))) == errc::ok);
          std::vector const batch{page_of(0, 1), page_of(1, 0), page_of(1, 33), page_of(2, 5)};
          std::uint64_t const before = w.failures.struck();
          w.failures.arm(kind, nth += support::sanitized ? 3 : 1, how);
          static_cast<void>(serve(w, batch));
          struck = w.failures.struck() != before;
          w.failures.disarm();
          INFO("failure " << static_cast<int>(kind) << " number " << nth);
          CHECK(w.complaint() == "");
          CHECK(serve(w, batch) == errc::ok);
          for (std::uint64_t b = 0; b < 3; ++b) CHECK(w.gpu_tags_until(page_of(b, 0), part, 1) == part);
          CHECK(w.complaint() == "");
        }
        CHECK(nth < 2000);
      }
  }
}

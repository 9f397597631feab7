// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "driver/block_scene.hpp"

#include <array>
#include <cstdint>
#include <vector>

#include <support/cancel_after.hpp>
#include <support/failures.hpp>
#include <svm/mock/machine/counter_worker.hpp>

using namespace support;
using svm::counter_notice;
using svm::preferred_place;
using svm::span_attributes;
using svm::placement::counter_mode;

namespace {

constexpr span_attributes accessed{.accessed_by = true};
constexpr std::uint64_t accesses_a_notice = svm::placement::defaults::counter_threshold;

template <class Set>
[[nodiscard]] svm::mock::machine_options counting(counter_mode mode, std::uint64_t vram, Set&& set) {
  return by_pages(vram, [&](svm::mock::machine_options& o) {
    o.placement->counters = mode;
    set(o);
  });
}
[[nodiscard]] svm::mock::machine_options counting(counter_mode mode = counter_mode::on, std::uint64_t vram = 64 * MiB) {
  return counting(mode, vram, [](auto&) {});
}
/// A block that the CPU wrote, and that the GPU uses where it is.
void map_accessed(world& w, std::uint64_t blocks = 1) {
  w.map(blocks * block_bytes);
  w.cpu_tag(base, blocks * block_bytes, 1);
  REQUIRE(service_of(w).advise(span(base, blocks * block_bytes), accessed) == errc::ok);
}
/// Reads a word as often as it takes until the region is told of.
void use(world& w, cpu_va a, std::uint64_t times = accesses_a_notice) {
  for (std::uint64_t n = 0; n < times; ++n) REQUIRE(w.gpu_read(a).has_value());
}
std::size_t interrupt(machine& w, std::size_t gpu = 0) {
  return svm::mock::serve_notices(*w.first().views[gpu]);
}
[[nodiscard]] std::uint32_t bit(unsigned sub_region) {
  return std::uint32_t{1} << sub_region;
}
/// Serves notices that the hardware is said to have told.
std::vector<counter_notice> tell(machine& w, std::vector<counter_notice> told, std::size_t gpu = 0) {
  static_cast<void>(service_of(w, gpu).serve_notices(told));
  return told;
}

}  // namespace

TEST_SUITE("driver/counter_notice") {
  TEST_CASE("PLC-40 what a GPU uses from afar comes when its accesses were counted, and not before") {
    world w{counting()};
    map_accessed(w);
    use(w, page_of(0, 35), accesses_a_notice - 1);
    CHECK(interrupt(w) == 0);
    CHECK(on_device(w, 0).none());
    use(w, page_of(0, 35), 1);
    CHECK(interrupt(w) == 1);
    // The first page of the sub-region, and what density adds.
    CHECK(on_device(w, 0) == pages(32, 48));
    CHECK(copied(w, migration_cause::counter) == 1);
    CHECK(copied(w, migration_cause::prefetch) == 15);
    CHECK(copied(w, migration_cause::gpu_fault) == 0);
    auto const c = service_of(w).counts();
    CHECK(c.counter_services == 1);
    CHECK(c.fault_services == 0);
    CHECK(c.pages_prefetched == 15);
    CHECK(w.complaint() == "");
    use(w, page_of(0, 70));  // the region counts on
    CHECK(interrupt(w) == 1);
    CHECK(on_device(w, 0) == (pages(32, 48) | pages(64, 80)));
    CHECK(w.gpu_tags_until(base, block_bytes, 1) == block_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-40 without counters what is used from afar stays there") {
    world w{by_pages()};
    map_accessed(w);
    use(w, page_of(0, 35), 4 * accesses_a_notice);
    CHECK(interrupt(w) == 0);
    CHECK(on_device(w, 0).none());
  }

  TEST_CASE("PLC-40 of one piece of 2 MiB all counts that was accessed in it (rule E2)") {
    world w{counting(counter_mode::on, 64 * MiB, [](auto& o) { o.joins_pages = true; })};
    map_accessed(w);
    use(w, page_of(0, 500), 1);
    use(w, page_of(0, 3), accesses_a_notice - 1);
    CHECK(interrupt(w) == 1);
    CHECK(on_device(w, 0) == (pages(0, 16) | pages(496, 512)));
    CHECK(copied(w, migration_cause::counter) == 32);
  }

  TEST_CASE("PLC-41 each notice of a block counts with the place of its own page (rule E2)") {
    world w{counting(counter_mode::on, 64 * MiB, [](auto& o) {
      o.gpus = 2;
      o.placement->threshold = 100;
    })};
    map_accessed(w);
    REQUIRE(serve(w, page_of(0, 16), access_kind::read, 1) == errc::ok);  // of the other GPU, which we reach
    auto const told = tell(w, {{.address = page_of(0, 32), .sub_regions = bit(2)},
                               {.address = page_of(0, 16), .sub_regions = bit(1)},
                               {.address = page_of(0, 0), .sub_regions = bit(0)}});
    for (counter_notice const& n : told) CHECK((n.is_cleared && n.error == errc::ok));
    CHECK(on_device(w, 0) == (one(0) | one(16) | one(32)));
    CHECK(copied(w, migration_cause::counter) == 3);
    CHECK(w.device_pages(base, block_bytes) == 3);
    use(w, page_of(0, 16), 2 * accesses_a_notice);
    CHECK(interrupt(w) == 0);  // it is its own by now
  }

  TEST_CASE("PLC-41 pages that are there, or that nobody maps, do not move (rule E3)") {
    world w{counting()};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    std::uint64_t const moved = w.stats.bytes(svm::event_kind::copied);
    auto const told = tell(w, {{.address = page_of(0, 0), .sub_regions = bit(0)},    // there
                               {.address = page_of(1, 0), .sub_regions = bit(0)}});  // no page of the block is mapped
    CHECK((told[0].is_cleared && told[1].is_cleared));
    CHECK(w.stats.bytes(svm::event_kind::copied) == moved);
    CHECK(service_of(w).counts().counter_services == 0);
  }

  TEST_CASE("PLC-41 what a program had mapped whole comes page by page when it is counted") {
    world w{counting()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(w.driver.prefetch(span(base, block_bytes), svm::prefetch_place::system) == errc::ok);
    use(w, page_of(0, 20));
    CHECK(w.count(svm::event_kind::gpu_fault) == 0);
    CHECK(interrupt(w) == 1);
    CHECK(on_device(w, 0) == pages(16, 32));
    CHECK(w.gpu_tags_until(base, block_bytes, 1) == block_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-41 memory that prefers the system stays there, however often it is used") {
    world w{counting()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(service_of(w).advise(span(base, block_bytes), {.preferred = preferred_place::system}) == errc::ok);
    for (int round = 0; round < 3; ++round) {
      use(w, page_of(0, 0));
      CHECK(interrupt(w) == 1);
    }
    CHECK(on_device(w, 0).none());
    CHECK(w.stats.bytes(svm::event_kind::copied) == 0);
  }

  TEST_CASE("PLC-52 what went to and fro until it was pinned stays where it is, though it is counted (rule E3)") {
    for (bool const is_pinned : {false, true}) {
      world w{counting(counter_mode::on, 64 * MiB, [&](auto& o) {
        o.placement->threshold = 100;
        if (is_pinned) o.placement->thrash = svm::placement::thrash_mode::on;
      })};
      w.map(block_bytes);
      REQUIRE(w.cpu_write(page_of(0, 0), 42) == sys::ok);
      for (int n = 0; n < 200 && service_of(w).counts().pages_pinned == 0; ++n) {
        w.clock.advance(svm::duration{1000});
        REQUIRE(w.gpu_read(page_of(0, 0)) == 42);
        w.clock.advance(svm::duration{1000});
        REQUIRE(w.cpu_read(page_of(0, 0)) == 42);
      }
      REQUIRE((service_of(w).counts().pages_pinned == 1) == is_pinned);
      if (!is_pinned) REQUIRE(service_of(w).advise(span(base, block_bytes), accessed) == errc::ok);
      CHECK(w.gpu_read(page_of(0, 0)) == 42);
      REQUIRE(on_device(w, 0).none());
      auto const told = tell(w, {{.address = page_of(0, 0), .sub_regions = bit(0)}});
      CHECK(told[0].is_cleared);
      CHECK(on_device(w, 0).test(0) == !is_pinned);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("PLC-42 a region counts on unless its service failed (rule E4)") {
    world w{counting()};
    map_accessed(w);
    w.map(block_bytes, page_of(2, 0), protection::read_write, mapping_kind::file);
    auto const told = tell(w, {{.address = page_of(0, 0), .sub_regions = bit(0)},
                               {.address = page_of(1, 0), .sub_regions = bit(0)},
                               {.address = page_of(2, 0), .sub_regions = bit(0)},
                               {.address = cpu_va{svm::mock::user_end}, .sub_regions = bit(0)}});
    for (counter_notice const& n : told) CHECK((n.is_cleared && n.error == errc::ok));
    CHECK(on_device(w, 0).test(0));
    support::cancel_after stopped{0};
    std::array late{counter_notice{.address = page_of(0, 64), .sub_regions = bit(4)}};
    CHECK(service_of(w).serve_notices(late, &stopped) == errc::interrupted);
    CHECK_FALSE(late[0].is_cleared);
    w.map(block_bytes, page_of(3, 0));
    w.failures.arm(failure::alloc, 1, failure_plan::repeat::from_then_on);
    auto const poor = tell(w, {{.address = page_of(3, 0), .sub_regions = bit(0)}});
    w.failures.disarm();
    CHECK(poor[0].error == errc::no_memory);
    CHECK_FALSE(poor[0].is_cleared);
    w.exit(w.first());
    auto const gone = tell(w, {{.address = page_of(0, 64), .sub_regions = bit(4)}});
    CHECK(gone[0].error == errc::mm_gone);
    CHECK_FALSE(gone[0].is_cleared);
  }

  TEST_CASE("PLC-42 notices in any order, and more than a batch of them, are each answered") {
    world w{counting(counter_mode::on, 64 * MiB, [](auto& o) { o.placement->threshold = 100; })};
    map_accessed(w);
    std::vector<counter_notice> many;
    for (unsigned n = 0; n < 600; ++n)
      many.push_back({.address = page_of(0, (n * 7 % 32) * 16), .sub_regions = bit(n * 7 % 32)});
    many = tell(w, many);
    for (counter_notice const& n : many) CHECK(n.is_cleared);
    CHECK(on_device(w, 0).count() == 32);
    CHECK(copied(w, migration_cause::counter) == 32);
    CHECK(service_of(w).counts().counter_services == 1);  // the first batch names all of them
  }

  TEST_CASE("PLC-42 room for what was counted is made as for a fault") {
    world w{counting(counter_mode::on, 16 * page_bytes)};
    map_accessed(w, 2);
    tell(w, {{.address = page_of(0, 0), .sub_regions = bit(0)}});
    CHECK(on_device(w, 0) == pages(0, 16));
    tell(w, {{.address = page_of(1, 0), .sub_regions = bit(0)}});
    CHECK(on_device(w, 0).none());
    CHECK(on_device(w, 1) == pages(0, 16));
    CHECK(copied(w, migration_cause::eviction) == 16);
    CHECK(w.gpu_tags_until(base, 2 * block_bytes, 1) == 2 * block_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-43 any failure at any step of a service for counters leaves nothing behind") {
    for (auto const kind : {failure::alloc, failure::ram, failure::dma_map, failure::copy, failure::populate}) {
      for (auto const mode : {counter_mode::on, counter_mode::hysteresis}) {
        fail_each(
            counting(mode, 48 * page_bytes), kind,
            {errc::no_memory, errc::no_ram, errc::dma_map_failed, errc::copy_failed, errc::no_device_memory},
            [](world& w) { map_accessed(w, 2); },
            [](world& w) {
              std::vector<counter_notice> told;
              for (unsigned n = 0; n < 256; ++n)
                told.push_back({.address = page_of(n % 2, n % 4 * 16), .sub_regions = bit(n % 4)});
              return service_of(w).serve_notices(told);
            },
            [](world& w) { return w.cpu_tags_until(base, 2 * block_bytes, 1) == 2 * block_bytes; });
      }
    }
  }

  TEST_CASE(
      "PLC-44 with a way back nothing is evicted for a fault: what finds no room is used from afar until it is hot") {
    world w{counting(counter_mode::hysteresis, 16 * page_bytes)};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 16));
    REQUIRE(serve(w, page_of(1, 5)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 16));
    CHECK(on_device(w, 1).none());
    CHECK(mapped(w, 1) == pages(0, 16));  // the group, which would fault page by page otherwise
    CHECK(copied(w, migration_cause::eviction) == 0);
    for (int n = 1; n < 16; ++n) tell(w, {{.address = page_of(1, 0), .sub_regions = bit(0)}});
    CHECK(on_device(w, 1).none());
    tell(w, {{.address = page_of(1, 0), .sub_regions = bit(0)}});  // twice eight, since memory is short
    CHECK(on_device(w, 1) == pages(0, 16));
    CHECK(on_device(w, 0).none());
    CHECK(copied(w, migration_cause::counter) == 16);
    CHECK(copied(w, migration_cause::eviction) == 16);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    CHECK(on_device(w, 0).none());
    CHECK(mapped(w, 0) == pages(0, 16));
    CHECK(service_of(w).counts().refaults == 1);
    CHECK(w.gpu_tags_until(base, 16 * page_bytes, 1) == 16 * page_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-44 with a way back what would move along is cut to the room that there is") {
    world w{counting(counter_mode::hysteresis, 68 * page_bytes)};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(serve(w, page_of(1, 0)) == errc::ok);
    for (unsigned const page : {0u, 16u, 32u}) REQUIRE(serve(w, page_of(0, page)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 48));  // and not 64, for which 20 pages of room are too few
    CHECK(on_device(w, 1) == pages(0, 16));
    CHECK(copied(w, migration_cause::eviction) == 0);
  }

  TEST_CASE("PLC-44 with a way back an atomic access still finds its page in the GPU's own memory") {
    world w{counting(counter_mode::hysteresis, 16 * page_bytes)};
    w.map(2 * block_bytes);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    REQUIRE(w.cpu_write(page_of(1, 7), 40) == sys::ok);
    std::uint64_t old = 0;
    CHECK(w.gpu_atomic_add(w.first(), 0, page_of(1, 7), 2, old) == errc::ok);
    CHECK(old == 40);
    CHECK(copied(w, migration_cause::eviction) != 0);
    // Also where others of its group are used from afar.
    REQUIRE(w.cpu_write(page_of(1, 34), 1) == sys::ok);
    std::vector<block_fault> batch{{.at = page_of(1, 33)}, {.at = page_of(1, 34), .want = access_kind::atomic}};
    CHECK(service_of(w).serve(batch) == errc::ok);
    CHECK(on_device(w, 1).test(34));
    CHECK_FALSE(on_device(w, 1).test(33));
    CHECK(mapped(w, 1).contains(one(33) | one(34)));
  }

  TEST_CASE("PLC-45 with a way back and with room eight notices bring a group, and it alone") {
    world w{counting(counter_mode::hysteresis)};
    map_accessed(w);
    for (int n = 1; n < 8; ++n) tell(w, {{.address = page_of(0, 16), .sub_regions = bit(1) | bit(3)}});
    tell(w, {{.address = page_of(0, 80), .sub_regions = bit(5)}});
    CHECK(on_device(w, 0).none());
    tell(w, {{.address = page_of(0, 16), .sub_regions = bit(1)}});
    CHECK(on_device(w, 0) == pages(16, 32));
  }

  TEST_CASE("PLC-46 with a way back what no fault touched for four periods goes, and stays away until it is hot") {
    for (bool const is_touched : {false, true}) {
      world w{counting(counter_mode::hysteresis)};
      map_accessed(w);
      w.map(block_bytes, page_of(1, 0));
      REQUIRE(serve(w, page_of(1, 0)) == errc::ok);  // no counter brought it, so that none takes it away
      for (int n = 0; n < 8; ++n) tell(w, {{.address = page_of(0, 0), .sub_regions = bit(0)}});
      REQUIRE(on_device(w, 0) == pages(0, 16));
      // Notices of nothing are notices too.
      std::vector<counter_notice> const period(256, {.address = page_of(7, 0), .sub_regions = bit(0)});
      for (int n = 0; n < 3; ++n) tell(w, period);
      CHECK(on_device(w, 0) == pages(0, 16));
      if (is_touched) REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
      tell(w, period);
      CHECK(on_device(w, 0) == (is_touched ? pages(0, 16) : page_mask{}));
      CHECK(on_device(w, 1) == pages(0, 16));
      if (is_touched) continue;
      CHECK(service_of(w).counts().pages_demoted == 16);
      CHECK(copied(w, migration_cause::counter) == 32);
      REQUIRE(service_of(w).advise(span(base, block_bytes), {}) == errc::ok);
      REQUIRE(serve(w, {page_of(0, 3), page_of(0, 40)}) == errc::ok);
      CHECK(on_device(w, 0) == one(40));  // only what went back is used from afar
      CHECK(mapped(w, 0) == (pages(0, 16) | one(40)));
      CHECK(service_of(w).counts().refaults == 0);
      for (int n = 0; n < 8; ++n) tell(w, {{.address = page_of(0, 0), .sub_regions = bit(0)}});
      CHECK(on_device(w, 0).contains(pages(0, 16)));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("PLC-47 a program whose few hot pages lie among many cold ones moves fewer bytes with a way back") {
    auto const moved = [](counter_mode mode) {
      world w{counting(mode, 64 * page_bytes)};
      constexpr std::uint64_t blocks = 4;
      w.map(blocks * block_bytes);
      w.cpu_tag(base, blocks * block_bytes, 1);
      for (std::uint64_t round = 0; round < 4; ++round)
        for (std::uint64_t n = 0; n < blocks * 32; ++n) {
          std::uint64_t const page = n * 16 + round;  // one page of each group
          CHECK(w.gpu_read(page_of(0, page)) == page + 1);
          CHECK(w.gpu_read(page_of(0, 3)) == 4);
          static_cast<void>(interrupt(w));
        }
      CHECK(w.complaint() == "");
      return w.stats.bytes(svm::event_kind::copied);
    };
    CHECK(moved(counter_mode::hysteresis) * 4 < moved(counter_mode::off));
  }
}

TEST_SUITE("driver/span_attributes") {
  TEST_CASE(
      "PLC-48 what the GPU is said to access is mapped at once, and its faults leave it where it is (rules F1, F4)") {
    world w{by_pages()};
    w.map(2 * block_bytes);
    w.cpu_tag(page_of(0, 500), 20 * page_bytes, 1);
    REQUIRE(serve(w, page_of(1, 300)) == errc::ok);
    REQUIRE(service_of(w).advise(span(base, 2 * block_bytes), accessed) == errc::ok);
    CHECK(mapped(w, 0) == pages(500, 512));
    CHECK(mapped(w, 1) == (pages(0, 8) | on_device(w, 1)));
    REQUIRE(w.process.madvise_dontneed(page_of(0, 511), {page_bytes}) == sys::ok);
    REQUIRE(w.cpu_write(page_of(0, 511), 12) == sys::ok);
    CHECK(w.gpu_tags_until(page_of(0, 500), 20 * page_bytes, 1) == 20 * page_bytes);
    CHECK(on_device(w, 0).none());
    // What is nowhere comes to who asks first, and nothing comes along with what stays.
    REQUIRE(serve(w, {page_of(0, 3), page_of(0, 510)}) == errc::ok);
    CHECK(on_device(w, 0).test(3));
    CHECK_FALSE(on_device(w, 0).meets(pages(500, 512)));
    std::uint64_t old = 0;
    CHECK(w.gpu_atomic_add(w.first(), 0, page_of(0, 505), 1, old) == errc::ok);
    CHECK(on_device(w, 0).test(505));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-48 what the GPU is said to access stays mapped when it makes room (rule F2)") {
    world w{counting(counter_mode::on, 16 * page_bytes)};
    map_accessed(w, 2);
    w.map(block_bytes, page_of(2, 0));
    tell(w, {{.address = page_of(1, 32), .sub_regions = bit(2)}});
    REQUIRE(on_device(w, 1) == pages(32, 48));
    REQUIRE(serve(w, page_of(2, 0)) == errc::ok);
    CHECK(on_device(w, 1).none());
    CHECK(mapped(w, 1) == pages(0, 512));
    std::uint64_t const faults = w.count(svm::event_kind::gpu_fault);
    CHECK(w.gpu_tags_until(page_of(1, 0), block_bytes, 513) == block_bytes);
    CHECK(w.count(svm::event_kind::gpu_fault) == faults);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-48 a GPU that is to have memory is not mapped to it where it is (rule F2)") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(service_of(w).set_preferred(span(base, block_bytes), preferred_place::device) == errc::ok);
    REQUIRE(service_of(w).set_accessed_by(span(base, block_bytes), true) == errc::ok);
    CHECK(mapped(w, 0).none());
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(on_device(w, 0).test(3));
  }

  TEST_CASE("PLC-48 the other GPU's memory is used where it is, or goes to the system, as was said") {
    for (bool const prefers_system : {false, true}) {
      world w{by_pages(64 * MiB, [](auto& o) { o.gpus = 2; })};
      w.map(block_bytes);
      w.cpu_tag(base, block_bytes, 1);
      REQUIRE(serve(w, page_of(0, 0), access_kind::read, 1) == errc::ok);
      REQUIRE(service_of(w).advise(span(base, block_bytes),
                                   prefers_system ? span_attributes{.preferred = preferred_place::system} : accessed) ==
              errc::ok);
      std::uint64_t const moved = w.stats.bytes(svm::event_kind::copied);
      CHECK(w.gpu_read(page_of(0, 5)) == 6);
      CHECK(on_device(w, 0) == (prefers_system ? pages(0, 16) - one(5) : pages(0, 16)));
      CHECK(copied(w, migration_cause::advice) == (prefers_system ? 1 : 0));
      CHECK(w.stats.bytes(svm::event_kind::copied) == moved + (prefers_system ? page_bytes : 0));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("PLC-49 a block that is nowhere comes whole to the GPU that it prefers (rule A2)") {
    world w{by_pages()};
    w.map(block_bytes);
    REQUIRE(service_of(w).advise(span(base, block_bytes), {.preferred = preferred_place::device}) == errc::ok);
    REQUIRE(serve(w, page_of(0, 7)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 512));
  }

  TEST_CASE("PLC-49 memory that prefers the system is made and mapped there page by page, and what came stays") {
    world w{by_pages()};
    w.map(block_bytes);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    REQUIRE(service_of(w).advise(span(base, block_bytes), {.preferred = preferred_place::system}) == errc::ok);
    CHECK(mapped(w, 0).none());
    REQUIRE(serve(w, {page_of(0, 1), page_of(0, 100)}) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 16));
    CHECK(mapped(w, 0) == (one(1) | one(100)));
    CHECK(w.cpu_write(page_of(0, 100), 5) == sys::ok);
    CHECK(w.gpu_read(page_of(0, 100)) == 5);
  }

  TEST_CASE("PLC-49 an atomic access takes its page from where it is used, also beside pages that come anyway") {
    world w{by_pages()};
    w.map(block_bytes);
    w.cpu_tag(base, page_bytes, 1);
    REQUIRE(service_of(w).advise(span(base, block_bytes), accessed) == errc::ok);
    std::vector<block_fault> batch{{.at = page_of(0, 0), .want = access_kind::atomic}, {.at = page_of(0, 300)}};
    CHECK(service_of(w).serve(batch) == errc::ok);
    CHECK(on_device(w, 0).contains(one(0) | one(300)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-44 of a group that is used from afar an atomic access takes its page alone, beside others that come") {
    world w{counting(counter_mode::hysteresis, 16 * page_bytes)};
    w.map(2 * block_bytes);
    w.cpu_tag(base, 2 * block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    REQUIRE(serve(w, page_of(1, 5)) == errc::ok);  // finds no room
    REQUIRE(w.cpu_read(page_of(0, 0)) == 1);
    REQUIRE(w.device_memory.used().value == 0);
    std::vector<block_fault> batch{
        {.at = page_of(1, 6), .want = access_kind::atomic}, {.at = page_of(1, 7)}, {.at = page_of(1, 20)}};
    CHECK(service_of(w).serve(batch) == errc::ok);
    CHECK(on_device(w, 1) == (one(6) | one(20)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-49 memory that prefers another GPU is left to it: what it has stays there, and the rest where it is") {
    for (auto const how : {svm::migration_mode::where_possible, svm::migration_mode::required}) {
      world w{by_pages(64 * MiB, [&](auto& o) {
        o.gpus = 2;
        o.driver.migrate = how;
      })};
      w.map(2 * block_bytes);
      w.cpu_tag(base, block_bytes, 1);
      REQUIRE(serve(w, page_of(0, 0), access_kind::read, 1) == errc::ok);
      REQUIRE(service_of(w).set_preferred(span(base, 2 * block_bytes), preferred_place::another) == errc::ok);
      std::uint64_t const moved = w.stats.bytes(svm::event_kind::copied);
      CHECK(w.gpu_read(page_of(0, 5)) == 6);             // with the other GPU
      CHECK(w.gpu_read(page_of(0, 100)) == 101);         // in system memory
      CHECK(w.gpu_write(page_of(1, 7), 3) == errc::ok);  // nowhere
      CHECK(w.stats.bytes(svm::event_kind::copied) == moved);
      CHECK(on_device(w, 0) == pages(0, 16));
      CHECK(on_device(w, 1).none());
      CHECK(mapped(w, 0) == (one(5) | one(100)));
      CHECK(service_of(w).counts().fault_services == 0);
      CHECK(w.cpu_read(page_of(1, 7)) == 3);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("PLC-49 what a GPU has of memory that prefers another one stays, and an atomic access takes the page") {
    world w{by_pages(64 * MiB, [](auto& o) { o.gpus = 2; })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0)) == errc::ok);
    REQUIRE(service_of(w).set_preferred(span(base, block_bytes), preferred_place::another) == errc::ok);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(on_device(w, 0) == pages(0, 16));
    CHECK(mapped(w, 0) == one(3));
    REQUIRE(serve(w, page_of(0, 64), access_kind::atomic) == errc::ok);
    CHECK(on_device(w, 0) == (pages(0, 16) | one(64)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-49 what a GPU asks for goes to the GPU that prefers it, which is joined, and is mapped there") {
    world w{by_pages(64 * MiB, [](auto& o) { o.gpus = 2; })};
    auto& other = service_of(w, 1);
    w.map(2 * block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(other.set_preferred(span(base, 2 * block_bytes), preferred_place::device) == errc::ok);
    REQUIRE(service_of(w).set_preferred(span(base, 2 * block_bytes), preferred_place::another) == errc::ok);
    CHECK(w.gpu_read(page_of(0, 100)) == 101);
    CHECK(on_device(w, 0, 1) == pages(96, 112));
    CHECK(on_device(w, 0, 0).none());
    CHECK(mapped(w, 0) == one(100));
    CHECK(w.gpu_write(page_of(1, 7), 3) == errc::ok);  // which nobody touched before
    CHECK(on_device(w, 1, 1).test(7));
    CHECK(on_device(w, 1, 0).none());
    CHECK(service_of(w).counts().fault_services == 0);
    CHECK(other.counts().fault_services == 2);
    std::uint64_t const moved = w.stats.bytes(svm::event_kind::copied);
    CHECK(w.gpu_read(page_of(0, 99)) == 100);  // is there
    CHECK(w.stats.bytes(svm::event_kind::copied) == moved);
    REQUIRE(serve(w, page_of(0, 200), access_kind::atomic) == errc::ok);
    CHECK(on_device(w, 0, 0).test(200));
    CHECK(w.cpu_read(page_of(1, 7)) == 3);
    w.first().views[1]->blocks.reset();
    CHECK(w.gpu_read(page_of(0, 300)) == 301);
    CHECK_FALSE(on_device(w, 0).test(300));  // there is nobody to take it
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-49 what the GPU that prefers it has no room for, or is not preferred any more, stays where it is") {
    world w{by_pages(64 * MiB, [](auto& o) { o.gpus = 2; })};
    auto& other = service_of(w, 1);
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(other.set_preferred(span(base, block_bytes), preferred_place::device) == errc::ok);
    REQUIRE(service_of(w).set_preferred(span(base, block_bytes), preferred_place::another) == errc::ok);
    w.failures.arm(svm::mock::failure::populate, 1, svm::mock::failure_plan::repeat::from_then_on);
    CHECK(w.gpu_read(page_of(0, 100)) == 101);
    w.failures.disarm();
    CHECK(mapped(w, 0) == one(100));
    CHECK(on_device(w, 0, 1).none());
    REQUIRE(other.set_preferred(span(base, block_bytes), preferred_place::system) == errc::ok);
    CHECK(w.gpu_read(page_of(0, 200)) == 201);
    CHECK(on_device(w, 0, 1).none());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-49 any failure at any step of a fault that goes to another GPU leaves nothing behind") {
    for (auto const kind : {failure::alloc, failure::dma_map, failure::copy, failure::populate})
      fail_each(
          by_pages(64 * MiB, [](auto& o) { o.gpus = 2; }), kind, {errc::no_memory, errc::dma_map_failed},
          [](world& w) {
            w.map(block_bytes);
            w.cpu_tag(base, block_bytes, 1);
            REQUIRE(service_of(w, 1).set_preferred(span(base, block_bytes), preferred_place::device) == errc::ok);
            REQUIRE(service_of(w).set_preferred(span(base, block_bytes), preferred_place::another) == errc::ok);
          },
          [](world& w) {
            return serve(w, {page_of(0, 3), page_of(0, 40)});
          },
          [](world& w) { return w.cpu_tags_until(base, block_bytes, 1) == block_bytes; });
  }

  TEST_CASE("PLC-49 memory of a GPU out of reach comes to the system where another one is preferred") {
    world w{by_pages(64 * MiB, [](auto& o) {
      o.gpus = 2;
      o.linked = false;
    })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(serve(w, page_of(0, 0), access_kind::read, 1) == errc::ok);
    REQUIRE(service_of(w).set_preferred(span(base, block_bytes), preferred_place::another) == errc::ok);
    CHECK(w.gpu_read(page_of(0, 5)) == 6);
    CHECK(on_device(w, 0).none());  // as for a CPU's fault: with the rest of the block there, all of it comes
    CHECK(mapped(w, 0) == one(5));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("PLC-49 a word about a span leaves what else was said of its parts") {
    world w{by_pages()};
    w.map(2 * block_bytes);
    REQUIRE(service_of(w).advise(span(base, block_bytes), {.atomic = svm::atomic_mode::cpu}) == errc::ok);
    REQUIRE(service_of(w).set_accessed_by(span(page_of(0, 256), block_bytes), true) == errc::ok);
    REQUIRE(service_of(w).set_preferred(span(base, 2 * block_bytes), preferred_place::device) == errc::ok);
    CHECK(w.driver.attributes_at(page_of(0, 0)) ==
          span_attributes{.preferred = preferred_place::device, .atomic = svm::atomic_mode::cpu});
    CHECK(w.driver.attributes_at(page_of(0, 256)) ==
          span_attributes{.preferred = preferred_place::device, .atomic = svm::atomic_mode::cpu, .accessed_by = true});
    CHECK(w.driver.attributes_at(page_of(1, 0)) ==
          span_attributes{.preferred = preferred_place::device, .accessed_by = true});
    CHECK(w.driver.attributes_at(page_of(1, 256)) == span_attributes{.preferred = preferred_place::device});
    REQUIRE(service_of(w).set_accessed_by(span(base, 2 * block_bytes), false) == errc::ok);
    CHECK_FALSE(w.driver.attributes_at(page_of(1, 0)).accessed_by);
    CHECK(service_of(w).set_accessed_by(span(base + byte_count{8}, page_bytes), true) == errc::misaligned);
    CHECK(service_of(w).set_preferred(span(base, 8), preferred_place::device) == errc::misaligned);
    CHECK(service_of(w).set_accessed_by(span(base, block_bytes + 8), true) == errc::misaligned);
    CHECK_FALSE(w.driver.attributes_at(page_of(0, 0)).accessed_by);  // though that part is whole
  }

  TEST_CASE("PLC-49 a driver that needs device memory moves what was said to stay") {
    world w{by_pages(64 * MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::required; })};
    w.map(block_bytes);
    w.cpu_tag(base, block_bytes, 1);
    REQUIRE(service_of(w).advise(span(base, block_bytes), accessed) == errc::ok);
    REQUIRE(w.process.madvise_dontneed(page_of(0, 3), {page_bytes}) == sys::ok);
    REQUIRE(w.cpu_write(page_of(0, 3), 4) == sys::ok);
    REQUIRE(serve(w, page_of(0, 3)) == errc::ok);
    CHECK(on_device(w, 0).test(3));
    page_mask const came = on_device(w, 0);
    REQUIRE(service_of(w).set_preferred(span(base, block_bytes), preferred_place::system) == errc::ok);
    REQUIRE(serve(w, page_of(0, 300)) == errc::ok);
    CHECK(on_device(w, 0) == came);
    CHECK(mapped(w, 0).test(300));
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/pagemap/impl/migrate.hpp>

#include <cstdint>
#include <string>

#include <mock/processes.hpp>
#include <support/cancel_after.hpp>

using namespace support;
using svm::event_kind;

namespace {

template <class Set>
svm::mock::machine_options three_gpus(Set&& set) {
  return small_chunks(MiB, [&](auto& o) {
    o.gpus = 3;
    set(o);
  });
}
svm::mock::machine_options three_gpus() {
  return three_gpus([](auto&) {});
}
using options_type = svm::migrate_options<policies>;

errc migrate(world& w, std::size_t n, cpu_va a, std::uint64_t size, options_type const& how = {}) {
  return w.gpu_card(n).mover.migrate_to_device(w.process, span(a, size), how);
}
/// Where the pages of a chunk are: a digit the GPU, `r` memory, `.` nowhere.
std::string places(world& w, cpu_va a, std::uint64_t size = chunk) {
  std::string all;
  for (std::uint64_t done = 0; done < size; done += page_bytes) {
    pte const e = w.process.entry_at(a + byte_count{done});
    all += !e.has_page()                   ? '.'
           : !w.frames.is_device(e.target) ? 'r'
                                           : static_cast<char>('0' + w.frames.gpu_of(e.target));
  }
  return all;
}
std::string all_on(char where) {
  return std::string(chunk_pages, where);
}

}  // namespace

TEST_SUITE("pagemap/migrate") {
  TEST_CASE("memory goes from the system to one device, to the other and back, and each hop keeps it (MGP-03)") {
    for (bool const push : {false, true})
      for (bool const linked : {true, false}) {
        world w{three_gpus([&](auto& o) { o.linked = linked; })};
        w.map(chunk);
        w.cpu_tag(base, chunk, 1);
        REQUIRE(migrate(w, 0, base, chunk) == errc::ok);
        CHECK(places(w, base) == all_on('0'));
        errc const hop = migrate(w, 1, base, chunk, {.source_copies = push});
        CHECK((hop == errc::ok || !linked));
        if (hop == errc::ok) {
          CHECK(places(w, base) == all_on('1'));
          CHECK(w.stats.bytes(event_kind::migrated_peer) == (linked ? chunk : 0));
          CHECK(w.device_memory.used() == byte_count{});
        }
        CHECK(w.complaint() == "");
        CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
        CHECK(places(w, base) == all_on('r'));
        for (std::size_t n : {0u, 1u}) CHECK(w.gpu_card(n).memory.used() == byte_count{});
      }
  }

  TEST_CASE("pages of system and two peers meet in one allocation, pulled or pushed, holes cleared") {
    for (bool const push : {false, true})
      for (bool const late : {false, true}) {
        world w{three_gpus([&](auto& o) { o.late_copies = late; })};
        w.map(chunk);
        w.cpu_tag(base, 12 * page_bytes, 1);
        REQUIRE(migrate(w, 0, base, 4 * page_bytes) == errc::ok);
        REQUIRE(migrate(w, 1, page_at(4), 4 * page_bytes) == errc::ok);
        CHECK(places(w, base) == "00001111rrrr....");
        REQUIRE(migrate(w, 2, base, chunk, {.source_copies = push}) == errc::ok);
        CHECK(places(w, base) == all_on('2'));
        CHECK(w.stats.bytes(event_kind::migrated_peer) == 8 * page_bytes);
        CHECK(w.gpu_card(0).memory.used() + w.gpu_card(1).memory.used() == byte_count{});
        CHECK(w.complaint() == "");
        CHECK(w.cpu_tags_until(base, 12 * page_bytes, 1) == 12 * page_bytes);
        CHECK(dirty_pages(page_at(12), 4 * page_bytes, [&](cpu_va a, std::vector<std::byte>& bytes) {
                return w.process.load(a, bytes) == sys::ok;
              }) == 0);
      }
  }

  TEST_CASE("a hop between devices that fails at whichever step leaves the memory where it was (erratum 3.2.12)") {
    for (bool const push : {false, true})
      for (auto const kind : {failure::alloc, failure::dma_map, failure::copy, failure::populate})
        for (std::uint64_t k = 1;; ++k) {
          REQUIRE(k < 100);
          world w{three_gpus()};
          w.map(chunk);
          w.cpu_tag(base, chunk, 1);
          REQUIRE(migrate(w, 0, base, 4 * page_bytes) == errc::ok);
          REQUIRE(migrate(w, 1, page_at(4), 4 * page_bytes) == errc::ok);
          auto const before = pages_behind(w, base, chunk);
          w.failures.arm(kind, k);
          errc const e = migrate(w, 2, base, chunk, {.source_copies = push});
          bool const struck = w.failures.struck() != 0;
          w.failures.disarm();
          CHECK((e == errc::ok) == !struck);
          CHECK((pages_behind(w, base, chunk) == before) == struck);
          CHECK(w.complaint() == "");
          CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
          if (!struck) break;
        }
  }

  TEST_CASE("peers push whichever of them comes first in memory") {
    for (bool const swapped : {false, true}) {
      world w{three_gpus()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(migrate(w, swapped ? 1 : 0, base, chunk / 2) == errc::ok);
      REQUIRE(migrate(w, swapped ? 0 : 1, at(chunk / 2), chunk / 2) == errc::ok);
      REQUIRE(migrate(w, 2, base, chunk, {.source_copies = true}) == errc::ok);
      CHECK(places(w, base) == all_on('2'));
      CHECK(w.stats.bytes(event_kind::migrated_peer) == chunk);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("memory that is gone when a peer is to push into it leaves the pages with the peer") {
    world w{three_gpus()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(migrate(w, 1, base, chunk) == errc::ok);
    auto const before = pages_behind(w, base, chunk);
    interfere(w, step::collecting, [&] { w.gpu_card(2).memory.unplug(); });
    CHECK(migrate(w, 2, base, chunk, {.source_copies = true}) == errc::device_gone);
    w.hooks.hook = nullptr;
    CHECK(pages_behind(w, base, chunk) == before);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what is all here already does not move, unless the options say so") {
    world w{three_gpus()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(migrate(w, 0, base, chunk) == errc::ok);
    auto const before = pages_behind(w, base, chunk);
    std::uint64_t const moved = w.count(event_kind::migrated_to_device);
    for (bool const only : {false, true}) CHECK(migrate(w, 0, base, chunk, {.only_what_differs = only}) == errc::ok);
    CHECK(pages_behind(w, base, chunk) == before);
    CHECK(w.count(event_kind::migrated_to_device) == moved);
    CHECK(migrate(w, 0, base, chunk, {.same_pagemap = true}) == errc::ok);
    CHECK(places(w, base) == all_on('0'));
    CHECK(pages_behind(w, base, chunk) != before);
    // It copies by itself what lies in its own memory, also where peers are to push.
    CHECK(migrate(w, 0, base, chunk, {.same_pagemap = true, .source_copies = true}) == errc::ok);
    CHECK(places(w, base) == all_on('0'));
    CHECK(w.device_memory.used() == byte_count{chunk});
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("what is partly here is busy, moves whole, or is filled up, as the options say") {
    enum { refuse, whole, fill };
    for (int const how : {refuse, whole, fill}) {
      world w{three_gpus()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(migrate(w, 0, page_at(4), 4 * page_bytes) == errc::ok);
      auto const before = pages_behind(w, page_at(4), 4 * page_bytes);
      errc const e = migrate(w, 0, base, chunk, {.same_pagemap = how == whole, .only_what_differs = how == fill});
      CHECK(e == (how == refuse ? errc::busy : errc::ok));
      CHECK(places(w, base) == (how == refuse ? "rrrr0000rrrrrrrr" : all_on('0')));
      CHECK((pages_behind(w, page_at(4), 4 * page_bytes) == before) == (how != whole));
      CHECK(w.device_memory.used() == byte_count{how == refuse ? 4 * page_bytes : chunk});
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("only what differs moves: not what is here, and the peers' and the system's do") {
    world w{three_gpus()};
    w.map(chunk);
    w.cpu_tag(base, 12 * page_bytes, 1);
    REQUIRE(migrate(w, 0, base, 4 * page_bytes) == errc::ok);
    REQUIRE(migrate(w, 1, page_at(4), 4 * page_bytes) == errc::ok);
    REQUIRE(migrate(w, 0, base, chunk, {.only_what_differs = true}) == errc::ok);
    CHECK(places(w, base) == all_on('0'));
    CHECK(w.stats.bytes(event_kind::migrated_peer) == 4 * page_bytes);
    CHECK(w.device_memory.used() == byte_count{chunk});
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 12 * page_bytes, 1) == 12 * page_bytes);
  }

  TEST_CASE("a page that leaves between the count and the collection makes it busy, and nothing is lost") {
    world w{three_gpus()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(migrate(w, 0, base, 4 * page_bytes) == errc::ok);
    interfere(w, step::collecting, [&] { CHECK(w.cpu_read(base) == 1u); });
    errc const e = migrate(w, 0, base, chunk, {.only_what_differs = true});
    CHECK((e == errc::busy || e == errc::ok));
    w.hooks.hook = nullptr;
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.device_memory.used() == byte_count{});
  }

  TEST_CASE(
      "a folio goes whole where device memory has a block so large, and as pages where it has none (erratum 3.2.14)") {
    for (bool const broken_up : {false, true}) {
      world w{options([](auto& o) {
        o.vram = {4 * MiB};
        o.thp = true;
      })};
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      REQUIRE(order_at(w, base) == 9);
      w.map(4 * MiB, at(64 * MiB));
      if (broken_up)  // a page here and there keeps every block small
        for (std::uint64_t n = 0; n < 4; ++n) {
          cpu_va const a = at(64 * MiB) + byte_count{n * MiB};
          REQUIRE(w.process.madvise(a, {page_bytes}, advice::nohugepage) == sys::ok);
          REQUIRE(w.cpu_write(a, 1) == sys::ok);
          REQUIRE(to_device(w, a, page_bytes) == errc::ok);
        }
      REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
      CHECK(w.device_pages(base, 2 * MiB) == 512);
      if (!broken_up) CHECK(order_at(w, base) == 9);
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
      CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a folio in a peer's memory goes on whole or split, and a part of one is split") {
    world w{options([](auto& o) {
      o.gpus = 2;
      o.vram = {8 * MiB};
      o.thp = true;
    })};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    for (bool const push : {false, true})
      for (std::size_t n : {0u, 1u}) {
        REQUIRE(migrate(w, n, base, 2 * MiB, {.source_copies = push}) == errc::ok);
        CHECK(order_at(w, base) == 9);
      }
    errc const part = migrate(w, 0, at(chunk), chunk);
    CHECK((part == errc::ok || part == errc::busy));
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("told to end before it begins, or while it makes room, it moves nothing") {
    world w{small_chunks(chunk)};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(to_device(w, at(chunk), chunk) == errc::ok);
    for (std::uint64_t rounds = 0; rounds < 2; ++rounds) {
      cancel_after const stop{rounds};
      CHECK(migrate(w, 0, base, chunk, {.cancel = &stop}) == errc::interrupted);
      CHECK(w.device_pages(at(chunk), chunk) == chunk_pages);
    }
    CHECK(w.complaint() == "");
  }

  TEST_CASE("after unbind nothing goes to the device any more, what was there is back, and again does nothing") {
    world w{three_gpus()};
    w.map(3 * chunk);
    w.cpu_tag(base, 3 * chunk, 1);
    REQUIRE(migrate(w, 1, base, chunk) == errc::ok);
    REQUIRE(migrate(w, 1, at(chunk), chunk) == errc::ok);
    auto& mover = w.gpu_card(1).mover;
    CHECK(mover.unbind() == errc::ok);
    CHECK_FALSE(mover.is_bound());
    CHECK(w.gpu_card(1).memory.used() == byte_count{});
    bool begun = false;
    w.hooks.hook = [&](step s) { begun = begun || s == step::collecting; };
    CHECK(migrate(w, 1, at(2 * chunk), chunk) == errc::device_gone);
    w.hooks.hook = nullptr;
    CHECK_FALSE(begun);
    CHECK(mover.unbind() == errc::ok);
    CHECK(w.cpu_tags_until(base, 3 * chunk, 1) == 3 * chunk);
    CHECK(gpu_load(w, w.first(), 1, base) == 1u);  // its driver maps what is in memory
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that may not migrate stays, whoever asks") {
    world w{three_gpus()};
    w.map(chunk, base, protection::read_write, mapping_kind::shared);
    w.cpu_tag(base, chunk, 1);
    CHECK(migrate(w, 1, base, chunk) == errc::not_migratable);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an unbind in the middle of a migration, at whichever step, leaves nothing on the device (RAC-22)") {
    for (step const when : {step::collecting, step::copying, step::installing, step::finalized}) {
      world w{three_gpus()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      // The migration has memory until it sees that the device is going.
      interfere(w, when, [&] { CHECK(w.mover.unbind() == errc::busy); });
      CHECK(migrate(w, 0, base, chunk) == errc::device_gone);
      w.hooks.hook = nullptr;
      CHECK(w.mover.unbind() == errc::ok);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("a page that cannot come back keeps the memory after unbind, and a later try or its end frees it") {
    world w{three_gpus()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    w.process.pin(page_at(3), true);
    CHECK(w.mover.unbind() == errc::busy);
    CHECK(w.device_pages(base, chunk) == 1);
    CHECK(w.device_memory.used() == byte_count{chunk});
    w.process.pin(page_at(3), false);
    CHECK(w.mover.unbind() == errc::ok);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }
}

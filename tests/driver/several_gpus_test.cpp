// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Several drivers, on one process or several: who races, who wins, and what is left.

#include <svm/driver/svm_driver.hpp>

#include <cstdint>
#include <set>

#include <mock/processes.hpp>

using namespace support;
using svm::errc;
using svm::event_kind;
using svm::invalidation_cause;
using svm::page_flag;

namespace {

template <class Set>
svm::mock::machine_options gpus(unsigned n, Set&& set) {
  return small_chunks(MiB, [&](auto& o) {
    o.gpus = n;
    set(o);
  });
}
svm::mock::machine_options gpus(unsigned n) {
  return gpus(n, [](auto&) {});
}
svm::svm_driver<policies>& driver(world& w, std::size_t n) {
  return w.first().views[n]->driver;
}
constexpr step every_step[] = {step::walked,     step::registering, step::collecting, step::copying,
                               step::installing, step::finalized,   step::preparing,  step::clearing};

}  // namespace

TEST_SUITE("driver/several GPUs") {
  TEST_CASE("pages in the memory of a GPU that is out of reach come to the system for the other, intact (PAG-12)") {
    world w{gpus(2, [](auto& o) {
      o.linked = false;
      o.driver.migrate = svm::migration_mode::never;
    })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::ok);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an invalidation during a copy of the pages waits or comes after, and no dead address is met (INV-12)") {
    for (bool const unmap : {false, true}) {
      world w{gpus(2, [](auto& o) { o.late_copies = true; })};
      w.map(2 * chunk);
      w.cpu_tag(base, 2 * chunk, 1);
      REQUIRE(gpu_store(w, w.first(), 1, base, 1) == errc::ok);
      interfere(w, step::copying, [&] {
        if (unmap) CHECK(w.process.munmap(at(chunk), {chunk}) == sys::ok);
        CHECK(w.process.invalidate_only({span(base, 2 * chunk), invalidation_cause::clear}));
      });
      CHECK(gpu_store(w, w.first(), 0, page_at(1), 2) == errc::ok);
      w.hooks.hook = nullptr;
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("a range goes round from memory to one GPU, the next and back, read and written on each (MGP-03)") {
    world w{gpus(3)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    for (std::uint64_t round = 0; round < 3; ++round) {
      for (std::size_t n : {0u, 1u, 2u}) {
        REQUIRE(driver(w, n).prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
        CHECK(w.frames.gpu_of(w.process.entry_at(base).target) == n);
        CHECK(gpu_load(w, w.first(), n, page_at(n)) == n + 1 + 10 * round);
        CHECK(gpu_store(w, w.first(), n, page_at(n), n + 1 + 10 * (round + 1)) == errc::ok);
        CHECK(w.complaint() == "");
      }
      REQUIRE(driver(w, 2).prefetch(span(base, chunk), prefetch_place::system) == errc::ok);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.cpu_tags_until(page_at(3), chunk - 3 * page_bytes, 4) == chunk - 3 * page_bytes);
    }
    for (std::size_t n : {0u, 1u, 2u}) CHECK(w.gpu_card(n).memory.used() == byte_count{});
  }

  TEST_CASE(
      "a GPU that is unplugged takes its peers' mappings with it, and its object stays while it is used (MGP-06)") {
    world w{gpus(2, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::ok);
    REQUIRE(w.gpu_read(base) == 1u);
    REQUIRE(w.range_at(base)->mapping().has(page_flag::peer));
    REQUIRE(w.gpu_card(1).memory.peer_maps() == 1);
    REQUIRE(w.unplug(1) == errc::ok);
    CHECK(w.gpu_card(1).memory.peer_maps() == 0);
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("of writers on all sides one wins each word, and every word is whole (MGP-07)") {
    world w{gpus(2)};
    w.map(chunk);
    for (std::uint64_t round = 0; round < 8; ++round)
      for (step const when : every_step) {
        std::uint64_t const mine = 0x1111'1111'0000'0000 + round;
        std::uint64_t const other = 0x2222'2222'0000'0000 + round;
        std::uint64_t const cpus = 0x3333'3333'0000'0000 + round;
        interfere(w, when, [&] {
          if (when != step::preparing && when != step::walked) return;  // elsewhere a lock is held that a fault needs
          CHECK(w.cpu_write(page_at(round), cpus) == sys::ok);
        });
        CHECK(gpu_store(w, w.first(), round % 2, page_at(round), mine) == errc::ok);
        w.hooks.hook = nullptr;
        CHECK(w.cpu_read(page_at(round)) == mine);  // the GPU's store was the last
        CHECK(gpu_store(w, w.first(), 1 - round % 2, page_at(round), other) == errc::ok);
        CHECK(gpu_load(w, w.first(), round % 2, page_at(round)) == other);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("two GPUs that each want the memory move it once an access, not for ever (MGP-08)") {
    world w{gpus(2)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    for (std::size_t n : {0u, 1u})
      REQUIRE(driver(w, n).advise(span(base, chunk), {.preferred = svm::preferred_place::device}) == errc::ok);
    std::uint64_t const before = w.count(event_kind::migrated_to_device);
    for (std::uint64_t round = 0; round < 10; ++round) {
      CHECK(gpu_load(w, w.first(), round % 2, page_at(1)) == 2u);
      CHECK(gpu_store(w, w.first(), round % 2, page_at(2), 3) == errc::ok);
    }
    CHECK(w.count(event_kind::migrated_to_device) - before <= 10);
    CHECK(w.complaint() == "");
    for (std::size_t n : {0u, 1u}) driver(w, n).close();
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("after a prefetch to a GPU its accesses take no fault (MGP-12)") {
    world w{gpus(2)};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    REQUIRE(gpu_store(w, w.first(), 0, base, 1) == errc::ok);
    REQUIRE(driver(w, 1).prefetch(span(base, 4 * chunk), prefetch_place::device) == errc::ok);
    std::uint64_t const faults = w.count(event_kind::gpu_fault);
    for (std::uint64_t n = 0; n < 4 * chunk_pages; ++n) CHECK(gpu_load(w, w.first(), 1, page_at(n)) == n + 1);
    CHECK(gpu_store(w, w.first(), 1, page_at(7), 8) == errc::ok);
    CHECK(w.count(event_kind::gpu_fault) == faults);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("at the end no migrator, memory or mapping has a reference on another's (MGP-13)") {
    world w{gpus(3)};
    w.map(6 * chunk);
    w.cpu_tag(base, 6 * chunk, 1);
    for (std::size_t n = 0; n < 3; ++n)
      for (std::uint64_t c = 0; c < 6; ++c)
        if ((c + n) % 2 == 0) CHECK(gpu_load(w, w.first(), n, at(c * chunk)) == 1 + c * chunk_pages);
    task& child = w.fork(w.first());
    for (std::size_t n = 0; n < 3; ++n) CHECK(gpu_store(w, child, n, at(n * chunk), 7) == errc::ok);
    CHECK(w.complaint() == "");
    w.exit(w.first());
    CHECK(load(child, base) == 7u);
    CHECK(w.finish().empty());  // each migrator asserts that it is not used when it ends
  }

  TEST_CASE("of two devices that migrate the same memory at the same time one wins (RAC-13, RAC-25)") {
    for (step const when : {step::collecting, step::clearing, step::finalized}) {
      world w{gpus(2)};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      errc second = errc::unsupported;
      interfere(w, when, [&] { second = w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}); });
      errc const first = w.mover.migrate_to_device(w.process, span(base, chunk), {});
      w.hooks.hook = nullptr;
      CHECK((first == errc::ok || first == errc::busy));
      CHECK((second == errc::ok || second == errc::busy || second == errc::unsupported));
      CHECK((first == errc::ok || second == errc::ok));
      std::set<unsigned> where;
      for (svm::mock::page const p : pages_behind(w, base, chunk)) where.insert(w.frames.gpu_of(p));
      CHECK(where.size() == 1);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("one goes to the device while another brings back, at whichever step, and the bytes stay (RAC-25)") {
    for (step const when : {step::collecting, step::copying, step::installing, step::finalized}) {
      world w{gpus(2)};
      w.map(2 * chunk);
      w.cpu_tag(base, 2 * chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      errc back = errc::ok;
      interfere(w, when, [&] { back = w.mover.evict_all(); });
      errc const e = w.gpu_card(1).mover.migrate_to_device(w.process, span(base, 2 * chunk), {});
      w.hooks.hook = nullptr;
      CHECK((e == errc::ok || e == errc::busy));
      CHECK((back == errc::ok || back == errc::in_use));
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a fault that meets the end of its device is served from memory, or the driver is gone (RAC-22)") {
    for (step const when : {step::registering, step::collecting, step::finalized, step::preparing}) {
      world w{gpus(2)};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      // A migration under way has memory of the device, and gives it back when it sees the end.
      bool const has_memory = when == step::collecting || when == step::finalized;
      interfere(w, when, [&] { CHECK(w.gpu_card(1).mover.unbind() == (has_memory ? errc::busy : errc::ok)); });
      errc const e = driver(w, 1).fault(base, access_kind::write);
      w.hooks.hook = nullptr;
      CHECK((e == errc::ok || e == errc::device_gone));
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.complaint() == "");
      CHECK(w.unplug(1) == errc::ok);
      CHECK(driver(w, 1).fault(base, access_kind::write) == errc::gone);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("work that is pending when the driver ends is done first: nothing is collected after it (TRD-07)") {
    world w{gpus(2)};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    for (std::size_t n : {0u, 1u})
      for (std::uint64_t c = 0; c < 4; ++c) REQUIRE(gpu_load(w, w.first(), n, at(c * chunk)) == 1 + c * chunk_pages);
    auto const kept = w.range_at(base);
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    REQUIRE(w.process.munmap(at(2 * chunk), {page_bytes}) == sys::ok);
    REQUIRE(kept->has(svm::range_flag::unmapped));
    for (std::size_t n : {0u, 1u}) driver(w, n).close();
    CHECK(kept->has(svm::range_flag::removed));
    CHECK(w.range_count() == 0);
    CHECK(w.notifier_count() == 0);
    std::uint64_t const removed = w.count(event_kind::range_removed);
    w.driver.collect_garbage();
    CHECK(w.count(event_kind::range_removed) == removed);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.complaint() == "");
  }
}

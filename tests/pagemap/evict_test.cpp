// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <mock/processes.hpp>

using namespace support;

namespace {

/// `count` chunks side by side with tags from 1 on, each moved to the device in order.
void place_chunks(world& w, std::uint64_t count) {
  w.map(count * chunk);
  w.cpu_tag(base, count * chunk, 1);
  for (std::uint64_t i = 0; i < count; ++i) REQUIRE(to_device(w, at(i * chunk), chunk) == errc::ok);
}
/// Which of `count` chunks are in device memory, a digit each.
std::string residents(world& w, std::uint64_t count) {
  std::string which;
  for (std::uint64_t i = 0; i < count; ++i) which += w.device_pages(at(i * chunk), chunk) != 0 ? '1' : '0';
  return which;
}

}  // namespace

TEST_SUITE("pagemap/evict") {
  TEST_CASE("an evicted allocation is in system memory whole, its device views and memory are gone (EVC-01)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto const victim = allocation_at(w, base);
    CHECK_FALSE(victim->is_detached());
    CHECK(w.mover.evict(*victim) == errc::ok);
    CHECK(victim->is_detached());
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == chunk);
    auto const faults = w.process.cpu_faults();
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.process.cpu_faults() == faults);
    CHECK(w.complaint() == "");
    CHECK(w.mover.evict(*victim) == errc::ok);  // nothing left to do
    CHECK(w.failures.calls(failure::copy) == 2);
  }

  TEST_CASE("nine eighths of the device memory, written by the GPU and checked by the CPU, are right (EVC-02)") {
    std::uint64_t const vram = 8 * MiB;
    std::uint64_t const piece = MiB;
    world w{small_chunks(vram)};
    for (std::uint64_t i = 0; i < 9; ++i) {
      w.map(piece, at(i * 2 * piece));
      for (std::uint64_t done = 0; done < piece; done += page_bytes)
        REQUIRE(w.gpu_write(at(i * 2 * piece + done), 1000 * i + done / page_bytes) == errc::ok);
    }
    CHECK(w.count(svm::event_kind::evicted) >= piece / chunk);
    CHECK(w.device_memory.used() <= byte_count{vram});
    CHECK(w.complaint() == "");
    for (std::uint64_t i = 0; i < 9; ++i) CHECK(w.cpu_tags_until(at(i * 2 * piece), piece, 1000 * i) == piece);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that the driver took for itself narrows the room and is never evicted (EVC-03)") {
    world w{small_chunks(4 * chunk)};
    auto buffer = w.device_memory.allocate({2 * chunk});
    REQUIRE(buffer);
    w.map(3 * chunk);
    for (std::uint64_t i = 0; i < 3 * chunk_pages; ++i) REQUIRE(w.gpu_write(page_at(i), 1 + i) == errc::ok);
    CHECK(residents(w, 3) == "011");
    CHECK(w.mover.make_room({3 * chunk}) == errc::no_device_memory);
    CHECK(w.cpu_tags_until(base, 3 * chunk, 1) == 3 * chunk);
    CHECK(w.device_memory.used() == byte_count{2 * chunk});
    w.device_memory.release(*buffer);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an allocation of which half is back already is evicted for the rest (EVC-05)") {
    world w{small_chunks()};
    place_chunks(w, 1);
    auto const victim = allocation_at(w, base);
    REQUIRE(w.mover.evict_span(w.process, span(base, chunk / 2)) == errc::ok);
    auto const half = pages_behind(w, base, chunk / 2);
    CHECK(w.mover.evict(*victim) == errc::ok);
    CHECK(victim->is_detached());
    CHECK(pages_behind(w, base, chunk / 2) == half);
    CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == chunk);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a page that others hold makes the eviction busy after three tries, without an empty copy (EVC-06)") {
    world w{small_chunks()};
    place_chunks(w, 1);
    auto const victim = allocation_at(w, base);
    w.process.pin(page_at(3), true);
    int tries = 0;
    w.hooks.hook = [&](step s) { tries += s == step::collecting ? 1 : 0; };
    auto const copies = w.failures.calls(failure::copy);
    CHECK(w.mover.evict(*victim) == errc::in_use);
    CHECK(tries == svm::detail::eviction_attempts);
    CHECK(w.failures.calls(failure::copy) - copies == 1);  // erratum 3.2.4
    w.hooks.hook = nullptr;
    CHECK(w.device_pages(base, chunk) == 1);
    CHECK_FALSE(victim->is_detached());
    w.process.pin(page_at(3), false);
    CHECK(w.complaint() == "");
    CHECK(w.mover.evict(*victim) == errc::ok);
    CHECK(victim->is_detached());
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("a span with a page that others hold is busy after three tries, and the rest has moved (EVC-06)") {
    world w{small_chunks()};
    place_chunks(w, 1);
    w.process.pin(page_at(3), true);
    int tries = 0;
    w.hooks.hook = [&](step s) { tries += s == step::collecting ? 1 : 0; };
    CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::in_use);
    CHECK(tries == svm::detail::eviction_attempts);
    w.hooks.hook = nullptr;
    CHECK(w.device_pages(base, chunk) == 1);
    w.process.pin(page_at(3), false);
    CHECK(w.complaint() == "");
    CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("after the address space has exited an eviction finds nothing to do and touches nothing (EVC-07)") {
    world w{small_chunks()};
    place_chunks(w, 1);
    auto const victim = allocation_at(w, base);
    auto const copies = w.failures.calls(failure::copy);
    w.process.exit();
    CHECK(victim->is_detached());
    CHECK(w.mover.evict(*victim) == errc::ok);
    CHECK(w.failures.calls(failure::copy) == copies);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.process.users() == 0);
  }

  TEST_CASE("a system page that is missing at any step leaves the whole allocation on the device (EVC-08)") {
    for (std::uint64_t k = 1; k <= chunk_pages; ++k) {
      CAPTURE(k);
      world w{small_chunks()};
      place_chunks(w, 1);
      auto const before = pages_behind(w, base, chunk);
      auto const victim = allocation_at(w, base);
      w.failures.arm(failure::ram, k, repeat::from_then_on);
      CHECK(w.mover.evict(*victim) == errc::no_ram);
      CHECK(errno_name(errc::no_ram) == doctest::String{"ENOMEM"});
      w.failures.disarm();
      CHECK(pages_behind(w, base, chunk) == before);
      CHECK(w.frames.ram_used() == byte_count{});
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.mover.evict(*victim) == errc::ok);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("an eviction takes no map lock, so it works while somebody holds it exclusively (EVC-09)") {
    world w{small_chunks()};
    place_chunks(w, 2);
    auto const victim = allocation_at(w, base);
    bool map_lock_seen = false;
    {
      svm::exclusive_guard const guard{w.process.map_lock()};
      as_another_thread([&] {
        w.hooks.hook = [&](step) {
          map_lock_seen = map_lock_seen || svm::mock::this_thread_locks.holds_rank(svm::lock_rank::mm);
        };
        CHECK(w.mover.evict(*victim) == errc::ok);
        CHECK(w.mover.make_room({MiB}) == errc::ok);
        w.hooks.hook = nullptr;
      });
      // The recorder would say that the map lock is taken twice, had the eviction asked for it.
      CHECK(w.mover.evict_all() == errc::ok);
    }
    CHECK_FALSE(map_lock_seen);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an allocation that is being copied is passed over, and another one goes (EVC-10)") {
    world w{small_chunks(2 * chunk)};
    place_chunks(w, 2);
    w.map(chunk, at(MiB));
    w.cpu_tag(at(MiB), chunk, 500);
    auto const first = allocation_at(w, base);
    interfere(w, step::copying, [&] {
      CHECK(to_device(w, at(MiB), chunk) == errc::ok);
      CHECK(w.device_pages(at(MiB), chunk) == chunk_pages);
      CHECK(w.device_pages(at(chunk), chunk) == 0);
    });
    CHECK(w.mover.evict(*first) == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
    CHECK(w.cpu_tags_until(at(MiB), chunk, 500) == chunk);
  }

  TEST_CASE("a sweep over an object larger than the device memory is right and evicts each chunk once (EVC-11)") {
    std::uint64_t const size = 3 * MiB;
    world w{small_chunks(MiB)};
    w.map(size);
    for (std::uint64_t done = 0; done < size; done += page_bytes)
      REQUIRE(w.gpu_write(at(done), 5 + done / page_bytes) == errc::ok);
    CHECK(w.count(svm::event_kind::evicted) == (size - MiB) / chunk);
    CHECK(w.count(svm::event_kind::gpu_fault) == size / chunk);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, size, 5) == size);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("one allocation larger than the device memory evicts nothing and the GPU works from RAM (EVC-11)") {
    world w{options([](auto& o) { o.vram = {128 * KiB}; })};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    w.map(chunk, at(4 * MiB));
    w.cpu_tag(at(4 * MiB), chunk, 9000);
    REQUIRE(to_device(w, at(4 * MiB), chunk) == errc::ok);
    CHECK(w.mover.make_room({2 * MiB}) == errc::no_device_memory);
    CHECK(to_device(w, base, 2 * MiB) == errc::no_device_memory);
    CHECK(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.count(svm::event_kind::evicted) == 0);
    CHECK(w.device_pages(at(4 * MiB), chunk) == chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an eviction that fails after others have succeeded leaves a state that a retry completes (EVC-13)") {
    for (std::uint64_t n = 1; n <= 4; ++n) {
      CAPTURE(n);
      world w{small_chunks(4 * chunk)};
      place_chunks(w, 4);
      w.failures.arm(failure::copy, n, repeat::from_then_on);
      CHECK(w.mover.make_room({4 * chunk}) == errc::no_device_memory);
      CHECK(residents(w, 4) == std::string(n - 1, '0') + std::string(5 - n, '1'));
      CHECK(w.complaint() == "");
      CHECK(w.mover.evict_all() == errc::copy_failed);
      w.failures.disarm();
      CHECK(w.mover.make_room({4 * chunk}) == errc::ok);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.cpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("two ranges that fight for the only slot both get on, a thousand rounds long (EVC-14)") {
    world w{small_chunks(page_bytes)};
    w.map(page_bytes);
    cpu_va const other = at(MiB);
    w.map(page_bytes, other);
    for (std::uint64_t round = 1; round <= 1000; ++round) {
      REQUIRE(w.gpu_write(base, round) == errc::ok);
      REQUIRE(w.gpu_write(other, 2 * round) == errc::ok);
      REQUIRE(w.gpu_read(base) == round);
    }
    CHECK(w.count(svm::event_kind::evicted) >= 1999);
    CHECK(w.count(svm::event_kind::migration_failed) == 0);
    CHECK(w.device_memory.used() == byte_count{page_bytes});
    CHECK(w.cpu_read(base) == 1000u);
    CHECK(w.cpu_read(other) == 2000u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("eviction by span, by page and by policy each finds its victim, at address 0 too (EVC-15)") {
    world w{small_chunks(4 * chunk)};
    cpu_va const zero{0};
    w.map(chunk, zero);
    w.cpu_tag(zero, chunk, 70);
    REQUIRE(to_device(w, zero, chunk) == errc::ok);
    place_chunks(w, 3);
    SUBCASE("by span") {
      CHECK(w.mover.evict_span(w.process, span(zero, chunk)) == errc::ok);
      CHECK(residents(w, 3) == "111");
      CHECK(w.mover.evict_span(w.process, span(at(chunk), chunk)) == errc::ok);
      CHECK(residents(w, 3) == "101");
    }
    SUBCASE("by page") {
      CHECK(w.mover.evict(*w.mover.find_slow(w.process.entry_at(at(chunk)).target)) == errc::ok);
      CHECK(residents(w, 3) == "101");
      CHECK(w.mover.evict(*w.mover.find_slow(w.process.entry_at(zero).target)) == errc::ok);
      CHECK(residents(w, 3) == "101");
    }
    SUBCASE("by policy") {
      CHECK(w.mover.make_room({2 * chunk}) == errc::ok);
      CHECK(residents(w, 3) == "011");
    }
    CHECK(w.device_pages(zero, chunk) == 0);
    CHECK(w.cpu_tags_until(zero, chunk, 70) == chunk);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 3 * chunk, 1) == 3 * chunk);
  }

  TEST_CASE("under pressure the allocation that was made first goes first, and no more than must") {
    world w{small_chunks(4 * chunk)};
    place_chunks(w, 4);
    REQUIRE(w.gpu_read(base) == 1u);  // use does not make it younger
    w.map(3 * chunk, at(MiB));
    char const* const expected[] = {"0111", "0011", "0001"};
    for (std::uint64_t i = 0; i < 3; ++i) {
      REQUIRE(w.fault(at(MiB + i * chunk)) == errc::ok);
      CHECK(residents(w, 4) == expected[i]);
      CHECK(w.count(svm::event_kind::evicted) == i + 1);
    }
    CHECK(w.mover.make_room({chunk}) == errc::ok);
    CHECK(w.mover.make_room({chunk}) == errc::ok);  // there is room already
    CHECK(residents(w, 4) == "0000");
    CHECK(w.count(svm::event_kind::evicted) == 4);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
  }

  TEST_CASE("a victim that cannot move is passed over once a round, and the next one goes") {
    world w{small_chunks(3 * chunk)};
    place_chunks(w, 3);
    w.process.pin(base, true);
    CHECK(w.mover.make_room({chunk}) == errc::ok);
    CHECK(residents(w, 3) == "101");
    CHECK(w.count(svm::event_kind::evicted) == 2);
    CHECK(w.mover.make_room({3 * chunk}) == errc::in_use);
    CHECK(residents(w, 3) == "100");
    CHECK(w.count(svm::event_kind::evicted) == 4);
    CHECK(w.mover.evict_all() == errc::in_use);
    w.process.pin(base, false);
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.cpu_tags_until(base, 3 * chunk, 1) == 3 * chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("one allocation that cannot move does not stop the eviction of all the others") {
    world w{small_chunks(3 * chunk)};
    place_chunks(w, 3);
    w.process.pin(page_at(chunk_pages), true);
    CHECK(w.mover.evict_all() == errc::in_use);
    CHECK(residents(w, 3) == "010");
    CHECK(w.device_pages(at(chunk), chunk) == 1);
    w.process.pin(page_at(chunk_pages), false);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("evicting a span brings back device pages alone: holes stay holes, what lies beside it stays") {
    world w{small_chunks()};
    place_chunks(w, 2);
    REQUIRE(w.process.munmap(page_at(2), {2 * page_bytes}) == sys::ok);
    w.map(chunk, at(2 * chunk));
    CHECK(w.mover.evict_span(w.process, span(page_at(1), 2 * chunk)) == errc::ok);
    CHECK(w.device_pages(base, 2 * chunk) == 1);
    CHECK(w.process.entry_at(base).what == pte::state::device);
    CHECK(w.process.entry_at(page_at(2)).is_none());
    CHECK(w.process.entry_at(at(2 * chunk)).is_none());
    CHECK(w.cpu_read(page_at(1)) == 2u);
    CHECK(w.cpu_read(page_at(2 * chunk_pages - 1)) == 2 * chunk_pages);
    CHECK(w.complaint() == "");
    CHECK(w.mover.evict_span(w.process, span(at(64 * MiB), chunk)) == errc::ok);  // no VMA at all
  }

  TEST_CASE("memory under PROT_NONE is evicted like any other") {
    world w{small_chunks()};
    place_chunks(w, 1);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::none) == sys::ok);
    CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("eviction of nothing is fine") {
    world w;
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.mover.make_room({256 * MiB}) == errc::ok);
    CHECK(w.mover.make_room({256 * MiB + page_bytes}) == errc::no_device_memory);
  }

  TEST_CASE("device memory that a child keeps is evicted after its parent exited (erratum 3.2.5)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    task& child = w.fork(w.first());
    w.exit(w.first());
    REQUIRE(w.device_memory.used() == byte_count{chunk});
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.device_memory.used() == byte_count{});
    for (std::uint64_t n = 0; n < chunk_pages; ++n) CHECK(load(child, page_at(n)) == n + 1);
    CHECK(w.complaint() == "");
  }
}

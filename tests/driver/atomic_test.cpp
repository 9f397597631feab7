// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Atomic accesses of a GPU: memory that it has to itself, for a while.

#include <cstdint>
#include <cstring>
#include <vector>

#include <mock/processes.hpp>

using namespace support;
using svm::atomic_mode;
using svm::event_kind;
using svm::page_flag;
using svm::preferred_place;

namespace {

constexpr svm::duration slice = svm::milliseconds(5);

svm::mock::machine_options with_timeslice() {
  return small_chunks(MiB, [](auto& o) { o.driver.timeslice = slice; });
}
errc atomic_add(world& w, cpu_va a, std::uint64_t value) {
  std::uint64_t old = 0;
  return w.gpu_atomic_add(w.first(), 0, a, value, old);
}
/// What a CPU fault at `a`, in device memory, would be told now.
svm::cpu_fault_answer::action cpu_fault_at(world& w, cpu_va a) {
  return allocation_at(w, a)
      ->live_pages()
      .page_faulted({w.process.id(), a, w.process.entry_at(a).target, span(base, chunk)})
      .next;
}

}  // namespace

TEST_SUITE("driver, atomics") {
  TEST_CASE("a CPU that takes memory from a GPU finds it revoked before a byte moves, and no update is lost (ATM-01)") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1000) == sys::ok);
    int moves = 0;
    for (std::uint64_t round = 0; round < 10; ++round) {
      CHECK(atomic_add(w, base, 1) == errc::ok);
      CHECK(w.device_pages(base, chunk) == chunk_pages);  // O-06: no CPU entry is present
      REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
      w.hooks.hook = [&](step s) {
        if (s != step::copying) return;
        ++moves;
        std::byte word[8]{};
        CHECK(w.gpu_mapped_pages(base, chunk) == 0);
        CHECK_FALSE(w.device.load(base, word));
        CHECK_FALSE(w.device.store(base, word));
        std::uint64_t old = 0;
        CHECK_FALSE(w.device.atomic_add(base, 1, old));
      };
      CHECK(w.cpu_write(base, *w.cpu_read(base) + 1) == sys::ok);
      w.hooks.hook = nullptr;
      CHECK(w.complaint() == "");
    }
    CHECK(moves == 10);
    CHECK(w.cpu_read(base) == 1020u);
  }

  TEST_CASE("an atomic on system memory moves it first, also where a load or store has mapped it there (ATM-02)") {
    for (bool const mapped_before : {false, true}) {
      CAPTURE(mapped_before);
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      if (mapped_before) {
        REQUIRE(w.driver.prefetch(span(base, chunk), prefetch_place::system) == errc::ok);
        REQUIRE(w.gpu_write(base, 1) == errc::ok);
        REQUIRE(w.device_pages(base, chunk) == 0);
      }
      CHECK(atomic_add(w, base, 41) == errc::ok);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.range_at(base)->mapping().has(page_flag::device));
      CHECK_FALSE(w.range_at(base)->mapping().has(page_flag::system));
      CHECK(w.gpu_read(base) == 42u);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_read(base) == 42u);
      CHECK(w.cpu_read(page_at(1)) == 2u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("memory that stays in system memory has no atomics: one pass, and nothing is made (ATM-03)") {
    for (auto const kind : {mapping_kind::file, mapping_kind::shared, mapping_kind::hugetlb}) {
      for (bool const mapped_before : {false, true}) {
        CAPTURE(static_cast<int>(kind));
        CAPTURE(mapped_before);
        world w;
        w.map(2 * MiB, base, protection::read_write, kind);
        REQUIRE(w.cpu_write(base, 7) == sys::ok);
        if (mapped_before) REQUIRE(w.gpu_read(base) == 7u);
        CHECK(atomic_add(w, base, 1) == errc::no_atomics);
        CHECK(svm::errno_name(errc::no_atomics) == std::string{"EACCES"});
        CHECK(w.count(event_kind::gpu_fault_retry) == 0);
        CHECK(w.count(event_kind::migration_failed) == 0);
        CHECK(w.range_count() == (mapped_before ? 1 : 0));
        CHECK(w.cpu_read(base) == 7u);
        CHECK(w.gpu_write(base, 8) == errc::ok);
        CHECK(w.complaint() == "");
      }
    }
    world w{small_chunks()};
    w.map(chunk, base, protection::read);
    CHECK(atomic_add(w, base, 1) == errc::read_only);
    CHECK(w.range_count() == 0);
  }

  TEST_CASE("without device memory an atomic makes three tries and fails, and the memory is as it was (ATM-04)") {
    world w{with_timeslice()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    auto const behind = pages_behind(w, base, chunk);
    w.failures.arm(failure::populate, 1, repeat::from_then_on);
    auto const tried = w.failures.calls(failure::populate);
    CHECK(atomic_add(w, base, 1) == errc::no_device_memory);
    CHECK(w.failures.calls(failure::populate) - tried == 3);
    CHECK(w.count(event_kind::migration_failed) == 3);
    CHECK(w.count(event_kind::gpu_fault_retry) == 0);
    CHECK(pages_behind(w, base, chunk) == behind);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.complaint() == "");
    CHECK(w.gpu_read(base) == 1u);  // a load is served where the memory is
    w.failures.disarm();
    CHECK(atomic_add(w, base, 1) == errc::ok);
    CHECK(w.cpu_read(base) == 2u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("each try asks for a timeslice twice as long: 5, 10, 20 ms (ATM-04, TSL-05)") {
    for (std::uint64_t failed = 0; failed < 3; ++failed) {
      CAPTURE(failed);
      world w{with_timeslice()};
      w.map(chunk);
      std::uint64_t left = failed;
      if (left != 0) w.failures.arm(failure::populate, 1);
      w.stats.listener = [&](svm::event const& e) {
        if (e.kind == event_kind::migration_failed && --left != 0) w.failures.arm(failure::populate, 1);
      };
      CHECK(atomic_add(w, base, 1) == errc::ok);
      w.stats.listener = nullptr;
      CHECK(w.count(event_kind::migration_failed) == failed);
      svm::duration const asked{slice.nanoseconds << failed};
      CHECK(allocation_at(w, base)->timeslice_end() == w.clock.now() + asked);
      // A plain access asks for no more than the driver's own.
      w.map(chunk, at(MiB));
      REQUIRE(w.gpu_write(at(MiB), 1) == errc::ok);
      CHECK(allocation_at(w, at(MiB))->timeslice_end() == w.clock.now() + slice);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a program's word decides whether the GPU may do atomics, and nothing else about it (ATM-07)") {
    struct {
      atomic_mode mode;
      errc expected;
    } const table[] = {
        {atomic_mode::undefined, errc::ok},
        {atomic_mode::device, errc::ok},
        {atomic_mode::global, errc::ok},
        {atomic_mode::cpu, errc::no_atomics},
    };
    for (auto const& row : table)
      for (auto const place : {preferred_place::as_driver, preferred_place::system, preferred_place::device}) {
        CAPTURE(static_cast<int>(row.mode));
        CAPTURE(static_cast<int>(place));
        world w{small_chunks()};
        w.map(2 * chunk);
        w.cpu_tag(base, 2 * chunk, 1);
        REQUIRE(w.driver.advise(span(base, chunk), {.preferred = place, .atomic = row.mode}) == errc::ok);
        CHECK(atomic_add(w, base, 10) == row.expected);
        CHECK(w.range_count() == (row.expected == errc::ok ? 1 : 0));
        CHECK(w.count(event_kind::gpu_fault_retry) == 0);
        CHECK(w.gpu_read(base) == (row.expected == errc::ok ? 11u : 1u));
        CHECK(w.gpu_write(page_at(1), 20) == errc::ok);
        CHECK(atomic_add(w, base, 10) == row.expected);  // a mapping that serves a store allows no more
        CHECK(atomic_add(w, at(chunk), 1) == errc::ok);  // of which nothing was said
        CHECK(w.complaint() == "");
        CHECK(w.cpu_read(base) == (row.expected == errc::ok ? 21u : 1u));
        CHECK(w.cpu_read(page_at(1)) == 20u);
        CHECK(w.cpu_write(base, 2) == sys::ok);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("where what was said ends a range ends too, also one that was there before (ATM-07)") {
    for (bool const said_before : {true, false}) {
      CAPTURE(said_before);
      world w;
      w.map(2 * MiB);
      w.cpu_tag(base, 2 * MiB, 1);
      if (!said_before) REQUIRE(w.fault(base, access_kind::write) == errc::ok);
      REQUIRE(w.range_count() == (said_before ? 0 : 1));
      va_range const middle = span(at(MiB), chunk);
      REQUIRE(w.driver.advise(middle, {.preferred = preferred_place::system, .atomic = atomic_mode::cpu}) == errc::ok);
      for (std::uint64_t const offset : {MiB - 8, MiB, MiB + chunk - 8, MiB + chunk}) {
        bool const inside = middle.contains(at(offset));
        CHECK(w.gpu_write(at(offset), 5) == errc::ok);
        auto const r = w.range_at(at(offset))->interval();
        CHECK((inside ? middle.contains(r) : !middle.overlaps(r)));
        CHECK(atomic_add(w, at(offset), 1) == (inside ? errc::no_atomics : errc::ok));
        CHECK(w.complaint() == "");
      }
      CHECK(w.device_pages(at(MiB), chunk) == 0);
      CHECK(w.device_pages(at(MiB - page_bytes), page_bytes) == 1);
      CHECK(w.device_pages(at(MiB + chunk), page_bytes) == 1);
      CHECK(w.range_at(at(MiB))->interval() == middle);
      // Nothing is said any more: the ranges stay as they are, and serve.
      REQUIRE(w.driver.advise(middle, {}) == errc::ok);
      CHECK(atomic_add(w, at(MiB), 1) == errc::ok);
      CHECK(w.cpu_read(at(MiB)) == 6u);
      CHECK(w.cpu_tags_until(base, MiB - page_bytes, 1) == MiB - page_bytes);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("memory that is mapped anew in a span of which something was said has a border there too (ATM-07)") {
    world w;
    w.map(2 * MiB);
    REQUIRE(w.driver.advise(span(base, 2 * MiB), {.atomic = atomic_mode::cpu}) == errc::ok);
    REQUIRE(w.process.munmap(at(MiB), {chunk}) == sys::ok);
    w.map(chunk, at(MiB));
    CHECK(atomic_add(w, at(MiB), 3) == errc::ok);
    CHECK(w.range_at(at(MiB))->interval() == span(at(MiB), chunk));
    for (std::uint64_t const offset : {MiB - 8, MiB + chunk}) {
      CHECK(w.gpu_write(at(offset), 1) == errc::ok);
      CHECK(atomic_add(w, at(offset), 1) == errc::no_atomics);
    }
    CHECK(w.cpu_read(at(MiB)) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what is said while a fault is under way holds for the mapping that it makes (ATM-07)") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    interfere(w, step::registering,
              [&] { CHECK(w.driver.advise(span(base, chunk), {.atomic = atomic_mode::cpu}) == errc::ok); });
    CHECK(w.gpu_write(base, 2) == errc::ok);
    w.hooks.hook = nullptr;
    CHECK(w.count(event_kind::gpu_fault_retry) == 1);
    std::uint64_t old = 0;
    CHECK_FALSE(w.device.atomic_add(base, 1, old));
    CHECK(atomic_add(w, base, 1) == errc::no_atomics);
    CHECK(w.cpu_read(base) == 2u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what was said already ends no mapping, and what is new ends those of its span (ATM-08)") {
    world w{small_chunks()};
    w.map(3 * chunk);
    w.cpu_tag(base, 3 * chunk, 1);
    auto const map_all = [&] {
      for (std::uint64_t n = 0; n < 3; ++n) REQUIRE(w.fault(at(n * chunk)) == errc::ok);
    };
    map_all();
    auto const flushes = [&] { return w.device.tlb_flushes(); };
    va_range const middle = span(at(chunk), chunk);
    auto before = flushes();
    CHECK(w.driver.advise(middle, {}) == errc::ok);  // as it is by itself
    CHECK(flushes() == before);

    CHECK(w.driver.advise(middle, {.atomic = atomic_mode::global}) == errc::ok);
    CHECK(flushes() == before + 1);
    CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    CHECK(w.gpu_mapped_pages(at(chunk), chunk) == 0);
    CHECK(w.gpu_mapped_pages(at(2 * chunk), chunk) == chunk_pages);
    CHECK(w.complaint() == "");

    map_all();
    before = flushes();
    CHECK(w.driver.advise(middle, {.atomic = atomic_mode::global}) == errc::ok);
    CHECK(w.driver.advise(span(at(chunk), page_bytes), {.atomic = atomic_mode::global}) == errc::ok);
    CHECK(flushes() == before);
    CHECK(w.gpu_mapped_pages(base, 3 * chunk) == 3 * chunk_pages);

    // Its ends have it already and its middle has not.
    CHECK(w.driver.advise(span(base, 3 * chunk), {}) == errc::ok);
    CHECK(w.gpu_mapped_pages(at(chunk), chunk) == 0);
    CHECK(w.driver.attributes_at(at(chunk)) == svm::span_attributes{});
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 3 * chunk, 1) == 3 * chunk);
  }

  TEST_CASE("a CPU that hammers a page loses against a timeslice that grows with each try (ATM-09)") {
    struct {
      std::uint64_t milliseconds;  ///< from the end of the copy to the GPU's access
      int taken_away;              ///< how often the CPU has the page back before
    } const table[] = {{0, 0}, {4, 0}, {6, 1}, {12, 2}, {30, 3}};
    for (auto const& row : table) {
      CAPTURE(row.milliseconds);
      world w{with_timeslice()};
      w.map(chunk);
      REQUIRE(w.cpu_write(base, 1) == sys::ok);
      int taken = 0;
      w.hooks.hook = [&](step s) {
        if (s != step::preparing) return;
        w.clock.advance(svm::milliseconds(row.milliseconds));
        as_another_thread([&] {
          if (cpu_fault_at(w, base) == svm::cpu_fault_answer::action::wait) return;  // it will, and tries again later
          ++taken;
          CHECK(w.cpu_write(base, *w.cpu_read(base) + 1) == sys::ok);
        });
      };
      CHECK(atomic_add(w, base, 100) == errc::ok);
      w.hooks.hook = nullptr;
      CHECK(taken == row.taken_away);
      CHECK(w.count(event_kind::gpu_fault) == 1);
      CHECK(w.cpu_read(base) == 101u + static_cast<std::uint64_t>(taken));
      CHECK(w.complaint() == "");
    }
  }
}

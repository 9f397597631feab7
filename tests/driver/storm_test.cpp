// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// With an event at every step, without end, every public function returns within the bound that it documents.

#include <svm/driver/svm_driver.hpp>

#include <cstdint>

#include <mock/processes.hpp>

using namespace support;
using svm::event_kind;
using svm::invalidation_cause;
using svm::detail::retry_budget;

namespace {

constexpr auto rounds = static_cast<std::uint64_t>(retry_budget<policies::clock>::event_rounds);
constexpr auto passes = static_cast<std::uint64_t>(svm::svm_driver<policies>::max_passes);

/// A machine on which, once `rage` was called, an event over everything comes at each step. Steps have no end: one more
/// than the limit fails the test instead of hanging it.
struct stormy_world : world {
  static constexpr std::uint64_t too_many = 20000;
  std::uint64_t events = 0;

  explicit stormy_world(svm::mock::machine_options const& o = small_chunks(2 * chunk)) : world(o) {
    map(4 * chunk);
    cpu_tag(base, 4 * chunk, 1);
  }
  void rage(invalidation_cause cause = invalidation_cause::clear) {
    hooks.hook = [this, cause](step s) {
      if (s == step::told || s == step::forking || s == step::moving || s == step::swapping) return;
      REQUIRE(++events < too_many);
      process.invalidate_only({span(base, 4 * chunk), cause});
    };
  }
  /// What is left can be used, and no byte was lost.
  void calm() {
    hooks.hook = nullptr;
    CHECK(complaint() == "");
    CHECK(gpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
    CHECK(complaint() == "");
  }
  [[nodiscard]] std::uint64_t retries() const { return count(event_kind::retry_after_event); }
};

}  // namespace

TEST_SUITE("driver/storm") {
  TEST_CASE("find_or_insert ends, with a range or without, and never with half of one") {
    for (auto const threshold : {byte_count{}, byte_count{chunk}}) {
      stormy_world w;
      w.rage();
      auto const found = w.driver.svm().find_or_insert(base, {.check_pages_threshold = threshold});
      CHECK((found || found.error() == errc::busy));
      CHECK(w.retries() <= rounds);
      w.calm();
    }
  }

  TEST_CASE("get_pages gives up as busy after its rounds, and leaves nothing mapped (defect D7, erratum 3.1.7)") {
    stormy_world w;
    auto made = w.driver.svm().find_or_insert(base, {});
    REQUIRE(made);
    w.rage();
    {
      auto held = w.driver.svm().lock_range(made->range);
      CHECK(w.driver.svm().get_pages(held, {}) == errc::busy);
    }
    CHECK(w.retries() == rounds);
    CHECK(w.dma.live() == 0);
    w.calm();
  }

  TEST_CASE("get_pages gives up after a second of retries of a slow machine too (erratum 3.1.7)") {
    stormy_world w;
    auto made = w.driver.svm().find_or_insert(base, {});
    REQUIRE(made);
    w.hooks.hook = [&w](step s) {
      if (s != step::walked) return;
      w.clock.advance(svm::milliseconds(400));
      w.process.invalidate_only({span(base, chunk), invalidation_cause::clear});
    };
    {
      auto held = w.driver.svm().lock_range(made->range);
      CHECK(w.driver.svm().get_pages(held, {}) == errc::busy);
    }
    CHECK(w.retries() == 4);
    w.calm();
  }

  TEST_CASE("bind, unmap_pages, scan, evict, migrate, sync and remove end at once") {
    stormy_world w;
    auto made = w.driver.svm().find_or_insert(base, {.devmem_possible = true});
    REQUIRE(made);
    {
      auto held = w.driver.svm().lock_range(made->range);
      REQUIRE(w.driver.svm().get_pages(held, {}) == errc::ok);
      w.rage();
      CHECK(w.driver.svm().bind(held) == errc::retry);
      CHECK(w.driver.svm().scan(held) == svm::residence::system);
      w.driver.svm().sync(held, true);
      errc const moved = w.driver.migrate_to_device(held, {});
      CHECK((moved == errc::ok || moved == errc::busy));
      CHECK(w.driver.evict(held) == errc::ok);
      w.driver.svm().unmap_pages(held);
    }
    w.driver.svm().remove(w.driver.svm().lock_range(made->range));
    made->range = {};
    CHECK(w.events < 20);
    w.calm();
  }

  TEST_CASE("lookups, reset and close end") {
    stormy_world w;
    w.rage();
    CHECK_FALSE(w.driver.svm().has_mapping(span(base, chunk)));
    CHECK(w.driver.svm().find_vma_start(span(base, chunk)));
    w.driver.reset();
    w.calm();
    w.rage();
    w.driver.close();
    CHECK(w.fault(base) == errc::gone);
    CHECK(w.events < 20);
  }

  TEST_CASE("a fault ends after ten passes at most, whatever comes at whichever step (errata 3.1.17 and 3.4.3)") {
    for (auto const cause : {invalidation_cause::clear, invalidation_cause::protection, invalidation_cause::unmap})
      for (auto const mode :
           {svm::migration_mode::never, svm::migration_mode::where_possible, svm::migration_mode::required})
        for (auto const rest : {svm::partial_unmap::evict, svm::partial_unmap::split}) {
          stormy_world w{small_chunks(2 * chunk, [&](auto& o) {
            o.driver.migrate = mode;
            o.driver.rest = rest;
          })};
          w.rage(cause);
          errc const e = w.fault(base, access_kind::write);
          CHECK(e != errc::ok);
          CHECK(w.count(event_kind::gpu_fault_retry) < passes);
          CHECK(w.retries() <= 2 * passes * rounds);
          w.calm();
        }
  }

  TEST_CASE("an atomic access and a mixed driver end too") {
    for (bool const mixed : {false, true}) {
      stormy_world w{small_chunks(2 * chunk, [&](auto& o) { o.driver.mixed = mixed; })};
      REQUIRE(to_device(w, base, chunk / 2) == errc::ok);
      w.rage();
      CHECK(w.fault(base, access_kind::atomic) != errc::ok);
      CHECK(w.count(event_kind::gpu_fault_retry) < passes);
      w.calm();
    }
  }

  TEST_CASE("a prefetch ends at the first range that it cannot serve") {
    for (auto const where : {prefetch_place::as_fault, prefetch_place::device, prefetch_place::system}) {
      stormy_world w;
      w.rage();
      CHECK(w.driver.prefetch(span(base, 4 * chunk), where) != errc::ok);
      CHECK(w.count(event_kind::retry_after_event) <= 2 * passes * rounds);
      w.calm();
    }
  }

  TEST_CASE("advise, reset, suspend and the collector end") {
    stormy_world w;
    REQUIRE(w.fault(base) == errc::ok);
    w.rage();
    CHECK(w.driver.advise(span(base, chunk), {.preferred = svm::preferred_place::system}) == errc::ok);
    CHECK(w.driver.advise(span(base, chunk), {}) == errc::ok);
    w.driver.reset();
    w.driver.suspend();
    w.driver.resume();
    w.driver.collect_garbage();
    CHECK(w.events < 20);
    w.calm();
  }

  TEST_CASE("the collector ends although each of its removals is followed by another unmap") {
    stormy_world w{small_chunks(2 * chunk, [](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.chunks = {byte_count{page_bytes}};
    })};
    constexpr std::uint64_t pages = 200;
    cpu_va const there = at(MiB);
    w.map(pages * page_bytes, there);
    for (std::uint64_t n = 0; n < pages; ++n) REQUIRE(w.fault(there + byte_count{n * page_bytes}) == errc::ok);
    std::uint64_t next = 0;
    auto const unmap_next = [&] {
      w.process.invalidate_only({span(there + byte_count{next++ * page_bytes}, page_bytes), invalidation_cause::unmap});
    };
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == event_kind::range_removed && next < pages) as_another_thread(unmap_next);
    };
    unmap_next();
    w.driver.collect_garbage();
    w.stats.listener = nullptr;
    CHECK(w.range_count() == pages - 65);  // as many as stood there, and 64 more
    w.driver.collect_garbage();
    w.calm();
  }

  TEST_CASE("a migrator moves, evicts, makes room and unbinds in the middle of it") {
    stormy_world w;
    w.rage();
    for (std::uint64_t n = 0; n < 4; ++n) {
      errc const e = to_device(w, at(n * chunk), chunk);
      CHECK((e == errc::ok || e == errc::busy));
    }
    CHECK(w.mover.make_room({2 * chunk}) == errc::ok);
    CHECK(w.mover.evict_span(w.process, span(base, 4 * chunk)) == errc::ok);
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.mover.unbind() == errc::ok);
    CHECK(w.events < 200);
    w.calm();
  }

  TEST_CASE("a mapped buffer gives up as busy, and works when it is calm again") {
    stormy_world w;
    w.rage();
    machine::gpu_type device{w.frames, w.dma, w.broken, w.hooks};
    svm::environment<policies> env{w.process, device, w.device_memory, w.memory, w.clock, w.stats};
    {
      svm::mapped_buffer<policies> buffer{env, span(base, chunk)};
      REQUIRE(buffer.open() == errc::ok);
      CHECK(buffer.get_pages({}) == errc::busy);
      CHECK(w.retries() == rounds);
      CHECK(buffer.bind() == errc::retry);
      buffer.unmap_pages();
      w.hooks.hook = nullptr;
      CHECK(buffer.get_pages({}) == errc::ok);
      w.rage();
      CHECK(buffer.bind() == errc::retry);
      buffer.close();
    }
    w.calm();
  }

  TEST_CASE("time-outs that come early and locks that cannot be had at once change no result (OOM-09)") {
    stormy_world w;
    w.hooks.hook = [&w](step s) {
      if (s == step::told) return;
      w.clock.advance(svm::milliseconds(1500));  // longer than any call waits
    };
    std::uint64_t refused = 0;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != event_kind::invalidated) return;
      if (!w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear, svm::nobody, false}))
        ++refused;
    };
    for (std::uint64_t n = 0; n < 4; ++n) CHECK(w.gpu_write(at(n * chunk), 1 + n * chunk_pages) == errc::ok);
    CHECK(w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear}));
    CHECK(refused != 0);
    w.stats.listener = nullptr;
    CHECK(w.driver.prefetch(span(base, 2 * chunk), prefetch_place::device) == errc::ok);
    CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
    w.calm();
  }
}

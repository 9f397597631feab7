// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Invalidations in two passes: every device is told before any is waited for.

#include <svm/driver/invalidation.hpp>

#include <cstdint>
#include <functional>

#include <mock/processes.hpp>

using namespace support;
using svm::event_kind;
using svm::invalidation_cause;
using svm::page_flag;

namespace {

/// Two drivers on one process, with a range each over the same memory, mapped, used, and in both TLBs.
struct scene {
  world w{small_chunks(MiB, [](auto& o) {
    o.gpus = 2;
    o.driver.migrate = svm::migration_mode::never;
  })};
  machine::view& a = *w.first().views[0];
  machine::view& b = *w.first().views[1];

  scene() {
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    fault();
  }
  void fault() {
    for (std::size_t n : {0u, 1u}) REQUIRE(gpu_load(w, w.first(), n, page_at(3)) == 4u);
    REQUIRE(live() == 2 * blocks);
  }
  [[nodiscard]] std::uint64_t live() { return w.gpu_card(0).dma.live() + w.gpu_card(1).dma.live(); }
  [[nodiscard]] std::uint64_t entries(machine::view& v) {
    std::uint64_t n = 0;
    v.device.for_each_mapping(span(base, chunk), [&](auto const&) { ++n; });
    return n;
  }
  [[nodiscard]] bool has(machine::view& v, page_flag flag) { return v.driver.svm().find(base)->mapping().has(flag); }
  [[nodiscard]] bool reaches(machine::view& v) {
    std::byte word[8];
    return v.device.load(page_at(3), word);
  }
  /// Runs an event over the ranges, with `act` between its passes.
  bool event(invalidation_cause cause, std::function<void()> act, bool may_block = true) {
    bool between = false;
    w.hooks.hook = [&](step s) {
      if (s != step::told || between) return;
      between = true;
      as_another_thread(act);
    };
    CHECK(w.process.invalidate_only({span(page_at(5), page_bytes), cause, svm::nobody, may_block}));
    w.hooks.hook = nullptr;
    return between;
  }

  static constexpr std::uint64_t blocks = chunk_pages;
};

}  // namespace

TEST_SUITE("driver/invalidation in two passes") {
  TEST_CASE("both devices are told before either is waited for, and mappings end after the flushes (MGP-05)") {
    scene s;
    std::uint64_t const flushes = s.a.device.tlb_flushes() + s.b.device.tlb_flushes();
    CHECK(s.event(invalidation_cause::clear, [&] {
      for (machine::view* const v : {&s.a, &s.b}) {
        CHECK(s.entries(*v) == 0);
        CHECK_FALSE(s.has(*v, page_flag::valid));
        CHECK(s.has(*v, page_flag::mapped));
        CHECK(s.reaches(*v));  // by its TLB, which is not flushed yet
      }
      CHECK(s.live() == 2 * scene::blocks);
      CHECK(s.a.device.tlb_flushes() + s.b.device.tlb_flushes() == flushes);
    }));
    for (machine::view* const v : {&s.a, &s.b}) {
      CHECK_FALSE(s.reaches(*v));
      CHECK_FALSE(s.has(*v, page_flag::mapped));
    }
    CHECK(s.live() == 0);
    CHECK(s.a.device.tlb_flushes() + s.b.device.tlb_flushes() == flushes + 2);
    CHECK(s.w.complaint() == "");
    s.fault();
  }

  TEST_CASE("nothing is bound between the passes") {
    scene s;
    CHECK(s.event(invalidation_cause::clear, [&] {
      for (machine::view* const v : {&s.a, &s.b}) {
        auto held = v->driver.svm().lock_range(v->driver.svm().find(base));
        CHECK(v->driver.svm().bind(held) == errc::retry);
        CHECK(s.entries(*v) == 0);
      }
    }));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("a range that is dropped between the passes is dropped once") {
    for (bool const removed : {false, true}) {
      scene s;
      CHECK(s.event(invalidation_cause::clear, [&] {
        auto held = s.a.driver.svm().lock_range(s.a.driver.svm().find(base));
        s.a.driver.svm().unmap_pages(held);
      }));
      if (removed) s.a.driver.svm().remove(s.a.driver.svm().lock_range(s.a.driver.svm().find(base)));
      CHECK(s.live() == 0);
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("an event between the passes of another takes one pass, and both end what they met") {
    scene s;
    CHECK(s.event(invalidation_cause::clear, [&] {
      CHECK(s.w.process.invalidate_only({span(base, 2 * chunk), invalidation_cause::clear}));
      CHECK(s.live() == 0);
      CHECK_FALSE((s.reaches(s.a) || s.reaches(s.b)));
    }));
    CHECK(s.live() == 0);
    CHECK(s.w.complaint() == "");
    s.fault();
    CHECK(s.event(invalidation_cause::clear, [] {}));  // two passes again
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("an event that may not wait takes one pass") {
    scene s;
    CHECK_FALSE(s.event(
        invalidation_cause::clear, [] {}, false));
    CHECK(s.live() == 0);
    CHECK_FALSE((s.reaches(s.a) || s.reaches(s.b)));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("an event that meets no mapped range has nothing pending") {
    scene s;
    CHECK(s.event(invalidation_cause::clear, [] {}));
    CHECK_FALSE(s.event(invalidation_cause::clear, [] {}));
    std::uint64_t const flushes = s.a.device.tlb_flushes();
    CHECK(s.w.process.invalidate_only({span(at(chunk), page_bytes), invalidation_cause::unmap}));
    CHECK(s.a.device.tlb_flushes() == flushes);
  }

  TEST_CASE("one that is refused has changed nothing, and those told before it are finished") {
    scene s;
    bool tried = false;
    auto const mine = s.a.driver.svm().find(base);
    auto const other = s.b.driver.svm().find(base);
    s.w.stats.listener = [&](svm::event const& e) {
      if (e.kind != event_kind::invalidated || tried) return;
      tried = true;  // the first notifier is busy: the event ends there
      CHECK_FALSE(s.w.process.invalidate_only({span(base, chunk), invalidation_cause::clear, svm::nobody, false}));
      CHECK(s.live() == 2 * scene::blocks);
      CHECK((mine->mapping().has(page_flag::valid) && other->mapping().has(page_flag::valid)));
    };
    CHECK(s.w.process.invalidate_only({span(base, chunk), invalidation_cause::clear}));
    s.w.stats.listener = nullptr;
    CHECK(tried);
    CHECK(s.live() == 0);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("an unmap marks and queues its ranges in the second pass, once") {
    scene s;
    CHECK(s.event(invalidation_cause::unmap,
                  [&] { CHECK_FALSE(s.a.driver.svm().find(base)->has(svm::range_flag::unmapped)); }));
    CHECK(s.a.driver.svm().find(base)->has(svm::range_flag::unmapped));
    s.a.driver.collect_garbage();
    s.b.driver.collect_garbage();
    CHECK_FALSE((s.a.driver.svm().find(base) || s.b.driver.svm().find(base)));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("the flush covers the whole of every range that the event met, over several of them (erratum 3.4.1)") {
    scene s;
    for (std::size_t n : {0u, 1u}) REQUIRE(gpu_load(s.w, s.w.first(), n, page_at(20)) == 21u);
    for (cpu_va const a : {base, page_at(15), page_at(16), page_at(31)}) {
      std::byte word[8];
      REQUIRE(s.a.device.load(a, word));
    }
    CHECK(s.w.process.invalidate_only({span(page_at(15), 2 * page_bytes), invalidation_cause::clear}));
    for (cpu_va const a : {base, page_at(15), page_at(16), page_at(31)}) {
      std::byte word[8];
      CHECK_FALSE(s.a.device.load(a, word));
    }
    CHECK(s.w.complaint() == "");
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/impl/fetch_pages.hpp>

#include <cstdint>

#include <mock/processes.hpp>
#include <support/cancel_after.hpp>
#include <support/failures.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::page_flag;

namespace {

svm::mock::machine_options two_gpus(bool linked = true) {
  return small_chunks(MiB, [&](auto& o) {
    o.gpus = 2;
    o.linked = linked;
    o.driver.migrate = svm::migration_mode::never;
  });
}
svm::range_ref<policies> make_range(world& w) {
  auto made = w.driver.svm().find_or_insert(base, {});
  REQUIRE(made);
  return std::move(made->range);
}
errc get_pages(world& w, svm::page_options const& wanted) {
  auto held = w.driver.svm().lock_range(make_range(w));
  return w.driver.svm().get_pages(held, wanted);
}

}  // namespace

TEST_SUITE("gpusvm/fetch_pages") {
  TEST_CASE("the owner says whose device pages stay: each caller its own (erratum 3.1.14)") {
    struct {
      svm::page_owner owner;
      std::uint64_t stay;
    } const rows[] = {{svm::nobody, 0}, {{1, 0}, chunk_pages}, {{1, 1}, chunk_pages}, {{99, 0}, 0}};
    for (auto const& row : rows) {
      world w{two_gpus()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::ok);
      CHECK(get_pages(w, {.owner = &row.owner}) == errc::ok);
      CHECK(w.device_pages(base, chunk) == row.stay);
      CHECK(w.range_at(base)->mapping().has(page_flag::peer) == (row.stay != 0));
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    }
  }

  TEST_CASE("pages of a device out of reach come to system memory, then are mapped; no byte is lost (PAG-12)") {
    world w{two_gpus(false)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(gpu_store(w, w.first(), 1, base, 1) == errc::ok);
    REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(base, chunk), {}) == errc::ok);
    CHECK(gpu_load(w, w.first(), 0, page_at(5)) == 6u);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.range_at(base)->mapping().has(page_flag::system));
    CHECK(w.gpu_card(1).memory.used() == byte_count{});
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("it ends when it is told to, at whichever round, and maps nothing then") {
    for (std::uint64_t rounds = 0;; ++rounds) {
      REQUIRE(rounds < 20);
      world w{two_gpus()};
      w.map(chunk);
      int storms = 5;
      w.hooks.hook = [&](step s) {
        if (s == step::walked && storms-- > 0)
          CHECK(w.process.invalidate_only({span(base, page_bytes), invalidation_cause::clear}));
      };
      cancel_after const stop{rounds};
      errc const e = get_pages(w, {.cancel = &stop});
      w.hooks.hook = nullptr;
      CHECK(e == (stop.has_struck() ? errc::interrupted : errc::ok));
      CHECK(w.range_at(base)->mapping().has(page_flag::mapped) == !stop.has_struck());
      CHECK(w.complaint() == "");
      if (!stop.has_struck()) {
        CHECK(stop.asked() == 6);  // once a round
        break;
      }
    }
  }

  TEST_CASE("to drop the pages of a range that has none flushes nothing") {
    world w{two_gpus()};
    w.map(chunk);
    auto held = w.driver.svm().lock_range(make_range(w));
    std::uint64_t const flushes = w.device.tlb_flushes();
    w.driver.svm().unmap_pages(held);
    CHECK(w.device.tlb_flushes() == flushes);
    REQUIRE(w.driver.svm().get_pages(held, {}) == errc::ok);
    w.driver.svm().unmap_pages(held);
    CHECK(w.device.tlb_flushes() == flushes + 1);
  }

  TEST_CASE("with addresses set aside a failure at any step leaks neither them nor a mapping") {
    auto const o = small_chunks(MiB, [](auto& set) {
      set.driver.migrate = svm::migration_mode::never;
      set.iommu = svm::mock::iommu_mode::reserved;
    });
    auto const set_up = [](world& w) {
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
    };
    for (auto const kind : {failure::dma_map, failure::alloc})
      fail_each(
          o, kind, {errc::dma_map_failed, errc::no_memory}, set_up,
          [](world& w) { return w.fault(base, access_kind::write); },
          [](world& w) {
            bool const mapped = w.range_count() != 0 && w.range_at(base)->mapping().has(page_flag::mapped);
            return w.dma.reservations() == (mapped ? 1u : 0u) && w.cpu_read(page_at(3)) == 4u;
          });
  }
}

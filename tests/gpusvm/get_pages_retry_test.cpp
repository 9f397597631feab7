// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// get_pages against walks that race with events, or report what the simulated machine cannot.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <support/failures.hpp>
#include <support/scripted_allocation.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::page_flag;
using svm::page_place;

namespace {

constexpr int rounds = svm::detail::retry_budget<svm::mock::virtual_clock>::event_rounds;

svm::mock::machine_options system_only() {
  return options([](auto& o) { o.driver.migrate = svm::migration_mode::never; });
}
errc get(world& w, cpu_va a) {
  auto found = w.driver.svm().find_or_insert(a, {});
  REQUIRE(found.has_value());
  auto held = w.driver.svm().lock_range(std::move(found->range));
  return w.driver.svm().get_pages(held, {});
}

using script = scripted<4096>;
svm::gpusvm_layout small_shape() {
  return *svm::gpusvm_layout::make(span(cpu_va{}, std::uint64_t{1} << 47), {2 * MiB},
                                   std::vector<byte_count>{{64 * KiB}, {4 * KiB}}, {4096});
}
svm::locked_range<script::policies> hold_at(script& s, cpu_va a) {
  auto found = s.svm.find_or_insert(a, {});
  REQUIRE(found.has_value());
  return s.svm.lock_range(std::move(found->range));
}

}  // namespace

TEST_SUITE("gpusvm/get_pages") {
  TEST_CASE(
      "PAG-16 events that never end make it answer busy, within sixteen rounds and a second from the first retry on") {
    for (std::uint64_t const step_ms : {std::uint64_t{0}, std::uint64_t{300}, std::uint64_t{2000}}) {
      CAPTURE(step_ms);
      world w{system_only()};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      int walks = 0;
      w.hooks.hook = [&](step s) {
        if (s != step::walked) return;
        ++walks;
        w.clock.advance(svm::milliseconds(step_ms));
        CHECK(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
      };
      CHECK(get(w, base) == errc::busy);
      CHECK(walks == (step_ms == 0 ? rounds : step_ms == 300 ? 5 : 2));
      w.hooks.hook = nullptr;
      CHECK(w.dma.live() == 0);
      CHECK(w.complaint() == "");
      CHECK(get(w, base) == errc::ok);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a storm that ends within the bound lets the call through (OOM-07)") {
    for (int events = 0; events <= rounds; ++events) {
      CAPTURE(events);
      world w{system_only()};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      int left = events;
      w.hooks.hook = [&](step s) {
        if (s == step::walked && left-- > 0)
          CHECK(w.process.invalidate_only({span(at(60 * KiB), 4 * KiB), invalidation_cause::clear}));
      };
      CHECK(get(w, base) == (events < rounds ? errc::ok : errc::busy));
      CHECK(w.failures.calls(failure::dma_map) == (events < rounds ? 16u : 0u));
      CHECK(w.count(svm::event_kind::retry_after_event) == static_cast<unsigned>(std::min(events, rounds)));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a budget ends with its rounds, those with events and those without counted apart, or with its time") {
    using budget = svm::detail::retry_budget<svm::mock::virtual_clock>;
    svm::mock::virtual_clock clock;
    budget rounds_out{clock};
    for (int i = 1; i < budget::event_rounds; ++i) CHECK(rounds_out.after_event());
    CHECK_FALSE(rounds_out.after_event());
    for (int i = 1; i < budget::unexplained_rounds; ++i) CHECK(rounds_out.unexplained());
    CHECK_FALSE(rounds_out.unexplained());
    budget time_out{clock};
    CHECK(time_out.after_event());
    CHECK(time_out.unexplained());
    clock.advance(budget::patience);
    CHECK_FALSE(time_out.after_event());
    CHECK_FALSE(time_out.unexplained());
  }

  TEST_CASE("pages that are missing though no event came are asked for three times, and reported as such") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    s.mm.walk = [](script::request const&, script::sink&) { return errc::ok; };
    auto held = hold_at(s, base);
    CHECK(s.svm.get_pages(held, {}) == errc::busy);
    CHECK(s.mm.walks == 3);
    CHECK(s.stats.count(svm::event_kind::unexplained_retry) == 3);
    CHECK(s.device.calls == 0);
    s.mm.walk = nullptr;
    CHECK(s.svm.get_pages(held, {}) == errc::ok);
  }

  TEST_CASE("PAG-22 each walk starts from clean results, so what an earlier one left is never read") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    int walks = 0;
    s.mm.walk = [&](script::request const& r, script::sink& found) {
      if (++walks == 1) {
        // Garbage, and then an event, so that it must be thrown away.
        s.mm.fill(r.span, found, {.page = {}, .place = page_place::device, .writable = true});
        s.mm.invalidate(r.span);
        return errc::busy;
      }
      if (walks == 2) return errc::ok;  // a walk that adds nothing at all
      s.mm.fill(r.span, found);
      return errc::ok;
    };
    auto held = hold_at(s, base);
    CHECK(s.svm.get_pages(held, {}) == errc::ok);
    CHECK(walks == 3);
    CHECK(s.pagemap.calls == 0);
    CHECK(s.device.live.size() == 16);
  }

  TEST_CASE("the check for present pages counts nothing twice: each look at a chunk is of its own (PAG-22)") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    int looks = 0;
    s.mm.show = [&](va_range where, script::sink& found) {
      if (++looks == 1) s.mm.fill({where.start(), where.size() - byte_count{page_bytes}}, found);
    };
    auto const found = s.svm.find_or_insert(base, {.check_pages_threshold = {64 * KiB}});
    REQUIRE(found.has_value());
    CHECK(looks == 1);
    CHECK(found->range->interval() == span(base, 4 * KiB));
  }

  TEST_CASE("PAG-08 a walk that reports a folio larger than the range maps the range and no more") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    s.mm.walk = [&](script::request const&, script::sink& found) {
      static_cast<void>(found.add(base, {.page = {1000}, .count = 512, .place = page_place::system, .writable = true}));
      return errc::ok;
    };
    auto held = hold_at(s, at(64 * KiB));
    REQUIRE(s.svm.get_pages(held, {}) == errc::ok);
    REQUIRE(held->mapping().blocks_locked().size() == 1);
    CHECK(held->mapping().blocks_locked()[0].count == 16);
    CHECK(s.device.live.begin()->second.page.number == 1000 + 16);
  }

  TEST_CASE("a retry that finds the pages elsewhere maps where they are now") {
    for (bool const to_device : {false, true}) {
      script s{small_shape()};
      support::scripted_allocation<script::policies> behind{s.mover};
      s.mm.add_vma(base, MiB);
      int walks = 0;
      s.mm.walk = [&](script::request const& r, script::sink& found) {
        (++walks == 1) != to_device ? s.mm.fill(r.span, found, support::device_page(0, behind))
                                    : s.mm.fill(r.span, found);
        if (walks == 1) s.mm.invalidate(r.span);
        return errc::ok;
      };
      auto held = hold_at(s, base);
      REQUIRE(s.svm.get_pages(held, {}) == errc::ok);
      CHECK(held->mapping().has(page_flag::device) == to_device);
      CHECK(s.device.live.size() == (to_device ? 0 : 16));
      CHECK(s.pagemap.live.size() == (to_device ? 16 : 0));
      s.svm.unmap_pages(held);  // before what stands behind the pages ends
    }
  }

  TEST_CASE("PAG-15 a device page that cannot be mapped leaves none mapped, and the retry succeeds") {
    for (std::uint64_t k = 1; k <= 16; ++k) {
      script s{small_shape()};
      support::scripted_allocation<script::policies> behind{s.mover};
      s.mm.add_vma(base, MiB);
      s.mm.walk = [&](script::request const& r, script::sink& found) {
        s.mm.fill(r.span, found, support::device_page(0, behind));
        return errc::ok;
      };
      s.pagemap.fail_at = k;
      auto held = hold_at(s, base);
      CHECK(s.svm.get_pages(held, {}) == errc::dma_map_failed);
      CHECK(s.pagemap.live.empty());
      CHECK(s.pagemap.mismatches == 0);
      CHECK_FALSE(held->mapping().has(page_flag::mapped));
      CHECK(s.svm.get_pages(held, {}) == errc::ok);
      CHECK(s.pagemap.live.size() == 16);
      s.svm.unmap_pages(held);  // before what stands behind the pages ends
    }
  }

  TEST_CASE("an error of the walk that is no event ends the call at once") {
    for (errc const e : {errc::no_vma, errc::no_access, errc::read_only, errc::no_ram}) {
      script s{small_shape()};
      s.mm.add_vma(base, MiB);
      s.mm.walk = [e](script::request const&, script::sink&) { return e; };
      auto held = hold_at(s, base);
      CHECK(s.svm.get_pages(held, {}) == e);
      CHECK(s.mm.walks == 1);
    }
  }
}

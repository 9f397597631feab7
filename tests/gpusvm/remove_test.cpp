// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <utility>
#include <vector>

#include <pagemap/scene.hpp>
#include <support/failures.hpp>
#include <support/scripted.hpp>

using namespace support;
using svm::page_flag;
using svm::range_flag;

namespace {

svm::mock::machine_options system_only() {
  return options([](auto& o) { o.driver.migrate = svm::migration_mode::never; });
}
void remove(world& w, cpu_va a) {
  w.driver.svm().remove(w.driver.svm().lock_range(w.range_at(a)));
}

}  // namespace

TEST_SUITE("gpusvm/remove") {
  TEST_CASE("NOT-04 a notifier stays with its last range, then leaves the mm, and no callback comes any more") {
    world w{system_only()};
    w.map(2 * MiB);
    REQUIRE(w.process.munmap(at(MiB), {64 * KiB}) == sys::ok);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(64 * KiB)) == errc::ok);
    w.driver.svm().for_each_notifier(world::everything, [](auto& n) { CHECK(n.size() == 2); });
    remove(w, base);
    w.driver.svm().for_each_notifier(world::everything, [](auto& n) { CHECK(n.size() == 1); });
    CHECK(w.notifier_count() == 1);
    CHECK(w.process.watchers().registered() == 1);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
    CHECK(w.gpu_mapped_pages(at(64 * KiB), 64 * KiB) == 16);
    CHECK(w.complaint() == "");
    remove(w, at(64 * KiB));
    CHECK(w.notifier_count() == 0);
    CHECK(w.process.watchers().registered() == 0);
    std::uint64_t const before = w.count(svm::event_kind::invalidated);
    CHECK(w.process.invalidate_only({span(base, 2 * MiB), svm::invalidation_cause::clear}));
    CHECK(w.count(svm::event_kind::invalidated) == before);
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("removing twice does nothing the second time") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(w.fault(base) == errc::ok);
    svm::range_ref<policies> const r = w.range_at(base);
    remove(w, base);
    REQUIRE(w.fault(base) == errc::ok);  // another range at the same place
    w.driver.svm().remove(w.driver.svm().lock_range(r));
    CHECK(w.count(svm::event_kind::range_removed) == 1);
    CHECK(w.range_count() == 1);
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "every call on a range that was removed, or whose gpusvm was closed, answers gone and changes nothing (TRD-05)") {
    for (bool const by_close : {false, true}) {
      CAPTURE(by_close);
      world w;
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      REQUIRE(w.fault(base) == errc::ok);
      REQUIRE(w.device_pages(base, 64 * KiB) == 16);
      svm::range_ref<policies> const r = w.range_at(base);
      by_close ? w.driver.svm().close() : remove(w, base);
      {
        auto held = w.driver.svm().lock_range(r);
        CHECK(w.driver.svm().get_pages(held, {}) == errc::gone);
        CHECK(w.driver.svm().get_pages(held, {true, false}) == errc::gone);
        CHECK(w.driver.svm().bind(held) == errc::gone);
        CHECK(w.driver.migrate_to_device(held, {}) == errc::gone);
        CHECK(w.driver.evict(held) == errc::gone);
        CHECK_FALSE(svm::gpusvm<policies>::pages_valid(*held, {true, false}));
        w.driver.svm().unmap_pages(held);
        CHECK_FALSE(held->mapping().has(page_flag::mapped));
      }
      CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
      CHECK(w.device_pages(base, 64 * KiB) == 16);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    }
  }

  TEST_CASE("after close every lookup is refused as gone, closing again does nothing, and the data stays") {
    world w;
    w.map(64 * MiB);
    for (std::uint64_t offset = 0; offset < 16 * MiB; offset += 2 * MiB)
      REQUIRE(w.gpu_write(at(offset), offset) == errc::ok);
    w.driver.svm().close();
    CHECK(w.range_count() == 0);
    CHECK(w.notifier_count() == 0);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.driver.svm().find_or_insert(base, {}).error() == errc::gone);
    CHECK(w.fault(at(32 * MiB)) == errc::gone);
    CHECK_FALSE(w.range_at(base));
    w.driver.svm().close();
    CHECK(w.complaint() == "");
    for (std::uint64_t offset = 0; offset < 16 * MiB; offset += 2 * MiB) CHECK(w.cpu_read(at(offset)) == offset);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("close reaches the ranges above 2^63 and at the very top (TRD-03)") {
    scripted<4096> s{*svm::gpusvm_layout::make({cpu_va{4096}, byte_count{0 - std::uint64_t{4096}}}, {2 * MiB},
                                               std::vector<byte_count>{{64 * KiB}, {4 * KiB}}, {4096})};
    std::vector<cpu_va> const starts{
        {MiB}, {(std::uint64_t{1} << 63) - 64 * KiB}, {std::uint64_t{1} << 63}, {0 - 64 * KiB}};
    for (cpu_va const a : starts) {
      s.mm.add_vma(a, 64 * KiB);
      auto found = s.svm.find_or_insert(a, {});
      REQUIRE(found.has_value());
      auto held = s.svm.lock_range(std::move(found->range));
      REQUIRE(s.svm.get_pages(held, {}) == errc::ok);
    }
    CHECK(s.mm.registered.size() == 4);
    CHECK(s.device.live.size() == 4 * 16);
    CHECK(s.svm.has_mapping({cpu_va{UINT64_MAX}, {1}}));
    s.svm.close();
    CHECK(s.mm.registered.empty());
    CHECK(s.device.live.empty());
    for (cpu_va const a : starts) CHECK_FALSE(s.svm.has_mapping(span(a, 64 * KiB)));
  }

  TEST_CASE("a close that meets a notifier whose last range is just being removed ends it, and only once") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(w.fault(base) == errc::ok);
    bool closed = false;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != svm::event_kind::range_removed || std::exchange(closed, true)) return;
      CHECK(w.notifier_count() == 1);
      as_another_thread([&] { w.driver.svm().close(); });
      CHECK(w.notifier_count() == 0);
    };
    remove(w, base);
    w.stats.listener = nullptr;
    CHECK(closed);
    CHECK(w.count(svm::event_kind::notifier_removed) == 1);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.dma.live() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("removal and close need no memory and no DMA mapping") {
    world w{system_only()};
    w.map(4 * MiB);
    for (std::uint64_t offset = 0; offset < 4 * MiB; offset += 2 * MiB) REQUIRE(w.fault(at(offset)) == errc::ok);
    for (auto const kind : {failure::alloc, failure::ram, failure::dma_map}) {
      CAPTURE(static_cast<int>(kind));
      w.failures.arm(kind, 1, failure_plan::repeat::from_then_on);
      if (kind == failure::alloc) remove(w, base);
    }
    w.failures.arm(failure::alloc, 1, failure_plan::repeat::from_then_on);
    w.driver.svm().close();
    CHECK(w.failures.struck() == 0);
    CHECK(w.range_count() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("unmap_pages lets go of the device's mapping and keeps the range; a fault maps it again") {
    world w{system_only()};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 9);
    REQUIRE(w.fault(base) == errc::ok);
    svm::range_ref<policies> const r = w.range_at(base);
    for (int i = 0; i < 2; ++i) {
      auto held = w.driver.svm().lock_range(r);
      w.driver.svm().unmap_pages(held);
    }
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
    CHECK(w.dma.live() == 0);
    CHECK(w.range_at(base).get() == r.get());
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 64 * KiB, 9) == 64 * KiB);
    CHECK(w.complaint() == "");
  }
}

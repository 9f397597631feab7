// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <memory>
#include <vector>

#include <support/world.hpp>

using namespace support;
using svm::invalidation;
using svm::invalidation_cause;
using svm::page_flag;
using svm::range_flag;

namespace {

svm::mock::machine_options system_only() {
  return options([](auto& o) {
    o.driver.migrate = svm::migration_mode::never;
    o.notifier_size = {2 * MiB};
    o.chunks = {{64 * KiB}, {4 * KiB}};
  });
}
bool is_valid(world& w, cpu_va a) {
  auto const r = w.range_at(a);
  return r && r->mapping().has(page_flag::valid);
}

/// A target on the mm that is no gpusvm: it keeps the sequence protocol and counts.
struct watcher final : svm::invalidation_target {
  explicit watcher(world& w) : w_(w) {}
  ~watcher() { stop(); }
  [[nodiscard]] errc start(va_range where) {
    started_ = true;
    return w_.process.register_notifier(registration, where, *this);
  }
  void stop() {
    if (std::exchange(started_, false)) w_.process.unregister_notifier(registration);
  }
  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const&,
                                                    std::uint64_t sequence) noexcept override {
    w_.process.set_sequence(registration, sequence);
    ++calls;
    return svm::invalidation_answer::done;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {}

  int calls = 0;
  policies::mm::registration registration;

 private:
  world& w_;
  bool started_ = false;
};

}  // namespace

TEST_SUITE("gpusvm/notifier") {
  TEST_CASE("NOT-01 NOT-02 the first fault of a window registers one notifier around it, and fifty more none") {
    world w;
    cpu_va const where{0x1234'5000};
    w.map(64 * MiB, where);
    REQUIRE(w.fault(where) == errc::ok);
    std::vector<va_range> seen;
    w.driver.svm().for_each_notifier(world::everything, [&](auto& n) { seen.push_back(n.interval()); });
    CHECK(seen == std::vector{span(cpu_va{}, 512 * MiB)});
    CHECK(w.process.watchers().registered() == 1);
    CHECK(w.failures.calls(svm::mock::failure::notifier) == 1);
    for (std::uint64_t i = 1; i <= 50; ++i) REQUIRE(w.fault(where + byte_count{i * MiB}) == errc::ok);
    CHECK(w.notifier_count() == 1);
    CHECK(w.failures.calls(svm::mock::failure::notifier) == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-03 faults on both sides of a notifier boundary get a notifier each, and no range straddles it") {
    world w{options([](auto& o) {
      o.notifier_size = {2 * MiB};
      o.driver.migrate = svm::migration_mode::never;
    })};
    w.map(2 * MiB, at(MiB));
    REQUIRE(w.fault(at(2 * MiB - page_bytes)) == errc::ok);
    REQUIRE(w.fault(at(2 * MiB)) == errc::ok);
    CHECK(w.notifier_count() == 2);
    CHECK(w.range_at(at(2 * MiB - 1))->interval() == span(at(2 * MiB - 64 * KiB), 64 * KiB));
    CHECK(w.range_at(at(2 * MiB))->interval() == span(at(2 * MiB), 64 * KiB));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-07 an event over three notifiers calls each once, and each lets go of its own ranges only") {
    world w{system_only()};
    w.map(8 * MiB);
    for (std::uint64_t const offset : {std::uint64_t{0}, 2 * MiB - 64 * KiB, 2 * MiB, 4 * MiB, 6 * MiB})
      REQUIRE(w.fault(at(offset), access_kind::write) == errc::ok);
    REQUIRE(w.notifier_count() == 4);
    std::uint64_t const before = w.count(svm::event_kind::invalidated);
    std::vector<va_range> events;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == svm::event_kind::invalidated) events.push_back(e.span);
    };
    va_range const event = span(at(MiB), 4 * MiB);
    CHECK(w.process.invalidate_only({event, invalidation_cause::clear}));
    CHECK(w.count(svm::event_kind::invalidated) == before + 3);
    CHECK(events == std::vector{event, event, event});
    CHECK(is_valid(w, base));  // in a notifier that was called, and not in the event
    CHECK_FALSE(is_valid(w, at(2 * MiB - 64 * KiB)));
    CHECK_FALSE(is_valid(w, at(2 * MiB)));
    CHECK_FALSE(is_valid(w, at(4 * MiB)));
    CHECK(is_valid(w, at(6 * MiB)));
    w.stats.listener = nullptr;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-08 an event over an area that nobody watches calls nobody and delays no insertion") {
    world w{system_only()};
    w.map(64 * KiB);
    w.map(64 * KiB, at(64 * MiB));
    REQUIRE(w.fault(base) == errc::ok);
    std::uint64_t const before = w.count(svm::event_kind::invalidated);
    watcher inserted{w};
    CHECK(w.process.watchers().invalidate({span(at(64 * MiB), 64 * KiB), invalidation_cause::clear}, [&] {
      CHECK(w.process.watchers().is_quiet() == false);
      REQUIRE(inserted.start(span(at(32 * MiB), 2 * MiB)) == errc::ok);
      // It stands in the index already: another event, inside the section, reaches it.
      CHECK(w.process.invalidate_only({span(at(32 * MiB), 4 * KiB), invalidation_cause::clear}));
      CHECK(inserted.calls == 1);
    }));
    CHECK(w.count(svm::event_kind::invalidated) == before);
    CHECK(w.process.watchers().is_quiet());
    inserted.stop();
    CHECK(is_valid(w, base));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a notifier that is inserted while an event is open takes effect at its end") {
    world w;
    watcher first{w};
    watcher second{w};
    REQUIRE(first.start(span(base, 2 * MiB)) == errc::ok);
    REQUIRE(w.process.watchers().invalidate({span(base, 4 * KiB), invalidation_cause::clear}, [&] {
      REQUIRE(second.start(span(base, 2 * MiB)) == errc::ok);
      REQUIRE(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
      CHECK(first.calls == 2);
      CHECK(second.calls == 0);
    }));
    REQUIRE(w.process.invalidate_only({span(base, 4 * KiB), invalidation_cause::clear}));
    CHECK(first.calls == 3);
    CHECK(second.calls == 1);
  }

  TEST_CASE("NOT-14 an event that may not block is refused while the notifier is in use, and nothing has changed") {
    world w{system_only()};
    w.map(64 * KiB);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    REQUIRE(w.gpu_write(base, 5) == errc::ok);
    std::uint64_t const flushes = w.device.tlb_flushes();
    invalidation const event{span(base, 64 * KiB), invalidation_cause::clear, svm::nobody, false};
    bool accepted = true;
    bool changed = false;
    w.driver.svm().for_each_range(span(base, 64 * KiB), [&](auto const& r) {
      accepted = w.process.watchers().invalidate(event, [&] { changed = true; });
      CHECK(r.mapping().has(page_flag::valid));
    });
    CHECK_FALSE(accepted);
    CHECK_FALSE(changed);
    CHECK(w.device.tlb_flushes() == flushes);
    CHECK(w.process.watchers().is_quiet());
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 16);
    CHECK(w.complaint() == "");
    // With the lock free the same event is served.
    CHECK(w.process.invalidate_only(event));
    CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-15 in one wide notifier an event over one range leaves the other mapped") {
    world w{system_only()};
    w.map(128 * KiB);
    w.cpu_tag(base, 128 * KiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(64 * KiB)) == errc::ok);
    CHECK(w.process.invalidate_only({span(at(64 * KiB), 4 * KiB), invalidation_cause::clear}));
    CHECK(is_valid(w, base));
    CHECK_FALSE(is_valid(w, at(64 * KiB)));
    std::uint64_t const maps = w.failures.calls(svm::mock::failure::dma_map);
    REQUIRE(w.fault(base) == errc::ok);
    CHECK(w.failures.calls(svm::mock::failure::dma_map) == maps);
    REQUIRE(w.fault(at(64 * KiB)) == errc::ok);
    CHECK(w.failures.calls(svm::mock::failure::dma_map) == maps + 16);
    CHECK(w.gpu_tags_until(base, 128 * KiB, 1) == 128 * KiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-16 when the process exits every device mapping is gone before a page is freed") {
    world w{system_only()};
    w.map(8 * MiB);
    for (std::uint64_t offset = 0; offset < 8 * MiB; offset += MiB)
      REQUIRE(w.gpu_write(at(offset), offset) == errc::ok);
    REQUIRE(w.dma.live() == 8 * 16);
    std::uint64_t live_at_release = UINT64_MAX;
    int events = 0;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == svm::event_kind::invalidated && ++events == 5) live_at_release = w.dma.live();
    };
    w.process.exit();    // the mock reports a page that is freed while a device has it
    CHECK(events == 8);  // release and unmap, four notifiers
    CHECK(live_at_release == 0);
    CHECK_FALSE(w.device.has_mappings());
    CHECK(w.frames.ram_used().value == 0);
    CHECK(w.fault(base) == errc::mm_gone);
    CHECK(w.range_count() == 0);  // marked by the unmap, collected by the fault
    w.stats.listener = nullptr;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-17 a migration's event ends the mapping whoever migrates, and the bytes stay") {
    for (svm::page_owner const who : {world::gpu_owner, svm::page_owner{2}, svm::nobody}) {
      world w{system_only()};
      w.map(64 * KiB);
      w.cpu_tag(base, 64 * KiB, 1);
      REQUIRE(w.fault(base) == errc::ok);
      CHECK(w.process.invalidate_only({span(base, 64 * KiB), invalidation_cause::migrate, who}));
      CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
      CHECK(w.dma.live() == 0);
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(base, 64 * KiB, 1) == 64 * KiB);
    }
  }

  TEST_CASE("NOT-21 two devices on one process both let go before the event's pages change") {
    world w{system_only()};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    REQUIRE(w.fault(base) == errc::ok);
    {
      using lock = lock_policy;
      svm::mock::iommu<lock> dma{w.frames, w.failures, w.broken};
      svm::mock::gpu<lock> device{w.frames, dma, w.broken, w.hooks};
      svm::migrator<policies> mover{{w.process, device, w.device_memory, w.memory, w.clock, w.stats}};
      svm::svm_driver<policies> driver{mover, w.driver.svm().shape(), {.migrate = svm::migration_mode::never}};
      REQUIRE(driver.fault(base, access_kind::read) == errc::ok);
      REQUIRE(w.process.watchers().registered() == 2);
      REQUIRE(device.has_mappings());
      std::uint64_t const before = w.count(svm::event_kind::invalidated);
      REQUIRE(w.process.watchers().invalidate({span(base, 64 * KiB), invalidation_cause::clear}, [&] {
        CHECK_FALSE(device.has_mappings());
        CHECK(dma.live() == 0);
        CHECK(w.gpu_mapped_pages(base, 64 * KiB) == 0);
        CHECK(w.dma.live() == 0);
      }));
      CHECK(w.count(svm::event_kind::invalidated) == before + 2);
    }
    CHECK(w.complaint() == "");
  }
}

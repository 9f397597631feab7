// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What the reference fixed where pages are mapped for a device.

#include <svm/gpusvm/impl/map.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <mock/processes.hpp>
#include <support/failures.hpp>
#include <support/scripted_allocation.hpp>

#include <svm/gpusvm/mapped_buffer.hpp>

using namespace support;
using svm::event_kind;
using svm::page_flag;

namespace {

/// The first GPU maps where it is what the second has, with pages of the system between.
svm::mock::machine_options peer_maps(svm::mock::iommu_mode mode) {
  return small_chunks(MiB, [mode](auto& o) {
    o.gpus = 2;
    o.driver.migrate = svm::migration_mode::never;
    o.driver.mixed = true;
    o.iommu = mode;
  });
}
void place(world& w, bool system_first) {
  w.map(chunk);
  w.cpu_tag(base, chunk, 1);
  for (std::uint64_t n = system_first ? 1 : 0; n < chunk_pages; n += 2)
    REQUIRE(w.gpu_card(1).mover.migrate_to_device(w.process, span(page_at(n), page_bytes), {}) == errc::ok);
}

/// Who hears that nobody refers to a migrator any more.
template <class Policies>
struct counted_last_puts final : svm::migrator_owner<Policies> {
  void on_last_put(svm::migrator<Policies>&) noexcept override { ++calls; }
  int calls = 0;
};

}  // namespace

TEST_SUITE("upstream") {
  // CVE-2026-68240: a device page was mapped, the next one failed, and the first was never unmapped from its device,
  // since what it came from was written down only after the loop.
  TEST_CASE(
      "whichever page of a peer, or of the system between, cannot be mapped: none stays so, and a retry maps all") {
    for (auto const mode : {svm::mock::iommu_mode::direct, svm::mock::iommu_mode::reserved})
      for (bool const system_first : {false, true})
        for (auto const kind : {failure::device_map, failure::dma_map, failure::iova}) {
          // Addresses are set aside where the first page is one of the system.
          bool const set_aside = mode == svm::mock::iommu_mode::reserved && system_first;
          if (kind == failure::iova && !set_aside) continue;
          CAPTURE(system_first);
          fail_each(
              peer_maps(mode), kind, {errc::dma_map_failed}, [&](world& w) { place(w, system_first); },
              [](world& w) { return w.fault(base); },
              [](world& w) {
                bool const mapped = w.range_at(base) && w.range_at(base)->mapping().has(page_flag::mapped);
                return w.gpu_card(1).memory.peer_maps() == (mapped ? chunk_pages / 2 : 0) &&
                       w.device_pages(base, chunk) == chunk_pages / 2 &&
                       (!mapped || w.gpu_tags_until(base, chunk, 1) == chunk);
              });
        }
  }

  // CVE-2026-80606: an invalidation that was injected into a bind unmapped pages with the lock held shared, which is
  // good for reading only.
  TEST_CASE("an event that comes in the middle of a bind of a buffer has the buffer's lock for itself") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    machine::gpu_type device{w.frames, w.dma, w.broken, w.hooks};
    svm::environment<policies> env{w.process, device, w.device_memory, w.memory, w.clock, w.stats};
    svm::mapped_buffer<policies> buffer{env, span(base, chunk)};
    REQUIRE(buffer.open() == errc::ok);
    ++w.first().other_notifiers;
    bool alone = false;
    std::uint64_t events = 0;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != event_kind::invalidated) return;
      ++events;
      alone = svm::mock::this_thread_locks.holds_rank_exclusive(svm::lock_rank::notifier);
    };
    for (bool const may_block : {true, false}) {
      alone = false;
      REQUIRE(buffer.get_pages({}) == errc::ok);
      interfere(w, step::preparing, [&] {
        CHECK(w.process.invalidate_only(
            {span(page_at(3), page_bytes), svm::invalidation_cause::clear, svm::nobody, may_block}));
      });
      CHECK(buffer.bind() == errc::retry);
      w.hooks.hook = nullptr;
      CHECK(alone);
      CHECK_FALSE(buffer.mapping().has(page_flag::mapped));
      CHECK(w.dma.live() == 0);
      CHECK(w.complaint() == "");
    }
    CHECK(events == 2);
    w.stats.listener = nullptr;
    REQUIRE(buffer.get_pages({}) == errc::ok);
    CHECK(buffer.bind() == errc::ok);
    buffer.close();
    --w.first().other_notifiers;
  }

  // A reference on the device was not taken by what refers to it, so that it could go first.
  TEST_CASE("a mapping of device memory keeps that device's migrator until it ends, whoever else lets go") {
    using scripted_types = scripted_policies<page_bytes>;
    scripted_types::mm mm;
    scripted_types::device device;
    scripted_types::pagemap pagemap;
    scripted_allocator memory;
    svm::mock::virtual_clock clock;
    svm::mock::statistics stats;
    svm::environment<scripted_types> env{mm, device, pagemap, memory, clock, stats};
    counted_last_puts<scripted_types> keeper;
    svm::migrator<scripted_types> mover{env, &keeper};
    auto allocation = std::make_optional<scripted_allocation<scripted_types>>(mover);
    svm::device_mapping<scripted_types> mapping{env};
    std::uint32_t const unmapped = mover.references();
    {
      svm::device_mapping<scripted_types>::resources room{env};
      svm::device_mapping<scripted_types>::run const found[] = {device_page(5, *allocation)};
      REQUIRE(room.reserve(found, false) == errc::ok);
      REQUIRE(mapping.map(found, {}, room) == errc::ok);
    }
    CHECK(mover.references() == unmapped + 1);
    mover.put();
    CHECK(keeper.calls == 0);
    mapping.unmap();
    CHECK(mover.references() == unmapped - 1);  // the allocation's, which outlives its mappings
    allocation.reset();
    CHECK(keeper.calls == 1);
    CHECK(pagemap.live.size() == 0);
  }
}

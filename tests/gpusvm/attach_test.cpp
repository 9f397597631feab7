// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Mappings of other devices on a range: gpusvm::attach and detach.

#include <svm/gpusvm/impl/get_pages.hpp>

#include <cstdint>
#include <span>
#include <vector>

#include <mock/processes.hpp>
#include <support/scripted.hpp>

using namespace support;
using svm::invalidation_cause;
using svm::page_flag;

namespace {

using pages = svm::device_mapping<policies>;

/// The view of another GPU on a range of the first one: a page table of its own, and a mapping to attach.
struct guest {
  world& w;
  std::size_t gpu;
  machine::gpu_type device{w.frames, w.gpu_card(gpu).dma, w.broken, w.hooks};
  svm::environment<policies> env{w.process, device, w.gpu_card(gpu).memory, w.memory, w.clock, w.stats};
  pages mapping{env};

  guest(world& home, std::size_t n) : w(home), gpu(n) {}

  [[nodiscard]] bool reads(cpu_va a) {
    std::byte word[8];
    return device.load(a, word);
  }
  [[nodiscard]] bool is_mapped() const { return mapping.has(page_flag::mapped); }
};

svm::mock::machine_options three_gpus() {
  return small_chunks(MiB, [](auto& o) {
    o.gpus = 3;
    o.driver.migrate = svm::migration_mode::never;
  });
}

/// A range of the first GPU with two guests attached, all of them mapped and bound.
struct shared_range {
  world w{three_gpus()};
  guest one{w, 1};
  guest two{w, 2};
  svm::range_ref<policies> range;

  shared_range() {
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.gpu_write(base, 100) == errc::ok);
    range = w.range_at(base);
    auto held = hold();
    for (guest* const g : {&one, &two}) {
      REQUIRE(svm().attach(held, g->mapping) == errc::ok);
      REQUIRE(use(held, *g) == errc::ok);
    }
  }
  ~shared_range() {
    auto held = hold();
    svm().detach(held, one.mapping);
    svm().detach(held, two.mapping);
  }

  [[nodiscard]] svm::gpusvm<policies>& svm() { return w.driver.svm(); }
  [[nodiscard]] svm::locked_range<policies> hold() { return svm().lock_range(range); }
  [[nodiscard]] errc use(svm::locked_range<policies>& held, guest& g) {
    errc const e = svm().get_pages(held, g.mapping, {});
    return e == errc::ok ? svm().bind(held, g.mapping) : e;
  }
  [[nodiscard]] std::uint64_t live() {
    return w.gpu_card(0).dma.live() + w.gpu_card(1).dma.live() + w.gpu_card(2).dma.live();
  }
};

}  // namespace

TEST_SUITE("gpusvm/attach") {
  TEST_CASE("three devices have a mapping of one page each, and to end one leaves the others (MGP-11)") {
    shared_range s;
    CHECK(s.live() == 3 * chunk_pages);
    CHECK(s.one.reads(page_at(3)));
    CHECK(s.two.reads(page_at(3)));
    auto held = s.hold();
    s.svm().detach(held, s.one.mapping);
    CHECK_FALSE(s.one.is_mapped());
    CHECK_FALSE(s.one.reads(page_at(3)));
    CHECK(s.two.reads(page_at(3)));
    CHECK(s.range->mapping().has(page_flag::valid));
    CHECK(s.live() == 2 * chunk_pages);
    s.svm().detach(held, s.one.mapping);  // twice does nothing
    CHECK(s.svm().attach(held, s.one.mapping) == errc::ok);
    CHECK(s.use(held, s.one) == errc::ok);
    CHECK(s.live() == 3 * chunk_pages);
  }

  TEST_CASE("one event ends all of them before it returns, in one pass where it may not wait (MGP-05)") {
    for (auto const cause : {invalidation_cause::clear, invalidation_cause::unmap, invalidation_cause::migrate})
      for (bool const may_block : {true, false}) {
        shared_range s;
        CHECK(s.w.process.watchers().invalidate({span(page_at(7), page_bytes), cause, svm::nobody, may_block}, [&] {
          CHECK_FALSE((s.one.reads(base) || s.two.reads(base)));
          CHECK(s.live() == 0);
          CHECK_FALSE((s.one.is_mapped() || s.two.is_mapped()));
        }));
        if (cause == invalidation_cause::unmap) continue;
        auto held = s.hold();
        CHECK(s.use(held, s.two) == errc::ok);
        CHECK(s.two.reads(base));
        CHECK_FALSE(s.one.reads(base));
      }
  }

  TEST_CASE("to drop the pages of a range, or the range, ends the guests' mappings too") {
    shared_range s;
    {
      auto held = s.hold();
      s.svm().unmap_pages(held);
      CHECK(s.live() == 0);
      CHECK_FALSE(s.one.reads(base));
      REQUIRE(s.use(held, s.one) == errc::ok);
    }
    s.svm().remove(s.hold());
    CHECK(s.live() == 0);
    CHECK_FALSE(s.one.reads(base));
    auto held = s.hold();
    CHECK(s.svm().get_pages(held, s.one.mapping, {}) == errc::gone);
    CHECK(s.svm().bind(held, s.one.mapping) == errc::gone);
  }

  TEST_CASE("a mapping belongs to one range, and none joins a range that was removed") {
    shared_range s;
    REQUIRE(s.w.gpu_write(at(chunk), 1) == errc::ok);
    {
      auto held = s.hold();
      s.svm().unmap_pages(held);
    }
    {
      auto held = s.svm().lock_range(s.w.range_at(at(chunk)));
      CHECK(s.svm().attach(held, s.one.mapping) == errc::exists);
    }
    {
      auto held = s.hold();
      s.svm().detach(held, s.one.mapping);
    }
    s.svm().remove(s.hold());
    auto held = s.hold();
    CHECK(s.svm().attach(held, s.one.mapping) == errc::gone);
  }

  TEST_CASE("a guest whose mapping fails at whichever step leaves the others as they were") {
    for (auto const kind : {failure::alloc, failure::dma_map}) {
      for (std::uint64_t k = 1;; ++k) {
        REQUIRE(k < 100);
        shared_range s;
        auto held = s.hold();
        s.svm().detach(held, s.two.mapping);
        REQUIRE(s.svm().attach(held, s.two.mapping) == errc::ok);
        s.w.failures.arm(kind, k);
        errc const e = s.use(held, s.two);
        bool const struck = s.w.failures.struck() != 0;
        s.w.failures.disarm();
        CHECK(e == (!struck ? errc::ok : kind == failure::alloc ? errc::no_memory : errc::dma_map_failed));
        CHECK(s.live() == (struck ? 2 : 3) * chunk_pages);
        CHECK((s.one.reads(base) && s.range->mapping().has(page_flag::valid)));
        if (!struck) break;
      }
    }
  }

  TEST_CASE("memory that another device has is mapped for a guest there as local, and over the link elsewhere") {
    shared_range s;
    {
      auto held = s.hold();
      REQUIRE(s.w.gpu_card(1).mover.migrate_to_device(s.w.process, s.range->interval(), {}) == errc::ok);
      CHECK(s.live() == 0);
      REQUIRE(s.use(held, s.one) == errc::ok);
      REQUIRE(s.use(held, s.two) == errc::ok);
      CHECK_FALSE(s.one.mapping.has(page_flag::peer));
      CHECK(s.two.mapping.has(page_flag::peer));
      CHECK((s.one.reads(base) && s.two.reads(base)));
      CHECK(s.w.gpu_card(1).memory.peer_maps() == 1);  // the pages of the allocation lie together
      s.svm().detach(held, s.two.mapping);
      CHECK(s.w.gpu_card(1).memory.peer_maps() == 0);
      CHECK(s.one.reads(base));
    }
    CHECK(s.w.cpu_read(base) == 100u);
  }

  TEST_CASE("several devices get their mappings from one walk, and a call that finds them valid walks not at all") {
    shared_range s;
    std::uint64_t walks = 0;
    s.w.hooks.hook = [&](step at) { walks += at == step::walked ? 1 : 0; };
    auto held = s.hold();
    pages* const all[] = {&svm::gpusvm<policies>::own_mapping(held), &s.one.mapping, &s.two.mapping};
    s.svm().unmap_pages(held);
    REQUIRE(s.live() == 0);
    CHECK(s.svm().get_pages(held, all, {}) == errc::ok);
    CHECK(walks == 1);
    CHECK(s.live() == 3 * chunk_pages);
    for (pages* const mapping : all) CHECK(s.svm().bind(held, *mapping) == errc::ok);
    CHECK((s.one.reads(base) && s.two.reads(base)));
    CHECK(s.svm().get_pages(held, all, {}) == errc::ok);
    CHECK(walks == 1);
    CHECK(s.svm().get_pages(held, std::span<pages* const>{}, {}) == errc::ok);
    // One that is valid is not made anew with the others.
    s.svm().detach(held, s.two.mapping);
    REQUIRE(s.svm().attach(held, s.two.mapping) == errc::ok);
    std::uint64_t const maps = s.w.failures.calls(failure::dma_map);
    CHECK(s.svm().get_pages(held, all, {}) == errc::ok);
    CHECK(walks == 2);
    CHECK(s.w.failures.calls(failure::dma_map) == maps + chunk_pages);
    s.w.hooks.hook = nullptr;
  }

  TEST_CASE("when one of several devices fails, at whichever step, none stays mapped that the call mapped") {
    for (bool const one_before : {false, true}) {
      for (auto const kind : {failure::alloc, failure::dma_map}) {
        for (std::uint64_t k = 1;; ++k) {
          REQUIRE(k < 100);
          shared_range s;
          auto held = s.hold();
          pages* const all[] = {&s.one.mapping, &svm::gpusvm<policies>::own_mapping(held), &s.two.mapping};
          s.svm().unmap_pages(held);
          if (one_before) REQUIRE(s.use(held, s.one) == errc::ok);
          s.w.failures.arm(kind, k);
          errc const e = s.svm().get_pages(held, all, {});
          bool const struck = s.w.failures.struck() != 0;
          s.w.failures.disarm();
          CHECK(e == (!struck ? errc::ok : kind == failure::alloc ? errc::no_memory : errc::dma_map_failed));
          CHECK(s.live() == (!struck ? 3 : one_before ? 1 : 0) * chunk_pages);
          CHECK(s.one.is_mapped() == (!struck || one_before));
          CHECK(s.one.reads(base) == one_before);
          CHECK(s.svm().get_pages(held, all, {}) == errc::ok);
          CHECK(s.live() == 3 * chunk_pages);
          if (!struck) {
            CHECK(k > (kind == failure::dma_map ? (one_before ? 2 : 3) * chunk_pages : 1));
            break;
          }
        }
      }
    }
  }

  TEST_CASE("an event between two devices' mappings has the rest mapped after a new walk, and what is valid kept") {
    for (bool const meets_range : {true, false}) {
      scripted<> s{*svm::gpusvm_layout::make({cpu_va{}, byte_count{svm::mock::user_end}}, {2 * MiB},
                                             std::vector<byte_count>{{chunk}, {page_bytes}}, {page_bytes})};
      using scripted_pages = svm::device_mapping<scripted<>::policies>;
      s.mm.add_vma(base, MiB);
      auto held = s.svm.lock_range(s.svm.find_or_insert(base, {})->range);
      scripted_pages other{s.svm.env()};
      REQUIRE(s.svm.attach(held, other) == errc::ok);
      scripted_pages* const all[] = {&svm::gpusvm<scripted<>::policies>::own_mapping(held), &other};
      int arrays = 0;
      s.memory.hook = [&](std::size_t size) {
        if (size != chunk_pages * sizeof(svm::device_address) || ++arrays != 2) return;
        s.mm.invalidate(span(meets_range ? base : at(chunk), page_bytes));
      };
      CHECK(s.svm.get_pages(held, all, {}) == errc::ok);
      s.memory.hook = nullptr;
      CHECK(s.mm.walks == 2);
      CHECK(s.device.live.size() == 2 * chunk_pages);
      CHECK(s.device.calls == (meets_range ? 3 : 2) * chunk_pages);
      CHECK(s.stats.count(svm::event_kind::retry_after_event) == 1);
      s.svm.detach(held, other);
    }
  }
}

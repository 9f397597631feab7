// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Memory whose content nobody wants: it keeps its place on the device until an eviction leaves it without a copy.

#include "driver/block_scene.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include <support/failures.hpp>

using namespace support;

namespace {

using svm::prefetch_place;

constexpr unsigned block_pages = 512;

/// A machine whose device memory holds two blocks of the three that are mapped; blocks go whole.
[[nodiscard]] svm::mock::machine_options two_blocks(eviction_mode mode = eviction_mode::uvm) {
  return by_pages(2 * block_bytes, [mode](svm::mock::machine_options& o) { o.placement->evict = mode; });
}

struct scene {
  world w;

  explicit scene(svm::mock::machine_options const& o = two_blocks()) : w(o) { w.map(3 * block_bytes); }

  /// Brings a whole block to the device, with a tag in each page.
  void bring(std::uint64_t block, std::uint64_t tag) {
    w.cpu_tag(page_of(block, 0), block_bytes, tag);
    std::vector<cpu_va> all;
    for (unsigned p = 0; p < block_pages; ++p) all.push_back(page_of(block, p));
    REQUIRE(serve(w, all, access_kind::write) == errc::ok);
    REQUIRE(on_device(w, block).count() == block_pages);
  }
  [[nodiscard]] errc discard(std::uint64_t block, unsigned first = 0, unsigned end = block_pages) {
    return service_of(w).discard(span(page_of(block, first), (end - first) * page_bytes));
  }
  [[nodiscard]] std::uint64_t evicted() { return copied(w, migration_cause::eviction); }
  [[nodiscard]] std::uint64_t dropped() { return service_of(w).counts().pages_dropped; }
  /// The first of some pages that does not hold `expected(page)`, as the CPU sees it; `end` when all do.
  template <class Expected>
  [[nodiscard]] unsigned first_wrong(std::uint64_t block, unsigned first, unsigned end, Expected&& expected) {
    while (first < end && w.cpu_read(page_of(block, first)) == expected(first)) ++first;
    return first;
  }
  [[nodiscard]] bool is_zero(std::uint64_t block, unsigned first = 0, unsigned end = block_pages) {
    return first_wrong(block, first, end, [](unsigned) { return std::uint64_t{0}; }) == end;
  }
  [[nodiscard]] bool has_tags(std::uint64_t block, std::uint64_t tag, unsigned first = 0, unsigned end = block_pages) {
    return first_wrong(block, first, end, [&](unsigned p) { return tag + p; }) == end;
  }
};

}  // namespace

TEST_SUITE("driver/discard") {
  TEST_CASE("DSC-01 discarded pages keep their place, lose every mapping, and nothing is copied") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0, 3, 7) == errc::ok);
    CHECK(on_device(s.w, 0).count() == block_pages);
    CHECK(mapped(s.w, 0) == (pages(0, 3) | pages(7, block_pages)));
    CHECK(s.w.stats.copied(migration_cause::eviction) == 0);
    CHECK(s.w.stats.copied(migration_cause::cpu_fault) == 0);
    CHECK(s.w.complaint() == "");
    // What is read is what it held, or zero.
    auto const seen = s.w.gpu_read(page_of(0, 3));
    CHECK((seen == 4u || seen == 0u));
    CHECK(s.has_tags(0, 1, 7));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-02 an eviction leaves discarded pages without a copy, and they are zero for CPU and GPU") {
    for (auto const mode :
         {eviction_mode::oldest, eviction_mode::touched, eviction_mode::uvm, eviction_mode::density}) {
      CAPTURE(static_cast<int>(mode));
      scene s{two_blocks(mode)};
      s.bring(0, 1);
      s.bring(1, 1001);
      REQUIRE(s.discard(0) == errc::ok);
      s.bring(2, 2001);
      CHECK(on_device(s.w, 0).none());
      CHECK(s.evicted() == 0);
      CHECK(s.dropped() == block_pages);
      CHECK(s.w.complaint() == "");
      CHECK(s.is_zero(0));
      CHECK(s.w.gpu_read(page_of(0, 3)) == 0u);
      CHECK(s.has_tags(2, 2001));
      CHECK(s.has_tags(1, 1001));
    }
  }

  TEST_CASE("DSC-03 what is written after a discard is kept by an eviction, page by page") {
    for (bool const by_cpu : {false, true}) {
      CAPTURE(by_cpu);
      scene s{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) {
        o.placement->evict = eviction_mode::uvm;
        o.placement->threshold = 100;  // a fault brings its page alone
      })};
      s.bring(0, 1);
      REQUIRE(s.discard(0) == errc::ok);
      for (unsigned const p : {0u, 5u, 511u})
        if (by_cpu) {
          REQUIRE(s.w.cpu_write(page_of(0, p), 70 + p) == sys::ok);
          REQUIRE(serve(s.w, page_of(0, p)) == errc::ok);
        } else {
          REQUIRE(s.w.gpu_write(page_of(0, p), 70 + p) == errc::ok);
        }
      REQUIRE(on_device(s.w, 0).any());
      std::uint64_t const there = on_device(s.w, 0).count();
      s.bring(1, 1001);
      s.bring(2, 2001);
      CHECK(on_device(s.w, 0).none());
      for (unsigned const p : {0u, 5u, 511u}) CHECK(s.w.cpu_read(page_of(0, p)) == 70 + p);
      if (!by_cpu) {
        CHECK(there == block_pages);
        CHECK(s.evicted() == 3);
        CHECK(s.dropped() == block_pages - 3);
        CHECK(s.is_zero(0, 1, 5));
        CHECK(s.is_zero(0, 6, 511));
      }
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DSC-03 what a fault brings along, and a range that is served whole, leave what is discarded unmapped") {
    for (auto const prefetch : {prefetch_mode::density, prefetch_mode::off}) {
      CAPTURE(static_cast<int>(prefetch));
      scene s{by_pages(2 * block_bytes, [prefetch](svm::mock::machine_options& o) {
        o.placement->evict = eviction_mode::uvm;
        o.placement->prefetch = prefetch;
      })};
      s.bring(0, 1);
      REQUIRE(s.discard(0) == errc::ok);
      REQUIRE(s.w.gpu_write(page_of(0, 5), 75) == errc::ok);
      CHECK(mapped(s.w, 0) == one(5));
      // A page that came back by itself is wanted, and comes along.
      REQUIRE(s.w.cpu_write(page_of(0, 9), 79) == sys::ok);
      REQUIRE(serve(s.w, page_of(0, 6)) == errc::ok);
      CHECK(mapped(s.w, 0).contains(one(5) | one(6)));
      s.bring(1, 1001);
      s.bring(2, 2001);
      CHECK(on_device(s.w, 0).none());
      CHECK(s.w.cpu_read(page_of(0, 5)) == 75u);
      CHECK(s.w.cpu_read(page_of(0, 9)) == 79u);
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DSC-04 what the program prefetches it wants again") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0) == errc::ok);
    REQUIRE(s.w.driver.prefetch(span(base, block_bytes), prefetch_place::device) == errc::ok);
    s.bring(1, 1001);
    s.bring(2, 2001);  // it counts as used when that is seen
    CHECK(on_device(s.w, 0).count() == block_pages);
    s.bring(1, 1001);
    CHECK(on_device(s.w, 0).none());
    CHECK(s.dropped() == 0);
    CHECK(s.evicted() == 2 * block_pages);
    CHECK(s.has_tags(0, 1));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-04 what the program moves to the system comes as it was") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0) == errc::ok);
    REQUIRE(s.w.driver.prefetch(span(base, block_bytes), prefetch_place::system) == errc::ok);
    CHECK(on_device(s.w, 0).none());
    CHECK(s.has_tags(0, 1));
    s.bring(0, 5001);  // and is wanted when it is back
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(s.has_tags(0, 5001));
    CHECK(s.dropped() == 0);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-05 a block of which all that is there is discarded goes before all others") {
    scene s;
    s.bring(0, 1);
    s.bring(1, 1001);
    REQUIRE(s.discard(1) == errc::ok);
    s.bring(2, 2001);
    CHECK(on_device(s.w, 0).count() == block_pages);
    CHECK(on_device(s.w, 1).none());
    CHECK(s.evicted() == 0);
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-05 a block of which one page is wanted goes in its turn") {
    for (int const way : {0, 1, 2}) {
      CAPTURE(way);
      scene s;
      s.bring(0, 1);
      s.bring(1, 1001);
      if (way == 0) {
        REQUIRE(s.discard(1, 0, block_pages - 1) == errc::ok);
      } else {
        REQUIRE(s.discard(1) == errc::ok);
        if (way == 1) REQUIRE(s.w.gpu_write(page_of(1, 9), 9) == errc::ok);
        // No service sees what the program moves.
        if (way == 2)
          REQUIRE(s.w.driver.prefetch(span(page_of(1, 0), block_bytes), prefetch_place::device) == errc::ok);
      }
      s.bring(2, 2001);
      CHECK(on_device(s.w, 0).none());
      CHECK(on_device(s.w, 1).count() == block_pages);
      CHECK(s.has_tags(0, 1));
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DSC-06 a mark ends with its page: what comes to the same address is kept") {
    using change = std::function<void(world&)>;
    change const ways[] = {
        [](world& w) {
          REQUIRE(w.process.munmap(base, {block_bytes}) == sys::ok);
          w.map(block_bytes);
        },
        [](world& w) { REQUIRE(w.process.madvise_dontneed(base, {block_bytes}) == sys::ok); },
        [](world& w) { CHECK(w.cpu_tags_until(base, block_bytes, 1) == block_bytes); },
        [](world& w) { REQUIRE(w.gpu_card(0).mover.evict_all() == errc::ok); },
    };
    for (change const& way : ways) {
      scene s;
      s.bring(0, 1);
      REQUIRE(s.discard(0) == errc::ok);
      way(s.w);
      s.bring(0, 5001);
      s.bring(1, 1001);
      s.bring(2, 2001);
      CHECK(on_device(s.w, 0).none());
      CHECK(s.dropped() == 0);
      CHECK(s.has_tags(0, 5001));
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DSC-06 a page that moves to another address takes its mark along, and leaves none behind") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0) == errc::ok);
    cpu_va const to = page_of(5, 0);
    REQUIRE(s.w.process.mremap(base, {block_bytes}, {block_bytes}, false, to).error == sys::ok);
    s.w.map(block_bytes);
    s.bring(0, 5001);
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(s.has_tags(0, 5001));
    for (unsigned p = 0; p < block_pages; ++p) {
      auto const seen = s.w.cpu_read(page_of(5, p));
      REQUIRE((seen == p + 1u || seen == 0u));
    }
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-07 a discard takes nothing from another process that has the pages too") {
    scene s;
    s.bring(0, 1);
    auto& child = s.w.fork(s.w.first());
    REQUIRE(s.discard(0) == errc::ok);
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(s.dropped() == 0);
    CHECK(s.has_tags(0, 1));
    std::byte word[8];
    for (unsigned p = 0; p < block_pages; ++p) {
      REQUIRE(child.process.load(page_of(0, p), word) == sys::ok);
      std::uint64_t value = 0;
      std::memcpy(&value, word, sizeof value);
      REQUIRE(value == p + 1);
    }
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-07 a child that is made after a discard sees what its parent may see, and keeps what it writes") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0) == errc::ok);
    auto& child = s.w.fork(s.w.first());
    std::uint64_t const value = 77;
    REQUIRE(s.w.gpu_store(child, 0, page_of(0, 3), std::as_bytes(std::span{&value, 1})) == errc::ok);
    s.bring(1, 1001);
    s.bring(2, 2001);
    for (unsigned p = 0; p < block_pages; ++p) {
      std::byte word[8];
      REQUIRE(child.process.load(page_of(0, p), word) == sys::ok);
      std::uint64_t seen = 0;
      std::memcpy(&seen, word, sizeof seen);
      auto const own = s.w.cpu_read(page_of(0, p));
      REQUIRE((own == p + 1u || own == 0u));
      if (p == 3)
        REQUIRE(seen == 77);
      else
        REQUIRE((seen == p + 1 || seen == 0));
    }
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-08 another GPU loses its mapping too, and what it writes in place is kept") {
    scene s{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) {
      o.placement->evict = eviction_mode::uvm;
      o.gpus = 2;
      o.linked = true;
    })};
    s.bring(0, 1);
    auto& second = service_of(s.w, 1);
    REQUIRE(second.set_accessed_by(span(base, block_bytes), true) == errc::ok);
    CHECK(mapped(s.w, 0, 1).count() == block_pages);
    REQUIRE(s.discard(0) == errc::ok);
    CHECK(mapped(s.w, 0, 1).none());
    std::uint64_t const value = 77;
    REQUIRE(s.w.gpu_store(s.w.first(), 1, page_of(0, 3), std::as_bytes(std::span{&value, 1})) == errc::ok);
    CHECK(on_device(s.w, 0).count() == block_pages);
    CHECK(mapped(s.w, 0, 1).test(3));
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(on_device(s.w, 0).none());
    CHECK(s.w.cpu_read(page_of(0, 3)) == 77u);
    CHECK(s.is_zero(0, 100, 200));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-08 pages in the memory of another GPU are not discarded, though this one reaches them") {
    world w{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) {
      o.gpus = 2;
      o.linked = true;
    })};
    w.map(block_bytes);
    w.cpu_tag(base, 4 * page_bytes, 1);
    REQUIRE(serve(w, {page_of(0, 0), page_of(0, 1)}, access_kind::write, 0) == errc::ok);
    REQUIRE(serve(w, page_of(0, 20), access_kind::write, 1) == errc::ok);
    page_mask marked;
    REQUIRE(svm::detail::discard_pages(w.gpu_card(0).mover, w.process, span(base, block_bytes), one(0) | one(20),
                                       marked) == errc::ok);
    CHECK(marked == one(0));
    CHECK(mapped(w, 0).test(1));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("DSC-09 discarded pages are not mapped for who accesses them, there or where an eviction brings them") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0, 100, 200) == errc::ok);
    REQUIRE(service_of(s.w).set_accessed_by(span(base, block_bytes), true) == errc::ok);
    CHECK(mapped(s.w, 0) == (pages(0, 100) | pages(200, block_pages)));
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(on_device(s.w, 0).none());
    CHECK(s.dropped() == 100);
    CHECK(mapped(s.w, 0) == (pages(0, 100) | pages(200, block_pages)));
    CHECK(s.w.complaint() == "");
    CHECK(s.is_zero(0, 100, 200));
    CHECK(s.has_tags(0, 1, 200));
    // What comes back is mapped like all else.
    REQUIRE(s.w.driver.prefetch(span(base, block_bytes), prefetch_place::device) == errc::ok);
    s.w.driver.reset();
    REQUIRE(service_of(s.w).set_accessed_by(span(base, block_bytes), true) == errc::ok);
    CHECK(mapped(s.w, 0).count() == block_pages);
  }

  TEST_CASE("DSC-09 a discarded page that was written is mapped for who accesses it") {
    scene s{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) { o.placement->threshold = 100; })};
    s.bring(0, 1);
    REQUIRE(s.discard(0, 100, 200) == errc::ok);
    REQUIRE(s.w.gpu_write(page_of(0, 150), 7) == errc::ok);
    s.w.driver.reset();
    REQUIRE(service_of(s.w).set_accessed_by(span(base, block_bytes), true) == errc::ok);
    CHECK(mapped(s.w, 0) == (pages(0, 100) | one(150) | pages(200, block_pages)));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-10 a discard ends the copies that the GPU reads, and takes nothing from the page in system memory") {
    scene s;
    s.w.cpu_tag(base, block_bytes, 1);
    REQUIRE(service_of(s.w).set_read_duplicated(span(base, block_bytes), true) == errc::ok);
    REQUIRE(serve(s.w, {page_of(0, 3), page_of(0, 40)}) == errc::ok);
    REQUIRE(mapped(s.w, 0).test(3));
    REQUIRE(mapped(s.w, 0).test(40));
    std::uint64_t const used = s.w.device_memory.used().value;
    REQUIRE(used != 0);
    REQUIRE(s.discard(0, 0, 16) == errc::ok);
    CHECK_FALSE(mapped(s.w, 0).meets(pages(0, 16)));
    CHECK(mapped(s.w, 0).test(40));
    CHECK(s.w.device_memory.used().value < used);
    CHECK(s.has_tags(0, 1));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-10 what is used from afar stays mapped") {
    scene s;
    s.w.cpu_tag(base, block_bytes, 1);
    REQUIRE(service_of(s.w).set_accessed_by(span(base, block_bytes), true) == errc::ok);
    REQUIRE(mapped(s.w, 0).count() == block_pages);
    REQUIRE(s.discard(0) == errc::ok);
    CHECK(mapped(s.w, 0).count() == block_pages);
    CHECK(s.has_tags(0, 1));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-11 a page that somebody holds is not discarded") {
    scene s;
    s.bring(0, 1);
    s.w.process.pin(page_of(0, 3), true);
    REQUIRE(s.discard(0) == errc::ok);
    s.w.process.pin(page_of(0, 3), false);
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(s.dropped() == block_pages - 1);
    CHECK(s.w.cpu_read(page_of(0, 3)) == 4u);
    CHECK(s.is_zero(0, 4));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-12 holes, memory that was never served and what lies outside are passed over; a bad span is refused") {
    scene s;
    auto& service = service_of(s.w);
    CHECK(service.discard(span(base + byte_count{1}, page_bytes)) == errc::misaligned);
    CHECK(service.discard(span(page_of(100, 0), block_bytes)) == errc::ok);
    s.bring(1, 1001);
    CHECK(service.discard(span(page_of(0, 7), 5 * block_bytes)) == errc::ok);
    CHECK(on_device(s.w, 1).count() == block_pages);
    s.bring(0, 1);
    s.bring(2, 2001);
    CHECK(s.dropped() == block_pages);
    CHECK(s.has_tags(0, 1));
    CHECK(s.is_zero(1));
    s.w.process.exit();
    CHECK(service.discard(span(base, block_bytes)) == errc::mm_gone);
  }

  TEST_CASE("DSC-12 what lies outside of the driver's window is passed over") {
    world w{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) { o.window = span(base, block_bytes); })};
    w.map(2 * block_bytes);
    REQUIRE(w.gpu_write(page_of(0, 511), 7) == errc::ok);
    CHECK(service_of(w).discard(span(page_of(1, 0), block_bytes)) == errc::ok);
    CHECK(mapped(w, 0).test(511));
    CHECK(service_of(w).discard(span(page_of(0, 511), 2 * page_bytes)) == errc::ok);
    CHECK_FALSE(mapped(w, 0).test(511));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("DSC-12 what the program brought, and no fault, is discarded too") {
    scene s;
    s.w.cpu_tag(base, block_bytes, 1);
    REQUIRE(s.w.driver.prefetch(span(base, block_bytes), prefetch_place::device) == errc::ok);
    REQUIRE(on_device(s.w, 0).count() == block_pages);
    s.bring(1, 1001);
    REQUIRE(s.discard(0) == errc::ok);
    CHECK(mapped(s.w, 0).none());
    s.bring(2, 2001);
    CHECK(on_device(s.w, 1).count() == block_pages);
    CHECK(s.evicted() == 0);
    CHECK(s.is_zero(0));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-13 who makes room without a service copies what is discarded") {
    scene s;
    s.bring(0, 1);
    REQUIRE(s.discard(0) == errc::ok);
    REQUIRE(s.w.gpu_card(0).mover.evict_all() == errc::ok);
    CHECK(s.evicted() == block_pages);
    CHECK(s.has_tags(0, 1));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-14 of a huge page a part is discarded, and the rest stays") {
    for (bool const whole : {false, true}) {
      CAPTURE(whole);
      scene s{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) {
        o.placement->evict = eviction_mode::uvm;
        o.thp = true;
      })};
      s.bring(0, 1);
      unsigned const first = whole ? 0 : 100;
      unsigned const end = whole ? block_pages : 300;
      REQUIRE(s.discard(0, first, end) == errc::ok);
      s.bring(1, 1001);
      s.bring(2, 2001);
      CHECK(on_device(s.w, 0).none());
      CHECK(s.dropped() == end - first);
      CHECK(s.evicted() == block_pages - (end - first));
      CHECK(s.is_zero(0, first, end));
      CHECK(s.has_tags(0, 1, 0, first));
      CHECK(s.has_tags(0, 1, end));
      CHECK(s.w.complaint() == "");
    }
  }

  TEST_CASE("DSC-14 a huge page that was discarded is copied whole when one page of it was written since") {
    scene s{by_pages(2 * block_bytes, [](svm::mock::machine_options& o) {
      o.placement->evict = eviction_mode::uvm;
      o.placement->threshold = 100;
      o.thp = true;
    })};
    s.bring(0, 1);
    REQUIRE(s.discard(0) == errc::ok);
    REQUIRE(s.w.gpu_write(page_of(0, 5), 75) == errc::ok);
    s.bring(1, 1001);
    s.bring(2, 2001);
    CHECK(on_device(s.w, 0).none());
    CHECK(s.dropped() == 0);
    CHECK(s.evicted() == block_pages);
    CHECK(s.w.cpu_read(page_of(0, 5)) == 75u);
    CHECK(s.has_tags(0, 1, 6));
    CHECK(s.w.complaint() == "");
  }

  TEST_CASE("DSC-15 any failure at any step of a discard leaves nothing behind, and each page where it was") {
    for (auto const kind : {failure::alloc, failure::lock}) {
      fail_each(
          two_blocks(), kind, {errc::no_memory},
          [](world& w) {
            for (std::uint64_t const n : {0u, 1u}) w.map(64 * page_bytes, page_of(n, 0));
            for (unsigned const p : {0u, 1u, 40u}) REQUIRE(w.gpu_write(page_of(0, p), p + 1) == errc::ok);
            // No service knows of this block.
            REQUIRE(w.driver.prefetch(span(page_of(1, 0), 64 * page_bytes), prefetch_place::device) == errc::ok);
          },
          [](world& w) { return service_of(w).discard(span(base, 2 * block_bytes)); },
          [](world& w) { return on_device(w, 0).contains(one(0) | one(1) | one(40)); });
    }
  }

  TEST_CASE("DSC-16 any failure at any step of an eviction of discarded pages leaves each as it was, or zero") {
    for (auto const kind : {failure::alloc, failure::ram, failure::lock, failure::copy, failure::dma_map}) {
      fail_each(
          by_pages(128 * page_bytes), kind,
          {errc::no_memory, errc::no_ram, errc::dma_map_failed, errc::copy_failed, errc::in_use, errc::busy,
           errc::no_device_memory},
          [](world& w) {
            for (std::uint64_t const b : {0u, 1u, 2u}) w.map(64 * page_bytes, page_of(b, 0));
            for (std::uint64_t const b : {0u, 1u}) {
              w.cpu_tag(page_of(b, 0), 64 * page_bytes, 100 * b + 1);
              REQUIRE(w.driver.prefetch(span(page_of(b, 0), 64 * page_bytes), prefetch_place::device) == errc::ok);
            }
            REQUIRE(service_of(w).discard(span(page_of(0, 0), 32 * page_bytes)) == errc::ok);
            REQUIRE(w.cpu_write(page_of(2, 0), 9) == sys::ok);
          },
          [](world& w) { return serve(w, page_of(2, 0)); },
          [](world& w) {
            for (unsigned p = 0; p < 64; ++p) {
              auto const seen = w.cpu_read(page_of(0, p));
              if (seen != p + 1u && (p >= 32 || seen != 0u)) return false;
              if (w.cpu_read(page_of(1, p)) != 100 + p + 1u) return false;
            }
            return w.cpu_read(page_of(2, 0)) == 9u;
          });
    }
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Device pages of another driver, which the library finds in a process and must leave alone.

#include <svm/pagemap/impl/evict.hpp>
#include <svm/pagemap/impl/migrate.hpp>

#include <cstdint>
#include <cstring>
#include <vector>

#include <pagemap/scene.hpp>

using namespace support;
using svm::page_flag;

namespace {

using page = svm::mock::page;

/// What stands behind the other driver's pages; it lets none come back.
class other_driver final : public svm::device_page_owner<page> {
  using base_type = svm::device_page_owner<page>;
  static constexpr base_type::family kind{};

 public:
  explicit other_driver(svm::page_owner who) : base_type(kind), who_(who) {}
  std::uint64_t freed = 0;

  [[nodiscard]] svm::page_owner owner() const noexcept override { return who_; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override {
    return {svm::cpu_fault_answer::action::fail, {}, errc::busy};
  }
  void page_freed(page, svm::page_order order) noexcept override { freed += order.pages().value; }
  void page_split(page, svm::page_order, svm::page_order) noexcept override {}

 private:
  svm::page_owner const who_;
};

/// A mapping whose first page is the other driver's, in memory that this GPU reaches.
struct scene {
  world w{small_chunks()};
  other_driver other{w.device_memory.owner()};
  world::vram_type::memory memory = *w.device_memory.allocate({page_bytes});

  explicit scene(std::uint64_t size = chunk) {
    w.map(size);
    w.cpu_tag(base, size, 1);
    std::vector<svm::device_page<page>> pages(1);
    REQUIRE(w.device_memory.pages(memory, pages) == errc::ok);
    std::vector<svm::migration_slot<page>> slots(1);
    svm::shared_guard const guard{w.process.map_lock()};
    world::address_space_type::migration session{};
    REQUIRE(w.process.collect(session, span(base, page_bytes), slots, svm::nobody) == errc::ok);
    w.process.adopt_device_page(pages[0].page, {}, other, false);
    slots[0].destination = pages[0].page;
    std::memcpy(w.frames.bytes(pages[0].page), w.frames.bytes(slots[0].source), page_bytes);
    w.process.install(session);
    w.process.finalize(session);
  }
  ~scene() {
    w.driver.close();
    CHECK(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(other.freed == 1);
    w.device_memory.release(memory);
  }

  /// True while the page is the other driver's, with what the process wrote.
  [[nodiscard]] bool is_untouched() {
    pte const e = w.process.entry_at(base);
    std::uint64_t tag = 0;
    std::memcpy(&tag, w.frames.bytes(e.target), sizeof tag);
    return e.what == pte::state::device && tag == 1 && other.freed == 0;
  }
};

}  // namespace

TEST_SUITE("pagemap/foreign") {
  TEST_CASE("a migration does not take another driver's page, nor its neighbours without it") {
    scene s;
    auto const before = pages_behind(s.w, base, chunk);
    CHECK(to_device(s.w, base, chunk) == errc::unsupported);
    CHECK(pages_behind(s.w, base, chunk) == before);
    CHECK(s.is_untouched());
    CHECK(to_device(s.w, page_at(1), chunk - page_bytes) == errc::ok);
    CHECK(s.w.device_pages(base, chunk) == chunk_pages);
    CHECK(s.is_untouched());
  }

  TEST_CASE("an eviction of a span brings back our pages and leaves the other driver's, which is no failure") {
    scene s;
    REQUIRE(to_device(s.w, page_at(1), chunk - page_bytes) == errc::ok);
    CHECK(s.w.mover.evict_span(s.w.process, span(base, chunk)) == errc::ok);
    CHECK(s.w.device_pages(base, chunk) == 1);
    CHECK(s.w.cpu_tags_until(page_at(1), chunk - page_bytes, 2) == chunk - page_bytes);
    CHECK(s.is_untouched());
    CHECK(s.w.mover.evict_span(s.w.process, span(base, page_bytes)) == errc::ok);
    CHECK(s.is_untouched());
  }

  TEST_CASE("memory of another driver is not mapped, and a fault on it ends with that after its passes") {
    for (bool const alone : {true, false}) {
      CAPTURE(alone);
      scene s{alone ? page_bytes : chunk};
      CHECK(s.w.fault(base) == (alone ? errc::unsupported : errc::mixed_placement));
      CHECK(s.w.gpu_mapped_pages(base, chunk) == 0);
      CHECK(s.is_untouched());
      auto const r = s.w.range_at(base);
      REQUIRE(r);
      CHECK_FALSE(r->mapping().has(page_flag::mapped));
      CHECK(s.w.dma.live() == 0);
    }
  }
}

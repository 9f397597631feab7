// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::page_order;
using svm::mock::page;

/// Stands behind device pages, and counts what it is told.
struct freed_counter final : svm::device_page_owner<page> {
  freed_counter() : device_page_owner(kind) {}

  static constexpr family kind{};
  std::uint64_t freed = 0;   ///< pages
  std::uint64_t splits = 0;  ///< into single pages
  [[nodiscard]] svm::page_owner owner() const noexcept override { return {1, 0}; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override { return {}; }
  void page_freed(page, page_order order) noexcept override { freed += order.pages().value; }
  void page_split(page, page_order from, page_order to) noexcept override {
    CHECK(from > to);
    ++splits;
  }
};

struct memory_scene {
  svm::mock::failure_plan failures;
  svm::mock::report broken;
  svm::mock::physical_memory<lock_policy> frames{{4 * page_bytes}, {2 * page_bytes}, failures, broken};
};

}  // namespace

TEST_SUITE("mock/physical_memory") {
  TEST_CASE_FIXTURE(memory_scene, "there are as many system pages as asked for, each once, and they come back") {
    std::vector<page> got;
    for (int i = 0; i < 4; ++i) {
      auto const p = frames.allocate_ram();
      REQUIRE(p);
      for (auto const q : got) CHECK(q.frame != p->frame);
      got.push_back(*p);
    }
    CHECK(frames.allocate_ram().error() == errc::no_ram);
    CHECK(frames.ram_used() == byte_count{4 * page_bytes});
    frames.put(got[2]);
    auto const again = frames.allocate_ram();
    REQUIRE(again);
    CHECK(again->frame == got[2].frame);
    CHECK(*again != got[2]);  // another life of the frame
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(memory_scene, "a handle of a freed page is recognised, and its bytes are garbage") {
    auto const p = *frames.allocate_ram();
    frames.bytes(p)[17] = std::byte{1};
    CHECK(frames.is_alive(p));
    frames.put(p);
    CHECK_FALSE(frames.is_alive(p));
    CHECK(frames.bytes(p)[17] == std::byte{0xdb});
    CHECK_FALSE(frames.is_alive({}));
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(memory_scene, "a page lives as long as somebody has a reference") {
    auto const p = *frames.allocate_ram();
    ++frames.of(p).references;
    frames.put(p);
    CHECK(frames.is_alive(p));
    frames.put(p);
    CHECK_FALSE(frames.is_alive(p));
    frames.put(p);
    CHECK(broken.take().size() == 1);
  }

  TEST_CASE_FIXTURE(memory_scene, "the zero page is zero, is never freed and is no device page") {
    auto const zero = frames.zero_page();
    CHECK(frames.is_zero(zero));
    CHECK(frames.is_alive(zero));
    CHECK_FALSE(frames.is_device(zero));
    CHECK(
        std::all_of(frames.bytes(zero), frames.bytes(zero) + page_bytes, [](std::byte b) { return b == std::byte{}; }));
    ++frames.of(zero).references;
    frames.put(zero);
    CHECK(frames.is_alive(zero));
    CHECK(frames.ram_used() == byte_count{});
  }

  TEST_CASE_FIXTURE(memory_scene, "the last put of a device page tells what stands behind it, once") {
    static_cast<void>(frames.at(frames.first_device_frame()));
    auto const p = frames.handle(frames.first_device_frame());
    CHECK(frames.is_device(p));
    freed_counter owner;
    {
      svm::exclusive_guard const guard{frames.lock()};
      frames.adopt_locked(p, {}, owner, false);
    }
    auto& f = frames.of(p);
    CHECK(f.locked);
    CHECK(f.owner == owner.owner());
    CHECK(frames.live_device_pages(0) == 1);
    f.locked = false;
    f.references = 2;
    frames.put(p);
    CHECK(owner.freed == 0);
    frames.put(p);
    CHECK(owner.freed == 1);
    CHECK(f.owner_object == nullptr);
    CHECK(frames.live_device_pages(0) == 0);
    CHECK(broken.empty());
  }

  TEST_CASE("a block has one count and one lock, ends as a whole, and is found from each of its pages") {
    svm::mock::failure_plan failures;
    svm::mock::report broken;
    svm::mock::physical_memory<lock_policy> frames{{16 * page_bytes}, {page_bytes}, failures, broken};
    auto const block = *frames.allocate_ram({3});
    CHECK(block.frame % 8 == 0);
    CHECK(frames.ram_used() == byte_count{8 * page_bytes});
    auto const fifth = frames.after(block, 4);
    frames.bytes(fifth)[0] = std::byte{1};
    CHECK(frames.first_of(fifth) == block);
    CHECK(&frames.head(fifth) == &frames.of(block));
    ++frames.head(fifth).references;
    frames.put(fifth);
    CHECK(frames.is_alive(fifth));
    frames.put(fifth);
    CHECK_FALSE(frames.is_alive(block));
    CHECK_FALSE(frames.is_alive(fifth));
    CHECK(frames.bytes(fifth)[0] == std::byte{0xdb});
    CHECK(frames.ram_used() == byte_count{});
    CHECK(broken.empty());
    auto const first = *frames.allocate_ram({3});
    REQUIRE(frames.allocate_ram({3}));
    CHECK(frames.allocate_ram({}).error() == errc::no_ram);
    frames.put(first);
    REQUIRE(frames.allocate_ram({}));
    CHECK(frames.allocate_ram({3}).error() == errc::no_ram);  // seven are free
  }

  TEST_CASE("a block of device memory splits into pages with their own references, and those without go") {
    svm::mock::failure_plan failures;
    svm::mock::report broken;
    svm::mock::physical_memory<lock_policy> frames{{page_bytes}, {8 * page_bytes}, failures, broken, 2};
    CHECK(frames.first_device_frame(1) > frames.first_device_frame(0));
    std::uint32_t const start = frames.first_device_frame(1);
    for (std::uint32_t n = start; n < start + 4; ++n) static_cast<void>(frames.at(n));
    auto const block = frames.handle(start);
    freed_counter owner;
    {
      svm::exclusive_guard const guard{frames.lock()};
      frames.adopt_locked(block, {2}, owner, false);
    }
    CHECK(frames.gpu_of(block) == 1);
    CHECK(frames.live_device_pages(1) == 4);
    svm::mock::freed_list freed;
    frames.head(block).locked = false;
    frames.lock().lock();
    frames.map_locked(frames.after(block, 2), {});  // takes the reference
    ++frames.head(block).references;
    CHECK_FALSE(frames.split_locked(block, 0, freed));  // somebody else holds it
    CHECK(owner.splits == 0);
    CHECK(frames.split_locked(block, 1, freed));
    CHECK(owner.splits == 1);
    for (std::uint64_t i = 0; i < 4; ++i) {
      auto const p = frames.after(block, i);
      CHECK(frames.first_of(p) == p);
      CHECK(frames.of(p).references == (i == 2 ? 2u : 1u));
      frames.put_locked(p, freed);
    }
    frames.lock().unlock();
    tell(freed);
    CHECK(owner.freed == 3);
    frames.lock().lock();
    frames.unmap_locked(frames.after(block, 2), {}, freed);
    frames.lock().unlock();
    CHECK(freed.size() == 4);
    CHECK(frames.live_device_pages(1) == 0);
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(memory_scene, "a page that is freed locked, mapped or in a table breaks a rule each") {
    char const* const rules[] = {"O-31", "O-11", "O-03", "O-03"};
    for (int i = 0; i < 4; ++i) {
      auto const p = *frames.allocate_ram();
      auto& f = frames.of(p);
      f.locked = i == 0;
      if (i == 1) f.mappings.push_back({});
      f.dma_maps.store(i == 2 ? 1 : 0);
      f.gpu_maps.store(i == 3 ? 1 : 0);
      frames.put(p);
      auto const lines = broken.take();
      REQUIRE(lines.size() == 1);
      CHECK(lines[0].starts_with(rules[i]));
      f.dma_maps.store(0);
      f.gpu_maps.store(0);
    }
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <algorithm>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

struct freed_counter final : svm::device_page_owner<svm::mock::page> {
  int freed = 0;
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<svm::mock::page> const&) noexcept override {
    return {};
  }
  void page_freed() noexcept override { ++freed; }
};

struct memory_scene {
  svm::mock::failure_plan failures;
  svm::mock::report broken;
  svm::mock::physical_memory<lock_policy> frames{{4 * page_bytes}, {2 * page_bytes}, failures, broken};
};

}  // namespace

TEST_SUITE("mock/physical_memory") {
  TEST_CASE_FIXTURE(memory_scene, "there are as many system pages as asked for, each once, and they come back") {
    std::vector<svm::mock::page> got;
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
    auto const p = frames.handle(frames.first_device_frame());
    CHECK(frames.is_device(p));
    freed_counter owner;
    auto& f = frames.of(p);
    f.kind = svm::mock::frame_kind::device;
    f.behind = &owner;
    f.references = 2;
    frames.put(p);
    CHECK(owner.freed == 0);
    frames.put(p);
    CHECK(owner.freed == 1);
    CHECK(f.behind == nullptr);
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(memory_scene, "a page that is freed locked, mapped or in a table breaks a rule each") {
    char const* const rules[] = {"O-31", "O-11", "O-03", "O-03"};
    for (int i = 0; i < 4; ++i) {
      auto const p = *frames.allocate_ram();
      auto& f = frames.of(p);
      f.locked = i == 0;
      f.mapped = i == 1;
      f.dma_maps.store(i == 2 ? 1 : 0);
      f.gpu_maps.store(i == 3 ? 1 : 0);
      frames.put(p);
      auto const lines = broken.take();
      REQUIRE(lines.size() == 1);
      CHECK(lines[0].starts_with(rules[i]));
      f.locked = f.mapped = false;
      f.dma_maps.store(0);
      f.gpu_maps.store(0);
    }
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::dma_addr;
using svm::dma_direction;

struct iommu_scene {
  svm::mock::failure_plan failures;
  svm::mock::report broken;
  svm::mock::physical_memory<lock_policy> frames{{16 * page_bytes}, {page_bytes}, failures, broken};
  svm::mock::iommu<lock_policy> dma{frames, failures, broken};
  svm::mock::page a = *frames.allocate_ram();
  svm::mock::page b = *frames.allocate_ram();
};

}  // namespace

TEST_SUITE("mock/iommu") {
  TEST_CASE_FIXTURE(iommu_scene, "the first address is 0, and each is told apart") {
    CHECK(*dma.map(a, dma_direction::to_device) == dma_addr{0});
    CHECK(*dma.map(b, dma_direction::to_device) == dma_addr{page_bytes});
    CHECK(*dma.map(a, dma_direction::to_device) == dma_addr{2 * page_bytes});
    CHECK(dma.live() == 3);
    CHECK(frames.of(a).dma_maps.load() == 2);
    CHECK(dma.peek({page_bytes}) == b);
  }

  TEST_CASE_FIXTURE(iommu_scene, "it begins where it is told to") {
    dma.start_at({std::uint64_t{1} << 40});
    auto const first = *dma.map(a, dma_direction::to_device);
    CHECK(first == dma_addr{std::uint64_t{1} << 40});
    CHECK(dma.peek(first) == a);
    CHECK(dma.peek({0}) == svm::mock::page{});
    dma.unmap(first, dma_direction::to_device);
    CHECK(dma.live() == 0);
  }

  TEST_CASE_FIXTURE(iommu_scene, "the address that was given up last is handed out next") {
    auto const first = *dma.map(a, dma_direction::to_device);
    auto const second = *dma.map(b, dma_direction::to_device);
    dma.unmap(first, dma_direction::to_device);
    dma.unmap(second, dma_direction::to_device);
    CHECK(*dma.map(a, dma_direction::to_device) == second);
    CHECK(*dma.map(a, dma_direction::to_device) == first);
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(iommu_scene, "an access goes the way of its mapping, or nowhere") {
    auto const in = *dma.map(a, dma_direction::to_device);
    auto const out = *dma.map(a, dma_direction::from_device);
    auto const both = *dma.map(b, dma_direction::bidirectional);
    CHECK(dma.resolve(in, false) == a);
    CHECK(dma.resolve(out, true) == a);
    CHECK(dma.resolve(both, false) == b);
    CHECK(dma.resolve(both, true) == b);
    CHECK(broken.empty());
    CHECK(dma.resolve(in, true) == svm::mock::page{});
    CHECK(dma.resolve(out, false) == svm::mock::page{});
    CHECK(dma.resolve({99 * page_bytes}, true) == svm::mock::page{});
    CHECK(broken.take().size() == 3);
  }

  TEST_CASE_FIXTURE(iommu_scene, "a mapping that fails on demand maps nothing") {
    failures.arm(failure::dma_map, 2);
    CHECK(dma.map(a, dma_direction::to_device));
    CHECK(dma.map(a, dma_direction::to_device).error() == errc::dma_map_failed);
    CHECK(dma.live() == 1);
    CHECK(frames.of(a).dma_maps.load() == 1);
  }
}

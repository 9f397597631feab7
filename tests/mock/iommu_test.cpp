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

  TEST_CASE_FIXTURE(iommu_scene, "a block is one mapping of neighbouring addresses, and ends as a whole") {
    auto const block = *frames.allocate_ram({2});
    auto const first = *dma.map(block, dma_direction::bidirectional, {4});
    CHECK(dma.live() == 1);
    for (std::uint64_t i = 0; i < 4; ++i) {
      CHECK(dma.resolve(first + byte_count{i * page_bytes}, true) == frames.after(block, i));
      CHECK(frames.of(frames.after(block, i)).dma_maps.load() == 1);
    }
    dma.unmap(first, dma_direction::bidirectional, {2});
    dma.unmap(first + byte_count{page_bytes}, dma_direction::bidirectional, {4});
    CHECK(broken.take().size() == 2);  // not what was mapped
    CHECK(dma.live() == 1);
    dma.unmap(first, dma_direction::bidirectional, {4});
    CHECK(dma.live() == 0);
    CHECK(*dma.map(a, dma_direction::to_device) != first);  // a block's place waits for a block
    CHECK(*dma.map(block, dma_direction::to_device, {4}) == first);
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(iommu_scene, "addresses are set aside only where the machine has such an IOMMU") {
    CHECK(dma.reserve({page_bytes}).error() == errc::unsupported);
    CHECK(broken.empty());
  }

  TEST_CASE_FIXTURE(iommu_scene, "blocks are linked where addresses were set aside, and reached after a sync") {
    svm::mock::iommu<lock_policy> with{frames, failures, broken, 0, svm::mock::iommu_mode::reserved};
    auto const where = *with.reserve({4 * page_bytes});
    CHECK(with.live() == 0);
    CHECK(with.link(where, {0}, a, {1}, dma_direction::bidirectional) == errc::ok);
    CHECK(with.link(where, {page_bytes}, b, {1}, dma_direction::bidirectional) == errc::ok);
    CHECK(with.live() == 2);
    CHECK(with.resolve(where, false) == svm::mock::page{});
    CHECK(broken.take().size() == 1);  // not reachable yet
    CHECK(with.sync(where, {2 * page_bytes}) == errc::ok);
    CHECK(with.resolve(where, false) == a);
    CHECK(with.resolve(where + byte_count{page_bytes}, true) == b);
    CHECK(with.resolve(where + byte_count{2 * page_bytes}, true) == svm::mock::page{});
    CHECK(broken.take().size() == 1);
    failures.arm(failure::dma_map, 1);
    CHECK(with.link(where, {2 * page_bytes}, a, {1}, dma_direction::bidirectional) == errc::dma_map_failed);
    CHECK(with.link(where, {page_bytes}, a, {1}, dma_direction::bidirectional) == errc::dma_map_failed);
    CHECK(broken.take().size() == 1);  // something is linked there
    with.release(where, {4 * page_bytes}, {2 * page_bytes}, dma_direction::bidirectional);
    CHECK(with.live() == 0);
    CHECK(with.reservations() == 0);
    CHECK(frames.of(a).dma_maps.load() == 0);
    CHECK(*with.reserve({4 * page_bytes}) == where);
    with.release(where, {4 * page_bytes}, {0}, dma_direction::bidirectional);
    CHECK(broken.empty());
    with.release(where, {4 * page_bytes}, {0}, dma_direction::bidirectional);
    CHECK(broken.take().size() == 1);
  }

  TEST_CASE_FIXTURE(iommu_scene, "a bounce page is copied where a mapping begins and ends, and by a sync (PAG-20)") {
    svm::mock::iommu<lock_policy> with{frames, failures, broken, 0, svm::mock::iommu_mode::bounce};
    std::byte* const memory = frames.bytes(a);
    memory[0] = std::byte{1};
    auto const where = *with.map(a, dma_direction::bidirectional);
    std::byte* const shadow = with.reach(where, true).content->writable();
    REQUIRE(shadow != memory);
    CHECK(shadow[0] == std::byte{1});
    shadow[0] = std::byte{2};
    CHECK(memory[0] == std::byte{1});
    with.sync_for_system(where, {1}, dma_direction::bidirectional);
    CHECK(memory[0] == std::byte{2});
    memory[0] = std::byte{3};
    with.sync_for_device(where, {1}, dma_direction::bidirectional);
    CHECK(shadow[0] == std::byte{3});
    shadow[0] = std::byte{4};
    with.unmap(where, dma_direction::bidirectional);
    CHECK(memory[0] == std::byte{4});
    auto const in = *with.map(a, dma_direction::to_device);
    with.reach(in, false).content->writable()[0] = std::byte{5};
    with.unmap(in, dma_direction::to_device);
    CHECK(memory[0] == std::byte{4});  // the device was not to write
    CHECK(broken.empty());
    auto const again = *with.map(a, dma_direction::to_device);
    with.sync_for_device(again, {}, dma_direction::to_device);
    CHECK(broken.take().size() == 1);  // a run has pages
    with.unmap(again, dma_direction::to_device);
  }

  TEST_CASE_FIXTURE(iommu_scene, "a mapping that fails on demand maps nothing") {
    failures.arm(failure::dma_map, 2);
    CHECK(dma.map(a, dma_direction::to_device));
    CHECK(dma.map(a, dma_direction::to_device).error() == errc::dma_map_failed);
    CHECK(dma.live() == 1);
    CHECK(frames.of(a).dma_maps.load() == 1);
  }
}

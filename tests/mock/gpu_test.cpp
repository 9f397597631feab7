// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::device_address;
using svm::interconnect;
using svm::mapping_access;

/// Four system pages behind the IOMMU, in the GPU's page table at `base`.
struct gpu_scene : world {
  gpu_scene() {
    map(4 * page_bytes);
    cpu_tag(base, 4 * page_bytes, 1);
    for (std::uint64_t i = 0; i < 4; ++i)
      blocks.push_back({.address = *dma.map(process.entry_at(page_at(i)).target, svm::dma_direction::bidirectional)});
    REQUIRE(device.prepare(all) == errc::ok);
    device.commit(all, blocks, mapping_access::read_write);
  }
  ~gpu_scene() {
    device.invalidate(all);
    for (auto const& b : blocks) dma.unmap(b.address, b.direction);
    static_cast<void>(broken.take());
  }
  [[nodiscard]] std::optional<std::uint64_t> load(cpu_va a) {
    std::byte word[8];
    if (!device.load(a, word)) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, 8);
    return value;
  }

  va_range const all = span(base, 4 * page_bytes);
  std::vector<device_address> blocks;
};

}  // namespace

TEST_SUITE("mock/gpu") {
  TEST_CASE_FIXTURE(gpu_scene, "it reaches what its page table maps, and faults beside it") {
    for (std::uint64_t i = 0; i < 4; ++i) CHECK(load(page_at(i)) == i + 1);
    CHECK_FALSE(load(page_at(4)));
    CHECK_FALSE(load(base - byte_count{8}));
    CHECK(gpu_mapped_pages(base, MiB) == 4);
    CHECK(device.has_mappings());
  }

  TEST_CASE_FIXTURE(gpu_scene, "its stores are the CPU's data") {
    std::byte const word[8]{std::byte{9}};
    CHECK(device.store(page_at(2), word));
    CHECK(cpu_read(page_at(2)) == 9u);
  }

  TEST_CASE_FIXTURE(gpu_scene, "a read-only entry faults on a store, also when the TLB has it") {
    device.commit(all, blocks, mapping_access::read_only);
    CHECK(load(base) == 1u);
    std::byte const word[8]{};
    CHECK_FALSE(device.store(base, word));
    CHECK(cpu_read(base) == 1u);
    device.commit(all, blocks, mapping_access::read_write);
    CHECK(device.store(base, word));
  }

  TEST_CASE_FIXTURE(gpu_scene, "after an invalidation neither page table nor TLB has the span, and the rest stays") {
    for (std::uint64_t i = 0; i < 4; ++i) REQUIRE(load(page_at(i)));
    auto const flushes = device.tlb_flushes();
    device.invalidate(span(page_at(1), 2 * page_bytes));
    CHECK(device.tlb_flushes() == flushes + 1);
    CHECK(load(page_at(0)) == 1u);
    CHECK_FALSE(load(page_at(1)));
    CHECK_FALSE(load(page_at(2)));
    CHECK(load(page_at(3)) == 4u);
    CHECK(frames.of(process.entry_at(page_at(1)).target).gpu_maps.load() == 0);
    CHECK(device.tlb_agrees());
  }

  TEST_CASE_FIXTURE(gpu_scene, "a page whose address is mapped anew is the new page") {
    REQUIRE(load(base) == 1u);
    std::swap(blocks[0], blocks[3]);
    device.commit(all, blocks, mapping_access::read_write);
    CHECK(load(base) == 4u);
    CHECK(load(page_at(3)) == 1u);
    CHECK(frames.of(process.entry_at(base).target).gpu_maps.load() == 1);
  }

  TEST_CASE_FIXTURE(gpu_scene,
                    "between the two passes of an invalidation the TLB still serves, and pages count as mapped") {
    REQUIRE(load(base) == 1u);
    auto const flushes = device.tlb_flushes();
    device.begin_invalidate(all);
    CHECK(gpu_mapped_pages(base, 4 * page_bytes) == 0);
    CHECK(device.tlb_flushes() == flushes);
    CHECK(load(base) == 1u);        // cached
    CHECK_FALSE(load(page_at(1)));  // not cached
    CHECK_FALSE(device.is_flushed());
    CHECK(frames.of(process.entry_at(base).target).gpu_maps.load() == 1);
    device.finish_invalidate(all);
    CHECK_FALSE(load(base));
    CHECK(device.is_flushed());
    CHECK(device.tlb_flushes() == flushes + 1);
    CHECK(frames.of(process.entry_at(base).target).gpu_maps.load() == 0);
  }

  TEST_CASE_FIXTURE(gpu_scene, "an atomic needs the GPU's own memory") {
    std::uint64_t old = 0;
    CHECK_FALSE(device.atomic_add(base, 1, old));
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 5) == sys::ok);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    CHECK(w.device.atomic_add(base, 3, old));
    CHECK(old == 5);
    CHECK(w.gpu_read(base) == 8u);
    CHECK(w.cpu_read(base) == 8u);
    CHECK_FALSE(w.device.atomic_add(base, 1, old));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a block of several pages is an entry for each") {
    world w;
    REQUIRE(w.device.prepare(span(base, 4 * page_bytes)) == errc::ok);
    auto memory = *w.device_memory.allocate({4 * page_bytes});
    std::vector<svm::device_page<svm::mock::page>> pages(4);
    REQUIRE(w.device_memory.pages(memory, pages) == errc::ok);
    device_address const block{
        .address = {std::uint64_t{pages[0].page.frame} * page_bytes}, .path = interconnect::local, .count = 4};
    w.device.commit(span(base, 4 * page_bytes), {&block, 1}, mapping_access::read_write);
    CHECK(w.gpu_mapped_pages(base, 4 * page_bytes) == 4);
    w.frames.bytes(pages[3].page)[8] = std::byte{3};
    std::byte word[8];
    CHECK(w.device.load(page_at(3) + byte_count{8}, word));
    CHECK(word[0] == std::byte{3});
    w.device.invalidate(span(base, 4 * page_bytes));
    w.device_memory.release(memory);
    CHECK(w.complaint() == "");
  }
}

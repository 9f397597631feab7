// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The library on the models that have everything: blocks, two passes, reserved addresses, copies behind the IOMMU, memory
// that is given back in pieces, coherent or not.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <conformance/wide_device.hpp>
#include <conformance/wide_process.hpp>

#include <svm/driver/svm_driver.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/steady_clock.hpp>

namespace {

using namespace svm::literals;
using wide::page_size;

struct process final : wide::process {
  using wide::process::process;
};
template <bool Coherent>
struct vram : wide::vram {
  static constexpr bool is_coherent = Coherent;
  using wide::vram::vram;
  std::vector<std::size_t> jobs;  ///< the blocks of each

  svm::errc copy_to_device(std::span<svm::copy_block<wide::page> const> job) noexcept {
    jobs.push_back(job.size());
    return wide::vram::copy_to_device(job);
  }
  svm::errc copy_to_system(std::span<svm::copy_block<wide::page> const> job) noexcept {
    jobs.push_back(job.size());
    return wide::vram::copy_to_system(job);
  }
};
template <bool Coherent>
struct policies : svm::default_policies {
  using mm = process;
  using device = wide::gpu;
  using pagemap = vram<Coherent>;
  using lock = svm::null_lock;
  using clock = svm::steady_clock;
  using allocator = svm::heap;
};

template <bool Coherent>
struct computer {
  wide::memory memory;
  process program{memory};
  wide::gpu gpu;
  vram<Coherent> device_memory{memory, gpu, 1_MiB};
  svm::heap heap;
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<policies<Coherent>> mover{{program, gpu, device_memory, heap, clock, observer}};
  std::array<svm::byte_count, 2> chunks{64_KiB, page_size};
  svm::svm_driver<policies<Coherent>> driver{
      mover, *svm::gpusvm_layout::make({svm::cpu_va{}, 1_TiB}, 2_MiB, chunks, page_size), {}};

  explicit computer(wide::gpu::bounce how) : gpu(memory, {1, 1}, how) {}

  std::optional<std::uint64_t> load(svm::cpu_va a) {
    for (int tries = 0; tries < 4; ++tries) {
      if (auto const value = gpu.load(a)) return value;
      if (driver.fault(a, svm::access_kind::read) != svm::errc::ok) break;
    }
    return std::nullopt;
  }
};

/// A buffer that is one block or several goes to the device, is read there, and is used by the process again.
template <bool Coherent>
void move_there_and_back(wide::gpu::bounce how, svm::page_order order) {
  constexpr std::uint64_t pages = 16;
  computer<Coherent> pc{how};
  svm::cpu_va const buffer{0x10000000};
  pc.program.mmap({buffer, page_size * pages}, order);
  for (std::uint64_t i = 0; i < pages; ++i) REQUIRE(pc.program.store(buffer + page_size * i, i + 100));
  for (std::uint64_t i = 0; i < pages; ++i) CHECK(pc.load(buffer + page_size * i) == i + 100);
  CHECK(pc.device_memory.available() == 1_MiB - page_size * pages);
  for (std::uint64_t i = 0; i < pages; ++i) CHECK(pc.program.load(buffer + page_size * i) == i + 100);
  CHECK(pc.device_memory.available() == (Coherent ? 1_MiB - page_size * pages : 1_MiB));
  for (std::uint64_t i = 0; i < pages; ++i) CHECK(pc.load(buffer + page_size * i) == i + 100);
  pc.program.munmap(buffer);
  CHECK(!pc.gpu.load(buffer));
  CHECK(!pc.load(buffer));
  pc.program.exit();
  pc.driver.close();
  CHECK(pc.device_memory.available() == 1_MiB);
  CHECK(pc.gpu.dma_mappings() == 0);
}

}  // namespace

TEST_SUITE("conformance/wide_backend") {
  TEST_CASE("a buffer goes to the device and back whatever its blocks, and nothing is left behind") {
    for (auto const how : {wide::gpu::bounce::no, wide::gpu::bounce::yes})
      for (std::uint8_t const order : {std::uint8_t{0}, std::uint8_t{2}, std::uint8_t{4}}) {
        CAPTURE(order);
        move_there_and_back<false>(how, {order});
        move_there_and_back<true>(how, {order});
      }
  }
}

TEST_SUITE("pagemap/wide_backend") {
  TEST_CASE("memory that may not migrate stays, also where the mm's collect would take it") {
    computer<false> pc{wide::gpu::bounce::no};
    svm::va_range const buffer{svm::cpu_va{0x10000000}, page_size * 16};
    pc.program.mmap(buffer, {});
    REQUIRE(pc.program.store(buffer.start(), 7));
    pc.program.migratable = false;
    CHECK(pc.mover.migrate_to_device(pc.program, buffer, {}) == svm::errc::not_migratable);
    CHECK(pc.device_memory.available() == 1_MiB);
    CHECK(pc.load(buffer.start()) == 7u);  // mapped where it is
    CHECK(pc.device_memory.available() == 1_MiB);
    pc.program.migratable = true;
    CHECK(pc.mover.migrate_to_device(pc.program, buffer, {}) == svm::errc::ok);
    CHECK(pc.device_memory.available() == 1_MiB - buffer.size());
    pc.program.exit();
    pc.driver.close();
    CHECK(pc.device_memory.available() == 1_MiB);
    CHECK(pc.gpu.dma_mappings() == 0);
  }

  TEST_CASE("neighbours that lie together on both sides are mapped and copied as one, but for the page of a fault") {
    for (auto const how : {wide::gpu::bounce::no, wide::gpu::bounce::yes}) {
      computer<false> pc{how};
      svm::va_range const buffer{svm::cpu_va{0x10000000}, page_size * 16};
      auto const at = [&](std::uint64_t i) { return buffer.start() + page_size * i; };
      auto const counts = [&] { return std::exchange(pc.device_memory.jobs, {}); };
      pc.program.mmap(buffer, {});
      for (std::uint64_t i = 0; i < 16; ++i) REQUIRE(pc.program.store(at(i), i + 100));
      REQUIRE(pc.mover.migrate_to_device(pc.program, buffer, {}) == svm::errc::ok);
      CHECK(counts() == std::vector<std::size_t>{1});
      REQUIRE(pc.mover.evict_all() == svm::errc::ok);
      CHECK(counts() == std::vector<std::size_t>{1});
      for (std::uint64_t i = 0; i < 16; ++i) CHECK(pc.program.load(at(i)) == i + 100);

      // The system page of the fault is the first that is made, so the others lie behind it.
      REQUIRE(pc.mover.migrate_to_device(pc.program, buffer, {}) == svm::errc::ok);
      CHECK(counts() == std::vector<std::size_t>{1});
      CHECK(pc.program.load(at(7)) == 107);
      CHECK(counts() == std::vector<std::size_t>{3});
      for (std::uint64_t i = 0; i < 16; ++i) CHECK(pc.program.load(at(i)) == i + 100);

      // Every other page lies elsewhere now.
      for (std::uint64_t i = 0; i < 16; i += 2) {
        REQUIRE(pc.mover.migrate_to_device(pc.program, {at(i), page_size}, {}) == svm::errc::ok);
        CHECK(pc.program.load(at(i)) == i + 100);
      }
      static_cast<void>(counts());
      REQUIRE(pc.mover.migrate_to_device(pc.program, buffer, {}) == svm::errc::ok);
      CHECK(counts() == std::vector<std::size_t>{16});
      for (std::uint64_t i = 0; i < 16; ++i) CHECK(pc.program.load(at(i)) == i + 100);
      pc.program.exit();
      pc.driver.close();
      CHECK(pc.gpu.dma_mappings() == 0);
    }
  }
}

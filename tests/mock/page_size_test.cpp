// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The machine with other page sizes, with coherent device memory, and behind every kind of IOMMU.

#include <cstring>
#include <optional>
#include <type_traits>

#include <doctest/doctest.h>

#include <support/world.hpp>

using namespace support;

namespace {

/// With larger pages every driver would show nothing more; the machines of small ones are compiled elsewhere.
template <std::size_t PageBytes, bool Coherent>
using machine_of = std::conditional_t<PageBytes == 4096, svm::mock::full_machine<lock_policy, PageBytes, Coherent>,
                                      svm::mock::machine<lock_policy, PageBytes>>;

template <std::size_t PageBytes, bool Coherent = false>
struct computer : machine_of<PageBytes, Coherent> {
  using machine_type = machine_of<PageBytes, Coherent>;

  explicit computer(svm::mock::machine_options const& o) : machine_type(o, *machine_type::check(o)) {}

  [[nodiscard]] bool cpu(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, 8);
    return this->process.store(a, word) == sys::ok;
  }
  [[nodiscard]] std::optional<std::uint64_t> cpu(cpu_va a) {
    std::byte word[8];
    std::uint64_t value = 0;
    if (this->process.load(a, word) != sys::ok) return std::nullopt;
    std::memcpy(&value, word, 8);
    return value;
  }
  [[nodiscard]] bool gpu(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, 8);
    return this->gpu_store(a, word) == errc::ok;
  }
  [[nodiscard]] std::optional<std::uint64_t> gpu(cpu_va a) {
    std::byte word[8];
    std::uint64_t value = 0;
    if (this->gpu_load(a, word) != errc::ok) return std::nullopt;
    std::memcpy(&value, word, 8);
    return value;
  }
};

svm::mock::machine_options with_pages(std::uint64_t size) {
  return options([&](auto& o) {
    o.chunks = {byte_count{2 * MiB}};
    for (std::uint64_t const c : {64 * KiB, 16 * KiB, 4 * KiB})
      if (c >= size) o.chunks.push_back({c});
  });
}

/// Two GPUs with coherent memory. The page at `base` is in the second one's and begins with 2.
struct two_gpus : computer<4096, true> {
  two_gpus(bool linked, bool by_pages) : computer(with_gpus(linked, by_pages)) {
    REQUIRE(process.mmap({64 * KiB}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
    std::byte const word[8]{std::byte{2}};
    REQUIRE(gpu_store(first(), 1, base, word) == errc::ok);
    REQUIRE(frames.gpu_of(process.entry_at(base).target) == 1);
  }

 private:
  [[nodiscard]] static svm::mock::machine_options with_gpus(bool linked, bool by_pages) {
    auto o = with_pages(4096);
    o.gpus = 2;
    o.linked = linked;
    if (by_pages) o.placement.emplace();
    return o;
  }
};

/// Data goes to the device and back, through a fork and a move, in pages of any size.
template <std::size_t PageBytes>
void round_trip(bool thp) {
  CAPTURE(PageBytes);
  auto o = with_pages(PageBytes);
  o.thp = thp;
  computer<PageBytes> c{o};
  REQUIRE(c.process.mmap({4 * MiB}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
  for (std::uint64_t n = 0; n < 4 * MiB; n += PageBytes) REQUIRE(c.cpu(at(n), n));
  CHECK(c.frames.ram_used() == byte_count{4 * MiB});
  for (std::uint64_t n = 0; n < 4 * MiB; n += PageBytes) REQUIRE(c.gpu(at(n)) == n);
  CHECK(c.device_memory.used() == byte_count{4 * MiB});
  auto& child = c.fork(c.first());
  REQUIRE(c.gpu(at(PageBytes), 7));
  CHECK(c.cpu(at(PageBytes)) == 7u);
  std::byte word[8];
  REQUIRE(child.process.load(at(PageBytes), word) == sys::ok);
  std::uint64_t value = 0;
  std::memcpy(&value, word, 8);
  CHECK(value == PageBytes);
  REQUIRE(c.process.mremap(at(2 * MiB), {2 * MiB}, {2 * MiB}, false, at(GiB)).error == sys::ok);
  CHECK(c.cpu(at(GiB + PageBytes)) == 2 * MiB + PageBytes);
  CHECK(c.process.swap_out(at(GiB)));  // from the child too
  c.exit(child);
  CHECK(c.process.munmap(base, {PageBytes}) == sys::ok);
  CHECK(c.process.munmap(at(1), {PageBytes}) == sys::einval);
  std::vector<std::string> const lines = c.audit();
  CHECK_MESSAGE(lines.empty(), doctest::toString(lines.empty() ? std::string{} : lines.front()));
}

}  // namespace

TEST_SUITE("mock/machine, page sizes") {
  TEST_CASE("pages of 4, 16 and 64 KiB, small and huge") {
    for (bool const thp : {false, true}) {
      round_trip<4096>(thp);
      round_trip<16384>(thp);
      round_trip<65536>(thp);
    }
  }

  TEST_CASE("coherent device memory is reached by the CPU in place") {
    computer<4096, true> c{with_pages(4096)};
    static_assert(svm::coherent_pagemap<decltype(c)::vram_type>);
    REQUIRE(c.process.mmap({64 * KiB}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
    REQUIRE(c.cpu(base, 1));
    REQUIRE(c.gpu(base, 2));
    auto const e = c.process.entry_at(base);
    CHECK(e.what == pte::state::present);
    CHECK(c.frames.is_device(e.target));
    auto const faults = c.process.cpu_faults();
    CHECK(c.cpu(base) == 2u);
    CHECK(c.cpu(base, 3));
    CHECK(c.gpu(base) == 3u);
    CHECK(c.process.cpu_faults() == faults);
    CHECK(c.mover.evict_all() == errc::ok);
    CHECK_FALSE(c.frames.is_device(c.process.entry_at(base).target));
    CHECK(c.cpu(base) == 3u);
    CHECK(c.audit().empty());
  }

  TEST_CASE("behind every kind of IOMMU the data arrives (PAG-20)") {
    using enum svm::mock::iommu_mode;
    for (auto const mode : {direct, reserved, bounce})
      for (auto const migrate : {svm::migration_mode::where_possible, svm::migration_mode::never}) {
        auto o = with_pages(4096);
        o.iommu = mode;
        o.driver.migrate = migrate;
        computer<4096> c{o};
        REQUIRE(c.process.mmap({64 * KiB}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
        REQUIRE(c.cpu(base, 1));
        CHECK(c.gpu(base) == 1u);
        CHECK(c.gpu(base, 2));
        CHECK(c.process.invalidate_only({span(base, 64 * KiB), svm::invalidation_cause::clear}));
        CHECK(c.cpu(base) == 2u);
        CHECK(c.audit().empty());
      }
  }

  TEST_CASE("a long pin takes a page out of coherent device memory, after the time that the device has it for") {
    auto o = with_pages(4096);
    o.driver.timeslice = svm::milliseconds(5);
    computer<4096, true> c{o};
    REQUIRE(c.process.mmap({64 * KiB}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
    REQUIRE(c.gpu(base, 2));
    REQUIRE(c.frames.is_device(c.process.entry_at(base).target));
    auto const begun = c.clock.now();
    auto const pinned = c.process.pin_for_long(base);
    REQUIRE(pinned);
    CHECK_FALSE(c.frames.is_device(*pinned));
    CHECK(c.process.entry_at(base).target == *pinned);
    CHECK(c.clock.now().nanoseconds - begun.nanoseconds == svm::milliseconds(5).nanoseconds);
    CHECK(c.cpu(base) == 2u);
    CHECK(c.gpu(base) == 2u);
    c.process.unpin(*pinned);
    CHECK(c.audit().empty());
  }
}

// Coherent memory, as the drivers see it.
TEST_SUITE("driver/block_service, coherent") {
  TEST_CASE("an atomic access takes coherent memory from a GPU that is out of reach, as it takes any other") {
    for (bool const linked : {true, false})
      for (bool const by_pages : {false, true}) {
        CAPTURE(linked);
        CAPTURE(by_pages);
        two_gpus c{linked, by_pages};
        std::uint64_t old = 0;
        CHECK(c.gpu_atomic_add(c.first(), 0, base, 3, old) == errc::ok);
        CHECK(old == 2);
        CHECK(c.frames.gpu_of(c.process.entry_at(base).target) == 0);
        CHECK(c.cpu(base) == 5u);
        CHECK(c.audit().empty());
      }
  }

  TEST_CASE("a service of pages brings coherent memory within reach that cannot move") {
    for (bool const linked : {true, false}) {
      two_gpus c{linked, true};
      c.failures.arm(svm::mock::failure::populate, 1, svm::mock::failure_plan::repeat::from_then_on);
      std::byte word[8]{};
      CHECK(c.gpu_load(c.first(), 0, base, word) == errc::ok);
      CHECK(word[0] == std::byte{2});
      c.failures.disarm();
      CHECK(c.frames.is_device(c.process.entry_at(base).target) == linked);
      CHECK(c.audit().empty());
    }
  }
}

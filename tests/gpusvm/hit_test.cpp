// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What a fault takes and writes, counted; and what waits for those that look without a lock.

#include <svm/gpusvm/gpusvm.hpp>

#include <cstdint>
#include <optional>

#include <doctest/doctest.h>

#include <support/counting_lock.hpp>
#include <support/scripted.hpp>
#include <svm/driver/svm_driver.hpp>

using support::counting_lock;
using svm::access_kind;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::va_range;

namespace {

struct policies : support::scripted_policies<4096> {
  using lock = counting_lock;
};
constexpr std::uint64_t page_bytes = 4096;
constexpr cpu_va base{1 << 30};

cpu_va page_at(std::uint64_t n) {
  return base + byte_count{n * page_bytes};
}

/// A driver over one VMA, of ranges of one page; at its end the heap has all back.
struct scene {
  policies::mm mm;
  policies::device device;
  policies::pagemap pagemap;
  support::scripted_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::environment<policies> env{mm, device, pagemap, memory, clock, stats};
  std::optional<svm::migrator<policies>> mover{std::in_place, env};
  std::optional<svm::svm_driver<policies>> driver;
  std::uint64_t allocations = 0;

  explicit scene(svm::driver_options options = {}) {
    options.migrate = svm::migration_mode::never;
    options.check_pages_threshold = {};
    byte_count const chunks[] = {byte_count{page_bytes}};
    auto const shape =
        svm::gpusvm_layout::make(va_range{cpu_va{}, byte_count{std::uint64_t{1} << 31}}, byte_count{2 << 20}, chunks, byte_count{page_bytes});
    REQUIRE(shape);
    mm.add_vma(base, 64 << 20);
    memory.hook = [this](std::size_t) { ++allocations; };
    driver.emplace(*mover, *shape, options);
  }
  ~scene() {
    driver.reset();
    mover.reset();
    CHECK(memory.live == 0);
    CHECK(device.live.size() == 0);
    CHECK(policies::range_data::live == 0);
    CHECK(policies::notifier_data::live == 0);
  }

  [[nodiscard]] errc fault(std::uint64_t page, access_kind want = access_kind::write) {
    return driver->fault(page_at(page), want);
  }
  /// The counts of a fault that is served.
  [[nodiscard]] support::lock_counts counted_fault(std::uint64_t page, access_kind want = access_kind::write) {
    counting_lock::done = {};
    allocations = 0;
    CHECK(fault(page, want) == errc::ok);
    return counting_lock::done;
  }
  void remove(std::uint64_t page) {
    auto& ranges = driver->svm();
    ranges.remove(ranges.lock_range(ranges.find(page_at(page))));
  }
  [[nodiscard]] std::uint64_t waiting() { return mover->readers().retired(); }
};

}  // namespace

TEST_SUITE("gpusvm/hit") {
  TEST_CASE("a fault on a range that is bound takes no lock, writes no word, and asks the heap for nothing") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    for (access_kind const want : {access_kind::read, access_kind::write}) {
      auto const done = s.counted_fault(0, want);
      CHECK(done.exclusive + done.shared == 0);
      CHECK(done.written == 0);
      CHECK(done.sections == 1);
      CHECK(s.allocations == 0);
    }
  }

  TEST_CASE("a fault on a range that is not bound any more is no hit") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    s.mm.invalidate(va_range{base, byte_count{page_bytes}});
    std::uint64_t const walks = s.mm.walks;
    CHECK(s.fault(0) == errc::ok);
    CHECK(s.mm.walks == walks + 1);
  }

  TEST_CASE("what was removed stays until nobody looks, and the end of all frees it") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    s.remove(0);
    CHECK(s.driver->svm().notifier_count() == 0);
    CHECK(s.waiting() == 2);  // the range, and its notifier
    CHECK(policies::range_data::live == 1);
    CHECK(policies::notifier_data::live == 1);
    s.driver->close();
    CHECK(s.waiting() == 0);
    CHECK(policies::range_data::live == 0);
    CHECK(policies::notifier_data::live == 0);
  }

  TEST_CASE("a range that a caller holds outlives the wait, and its gpusvm") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    auto kept = s.driver->svm().find(base);
    s.driver->close();
    REQUIRE(kept);
    CHECK(kept->has(svm::range_flag::removed));
    CHECK(policies::range_data::live == 1);
    kept = {};
    CHECK(policies::range_data::live == 0);
  }

  TEST_CASE("ranges that wait count against the limit, and who meets it waits for them") {
    svm::driver_options options;
    options.limits.ranges = 2;
    scene s{options};
    REQUIRE(s.fault(0) == errc::ok);
    REQUIRE(s.fault(1) == errc::ok);
    CHECK(s.fault(2) == errc::quota_exceeded);
    s.remove(1);
    CHECK(s.waiting() == 2);  // it, and the bucket that two entries were in
    CHECK(s.counted_fault(2).synchronized == 1);
    CHECK(s.waiting() == 0);
    CHECK(s.fault(1) == errc::quota_exceeded);
  }

  TEST_CASE("a range that a caller holds does not count once nobody looks at it") {
    svm::driver_options options;
    options.limits.ranges = 1;
    scene s{options};
    REQUIRE(s.fault(0) == errc::ok);
    auto const kept = s.driver->svm().find(base);
    s.remove(0);
    CHECK(s.fault(1) == errc::ok);
    CHECK(s.fault(2) == errc::quota_exceeded);
  }

  TEST_CASE("nodes of the tables wait for readers in batches, and all go back") {
    scene s;
    constexpr std::uint64_t ranges = 256;
    for (std::uint64_t round = 0; round < 3; ++round) {
      for (std::uint64_t i = 0; i < ranges; ++i) REQUIRE(s.fault(i * 7 % 1024) == errc::ok);
      REQUIRE(s.driver->svm().check());
      for (std::uint64_t i = 0; i < ranges; ++i) s.remove(i * 7 % 1024);
    }
    CHECK(s.waiting() > 0);
    s.driver->close();
    CHECK(s.waiting() == 0);
  }
}

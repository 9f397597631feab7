// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Defects that were found by reading and proved by a program, each as the program that proved it; those that need
// threads are in threads/regression_test.cpp.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <support/death.hpp>
#include <support/scripted.hpp>
#include <support/world.hpp>

using namespace support;
using svm::event_kind;
using svm::lock_rank;
using svm::migration_mode;
using svm::page_flag;
using svm::mock::failure;

namespace {

svm::mock::machine_options mode(migration_mode m) {
  return options([m](auto& o) { o.driver.migrate = m; });
}

/// A device that has no room in its page table.
struct full_device : scripted_device<scripted_mm<4096>::page> {
  bool full = true;
  std::uint64_t commits = 0;
  [[nodiscard]] errc prepare(va_range) noexcept { return full ? errc::no_memory : errc::ok; }
  void commit(va_range, std::span<svm::device_address const>, svm::mapping_access) noexcept { ++commits; }
};

struct full_device_policies : scripted_policies<4096> {
  using device = full_device;
};

/// The rules that break when memory is taken with a lock of `Rank` held.
template <lock_rank Rank>
std::string complaint_under_lock() {
  world w;
  lock_policy::mutex<Rank> lock;
  svm::exclusive_guard const guard{lock};
  std::byte* const memory = w.memory.allocate(8, 8);
  std::string said;
  for (std::string const& line : w.broken.take()) said += line.substr(0, 4);
  w.memory.deallocate(memory, 8, 8);
  for (std::string const& line : w.broken.take()) said += " " + line.substr(0, 4);
  return said;
}

}  // namespace

TEST_SUITE("driver/regression") {
  TEST_CASE("a machine that nobody audits ends cleanly, though its device memory is in use") {
    auto const live_and_die = [] {
      machine m{options(), *machine::check(options())};
      REQUIRE(m.process.mmap({4 * MiB}, protection::read_write, mapping_kind::anon, base).error == sys::ok);
      std::byte word[8]{};
      for (std::uint64_t const offset : {std::uint64_t{0}, 2 * MiB}) REQUIRE(m.gpu_store(at(offset), word) == errc::ok);
      REQUIRE(m.process.munmap(at(2 * MiB), {MiB}) == sys::ok);
      REQUIRE(m.device_memory.used().value == 4 * MiB);
    };
    REQUIRE_FALSE(asserts_in_child(live_and_die));
    live_and_die();
  }

  TEST_CASE("two rounds of make_room at once try each allocation once, and end") {
    constexpr std::uint64_t count = 4;
    world w{options([](auto& o) {
      o.vram = byte_count{count * page_bytes};
      o.chunks = {byte_count{page_bytes}};
    })};
    w.map(count * page_bytes);
    w.cpu_tag(base, count * page_bytes, 1);
    REQUIRE(w.gpu_tags_until(base, count * page_bytes, 1) == count * page_bytes);
    bool pinned = false;
    auto const pin_all = [&](bool now) {
      if (std::exchange(pinned, now) == now) return;
      for (std::uint64_t n = 0; n < count; ++n) w.process.pin(at(n * page_bytes), now);
    };
    pin_all(true);

    // Each pick of the first round is followed by a whole second round, as if by another thread: no lock is held here.
    bool in_second = false;
    std::uint64_t first_picks = 0;
    std::uint64_t second_picks = 0;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != event_kind::evicted) return;
      if (in_second) {
        ++second_picks;
        return;
      }
      if (++first_picks == 10 * count) pin_all(false);  // turns a hang into a failure
      in_second = true;
      CHECK(w.mover.make_room({count * page_bytes}) == errc::in_use);
      in_second = false;
    };
    CHECK(w.mover.make_room({count * page_bytes}) == errc::in_use);
    w.stats.listener = nullptr;
    CHECK(first_picks == count);
    CHECK(second_picks == count * count);
    pin_all(false);
    CHECK(w.mover.make_room({count * page_bytes}) == errc::ok);
    CHECK(w.cpu_tags_until(base, count * page_bytes, 1) == count * page_bytes);
  }

  TEST_CASE(
      "where device memory is required, a VMA that is split after the look-up sends the fault into its second pass "
      "(MPR-04)") {
    world w{mode(migration_mode::required)};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    bool split = false;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != event_kind::range_created || std::exchange(split, true)) return;
      CHECK(w.process.mprotect(at(MiB), {64 * KiB}, protection::read) == sys::ok);
    };
    CHECK(w.fault(base) == errc::ok);
    w.stats.listener = nullptr;
    CHECK(split);
    CHECK(w.count(event_kind::gpu_fault_retry) == 1);
    CHECK(w.device_pages(base, 64 * KiB) == 16);
    CHECK_FALSE(w.range_at(at(MiB)));
    CHECK(w.complaint() == "");
    CHECK(w.gpu_write(at(MiB), 1) == errc::read_only);
    CHECK(w.gpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
  }

  TEST_CASE("a range that was removed answers gone for ever, also after the process has exited (TRD-05)") {
    for (bool const by_close : {false, true}) {
      CAPTURE(by_close);
      world w;
      w.map(2 * MiB);
      REQUIRE(w.gpu_write(base, 1) == errc::ok);
      svm::range_ref<policies> const r = w.range_at(base);
      auto& svm = w.driver.svm();
      by_close ? w.driver.close() : svm.remove(svm.lock_range(r));
      // Its addresses belong to others now, whose memory stays where it is.
      if (!by_close) REQUIRE(w.fault(base) == errc::ok);
      for (bool const exited : {false, true}) {
        CAPTURE(exited);
        if (exited) w.process.exit();
        auto held = svm.lock_range(r);
        CHECK(held.mm_alive() == !exited);
        CHECK(w.driver.evict(held) == errc::gone);
        CHECK(svm.get_pages(held, {}) == errc::gone);
        CHECK(svm.bind(held) == errc::gone);
        CHECK(w.driver.migrate_to_device(held, {}) == errc::gone);
        if (!exited) CHECK(w.device_pages(base, 2 * MiB) == 512);
      }
    }
  }

  TEST_CASE("a range whose process has exited answers mm_gone, and no page table is looked at (EVC-07)") {
    svm::byte_count const chunks[] = {byte_count{64 * KiB}, byte_count{page_bytes}};
    auto const shape = svm::gpusvm_layout::make({cpu_va{}, byte_count{svm::mock::user_end}}, byte_count{2 * MiB},
                                                chunks, {page_bytes});
    REQUIRE(shape);
    scripted<> s{*shape};
    s.mm.add_vma(base, 64 * KiB);
    std::uint64_t looks = 0;
    s.mm.show = [&](va_range where, scripted<>::sink& found) {
      ++looks;
      scripted_mm<4096>::fill(where, found);
    };
    auto const found = s.svm.find_or_insert(base, {access_kind::read, true, false, {}});
    REQUIRE(found);
    std::uint64_t const before = looks;
    s.mm.users = 0;
    {
      auto held = s.svm.lock_range(found->range);
      CHECK_FALSE(held.mm_alive());
      CHECK(s.range_memory.evict(held, svm::migration_cause::explicit_migration) == errc::mm_gone);
      CHECK(s.svm.get_pages(held, {}) == errc::mm_gone);
      CHECK(s.range_memory.migrate_to_device(held, {}) == errc::mm_gone);
      CHECK(s.svm.scan(held) != svm::residence::here);
      CHECK_FALSE(s.svm.is_scattered(held));
    }
    CHECK(looks == before);
    CHECK(s.mm.walks == 0);
    s.mm.users = 1;
    {
      auto held = s.svm.lock_range(found->range);
      CHECK(s.range_memory.evict(held, svm::migration_cause::explicit_migration) == errc::ok);
    }
    CHECK(looks > before);
  }

  TEST_CASE("a fault that the device has no room for leaves the range, unmapped") {
    svm::byte_count const chunks[] = {byte_count{64 * KiB}, byte_count{page_bytes}};
    auto const shape = svm::gpusvm_layout::make({cpu_va{}, byte_count{svm::mock::user_end}}, byte_count{2 * MiB},
                                                chunks, {page_bytes});
    REQUIRE(shape);
    scripted_mm<4096> mm;
    full_device device;
    scripted_pagemap<scripted_mm<4096>::page> pagemap;
    scripted_allocator memory;
    svm::mock::virtual_clock clock;
    svm::mock::statistics stats;
    {
      svm::migrator<full_device_policies> mover{{mm, device, pagemap, memory, clock, stats}};
      svm::svm_driver<full_device_policies> driver{mover, *shape, {migration_mode::never, {}, {}, false}};
      mm.add_vma(base, 64 * KiB);
      CHECK(driver.fault(base, access_kind::write) == errc::no_memory);
      CHECK(stats.count(event_kind::gpu_fault_retry) == 0);
      REQUIRE(driver.svm().find(base));
      CHECK_FALSE(driver.svm().find(base)->mapping().has(page_flag::valid));
      CHECK_FALSE(driver.svm().find(base)->mapping().has(page_flag::mapped));
      CHECK(device.live.empty());
      CHECK(device.commits == 0);
      device.full = false;
      CHECK(driver.fault(base, access_kind::write) == errc::ok);
      CHECK(driver.svm().find(base)->mapping().has(page_flag::valid));
      CHECK(device.commits == 1);
    }
    CHECK(device.live.empty());
    CHECK(device.mismatches == 0);
    CHECK(memory.live == 0);
  }

  TEST_CASE("memory that is taken or given back under a lock of rank notifier or any later one is reported") {
    CHECK(complaint_under_lock<lock_rank::vm>() == "");
    CHECK(complaint_under_lock<lock_rank::range>() == "");
    CHECK(complaint_under_lock<lock_rank::eviction>() == "");
    CHECK(complaint_under_lock<lock_rank::mm>() == "");
    CHECK(complaint_under_lock<lock_rank::page>() == "");
    CHECK(complaint_under_lock<lock_rank::notifier>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::device>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_page_table>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_device_memory>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_collector>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_sequence>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_allocator>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_iommu>() == "O-28 O-28");
    CHECK(complaint_under_lock<lock_rank::leaf_statistics>() == "O-28 O-28");
  }

  TEST_CASE("a TLB entry whose only fault is that it still allows writing is reported") {
    world w;
    w.map(64 * KiB);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    REQUIRE(w.device_pages(base, 64 * KiB) == 16);
    w.device.plant_stale_entry(base);
    REQUIRE(w.process.mprotect(base, {64 * KiB}, protection::read) == sys::ok);
    REQUIRE(w.gpu_read(base) == 1);  // the same page, mapped for reading
    REQUIRE(w.fault(base, access_kind::write) == errc::read_only);
    REQUIRE(w.complaint() == "");
    w.device.spring_stale_entry();
    CHECK(w.complaint() == "O-01: the TLB and the GPU's page table disagree");
    static_cast<void>(w.process.invalidate_only({span(base, 64 * KiB), svm::invalidation_cause::clear}));
    CHECK(w.complaint() == "");
  }

  TEST_CASE(
      "a GPU access to a hole is no_vma before anything is made, also when nothing could be registered (NOT-05)") {
    world w;
    w.map(64 * KiB, at(GiB));
    w.failures.arm(failure::notifier, 1, svm::mock::failure_plan::repeat::from_then_on);
    CHECK(w.fault(base, access_kind::read) == errc::no_vma);
    CHECK(w.fault(base, access_kind::write) == errc::no_vma);
    CHECK(w.failures.calls(failure::notifier) == 0);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.memory.total_blocks() == 0);
    CHECK(w.fault(at(GiB)) == errc::registration_failed);  // where there is memory it takes a notifier
    w.failures.disarm();
    CHECK(w.fault(at(GiB)) == errc::ok);
    CHECK(w.complaint() == "");
  }
}

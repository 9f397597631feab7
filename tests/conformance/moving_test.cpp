// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A process that collects into destinations: its suite, models of it with one flaw, and the library on it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <conformance/moving_process.hpp>
#include <conformance/wide_device.hpp>

#include <svm/conformance/page_migration.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/steady_clock.hpp>

namespace {

using namespace svm::literals;
namespace suite = svm::conformance;
using svm::conformance::broken_promises;
using svm::conformance::kept;
using wide::page;
using wide::page_size;

constexpr svm::page_owner gpu_owner{1, 2};
constexpr svm::page_owner other_owner{2, 1};

enum class flaw {
  none,
  takes_what_has_no_place,
  says_that_others_copy,
  moves_no_bytes,
  leaves_blocks_unlike,
  leaves_bytes_there,
  leaves_all_but_the_first_there,
  wants_places_for_device_pages,
  discards_where_it_fails,
  installs_no_bytes,
};

/// The model, with one flaw.
class flawed_process final : public wide::moving_process {
 public:
  flawed_process(wide::memory& pages, flaw f) : moving_process(pages), flaw_(f) {}

  svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots, svm::page_owner reach) noexcept {
    svm::errc const e = moving_process::collect(session, span, slots, reach);
    if (flaw_ == flaw::wants_places_for_device_pages && slots.size() == 1 && slots[0].destination == page{})
      slots[0].state = svm::slot_state::untouched;
    if (e != svm::errc::ok && flaw_ == flaw::discards_where_it_fails)
      for (slot& s : slots)
        if (s.destination != page{}) discard_page(s.destination);
    return e;
  }
  void install(migration& session) noexcept {
    if (flaw_ == flaw::installs_no_bytes)
      process::install(session);
    else
      moving_process::install(session);
  }

 private:
  void take_over(slot& s, page to) override {
    if (flaw_ == flaw::moves_no_bytes) {
      s.state = svm::slot_state::moved;
      return;
    }
    moving_process::take_over(s, to);
    if (flaw_ == flaw::says_that_others_copy) s.state = svm::slot_state::collected;
  }
  void fit(migration& session) override {
    if (flaw_ != flaw::leaves_blocks_unlike) moving_process::fit(session);
  }
  bool is_wanted(migration const& session, std::size_t i) override {
    return flaw_ == flaw::takes_what_has_no_place || moving_process::is_wanted(session, i);
  }
  void bring_back(migration& session) override {
    if (flaw_ == flaw::leaves_all_but_the_first_there)
      for (slot& s : session.slots)
        if (s.follows && s.state == svm::slot_state::moved) s.state = svm::slot_state::collected;
    if (flaw_ != flaw::leaves_bytes_there) moving_process::bring_back(session);
  }

  flaw const flaw_;
};

/// A process of a bench.
class bench_process {
 public:
  using mm_type = flawed_process;

  bench_process(wide::memory& pages, flaw f) : process_(pages, f) {}

  mm_type& mm() { return process_; }
  svm::va_range map(std::size_t pages) { return map_with(pages, {}, true); }
  svm::va_range map_read_only(std::size_t pages) { return map_with(pages, {}, false); }
  svm::va_range map_large() { return map_with(4, svm::page_order{2}, true); }
  void unmap(svm::va_range mapping) { process_.munmap(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) { return process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return process_.load(a); }
  bool has_vma(svm::cpu_va a) { return process_.find_vma(a).has_value(); }
  void exit() { process_.exit(); }
  void share(svm::va_range span) { process_.share(span); }
  void swap_out(svm::cpu_va a) { process_.swap_out(a); }

 private:
  svm::va_range map_with(std::size_t pages, svm::page_order order, bool writable) {
    svm::va_range const span{next_, page_size * pages};
    process_.mmap(span, order, writable);
    next_ = next_ + page_size * 16;
    return span;
  }

  flawed_process process_;
  svm::cpu_va next_{wide::page_bytes * 16};
};

using bench_memory = wide::memory_bench<wide::memory>;
class bench : public bench_memory, public bench_process {
 public:
  using page = wide::page;

  explicit bench(flaw f) : bench_process(memory, f), other_(memory, f) {}

  bench_process& other() { return other_; }
  svm::page_owner stranger_owner() { return other_owner; }
  svm::page_owner owner() { return gpu_owner; }

 private:
  bench_process other_;
};

[[nodiscard]] broken_promises found_in(flaw f) {
  return suite::page_migration::check_all([f] { return std::make_unique<bench>(f); });
}
[[nodiscard]] broken_promises migration(int number) {
  return {suite::page_migration::promises, {number}};
}

// -- The library ------------------------------------------------------------------------------------------------------

/// Lets a test act where the library does not look.
struct process final : wide::moving_process {
  using wide::moving_process::moving_process;
  std::function<svm::errc()> before_collect;  ///< once; may make it fail

  svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots, svm::page_owner reach) noexcept {
    if (auto const act = std::exchange(before_collect, nullptr))
      if (svm::errc const e = act(); e != svm::errc::ok) return e;
    return moving_process::collect(session, span, slots, reach);
  }
};
/// Counts the blocks that are copied.
struct vram : wide::vram {
  using wide::vram::vram;
  static constexpr bool is_coherent = false;
  std::size_t copies = 0;

  svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    copies += job.size();
    return wide::vram::copy_to_device(job);
  }
  svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    copies += job.size();
    return wide::vram::copy_to_system(job);
  }
};
struct policies : svm::default_policies {
  using mm = process;
  using device = wide::gpu;
  using pagemap = vram;
  using lock = svm::null_lock;
  using clock = svm::steady_clock;
  using allocator = svm::heap;
};

/// A GPU with memory, a process, and a buffer of it.
struct computer {
  static constexpr std::uint64_t pages = 16;
  static constexpr svm::va_range buffer{svm::cpu_va{0x10000000}, page_size* pages};

  wide::memory memory;
  process program{memory};
  wide::gpu gpu{memory, gpu_owner, wide::gpu::bounce::no};
  vram device_memory{memory, gpu, 1_MiB};
  svm::heap heap;
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<policies> mover{{program, gpu, device_memory, heap, clock, observer}};
  std::array<svm::byte_count, 2> chunks{64_KiB, page_size};
  svm::svm_driver<policies> driver{
      mover, *svm::gpusvm_layout::make({svm::cpu_va{}, 1_TiB}, 2_MiB, chunks, page_size), {}};

  explicit computer(svm::page_order order = {}) { program.mmap(buffer, order); }
  ~computer() {
    program.exit();
    driver.close();
    CHECK(device_memory.available() == 1_MiB);
    CHECK(gpu.dma_mappings() == 0);
  }

  static svm::cpu_va at(std::uint64_t i) { return buffer.start() + page_size * i; }
  void store_all() {
    for (std::uint64_t i = 0; i < pages; ++i) REQUIRE(program.store(at(i), i + 100));
  }
  /// True when the process reads what it stored, without a page that comes back for it.
  bool holds_all() {
    svm::byte_count const before = device_memory.available();
    bool holds = true;
    for (std::uint64_t i = 0; i < pages; ++i) holds = holds && program.load(at(i)) == i + 100;
    return holds && device_memory.available() == before;
  }
  [[nodiscard]] std::uint64_t pages_there() const { return (1_MiB - available()).value / page_size.value; }
  [[nodiscard]] svm::byte_count available() const { return const_cast<vram&>(device_memory).available(); }
  std::optional<std::uint64_t> gpu_load(svm::cpu_va a) {
    for (int tries = 0; tries < 4; ++tries) {
      if (auto const value = gpu.load(a)) return value;
      if (driver.fault(a, svm::access_kind::read) != svm::errc::ok) break;
    }
    return std::nullopt;
  }
};

}  // namespace

TEST_SUITE("conformance/collect_into") {
  TEST_CASE("a process that collects into destinations keeps its promises") {
    CHECK(found_in(flaw::none) == kept);
  }

  TEST_CASE("one that is broken in one way is reported with that promise alone") {
    using enum flaw;
    CHECK(found_in(takes_what_has_no_place) == migration(25));
    CHECK(found_in(says_that_others_copy) == migration(26));
    CHECK(found_in(moves_no_bytes) == migration(26));
    CHECK(found_in(leaves_blocks_unlike) == migration(27));
    CHECK(found_in(wants_places_for_device_pages) == migration(2));
    CHECK(found_in(leaves_bytes_there) == migration(28));
    CHECK(found_in(leaves_all_but_the_first_there) == migration(28));
    CHECK(found_in(discards_where_it_fails) == migration(29));
    CHECK(found_in(installs_no_bytes) == migration(30));
  }
}

TEST_SUITE("pagemap/collect_into") {
  TEST_CASE("a buffer goes to the device and back whatever its blocks, and nobody copies what the session moves") {
    for (std::uint8_t const order : {std::uint8_t{0}, std::uint8_t{2}, std::uint8_t{4}}) {
      CAPTURE(order);
      computer pc{{order}};
      pc.store_all();
      for (int round = 0; round < 2; ++round) {
        for (std::uint64_t i = 0; i < pc.pages; ++i) CHECK(pc.gpu_load(pc.at(i)) == i + 100);
        CHECK(pc.pages_there() == pc.pages);
        for (std::uint64_t i = 0; i < pc.pages; ++i) CHECK(pc.program.load(pc.at(i)) == i + 100);
        CHECK(pc.pages_there() == 0);
      }
      CHECK(pc.device_memory.copies == 0);
    }
  }

  TEST_CASE("holes become cleared pages, beside pages that were moved and are not cleared over") {
    computer pc;
    for (std::uint64_t i = 0; i < pc.pages; i += 2) REQUIRE(pc.program.store(pc.at(i), i + 100));
    CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::ok);
    CHECK(pc.pages_there() == pc.pages);
    for (std::uint64_t i = 0; i < pc.pages; ++i) CHECK(pc.program.load(pc.at(i)) == (i % 2 == 0 ? i + 100 : 0));
    CHECK(pc.device_memory.copies == 0);
  }

  TEST_CASE("an eviction brings everything back, by allocation and by span") {
    for (bool const by_span : {false, true}) {
      computer pc{{2}};
      pc.store_all();
      REQUIRE(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::ok);
      CHECK((by_span ? pc.mover.evict_span(pc.program, pc.buffer) : pc.mover.evict_all()) == svm::errc::ok);
      CHECK(pc.pages_there() == 0);
      CHECK(pc.holds_all());
      CHECK(pc.device_memory.copies == 0);
    }
  }

  TEST_CASE("a page that is refused keeps all in system memory, with what the others had moved back") {
    for (std::uint8_t const order : {std::uint8_t{0}, std::uint8_t{2}}) {
      computer pc{{order}};
      pc.store_all();
      svm::page_run<page> room[1];
      svm::va_range const ninth{pc.at(9), page_size};
      svm::page_walk<process> walk{ninth, room};
      pc.program.snapshot(ninth, walk);
      wide::frame& pinned = pc.memory.block(room[0].page);
      ++pinned.references;
      CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::in_use);
      --pinned.references;
      CHECK(pc.pages_there() == 0);
      CHECK(pc.holds_all());
      CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::ok);
      CHECK(pc.pages_there() == pc.pages);
    }
  }

  TEST_CASE("a collect that fails leaves no device memory taken") {
    computer pc;
    pc.store_all();
    pc.program.before_collect = [] { return svm::errc::busy; };
    CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::busy);
    CHECK(pc.pages_there() == 0);
    CHECK(pc.holds_all());
  }

  TEST_CASE("blocks stay whole where device memory has larger ones") {
    computer pc{{2}};
    pc.store_all();
    svm::va_range const most{pc.at(4), page_size * 12};
    CHECK(pc.mover.migrate_to_device(pc.program, most, {}) == svm::errc::ok);
    svm::page_run<page> room[16];
    svm::page_walk<process> walk{most, room};
    pc.program.snapshot(most, walk);
    CHECK(walk.is_complete());
    for (auto const& run : walk.runs()) CHECK(pc.memory.block(run.page).order == svm::page_order{2});
    for (std::uint64_t i = 0; i < pc.pages; ++i) CHECK(pc.program.load(pc.at(i)) == i + 100);
  }

  TEST_CASE("only what differs moves, and what is here stays in its place") {
    computer pc;
    pc.store_all();
    svm::va_range const middle{pc.at(3), page_size * 6};
    REQUIRE(pc.mover.migrate_to_device(pc.program, middle, {}) == svm::errc::ok);
    CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::busy);
    CHECK(pc.pages_there() == 6);
    CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {.only_what_differs = true}) == svm::errc::ok);
    CHECK(pc.pages_there() == pc.pages);
    CHECK(pc.device_memory.copies == 0);
    for (std::uint64_t i = 0; i < pc.pages; ++i) CHECK(pc.program.load(pc.at(i)) == i + 100);
  }

  TEST_CASE("pages that leave while places are given keep the others where they are") {
    svm::migrate_options<policies> const what_differs{.only_what_differs = true};
    for (bool const to_peer : {false, true}) {
      CAPTURE(to_peer);
      computer pc;
      wide::gpu peer{pc.memory, {gpu_owner.group, gpu_owner.member + 1}, wide::gpu::bounce::no};
      vram peer_memory{pc.memory, peer, 1_MiB};
      svm::migrator<policies> to_other{{pc.program, peer, peer_memory, pc.heap, pc.clock, pc.observer}};
      pc.store_all();
      svm::va_range const middle{pc.at(3), page_size * 6};
      REQUIRE(pc.mover.migrate_to_device(pc.program, middle, {}) == svm::errc::ok);
      pc.program.before_collect = [&] {
        return to_peer ? to_other.migrate_to_device(pc.program, middle, {}) : pc.mover.evict_all();
      };
      CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, what_differs) == svm::errc::busy);
      CHECK(pc.pages_there() == 0);
      CHECK(peer_memory.available() == (to_peer ? 1_MiB - middle.size() : 1_MiB));
      CHECK(to_other.evict_all() == svm::errc::ok);
      CHECK(pc.holds_all());
      static_cast<void>(svm::mock::lock_report().take());  // what came between took the map lock in its own thread
    }
  }

  TEST_CASE("pages that are here may move within the memory, copied by their device") {
    computer pc;
    pc.store_all();
    REQUIRE(pc.mover.migrate_to_device(pc.program, pc.buffer, {}) == svm::errc::ok);
    CHECK(pc.mover.migrate_to_device(pc.program, pc.buffer, {.same_pagemap = true}) == svm::errc::ok);
    CHECK(pc.device_memory.copies != 0);
    CHECK(pc.pages_there() == pc.pages);
    for (std::uint64_t i = 0; i < pc.pages; ++i) CHECK(pc.program.load(pc.at(i)) == i + 100);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What a fault takes and writes, counted; and what waits for those that look without a lock.

#include <svm/gpusvm/gpusvm.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/cancel_after.hpp>
#include <support/counting_lock.hpp>
#include <support/scripted.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/gpusvm/page_mapper.hpp>
#include <svm/placement/uvm_placement.hpp>

using support::counting_lock;
using svm::access_kind;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::va_range;

namespace {

/// A policy that decides page by page changes nothing where nobody made a service of it.
struct policies : support::scripted_policies<4096> {
  using lock = counting_lock;
  using placement = svm::placement::uvm_placement;
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
    auto const shape = svm::gpusvm_layout::make(va_range{cpu_va{}, byte_count{std::uint64_t{1} << 31}},
                                                byte_count{2 << 20}, chunks, byte_count{page_bytes});
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

  TEST_CASE("a fault that was cancelled is interrupted, though its access is allowed already") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    support::cancel_after stop{0};
    CHECK(s.driver->fault(page_at(0), access_kind::write, &stop) == errc::interrupted);
    support::cancel_after later{1};
    CHECK(s.driver->fault(page_at(0), access_kind::write, &later) == errc::ok);
  }

  TEST_CASE("a fault that makes a range takes two locks, and the heap has no part in it once the driver is warm") {
    scene s;
    for (std::uint64_t n = 0; n < 3; ++n) REQUIRE(s.fault(n) == errc::ok);
    s.remove(2);
    s.mover->readers().synchronize();
    auto const done = s.counted_fault(2);
    CHECK(done.exclusive == 2);  // of the pool of ranges, and of the notifier
    CHECK(done.shared == 0);
    CHECK(done.sections == 1);
    // References of the notifier, taken twice and given once, while the one on the range goes to the index; the word of the
    // mapping, when it is mapped and when it is bound; two keys and two entries of a bucket.
    CHECK(done.written == 3 + 2 + 4);
    CHECK(s.allocations == 0);
  }

  TEST_CASE("a fault of a process that is gone finds no memory, also where a notifier is there") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    std::uint64_t const walks = s.mm.walks;
    std::uint32_t const users = std::exchange(s.mm.users, 0);
    CHECK(s.fault(1) == errc::mm_gone);
    svm::fault_request const two[] = {{page_at(1), access_kind::read}, {page_at(2), access_kind::read}};
    errc answers[] = {errc::ok, errc::ok};
    CHECK(s.driver->fault_batch(two, answers) == 0);
    CHECK(answers[0] == errc::mm_gone);
    CHECK(answers[1] == errc::mm_gone);
    CHECK(s.mm.walks == walks);
    s.mm.users = users;
    CHECK(s.fault(1) == errc::ok);
  }

  TEST_CASE("what a call for several mappings has mapped when it fails goes under the notifier's lock") {
    scene s;
    auto& ranges = s.driver->svm();
    svm::device_mapping<policies> other{s.env};
    auto held = ranges.lock_range(ranges.find_or_insert(base, {})->range);
    REQUIRE(ranges.attach(held, other) == errc::ok);
    svm::device_mapping<policies>* const all[] = {&svm::gpusvm<policies>::own_mapping(held), &other};
    s.device.fail_at = s.device.calls + 2;
    counting_lock::done = {};
    CHECK(ranges.get_pages(held, all, {}) == errc::dma_map_failed);
    CHECK(counting_lock::done.notifiers == 3);  // to map the first one, to try the second, and to drop the first
    CHECK(s.device.live.size() == 0);
    s.device.fail_at = 0;
    ranges.detach(held, other);
  }

  TEST_CASE(
      "a range is opened for single pages, and closed again, under the notifier's lock, as its pages are mapped") {
    scene s;
    auto& ranges = s.driver->svm();
    REQUIRE(s.fault(0) == errc::ok);
    svm::page_mapper<policies> mapper{s.env};
    auto held = ranges.lock_range(ranges.find(page_at(0)));
    svm::page_mask const first{svm::page_span{0, 1}};
    auto const locks = [](auto&& call) {
      counting_lock::done = {};
      call();
      return counting_lock::done.notifiers;
    };
    CHECK(locks([&] { CHECK(mapper.open(held) == errc::ok); }) == 1);
    CHECK(locks([&] { CHECK(mapper.open(held) == errc::ok); }) == 0);
    REQUIRE(mapper.map(held, first, svm::mapping_access::read_write, nullptr) == errc::ok);
    CHECK(s.device.live.size() == 1);
    CHECK(locks([&] { CHECK(svm::page_mapper<policies>::serving(held, access_kind::write) == first); }) == 1);
    CHECK(locks([&] { mapper.unmap(held, first); }) == 1);
    CHECK(s.device.live.size() == 0);
    CHECK(locks([&] { mapper.close(held); }) == 1);
  }

  TEST_CASE("no page of a range that was removed is mapped") {
    scene s;
    auto& ranges = s.driver->svm();
    REQUIRE(s.fault(0) == errc::ok);
    svm::page_mapper<policies> mapper{s.env};
    auto const kept = ranges.find(page_at(0));
    auto held = ranges.lock_range(kept);
    REQUIRE(mapper.open(held) == errc::ok);
    ranges.remove(std::move(held));
    std::uint64_t const walks = s.mm.walks;
    auto again = ranges.lock_range(kept);
    CHECK(mapper.map(again, svm::page_mask{svm::page_span{0, 1}}, svm::mapping_access::read_only, nullptr) ==
          errc::gone);
    CHECK(s.mm.walks == walks);
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

  TEST_CASE("a batch of faults on ranges that are bound takes no lock, and one section") {
    scene s;
    for (std::uint64_t n = 0; n < 40; ++n) REQUIRE(s.fault(n) == errc::ok);
    std::vector<svm::fault_request> requests;
    for (std::uint64_t n = 40; n-- > 0;) requests.push_back({page_at(n), access_kind::write});
    std::vector<errc> results(requests.size(), errc::lost);
    counting_lock::done = {};
    s.allocations = 0;
    CHECK(s.driver->fault_batch(requests, results) == requests.size());
    CHECK(std::ranges::count(results, errc::ok) == 40);
    CHECK(counting_lock::done.exclusive + counting_lock::done.shared == 0);
    CHECK(counting_lock::done.written == 0);
    CHECK(counting_lock::done.sections == 1);
    CHECK(s.allocations == 0);
  }

  TEST_CASE("a batch of faults without ranges binds eight of them in one hold of their notifier's lock") {
    // Two notifiers, in which there is a range already; the addresses come in no order, and some twice.
    constexpr std::uint64_t second = 512;
    auto const requests_of = [](std::initializer_list<std::uint64_t> pages) {
      std::vector<svm::fault_request> all;
      for (std::uint64_t const n : pages) all.push_back({page_at(n), access_kind::write});
      return all;
    };
    auto const requests = requests_of({3, second + 9, 1, 3, second + 1, 5, 7, 1});
    auto const run = [&](bool together) {
      scene s;
      REQUIRE(s.fault(100) == errc::ok);
      REQUIRE(s.fault(second + 100) == errc::ok);
      std::vector<errc> results(requests.size(), errc::lost);
      counting_lock::done = {};
      if (together)
        CHECK(s.driver->fault_batch(requests, results) == requests.size());
      else
        for (std::size_t i = 0; i < requests.size(); ++i)
          results[i] = s.driver->fault(requests[i].at, requests[i].want);
      auto const done = counting_lock::done;
      CHECK(std::ranges::count(results, errc::ok) == 8);
      CHECK(s.driver->svm().check());
      for (svm::fault_request const& r : requests) {
        auto const found = s.driver->svm().find(r.at);
        REQUIRE(found);
        CHECK(found->mapping().has(svm::page_flag::bound));
      }
      return done;
    };
    auto const alone = run(false);
    auto const together = run(true);
    CHECK(together.notifiers == 2);
    CHECK(together.sections == 1 + 2);
    CHECK(alone.notifiers >= 6);
    CHECK(alone.sections == 8);
    CHECK(together.exclusive < alone.exclusive);
  }

  TEST_CASE("a batch answers each request for itself, whatever the others are") {
    scene s;
    REQUIRE(s.fault(0) == errc::ok);
    std::vector<svm::fault_request> const requests{{base + byte_count{std::uint64_t{1} << 29}, access_kind::read},
                                                   {page_at(5), access_kind::write},
                                                   {page_at(0), access_kind::read},
                                                   {cpu_va{std::uint64_t{1} << 40}, access_kind::read},
                                                   {page_at(6), access_kind::atomic},
                                                   {cpu_va{4096}, access_kind::read}};
    std::vector<errc> results(requests.size(), errc::lost);
    CHECK(s.driver->fault_batch(requests, results) == 2);
    CHECK(results ==
          std::vector{errc::no_vma, errc::ok, errc::ok, errc::outside_window, errc::no_atomics, errc::no_vma});
    CHECK(s.driver->fault_batch({}, {}) == 0);
  }

  TEST_CASE("a batch that is larger than a block is served whole, and so is one that advice keeps from being quick") {
    for (bool const advised : {false, true}) {
      scene s;
      svm::span_attributes said{};
      said.preferred = svm::preferred_place::system;
      if (advised) REQUIRE(s.driver->advise({base, byte_count{page_bytes}}, said) == errc::ok);
      std::vector<svm::fault_request> requests;
      for (std::uint64_t i = 0; i < 200; ++i) requests.push_back({page_at(i * 37 % 200), access_kind::write});
      std::vector<errc> results(requests.size(), errc::lost);
      CHECK(s.driver->fault_batch(requests, results) == 200);
      CHECK(s.driver->svm().check());
      CHECK(std::ranges::count(results, errc::ok) == 200);
    }
  }

  TEST_CASE("an event between the looks of a batch and its hold lets each fault be served by itself") {
    scene s;
    REQUIRE(s.fault(100) == errc::ok);
    bool disturbed = false;
    s.mm.walk = [&](policies::mm::request const& r, policies::mm::sink& found) {
      if (!std::exchange(disturbed, true)) s.mm.invalidate(va_range{page_at(2), byte_count{page_bytes}});
      policies::mm::fill(r.span, found);
      return errc::ok;
    };
    std::vector<svm::fault_request> const requests{{page_at(1), access_kind::write}, {page_at(2), access_kind::write}};
    std::vector<errc> results(2, errc::lost);
    CHECK(s.driver->fault_batch(requests, results) == 2);
    CHECK(disturbed);
    CHECK(s.driver->svm().find(page_at(1))->mapping().has(svm::page_flag::bound));
    CHECK(s.driver->svm().find(page_at(2))->mapping().has(svm::page_flag::bound));
  }

  TEST_CASE("a batch that meets the limit of ranges serves as many as fit, and leaves nothing of the others") {
    svm::driver_options options;
    options.limits.ranges = 4;
    scene s{options};
    REQUIRE(s.fault(100) == errc::ok);
    std::vector<svm::fault_request> requests;
    for (std::uint64_t n = 0; n < 6; ++n) requests.push_back({page_at(n), access_kind::write});
    std::vector<errc> results(requests.size(), errc::lost);
    CHECK(s.driver->fault_batch(requests, results) == 3);
    CHECK(results[3] == errc::quota_exceeded);
    CHECK(policies::range_data::live == 4);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/mock/gpu/engine_faults.hpp>
#include <svm/mock/gpu/fault_unit.hpp>
#include <svm/placement/fault_batch.hpp>

#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

using svm::mock::engine_faults;
using svm::mock::fault_unit;
using svm::placement::fatality;
using svm::placement::fault_access;
using svm::placement::fault_batch;
using svm::placement::fetch_mode;
using svm::placement::flush_mode;
using svm::placement::hardware_fault;
using svm::placement::merging;
using enum fault_unit::reported;

namespace {

hardware_fault fault(std::uint64_t page, unsigned microtlb = 0, fault_access access = fault_access::read,
                     std::uint64_t instance = 1) {
  return {.context = {.instance = instance}, .page = {page * 4096}, .access = access, .microtlb = microtlb};
}

std::vector<std::uint64_t> ids(std::vector<fault_unit::waiter> const& all) {
  std::vector<std::uint64_t> numbers;
  for (auto const& w : all) numbers.push_back(w.id);
  return numbers;
}
std::vector<std::uint64_t> pages(fault_batch<fault_unit, 8> const& batch) {
  std::vector<std::uint64_t> numbers;
  for (unsigned i = 0; i < batch.coalesced(); ++i) numbers.push_back(batch.entry(i).fault.page.value / 4096);
  return numbers;
}
using list = std::vector<std::uint64_t>;

}  // namespace

TEST_SUITE("mock/fault_unit") {
  TEST_CASE("faults come out of the ring in the order in which they were written, round its end too") {
    fault_unit unit{{.entries = 4}};
    fault_batch<fault_unit, 8> batch{unit};
    for (std::uint64_t n = 0; n < 12; n += 3) {
      for (std::uint64_t i = n; i < n + 3; ++i) CHECK(unit.stall(i, fault(i)) == written);
      CHECK(batch.fetch(fetch_mode::ready));
      CHECK(pages(batch) == list{n, n + 1, n + 2});
      CHECK(unit.get() == unit.put());
      CHECK(ids(unit.replay()) == list{n, n + 1, n + 2});
    }
    CHECK(unit.replays() == 4);
    CHECK(unit.waiting().empty());
  }

  TEST_CASE("a fault that finds the ring full is lost, and comes again with the next replay") {
    fault_unit unit{{.entries = 4}};
    fault_batch<fault_unit, 8> batch{unit};
    for (std::uint64_t i = 0; i < 5; ++i) CHECK(unit.stall(i, fault(i)) == (i < 3 ? written : lost));
    CHECK(unit.overflows() == 2);
    CHECK(batch.fetch(fetch_mode::all));
    CHECK(pages(batch) == list{0, 1, 2});
    auto const all = unit.replay();
    CHECK(ids(all) == list{0, 1, 2, 3, 4});
    for (auto const& w : all)
      if (w.id >= 3) CHECK(unit.stall(w.id, w.what) == written);
    CHECK(batch.fetch(fetch_mode::all));
    CHECK(pages(batch) == list{3, 4});
  }

  TEST_CASE("a uTLB that waits for a page reports it once more only for an access that needs more, or after a replay") {
    fault_unit unit{{.merges = true}};
    CHECK(unit.stall(1, fault(7, 0)) == written);
    CHECK(unit.stall(2, fault(7, 0)) == merged);
    CHECK(unit.stall(3, fault(7, 1)) == written);
    CHECK(unit.stall(4, fault(8, 0)) == written);
    CHECK(unit.stall(5, fault(7, 0, fault_access::read, 2)) == written);
    CHECK(unit.stall(6, fault(7, 0, fault_access::write)) == written);
    CHECK(unit.stall(7, fault(7, 0, fault_access::write)) == merged);
    CHECK(unit.merged() == 2);
    CHECK(unit.put() == 5);
    CHECK(ids(unit.replay()) == list{1, 2, 3, 4, 5, 6, 7});
    CHECK(unit.stall(1, fault(7, 0)) == written);
    fault_unit plain;
    CHECK(plain.stall(1, fault(7)) == written);
    CHECK(plain.stall(2, fault(7)) == written);
  }

  TEST_CASE("an entry that has not landed ends a fetch of what is ready, and is waited for by one of all") {
    fault_unit unit{{.lands_late = true}};
    fault_batch<fault_unit, 8> batch{unit};
    for (std::uint64_t i = 0; i < 3; ++i) CHECK(unit.stall(i, fault(i)) == written);
    CHECK_FALSE(unit.is_valid(0));
    CHECK(batch.fetch(fetch_mode::ready));
    CHECK(pages(batch) == list{0});  // the first is waited for
    CHECK(batch.fetch(fetch_mode::all));
    CHECK(pages(batch) == list{1, 2});
    CHECK_FALSE(unit.wait());
  }

  TEST_CASE("a flush up to the PUT that is known leaves what came later, and one up to the device's leaves nothing") {
    fault_unit unit;
    fault_batch<fault_unit, 8> batch{unit, 1};
    CHECK(unit.stall(1, fault(1)) == written);
    CHECK(unit.stall(2, fault(2)) == written);
    CHECK(batch.fetch(fetch_mode::ready));  // reads PUT, takes one
    CHECK(unit.stall(3, fault(3)) == written);
    CHECK(batch.flush(flush_mode::cached_put));
    CHECK(unit.get() == 2);
    CHECK(batch.flush(flush_mode::update_put));
    CHECK(unit.get() == 3);
    CHECK(ids(unit.replay()) == list{1, 2, 3});  // what was flushed waits all the same
  }

  TEST_CASE("a cancel ends the accesses of one uTLB to one page, all of them or those that write") {
    fault_unit unit;
    CHECK(unit.stall(1, fault(5, 0)) == written);
    CHECK(unit.stall(2, fault(5, 1)) == written);
    CHECK(unit.stall(3, fault(6, 0)) == written);
    CHECK(unit.stall(4, fault(5, 0, fault_access::write)) == written);
    CHECK(unit.stall(5, fault(5, 0, fault_access::atomic_weak, 2)) == written);
    CHECK(ids(unit.cancel({5 * 4096}, 0, fatality::write_and_atomic)) == list{4, 5});
    CHECK(ids(unit.cancel({5 * 4096}, 0, fatality::all)) == list{1});
    CHECK(ids(unit.waiting()) == list{2, 3});
    CHECK(unit.stall(6, fault(9, 3, fault_access::read, 2)) == written);
    CHECK(ids(unit.cancel({.instance = 1})) == list{2, 3});
    CHECK(ids(unit.replay()) == list{6});
  }
}

TEST_SUITE("mock/engine_faults") {
  TEST_CASE("engines' faults come one by one, and those of a channel that ends go") {
    engine_faults unit;
    CHECK(unit.empty());
    CHECK(unit.report(fault(1, 0, fault_access::read, 1)));
    CHECK(unit.report(fault(2, 0, fault_access::read, 2)));
    CHECK(unit.report(fault(3, 0, fault_access::write, 1)));
    CHECK(unit.take().page.value == 4096);
    unit.cancel({.instance = 1});
    CHECK(unit.has_ended({.instance = 1}));
    CHECK_FALSE(unit.has_ended({.instance = 2}));
    CHECK_FALSE(unit.report(fault(4, 0, fault_access::read, 1)));
    CHECK(unit.take().page.value == 2 * 4096);
    CHECK(unit.empty());
  }

  TEST_CASE("an engine that finds no room ends its channel, and leaves room for others") {
    engine_faults unit{2};
    CHECK(unit.report(fault(1, 0, fault_access::read, 1)));
    CHECK(unit.report(fault(2, 0, fault_access::read, 2)));
    CHECK_FALSE(unit.report(fault(3, 0, fault_access::read, 1)));
    CHECK(unit.has_ended({.instance = 1}));
    CHECK(unit.report(fault(4, 0, fault_access::read, 2)));
    CHECK(unit.take().page.value == 2 * 4096);
  }
}

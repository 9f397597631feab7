// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/fault_batch.hpp>

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"
#include "placement/rings.hpp"

using namespace svm;
using namespace svm::placement;
using rings::fault;
using rings::ring;

namespace {

using batch_type = fault_batch<ring>;
using enum fault_access;

auto const one_space = [](fault_context const&) {
  return translated{.what = translated::kind::live, .space = 1, .gpu = gpu(0)};
};

std::vector<std::uint64_t> pages_in_order(batch_type const& b) {
  std::vector<std::uint64_t> v;
  for (unsigned i = 0; i < b.coalesced(); ++i) v.push_back(b.ordered(i).fault.page.value / 4096);
  return v;
}

}  // namespace

TEST_SUITE("placement/fault_batch") {
  TEST_CASE("a batch takes what is in the ring, up to its limit, and tells the device once") {
    ring r;
    for (unsigned n = 0; n < 300; ++n) r.push(fault(n));
    batch_type b{r};
    CHECK(b.fetch(fetch_mode::ready));
    CHECK(b.coalesced() == 256);
    CHECK(b.cached() == 256);
    CHECK(r.get == 256);
    CHECK(r.gets_written == 1);
    CHECK(b.fetch(fetch_mode::ready));
    CHECK(b.coalesced() == 44);
    CHECK(r.puts_read == 1);  // the PUT of the first time was not reached before
    CHECK(b.fetch(fetch_mode::ready));
    CHECK(b.coalesced() == 0);
    CHECK(r.puts_read == 2);
    CHECK(r.gets_written == 2);  // nothing was taken
    ring small;
    for (unsigned n = 0; n < 9; ++n) small.push(fault(n));
    batch_type few{small, 4};
    few.fetch(fetch_mode::ready);
    CHECK(few.coalesced() == 4);
  }

  TEST_CASE("the size of a batch counts entries that were merged") {
    ring r;
    for (unsigned n = 0; n < 300; ++n) r.push(fault(n < 200 ? 7 : n));
    batch_type b{r};
    b.fetch(fetch_mode::ready);
    CHECK(b.cached() == 256);
    CHECK(b.coalesced() == 57);
    b.fetch(fetch_mode::all);
    CHECK(b.cached() == 44);
    for (unsigned n = 0; n < 300; ++n) r.push(fault(7));
    b.fetch(fetch_mode::all);
    CHECK(b.cached() == 300);
    CHECK(b.coalesced() == 1);
  }

  TEST_CASE("the ring goes round") {
    ring r{8};
    batch_type b{r};
    for (unsigned round = 0; round < 5; ++round) {
      for (unsigned n = 0; n < 5; ++n) r.push(fault(10 * round + n));
      CHECK(b.fetch(fetch_mode::ready));
      CHECK(b.coalesced() == 5);
      CHECK(b.entry(4).fault.page.value == (10 * round + 4) * 4096);
      CHECK(r.get == (round + 1) * 5 % 8);
    }
  }

  TEST_CASE("an entry that is not valid yet ends a batch of what is ready, and is waited for when it is the first") {
    ring r;
    r.push(fault(1));
    r.push(fault(2), false);
    r.push(fault(3));
    batch_type b{r};
    CHECK(b.fetch(fetch_mode::ready));
    CHECK(b.coalesced() == 1);
    CHECK(r.waits == 0);
    CHECK(b.fetch(fetch_mode::ready));
    CHECK(b.coalesced() == 2);
    CHECK(r.waits == 1);
    r.push(fault(4));
    r.push(fault(5), false);
    CHECK(b.fetch(fetch_mode::all));
    CHECK(b.coalesced() == 2);
    CHECK(r.waits == 2);
  }

  TEST_CASE("a device that failed ends the fetch, with what was taken") {
    ring r;
    r.push(fault(1));
    r.push(fault(2), false);
    r.alive = false;
    batch_type b{r};
    CHECK_FALSE(b.fetch(fetch_mode::all));
    CHECK(b.coalesced() == 1);
    CHECK(r.get == 1);
  }

  TEST_CASE("faults of one uTLB on its last page merge, and the most intrusive one speaks") {
    ring r;
    r.push(fault(1, read, 0));
    r.push(fault(2, read, 1));
    r.push(fault(1, write, 0));  // not the batch's last, but its uTLB's
    r.push(fault(1, prefetch, 0));
    batch_type b{r};
    b.fetch(fetch_mode::ready);
    REQUIRE(b.coalesced() == 2);
    CHECK(b.cached() == 4);
    CHECK(b.entry(0).instances == 3);
    CHECK(b.entry(0).fault.access == write);
    CHECK(b.entry(0).accesses.contains(read));
    CHECK(b.entry(0).accesses.contains(write));
    CHECK(b.entry(0).accesses.contains(prefetch));
    CHECK_FALSE(b.entry(0).accesses.contains(atomic_weak));
    CHECK(b.entry(1).instances == 1);
  }

  TEST_CASE("a fault of another uTLB merges with the batch's last one unless it is more intrusive") {
    ring r;
    r.push(fault(1, write, 0));
    r.push(fault(1, read, 1));
    r.push(fault(1, write, 2));
    r.push(fault(1, atomic_weak, 3));
    batch_type b{r};
    b.fetch(fetch_mode::ready);
    REQUIRE(b.coalesced() == 2);
    CHECK(b.entry(0).instances == 3);
    CHECK(b.entry(1).fault.access == atomic_weak);
  }

  TEST_CASE("faults of another context, page, or kind do not merge") {
    ring r;
    r.push(fault(1, read, 0, 1));
    r.push(fault(1, read, 0, 2));
    hardware_fault sub = fault(1, read, 0, 2);
    sub.context.sub_context = 1;
    r.push(sub);
    r.push(fault(2, read, 0, 2));
    hardware_fault fatal = fault(2, read, 0, 2);
    fatal.is_fatal = true;
    r.push(fatal);
    batch_type b{r};
    b.fetch(fetch_mode::ready);
    CHECK(b.coalesced() == 5);
  }

  TEST_CASE("merging can be switched off, wholly or between uTLBs") {
    for (merging const m : {merging::all, merging::one_microtlb, merging::none}) {
      ring r;
      for (unsigned n = 0; n < 3; ++n) r.push(fault(1, read, 0));
      r.push(fault(1, read, 1));
      batch_type b{r};
      b.fetch(fetch_mode::ready, m);
      CHECK(b.coalesced() == (m == merging::all ? 1 : m == merging::one_microtlb ? 2 : 4));
    }
  }

  TEST_CASE("every sequence of four faults on two pages and two uTLBs merges as a model does") {
    struct group {
      unsigned page, utlb, access, instances, mask;
    };
    constexpr unsigned kinds = 2 * 2 * 3;
    for (unsigned code = 0; code < kinds * kinds * kinds * kinds; ++code) {
      ring r{8};
      std::vector<group> model;
      int last_of[2] = {-1, -1};
      for (unsigned n = 0, rest = code; n < 4; ++n, rest /= kinds) {
        unsigned const page = rest % 2, utlb = rest / 2 % 2, access = rest / 4 % 3;
        r.push(fault(page, static_cast<fault_access>(access), utlb));
        int const mine = last_of[utlb];
        int into = -1;
        if (mine >= 0 && model[static_cast<unsigned>(mine)].page == page)
          into = mine;
        else if (!model.empty() && model.back().page == page && access <= model.back().access)
          into = static_cast<int>(model.size()) - 1;
        if (into < 0) {
          last_of[utlb] = static_cast<int>(model.size());
          model.push_back({page, utlb, access, 1, 1u << access});
        } else {
          group& g = model[static_cast<unsigned>(into)];
          ++g.instances;
          g.mask |= 1u << access;
          if (access > g.access) g.access = access;
        }
      }
      fault_batch<ring, 8, 2> b{r};
      b.fetch(fetch_mode::ready);
      INFO("code " << code);
      REQUIRE(b.cached() == 4);
      REQUIRE(b.coalesced() == model.size());
      for (unsigned i = 0; i < model.size(); ++i) {
        REQUIRE(b.entry(i).fault.page.value == model[i].page * 4096);
        REQUIRE(b.entry(i).instances == model[i].instances);
        REQUIRE(b.entry(i).fault.access == static_cast<fault_access>(model[i].access));
        for (unsigned a = 0; a < 3; ++a)
          REQUIRE(b.entry(i).accesses.contains(static_cast<fault_access>(a)) == ((model[i].mask >> a & 1) != 0));
      }
    }
  }

  TEST_CASE("faults are ordered by space, GPU, page, and the most intrusive access first") {
    ring r;
    r.push(fault(9, read, 0, 30));
    r.push(fault(5, read, 1, 20));
    r.push(fault(5, write, 2, 20));
    r.push(fault(7, read, 3, 10));
    r.push(fault(2, read, 4, 10));
    batch_type b{r};
    b.fetch(fetch_mode::ready);
    REQUIRE(b.coalesced() == 5);
    std::vector<std::uint64_t> asked;
    auto const said = b.order([&](fault_context const& c) {
      asked.push_back(c.instance);
      // 30 is the first space; 20 and 10 are GPUs of the second.
      return translated{
          .what = translated::kind::live, .space = c.instance == 30 ? 1u : 2u, .gpu = gpu(c.instance == 20)};
    });
    CHECK(said == translated::kind::live);
    CHECK(asked == std::vector<std::uint64_t>{10, 20, 30});
    CHECK(pages_in_order(b) == std::vector<std::uint64_t>{9, 2, 7, 5, 5});
    CHECK(b.ordered(3).fault.access == write);
    CHECK(b.next_block(0).size() == 1);
    CHECK(b.next_block(1).size() == 2);
    CHECK(b.next_block(3).size() == 2);
  }

  TEST_CASE("a context that is stale or dead ends the ordering, and says so") {
    for (auto const what : {translated::kind::stale, translated::kind::dead}) {
      ring r;
      r.push(fault(1, read, 0, 1));
      r.push(fault(2, read, 0, 2));
      batch_type b{r};
      b.fetch(fetch_mode::ready);
      CHECK(b.order([&](fault_context const& c) {
        return translated{.what = c.instance == 1 ? translated::kind::live : what, .gpu = gpu(0)};
      }) == what);
    }
  }

  TEST_CASE("a block ends at a multiple of 2 MiB") {
    ring r;
    for (std::uint64_t const page : {1024u, 511u, 512u, 513u, 1023u, 0u})
      r.push(fault(page, read, static_cast<unsigned>(page % 8)));
    batch_type b{r};
    b.fetch(fetch_mode::ready);
    REQUIRE(b.order(one_space) == translated::kind::live);
    CHECK(b.next_block(0).size() == 2);
    CHECK(b.next_block(2).size() == 3);
    CHECK(b.next_block(5).size() == 1);
  }

  TEST_CASE("256 faults in any order are sorted") {
    masks::random random{3};
    for (unsigned round = 0; round < 20; ++round) {
      ring r;
      for (unsigned n = 0; n < 256; ++n)
        r.push(fault(random.below(2000), static_cast<fault_access>(random.below(5)), n % 8));
      batch_type b{r};
      b.fetch(fetch_mode::ready);
      unsigned instances = 0;
      REQUIRE(b.order(one_space) == translated::kind::live);
      for (unsigned i = 0; i < b.coalesced(); ++i) {
        fault_entry const& e = b.ordered(i);
        instances += e.instances;
        if (i == 0) continue;
        fault_entry const& before = b.ordered(i - 1);
        REQUIRE(before.fault.page <= e.fault.page);
        if (before.fault.page == e.fault.page) REQUIRE(before.fault.access >= e.fault.access);
      }
      CHECK(instances == 256);
    }
  }

  TEST_CASE("a flush throws away what is there, up to the known PUT or up to the device's") {
    for (auto const mode : {flush_mode::cached_put, flush_mode::update_put}) {
      ring r;
      for (unsigned n = 0; n < 3; ++n) r.push(fault(n));
      batch_type b{r, 1};
      b.fetch(fetch_mode::ready);
      r.push(fault(7), false);
      CHECK(b.flush(mode));
      CHECK(r.get == (mode == flush_mode::update_put ? 4 : 3));
      CHECK(r.waits == (mode == flush_mode::update_put ? 1 : 0));
      CHECK(b.coalesced() == 1);  // the batch itself stays
      b.fetch(fetch_mode::ready);
      CHECK(b.coalesced() == (mode == flush_mode::update_put ? 0 : 1));
    }
  }

  TEST_CASE("an interrupt is for nothing when neither the known PUT, the next entry nor the device has a fault") {
    ring r;
    batch_type b{r, 1};
    CHECK_FALSE(b.is_pending());
    CHECK(r.puts_read == 1);
    r.push(fault(1), false);
    CHECK(b.is_pending());  // PUT moved
    CHECK(r.puts_read == 2);
    CHECK(b.is_pending());  // it is known
    CHECK(r.puts_read == 2);
    b.fetch(fetch_mode::ready);
    CHECK_FALSE(b.is_pending());
    r.push(fault(2));
    unsigned const read_before = r.puts_read;
    CHECK(b.is_pending());  // the entry is valid
    CHECK(r.puts_read == read_before);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/op_list.hpp>

#include "bind_world.hpp"
#include "support/assertions.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace bind_test;
using svm::errc;

namespace {

/// Five mappings of four units each, and a request that cuts the outer two: two remaps, three unmaps, a map.
void fill_five(world& w) {
  for (std::uint64_t i = 0; i < 5; ++i) w.put(&w.a, 4 * i, 4 * i + 4, 1000 * i);
}
extent over_five(world& w) {
  return {va(2), bytes(16), &w.b, 0};
}

}  // namespace

TEST_SUITE("gpuvm/op_list") {
  TEST_CASE("OPL-02, OPL-04: a list can be looked at twice and dropped; all memory returns, the space never changes") {
    world w;
    fill_five(w);
    std::uint64_t const before = w.hash();
    std::size_t const out = w.memory.outstanding();
    {
      list l(w.vm);
      REQUIRE(l.plan_map(over_five(w)) == errc::ok);
      CHECK(l.size() == 6);
      std::string const first = text(l);
      CHECK(first ==
            "remap(a 0-4@0 prev=a 0-2@0) unmap(a 4-8@1000) unmap(a 8-12@2000) unmap(a 12-16@3000) "
            "remap(a 16-20@4000 next=a 18-20@4002) map(b 2-18@0)");
      CHECK(text(l) == first);
      CHECK(w.memory.outstanding() > out);
    }
    CHECK(w.memory.outstanding() >= out);  // index nodes stay with the space as spares
    CHECK(w.memory.mismatches == 0);
    CHECK(w.hash() == before);
  }

  TEST_CASE("OPL-03: the allocator failing at any call empties the list and leaves the space alone") {
    for (std::uint64_t k = 1;; ++k) {
      CAPTURE(k);
      world w;
      fill_five(w);
      std::uint64_t const before = w.hash();
      w.memory.calls = 0;
      w.memory.fail_at = k;
      bool failed = false;
      {
        list l(w.vm);
        errc const e = l.plan_map(over_five(w));
        failed = e != errc::ok;
        if (failed) {
          CHECK(e == errc::no_memory);
          CHECK(l.empty());
          w.memory.fail_at = 0;
          CHECK(l.plan_map(over_five(w)) == errc::ok);
        }
        CHECK(l.size() == 6);
      }
      CHECK(w.hash() == before);
      CHECK(w.memory.mismatches == 0);
      if (!failed) {
        CHECK(k > 3);
        break;
      }
    }
  }

  TEST_CASE("OPL-03: what lists and spaces allocate, they free") {
    poisoned_memory memory;
    {
      space vm(*svm::gpuvm_layout::make({0}, {1 << 20}), memory);
      list l(vm), other(vm);
      CHECK(l.plan_map({{0}, {10}, nullptr, 0}) == errc::ok);
      CHECK(other.reserve(1000) == errc::ok);
      CHECK(memory.outstanding() > 3);
    }
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("OPL-03: a list that grows gives back every array that it leaves, with the memory of the space as well") {
    poisoned_memory memory;
    std::vector<mapping> mappings(40);
    {
      space vm(*svm::gpuvm_layout::make({0}, {std::uint64_t{1} << 48}), memory);
      for (std::uint64_t i = 0; i < mappings.size(); ++i) {
        mappings[i].set_extent({va(2 * i), bytes(1), nullptr, 0});
        REQUIRE(vm.insert(mappings[i]) == errc::ok);
      }
      std::size_t const before = memory.outstanding();
      {
        list by_steps(vm), by_request(vm), by_word(vm);
        REQUIRE(by_steps.plan_unmap(va(0), bytes(80)) == errc::ok);
        CHECK(by_steps.size() == 40);  // in arrays of 4, 8, 16, 32 and 64
        REQUIRE(by_request.plan_unmap(va(0), bytes(7)) == errc::ok);
        REQUIRE(by_request.plan_unmap(va(0), bytes(80)) == errc::ok);
        REQUIRE(by_word.reserve(3) == errc::ok);
        REQUIRE(by_word.reserve(30) == errc::ok);
        std::size_t const arrays = memory.outstanding();
        REQUIRE(by_word.reserve(31) == errc::ok);
        CHECK(memory.outstanding() <= arrays + 1);  // a node more, and one array for another
        // Without memory for the next array it keeps the one that it has.
        memory.fail_at = memory.calls + 1;
        REQUIRE(by_word.plan_unmap(va(0), bytes(80)) == errc::no_memory);
        memory.fail_at = 0;
        REQUIRE(by_word.plan_unmap(va(0), bytes(80)) == errc::ok);
      }
      CHECK(memory.outstanding() >= before);  // index nodes stay with the space as spares
      for (mapping& m : mappings) vm.remove(m);
    }
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("a list with memory reserved is planned, applied and reverted without an allocation") {
    world w;
    for (std::uint64_t i = 0; i < 2000; ++i) w.put(&w.a, 2 * i, 2 * i + 1, i);
    list l(w.vm);
    list_driver driver(w);
    REQUIRE(l.reserve(2001) == errc::ok);
    std::uint64_t const calls = w.memory.calls;
    std::uint64_t const before = w.hash();
    REQUIRE(l.plan_map({va(0), bytes(4000), &w.b, 0}) == errc::ok);
    REQUIRE(l.apply(driver) == errc::ok);
    CHECK(w.vm.size() == 1);
    CHECK(w.vm.check());
    REQUIRE(l.revert(driver) == errc::ok);
    CHECK(w.memory.calls == calls);
    CHECK(w.hash() == before);
    CHECK(w.vm.check());
  }

  TEST_CASE("room that cannot be had is refused, and what was reserved before stays") {
    world w;
    w.put(&w.b, 8, 9);
    list l(w.vm);
    REQUIRE(l.reserve(4) == errc::ok);
    REQUIRE(l.reserve(2) == errc::ok);  // there is room for more already
    std::uint64_t const calls = w.memory.calls;
    w.memory.fail_at = calls + 1;
    CHECK(l.reserve(1'000) == errc::no_memory);
    CHECK(w.memory.calls == calls + 1);
    w.memory.fail_at = 0;
    list_driver driver(w);
    REQUIRE(l.plan_map({va(0), bytes(4), &w.a, 0}) == errc::ok);
    REQUIRE(l.apply(driver) == errc::ok);
    CHECK(w.memory.calls == calls + 1);
    CHECK(w.picture() == "a 0-4@0, b 8-9@0");
  }

  TEST_CASE(
      "VMS-22, OPL-06: a driver that refuses step k has the steps before it undone in reverse, the space untouched") {
    for (bool const in_place : {true, false})
      for (std::uint64_t k = 1; k <= 6; ++k) {
        CAPTURE(k);
        world w;
        w.in_place = in_place;
        fill_five(w);
        std::uint64_t const before = w.hash();
        std::size_t const mappings = w.live.size();
        list l(w.vm);
        list_driver driver(w);
        REQUIRE(l.plan_map(over_five(w)) == errc::ok);
        std::vector<std::string> steps;
        for (operation const& op : l) steps.push_back(text(op));
        w.fail_at = k;
        std::uint64_t const calls = w.memory.calls;
        CHECK(l.apply(driver) == errc::device_gone);
        CHECK(w.memory.calls == calls);
        std::string expected;
        for (std::uint64_t i = 0; i + 1 < k; ++i) expected += (i == 0 ? "" : " ") + steps[i];
        for (std::uint64_t i = k - 1; i > 0; --i) expected += " undo:" + steps[i - 1];
        CHECK(w.log == expected);
        CHECK(w.hash() == before);
        CHECK(w.live.size() == mappings);
        CHECK(w.vm.check());
      }
  }

  TEST_CASE("a driver that says ok and leaves out a mapping is refused, and its earlier operations are undone") {
    // Leaves out what it should have named for operation `at`.
    struct forgetful : list_driver {
      using list_driver::list_driver;
      errc map(svm::map_operation<types>& o) {
        if (++seen == at) return errc::ok;
        return list_driver::map(o);
      }
      errc unmap(svm::unmap_operation<types>& o) {
        ++seen;
        return list_driver::unmap(o);
      }
      errc remap(svm::remap_operation<types>& o) {
        if (++seen != at) return list_driver::remap(o);
        if (drops_prev) o.prev = nullptr;
        return errc::ok;
      }
      std::uint64_t seen = 0, at = 0;
      bool drops_prev = false;
    };
    for (std::uint64_t const at : {1u, 2u}) {
      for (bool const drops_prev : {false, true}) {
        CAPTURE(at);
        world w;
        w.put(&w.a, 0, 8);
        std::uint64_t const before = w.hash();
        list l(w.vm);
        forgetful driver(w);
        driver.at = at;
        driver.drops_prev = drops_prev;
        REQUIRE(l.plan_map({va(2), bytes(2), &w.b, 0}) == errc::ok);  // a remap with two parts, and a map
        CHECK(l.apply(driver) == errc::step_not_taken);
        CHECK_FALSE(l.is_applied());
        CHECK(driver.seen == at);
        CHECK(w.hash() == before);
        CHECK(w.live.size() == 1);  // what was made for the remap before the map is freed
        driver.at = 0;
        REQUIRE(l.plan_map({va(2), bytes(2), &w.b, 0}) == errc::ok);
        CHECK(l.apply(driver) == errc::ok);
        CHECK(w.picture() == "a 0-2@0, b 2-4@0, a 4-8@4");
      }
    }
  }

  TEST_CASE("a driver without undo is only told the error") {
    struct plain {
      errc map(svm::map_operation<types>&) { return errc::device_gone; }
      errc unmap(svm::unmap_operation<types>&) { return errc::ok; }
      errc remap(svm::remap_operation<types>&) { return errc::ok; }
    };
    world w;
    w.put(&w.a, 0, 4);
    std::uint64_t const before = w.hash();
    list l(w.vm);
    plain driver;
    REQUIRE(l.plan_map({va(1), bytes(3), &w.b, 0}) == errc::ok);
    CHECK(l.apply(driver) == errc::device_gone);
    CHECK(w.hash() == before);
  }

  TEST_CASE("reverting an applied list puts the space back, the same mappings included") {
    for (bool const in_place : {true, false})
      for (auto const& range : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
               {2, 18}, {1, 2}, {0, 20}, {0, 2}, {18, 20}, {3, 5}, {4, 8}, {19, 30}}) {
        std::uint64_t const start = range.first, end = range.second;
        CAPTURE(start);
        world w;
        w.in_place = in_place;
        fill_five(w);
        std::uint64_t const before = w.hash();
        std::string const picture = w.picture();
        std::size_t const mappings = w.live.size();
        list l(w.vm);
        list_driver driver(w);
        REQUIRE(l.plan_map({va(start), bytes(end - start), &w.b, 0}) == errc::ok);
        REQUIRE(l.apply(driver) == errc::ok);
        CHECK(l.is_applied());
        CHECK(w.hash() != before);
        CHECK(w.vm.check());
        CHECK(l.revert(driver) == errc::ok);
        CHECK(w.picture() == picture);
        CHECK(w.hash() == before);
        CHECK(w.live.size() == mappings);
        CHECK(w.vm.check());
        CHECK(l.apply(driver) == errc::stale);  // it must be planned again
        CHECK(l.revert(driver) == errc::stale);
      }
  }

  TEST_CASE("a list is stale once the space has changed, even by a mapping cut in place") {
    world w;
    fill_five(w);
    list l(w.vm);
    list_driver driver(w);
    REQUIRE(l.plan_map(over_five(w)) == errc::ok);
    CHECK(w.unmap(3, 4) == errc::ok);
    std::uint64_t const before = w.hash();
    CHECK(l.apply(driver) == errc::stale);
    CHECK(w.hash() == before);
    REQUIRE(l.plan_map(over_five(w)) == errc::ok);
    REQUIRE(l.apply(driver) == errc::ok);
    std::uint64_t const after = w.hash();
    CHECK(l.apply(driver) == errc::stale);  // it is done
    CHECK(w.hash() == after);
    CHECK(w.map(&w.c, 100, 101) == errc::ok);
    CHECK(l.revert(driver) == errc::stale);
    driver.free_released(l);
  }

  TEST_CASE("OPL-05: four lists are applied, the last one fails, and all are rolled back; the retry succeeds") {
    world w;
    w.put(&w.a, 0, 10);
    std::uint64_t const before = w.hash();
    list lists[] = {list(w.vm), list(w.vm), list(w.vm), list(w.vm)};
    list_driver driver(w);
    auto const plan = [&](int i) {
      return i == 0   ? lists[i].plan_map({va(2), bytes(2), &w.b, 0})
             : i == 1 ? lists[i].plan_map({va(3), bytes(4), &w.c, 0})
             : i == 2 ? lists[i].plan_unmap(va(1), bytes(4))
                      : lists[i].plan_map({va(0), bytes(10), &w.b, 0});
    };
    for (bool const fail : {true, false}) {
      int applied = 0;
      errc e = errc::ok;
      while (applied < 4 && e == errc::ok) {
        REQUIRE(plan(applied) == errc::ok);
        w.fail_at = fail && applied == 3 ? w.steps + 2 : 0;
        e = lists[applied].apply(driver);
        if (e == errc::ok) ++applied;
        CHECK(w.vm.check());
      }
      if (fail) {
        CHECK(e == errc::device_gone);
        CHECK(applied == 3);
        while (applied > 0) REQUIRE(lists[--applied].revert(driver) == errc::ok);
        CHECK(w.hash() == before);
        CHECK(w.picture() == "a 0-10@0");
        CHECK(w.live.size() == 1);
      } else {
        CHECK(e == errc::ok);
        for (list& l : lists) driver.free_released(l);
        CHECK(w.picture() == "b 0-10@0");
        CHECK(w.live.size() == 1);
      }
    }
  }

  TEST_CASE("OPL-07: a remap tells what it vacates, so that a driver can widen it to its page size") {
    world w;
    w.put(&w.a, 0, 32);
    list l(w.vm);
    REQUIRE(l.plan_unmap(va(9), bytes(3)) == errc::ok);
    svm::remap_operation<types> const& step = *l.begin()->as_remap();
    CHECK(step.hole() == svm::gpu_range{va(9), bytes(3)});
    REQUIRE(l.plan_map({va(20), bytes(100), &w.b, 0}) == errc::ok);
    CHECK(l.begin()->as_remap()->hole() == svm::gpu_range{va(20), bytes(12)});
  }

  TEST_CASE("OPL-08: three lists on the same area do what the three requests do one after the other") {
    world one, other;
    for (world* w : {&one, &other}) fill_five(*w);
    list_driver driver(one);
    list l(one.vm);
    for (int i = 0; i < 3; ++i) {
      REQUIRE((i == 0   ? l.plan_map({va(3), bytes(4), &one.b, 0})
               : i == 1 ? l.plan_map({va(5), bytes(4), &one.c, 0})
                        : l.plan_unmap(va(4), bytes(4))) == errc::ok);
      REQUIRE(l.apply(driver) == errc::ok);
      driver.free_released(l);
    }
    CHECK(other.map(&other.b, 3, 7) == errc::ok);
    CHECK(other.map(&other.c, 5, 9) == errc::ok);
    CHECK(other.unmap(4, 8) == errc::ok);
    CHECK(one.picture() == other.picture());
    CHECK(one.log == other.log);
  }

  TEST_CASE("driver-defined operations stand in a list, and a driver that knows none refuses them") {
    struct plain {
      errc map(svm::map_operation<types>&) { return errc::ok; }
      errc unmap(svm::unmap_operation<types>&) { return errc::ok; }
      errc remap(svm::remap_operation<types>&) { return errc::ok; }
    };
    world w;
    list l(w.vm);
    REQUIRE(l.append({7, 1}) == errc::ok);
    REQUIRE(l.append({8, 2}) == errc::ok);
    list_driver driver(w);
    CHECK(l.begin()->as_driver()->argument == 1);
    CHECK(l.begin()->released() == nullptr);
    plain knows_none;
    CHECK(l.apply(knows_none) == errc::unsupported);
    CHECK(l.apply(driver) == errc::ok);
    CHECK(w.log == "driver(7) driver(8)");
    list const& constant = l;
    REQUIRE(constant.begin()->as_driver() != nullptr);
    CHECK(constant.begin()->as_driver()->code == 7);
    w.put(&w.a, 0, 2);
    REQUIRE(l.plan_prefetch(va(0), bytes(2)) == errc::ok);
    CHECK(l.begin()->as_driver() == nullptr);
    CHECK(constant.begin()->as_driver() == nullptr);
    CHECK(l.apply(knows_none) == errc::unsupported);
    CHECK(w.picture() == "a 0-2@0");
  }

  TEST_CASE("PRE-01: a prefetch list has the mappings that the window meets, whole and in order") {
    world w;
    for (std::uint64_t i = 0; i < 3; ++i) w.put(&w.a, 4 * i, 4 * i + 4);
    std::uint64_t const before = w.hash();
    list l(w.vm);
    list_driver driver(w);
    REQUIRE(l.plan_prefetch(va(2), bytes(8)) == errc::ok);
    CHECK(text(l) == "prefetch(a 0-4@0) prefetch(a 4-8@0) prefetch(a 8-12@0)");
    CHECK(l.apply(driver) == errc::ok);
    CHECK(w.log == text(l));
    CHECK(w.hash() == before);
  }
  TEST_CASE(
      "PRE-02: a prefetch of nothing is an empty list; outside, empty or wrapping is refused; reserved is skipped") {
    world w(*svm::gpuvm_layout::make({0}, bytes(100), va(40), bytes(20)));
    w.put(&w.a, 39, 40);
    w.put(&w.a, 60, 61);
    list l(w.vm);
    CHECK(l.plan_prefetch(va(0), bytes(10)) == errc::ok);
    CHECK(l.empty());
    CHECK(l.plan_prefetch(va(45), bytes(5)) == errc::ok);
    CHECK(l.empty());
    CHECK(l.plan_prefetch(va(30), bytes(40)) == errc::ok);
    CHECK(text(l) == "prefetch(a 39-40@0) prefetch(a 60-61@0)");
    CHECK(l.plan_prefetch(va(99), bytes(2)) == errc::outside_window);
    CHECK(l.empty());
    CHECK(l.plan_prefetch(va(99), bytes(0)) == errc::empty_interval);
    CHECK(l.plan_prefetch(va(99), {UINT64_MAX}) == errc::interval_wraps);
  }

  TEST_CASE(
      "GEM-01, GEM-02: an object's list has its mappings in this space alone, ascending; keep is false in any memory") {
    world w, elsewhere;
    bo here(w.vm, w.a), there(elsewhere.vm, w.a), foreign(w.vm, w.b);
    for (std::uint64_t i = 0; i < 5; ++i) bo::link(w.put(&w.a, i * 7 % 10 * 2, i * 7 % 10 * 2 + 1, i), &here);
    bo::link(w.put(&w.b, 50, 51), &foreign);
    bo::link(elsewhere.put(&w.a, 60, 61), &there);
    list l(w.vm);
    list_driver driver(w);
    REQUIRE(l.plan_object_unmap(here) == errc::ok);
    CHECK(text(l) == "unmap(a 0-1@0) unmap(a 2-3@3) unmap(a 8-9@2) unmap(a 14-15@1) unmap(a 16-17@4)");
    REQUIRE(l.apply(driver) == errc::ok);
    driver.free_released(l);
    CHECK(w.picture() == "b 50-51@0");
    CHECK(elsewhere.vm.size() == 1);
    CHECK(!here.has_mappings());
    // The world forgets its mappings after the bos; unlink the others first.
    w.vm.for_each([&](mapping& m) { w.take_out(m); });
    elsewhere.vm.for_each([&](mapping& m) { elsewhere.take_out(m); });
  }
  TEST_CASE("GEM-03: using the list of an object without its lock is diagnosed") {
    world w;
    bo tie(w.vm, w.a);
    mapping& m = w.put(&w.a, 0, 1);
    w.a.locked = false;
    CHECK(support::failed_expression([&] { bo::link(m, &tie); }) == "locked");
    list l(w.vm);
    CHECK(support::failed_expression([&] { static_cast<void>(l.plan_object_unmap(tie)); }) == "locked");
  }
  TEST_CASE("GEM-04: linking and unlinking a mapping without an object does nothing") {
    world w;
    mapping& m = w.put(nullptr, 0, 1);
    bo::link(m, nullptr);
    CHECK(m.bo() == nullptr);
    bo::unlink(m);
    CHECK(!m.is_linked());
  }
  TEST_CASE("GEM-05: the allocator failing at any call leaves an empty list and the mappings in place") {
    for (std::uint64_t k = 1;; ++k) {
      CAPTURE(k);
      world w;
      bo tie(w.vm, w.a);
      for (std::uint64_t i = 0; i < 9; ++i) bo::link(w.put(&w.a, i * 2, i * 2 + 1), &tie);
      std::uint64_t const before = w.hash();
      w.memory.calls = 0;
      w.memory.fail_at = k;
      list l(w.vm);
      errc const e = l.plan_object_unmap(tie);
      CHECK(w.hash() == before);
      CHECK(l.size() == (e == errc::ok ? 9 : 0));
      w.vm.for_each([&](mapping& m) { w.take_out(m); });
      if (e == errc::ok) {
        CHECK(k > 2);
        break;
      }
      CHECK(e == errc::no_memory);
    }
  }
  TEST_CASE(
      "GEM-06: unmapping an object of 2, 8 and 300 mappings leaves the space empty, and reverting brings all back") {
    for (std::uint64_t const count : {2u, 8u, 300u}) {
      world w;
      bo tie(w.vm, w.a), others(w.vm, w.b);
      for (std::uint64_t i = 0; i < count; ++i) {
        bo::link(w.put(&w.a, i * 4, i * 4 + 1), &tie);
        bo::link(w.put(&w.b, i * 4 + 2, i * 4 + 3), &others);
      }
      std::uint64_t const before = w.hash();
      list l(w.vm);
      list_driver driver(w);
      REQUIRE(l.plan_object_unmap(tie) == errc::ok);
      std::uint64_t const calls = w.memory.calls;
      REQUIRE(l.apply(driver) == errc::ok);
      CHECK(w.vm.size() == count);
      REQUIRE(l.revert(driver) == errc::ok);
      CHECK(w.memory.calls == calls);
      CHECK(w.hash() == before);
      CHECK(w.vm.check());
      for (bo* const each : {&tie, &others}) {
        REQUIRE(l.plan_object_unmap(*each) == errc::ok);
        REQUIRE(l.apply(driver) == errc::ok);
        driver.free_released(l);
      }
      CHECK(w.vm.empty());
    }
  }

  TEST_CASE("an object's mappings come back one by one into a space that other lists have packed meanwhile") {
    // A mapping of `a` after so many of `b`. Both go, those of `b` come back first and fill the leaves otherwise.
    for (std::uint64_t const apart : {1u, 2u, 7u, 11u, 20u, 31u, 32u, 33u, 63u, 500u}) {
      CAPTURE(apart);
      world w;
      bo sparse(w.vm, w.a), dense(w.vm, w.b);
      constexpr std::uint64_t count = 6000;
      for (std::uint64_t i = 0; i < count; ++i) {
        bool const first = i * 7919 % count % apart == 0;
        bo::link(w.put(first ? &w.a : &w.b, i * 7919 % count, i * 7919 % count + 1), first ? &sparse : &dense);
      }
      std::uint64_t const before = w.hash();
      list a(w.vm), b(w.vm);
      list_driver driver(w);
      REQUIRE(a.plan_object_unmap(sparse) == errc::ok);
      REQUIRE(a.apply(driver) == errc::ok);
      REQUIRE(b.plan_object_unmap(dense) == errc::ok);
      std::uint64_t const calls = w.memory.calls;
      REQUIRE(b.apply(driver) == errc::ok);
      CHECK(w.vm.empty());
      REQUIRE(b.revert(driver) == errc::ok);
      REQUIRE(a.revert(driver) == errc::ok);
      CHECK(w.memory.calls == calls);
      CHECK(w.hash() == before);
      CHECK(w.vm.check());
      w.vm.for_each([&](mapping& m) { w.take_out(m); });
    }
  }

  TEST_CASE("a list of an object's few mappings among many takes a few nodes, not one for each mapping of the space") {
    world w;
    bo tie(w.vm, w.b);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      mapping& m = w.put(i % 10'000 == 0 ? &w.b : &w.a, i, i + 1);
      if (m.object() == &w.b) bo::link(m, &tie);
    }
    list l(w.vm);
    std::size_t const before = w.memory.outstanding();
    REQUIRE(l.plan_object_unmap(tie) == errc::ok);
    REQUIRE(l.size() == 2);
    CHECK(w.memory.outstanding() - before <=
          5 + 3 * 2 + 1);  // one insertion, two splits on each of three levels, the array
    w.vm.for_each([&](mapping& m) { w.take_out(m); });
  }

  TEST_CASE("a split-only list cuts mappings without an object at the edges, and changes nothing else") {
    world w;
    w.put(nullptr, 0, 10);
    w.put(&w.a, 10, 14);
    w.put(nullptr, 14, 20);
    list l(w.vm);
    list_driver driver(w);
    auto const plan = [&](std::uint64_t start, std::uint64_t end) {
      REQUIRE(l.plan_split(va(start), bytes(end - start)) == errc::ok);
      return text(l);
    };
    CHECK(plan(4, 16) == "remap(- 0-10@0 prev=- 0-4@0) map(- 4-10@0) remap(- 14-20@0 next=- 16-20@2) map(- 14-16@0)");
    CHECK(plan(4, 6) == "remap(- 0-10@0 prev=- 0-4@0 next=- 6-10@6) map(- 4-6@0)");
    CHECK(plan(0, 10).empty());
    CHECK(plan(11, 13).empty());
    CHECK(plan(30, 40).empty());
    REQUIRE(l.plan_split(va(4), bytes(12)) == errc::ok);
    REQUIRE(l.apply(driver) == errc::ok);
    driver.free_released(l);
    CHECK(w.picture() == "- 0-4@0, - 4-10@0, a 10-14@0, - 14-16@0, - 16-20@2");
    CHECK(w.vm.check());
  }
}

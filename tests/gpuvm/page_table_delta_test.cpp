// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/page_table_delta.hpp>

#include "bind_world.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

using namespace bind_test;
using svm::errc;

namespace {

std::string delta(list const& l) {
  std::string t;
  svm::page_table_delta(
      l.begin(), l.end(),
      [&](svm::gpu_range r) {
        t += "clear " + text(r.start().value) + "-" + text(r.start().value + r.size().value) + ";";
      },
      [&](extent const& e) { t += "write " + text(e) + ";"; });
  return t;
}

}  // namespace

TEST_SUITE("gpuvm/page_table_delta") {
  TEST_CASE("a map writes what is not kept, an unmap clears what it vacates") {
    world w;
    w.put(&w.a, 0, 2, 0);
    w.put(&w.b, 2, 4, 7);
    w.put(&w.a, 6, 8, 6);
    list l(w.vm);
    auto const map = [&](object& o, std::uint64_t start, std::uint64_t end, std::uint64_t offset) {
      REQUIRE(l.plan_map({va(start), bytes(end - start), &o, offset * unit}) == errc::ok);
      return delta(l);
    };
    CHECK(map(w.a, 0, 8, 0) == "write a 2-6@2;");
    CHECK(map(w.a, 0, 10, 0) == "write a 2-6@2;write a 8-10@8;");
    CHECK(map(w.a, 1, 7, 1) == "write a 2-6@2;");
    CHECK(map(w.a, 1, 2, 1).empty());
    CHECK(map(w.a, 1, 3, 1) == "write a 2-3@2;");
    CHECK(map(w.c, 0, 8, 0) == "write c 0-8@0;");
    CHECK(map(w.a, 20, 21, 5) == "write a 20-21@5;");
    REQUIRE(l.plan_unmap(va(1), bytes(6)) == errc::ok);
    CHECK(delta(l) == "clear 1-2;clear 2-4;clear 6-7;");
    REQUIRE(l.plan_unmap(va(30), bytes(6)) == errc::ok);
    CHECK(delta(l).empty());
    REQUIRE(l.plan_prefetch(va(0), bytes(6)) == errc::ok);
    CHECK(delta(l).empty());
  }

  TEST_CASE("steps that vacate nothing in front of a map change nothing of what it writes") {
    world w;
    svm::driver_operation<types> const own{7, 0};
    svm::prefetch_operation<types> const prefetch{&w.put(&w.b, 8, 9)};
    svm::map_operation<types> const map{{va(0), bytes(4), &w.a, 0}, nullptr};
    operation const steps[] = {operation{own}, operation{prefetch}, operation{map}, operation{own}};
    std::string t;
    svm::page_table_delta(
        std::begin(steps), std::end(steps), [&](svm::gpu_range) { t += "clear;"; },
        [&](extent const& e) { t += "write " + text(e) + ";"; });
    CHECK(t == "write a 0-4@0;");
  }

  TEST_CASE("page tables that follow the delta alone agree with the space after every request") {
    struct entry {
      object* backing = nullptr;
      std::uint64_t offset = 0;
      bool operator==(entry const&) const = default;
    };
    constexpr std::uint64_t pages = 64;
    std::vector<entry> table(pages);
    world w(*svm::gpuvm_layout::make({0}, bytes(pages)));
    list l(w.vm);
    list_driver driver(w);
    std::uint64_t state = 5;
    auto const below = [&](std::uint64_t n) {
      state = state * 6364136223846793005 + 1442695040888963407;
      return (state >> 33) % n;
    };
    std::uint64_t kept = 0;
    for (int i = 0; i < 3000; ++i) {
      CAPTURE(i);
      std::uint64_t const size = 1 + below(20), at = below(pages - size + 1);
      std::uint64_t const offset = below(3) == 0 ? below(8) : at;
      bool const map = below(4) != 0;
      object* const o = below(2) == 0 ? &w.a : &w.b;
      REQUIRE((map ? l.plan_map({va(at), bytes(size), o, offset * unit}) : l.plan_unmap(va(at), bytes(size))) ==
              errc::ok);
      std::uint64_t touched = 0;
      svm::page_table_delta(
          l.begin(), l.end(),
          [&](svm::gpu_range r) {
            for (std::uint64_t p = 0; p < r.size().value / unit; ++p) table[r.start().value / unit + p] = {};
          },
          [&](extent const& e) {
            for (std::uint64_t p = 0; p < e.size.value / unit; ++p, ++touched)
              table[e.start.value / unit + p] = {e.object, e.offset + p * unit};
          });
      if (map) kept += size - touched;
      REQUIRE(l.apply(driver) == errc::ok);
      driver.free_released(l);
      w.log.clear();
      std::vector<entry> expected(pages);
      w.vm.for_each([&](mapping& m) {
        for (std::uint64_t p = 0; p < m.size().value / unit; ++p)
          expected[m.start().value / unit + p] = {m.object(), m.offset() + p * unit};
      });
      REQUIRE(table == expected);
    }
    CHECK(kept > 1000);
  }
}

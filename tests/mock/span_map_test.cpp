// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <array>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <svm/mock/cpu/span_map.hpp>

using svm::mock::span_map;

TEST_SUITE("mock/span_map") {
  TEST_CASE("a change holds for its span alone, and neighbours alike are one") {
    span_map<int> m;
    CHECK(m.at(5) == 0);
    CHECK(m.next_change(0, 100) == 100);
    m.change(10, 20, [](int& v) { v = 3; });
    m.change(20, 30, [](int& v) { v = 3; });
    CHECK(m.at(9) == 0);
    CHECK(m.at(10) == 3);
    CHECK(m.at(29) == 3);
    CHECK(m.at(30) == 0);
    CHECK(m.next_change(0, 100) == 10);
    CHECK(m.next_change(10, 100) == 30);
    CHECK(m.next_change(10, 25) == 25);
    m.change(12, 14, [](int& v) { v = 0; });
    CHECK(m.next_change(10, 100) == 12);
    CHECK(m.next_change(12, 100) == 14);
    m.change(0, 100, [](int& v) { v = 0; });
    CHECK(m.next_change(0, 100) == 100);
  }

  TEST_CASE("a change calls for each piece of its span once") {
    span_map<int> m;
    m.change(0, 1000, [](int& v) { v = 1; });
    for (std::uint64_t n = 0; n < 1000; n += 10) m.change(n, n + 5, [](int& v) { v = 2; });
    int calls = 0;
    m.change(500, 520, [&](int&) { ++calls; });
    CHECK(calls == 4);
  }

  TEST_CASE("random changes agree with a value for each number") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      svm::mock::random draw{seed};
      span_map<int> m;
      std::array<int, 64> plain{};
      std::string program;  // the reproducer
      for (int step = 0; step < 200; ++step) {
        std::uint64_t const start = draw.below(64);
        std::uint64_t const end = start + 1 + draw.below(64 - start);
        int const by = static_cast<int>(draw.below(3)) - 1;
        program += std::to_string(start) + ".." + std::to_string(end) + "+" + std::to_string(by) + " ";
        m.change(start, end, [by](int& v) { v += by; });
        for (std::uint64_t n = start; n < end; ++n) plain[n] += by;
        bool same = true;
        for (std::uint64_t n = 0; n < 64; ++n) {
          std::uint64_t next = n + 1;
          while (next < 64 && plain[next] == plain[n]) ++next;
          same = same && m.at(n) == plain[n] && m.next_change(n, 64) == next;
        }
        if (!same) FAIL("seed " << seed << " after " << program);
      }
    }
  }
}

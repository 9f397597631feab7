// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/dump.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using svm::text_piece;
using svm::detail::line_writer;

namespace {

template <class Argument>
struct sink_of {
  void operator()(Argument);
};
static_assert(svm::text_sink<sink_of<text_piece>> && svm::text_sink<sink_of<std::string_view>>);
static_assert(svm::text_sink<sink_of<std::string const&>> && svm::text_sink<sink_of<std::span<char const>>>);
static_assert(!svm::text_sink<sink_of<char const*>> && !svm::text_sink<sink_of<int>> && !svm::text_sink<int>);

/// The pieces that a sink gets.
struct pieces {
  std::vector<std::string> seen;
  void operator()(std::string_view piece) { seen.emplace_back(piece); }
};

}  // namespace

TEST_SUITE("base/dump") {
  TEST_CASE("a line arrives in one piece, with its end, and the next one starts empty") {
    pieces out;
    line_writer line(out);
    line.text("a").text("").text("bc").end();
    CHECK(out.seen == std::vector<std::string>{"abc\n"});
    line.end();
    line.text("d");
    CHECK(out.seen == std::vector<std::string>{"abc\n", "\n"});
    line.end();
    CHECK(out.seen.back() == "d\n");
  }

  TEST_CASE("numbers have all of their digits and no more") {
    for (std::uint64_t const value : {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10}, std::uint64_t{15},
                                      std::uint64_t{16}, std::uint64_t{255}, std::uint64_t{0x1000}, std::uint64_t{907},
                                      std::uint64_t{1} << 60, (std::uint64_t{1} << 60) - 1, UINT64_MAX}) {
      pieces out;
      line_writer line(out);
      line.decimal(value).text(" ").hex(value).end();
      char expected[80];
      std::snprintf(expected, sizeof expected, "%llu 0x%llx\n", static_cast<unsigned long long>(value),
                    static_cast<unsigned long long>(value));
      REQUIRE(out.seen.size() == 1);
      CHECK(out.seen[0] == expected);
    }
  }

  TEST_CASE("the address of an object is its own") {
    int const here = 0;
    pieces out;
    line_writer line(out);
    line.address(&here).end();
    char expected[40];
    std::snprintf(expected, sizeof expected, "%p\n", static_cast<void const*>(&here));
    CHECK(out.seen == std::vector<std::string>{expected});
  }

  TEST_CASE("a line that is too long for one piece arrives in several, whole") {
    constexpr std::size_t capacity = line_writer<pieces>::capacity;
    for (std::size_t const length : {capacity - 1, capacity, capacity + 1, 3 * capacity}) {
      CAPTURE(length);
      pieces out;
      line_writer line(out);
      std::string expected;
      for (std::size_t i = 0; i < length; ++i) {
        line.decimal(i % 10);
        expected += static_cast<char>('0' + i % 10);
      }
      line.end();
      std::string all;
      for (std::string const& piece : out.seen) {
        CHECK(piece.size() <= capacity);
        all += piece;
      }
      CHECK(all == expected + "\n");
      CHECK(out.seen.size() == (length + capacity) / capacity);
    }
  }
}

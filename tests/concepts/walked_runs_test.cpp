// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/concepts/walked_runs.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include <support/scripted.hpp>

namespace {

using mm = support::scripted_mm<4096>;
using runs = svm::detail::walked_runs<mm, support::scripted_allocator>;
using svm::errc;

svm::va_range span_of(std::uint64_t pages) {
  return {svm::cpu_va{4096}, svm::byte_count{pages * 4096}};
}
/// Walks to the end; how often there had to be more room.
int walk_all(runs& found) {
  int grown = 0;
  while (true) {
    mm::fill(found.walk().rest(), found.walk());
    if (!found.walk().is_full()) return grown;
    REQUIRE(found.grow() == errc::ok);
    ++grown;
  }
}

}  // namespace

TEST_SUITE("concepts/walked_runs") {
  TEST_CASE("few runs take no memory, more take an array, which grows by the runs that there are and not by the span") {
    struct row {
      std::uint64_t pages;
      int grown;
    };
    for (row const& r : {row{1, 0}, row{runs::runs_on_stack, 0}, row{runs::runs_on_stack + 1, 1},
                         row{32 * runs::runs_on_stack, 1}, row{32 * runs::runs_on_stack + 1, 2}, row{2000, 2}}) {
      CAPTURE(r.pages);
      support::scripted_allocator memory;
      std::uint64_t taken = 0;
      std::size_t largest = 0;
      memory.hook = [&](std::size_t size) {
        ++taken;
        largest = size;
      };
      {
        runs found{memory, span_of(r.pages)};
        CHECK(walk_all(found) == r.grown);
        CHECK(found.all().size() == r.pages);
        for (std::uint64_t i = 0; i < r.pages; ++i) CHECK(found.all()[i].page.number == 2 * (i + 1));
        CHECK(taken == static_cast<std::uint64_t>(r.grown));
        CHECK(largest <= r.pages * sizeof(runs::run));
        // Again, in the room that is there by now.
        found.walk().restart();
        CHECK(walk_all(found) == 0);
        CHECK(found.all().size() == r.pages);
      }
      CHECK(memory.live == 0);
    }
  }
}

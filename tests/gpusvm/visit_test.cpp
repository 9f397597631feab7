// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <vector>

#include <support/world.hpp>

#include <svm/mock/machine/random.hpp>

using namespace support;

namespace {

svm::mock::machine_options small_notifiers() {
  return options([](auto& o) { o.notifier_size = {2 * MiB}; });
}

}  // namespace

TEST_SUITE("gpusvm/visit") {
  TEST_CASE("RNG-19 the first VMA of a window is found, also one that began before it; none is no VMA") {
    world w;
    w.map(64 * KiB, at(MiB));
    w.map(64 * KiB, at(4 * MiB), protection::none);
    auto const start = [&](std::uint64_t offset, std::uint64_t size) {
      return w.driver.svm().find_vma_start(span(at(offset), size));
    };
    CHECK(start(0, MiB).error() == errc::no_vma);
    CHECK(*start(0, MiB + 1) == at(MiB));
    CHECK(*start(MiB + 4 * KiB, 4 * KiB) == at(MiB));
    CHECK(*start(MiB + 64 * KiB - 1, 1) == at(MiB));
    CHECK(start(MiB + 64 * KiB, MiB).error() == errc::no_vma);
    CHECK(*start(MiB + 64 * KiB, 16 * MiB) == at(4 * MiB));
    CHECK(w.driver.svm().find_vma_start({cpu_va{UINT64_MAX}, {1}}).error() == errc::no_vma);
    w.process.exit();
    CHECK(w.driver.svm().find_vma_start(span(base, 16 * MiB)).error() == errc::mm_gone);
  }

  TEST_CASE("RNG-20 has_mapping and the walks agree with a model, at every window edge") {
    world w{small_notifiers()};
    w.map(8 * MiB);
    // Ranges in three notifiers, one of which has two.
    REQUIRE(w.process.munmap(at(MiB), {MiB}) == sys::ok);
    std::vector<va_range> const model{span(base, 64 * KiB), span(at(512 * KiB), 64 * KiB), span(at(2 * MiB), 2 * MiB),
                                      span(at(6 * MiB), 2 * MiB)};
    for (va_range const& r : model) REQUIRE(w.driver.svm().find_or_insert(r.start(), {}));
    REQUIRE(w.notifier_count() == 3);
    std::vector<cpu_va> edges{cpu_va{}, cpu_va{UINT64_MAX - 1}};
    for (va_range const& r : model)
      for (std::uint64_t const delta : {UINT64_MAX, std::uint64_t{0}, std::uint64_t{1}}) {
        edges.push_back({r.start().value + delta});
        edges.push_back({r.last().value + delta});
      }
    for (cpu_va const first : edges)
      for (cpu_va const last : edges) {
        if (last < first) continue;
        va_range const window = *va_range::from_bounds(first, last);
        CAPTURE(window);
        std::vector<va_range> expected;
        for (va_range const& r : model)
          if (r.start() <= last && r.last() >= first) expected.push_back(r);
        CHECK(w.driver.svm().has_mapping(window) == !expected.empty());
        std::vector<va_range> visited;
        w.driver.svm().for_each_range(window, [&](auto const& r) { visited.push_back(r.interval()); });
        CHECK(visited == expected);
      }
  }

  TEST_CASE("for_each_notifier visits what meets the window, in ascending order") {
    world w{small_notifiers()};
    w.map(8 * MiB);
    for (std::uint64_t const offset : {6 * MiB, std::uint64_t{0}, 2 * MiB})
      REQUIRE(w.driver.svm().find_or_insert(at(offset), {}));
    auto const visited = [&](va_range window) {
      std::vector<va_range> seen;
      w.driver.svm().for_each_notifier(window, [&](auto& n) { seen.push_back(n.interval()); });
      return seen;
    };
    CHECK(visited(world::everything) ==
          std::vector{span(base, 2 * MiB), span(at(2 * MiB), 2 * MiB), span(at(6 * MiB), 2 * MiB)});
    CHECK(visited(span(at(2 * MiB - 1), 1)) == std::vector{span(base, 2 * MiB)});
    CHECK(visited(span(at(2 * MiB - 1), 2)) == std::vector{span(base, 2 * MiB), span(at(2 * MiB), 2 * MiB)});
    CHECK(visited(span(at(4 * MiB), 2 * MiB)).empty());
  }

  TEST_CASE("find returns the range of a byte, or nothing") {
    world w;
    w.map(64 * KiB, at(MiB));
    REQUIRE(w.driver.svm().find_or_insert(at(MiB), {}));
    CHECK_FALSE(w.range_at(at(MiB - 1)));
    CHECK(w.range_at(at(MiB)));
    CHECK(w.range_at(at(MiB + 64 * KiB - 1)));
    CHECK_FALSE(w.range_at(at(MiB + 64 * KiB)));
    CHECK_FALSE(w.range_at(cpu_va{}));
    CHECK_FALSE(w.range_at(cpu_va{UINT64_MAX}));
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Random requests against models that know nothing of splitting: an array of pages, and a std::map of edges.

#include "bind_world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

using namespace bind_test;
using svm::errc;

namespace {

struct random_numbers {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return (*this)() % n; }
};

struct cell {
  object* backing = nullptr;
  std::uint64_t offset = 0;
  bool mapped = false;
  bool operator==(cell const&) const = default;
};

/// Applies one request in one of the two forms.
void request(world& w, bool as_list, bool map, extent const& r) {
  if (!as_list) {
    CHECK((map ? w.vm.sm_map(w, r) : w.vm.sm_unmap(w, r.start, r.size)).error() == errc::ok);
    return;
  }
  list l(w.vm);
  list_driver driver(w);
  CHECK((map ? l.plan_map(r) : l.plan_unmap(r.start, r.size)) == errc::ok);
  CHECK(l.apply(driver) == errc::ok);
  driver.free_released(l);
}

}  // namespace

TEST_SUITE("gpuvm/random") {
  TEST_CASE("VMS-26: 10000 random requests leave behind each byte what a flat array of bytes says") {
    constexpr std::uint64_t cells = 400;
    for (std::uint64_t const base : {std::uint64_t{0}, std::uint64_t{0x1234567}, UINT64_MAX - cells + 1}) {
      std::uint64_t const seed = 42 + base;
      CAPTURE(seed);
      random_numbers random{seed};
      world w(*svm::gpuvm_layout::make({base}, {cells}));
      std::vector<cell> model(cells);
      object* const objects[] = {&w.a, &w.b, &w.c, nullptr};
      for (int i = 0; i < 10'000; ++i) {
        std::uint64_t const size = 1 + random.below(random.below(2) == 0 ? 8 : 60);
        std::uint64_t const at = random.below(cells - size + 1);
        bool const map = random.below(100) < 70;
        object* const o = objects[random.below(4)];
        std::uint64_t const offset = o == nullptr ? 0 : random.below(2) == 0 ? at : random.below(50);
        w.in_place = random.below(2) == 0;
        // The fewest steps: one for each mapping that has a byte in the request, and the map itself.
        std::uint64_t expected = map;
        w.vm.for_each([&](mapping& m) {
          std::uint64_t const first = m.start().value - base;
          expected += first < at + size && first + m.size().value > at;
        });
        w.steps = 0;
        request(w, random.below(2) == 0, map, {{base + at}, {size}, o, offset});
        CHECK(w.steps == expected);
        for (std::uint64_t c = at; c < at + size; ++c) model[c] = map ? cell{o, offset + (c - at), true} : cell{};
        w.log.clear();
        if (i % 10 != 0) continue;
        REQUIRE(w.vm.check());
        std::vector<cell> seen(cells);
        w.vm.for_each([&](mapping& m) {
          for (std::uint64_t c = 0; c < m.size().value; ++c)
            seen[m.start().value - base + c] = {m.object(), m.offset() + c, true};
        });
        REQUIRE(seen == model);
        REQUIRE(w.live.size() == w.vm.size());
      }
    }
  }

  TEST_CASE("IDX-17: 60000 requests on thousands of mappings leave what a std::map of edges says, and a sound index") {
    // An edge says what begins there, up to the next edge.
    std::uint64_t const seed = 7;
    CAPTURE(seed);
    random_numbers random{seed};
    world w;
    constexpr std::uint64_t window = 1 << 20;
    std::map<std::uint64_t, cell> model{{0, {}}, {window, {}}};
    auto const cut = [&](std::uint64_t at) {
      auto const above = model.lower_bound(at);
      if (above != model.end() && above->first == at) return;
      auto const below = std::prev(above);
      cell c = below->second;
      if (c.mapped) c.offset += at - below->first;
      model.emplace(at, c);
    };
    std::size_t most = 0;
    for (int i = 0; i < 60'000; ++i) {
      // Phases of growth and of decay, so that nodes split and merge.
      bool const map = random.below(100) < ((i / 10'000) % 2 == 0 ? 95u : 30u);
      std::uint64_t const size = 1 + random.below(map ? 100 : 2000);
      std::uint64_t const at = random.below(window - size);
      object* const o = random.below(2) == 0 ? &w.a : &w.b;
      std::uint64_t const offset = random.below(1 << 30);
      request(w, false, map, {{at}, {size}, o, offset});
      w.log.clear();
      most = std::max(most, w.vm.size());
      cut(at);
      cut(at + size);
      model.erase(model.lower_bound(at), model.lower_bound(at + size));
      model[at] = map ? cell{o, offset, true} : cell{};
      if (i % 2000 != 0) continue;
      REQUIRE(w.vm.check());
      auto edge = model.begin();
      bool same = true;
      w.vm.for_each([&](mapping& m) {
        while (!edge->second.mapped) ++edge;
        same = same && edge->first == m.start().value && edge->second == cell{m.object(), m.offset(), true} &&
               std::next(edge)->first == m.start().value + m.size().value;
        ++edge;
      });
      for (; edge != model.end(); ++edge) same = same && !edge->second.mapped;
      REQUIRE(same);
    }
    CHECK(most > 4000);
    CHECK(w.vm.size() < 1000);
  }

  TEST_CASE("random lists on thousands of mappings can be reverted, without an allocation") {
    random_numbers random{99};
    world w;
    for (std::uint64_t i = 0; i < 5000; ++i) w.put(extent{{i * 100}, {10 + random.below(91)}, &w.a, i * 100});
    for (int i = 0; i < 300; ++i) {
      CAPTURE(i);
      std::uint64_t const before = w.hash();
      list lists[] = {list(w.vm), list(w.vm), list(w.vm)};
      list_driver driver(w);
      for (list& l : lists) {
        std::uint64_t const size = 1 + random.below(i % 3 == 0 ? 200'000 : 3'000);
        std::uint64_t const at = random.below(500'000 - size);
        w.in_place = random.below(2) == 0;
        REQUIRE((random.below(2) == 0 ? l.plan_map({{at}, {size}, &w.b, 0}) : l.plan_unmap({at}, {size})) == errc::ok);
        std::uint64_t const calls = w.memory.calls;
        REQUIRE(l.apply(driver) == errc::ok);
        CHECK(w.memory.calls == calls);
      }
      std::uint64_t const calls = w.memory.calls;
      for (int k = 2; k >= 0; --k) REQUIRE(lists[k].revert(driver) == errc::ok);
      CHECK(w.memory.calls == calls);
      REQUIRE(w.hash() == before);
      w.log.clear();
    }
    CHECK(w.vm.check());
    CHECK(w.live.size() == 5000);
  }
}

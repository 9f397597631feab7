// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/eviction_classes.hpp>
#include <svm/placement/group_eviction.hpp>
#include <svm/placement/recency.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

struct block : evictable {};
auto const any = [](auto const&) { return true; };

/// Three blocks in an order, and a model of it: lists of numbers, looked through from the start.
struct classes_model {
  std::array<std::vector<int>, 3> lists;
  std::array<int, 3> pins{};
  std::array<bool, 3> leaving{};

  void remove(int b) {
    for (auto& l : lists) std::erase(l, b);
  }
  void put(int b, unsigned c) {
    if (pins[static_cast<unsigned>(b)] != 0 || leaving[static_cast<unsigned>(b)]) return;
    remove(b);
    lists[c].push_back(b);
  }
  std::string name() const {
    std::string s;
    for (auto const& l : lists) {
      for (int const b : l) s += std::to_string(b);
      s += '/';
    }
    for (unsigned b = 0; b < 3; ++b) s += std::to_string(pins[b]) + (leaving[b] ? 'x' : '.');
    return s;
  }
};

struct classes_scene {
  std::array<block, 3> blocks;
  eviction_classes<block> order;

  ~classes_scene() {
    for (block& b : blocks) order.remove(b);
  }
};

/// Step `n` on both; false where it is not allowed. What it answers is compared.
bool take(unsigned n, classes_model& m, classes_scene* s) {
  unsigned const b = n % 3;
  int const number = static_cast<int>(b);
  switch (n / 3) {
    case 0:
    case 1:
    case 2: {
      if (s != nullptr) {
        if (n / 3 == 0) s->order.emptied(s->blocks[b]);
        if (n / 3 == 1) s->order.discarded(s->blocks[b]);
        if (n / 3 == 2) s->order.served(s->blocks[b]);
      }
      m.put(number, n / 3);
      return true;
    }
    case 3:
      if (m.pins[b] == 2 || m.leaving[b]) return false;
      if (s != nullptr) s->order.pin(s->blocks[b]);
      m.remove(number);
      ++m.pins[b];
      return true;
    case 4:
      if (m.pins[b] == 0) return false;
      if (s != nullptr) s->order.unpin(s->blocks[b]);
      if (--m.pins[b] == 0) m.put(number, 2);
      return true;
    case 5:
      if (!m.leaving[b]) return false;
      if (s != nullptr) s->order.evicted(s->blocks[b], true);
      m.leaving[b] = false;
      return true;
    case 6:
      if (!m.leaving[b]) return false;
      if (s != nullptr) s->order.evicted(s->blocks[b], false);
      m.leaving[b] = false;
      m.put(number, 2);
      return true;
    default: {  // the next victim but block b
      int expected = -1;
      for (auto const& l : m.lists)
        for (int const v : l)
          if (expected < 0 && v != number) expected = v;
      if (s != nullptr) {
        block* const victim = s->order.take_victim([&](block const& x) { return &x != &s->blocks[b]; });
        REQUIRE((victim == nullptr ? -1 : static_cast<int>(victim - s->blocks.data())) == expected);
        if (victim == nullptr) {
          bool busy = false;
          for (unsigned i = 0; i < 3; ++i) busy |= m.pins[i] != 0 || m.leaving[i];
          using shortage = eviction_classes<block>::shortage;
          REQUIRE(s->order.why_none() == (busy ? shortage::wait : shortage::no_memory));
        }
      }
      if (expected >= 0) {
        m.remove(expected);
        m.leaving[static_cast<unsigned>(expected)] = true;
      }
      return true;
    }
  }
}

/// The eviction of a group, page by page: leaves that stand for pages are numbered as in density prefetch.
page_mask slow_eviction(block_window const& w, page_mask const& resident, page_mask const& kept, unsigned page) {
  unsigned const g = w.group_pages;
  unsigned const first = (w.window.first + g - 1) / g * g;
  unsigned const end = w.window.end / g * g;
  bool const grouped = end > first;
  unsigned const shift = grouped && first > w.window.first ? first - g : w.window.first;  // of page numbers
  std::set<unsigned> here;
  for (unsigned p = w.window.first; p < w.window.end; ++p)
    if (resident.test(p)) here.insert(p);
  page_mask gone;
  auto const drop = [&](unsigned from, unsigned to) {
    for (unsigned p = std::max(from, w.window.first); p < std::min(to, w.window.end); ++p)
      if (here.contains(p) && !kept.test(p)) {
        here.erase(p);
        gone.set(p);
      }
  };
  unsigned width = g;
  auto const node = [&] { return shift + (page - shift) / width * width; };
  grouped ? drop(node(), node() + width) : drop(w.window.first, w.window.end);
  while (shift + width < w.window.end) {
    width *= 2;
    unsigned all = 0;
    unsigned stays = 0;
    for (unsigned p = node(); p < node() + width; ++p) {
      if (!w.window.contains(p)) continue;
      ++all;
      stays += here.contains(p);
    }
    if (2 * stays >= all) break;
    drop(node(), node() + width);
  }
  return gone;
}

}  // namespace

TEST_SUITE("placement/eviction_classes") {
  TEST_CASE("memory without pages goes first, then discarded blocks, then the one served longest ago") {
    classes_scene s;
    s.order.served(s.blocks[0]);
    s.order.discarded(s.blocks[1]);
    s.order.emptied(s.blocks[2]);
    for (unsigned const expected : {2u, 1u, 0u}) {
      block* const victim = s.order.take_victim(any);
      REQUIRE(victim == &s.blocks[expected]);
      CHECK(victim->is_in_eviction());
      s.order.evicted(*victim, true);
    }
    CHECK(s.order.take_victim(any) == nullptr);
    CHECK(s.order.why_none() == eviction_classes<block>::shortage::no_memory);
  }

  TEST_CASE("a fault on a block that is there makes it the last to go") {
    classes_scene s;
    for (block& b : s.blocks) s.order.served(b);
    s.order.served(s.blocks[0]);
    CHECK(s.order.take_victim(any) == &s.blocks[1]);
    s.order.evicted(s.blocks[1], true);
  }

  TEST_CASE("every state of three blocks agrees with a model") {
    struct node {
      classes_model state;
      std::vector<unsigned> path;
    };
    std::deque<node> open(1);
    std::set<std::string> seen{open.front().state.name()};
    while (!open.empty()) {
      node const here = open.front();
      open.pop_front();
      for (unsigned n = 0; n < 24; ++n) {
        classes_model after = here.state;
        if (!take(n, after, nullptr)) continue;
        classes_scene s;
        classes_model along;
        for (unsigned const before : here.path) take(before, along, &s);
        take(n, along, &s);
        // What the order has is what it gives away.
        for (unsigned b = 0; b < 3; ++b) {
          bool listed = false;
          for (auto const& l : along.lists) listed |= std::count(l.begin(), l.end(), static_cast<int>(b)) != 0;
          REQUIRE(s.order.is_listed(s.blocks[b]) == listed);
        }
        if (!seen.insert(after.name()).second) continue;
        open.push_back({after, here.path});
        open.back().path.push_back(n);
      }
    }
    CHECK(seen.size() > 400);
  }
}

TEST_SUITE("placement/recency") {
  TEST_CASE("what was touched longest ago goes first, and of one moment the lower number") {
    struct allocation : aged {};
    std::array<allocation, 4> a;
    recency_order<allocation> order;
    for (unsigned n = 0; n < 4; ++n) order.insert(a[n], n, n);
    auto const numbers = [&] {
      std::vector<long> v;
      for (allocation* e = order.front(); e != nullptr; e = order.next(*e)) v.push_back(e - a.data());
      return v;
    };
    CHECK(numbers() == std::vector<long>{0, 1, 2, 3});
    order.touch(a[2], 10);
    order.touch(a[1], 10);
    order.touch(a[1], 10);
    CHECK(numbers() == std::vector<long>{0, 3, 1, 2});
    order.touch(a[0], 11);
    CHECK(numbers() == std::vector<long>{3, 1, 2, 0});
    CHECK(a[0].touched() == 11);
    CHECK(order.victim(any) == &a[3]);
    CHECK(order.victim([&](allocation const& e) { return &e != &a[3]; }) == &a[1]);
    CHECK(order.victim([](allocation const&) { return false; }) == nullptr);
    for (allocation& e : a) order.erase(e);
    CHECK(order.empty());
  }

  TEST_CASE("random touches agree with a sort") {
    struct group : aged {};
    masks::random random{11};
    std::array<group, 40> g;
    std::array<std::uint64_t, 40> touched{};
    recency_order<group> order;
    for (unsigned n = 0; n < 40; ++n) order.insert(g[n], 0, n);
    for (std::uint64_t moment = 1; moment < 200; ++moment) {
      for (unsigned n = random.below(6); n != 0; --n) {
        unsigned const which = random.below(40);
        order.touch(g[which], moment);
        touched[which] = moment;
      }
      std::vector<std::pair<std::uint64_t, long>> model;
      for (unsigned n = 0; n < 40; ++n) model.emplace_back(touched[n], n);
      std::sort(model.begin(), model.end());
      std::size_t i = 0;
      for (group* e = order.front(); e != nullptr; e = order.next(*e)) REQUIRE(model[i++].second == e - g.data());
      REQUIRE(i == 40);
    }
    for (group& e : g) order.erase(e);
  }
}

TEST_SUITE("placement/group_eviction") {
  TEST_CASE("a group of a full block goes alone") {
    CHECK(evicted_with({}, masks::of({{0, 512}}), {}, 40) == masks::of({{32, 48}}));
  }

  TEST_CASE("a node that would keep fewer than half of its pages goes whole, and half is enough to stay") {
    page_mask const half = masks::of({{0, 32}});
    CHECK(evicted_with({}, half, {}, 0) == masks::of({{0, 16}}));                            // 16 of 32 stay
    CHECK(evicted_with({}, half - masks::pages({31}), {}, 0) == half - masks::pages({31}));  // 15 of 32 would
  }

  TEST_CASE("the climb goes on up to the block") {
    page_mask const few = masks::of({{0, 17}, {100, 110}, {500, 512}});
    CHECK(evicted_with({}, few, {}, 3) == few);
  }

  TEST_CASE("the climb ends at the first node that keeps half, whatever is above it") {
    // 0 to 31 keep a full group; the rest of the block is empty.
    CHECK(evicted_with({}, masks::of({{0, 32}}), {}, 20) == masks::of({{16, 32}}));
  }

  TEST_CASE("pages that must stay count as kept and stay") {
    page_mask const kept = masks::of({{0, 4}, {16, 28}});
    CHECK(evicted_with({}, masks::of({{0, 32}}), kept, 0) == masks::of({{4, 16}}));  // 20 of 32 stay
    page_mask const fewer = masks::of({{0, 4}});
    CHECK(evicted_with({}, masks::of({{0, 20}}), fewer, 0) == masks::of({{4, 20}}));
  }

  TEST_CASE("pages outside the window do not exist") {
    // Of the node 0 to 31 the window has 12 pages; 6 that stay are half.
    block_window const w{.window = {10, 22}};
    CHECK(evicted_with(w, masks::of({{0, 512}}), {}, 12) == masks::of({{10, 22}}));  // no whole group: one piece
    block_window const head{.window = {10, 32}};
    CHECK(evicted_with(head, masks::of({{0, 32}}), {}, 12) == masks::of({{10, 16}}));  // 16 of 22 stay
    CHECK(evicted_with(head, masks::of({{0, 27}}), {}, 12) == masks::of({{10, 16}}));  // 11 of 22
    CHECK(evicted_with(head, masks::of({{0, 26}}), {}, 12) == masks::of({{10, 26}}));  // 10 of 22
  }

  TEST_CASE("eviction agrees with a climb page by page on 20,000 random blocks") {
    std::uint64_t const seed = 77;
    masks::random random{seed};
    for (unsigned round = 0; round < 20'000; ++round) {
      block_window w;
      if (random.below(2) != 0) w.window = random.run();
      w.group_pages = std::array{16u, 16u, 4u, 1u}[random.below(4)];
      page_mask const resident = random.mask();
      page_mask const kept = random.below(2) != 0 ? random.mask() : page_mask{};
      unsigned const page = w.window.first + random.below(w.window.size());
      page_mask const ours = evicted_with(w, resident, kept, page);
      page_mask const model = slow_eviction(w, resident, kept, page);
      if (ours == model) continue;
      INFO("seed " << seed << " round " << round << " window " << w.window.first << "-" << w.window.end << " group "
                   << w.group_pages << " page " << page);
      INFO("resident " << masks::text(resident) << "; kept " << masks::text(kept));
      INFO("ours " << masks::text(ours) << "; model " << masks::text(model));
      REQUIRE(ours == model);
    }
  }
}

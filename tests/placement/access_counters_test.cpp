// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/access_counters.hpp>
#include <svm/placement/block_heat.hpp>
#include <svm/placement/counter_heat.hpp>
#include <svm/placement/discard.hpp>

#include <cstdint>
#include <set>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

struct counted_view {
  bool mapped = true;
  std::set<unsigned> throttled, pinned, at_other, there;

  bool is_mapped() const { return mapped; }
  thrash_hint hint(unsigned p) const {
    if (throttled.contains(p)) return {.what = thrash_hint::kind::throttle};
    if (pinned.contains(p)) return {.what = thrash_hint::kind::pin, .at = gpu(0)};
    return {};
  }
  residence place(unsigned p, thrash_hint const&) const { return {at_other.contains(p) ? gpu(1) : gpu(0), false}; }
  processor_set copies(unsigned p) const { return there.contains(p) ? processor_set{gpu(1)} : processor_set{cpu}; }
};

constexpr page_mask whole{page_span{0, 512}};

}  // namespace

TEST_SUITE("placement/access_counters") {
  TEST_CASE("notifications are ordered by space, GPU and address") {
    std::vector<counter_notification> batch{{.address = {5}, .space = 2, .gpu = gpu(0)},
                                            {.address = {9}, .space = 1, .gpu = gpu(1)},
                                            {.address = {7}, .space = 1, .gpu = gpu(1)},
                                            {.address = {8}, .space = 1, .gpu = gpu(0)}};
    std::vector<counter_notification> scratch(4);
    order(batch, scratch);
    std::vector<std::uint64_t> addresses;
    for (counter_notification const& n : batch) addresses.push_back(n.address.value);
    CHECK(addresses == std::vector<std::uint64_t>{8, 7, 9, 5});
  }

  TEST_CASE("sub-regions of a block that is one piece count, where the nearest copy has them") {
    counted_pages c{{}, gpu(0)};
    c.add({.sub_regions = 0x80000005}, 0, cpu, masks::of({{0, 40}, {500, 512}}), true);
    CHECK(c.pages() == masks::of({{0, 16}, {32, 40}, {500, 512}}));
  }

  TEST_CASE("without one piece the page of the address alone counts") {
    counted_pages c{{}, gpu(0)};
    c.add({.sub_regions = 0xffffffff}, 48, cpu, whole, false);
    CHECK(c.pages() == masks::pages({48}));
  }

  TEST_CASE("memory that is nowhere, or with the GPU already, does not count") {
    counted_pages c{{}, gpu(0)};
    c.add({.sub_regions = 1}, 0, nobody, whole, true);
    c.add({.sub_regions = 1}, 0, gpu(0), whole, true);
    CHECK(c.pages().none());
  }

  TEST_CASE("two notifications of a block with different places lose nothing") {
    counted_pages c{{}, gpu(0)};
    c.add({.sub_regions = 1}, 0, cpu, masks::of({{0, 256}}), true);
    c.add({.sub_regions = 1u << 16}, 256, gpu(1), masks::of({{256, 512}}), true);
    CHECK(c.pages() == masks::of({{0, 16}, {256, 272}}));
  }

  TEST_CASE("pages outside the window, and with larger pages fewer of them, count") {
    counted_pages cut{{.window = {8, 500}}, gpu(0)};
    cut.add({.sub_regions = 1}, 0, cpu, whole, true);
    CHECK(cut.pages() == masks::of({{8, 16}}));
    counted_pages large{{.window = {0, 32}, .group_pages = 1}, gpu(0)};
    large.add({.sub_regions = 0x80000001}, 0, cpu, whole, true);
    CHECK(large.pages() == masks::pages({0, 31}));
  }

  TEST_CASE("counted pages go where the ladder says, but not where they are, and not while they are throttled") {
    counted_view const v{.mapped = true, .throttled = {2}, .pinned = {3}, .at_other = {4, 5}, .there = {5}};
    page_mask const counted = masks::pages({1, 2, 3, 4, 5, 6});
    counter_service const s = look_at_counted(counted, masks::pages({6}), v);
    CHECK(s.destinations == (processor_set{gpu(0)} | gpu(1)));
    CHECK(s.to[gpu(0).id] == masks::pages({1, 3}));
    CHECK(s.to[gpu(1).id] == masks::pages({4}));
    CHECK(s.pinned == masks::pages({3}));
  }

  TEST_CASE("a GPU that is not mapped to the block gets nothing") {
    counted_view v;
    v.mapped = false;
    CHECK(look_at_counted(masks::pages({1}), {}, v).destinations.empty());
  }

  TEST_CASE("the GPU counts on where a service succeeded or nothing was to serve, and stays silent elsewhere") {
    CHECK(is_cleared(counted_place::block, false));
    CHECK_FALSE(is_cleared(counted_place::block, true));
    for (bool const failed : {false, true}) {
      CHECK(is_cleared(counted_place::no_block, failed));
      CHECK(is_cleared(counted_place::no_memory, failed));
      CHECK_FALSE(is_cleared(counted_place::unknown, failed));
    }
  }
}

TEST_SUITE("placement/counter_heat") {
  using wish = counter_heat::wish;

  TEST_CASE("eight notifications bring a group to the GPU, sixteen under pressure") {
    for (bool const pressure : {false, true}) {
      counter_heat h;
      for (unsigned n = 1; n < (pressure ? 16u : 8u); ++n) CHECK(h.notified(pressure) == wish::stay);
      CHECK(h.notified(pressure) == wish::promote);
    }
  }

  TEST_CASE("heat halves with each period") {
    counter_heat h;
    for (unsigned n = 0; n < 7; ++n) CHECK(h.notified(false) == wish::stay);
    CHECK(h.period() == wish::stay);
    for (unsigned n = 3; n < 7; ++n) CHECK(h.notified(false) == wish::stay);
    CHECK(h.notified(false) == wish::promote);
  }

  TEST_CASE("a group goes back after four quiet periods, counted from its last use") {
    counter_heat h;
    h.moved(true);
    for (unsigned n = 0; n < 3; ++n) CHECK(h.period() == wish::stay);
    h.touched();
    for (unsigned n = 0; n < 3; ++n) CHECK(h.period() == wish::stay);
    CHECK(h.notified(false) == wish::stay);
    for (unsigned n = 0; n < 3; ++n) CHECK(h.period() == wish::stay);
    CHECK(h.period() == wish::demote);
    h.moved(false);
    for (unsigned n = 0; n < 10; ++n) CHECK(h.period() == wish::stay);
  }

  TEST_CASE("no state goes to the GPU and back without eight notifications and four quiet periods between") {
    std::set<std::tuple<unsigned, unsigned, bool>> seen;
    struct node {
      counter_heat h;
      unsigned heat = 0, quiet = 0;  // a model: since the last move
      bool on = false;
    };
    std::vector<node> open(1);
    while (!open.empty()) {
      node const here = open.back();
      open.pop_back();
      if (!seen.emplace(here.heat, here.quiet, here.on).second) continue;
      for (unsigned step = 0; step < 4; ++step) {
        node n = here;
        wish said = wish::stay;
        wish expected = wish::stay;
        if (step < 2) {
          said = n.h.notified(step == 1);
          n.heat = n.heat < 255 ? n.heat + 1 : 255;
          n.quiet = 0;
          if (!n.on && n.heat >= (step == 1 ? 16u : 8u)) expected = wish::promote;
        } else if (step == 2) {
          said = n.h.period();
          n.heat /= 2;
          n.quiet = n.quiet < 255 ? n.quiet + 1 : 255;
          if (n.on && n.quiet >= 4) expected = wish::demote;
        } else {
          n.h.touched();
          n.quiet = 0;
        }
        REQUIRE(said == expected);
        if (said != wish::stay) {
          n.on = said == wish::promote;
          n.h.moved(n.on);
          n.heat = n.quiet = 0;
        }
        REQUIRE(n.h.is_on_gpu() == n.on);
        open.push_back(n);
      }
    }
    CHECK(seen.size() > 700);
  }
}

TEST_SUITE("placement/block_heat") {
  TEST_CASE("groups and their pages, for pages of any size") {
    for (unsigned const group : {16u, 4u, 1u}) {
      page_mask some;
      some.set(0);
      some.set(group * 3 + group - 1);
      some.set(group * 31);
      CHECK(groups_in(some, group) == (1u | 1u << 3 | 1u << 31));
      page_mask whole;
      for (unsigned const g : {0u, 3u, 31u}) whole.set(page_span{g * group, (g + 1) * group});
      CHECK(pages_of_groups(groups_in(some, group), group) == whole);
      CHECK(groups_in({}, group) == 0);
    }
  }

  TEST_CASE("E each group has a heat of its own, and is distant from when it is left until counters bring it") {
    block_heat b;
    for (unsigned n = 1; n < defaults::hot_notifications; ++n) CHECK(b.notified(5, false) == 0);
    CHECK(b.notified(2, false) == 0);
    CHECK(b.notified(4, false) == 4);
    CHECK(b.notified(1, true) == 0);
    CHECK(b.notified(1, false) == 1);
    b.leave(12);
    CHECK(b.distant() == 12);
    b.came(4);
    CHECK(b.distant() == 8);
    for (unsigned n = 1; n < defaults::cold_periods; ++n) CHECK(b.period() == 0);
    CHECK(b.period() == 4);
    b.leave(4);
    CHECK(b.distant() == 12);
    for (unsigned n = 0; n < 2 * defaults::cold_periods; ++n) CHECK(b.period() == 0);  // it is not on the GPU
  }

  TEST_CASE("E a group that is left keeps its heat, and one that faults touch does not go back") {
    block_heat b;
    for (unsigned n = 1; n < defaults::hot_notifications; ++n) CHECK(b.notified(1, false) == 0);
    b.leave(1);
    CHECK(b.notified(1, false) == 1);
    b.came(1);
    for (unsigned n = 0; n < 3 * defaults::cold_periods; ++n) {
      CHECK(b.period() == 0);
      b.touched(1);
    }
  }
}

TEST_SUITE("placement/discard") {
  TEST_CASE("discarded pages leave without a copy, until they are written or a program moves them") {
    discarded_pages d;
    CHECK(d.discard(masks::of({{0, 10}}), masks::of({{5, 20}}), false) == masks::of({{5, 20}}));
    CHECK(d.copied_by_eviction(masks::of({{5, 20}})) == masks::of({{10, 20}}));
    d.mapped_writable(masks::pages({6}));
    d.moved_by_program(masks::pages({7, 8}));
    CHECK(d.pages() == masks::of({{0, 6}, {9, 10}}));
    CHECK(d.copied_by_eviction(masks::of({{5, 20}})) == masks::of({{6, 9}, {10, 20}}));
  }

  TEST_CASE("a discard that unmaps takes the pages' place at once") {
    discarded_pages d;
    CHECK(d.discard(masks::of({{0, 10}}), masks::of({{5, 20}}), true) == masks::of({{10, 20}}));
    CHECK(d.taken_by_eviction(masks::of({{0, 16}}), masks::of({{10, 20}})) == masks::of({{0, 16}}));
    CHECK(d.taken_by_eviction(masks::of({{8, 12}}), {}) == masks::of({{8, 10}}));
  }

  TEST_CASE("a block that was discarded whole changes its class") {
    discarded_pages d;
    page_mask const block{page_span{0, 512}};
    d.discard(masks::of({{0, 511}}), {}, false);
    CHECK(d.class_of(block, masks::pages({3}), {}) == eviction_class::used);
    d.discard(masks::pages({511}), {}, false);
    CHECK(d.class_of(block, masks::pages({3}), {}) == eviction_class::discarded);
    CHECK(d.class_of(block, {}, masks::pages({3})) == eviction_class::discarded);
    CHECK(d.class_of(block, {}, {}) == eviction_class::unused);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The two allocators of page frames, and the small tables of the simulated kernel.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/cpu/advice_map.hpp>
#include <svm/mock/cpu/backing.hpp>
#include <svm/mock/gpu/device_blocks.hpp>
#include <svm/mock/cpu/free_frames.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/mock/cpu/swap_device.hpp>

using svm::byte_count;
using svm::cpu_va;
using svm::page_order;
using svm::va_range;
using svm::mock::advice_map;
using svm::mock::page_advice;
using svm::mock::plain_list;

TEST_SUITE("mock/free_frames") {
  TEST_CASE("single frames come in ascending order, and what was freed last comes first") {
    svm::mock::free_frames f{512, 512 + 4};
    CHECK(f.take() == 512);
    CHECK(f.take() == 513);
    f.give(512, {});
    f.give(513, {});
    CHECK(f.take() == 513);
    CHECK(f.take() == 512);
    CHECK(f.take() == 514);
    CHECK(f.take() == 515);
    CHECK_FALSE(f.take());
  }

  TEST_CASE("blocks are aligned, come from the top, and then from what was freed together") {
    svm::mock::free_frames f{512, 512 + 1030};
    CHECK(f.take(page_order{9}) == 1024u);
    CHECK(f.take(page_order{9}) == 512u);
    CHECK_FALSE(f.take(page_order{3}));  // 6 frames are left above
    CHECK(f.take(page_order{2}) == 1536u);
    f.give(512, {9});
    CHECK(f.take() == 512);
    CHECK_FALSE(f.take(page_order{9}));
    CHECK(f.take(page_order{8}) == 768u);
    f.give(512, {});
    f.give(768, {8});
    CHECK(f.take(page_order{9}) == 512u);
  }

  TEST_CASE("a thousand random rounds hand out no frame twice, and in the end one block is free again") {
    svm::mock::random draw{7};
    svm::mock::free_frames f{512, 1024};
    std::vector<std::pair<std::uint32_t, page_order>> taken;
    std::set<std::uint32_t> out;
    for (int round = 0; round < 1000; ++round) {
      page_order const order{static_cast<std::uint8_t>(draw.below(6))};
      if (auto const first = draw.below(3) != 0 ? f.take(order) : std::nullopt) {
        CHECK(*first % order.pages().value == 0);
        for (std::uint32_t n = 0; n < order.pages().value; ++n) REQUIRE(out.insert(*first + n).second);
        taken.emplace_back(*first, order);
      } else if (!taken.empty()) {
        std::swap(taken.back(), taken[draw.below(taken.size())]);
        auto const [start, size] = taken.back();
        taken.pop_back();
        for (std::uint32_t n = 0; n < size.pages().value; ++n) out.erase(start + n);
        f.give(start, size);
      }
    }
    for (auto const& [start, size] : taken) f.give(start, size);
    CHECK(f.take(page_order{9}) == 512u);
  }
}

TEST_SUITE("mock/device_blocks") {
  TEST_CASE("an allocation takes the largest blocks, and pieces when there are no others") {
    svm::mock::device_blocks b{512, 64, {4}};
    plain_list<std::uint32_t> got;
    b.take(20, got);
    REQUIRE(got.size() == 20);
    for (std::uint32_t i = 0; i < 20; ++i) CHECK(got[i] == 512 + i);
    plain_list<std::uint32_t> rest;
    b.take(44, rest);
    CHECK(b.free() == 0);
    for (std::uint32_t i = 0; i < 20; i += 2) b.give(got[i]);
    plain_list<std::uint32_t> pieces;
    b.take(10, pieces);
    CHECK(b.free() == 0);
    for (std::uint32_t const n : pieces) CHECK(n % 2 == 0);
  }

  TEST_CASE("halves that are free become one block again") {
    svm::mock::device_blocks b{512, 16, {4}};
    plain_list<std::uint32_t> got;
    b.take(16, got);
    for (std::uint32_t const n : got) b.give(n);
    plain_list<std::uint32_t> whole;
    b.take(16, whole);
    CHECK(std::ranges::equal(whole, got));
  }
}

TEST_SUITE("mock/advice_map") {
  TEST_CASE("advice holds for its span, can be moved and forgotten, and neighbours alike are one") {
    advice_map m;
    auto const shape = [&m] {
      std::string all;
      m.for_each({cpu_va{0}, byte_count{100}}, [&](va_range piece, page_advice const& a) {
        all += std::to_string(piece.start().value) + (a.dont_fork ? "f" : "") + (a.locked ? "l" : "") + " ";
      });
      return all;
    };
    auto const lock = [](page_advice& a) { a.locked = true; };
    auto const stay = [](page_advice& a) { a.dont_fork = true; };
    CHECK(shape() == "0 ");
    m.change({cpu_va{10}, byte_count{20}}, stay);
    m.change({cpu_va{20}, byte_count{20}}, lock);
    CHECK(shape() == "0 10f 20fl 30l 40 ");
    m.copy(cpu_va{15}, {20}, cpu_va{60});
    CHECK(shape() == "0 10f 20fl 30l 40 60f 65fl 75l 80 ");
    m.clear({cpu_va{12}, byte_count{70}});
    CHECK(shape() == "0 10f 12 ");
    CHECK(m.at(cpu_va{11}).dont_fork);
    CHECK_FALSE(m.at(cpu_va{12}).dont_fork);
    m.change({cpu_va{12}, byte_count{8}}, stay);
    CHECK(shape() == "0 10f 20 ");
  }
}

TEST_SUITE("mock/backing") {
  TEST_CASE("an offset is mapped while some mapping covers it") {
    svm::mock::backing b;
    CHECK_FALSE(b.is_mapped(0));
    b.map(0, {10});
    b.map(5, {10});
    CHECK(b.is_mapped(0));
    CHECK(b.is_mapped(14));
    CHECK_FALSE(b.is_mapped(15));
    b.unmap(0, {8});
    CHECK_FALSE(b.is_mapped(4));
    CHECK(b.is_mapped(5));
    b.unmap(8, {2});
    b.unmap(5, {10});
    CHECK_FALSE(b.is_mapped(9));
  }
}

TEST_SUITE("mock/swap_device") {
  TEST_CASE("a slot keeps a page's bytes until its last reference goes") {
    svm::mock::swap_device<4096> d;
    svm::mock::page_content<4096> page;
    page.make();
    *page.writable(0, 1) = std::byte{3};
    auto const slot = d.write(page);
    d.get(slot);
    d.get(slot);
    *page.writable(0, 1) = std::byte{9};
    d.put(slot);
    CHECK(d.used() == 1);
    d.read(slot, page);
    CHECK(page.bytes()[0] == std::byte{3});
    d.put(slot);
    CHECK(d.used() == 0);
    CHECK(d.references(slot) == 0);
  }
}

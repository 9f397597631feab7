// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/port/page_migration.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <port/small_process.hpp>

using namespace small;
using svm::port::migration_step;

namespace {

constexpr page_order order_2{2};

/// Two processes, a device, and what each page holds.
struct world : machine {
  process one{*this};
  process two{*this};
  memory_owner behind{*this};

  /// The values at some pages of a process.
  [[nodiscard]] std::vector<std::uint64_t> values(process& p, std::uint64_t first, std::uint64_t count) {
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = first; i < first + count; ++i)
      all.push_back(p.target(i) == page{} ? 0 : memory.content(p.target(i)));
    return all;
  }
  /// Moves what a process maps to a new block of device memory.
  page to_device(process& p, std::uint64_t first, page_order order = {}) {
    page const there = behind.block(order);
    std::vector<slot> slots(order.pages().value);
    process::migration session;
    REQUIRE(p.collect(session, pages(first, slots.size()), slots, svm::nobody) == errc::ok);
    give(slots, 0, there, order);
    p.install(session);
    return there;
  }
  /// Names the destination of a slot, and copies what there is.
  void give(std::span<slot> slots, std::size_t i, page to, page_order order = {}) {
    slots[i].destination = to;
    slots[i].destination_order = order;
    for (std::size_t k = 0; k < order.pages().value; ++k)
      memory.content(frame_table::after(to, k)) =
          slots[i + k].source == page{} ? 0 : memory.content(slots[i + k].source);
  }
  [[nodiscard]] std::vector<slot> named(page first, std::size_t count) {
    std::vector<slot> slots(count);
    for (std::size_t i = 0; i < count; ++i) slots[i].source = frame_table::after(first, i);
    return slots;
  }
  /// Nothing is left of any page or lock.
  void end() {
    one.unmap(pages(0, 64));
    two.unmap(pages(0, 64));
    CHECK(complaints() == "");
  }
};

std::vector<slot_state> states(std::vector<slot> const& slots) {
  std::vector<slot_state> all;
  for (slot const& s : slots) all.push_back(s.state);
  return all;
}
using enum svm::slot_state;

}  // namespace

TEST_SUITE("port/page_migration") {
  TEST_CASE("a page that two processes map is not collected from one, and comes out of both when it is named") {
    world w;
    w.one.fill(3);
    page const there = w.to_device(w.one, 3);
    w.two.map(9, there);
    w.one.events.clear();
    std::vector<slot> slots(1);
    {
      process::migration session;
      REQUIRE(w.one.collect(session, pages(3, 1), slots, svm::page_owner{1, 7}) == errc::ok);
      CHECK(states(slots) == std::vector{shared});
    }
    CHECK(w.one.is_usable(3));
    w.one.events.clear();
    slots = w.named(there, 1);
    {
      process::migration session;
      w.one.collect_pages(session, slots, nullptr, page{});
      CHECK(states(slots) == std::vector{collected});
      CHECK(!w.one.is_usable(3));
      CHECK(!w.two.is_usable(9));
      REQUIRE(w.one.events.size() == 1);
      REQUIRE(w.two.events.size() == 1);
      CHECK(w.one.events[0].span == pages(3, 1));
      CHECK(w.two.events[0].span == pages(9, 1));
      CHECK(w.two.events[0].owner == w.behind.owner());
      page const back = *w.one.allocate_page({});
      w.give(slots, 0, back);
      w.one.install(session);
      w.one.finalize(session);
      CHECK(w.one.target(3) == back);
      CHECK(w.two.target(9) == back);
      CHECK(w.others(back) == 0);
      CHECK(!w.is_locked(back));
    }
    CHECK(w.behind.freed == 1);
    CHECK(w.values(w.two, 9, 1) == std::vector<std::uint64_t>{1003});
    w.end();
    CHECK(!w.is_alive(w.one.target(3)));
  }
  TEST_CASE("a scope is of the address space that it names, whichever the call is on") {
    world w;
    w.one.fill(3);
    page const there = w.to_device(w.one, 3);
    for (process* const on : {&w.one, &w.two})
      for (auto const& [space, span, expected] :
           {std::tuple{w.one.id(), pages(3, 1), collected}, std::tuple{w.two.id(), pages(3, 1), elsewhere},
            std::tuple{w.one.id(), pages(4, 1), elsewhere}, std::tuple{svm::space_id{}, pages(3, 1), elsewhere}}) {
        std::vector<slot> slots = w.named(there, 1);
        svm::page_scope const within{space, span};
        process::migration session;
        on->collect_pages(session, slots, &within, page{});
        CHECK(slots[0].state == expected);
      }
    CHECK(w.one.is_usable(3));
    w.end();
  }
  TEST_CASE("neighbours go out with one event, those of another device or place with one of their own") {
    world w;
    memory_owner other{w, 2};
    for (std::uint64_t i : {0u, 1u, 2u, 3u, 6u}) w.one.fill(i);
    std::vector<slot> slots;
    for (std::uint64_t i : {0u, 1u, 2u, 6u}) slots.push_back({.source = w.to_device(w.one, i)});
    {
      std::vector<slot> moved(1);
      process::migration session;
      REQUIRE(w.one.collect(session, pages(3, 1), moved, svm::nobody) == errc::ok);
      w.give(moved, 0, other.block());
      w.one.install(session);
    }
    slots.push_back({.source = w.one.target(3)});
    std::swap(slots[3], slots[4]);  // 0, 1, 2, 3 of the other device, 6
    w.one.events.clear();
    process::migration session;
    w.one.collect_pages(session, slots, nullptr, page{});
    CHECK(states(slots) == std::vector(5, collected));
    REQUIRE(w.one.events.size() == 3);
    CHECK(w.one.events[0].span == pages(0, 3));
    CHECK(w.one.events[0].owner == w.behind.owner());
    CHECK(w.one.events[1].span == pages(3, 1));
    CHECK(w.one.events[1].owner == other.owner());
    CHECK(w.one.events[2].span == pages(6, 1));
    w.one.finalize(session);
    w.end();
  }
  TEST_CASE("an event is over what is taken out, and not over other pages between") {
    world w;
    w.one.fill(0);
    w.one.fill(5);
    std::vector<slot> slots{{.source = w.to_device(w.one, 0)}, {.source = w.to_device(w.one, 5)}};
    page const between = w.one.fill(1);
    w.one.events.clear();
    process::migration session;
    w.one.collect_pages(session, slots, nullptr, page{});
    CHECK(states(slots) == std::vector{collected, collected});
    REQUIRE(w.one.events.size() == 2);
    CHECK(w.one.events[0].span == pages(0, 1));
    CHECK(w.one.events[1].span == pages(5, 1));
    CHECK(w.one.target(1) == between);
    CHECK(w.one.is_usable(1));
    w.one.finalize(session);
    w.end();
  }
  TEST_CASE("a block of which a part lies elsewhere is split, and the part stays") {
    world w;
    w.one.fill(4, order_2);
    page const there = w.to_device(w.one, 4, order_2);
    std::vector<slot> slots = w.named(there, 4);
    svm::page_scope const within{w.one.id(), pages(4, 2)};
    {
      process::migration session;
      w.two.collect_pages(session, slots, &within, page{});
      CHECK(states(slots) == std::vector{collected, collected, elsewhere, elsewhere});
      CHECK(slots[0].order == page_order{});
      CHECK(w.one.is_usable(6));
    }
    CHECK(w.behind.splits.size() == 1);
    CHECK(w.values(w.one, 4, 4) == std::vector<std::uint64_t>{1004, 1005, 1006, 1007});
    w.end();
  }
  TEST_CASE("a block comes whole from slots for all of it, and is split where they are for a part") {
    world w;
    page const block = w.one.fill(4, order_2);
    {
      std::vector<slot> slots(4);
      process::migration session;
      REQUIRE(w.one.collect(session, pages(4, 4), slots, svm::nobody) == errc::ok);
      CHECK(states(slots) == std::vector(4, collected));
      CHECK(slots[0].order == order_2);
      CHECK(!slots[0].follows);
      CHECK(slots[3].follows);
      CHECK(slots[3].source == frame_table::after(block, 3));
      CHECK(w.others(block) == 1);
      CHECK(w.is_locked(block));
    }
    CHECK(w.others(block) == 0);
    CHECK(!w.is_locked(block));
    {
      std::vector<slot> slots(4);  // from the second page on, and one page behind it
      process::migration session;
      REQUIRE(w.one.collect(session, pages(5, 4), slots, svm::nobody) == errc::ok);
      CHECK(states(slots) == std::vector{collected, collected, collected, hole});
      for (slot const& s : slots) CHECK(s.order == page_order{});
    }
    CHECK(w.look([&](frame_table& f) { return f.order_of(block); }) == page_order{});
    CHECK(w.values(w.one, 4, 4) == std::vector<std::uint64_t>{1004, 1005, 1006, 1007});
    w.end();
  }
  TEST_CASE("what is wrong with the span is said before anything is locked") {
    world w;
    w.one.area = pages(2, 4);
    std::vector<slot> slots(4);
    process::migration session;
    CHECK(w.one.collect(session, pages(8, 4), slots, svm::nobody) == errc::no_vma);
    CHECK(w.one.collect(session, pages(3, 4), slots, svm::nobody) == errc::spans_vmas);
    w.one.migratable = false;
    CHECK(w.one.collect(session, pages(2, 4), slots, svm::nobody) == errc::not_migratable);
    CHECK(w.one.events.empty());
    CHECK(states(slots) == std::vector(4, untouched));
    w.end();
  }
  TEST_CASE("pages that others have are refused, each with the reason, and stay") {
    world w;
    page const there = [&] {
      w.one.fill(2);
      return w.to_device(w.one, 2);
    }();
    std::vector<page> const before{w.one.fill(0), w.one.fill(1)};
    w.one.fill(3);
    w.look([&](frame_table& f) {
      f.lock().assert_held();
      f.set_locked(before[0], true);
    });
    w.pin(before[1]);
    std::vector<slot> slots(4);
    {
      process::migration session;
      REQUIRE(w.one.collect(session, pages(0, 4), slots, svm::nobody) == errc::ok);
      CHECK(states(slots) == std::vector{locked, pinned, resident, collected});
    }
    CHECK(w.one.is_usable(3));
    std::vector<slot> named = w.named(there, 1);
    w.pin(there);
    {
      process::migration session;
      w.one.collect_pages(session, named, nullptr, page{});
      CHECK(states(named) == std::vector{pinned});
    }
    w.memory.put(there);
    w.memory.put(before[1]);
    w.look([&](frame_table& f) {
      f.lock().assert_held();
      f.set_locked(before[0], false);
    });
    w.end();
  }
  TEST_CASE("a page that is unmapped while it is withdrawn has raced, and ends") {
    world w;
    w.one.fill(3);
    page const there = w.to_device(w.one, 3);
    std::vector<slot> slots = w.named(there, 1);
    w.one.on_step = [&](migration_step s) {
      CHECK(s == migration_step::collecting);
      w.one.on_step = [&](migration_step then) {
        CHECK(then == migration_step::withdrawing);
        w.one.unmap(pages(3, 1));
      };
    };
    {
      process::migration session;
      w.one.collect_pages(session, slots, nullptr, page{});
      CHECK(states(slots) == std::vector{raced});
      CHECK(slots[0].source == page{});
      CHECK(w.behind.freed == 1);
    }
    CHECK(!w.is_alive(there));
    w.end();
  }
  TEST_CASE("a page that takes the place of one that is withdrawn is let alone") {
    world w;
    w.one.fill(3);
    page const there = w.to_device(w.one, 3);
    std::vector<slot> slots = w.named(there, 1);
    w.one.on_step = [&](migration_step) {
      w.one.on_step = [&](migration_step) {
        w.one.unmap(pages(3, 1));
        w.one.fill(3);
      };
    };
    {
      process::migration session;
      w.one.collect_pages(session, slots, nullptr, page{});
      CHECK(states(slots) == std::vector{raced});
      CHECK(w.one.is_usable(3));
    }
    CHECK(w.one.target(3) != there);
    CHECK(w.one.is_usable(3));
    w.end();
  }
  TEST_CASE("a page that is mapped anew again and again is pinned, and every mapping of it can be used") {
    world w;
    w.one.fill(3);
    page const there = w.to_device(w.one, 3);
    std::vector<slot> slots = w.named(there, 1);
    std::uint64_t next = 10;
    std::function<void(migration_step)> const map_again = [&](migration_step s) {
      if (s == migration_step::withdrawing) w.two.map(next++, there);
      if (s != migration_step::installing) w.one.on_step = map_again;
    };
    w.one.on_step = map_again;
    {
      process::migration session;
      w.one.collect_pages(session, slots, nullptr, page{});
      CHECK(states(slots) == std::vector{pinned});
    }
    w.one.on_step = nullptr;
    CHECK(next == 18);
    CHECK(w.one.is_usable(3));
    for (std::uint64_t i = 10; i < next; ++i) CHECK(w.two.is_usable(i));
    CHECK(w.others(there) == 0);
    CHECK(!w.is_locked(there));
    w.end();
  }
  TEST_CASE("a page that is mapped anew once is taken out there too") {
    world w;
    w.one.fill(3);
    page const there = w.to_device(w.one, 3);
    std::vector<slot> slots = w.named(there, 1);
    w.one.on_step = [&](migration_step) { w.one.on_step = [&](migration_step) { w.two.map(10, there); }; };
    process::migration session;
    w.one.collect_pages(session, slots, nullptr, page{});
    CHECK(states(slots) == std::vector{collected});
    CHECK(!w.two.is_usable(10));
    w.give(slots, 0, *w.one.allocate_page({}));
    w.one.install(session);
    w.one.finalize(session);
    CHECK(w.values(w.two, 10, 1) == std::vector<std::uint64_t>{1003});
    CHECK(w.behind.freed == 1);
    w.end();
  }
  TEST_CASE("what somebody takes a reference on before it is installed stays, with its data") {
    for (bool const whole : {true, false}) {
      CAPTURE(whole);
      world w;
      page const block = w.one.fill(4, order_2);
      page const there = w.behind.block(whole ? order_2 : page_order{});
      std::vector<slot> slots(4);
      {
        process::migration session;
        REQUIRE(w.one.collect(session, pages(4, 4), slots, svm::nobody) == errc::ok);
        w.give(slots, whole ? 0 : 2, there, whole ? order_2 : page_order{});
        w.one.on_step = [&](migration_step) { w.pin(frame_table::after(block, 1)); };
        w.one.install(session);
        CHECK(states(slots) == std::vector(4, raced));
      }
      CHECK(w.one.target(6) == frame_table::after(block, 2));
      CHECK(w.look([&](frame_table& f) { return f.order_of(block); }) == order_2);
      CHECK(w.behind.freed == (whole ? 4 : 1));
      CHECK(w.others(block) == 1);
      CHECK(!w.is_locked(block));
      w.memory.put(block);
      w.end();
    }
  }
  TEST_CASE("what is unmapped before it is installed ends, and so does its destination") {
    world w;
    page const before = w.one.fill(4);
    page const there = w.behind.block();
    std::vector<slot> slots(1);
    {
      process::migration session;
      REQUIRE(w.one.collect(session, pages(4, 1), slots, svm::nobody) == errc::ok);
      w.give(slots, 0, there);
      w.one.on_step = [&](migration_step) { w.one.unmap(pages(4, 1)); };
      w.one.install(session);
      CHECK(states(slots) == std::vector{raced});
      CHECK(w.is_alive(before));
    }
    CHECK(!w.is_alive(before));
    CHECK(w.behind.freed == 1);
    CHECK(w.one.mapped_pages() == 0);
    w.end();
  }
  TEST_CASE("a destination that nobody got goes with its session, whether or not anything is installed") {
    for (bool const finalized : {true, false}) {
      world w;
      page const before = w.one.fill(4);
      std::vector<slot> slots(2);
      {
        process::migration session;
        REQUIRE(w.one.collect(session, pages(4, 2), slots, svm::nobody) == errc::ok);
        CHECK(states(slots) == std::vector{collected, hole});
        w.give(slots, 0, w.behind.block());
        w.give(slots, 1, w.behind.block());
        if (finalized) w.one.finalize(session);
      }
      CHECK(w.behind.freed == 2);
      CHECK(w.one.target(4) == before);
      CHECK(w.one.is_usable(4));
      CHECK(w.one.target(5) == page{});
      CHECK(w.others(before) == 0);
      w.end();
    }
  }
  TEST_CASE("a hole that is filled meanwhile, or cannot be filled, has raced") {
    for (bool const filled : {true, false}) {
      CAPTURE(filled);
      world w;
      std::vector<slot> slots(3);
      {
        process::migration session;
        REQUIRE(w.one.collect(session, pages(4, 3), slots, svm::nobody) == errc::ok);
        for (std::size_t i = 0; i < 3; ++i) w.give(slots, i, w.behind.block());
        w.one.on_step = [&](migration_step) {
          if (filled) w.one.fill(5);
          if (!filled) w.one.mappings_left = 1;
        };
        w.one.install(session);
        CHECK(states(slots) == (filled ? std::vector{hole, raced, hole} : std::vector{hole, raced, raced}));
      }
      CHECK(w.behind.freed == (filled ? 1 : 2));
      CHECK(w.one.target(4) == slots[0].destination);
      CHECK(w.one.is_usable(4));
      if (filled) CHECK(w.values(w.one, 5, 1) == std::vector<std::uint64_t>{1005});
      if (!filled) CHECK(w.one.mapped_pages() == 1);
      w.end();
      CHECK(w.behind.freed == 3);
    }
  }
  TEST_CASE("a large hole is one block of slots, filled by one block or by pages") {
    for (bool const whole : {true, false}) {
      CAPTURE(whole);
      world w;
      w.one.hole_order = order_2;
      std::vector<slot> slots(6);
      std::vector<page> there;
      {
        process::migration session;
        REQUIRE(w.one.collect(session, pages(6, 6), slots, svm::nobody) == errc::ok);
        CHECK(states(slots) == std::vector(6, hole));
        CHECK(slots[0].order == page_order{});
        CHECK(slots[2].order == order_2);
        CHECK((!slots[1].follows && !slots[2].follows && slots[3].follows && slots[5].follows));
        if (whole) {
          page const block = w.behind.block(order_2);
          w.give(slots, 2, block, order_2);
          for (std::uint64_t i = 0; i < 4; ++i) there.push_back(frame_table::after(block, i));
        } else {
          for (std::uint64_t i = 0; i < 4; ++i) {
            there.push_back(w.behind.block());
            w.give(slots, 2 + i, there.back());
          }
        }
        w.one.install(session);
      }
      for (std::uint64_t i = 0; i < 4; ++i) CHECK(w.one.target(8 + i) == there[i]);
      CHECK(w.one.mapped_pages() == 4);
      w.end();
      CHECK(w.behind.freed == 4);
    }
  }
  TEST_CASE("one page of a block that moves alone leaves the others where they are") {
    world w;
    w.one.fill(4, order_2);
    page const there = w.to_device(w.one, 4, order_2);
    CHECK(w.one.target(7) == frame_table::after(there, 3));
    std::vector<slot> slots = w.named(there, 4);
    {
      process::migration session;
      w.one.collect_pages(session, slots, nullptr, page{});
      CHECK(slots[0].order == order_2);
      w.give(slots, 2, *w.one.allocate_page({}));
      w.one.install(session);
    }
    CHECK(w.behind.splits.size() == 1);
    CHECK(w.behind.freed == 1);
    CHECK(w.one.target(4) == there);
    CHECK(w.one.target(6) == slots[2].destination);
    CHECK(w.values(w.one, 4, 4) == std::vector<std::uint64_t>{1004, 1005, 1006, 1007});
    w.end();
    CHECK(w.behind.freed == 4);
  }

  // Faults.

  TEST_CASE("a hole is filled with a block where one is wanted and to be had, else with a page") {
    for (std::uint64_t nth = 0; nth <= 4; ++nth) {
      CAPTURE(nth);
      world w;
      w.one.hole_order = order_2;
      if (nth != 0) w.failures.arm(svm::mock::failure::alloc, nth);
      REQUIRE(w.one.populate(at(9)) == errc::ok);
      CHECK(w.one.mapped_pages() == (nth == 1 || nth == 2 ? 1 : 4));
      CHECK(w.one.is_usable(9));
      CHECK(w.others(w.one.target(9)) == 0);
      CHECK(!w.is_locked(w.one.target(9)));
      w.end();
      CHECK(w.heap.live_blocks() == 0);
    }
    world w;
    w.failures.arm(svm::mock::failure::alloc, 1, svm::mock::failure_plan::repeat::from_then_on);
    w.one.hole_order = order_2;
    CHECK(w.one.populate(at(9)) == errc::no_ram);
    CHECK(w.one.mapped_pages() == 0);
    w.end();
  }
  TEST_CASE("a block for which mappings run out ends where it is not mapped") {
    for (std::uint64_t left = 0; left < 4; ++left) {
      world w;
      w.one.hole_order = order_2;
      w.one.mappings_left = left;
      CHECK(w.one.populate(at(9)) == (left > 1 ? errc::ok : errc::no_ram));  // the second page is the one
      CHECK(w.one.mapped_pages() == left);
      for (std::uint64_t i = 0; i < left; ++i) CHECK(w.is_alive(w.one.target(8 + i)));
      if (left != 0) CHECK(!w.is_alive(frame_table::after(w.one.target(8), left)));
      w.end();
      CHECK(w.heap.live_blocks() == 0);
    }
  }
  TEST_CASE("a page that is there stays when its hole is to be filled") {
    world w;
    w.one.hole_order = order_2;
    page const there = w.one.fill(9);
    CHECK(w.one.populate(at(9)) == errc::ok);
    CHECK(w.one.target(9) == there);
    CHECK(w.one.mapped_pages() == 1);
    w.end();
    CHECK(w.heap.live_blocks() == 0);
  }
  TEST_CASE("a fault keeps the page alive while its owner is asked, and no longer") {
    world w;
    w.one.fill(4);
    page const there = w.to_device(w.one, 4);
    w.behind.on_fault = [&](svm::cpu_fault<page> const& fault) {
      CHECK(fault.space == w.one.id());
      CHECK(fault.address == at(4) + svm::byte_count{8});
      CHECK(fault.page == there);
      CHECK(fault.vma == w.one.area);
      w.one.unmap(pages(4, 1));
      CHECK(w.is_alive(there));
      return svm::cpu_fault_answer{svm::cpu_fault_answer::action::fail, {}, errc::no_ram};
    };
    auto const answer = w.one.bring_back(at(4) + svm::byte_count{8}, there, w.one.area);
    CHECK(answer.next == svm::cpu_fault_answer::action::fail);
    CHECK(answer.error == errc::no_ram);
    CHECK(w.behind.faults.size() == 1);
    CHECK(!w.is_alive(there));
    CHECK(w.behind.freed == 1);
    w.end();
  }
  TEST_CASE("a fault on a page that others work on, or that is gone, asks nobody") {
    world w;
    w.one.fill(4);
    page const before = w.one.target(4);
    page const there = w.to_device(w.one, 4);
    CHECK(w.one.bring_back(at(4), before, w.one.area).error == errc::ok);
    w.look([&](frame_table& f) {
      f.lock().assert_held();
      f.set_locked(there, true);
    });
    auto const answer = w.one.bring_back(at(4), there, w.one.area);
    CHECK(answer.next == svm::cpu_fault_answer::action::look_again);
    CHECK(answer.error == errc::in_use);
    CHECK(w.others(there) == 0);
    w.look([&](frame_table& f) {
      f.lock().assert_held();
      f.set_locked(there, false);
    });
    CHECK(w.behind.faults.empty());
    w.end();
  }
  TEST_CASE("a fault brings one page of a block back, and its reference stays with that page") {
    world w;
    w.one.fill(4, order_2);
    page const there = w.to_device(w.one, 4, order_2);
    w.behind.on_fault = [&](svm::cpu_fault<page> const& fault) {
      svm::page_scope const within{fault.space, fault.vma};
      std::vector<slot> whole = w.named(there, 4);
      {
        process::migration session;
        w.two.collect_pages(session, whole, &within, page{});  // no part of the fault
        CHECK(states(whole) == std::vector{pinned, pinned, pinned, pinned});
      }
      std::vector<slot> slots = w.named(frame_table::after(there, 1), 1);
      process::migration session;
      w.two.collect_pages(session, slots, &within, fault.page);
      CHECK(states(slots) == std::vector{collected});
      w.give(slots, 0, *w.two.allocate_page({}));
      w.two.install(session);
      CHECK(slots[0].state == collected);
      return svm::cpu_fault_answer{};
    };
    CHECK(w.one.bring_back(at(5), frame_table::after(there, 1), w.one.area).error == errc::ok);
    CHECK(w.values(w.one, 4, 4) == std::vector<std::uint64_t>{1004, 1005, 1006, 1007});
    CHECK(w.behind.freed == 1);
    CHECK(w.one.target(4) == there);
    CHECK(w.others(there) == 0);
    w.end();
    CHECK(w.behind.freed == 4);
  }
  TEST_CASE("a fault brings a whole block back, and its reference is no obstacle") {
    world w;
    w.one.fill(4, order_2);
    page const there = w.to_device(w.one, 4, order_2);
    w.behind.on_fault = [&](svm::cpu_fault<page> const& fault) {
      std::vector<slot> slots = w.named(there, 4);
      process::migration session;
      w.one.collect_pages(session, slots, nullptr, fault.page);
      CHECK(states(slots) == std::vector(4, collected));
      w.give(slots, 0, *w.one.allocate_page(order_2), order_2);
      w.one.install(session);
      CHECK(states(slots) == std::vector(4, collected));
      return svm::cpu_fault_answer{};
    };
    CHECK(w.one.bring_back(at(6), frame_table::after(there, 2), w.one.area).error == errc::ok);
    CHECK(w.values(w.one, 4, 4) == std::vector<std::uint64_t>{1004, 1005, 1006, 1007});
    CHECK(w.behind.freed == 4);
    CHECK(w.behind.splits.empty());
    w.end();
  }
}

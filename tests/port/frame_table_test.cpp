// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/port/frame_table.hpp>

#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <port/small_process.hpp>
#include <support/death.hpp>

using namespace small;
using svm::page_count;

namespace {

constexpr page_order order_0{0};
constexpr page_order order_2{2};

/// Releases what `take` took under the lock.
template <class Take>
void with_freed(machine& m, Take&& take) {
  frame_table::freed_list freed;
  {
    guard const g{m.memory.lock()};
    take(m.memory, freed);
  }
  m.memory.tell(freed);
}

}  // namespace

TEST_SUITE("port/frame_table") {
  TEST_CASE("pages of one call have consecutive numbers, aligned as the largest block that fits into them") {
    machine m;
    std::uint64_t end = 0;
    for (std::uint64_t const count : {1u, 8u, 5u, 16u, 3u, 32u}) {
      page const first = *m.memory.add(page_count{count}, true);
      std::uint64_t alignment = 1;
      while (alignment * 2 <= count) alignment *= 2;
      CHECK(first.value % alignment == 0);
      CHECK(first.value >= end);
      CHECK(first != page{});
      end = first.value + count;
      for (std::uint64_t i = 0; i < count; ++i) {
        CHECK(m.look([&](frame_table& f) { return f.first_of(frame_table::after(first, i)); }) ==
              frame_table::after(first, i));
        CHECK(!m.is_alive(frame_table::after(first, i)));  // nobody has a reference
      }
    }
    CHECK(m.complaints() == "");
  }
  TEST_CASE("the largest block that begins with a page is aligned, and ends where it may") {
    CHECK(frame_table::block_at(page{8}, page_count{8}) == page_order{3});
    CHECK(frame_table::block_at(page{8}, page_count{15}) == page_order{3});
    CHECK(frame_table::block_at(page{8}, page_count{7}) == order_2);
    CHECK(frame_table::block_at(page{12}, page_count{100}) == order_2);
    CHECK(frame_table::block_at(page{13}, page_count{100}) == order_0);
    CHECK(frame_table::block_at(page{16}, page_count{1}) == order_0);
  }
  TEST_CASE("a block of system memory ends with its last reference, and its number is of no live page any more") {
    machine m;
    page const block = *m.memory.allocate_ram(order_2);
    m.pin(frame_table::after(block, 3));
    m.memory.put(block);
    for (std::uint64_t i = 0; i < 4; ++i) CHECK(m.is_alive(frame_table::after(block, i)));
    CHECK(!m.is_alive(frame_table::after(block, 4)));
    m.memory.put(block);
    for (std::uint64_t i = 0; i < 4; ++i) CHECK(!m.is_alive(frame_table::after(block, i)));
    CHECK(m.heap.live_blocks() == 0);
    for (int i = 0; i < 10; ++i) {
      page const other = *m.memory.allocate_ram(order_2);
      CHECK(other.value >= block.value + 4);
      m.memory.put(other);
    }
    CHECK(m.complaints() == "");
  }
  TEST_CASE("an allocation that fails at any step leaves nothing behind") {
    for (std::uint64_t nth = 1;; ++nth) {
      machine m;
      m.failures.arm(svm::mock::failure::alloc, nth);
      auto const device = m.memory.add(page_count{4}, true);
      bool const failed = !device;
      if (failed) CHECK(device.error() == errc::no_memory);
      if (failed) CHECK(m.heap.live_blocks() == 0);
      m.failures.arm(svm::mock::failure::alloc, nth);
      std::uint64_t const before = m.heap.live_blocks();
      auto const system = m.memory.allocate_ram(order_2);
      CHECK(!system == failed);
      if (!system) CHECK(system.error() == errc::no_ram);
      if (!system) CHECK(m.heap.live_blocks() == before);
      m.failures.disarm();
      page const next = *m.memory.allocate_ram(order_2);
      CHECK(m.is_alive(next));
      CHECK(m.complaints() == "");
      if (!failed) {
        CHECK(nth == 3);  // two steps
        break;
      }
    }
  }
  TEST_CASE("a number of pages whose size overflows is refused") {
    machine m;
    auto const all = m.memory.add(page_count{UINT64_MAX / 2}, true);
    REQUIRE(!all);
    CHECK(all.error() == errc::no_memory);
  }
  TEST_CASE("the last reference on device memory is told once, and the pages stay until they are removed") {
    machine m;
    memory_owner behind{m};
    page const block = behind.block(order_2);
    CHECK(m.is_locked(block));
    CHECK(m.look([&](frame_table& f) { return f.owner_of(frame_table::after(block, 2)); }) == behind.owner());
    CHECK(m.look([&](frame_table& f) { return f.is_device(block); }));
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      f.release_locked(block, freed);
    });
    CHECK(behind.freed == 4);
    CHECK(behind.freed_blocks == std::vector<page>{block});
    CHECK(!m.is_alive(block));
    {
      guard const g{m.memory.lock()};
      m.memory.adopt_locked(block, order_2, behind, true);  // its allocation is used again
      CHECK(m.memory.is_coherent(frame_table::after(block, 1)));
    }
    CHECK(m.is_alive(block));
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      f.release_locked(block, freed);
    });
    CHECK(behind.freed == 8);
    m.memory.remove(block);
    CHECK(m.heap.live_blocks() == 0);
    CHECK(m.complaints() == "");
  }
  TEST_CASE("only the first page of what one call made can be removed") {
    machine m;
    page const first = *m.memory.add(page_count{4}, true);
    CHECK(support::asserts_in_child([&] { m.memory.remove(frame_table::after(first, 1)); }));
    m.memory.remove(first);
    CHECK(m.heap.live_blocks() == 0);
  }
  TEST_CASE("a split gives each page the references of its mappings, one of each holder, and the fault's its own") {
    machine m;
    memory_owner behind{m};
    page const block = behind.block(order_2);  // one reference of the holder
    process one{m};
    process two{m};
    for (std::uint64_t i = 0; i < 3; ++i) one.map(i, frame_table::after(block, i));
    two.map(7, block);
    {
      guard const g{m.memory.lock()};
      m.memory.set_locked(block, false);
      CHECK(m.memory.begin_fault_locked(frame_table::after(block, 1)));
      CHECK(!m.memory.begin_fault_locked(frame_table::after(block, 2)));  // a fault is under way
      m.memory.set_locked(block, true);
    }
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      CHECK(!f.split_locked(block, 0, freed));  // somebody holds it
      CHECK(!f.split_locked(block, 2, freed));
      CHECK(f.order_of(block) == order_2);
      CHECK(f.split_locked(block, 1, freed));
    });
    CHECK(behind.splits.size() == 1);
    CHECK(behind.splits[0].first == block);
    CHECK(behind.splits[0].from == order_2);
    CHECK(behind.freed == 0);
    for (std::uint64_t i = 0; i < 4; ++i) {
      page const p = frame_table::after(block, i);
      CHECK(m.look([&](frame_table& f) { return f.first_of(p); }) == p);
      CHECK(m.is_locked(p));
      CHECK(m.others(p) == (i == 1 ? 2u : 1u));
      CHECK(m.look([&](frame_table& f) {
        f.lock().assert_held();
        return f.is_faulting_locked(p);
      }) == (i == 1));
      CHECK(m.look([&](frame_table& f) {
        f.lock().assert_held();
        return f.mappings_locked(p);
      }) == (i == 0   ? 2u
             : i == 3 ? 0u
                      : 1u));
    }
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      for (std::uint64_t i = 0; i < 4; ++i) f.release_locked(frame_table::after(block, i), freed);
    });
    CHECK(behind.freed == 1);  // the one that is mapped nowhere
    one.unmap(pages(0, 3));
    CHECK(behind.freed == 2);
    CHECK(m.is_alive(frame_table::after(block, 1)));  // the fault's
    m.memory.end_fault(frame_table::after(block, 1));
    two.unmap(pages(7, 1));
    CHECK(behind.freed == 4);
    m.memory.remove(block);
    CHECK(m.complaints() == "");
  }
  TEST_CASE("a split without holders ends what is mapped nowhere") {
    machine m;
    process one{m};
    page const block = one.fill(0, order_2);
    m.pin(block);
    one.unmap(pages(1, 1));  // others hold the block, so it stays whole
    CHECK(m.look([&](frame_table& f) { return f.order_of(block); }) == order_2);
    m.memory.put(block);
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      f.trim_locked(block, freed);
    });
    CHECK(m.look([&](frame_table& f) { return f.order_of(block); }) == order_0);
    CHECK(!m.is_alive(frame_table::after(block, 1)));
    CHECK(m.is_alive(frame_table::after(block, 3)));
    one.unmap(pages(0, 4));
    CHECK(m.heap.live_blocks() == 0);
    CHECK(m.complaints() == "");
  }
  TEST_CASE("unmapping a page of a block ends that page at once, unless somebody works on the block") {
    machine m;
    process one{m};
    page const block = one.fill(0, order_2);
    m.look([&](frame_table& f) {
      f.lock().assert_held();
      f.hold_locked(block);
    });
    one.unmap(pages(2, 1));
    CHECK(m.is_alive(frame_table::after(block, 2)));
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      f.release_locked(block, freed);
    });
    CHECK(!m.is_alive(frame_table::after(block, 2)));
    one.unmap(pages(0, 1));
    CHECK(!m.is_alive(block));
    CHECK(m.is_alive(frame_table::after(block, 1)));
    CHECK(m.complaints() == "");
  }
  TEST_CASE("mappings move with their references, but for those that are not restored") {
    machine m;
    process one{m};
    process two{m};
    page const from = one.fill(0);
    two.map(5, from);
    m.look([&](frame_table& f) {
      f.lock().assert_held();
      f.hold_locked(from);
    });
    page const to = *m.memory.allocate_ram();
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      f.move_mappings_locked(
          from, to, [&](auto const& mapping) { return mapping.space == &one; }, freed);
    });
    CHECK(one.target(0) == to);
    CHECK(two.target(5) == from);
    CHECK(m.others(to) == 1);
    CHECK(m.others(from) == 1);
    int visited = 0;
    with_freed(m, [&](frame_table& f, frame_table::freed_list& freed) {
      f.lock().assert_held();
      f.move_mappings_locked(
          to, to, [&](auto const&) { return ++visited != 0; }, freed);
      f.release_locked(from, freed);
      f.put_locked(to, freed);
    });
    CHECK(visited == 1);
    CHECK(one.target(0) == to);
    CHECK(m.complaints() == "");
  }
  TEST_CASE("what is left ends with the table, and nobody is told") {
    svm::mock::failure_plan failures;
    svm::mock::report broken;
    svm::mock::counting_allocator heap{failures, broken};
    machine other;
    memory_owner behind{other};
    {
      frame_table table{heap};
      page const device = *table.add(page_count{4}, true);
      CHECK(table.allocate_ram(order_2));
      guard const g{table.lock()};
      table.adopt_locked(device, order_2, behind, false);
    }
    CHECK(heap.live_blocks() == 0);
    CHECK(behind.freed == 0);
    CHECK(broken.empty());
  }
  TEST_CASE("a page table that ends with the machine leaves its pages to the table") {
    svm::mock::failure_plan failures;
    svm::mock::report broken;
    svm::mock::counting_allocator heap{failures, broken};
    machine home;
    process one{home};
    {
      frame_table table{heap};
      page const p = *table.allocate_ram();
      frame_table::mapping m{one, at(0)};
      guard const g{table.lock()};
      table.map_locked(m, p);
      table.abandon_locked(m);
      CHECK(table.mappings_locked(p) == 0);
    }
    CHECK(heap.live_blocks() == 0);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// One rule after the other is broken behind the library's back, and found: right after it happened, by what changed, and
// by the check of everything. Where calls may be under way, a step finds it too, but for what somebody still changes.

#include <string>
#include <utility>

#include <mock/oracle_seams.hpp>

using namespace oracle_seams;
using svm::mock::moment;

namespace {

/// The first range, without a reference that would be one too many.
svm::range<policies>& range_of(world& w, cpu_va a = base) {
  return *w.range_at(a);
}
svm::notifier<policies>& notifier_of(world& w) {
  return range_of(w).owner();
}
/// Marks a range unmapped, as an invalidation does that forgets to queue it.
void mark_unmapped(world& w) {
  auto& r = range_of(w);
  svm::exclusive_guard const guard{r.owner().lock()};
  r.owner().set_unmapped_locked(r, first_chunk);
}

}  // namespace

TEST_SUITE("mock/oracle_spans, what changed") {
  TEST_CASE("a sound machine breaks no rule, whatever is looked at") {
    exact w;
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    check_all_find(w, world::everything, "");
  }

  TEST_CASE("O-01 a TLB entry that outlives the page table's") {
    exact w;
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    w.device.plant_stale_entry(base);
    REQUIRE(w.cpu_read(base) == 1u);
    w.check_touched(moment::step);
    CHECK(rules(w) == "");
    w.device.spring_stale_entry();
    w.check_touched(moment::step);  // the GPU has noted it by itself
    CHECK(rules(w) == "O-01");
    check_all_find(w, first_chunk, "O-01");
    remove_entry(w, base);
  }

  TEST_CASE(
      "O-01 a TLB entry may outlive the page table's while its flush is under way, and its page may not end before") {
    exact w{in_system};
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    w.device.begin_invalidate(first_chunk);
    CHECK(at_step(w, first_chunk) == "");
    auto const where = range_of(w).mapping().blocks_locked()[0];
    w.dma.unmap(where.address, where.direction);
    CHECK(rules(w) == "O-27");  // when it was unmapped
    CHECK(at_step(w, first_chunk) == "O-01");
    REQUIRE(*w.dma.map(w.process.entry_at(base).target, where.direction) == where.address);
    CHECK(at_step(w, first_chunk) == "");
    w.device.finish_invalidate(first_chunk);
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-01 and O-02 a DMA address that leads elsewhere: to a dead page, or to a live one") {
    exact w{in_system};
    w.cpu_tag(base, chunk + page_bytes, 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto const right = w.process.entry_at(base).target;
    auto const where = range_of(w).mapping().blocks_locked()[0];
    for (bool const dead : {true, false}) {
      auto const other = dead ? *w.process.allocate_page({}) : w.process.entry_at(base + byte_count{chunk}).target;
      if (dead) w.process.discard_page(other);
      w.dma.unmap(where.address, where.direction);
      REQUIRE(*w.dma.map(other, where.direction) == where.address);  // used again as soon as it is free
      static_cast<void>(rules(w));                                   // what the IOMMU saw of it
      CHECK(at_step(w, first_chunk) == (dead ? "O-01 O-02" : "O-02"));
      CHECK(near(w, first_chunk) == (dead ? "O-01 O-02 O-03 O-07" : "O-02 O-07"));
      CHECK(far(w) == (dead ? "O-01 O-02" : "O-02"));
      w.dma.unmap(where.address, where.direction);
      REQUIRE(*w.dma.map(right, where.direction) == where.address);
      static_cast<void>(rules(w));
      check_all_find(w, first_chunk, "");
    }
  }

  TEST_CASE("O-02 is not asked at a step while an event over the page is open, and is after its end") {
    exact w;
    w.cpu_tag(base, 2 * page_bytes, 1);
    va_range const first_page = span(base, page_bytes);
    w.first().buffers = {first_page};
    w.gpu_card(0).other_dma_blocks = 1;
    auto const a = *w.dma.map(w.process.entry_at(page_at(1)).target, dma_direction::bidirectional);
    std::string inside;
    w.process.watchers().invalidate({first_page, svm::invalidation_cause::clear}, [&] {
      plant_entry(w, base, block(a));
      inside = at_step(w, first_page);
    });
    CHECK(inside == "");
    w.check_touched(moment::step);
    CHECK(rules(w) == "O-02");
    check_all_find(w, first_page, "O-02");
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::bidirectional);
    w.gpu_card(0).other_dma_blocks = 0;
    check_all_find(w, first_page, "");
  }

  TEST_CASE("O-05 a GPU that may write where the CPU may not, and where only the VMA forbids it") {
    exact w{in_system};
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);
    writable(w.process, base) = false;
    check_all_find(w, first_chunk, "O-05");
    writable(w.process, base) = true;
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
    auto const blocks = [&] { return range_of(w).mapping().blocks_locked(); };
    REQUIRE(w.fault(base) == errc::ok);
    w.device.commit(first_chunk, blocks(), mapping_access::read_write);
    check_all_find(w, first_chunk, "O-05");
    w.device.commit(first_chunk, blocks(), mapping_access::read_only);
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-05 a page that two processes have, and one of them may write") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    static_cast<void>(w.fork(w.first()));
    writable(w.process, base) = true;
    check_all_find(w, first_chunk, "O-05");
    writable(w.process, base) = false;
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-08 a range that was unmapped and has pages") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    mark_unmapped(w);
    w.driver.collector().enqueue(range_of(w));
    check_all_find(w, first_chunk, "O-08");
    w.driver.collect_garbage();
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-09 blocks that do not add up to their range") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    --first_block(pages_of(range_of(w))).count;
    check_all_find(w, first_chunk, "O-09");
    ++first_block(pages_of(range_of(w))).count;
  }

  TEST_CASE(
      "O-11 an entry that its page does not know, a page that knows another, and a device page without an owner") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto& f = w.frames.of(w.process.entry_at(base).target);
    f.mappings[0].at = at(page_bytes);
    check_all_find(w, first_chunk, "O-11");
    f.mappings[0].at = base;
    ++f.mapped;
    CHECK(near(w, first_chunk) == "O-11");
    --f.mapped;
    REQUIRE(w.fault(base) == errc::ok);
    auto& device = w.frames.of(w.process.entry_at(base).target);
    auto* const owner = std::exchange(device.owner_object, nullptr);
    CHECK(at_step(w, first_chunk) == "O-11");
    CHECK(near(w, first_chunk) == "O-11 O-29");  // the allocation has a live page less
    CHECK(far(w) == "O-11 O-29");
    device.owner_object = owner;
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-11 waits at a step for who has the page tables") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto& f = w.frames.of(w.process.entry_at(base).target);
    f.mappings[0].at = at(page_bytes);
    w.process.changed().note(first_chunk);
    {
      svm::exclusive_guard const guard{w.frames.lock()};
      w.check_touched(moment::step);
      CHECK(rules(w) == "");
    }
    w.check_touched(moment::step);
    CHECK(rules(w) == "O-11");
    w.check_touched(moment::step);
    CHECK(rules(w) == "");  // it was looked at
    f.mappings[0].at = base;
  }

  TEST_CASE(
      "O-16, O-17 and O-18 ranges that overlap, leave their notifier, or are no chunk; a notifier of another size") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(chunk)) == errc::ok);
    w.driver.reset();  // they stay, and are not mapped
    give_interval(range_of(w), span(base, 2 * chunk));
    check_all_find(w, world::everything, "O-16 O-18");
    give_interval(range_of(w), first_chunk);
    auto& second = range_of(w, at(chunk));
    va_range const right = second.interval();
    give_interval(second, {right.start(), byte_count{2 * page_bytes}});
    CHECK(at_step(w, world::everything) == "O-18");
    CHECK(near(w, world::everything) == "O-18");
    CHECK(far(w) == "O-16 O-18");  // the index's own check holds them all
    auto& n = notifier_of(w);
    va_range const home = n.interval();
    give_interval(second, {home.last() + byte_count{1}, byte_count{chunk}});
    CHECK(at_step(w, world::everything) == "O-17");
    CHECK(near(w, world::everything) == "O-17");
    CHECK(far(w) == "O-16 O-17");
    give_interval(second, right);
    give_interval(n, {home.start(), home.size() - byte_count{page_bytes}});
    CHECK(at_step(w, world::everything) == "O-17");
    CHECK(near(w, world::everything) == "O-17");
    CHECK(far(w) == "O-16 O-17");
    give_interval(n, home);
    check_all_find(w, world::everything, "");
  }

  TEST_CASE("O-19 a registration that no index knows") {
    exact w;
    silent_target target;
    target.w = &w;
    REQUIRE(w.process.register_notifier(target.registration, first_chunk, target) == errc::ok);
    CHECK(near(w, first_chunk) == "O-19");
    CHECK(far(w) == "O-19");
    w.process.unregister_notifier(target.registration);
    CHECK(near(w, first_chunk) == "");
  }

  TEST_CASE("O-20 flags that contradict the blocks, and a GPU entry that no range has") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    w.driver.reset();
    set_flags(pages_of(range_of(w)), svm::detail::bit(svm::page_flag::valid));
    check_all_find(w, first_chunk, "O-20");
    set_flags(pages_of(range_of(w)), svm::detail::bit(svm::page_flag::device));
    check_all_find(w, first_chunk, "O-20");
    set_flags(pages_of(range_of(w)), 0);
    check_all_find(w, first_chunk, "");

    REQUIRE(w.cpu_write(at(chunk), 1) == sys::ok);
    w.gpu_card(0).other_dma_blocks = 1;
    auto const a = *w.dma.map(w.process.entry_at(at(chunk)).target, dma_direction::bidirectional);
    plant_entry(w, at(chunk), block(a));
    check_all_find(w, span(at(chunk), chunk), "O-20");
    w.first().buffers = {span(at(chunk), page_bytes)};
    check_all_find(w, span(at(chunk), chunk), "");
    remove_entry(w, at(chunk));
    w.dma.unmap(a, dma_direction::bidirectional);
    w.gpu_card(0).other_dma_blocks = 0;
  }

  TEST_CASE("O-21 an unmapped range that is not in the collector's queue") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    w.driver.reset();
    mark_unmapped(w);
    CHECK(at_step(w, first_chunk) == "");  // a collector may have it in hand
    CHECK(near(w, first_chunk) == "O-21");
    CHECK(far(w) == "O-21");
    w.driver.collector().enqueue(range_of(w));
    check_all_find(w, first_chunk, "");
    w.driver.collector().enqueue(range_of(w));  // once is enough
    std::size_t queued = 0;
    w.driver.collector().for_each_queued([&](auto const&) { ++queued; });
    CHECK(queued == 1);
  }

  TEST_CASE("O-21 a range in the queue that is not unmapped, in the index and out of it") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    w.driver.collector().enqueue(range_of(w));
    check_all_find(w, first_chunk, "O-21");
    w.driver.svm().remove(w.driver.svm().lock_range(w.range_at(base)));
    CHECK(near(w, first_chunk) == "");
    CHECK(far(w) == "O-21");
    w.driver.collect_garbage();
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-22 a section that the sequence counts and nobody opened, and one that is still open") {
    exact w;
    sequence_of(w.process.watchers()).begin();
    check_all_find(w, first_chunk, "O-22");
    CHECK_FALSE(sequence_of(w.process.watchers()).end());
    CHECK(sequence_of(w.process.watchers()).insert().value == 1);
    w.process.watchers().invalidate({first_chunk, svm::invalidation_cause::clear}, [&] {
      CHECK(at_step(w, first_chunk) == "");
      CHECK(near(w, first_chunk) == "O-22");
      CHECK(far(w) == "O-22");
    });
    check_all_find(w, first_chunk, "");
  }
}

TEST_SUITE("mock/oracle_frames, what changed") {
  TEST_CASE("O-03 a page that is free and mapped for DMA") {
    exact w;
    auto const p = *w.process.allocate_page({});
    auto const a = *w.dma.map(p, dma_direction::bidirectional);
    w.process.discard_page(p);
    CHECK(rules(w) == "O-03");  // when it was freed
    CHECK(near(w, first_chunk) == "O-03");
    w.dma.unmap(a, dma_direction::bidirectional);
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-07 a DMA mapping that no range knows") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::bidirectional);
    w.check_touched(moment::returned);  // the IOMMU has noted it by itself
    CHECK(rules(w) == "O-07");
    CHECK(near(w, first_chunk) == "O-07");
    CHECK(far(w) == "O-07");
    w.dma.unmap(a, dma_direction::bidirectional);
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-29 a reference too many, or one too few, of a range, a notifier, an allocation and a migrator") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    {
      auto const kept = w.range_at(base);
      CHECK(near(w, first_chunk) == "O-29");
      CHECK(far(w) == "O-29");
      w.has_users = true;
      CHECK(near(w, first_chunk) == "");
      w.has_users = false;
    }
    {
      auto const kept = allocation_at(w, base);
      CHECK(near(w, first_chunk) == "O-29");
      CHECK(far(w) == "O-29");
    }
    notifier_of(w).get();
    CHECK(far(w) == "O-29");
    notifier_of(w).put();
    w.mover.get();
    CHECK(far(w) == "O-29");
    w.mover.put();
    check_all_find(w, first_chunk, "");

    w.has_users = true;  // too few are wrong even then
    w.driver.reset();
    mark_unmapped(w);
    auto& r = range_of(w);
    w.driver.collector().enqueue(r);
    r.put();
    CHECK(near(w, first_chunk) == "O-29");
    CHECK(far(w) == "O-29");
    r.get();
    CHECK(far(w) == "");
  }

  TEST_CASE("O-29 a range that is removed keeps its notifier as long as it waits in the queue") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(chunk)) == errc::ok);
    w.driver.reset();
    mark_unmapped(w);
    w.driver.collector().enqueue(range_of(w));
    w.driver.svm().remove(w.driver.svm().lock_range(w.range_at(base)));
    check_all_find(w, span(base, 2 * chunk), "");
    w.driver.collect_garbage();
    check_all_find(w, span(base, 2 * chunk), "");
  }

  TEST_CASE("O-29 an allocation that counts more blocks than are alive") {
    exact w;
    REQUIRE(w.fault(base) == errc::ok);
    auto const p = w.process.entry_at(base).target;
    auto* const behind = w.frames.of(p).owner_object;
    behind->page_split(p, {1}, {0});
    CHECK(near(w, first_chunk) == "O-29");
    CHECK(far(w) == "O-29");
    behind->page_freed(p, {});
    CHECK(near(w, first_chunk) == "");
  }

  TEST_CASE("O-31 a page left locked, a reference too many, a page cache that is wrong, a page that nobody has") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto& f = w.frames.of(w.process.entry_at(base).target);
    f.locked = true;
    CHECK(near(w, first_chunk) == "O-31");
    CHECK(far(w) == "O-31");
    f.locked = false;
    w.process.pin(base, true);
    CHECK(near(w, first_chunk) == "O-31");
    CHECK(far(w) == "O-31");
    w.process.pin(base, false);
    f.cached = 1;
    CHECK(near(w, first_chunk) == "O-31");
    CHECK(far(w) == "O-31");
    f.cached = 0;
    CHECK(near(w, first_chunk) == "");
    auto const lonely = *w.process.allocate_page({});
    w.check_touched(moment::returned);
    CHECK(rules(w) == "O-31");
    w.process.discard_page(lonely);
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-31 the pages of a file are its page cache's, whoever maps them") {
    exact w;
    auto const file = w.map(chunk, at(4 * chunk), protection::read_write, mapping_kind::file);
    auto const shared = w.map(chunk, at(8 * chunk), protection::read_write, mapping_kind::shared);
    REQUIRE(w.cpu_read(file) == 0u);
    REQUIRE(w.cpu_write(file, 1) == sys::ok);
    REQUIRE(w.cpu_write(shared, 1) == sys::ok);
    REQUIRE(w.process.mmap_same(shared, 0, {chunk}, protection::read, at(12 * chunk)).error == sys::ok);
    REQUIRE(w.cpu_read(at(12 * chunk)) == 1u);
    check_all_find(w, world::everything, "");
    REQUIRE(w.process.munmap(shared, {chunk}) == sys::ok);
    check_all_find(w, world::everything, "");
    auto const pinned = w.process.pin_for_long(at(12 * chunk));
    REQUIRE(pinned);
    REQUIRE(w.process.punch_hole(at(12 * chunk), {page_bytes}) == sys::ok);
    check_all_find(w, world::everything, "");  // it lives on, and is cached no longer
    w.process.unpin(*pinned);
    REQUIRE(w.process.truncate(file, 0) == sys::ok);
    check_all_find(w, world::everything, "");
  }

  TEST_CASE("O-31 a migration that is left") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    svm::migration_slot<page> slot;
    svm::mock::address_space<lock_policy>::migration session;
    {
      svm::shared_guard const guard{w.process.map_lock()};
      REQUIRE(w.process.collect(session, span(base, page_bytes), {&slot, 1}, svm::nobody) == errc::ok);
    }
    as_another_thread([&] { w.check_touched(moment::step); });
    CHECK(rules(w) == "");  // it is under way
    CHECK(near(w, first_chunk) == "O-31 O-36");
    CHECK(far(w) == "O-31 O-36");
  }

  TEST_CASE("O-11, O-31 and O-33: what has no address is found when everything is looked at") {
    exact w;
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const slot = w.shared.swap.write(w.frames.content(w.process.entry_at(base).target));
    w.shared.swap.get(slot);
    CHECK(far(w) == "O-31");
    w.shared.swap.put(slot);
    REQUIRE(w.fault(base) == errc::ok);
    auto& allocated = allocations(w.device_memory);
    REQUIRE(allocated.size() == 1);
    auto const [id, right] = *allocated.begin();
    allocated.clear();
    CHECK(far(w) == "O-11 O-29 O-33");
    allocated.emplace(id, right);
    CHECK(far(w) == "");
    CHECK(frame_at(w, base) >= w.frames.first_device_frame());
  }
}

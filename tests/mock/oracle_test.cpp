// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The rules about addresses, calls and locks, each broken on purpose once; oracle_frames_test.cpp has those about memory.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <mock/oracle_seams.hpp>

using namespace oracle_seams;

TEST_SUITE("mock/oracle") {
  TEST_CASE("O-01 a dead page under a GPU entry, at the bind, later, and at an access") {
    world w;
    w.map(page_bytes);
    plant_entry(w, base, block({0}));
    CHECK(said(w, "O-01") == 1);  // nothing is mapped at that DMA address
    auto const p = *w.process.allocate_page({});
    plant_entry(w, base, block(*w.dma.map(p, dma_direction::bidirectional)));
    w.process.discard_page(p);
    CHECK(said(w, "O-03") == 2);  // freed under the IOMMU, and under a GPU entry
    CHECK(found(w, "O-01") == 1);
    std::byte word[8];
    CHECK_FALSE(w.device.load(base, word));
    CHECK(said(w, "O-01") == 1);
    remove_entry(w, base);
    w.dma.unmap({0}, dma_direction::bidirectional);
    static_cast<void>(w.finish());
  }

  TEST_CASE("O-01 a TLB entry that outlives the page table's entry") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    w.device.plant_stale_entry(base);
    REQUIRE(w.cpu_read(base) == 1u);  // the page leaves the device
    CHECK(w.complaint() == "");
    w.device.spring_stale_entry();
    CHECK(found(w, "O-01") == 1);
    std::byte word[8];
    CHECK_FALSE(w.device.load(base, word));
    CHECK(said(w, "O-01") == 1);
    remove_entry(w, base);
  }

  TEST_CASE("O-02 a GPU entry that leads to another page than the CPU's") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const p = *w.process.allocate_page({});
    auto const a = *w.dma.map(p, dma_direction::bidirectional);
    plant_entry(w, base, block(a));
    CHECK(found(w, "O-02") == 1);
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::bidirectional);
    w.process.discard_page(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-05 a GPU entry that allows what the CPU may not do") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk, base, protection::read);
    REQUIRE(w.gpu_read(base) == 0u);
    CHECK(w.complaint() == "");
    auto const r = w.range_at(base);
    auto blocks = std::vector<device_address>(r->mapping().blocks_locked().begin(), r->mapping().blocks_locked().end());
    w.device.commit(r->interval(), blocks, mapping_access::read_write);
    CHECK(found(w, "O-05") == chunk_pages);
    w.device.commit(r->interval(), blocks, mapping_access::read_only);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-05 a page that two processes have, and one of them may write") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto& child = w.fork(w.first());
    writable(child.process, base) = true;
    CHECK(found(w, "O-05") == 1);
    writable(child.process, base) = false;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-54 a copy that may be written, that differs from its page, or whose page the CPU may write unseen") {
    world w{options([](svm::mock::machine_options& o) { o.placement.emplace(); })};
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.first().views[0]->blocks->set_read_duplicated(span(base, page_bytes), true) == errc::ok);
    REQUIRE(w.gpu_read(base) == 1u);
    CHECK(w.complaint() == "");
    svm::mock::page copy{};
    w.device.for_each_mapping(span(base, page_bytes), [&](auto const& m) { copy = m.target; });
    REQUIRE(w.frames.is_device(copy));
    w.frames.bytes(copy)[8] ^= std::byte{1};
    CHECK(found(w, "O-54") == 1);
    w.frames.bytes(copy)[8] ^= std::byte{1};
    writable(w.process, base) = true;
    CHECK(found(w, "O-54") == 1);
    writable(w.process, base) = false;
    device_address const where{.address = {copy.frame * page_bytes}, .path = interconnect::local, .count = 1};
    w.device.commit(span(base, page_bytes), {&where, 1}, mapping_access::read_write);
    CHECK(found(w, "O-54") == 1);
    w.device.commit(span(base, page_bytes), {&where, 1}, mapping_access::read_only);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-03 device memory that goes back while it is mapped") {
    world w;
    auto memory = w.device_memory.allocate({page_bytes});
    REQUIRE(memory);
    svm::device_page<svm::mock::page> one{};
    REQUIRE(w.device_memory.pages(*memory, {&one, 1}) == errc::ok);
    auto const mapped = w.device_memory.map(w.device, one.page, svm::page_count{1}, dma_direction::to_device);
    REQUIRE(mapped);
    w.device_memory.release(*memory);
    CHECK(said(w, "O-03") == 1);
    w.device_memory.unmap(w.device, *mapped);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-08 a range that was unmapped and has pages") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    w.driver.svm().for_each_notifier(world::everything, [&](auto& n) {
      svm::exclusive_guard const guard{n.lock()};
      n.for_each_range_locked(n.interval(), [&](auto& r) {
        n.lock().assert_held();
        n.set_unmapped_locked(r, r.interval());
      });
    });
    CHECK(found(w, "O-08") == 1);
    auto const r = w.range_at(base);
    auto held = w.driver.svm().lock_range(r);
    w.driver.svm().remove(std::move(held));
  }

  TEST_CASE("O-09 blocks that do not add up, of a bind and of a range") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const r = w.range_at(base);
    device_address shorter = r->mapping().blocks_locked()[0];
    --shorter.count;
    w.device.commit(r->interval(), {&shorter, 1}, mapping_access::read_write);
    CHECK(said(w, "O-09") == 1);
    CHECK(w.complaint() == "");
    std::uint32_t& count = first_block(pages_of(*r)).count;
    --count;
    CHECK(found(w, "O-09") == 1);
    ++count;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-10 a device access against the direction of its DMA mapping, or through none") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::to_device);
    plant_entry(w, base, block(a));
    std::byte word[8]{};
    CHECK(w.device.load(base, word));
    CHECK(said(w, "O-10") == 0);
    CHECK_FALSE(w.device.store(base, word));
    CHECK(said(w, "O-10") == 1);
    w.device.plant_stale_entry(base);
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::to_device);
    w.device.spring_stale_entry();
    CHECK_FALSE(w.device.load(base, word));
    CHECK(said(w, "O-10") == 1);
    remove_entry(w, base);
    static_cast<void>(w.broken.take());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-16 an index of ranges and notifiers that is not sound (with O-17 and O-18, which its check holds)") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    bool& flag = retired(w.range_at(base)->owner());
    flag = true;
    CHECK(found(w, "O-16") == 1);
    flag = false;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-19 a registered notifier that no index knows") {
    world w;
    silent_target target;
    target.w = &w;
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    CHECK(found(w, "O-19") == 1);
    w.process.unregister_notifier(target.registration);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-20 a GPU entry that no range has, and flags that contradict the blocks") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::bidirectional);
    plant_entry(w, base, block(a));
    CHECK(found(w, "O-20") == 1);
    remove_entry(w, base);
    w.dma.unmap(a, dma_direction::bidirectional);
    REQUIRE(w.fault(base) == errc::ok);
    auto const r = w.range_at(base);
    std::uint32_t& count = block_count(pages_of(*r));
    std::uint32_t const right = std::exchange(count, 0u);
    CHECK(found(w, "O-20") == 1);
    count = right;
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-22 an invalidation that is open when nothing should be under way") {
    world w;
    w.process.watchers().invalidate({span(base, chunk), svm::invalidation_cause::clear}, [&] { w.check_quiet(); });
    CHECK(said(w, "O-22") == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("O-23 a callback that sets the sequence not at all, or twice") {
    for (int const times : {0, 2}) {
      world w;
      silent_target target;
      target.w = &w;
      target.sequences = times;
      REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
      CHECK(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
      CHECK(said(w, "O-23") == 1);
      w.process.unregister_notifier(target.registration);
    }
  }

  TEST_CASE("O-27 a DMA mapping or a device page that goes while a GPU entry has it") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    w.device_memory.unmap(w.device, w.range_at(base)->mapping().blocks_locked()[0]);
    CHECK(said(w, "O-27") == 1);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const a = *w.dma.map(w.process.entry_at(base).target, dma_direction::bidirectional);
    plant_entry(w, base, block(a));
    w.dma.unmap(a, dma_direction::bidirectional);
    CHECK(said(w, "O-27") == 1);
    static_cast<void>(w.finish());
  }

  TEST_CASE("O-27 a flush that was begun and never waited for, or waited for and never begun") {
    world w;
    w.device.begin_invalidate(span(base, page_bytes));
    CHECK(found(w, "O-27") == 1);
    w.device.finish_invalidate(span(base, page_bytes));
    CHECK(w.complaint() == "");
    w.device.finish_invalidate(span(base, page_bytes));
    CHECK(said(w, "O-27") == 1);
  }

  TEST_CASE("O-28 memory taken or given back in a callback, an event refused, a bind without preparation") {
    world w;
    w.map(page_bytes);
    lock_policy::shared_mutex<svm::lock_rank::notifier> notifier;
    notifier.lock();
    std::byte* const memory = w.memory.allocate(8, 8);
    CHECK(said(w, "O-28") == 1);
    w.memory.deallocate(memory, 8, 8);
    CHECK(said(w, "O-28") == 1);
    notifier.unlock();
    device_address const where = block({0});
    w.device.commit(span(base, page_bytes), {&where, 1}, mapping_access::read_only);
    CHECK(said(w, "O-28") == 1);
    silent_target target;
    target.w = &w;
    target.sequences = 0;
    target.answer = svm::invalidation_answer::refused;
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    CHECK_FALSE(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear}));
    CHECK(said(w, "O-28") == 1);
    CHECK_FALSE(w.process.invalidate_only({span(base, chunk), svm::invalidation_cause::clear, svm::nobody, false}));
    CHECK(said(w, "O-28") == 0);  // one that may not block may be refused
    w.process.unregister_notifier(target.registration);
  }

  TEST_CASE(
      "O-36 a notifier registered under the map lock, or unregistered under any, or the last user put under one") {
    world w;
    silent_target target;
    target.w = &w;
    {
      svm::shared_guard const guard{w.process.map_lock()};
      REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
      CHECK(said(w, "O-36") == 1);
    }
    lock_policy::mutex<svm::lock_rank::range> range;
    range.lock();
    w.process.unregister_notifier(target.registration);
    CHECK(said(w, "O-36") == 1);
    lock_policy::shared_mutex<svm::lock_rank::vm> vm;
    range.unlock();
    vm.lock();
    w.process.put_user();
    CHECK(said(w, "O-36") == 1);
    vm.unlock();
    CHECK(found(w, "O-32") == 1);  // the process has not exited
    static_cast<void>(w.finish());
  }

  TEST_CASE("O-36 a notifier registered under a notifier lock") {
    world w;
    silent_target target;
    target.w = &w;
    lock_policy::shared_mutex<svm::lock_rank::notifier> notifier;
    notifier.lock();
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    notifier.unlock();
    CHECK(said(w, "O-36") == 1);
    w.process.unregister_notifier(target.registration);
  }

  TEST_CASE("O-37 a walk, a snapshot and a collection without the map lock") {
    world w;
    w.map(page_bytes);
    svm::page_run<page> room[1];
    svm::page_walk<svm::mock::address_space<lock_policy>> walk{span(base, page_bytes), room};
    w.process.snapshot(span(base, page_bytes), walk);
    CHECK(said(w, "O-37") == 1);
    {
      svm::migration_slot<page> slot;
      svm::mock::address_space<lock_policy>::migration session;
      CHECK(w.process.collect(session, span(base, page_bytes), {&slot, 1}, svm::nobody) == errc::ok);
    }
    CHECK(said(w, "O-37") == 1);
    silent_target target;
    CHECK(w.process.fault_in({span(base, page_bytes), svm::access_kind::read, svm::nobody, target.registration, 0},
                             walk) == errc::ok);
    CHECK(said(w, "O-37") == 2);  // the walk, and its snapshot
  }

  TEST_CASE("O-41 a retry that no event explains") {
    world w;
    w.stats.record({svm::event_kind::unexplained_retry, span(base, chunk)});
    CHECK(audit_says(w, "O-41: a retry that no event explains"));
  }
}

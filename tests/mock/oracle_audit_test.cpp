// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every leak that the closing audit looks for.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <mock/oracle_seams.hpp>

using namespace oracle_seams;

TEST_SUITE("mock/oracle, the closing audit") {
  TEST_CASE("O-48 finds nothing where nothing is left") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    CHECK(w.finish().empty());
  }
  TEST_CASE("O-48 finds a system page") {
    world w;
    auto const p = *w.process.allocate_page({});
    CHECK(audit_says(w, "O-48: bytes of system memory left: 4096"));
    w.process.discard_page(p);
  }
  TEST_CASE("O-48 finds a DMA mapping") {
    world w;
    static_cast<void>(w.dma.map(w.frames.zero_page(), dma_direction::to_device));
    CHECK(audit_says(w, "O-48: DMA mappings left: 1"));
  }
  TEST_CASE("O-48 finds device memory") {
    world w;
    static_cast<void>(w.device_memory.allocate({chunk}));
    CHECK(audit_says(w, "O-48: bytes of device memory left: 65536"));
  }
  TEST_CASE("O-48 finds a GPU page table entry") {
    world w;
    w.map(page_bytes);
    auto const a = *w.dma.map(w.frames.zero_page(), dma_direction::to_device);
    plant_entry(w, base, block(a), mapping_access::read_only);
    CHECK(audit_says(w, "O-48: GPU page table entries left: 1"));
  }
  TEST_CASE("O-48 finds the reference of a range that somebody kept") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const kept = w.range_at(base);
    CHECK(audit_says(w, "blocks of bookkeeping memory left"));
    CHECK(kept->has(svm::range_flag::removed));
  }
  TEST_CASE("O-48 finds the reference of an allocation that somebody kept") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.fault(base) == errc::ok);
    auto const kept = allocation_at(w, base);
    CHECK(audit_says(w, "blocks of bookkeeping memory left"));
    CHECK(kept->is_detached());
  }
  TEST_CASE("O-48 finds a range and a notifier that were made and never removed") {
    world w;
    w.stats.record({svm::event_kind::range_created, span(base, chunk)});
    w.stats.record({svm::event_kind::notifier_created, span(base, chunk)});
    auto const lines = w.finish();
    CHECK(std::ranges::count(lines, "O-48: ranges left: 1") == 1);
    CHECK(std::ranges::count(lines, "O-48: notifiers in the index left: 1") == 1);
  }
  TEST_CASE("O-48 finds a registration") {
    world w;
    silent_target target;
    target.w = &w;
    REQUIRE(w.process.register_notifier(target.registration, span(base, chunk), target) == errc::ok);
    CHECK(audit_says(w, "O-48: notifiers registered left: 1"));
    w.process.unregister_notifier(target.registration);
  }
  TEST_CASE("O-48 finds a user reference on the address space") {
    world w;
    REQUIRE(w.process.get_user());
    CHECK(audit_says(w, "O-48: user references on the address space left: 1"));
    w.process.put_user();
  }
  TEST_CASE("O-48 finds a block of bookkeeping memory") {
    world w;
    std::byte* const memory = w.memory.allocate(24, 8);
    CHECK(audit_says(w, "O-48: blocks of bookkeeping memory left: 1"));
    w.memory.deallocate(memory, 24, 8);
  }
  TEST_CASE("O-36 finds a lock that is still held") {
    world w;
    lock_policy::shared_mutex<svm::lock_rank::vm> vm;
    vm.lock_shared();
    CHECK(audit_says(w, "O-36: a lock is held after a call returned"));
    vm.unlock_shared();
  }
  TEST_CASE("a hundred lines are kept, and the others are counted") {
    world w;
    for (int i = 0; i < 103; ++i) w.broken.violation("O-00", "planted");
    auto const lines = w.finish();
    REQUIRE(lines.size() == 101);
    CHECK(lines.front() == "O-00: planted");
    CHECK(lines.back() == "and 3 more");
  }
}

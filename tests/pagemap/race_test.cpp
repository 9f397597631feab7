// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What others do in the middle of a migration or an eviction, as far as the locks let them: the map lock is held shared
// while pages move to the device, and not at all while they move back.

#include <pagemap/scene.hpp>

using namespace support;

namespace {

/// A chunk with tags from 1 on, in system memory.
struct ram_scene : world {
  ram_scene() : world(small_chunks()) {
    map(chunk);
    cpu_tag(base, chunk, 1);
  }
  [[nodiscard]] errc move_in() { return to_device(*this, base, chunk); }
};
/// The same in device memory, mapped by the GPU.
struct device_scene : ram_scene {
  device_scene() {
    REQUIRE(fault(base) == errc::ok);
    REQUIRE(device_pages(base, chunk) == chunk_pages);
    kept = allocation_at(*this, base);
  }
  ~device_scene() { kept = {}; }
  [[nodiscard]] errc move_out() { return mover.evict(*kept); }

  allocation_ref kept;
};

}  // namespace

TEST_SUITE("pagemap, races") {
  TEST_CASE(
      "a page that the CPU drops while the copy runs is not moved, and its device page goes (MIG-15, erratum "
      "3.2.2)") {
    for (step const where : {step::copying, step::installing}) {
      ram_scene w;
      interfere(w, where, [&] { CHECK(w.process.madvise_dontneed(page_at(5), {page_bytes}) == sys::ok); });
      CHECK(w.move_in() == errc::busy);
      CHECK(w.process.entry_at(page_at(5)).is_none());
      CHECK(w.device_pages(base, chunk) == chunk_pages - 1);
      CHECK(allocation_at(w, base)->live_pages().live() == chunk_pages - 1);
      CHECK(w.count(svm::event_kind::migrated_to_device) == 0);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_read(page_at(5)) == 0u);
      CHECK(w.cpu_read(page_at(6)) == 7u);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a hole that the CPU fills while the copy runs keeps the CPU's page (MIG-15)") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    interfere(w, step::copying, [&] { CHECK(w.cpu_write(page_at(5), 555) == sys::ok); });
    CHECK(to_device(w, base, chunk) == errc::busy);
    CHECK(w.process.entry_at(page_at(5)).what == pte::state::present);
    CHECK(w.device_pages(base, chunk) == chunk_pages - 1);
    CHECK(w.complaint() == "");
    CHECK(w.gpu_read(page_at(5)) == 555u);
    CHECK(w.device_pages(base, chunk) == chunk_pages);  // gathered and moved again
    CHECK(w.cpu_read(page_at(5)) == 555u);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a migration of which every page races away leaves no allocation behind (MIG-15)") {
    ram_scene w;
    interfere(w, step::installing, [&] { CHECK(w.process.madvise_dontneed(base, {chunk}) == sys::ok); });
    CHECK(w.move_in() == errc::busy);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.memory.live_blocks() == 0);
    CHECK(w.complaint() == "");
    CHECK(w.move_in() == errc::ok);
    CHECK(w.gpu_read(base) == 0u);
  }

  TEST_CASE("a page that is pinned or replaced just before it is collected decides what it finds") {
    SUBCASE("pinned: nothing moves") {
      ram_scene w;
      interfere(w, step::collecting, [&] { w.process.pin(page_at(3), true); });
      CHECK(w.move_in() == errc::in_use);
      CHECK(w.device_pages(base, chunk) == 0);
      w.process.pin(page_at(3), false);
      CHECK(w.complaint() == "");
    }
    SUBCASE("replaced: the new page moves") {
      ram_scene w;
      interfere(w, step::collecting, [&] { CHECK(w.process.replace_page(page_at(3))); });
      CHECK(w.move_in() == errc::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
    SUBCASE("dropped: a hole moves") {
      ram_scene w;
      interfere(w, step::collecting, [&] { CHECK(w.process.madvise_dontneed(page_at(3), {page_bytes}) == sys::ok); });
      CHECK(w.move_in() == errc::ok);
      CHECK(w.gpu_read(page_at(3)) == 0u);
      CHECK(w.gpu_read(page_at(4)) == 5u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("an event in the middle of a migration hurts nobody") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      ram_scene w;
      interfere(w, where, [&] {
        CHECK(w.process.invalidate_only({span(base, 2 * MiB), svm::invalidation_cause::protection}));
      });
      CHECK(w.fault(base) == errc::ok);
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a second migration that meets the first finds its pages locked and gives up") {
    for (step const where : {step::copying, step::installing}) {
      ram_scene w;
      interfere(w, where, [&] { CHECK(w.move_in() == errc::in_use); });
      CHECK(w.move_in() == errc::ok);
      CHECK(w.device_pages(base, chunk) == chunk_pages);
      CHECK(w.device_memory.used() == byte_count{chunk});
      CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the touch of a page that a fault moves at the moment is no lost page") {
    ram_scene w;
    interfere(w, step::copying, [&] {
      CHECK(w.process.entry_at(base).what == pte::state::migrating);
      std::byte word[8];
      // One thread cannot wait for itself: the machine says so instead of losing the page.
      CHECK(w.process.load(base, word) == sys::sigbus);
    });
    CHECK(w.move_in() == errc::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE(
      "the CPU takes everything back between the migration and the GPU's mapping, and the fault still ends well") {
    ram_scene w;
    interfere(w, step::preparing, [&] { CHECK(w.cpu_read(base) == 1u); });
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.count(svm::event_kind::gpu_fault_retry) == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that is unmapped while it is evicted is gone, and nothing of it is left") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      device_scene w;
      interfere(w, where, [&] { CHECK(w.process.munmap(base, {chunk}) == sys::ok); });
      CHECK(w.move_out() == errc::ok);
      CHECK(w.kept->is_detached());
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.frames.ram_used() == byte_count{});
      CHECK(w.dma.live() == 0);
      CHECK_FALSE(w.cpu_read(base));
      w.driver.collect_garbage();
      CHECK(w.range_count() == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("memory that is mapped anew while the old is evicted reads zero, not the old data") {
    for (step const where : {step::copying, step::installing}) {
      device_scene w;
      interfere(w, where, [&] {
        CHECK(w.process.munmap(base, {chunk}) == sys::ok);
        w.map(chunk);
        CHECK(w.cpu_write(page_at(2), 222) == sys::ok);
      });
      CHECK(w.move_out() == errc::ok);
      CHECK(w.cpu_read(base) == 0u);
      CHECK(w.cpu_read(page_at(2)) == 222u);
      CHECK(w.gpu_read(page_at(2)) == 222u);
      CHECK(w.gpu_read(page_at(3)) == 0u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("part of the memory that is unmapped or dropped while it is evicted leaves the rest right") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized})
      for (bool const unmap : {true, false}) {
        device_scene w;
        interfere(w, where, [&] {
          CHECK((unmap ? w.process.munmap(page_at(4), {4 * page_bytes})
                       : w.process.madvise_dontneed(page_at(4), {4 * page_bytes})) == sys::ok);
        });
        CHECK(w.move_out() == errc::ok);
        CHECK(w.kept->is_detached());
        CHECK(w.cpu_tags_until(base, 4 * page_bytes, 1) == 4 * page_bytes);
        CHECK(w.cpu_tags_until(page_at(8), 8 * page_bytes, 9) == 8 * page_bytes);
        if (!unmap) CHECK(w.cpu_read(page_at(4)) == 0u);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("the protection that changes while memory is evicted is the one that counts after") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      device_scene w;
      interfere(w, where, [&] { CHECK(w.process.mprotect(base, {chunk}, protection::read) == sys::ok); });
      CHECK(w.move_out() == errc::ok);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.cpu_write(base, 5) == sys::sigsegv);
      CHECK(w.gpu_write(base, 5) == errc::read_only);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the CPU's touch just before or after an eviction finds the data, and the allocation goes once") {
    for (step const where : {step::collecting, step::finalized}) {
      device_scene w;
      interfere(w, where, [&] { CHECK(w.cpu_read(page_at(5)) == 6u); });
      CHECK(w.move_out() == errc::ok);
      CHECK(w.kept->is_detached());
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("two evictions of one allocation: the second finds it busy while the first works, and both end") {
    device_scene w;
    interfere(w, step::copying, [&] { CHECK(w.move_out() == errc::in_use); });
    CHECK(w.move_out() == errc::ok);
    CHECK(w.kept->is_detached());
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a page pinned just before an eviction stays, and moves once it is free") {
    device_scene w;
    interfere(w, step::collecting, [&] { w.process.pin(page_at(2), true); });
    CHECK(w.move_out() == errc::in_use);
    CHECK(w.device_pages(base, chunk) == 1);
    w.process.pin(page_at(2), false);
    CHECK(w.complaint() == "");
    CHECK(w.move_out() == errc::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("a GPU fault in the middle of an eviction is refused or waits its turn, and ends well afterwards") {
    device_scene w;
    errc inside = errc::ok;
    interfere(w, step::copying, [&] { inside = w.fault(base); });
    CHECK(w.move_out() == errc::ok);
    CHECK(inside == errc::in_use);  // one thread cannot wait for the eviction to end
    CHECK(w.fault(base) == errc::ok);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the address space that exits while its memory is evicted takes all of it along") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      device_scene w;
      interfere(w, where, [&] { w.process.exit(); });
      CHECK(w.move_out() == errc::ok);
      CHECK(w.kept->is_detached());
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.frames.ram_used() == byte_count{});
    }
  }

  TEST_CASE("a span is evicted also when others take part of it away meanwhile") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      device_scene w;
      interfere(w, where, [&] { CHECK(w.process.munmap(page_at(4), {4 * page_bytes}) == sys::ok); });
      CHECK(w.mover.evict_span(w.process, span(base, chunk)) == errc::ok);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.cpu_read(page_at(3)) == 4u);
      CHECK(w.cpu_read(page_at(8)) == 9u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("part of the memory is dropped while a CPU fault brings it back") {
    for (step const where : {step::collecting, step::copying, step::installing}) {
      device_scene w;
      interfere(w, where, [&] { CHECK(w.process.madvise_dontneed(page_at(4), {4 * page_bytes}) == sys::ok); });
      CHECK(w.cpu_read(page_at(9)) == 10u);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.cpu_read(page_at(4)) == 0u);
      CHECK(w.cpu_read(page_at(3)) == 4u);
      CHECK(w.kept->is_detached());
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("the faulting page itself is dropped while it comes back: the fault looks again and finds zero") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      device_scene w;
      interfere(w, where, [&] { CHECK(w.process.madvise_dontneed(page_at(4), {page_bytes}) == sys::ok); });
      CHECK(w.cpu_read(page_at(4)) == 0u);
      CHECK(w.cpu_read(page_at(5)) == 6u);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a faulting page without neighbours is dropped while it comes back: the fault looks again, no bus error") {
    for (step const where : {step::collecting, step::copying, step::installing, step::finalized}) {
      CAPTURE(static_cast<int>(where));
      world w{small_chunks()};
      w.map(page_bytes);
      REQUIRE(w.cpu_write(base, 1) == sys::ok);
      REQUIRE(to_device(w, base, page_bytes) == errc::ok);
      interfere(w, where, [&] { CHECK(w.process.madvise_dontneed(base, {page_bytes}) == sys::ok); });
      CHECK(w.cpu_read(base) == 0u);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a faulting page that went meanwhile needs no system page, so a neighbour's shortage is no bus error") {
    device_scene w;
    interfere(w, step::collecting, [&] { CHECK(w.process.madvise_dontneed(page_at(4), {page_bytes}) == sys::ok); });
    w.failures.arm(failure::ram, 1, repeat::from_then_on);
    CHECK(w.cpu_read(page_at(4)) == 0u);
    w.failures.disarm();
    CHECK(w.device_pages(base, chunk) == chunk_pages - 1);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_read(page_at(5)) == 6u);
  }
}

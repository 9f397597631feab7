// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Swap, mlock and pins.

#include <mock/processes.hpp>

using namespace support;

TEST_SUITE("mock/mm, swap") {
  TEST_CASE("a page goes to the swap device and comes back with its data, for the CPU and the GPU (INV-10)") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.process.swap_out(page_at(1)));
    CHECK(table(w, w.first(), base, 3 * page_bytes) == "RSR");
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.frames.ram_used() == byte_count{chunk - page_bytes});
    CHECK(w.complaint() == "");
    CHECK(w.cpu_read(page_at(1)) == 2u);
    CHECK(w.process.swap_out(page_at(1)));
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.shared.swap.used() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what has to stay is not swapped out: holes, zero pages, files, device pages, pins, locks") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.map(page_bytes, at(MiB), protection::read_write, mapping_kind::file);
    CHECK_FALSE(w.process.swap_out(at(2 * MiB)));
    CHECK_FALSE(w.process.swap_out(base));
    REQUIRE(w.cpu_read(base) == 0u);
    CHECK_FALSE(w.process.swap_out(base));
    REQUIRE(w.cpu_write(at(MiB), 1) == sys::ok);
    CHECK_FALSE(w.process.swap_out(at(MiB)));
    REQUIRE(to_device(w, at(chunk), chunk) == errc::ok);
    CHECK_FALSE(w.process.swap_out(at(chunk)));
    auto const pinned = *w.process.pin_for_long(base);
    CHECK_FALSE(w.process.swap_out(base));
    w.process.unpin(pinned);
    CHECK(w.process.mlock(base, {page_bytes}) == sys::ok);
    CHECK_FALSE(w.process.swap_out(base));
    CHECK(w.process.munlock(base, {page_bytes}) == sys::ok);
    CHECK(w.process.swap_out(base));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a slot is shared by the processes that share the page, and goes with the last") {
    world w;
    w.map(2 * page_bytes);
    w.cpu_tag(base, 2 * page_bytes, 1);
    task& child = w.fork(w.first());
    CHECK(w.process.swap_out(base));
    CHECK(table(w, w.first(), base, 2 * page_bytes) == "sr");
    CHECK(table(w, child, base, 2 * page_bytes) == "sr");
    CHECK(w.shared.swap.used() == 1);
    CHECK(w.complaint() == "");
    task& grandchild = w.fork(child);
    CHECK(w.shared.swap.references(1) == 3);
    CHECK(store(child, base, 9) == sys::ok);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.shared.swap.references(1) == 1);
    w.exit(grandchild);
    CHECK(w.shared.swap.used() == 0);
    CHECK(load(child, base) == 9u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a migration refuses what is swapped out, and an unmap drops it (MIG-25)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.process.swap_out(page_at(3)));
    CHECK(to_device(w, base, chunk) == errc::busy);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    REQUIRE(w.process.swap_out(page_at(3)));
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(w.shared.swap.used() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a page of a huge page goes alone, and the others stay") {
    world w{options([](auto& o) { o.thp = true; })};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    CHECK(w.process.swap_out(page_at(7)));
    CHECK(order_at(w, base) == 0);
    CHECK(w.frames.ram_used() == byte_count{2 * MiB - page_bytes});
    CHECK(w.cpu_tags_until(base, 2 * MiB, 1) == 2 * MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a swapped page moves with its mapping") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.process.swap_out(base));
    REQUIRE(w.process.mremap(base, {page_bytes}, {page_bytes}, false, at(GiB)).error == sys::ok);
    CHECK(w.cpu_read(at(GiB)) == 1u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("without a system page it stays where it is") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.process.swap_out(base));
    w.failures.arm(failure::ram, 1);
    CHECK_FALSE(w.cpu_read(base));
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("mlock makes a span present, brings device memory back, and tells what it cannot") {
    world w{small_chunks()};
    w.map(chunk);
    w.map(chunk, at(chunk), protection::read);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    CHECK(w.process.mlock(base, {2 * chunk}) == sys::ok);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(table(w, w.first(), at(chunk - page_bytes), 2 * page_bytes) == "Rz");
    CHECK(w.process.mlock(base, {3 * chunk}) == sys::enomem);
    CHECK(w.process.mlock(at(1), {chunk}) == sys::einval);
    CHECK(w.process.munlock(base, {3 * chunk}) == sys::enomem);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU maps locked memory, which is not swapped, and unlocked it is invalidated like any other (PAG-21)") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.process.mlock(base, {chunk}) == sys::ok);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK_FALSE(w.process.swap_out(page_at(1)));
    CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    REQUIRE(w.process.munlock(base, {chunk}) == sys::ok);
    CHECK(w.process.swap_out(page_at(1)));
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a long pin brings device memory back first, and the page then stays (MIG-23)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_write(base, 1) == errc::ok);
    auto const pinned = w.process.pin_for_long(base);
    REQUIRE(pinned);
    CHECK_FALSE(w.frames.is_device(*pinned));
    CHECK(to_device(w, base, chunk) == errc::in_use);
    CHECK_FALSE(w.process.replace_page(base));
    CHECK(w.gpu_write(base, 5) == errc::ok);  // from where it is
    CHECK(w.process.entry_at(base).target == *pinned);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(w.frames.is_alive(*pinned));
    w.process.unpin(*pinned);
    CHECK_FALSE(w.frames.is_alive(*pinned));
    CHECK(w.process.pin_for_long(base).error() == errc::no_vma);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a long pin of a shared page is of a copy of its own") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    task& child = w.fork(w.first());
    auto const pinned = *w.process.pin_for_long(base);
    CHECK(pinned != child.process.entry_at(base).target);
    CHECK(store(child, base, 2) == sys::ok);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.complaint() == "");
    w.process.unpin(pinned);
  }

  TEST_CASE("a long pin of memory that may only be read is of a page of its own too") {
    world w;
    w.map(3 * page_bytes);
    w.map(page_bytes, at(MiB), protection::read, mapping_kind::file);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.process.mprotect(base, {3 * page_bytes}, protection::read) == sys::ok);
    task& child = w.fork(w.first());
    std::vector<svm::mock::page> pins;
    for (cpu_va const a : {base, page_at(1), at(MiB)}) {  // shared with the child, the zero page, of the page cache
      auto const pinned = w.process.pin_for_long(a);
      REQUIRE(pinned);
      CHECK(*pinned != child.process.entry_at(a).target);
      CHECK(w.process.entry_at(a).target == *pinned);
      pins.push_back(*pinned);
    }
    REQUIRE(w.process.mprotect(base, {3 * page_bytes}, protection::read_write) == sys::ok);
    for (std::uint64_t n : {0u, 1u}) {
      CHECK(w.cpu_read(page_at(n)) == 1 - n);
      CHECK(w.cpu_write(page_at(n), 7) == sys::ok);
      CHECK(w.process.entry_at(page_at(n)).target == pins[n]);
      CHECK(load(child, page_at(n)) == 1 - n);
    }
    for (auto const p : pins) w.process.unpin(p);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory is taken from a process but for its reserved huge pages") {
    world w;
    w.map(2 * MiB, base, protection::read_write, mapping_kind::hugetlb);
    w.map(page_bytes, at(2 * MiB));
    REQUIRE(w.cpu_write(page_at(3), 1) == sys::ok);
    REQUIRE(w.cpu_write(at(2 * MiB), 2) == sys::ok);
    CHECK(w.process.reap(span(page_at(2), 2 * MiB - 2 * page_bytes)));
    CHECK(w.cpu_read(page_at(3)) == 1u);
    CHECK(w.cpu_read(at(2 * MiB)) == 2u);
    CHECK(w.process.reap(span(page_at(2), 2 * MiB)));
    CHECK(w.cpu_read(page_at(3)) == 1u);
    CHECK(w.cpu_read(at(2 * MiB)) == 0u);
    CHECK(w.cpu_write(page_at(3), 3) == sys::ok);
    CHECK(w.complaint() == "");
  }
}

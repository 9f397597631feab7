// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Several processes: fork, copy-on-write, and what of it a GPU sees.

#include <mock/processes.hpp>

using namespace support;

namespace {

constexpr auto rw = protection::read_write;

}  // namespace

TEST_SUITE("mock/mm, fork") {
  TEST_CASE("parent and child share their pages until one of them writes (FRK-01)") {
    world w;
    w.map(2 * page_bytes);
    w.cpu_tag(base, 2 * page_bytes, 1);
    task& child = w.fork(w.first());
    CHECK(table(w, w.first(), base, 2 * page_bytes) == "rr");
    CHECK(table(w, child, base, 2 * page_bytes) == "rr");
    CHECK(w.frames.ram_used() == byte_count{2 * page_bytes});
    CHECK(w.complaint() == "");
    CHECK(store(child, base, 10) == sys::ok);
    CHECK(w.cpu_write(page_at(1), 20) == sys::ok);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(load(child, base) == 10u);
    CHECK(load(child, page_at(1)) == 2u);
    CHECK(w.cpu_read(page_at(1)) == 20u);
    CHECK(w.frames.ram_used() == byte_count{4 * page_bytes});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a page that is nobody else's any more is written in place") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const page = w.process.entry_at(base).target;
    task& child = w.fork(w.first());
    w.exit(child);
    CHECK(w.cpu_write(base, 2) == sys::ok);
    CHECK(w.process.entry_at(base).target == page);
    task& other = w.fork(w.first());
    w.process.pin(base, true);  // somebody looks at it
    w.exit(other);
    CHECK(w.cpu_write(base, 3) == sys::ok);
    CHECK(w.process.entry_at(base).target != page);
    w.frames.put(page);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("device memory is shared too; a write brings it back and copies it (FRK-01, FRK-07)") {
    for (bool const child_writes : {false, true}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      task& child = w.fork(w.first());
      CHECK(table(w, w.first(), base, 2 * page_bytes) == "dd");
      CHECK(table(w, child, base, 2 * page_bytes) == "dd");
      CHECK(w.complaint() == "");
      CHECK((child_writes ? store(child, base, 99) : w.cpu_write(base, 99)) == sys::ok);
      CHECK(w.device_pages(base, chunk) == 0);
      CHECK(w.cpu_read(base) == (child_writes ? 1u : 99u));
      CHECK(load(child, base) == (child_writes ? 99u : 1u));
      CHECK(load(child, page_at(1)) == 2u);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a parent whose memory its GPU has mapped writes after the fork to a copy, which its GPU reads (FRK-06)") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_write(base, 7) == errc::ok);
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    task& child = w.fork(w.first());
    CHECK(w.cpu_write(page_at(1), 20) == sys::ok);
    CHECK(w.gpu_read(page_at(1)) == 20u);
    CHECK(w.gpu_read(base) == 7u);
    CHECK(load(child, page_at(1)) == 2u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU write after the fork gets a copy of its own first (FRK-10)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_write(base, 7) == errc::ok);
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    task& child = w.fork(w.first());
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);  // an event over the parent's memory
    CHECK(w.gpu_write(base, 8) == errc::ok);
    CHECK(w.gpu_read(base) == 8u);
    CHECK(w.cpu_read(base) == 8u);
    CHECK(load(child, base) == 7u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU that only reads uses the shared pages where they are") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.read_only = true; })};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    task& child = w.fork(w.first());
    CHECK(gpu_load(w, w.first(), 0, base) == 1u);
    CHECK(gpu_load(w, child, 0, page_at(1)) == 2u);
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.complaint() == "");
    CHECK(store(child, base, 5) == sys::ok);
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(gpu_load(w, w.first(), 0, base) == 1u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a child's GPU has its own view of the child's memory (FRK-08, FRK-12)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.gpu_write(base, 7) == errc::ok);
    task& child = w.fork(w.first());
    CHECK(gpu_store(w, child, 0, page_at(1), 50) == errc::ok);
    CHECK(gpu_load(w, child, 0, base) == 7u);
    CHECK(load(child, base) == 7u);
    CHECK(w.cpu_read(base) == 7u);
    CHECK(w.gpu_read(page_at(1)) == 2u);
    CHECK(load(child, page_at(1)) == 50u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("shared memory stays shared, and a touch in one process is there in the other (FRK-05, FIL-09)") {
    world w{small_chunks()};
    w.map(chunk, base, rw, mapping_kind::shared);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    task& child = w.fork(w.first());
    CHECK(store(child, base, 2) == sys::ok);
    CHECK(gpu_store(w, child, 0, page_at(1), 3) == errc::ok);
    CHECK(w.cpu_read(base) == 2u);
    CHECK(w.gpu_read(page_at(1)) == 3u);
    CHECK(w.gpu_write(page_at(2), 4) == errc::ok);
    CHECK(gpu_load(w, child, 0, page_at(2)) == 4u);
    CHECK(w.frames.ram_used() == byte_count{chunk});
    CHECK(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(load(child, base) == 2u);  // the cache stays while somebody maps it
    CHECK(child.process.munmap(base, {chunk}) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a private page of a file is copied by the first write") {
    world w;
    w.map(2 * page_bytes, base, rw, mapping_kind::file);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.cpu_read(page_at(1)) == 0u);
    task& child = w.fork(w.first());
    CHECK(store(child, base, 2) == sys::ok);
    CHECK(store(child, page_at(1), 3) == sys::ok);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.cpu_read(page_at(1)) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a reserved huge page is copied whole") {
    world w;
    w.map(2 * MiB, base, rw, mapping_kind::hugetlb);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.cpu_write(at(MiB), 2) == sys::ok);
    task& child = w.fork(w.first());
    CHECK(store(child, base, 3) == sys::ok);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(load(child, at(MiB)) == 2u);
    CHECK(w.frames.ram_used() == byte_count{4 * MiB});
    CHECK(w.frames.head(child.process.entry_at(at(MiB)).target).order.value == 9);
    CHECK(w.complaint() == "");
    w.exit(child);
    auto const page = w.process.entry_at(base).target;
    CHECK(w.cpu_write(at(MiB), 4) == sys::ok);
    CHECK(w.process.entry_at(base).target == page);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what is advised so stays out of the child, or is empty there (FRK-15)") {
    world w;
    w.map(4 * page_bytes);
    w.cpu_tag(base, 4 * page_bytes, 1);
    REQUIRE(w.process.madvise(page_at(1), {page_bytes}, advice::dontfork) == sys::ok);
    REQUIRE(w.process.madvise(page_at(2), {page_bytes}, advice::wipeonfork) == sys::ok);
    CHECK(w.process.vmas().all().size() == 1);  // advice splits nothing
    task& child = w.fork(w.first());
    CHECK(load(child, base) == 1u);
    CHECK_FALSE(load(child, page_at(1)));
    CHECK(load(child, page_at(2)) == 0u);
    CHECK(load(child, page_at(3)) == 4u);
    CHECK(child.process.vmas().all().size() == 2);
    REQUIRE(w.process.madvise(page_at(1), {2 * page_bytes}, advice::dofork) == sys::ok);
    REQUIRE(w.process.madvise(page_at(1), {2 * page_bytes}, advice::keeponfork) == sys::ok);
    task& other = w.fork(w.first());
    CHECK(load(other, page_at(1)) == 2u);
    CHECK(load(other, page_at(2)) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a pinned page stays the parent's, and the child has a copy at once") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const pinned = w.process.pin_for_long(base);
    REQUIRE(pinned);
    task& child = w.fork(w.first());
    CHECK(table(w, w.first(), base, page_bytes) == "R");
    CHECK(table(w, child, base, page_bytes) == "R");
    CHECK(child.process.entry_at(base).target != *pinned);
    CHECK(w.cpu_write(base, 2) == sys::ok);
    CHECK(w.process.entry_at(base).target == *pinned);
    CHECK(load(child, base) == 1u);
    CHECK(w.complaint() == "");
    w.process.unpin(*pinned);
  }

  TEST_CASE("a fork without memory for that copy fails, and leaves nothing") {
    world w;
    w.map(2 * page_bytes);
    w.cpu_tag(base, 2 * page_bytes, 1);
    auto const pinned = *w.process.pin_for_long(base);
    w.failures.arm(failure::ram, 1);
    task& child = w.fork(w.first());
    CHECK(child.process.users() == 0);
    CHECK(child.process.vmas().all().empty());
    CHECK(w.frames.ram_used() == byte_count{2 * page_bytes});
    CHECK(w.cpu_tags_until(base, 2 * page_bytes, 1) == 2 * page_bytes);
    CHECK(w.cpu_write(page_at(1), 2) == sys::ok);
    w.process.unpin(pinned);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("shared pages are refused by a migration, and moved by an eviction for all (FRK-11)") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    task& child = w.fork(w.first());
    CHECK(to_device(w, at(chunk), chunk) == errc::shared);
    CHECK(w.device_pages(at(chunk), chunk) == 0);
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(table(w, w.first(), base, page_bytes) == "r");
    CHECK(table(w, child, base, page_bytes) == "r");
    CHECK(w.process.entry_at(base).target == child.process.entry_at(base).target);
    CHECK(load(child, page_at(3)) == 4u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("device memory goes with the last process that maps it, whoever exits first (FRK-13)") {
    for (bool const parent_first : {true, false}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      task& child = w.fork(w.first());
      w.exit(parent_first ? w.first() : child);
      CHECK(w.device_memory.used() == byte_count{chunk});
      task& left = parent_first ? child : w.first();
      CHECK(load(left, page_at(2)) == 3u);  // brought back by the migrator of a process that is gone
      CHECK(w.device_memory.used() == byte_count{});
      w.exit(left);
      CHECK(w.frames.ram_used() == byte_count{});
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a grandchild shares with both, and each first write copies once") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    task& child = w.fork(w.first());
    task& grandchild = w.fork(child);
    CHECK(w.frames.of(w.process.entry_at(base).target).mappings.size() == 3);
    CHECK(store(child, base, 2) == sys::ok);
    CHECK(store(grandchild, base, 3) == sys::ok);
    CHECK(w.cpu_write(base, 4) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{3 * page_bytes});
    CHECK(w.cpu_read(base) == 4u);
    CHECK(load(child, base) == 2u);
    CHECK(load(grandchild, base) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a fork in the middle of a migration finds the pages where they end (MIG-15)") {
    for (step const when : {step::copying, step::installing}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      task* child = nullptr;
      interfere(w, when, [&] { child = &w.fork(w.first()); });
      CHECK(w.mover.evict_all() == errc::ok);
      w.hooks.hook = nullptr;
      REQUIRE(child != nullptr);
      CHECK(table(w, *child, base, page_bytes) == "r");
      CHECK(load(*child, page_at(5)) == 6u);
      CHECK(store(*child, page_at(5), 0) == sys::ok);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a fork takes a reserved huge page whole: advice that cuts one is refused, and changes nothing") {
    world w;
    w.map(4 * MiB, base, rw, mapping_kind::hugetlb);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    for (auto const said : {advice::dontfork, advice::dofork, advice::wipeonfork, advice::keeponfork}) {
      CHECK(w.process.madvise(base, {MiB}, said) == sys::einval);
      CHECK(w.process.madvise(at(MiB), {MiB}, said) == sys::einval);
    }
    REQUIRE(w.process.madvise(at(2 * MiB), {2 * MiB}, advice::dontfork) == sys::ok);
    task& child = w.fork(w.first());
    CHECK(load(child, base) == 1u);
    CHECK_FALSE(load(child, at(2 * MiB)));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a pin in a reserved huge page that is made of single pages keeps all of it the parent's") {
    world w{options([](auto& o) { o.ram = {8 * MiB}; })};
    w.map(8 * MiB, at(16 * MiB));
    w.cpu_tag(at(16 * MiB), 8 * MiB, 1);
    for (std::uint64_t n = 0; n < 8; ++n)  // a page is left in each MiB, so that no 2 MiB lie together
      REQUIRE(w.process.munmap(at((16 + n) * MiB), {MiB - page_bytes}) == sys::ok);
    w.map(2 * MiB, base, rw, mapping_kind::hugetlb);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(order_at(w, base) == 0);
    auto const pinned = *w.process.pin_for_long(page_at(7));
    task& child = w.fork(w.first());
    REQUIRE(child.process.users() != 0);
    CHECK(w.cpu_write(page_at(9), 100) == sys::ok);
    CHECK(w.cpu_write(page_at(7), 101) == sys::ok);
    CHECK(w.process.entry_at(page_at(7)).target == pinned);
    CHECK(load(child, page_at(9)) == 10u);
    CHECK(load(child, page_at(7)) == 8u);
    CHECK(store(child, page_at(9), 200) == sys::ok);
    CHECK(w.cpu_read(page_at(9)) == 100u);
    w.process.unpin(pinned);
    CHECK(w.complaint() == "");
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Files that change under their mappings, and memory without page frames.

#include <mock/processes.hpp>

using namespace support;

namespace {

constexpr auto rw = protection::read_write;

}  // namespace

TEST_SUITE("mock/mm, files") {
  TEST_CASE("what lies past the end of a file is a bus error, for the GPU no access, and its pages go (FIL-05)") {
    for (mapping_kind const kind : {mapping_kind::shared, mapping_kind::file}) {
      world w{small_chunks()};
      w.map(chunk, base, rw, kind);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(w.gpu_read(base) == 1u);
      CHECK(w.process.truncate(base, 8 * page_bytes) == sys::ok);
      CHECK(w.gpu_mapped_pages(base, chunk) == 0);
      std::byte word[8]{};
      CHECK(w.process.load(page_at(8), word) == sys::sigbus);
      CHECK(w.process.store(page_at(15), word) == sys::sigbus);
      CHECK(w.cpu_tags_until(base, chunk / 2, 1) == chunk / 2);
      CHECK(w.frames.ram_used() == byte_count{kind == mapping_kind::shared ? chunk / 2 : chunk});
      CHECK(w.fault(page_at(9)) == errc::no_access);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a hole reads as zero again in every mapping, and private copies stay (FIL-06)") {
    world w;
    w.map(4 * page_bytes, base, rw, mapping_kind::shared);
    w.cpu_tag(base, 4 * page_bytes, 1);
    task& child = w.fork(w.first());
    REQUIRE(load(child, page_at(1)) == 2u);
    REQUIRE(w.gpu_read(page_at(1)) == 2u);
    CHECK(child.process.punch_hole(page_at(1), {2 * page_bytes}) == sys::ok);
    CHECK(table(w, w.first(), base, 4 * page_bytes) == "R..R");
    CHECK(w.gpu_read(page_at(1)) == 0u);
    CHECK(w.cpu_read(page_at(1)) == 0u);
    CHECK(load(child, page_at(2)) == 0u);
    CHECK(w.cpu_read(page_at(3)) == 4u);
    w.map(2 * page_bytes, at(MiB), rw, mapping_kind::file);
    REQUIRE(w.cpu_write(at(MiB), 7) == sys::ok);
    REQUIRE(w.cpu_read(at(MiB) + byte_count{page_bytes}) == 0u);
    CHECK(w.process.punch_hole(at(MiB), {2 * page_bytes}) == sys::ok);
    CHECK(table(w, w.first(), at(MiB), 2 * page_bytes) == "R.");
    CHECK(w.cpu_read(at(MiB)) == 7u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("one part of a file may be mapped twice: both show it, and both lose it (FIL-07)") {
    world w{small_chunks()};
    w.map(2 * chunk, base, rw, mapping_kind::shared);
    w.cpu_tag(base, 2 * chunk, 1);
    auto const again = w.process.mmap_same(base, chunk, {chunk}, protection::read, at(MiB));
    REQUIRE(again.error == sys::ok);
    CHECK(w.cpu_read(at(MiB)) == 17u);
    CHECK(w.gpu_read(at(MiB)) == 17u);
    CHECK(w.gpu_write(at(chunk), 100) == errc::ok);
    CHECK(w.gpu_read(at(MiB)) == 100u);
    CHECK(w.complaint() == "");
    CHECK(w.process.punch_hole(at(chunk), {page_bytes}) == sys::ok);
    CHECK(w.gpu_mapped_pages(at(MiB), chunk) == 0);
    CHECK(w.gpu_mapped_pages(at(chunk), chunk) == 0);
    CHECK(w.gpu_read(at(MiB)) == 0u);
    CHECK(w.process.munmap(at(chunk), {chunk}) == sys::ok);
    CHECK(w.cpu_read(at(MiB) + byte_count{page_bytes}) == 18u);  // still mapped there
    CHECK(w.complaint() == "");
  }

  TEST_CASE("two mappings of one file join only where they lie together in it") {
    world w;
    w.map(4 * page_bytes, base, rw, mapping_kind::shared);
    auto const same = [&](std::uint64_t first, std::uint64_t where) {
      return w.process.mmap_same(base, first * page_bytes, {page_bytes}, rw, page_at(where)).error;
    };
    CHECK(same(4, 4) == sys::ok);
    CHECK(w.process.vmas().all().size() == 1);
    CHECK(same(9, 5) == sys::ok);
    CHECK(w.process.vmas().all().size() == 2);
    CHECK(same(0, 5) == sys::eexist);
    CHECK(w.process.mmap_same(at(MiB), 0, {page_bytes}, rw, {}).error == sys::efault);
    CHECK(w.process.mmap_same(base, 5, {page_bytes}, rw, {}).error == sys::einval);
    w.map(page_bytes, at(MiB));
    CHECK(w.process.mmap_same(at(MiB), 0, {page_bytes}, rw, {}).error == sys::einval);  // no file
    CHECK(w.process.truncate(at(MiB), 0) == sys::einval);
    CHECK(w.process.truncate(at(2 * MiB), 0) == sys::efault);
    CHECK(w.process.truncate(base, 1) == sys::einval);
    CHECK(w.process.punch_hole(at(MiB), {page_bytes}) == sys::einval);
    CHECK(w.process.punch_hole(base, {MiB}) == sys::efault);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("registers of a device are memory for the CPU, and nothing for a GPU (FIL-08)") {
    world w{small_chunks()};
    w.map(chunk, base, rw, mapping_kind::io);
    CHECK(w.cpu_write(page_at(1), 5) == sys::ok);
    CHECK(w.cpu_read(page_at(1)) == 5u);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(table(w, w.first(), base, 2 * page_bytes) == "..");
    CHECK(w.fault(base) == errc::no_access);
    CHECK(to_device(w, base, chunk) == errc::not_migratable);
    CHECK(w.frames.ram_used() == byte_count{});
    CHECK(w.complaint() == "");
    task& child = w.fork(w.first());
    CHECK(store(child, page_at(1), 6) == sys::ok);
    CHECK(w.cpu_read(page_at(1)) == 6u);
  }

  TEST_CASE("one process reads another's memory as that process would (CFB-12)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    task& child = w.fork(w.first());
    REQUIRE(gpu_store(w, child, 0, base, 40) == errc::ok);
    CHECK(load(child, base) == 40u);
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("registers of a device neither end nor have holes, and nobody pins them") {
    world w;
    w.map(2 * page_bytes, base, rw, mapping_kind::io);
    REQUIRE(w.cpu_write(base, 5) == sys::ok);
    CHECK(w.process.truncate(base, 0) == sys::einval);
    CHECK(w.process.punch_hole(base, {page_bytes}) == sys::einval);
    CHECK(w.process.pin_for_long(base).error() == errc::no_access);
    CHECK(w.cpu_read(base) == 5u);
  }
}

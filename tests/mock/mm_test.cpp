// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The simulated process's system calls, and what its memory does on the CPU.

#include <string>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

constexpr auto rw = protection::read_write;
constexpr auto anon = mapping_kind::anon;
constexpr cpu_va end_of_user{svm::mock::user_end};

/// The VMAs as text: offset and size in KiB, protection, kind.
std::string vmas(world& w) {
  std::string all;
  for (auto const& [start, v] : w.process.vmas().all())
    all += (all.empty() ? "" : " ") + std::to_string((start - base.value) / KiB) + "+" +
           std::to_string(v.extent.size().value / KiB) + std::string{name(v.allowed)};
  return all;
}
auto mmap(world& w, std::uint64_t size, std::optional<cpu_va> where = {}, mapping_kind kind = anon) {
  return w.process.mmap({size}, rw, kind, where);
}

}  // namespace

TEST_SUITE("mock/mm") {
  TEST_CASE("a mapping takes the lowest aligned address from 4 GiB on with 2 MiB of nothing around it") {
    world w;
    CHECK(mmap(w, page_bytes).at == base);
    CHECK(mmap(w, 2 * MiB).at == at(4 * MiB));  // 4 KiB and a gap of 2 MiB, rounded up
    CHECK(mmap(w, page_bytes).at == at(8 * MiB));
    REQUIRE(w.process.munmap(at(4 * MiB), {2 * MiB}) == sys::ok);
    CHECK(mmap(w, 2 * MiB + page_bytes).at == at(12 * MiB));  // the hole is too small
    CHECK(mmap(w, 2 * MiB).at == at(4 * MiB));
    CHECK(mmap(w, page_bytes, cpu_va{GiB}).at == cpu_va{GiB});
    world near;
    REQUIRE(mmap(near, page_bytes, base - byte_count{page_bytes}).error == sys::ok);
    CHECK(mmap(near, page_bytes).at == at(2 * MiB));
  }

  TEST_CASE("mmap judges alignment first, then the end of user addresses, then what is there") {
    world w;
    CHECK(mmap(w, 0).error == sys::einval);
    CHECK(mmap(w, 100).error == sys::einval);
    CHECK(mmap(w, page_bytes, at(1)).error == sys::einval);
    CHECK(mmap(w, 100, end_of_user).error == sys::einval);
    CHECK(mmap(w, page_bytes, end_of_user).error == sys::enomem);
    CHECK(mmap(w, 2 * page_bytes, end_of_user - byte_count{page_bytes}).error == sys::enomem);
    CHECK(mmap(w, page_bytes, end_of_user - byte_count{page_bytes}).error == sys::ok);
    CHECK(mmap(w, std::uint64_t{1} << 48).error == sys::enomem);
    CHECK(mmap(w, page_bytes, cpu_va{UINT64_MAX - page_bytes + 1}).error == sys::enomem);
    CHECK(mmap(w, 2 * page_bytes, cpu_va{UINT64_MAX - page_bytes + 1}).error == sys::enomem);  // wraps
    CHECK(mmap(w, MiB, base, mapping_kind::hugetlb).error == sys::einval);
    CHECK(mmap(w, 2 * MiB, at(MiB), mapping_kind::hugetlb).error == sys::einval);
    CHECK(mmap(w, chunk, base).error == sys::ok);
    CHECK(mmap(w, page_bytes, at(chunk - page_bytes)).error == sys::eexist);
    CHECK(mmap(w, chunk, base - byte_count{page_bytes}).error == sys::eexist);
    CHECK(vmas(w).starts_with("0+64rw"));
  }

  TEST_CASE("neighbouring anonymous mappings of one protection are one VMA, others are not") {
    world w;
    REQUIRE(mmap(w, chunk, base).error == sys::ok);
    REQUIRE(mmap(w, chunk, at(2 * chunk)).error == sys::ok);
    CHECK(vmas(w) == "0+64rw 128+64rw");
    REQUIRE(mmap(w, chunk, at(chunk)).error == sys::ok);
    CHECK(vmas(w) == "0+192rw");
    REQUIRE(w.process.mprotect(at(chunk), {chunk}, protection::read) == sys::ok);
    CHECK(vmas(w) == "0+64rw 64+64r 128+64rw");
    REQUIRE(w.process.mprotect(at(chunk), {chunk}, rw) == sys::ok);
    CHECK(vmas(w) == "0+192rw");
    for (mapping_kind const kind : {mapping_kind::shared, mapping_kind::file}) {
      world v;
      REQUIRE(mmap(v, chunk, base, kind).error == sys::ok);
      REQUIRE(mmap(v, chunk, at(chunk), kind).error == sys::ok);
      CHECK(vmas(v) == "0+64rw 64+64rw");  // two files, two shared memories
      REQUIRE(v.process.mprotect(base, {chunk / 2}, protection::none) == sys::ok);
      CHECK(vmas(v) == "0+32none 32+32rw 64+64rw");
      REQUIRE(v.process.mprotect(base, {chunk / 2}, rw) == sys::ok);
      CHECK(vmas(v) == "0+64rw 64+64rw");
    }
  }

  TEST_CASE("munmap cuts what is there, a hole is fine, and spans that pass the end are EINVAL") {
    world w;
    w.map(4 * chunk);
    CHECK(w.process.munmap(at(chunk), {chunk}) == sys::ok);
    CHECK(vmas(w) == "0+64rw 128+128rw");
    CHECK(w.process.munmap(at(chunk), {chunk}) == sys::ok);
    CHECK(w.process.munmap(at(chunk / 2), {2 * chunk}) == sys::ok);
    CHECK(vmas(w) == "0+32rw 160+96rw");
    CHECK(w.process.munmap(at(1), {chunk}) == sys::einval);
    CHECK(w.process.munmap(base, {0}) == sys::einval);
    CHECK(w.process.munmap(end_of_user, {page_bytes}) == sys::einval);
    CHECK(w.process.munmap(cpu_va{0}, {UINT64_MAX - page_bytes + 1}) == sys::einval);
    CHECK(w.process.munmap(cpu_va{page_bytes}, {UINT64_MAX - page_bytes + 1}) == sys::einval);
    CHECK(w.process.munmap(cpu_va{0}, {svm::mock::user_end}) == sys::ok);
    CHECK(vmas(w) == "");
  }

  TEST_CASE("mprotect changes what comes before a hole and is ENOMEM, and no change is no event") {
    world w{small_chunks()};
    w.map(chunk);
    w.map(chunk, at(2 * chunk));
    REQUIRE(w.fault(base) == errc::ok);
    auto const events = w.count(svm::event_kind::invalidated);
    CHECK(w.process.mprotect(base, {chunk}, rw) == sys::ok);
    CHECK(w.count(svm::event_kind::invalidated) == events);
    CHECK(w.process.mprotect(base, {3 * chunk}, protection::read) == sys::enomem);
    CHECK(vmas(w) == "0+64r 128+64rw");
    CHECK(w.count(svm::event_kind::invalidated) == events + 1);
    CHECK(w.process.mprotect(at(MiB), {chunk}, protection::read) == sys::enomem);
    CHECK(w.process.mprotect(at(8), {chunk}, protection::read) == sys::einval);
    CHECK(w.process.mprotect(end_of_user, {chunk}, protection::read) == sys::enomem);
  }

  TEST_CASE("madvise over holes does what is mapped and is ENOMEM") {
    world w;
    w.map(chunk);
    w.map(chunk, at(2 * chunk));
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.cpu_write(at(2 * chunk), 2) == sys::ok);
    CHECK(w.process.madvise_dontneed(base, {3 * chunk}) == sys::enomem);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.cpu_read(at(2 * chunk)) == 0u);
    CHECK(w.process.madvise_dontneed(base, {chunk}) == sys::ok);
    CHECK(w.process.madvise_dontneed(at(chunk), {chunk}) == sys::enomem);
    CHECK(w.process.madvise_dontneed(at(2 * chunk), {2 * chunk}) == sys::enomem);
    CHECK(w.process.madvise_dontneed(base, {12}) == sys::einval);
    CHECK(w.process.madvise_dontneed(end_of_user, {chunk}) == sys::enomem);
  }

  TEST_CASE("a huge page is not cut") {
    world w;
    w.map(4 * MiB, base, rw, mapping_kind::hugetlb);
    CHECK(w.process.munmap(base, {MiB}) == sys::einval);
    CHECK(w.process.mprotect(at(MiB), {MiB}, protection::read) == sys::einval);
    CHECK(w.process.madvise_dontneed(at(2 * MiB), {page_bytes}) == sys::einval);
    CHECK(vmas(w) == "0+4096rw");
    CHECK(w.process.munmap(base, {2 * MiB}) == sys::ok);
    CHECK(vmas(w) == "2048+2048rw");
  }

  TEST_CASE("a read of untouched memory maps the zero page, and the first write replaces it") {
    world w{options([](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(page_bytes, base, protection::read);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.process.entry_at(base).what == pte::state::present);
    CHECK(w.frames.ram_used() == byte_count{});
    REQUIRE(w.gpu_read(base) == 0u);
    CHECK(w.dma.live() == 1);
    CHECK(w.frames.ram_used() == byte_count{});
    REQUIRE(w.process.mprotect(base, {page_bytes}, rw) == sys::ok);
    auto const events = w.count(svm::event_kind::invalidated);
    REQUIRE(w.fault(base) == errc::ok);  // a writable mapping breaks it
    CHECK(w.count(svm::event_kind::invalidated) == events + 1);
    CHECK(w.cpu_write(base, 5) == sys::ok);
    CHECK(w.gpu_read(base) == 5u);
    CHECK(w.frames.ram_used() == byte_count{page_bytes});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what the CPU may not touch is a segmentation fault") {
    world w;
    std::byte word[8]{};
    CHECK(w.process.load(base, word) == sys::sigsegv);
    CHECK(w.process.store(base, word) == sys::sigsegv);
    w.map(chunk, base, protection::read);
    CHECK(w.process.load(base, word) == sys::ok);
    CHECK(w.process.store(base, word) == sys::sigsegv);
    CHECK(w.process.load(at(chunk), word) == sys::sigsegv);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::none) == sys::ok);
    CHECK(w.process.load(base, word) == sys::sigsegv);
  }

  TEST_CASE("dontneed drops anonymous data, a file's private pages, and keeps what is shared") {
    for (mapping_kind const kind : {anon, mapping_kind::file, mapping_kind::shared}) {
      world w;
      w.map(chunk, base, rw, kind);
      REQUIRE(w.cpu_write(base, 9) == sys::ok);
      REQUIRE(w.process.madvise_dontneed(base, {chunk}) == sys::ok);
      CHECK(w.process.entry_at(base).is_none());
      CHECK(w.cpu_read(base) == (kind == mapping_kind::shared ? 9u : 0u));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a page of a file enters the page cache, a write takes a page beside it, an unmap drops the cache") {
    world w;
    w.map(2 * page_bytes, base, rw, mapping_kind::file);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.frames.ram_used() == byte_count{page_bytes});
    auto const cached = w.process.entry_at(base).target;
    CHECK(w.cpu_write(base, 3) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{2 * page_bytes});
    CHECK(w.process.entry_at(base).target != cached);
    CHECK(w.frames.is_alive(cached));
    CHECK(w.cpu_write(page_at(1), 4) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{4 * page_bytes});
    REQUIRE(w.process.munmap(base, {page_bytes}) == sys::ok);
    CHECK(w.frames.ram_used() == byte_count{2 * page_bytes});
    CHECK_FALSE(w.frames.is_alive(cached));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the physical page behind an address can be replaced, unless somebody holds it") {
    world w{options([](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(page_bytes);
    CHECK_FALSE(w.process.replace_page(base));
    REQUIRE(w.cpu_write(base, 6) == sys::ok);
    REQUIRE(w.gpu_read(base) == 6u);
    auto const before = w.process.entry_at(base).target;
    w.process.pin(base, true);
    CHECK_FALSE(w.process.replace_page(base));
    w.process.pin(base, false);
    CHECK(w.process.replace_page(base));
    CHECK(w.process.entry_at(base).target != before);
    CHECK(w.gpu_mapped_pages(base, page_bytes) == 0);
    CHECK(w.gpu_read(base) == 6u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("users keep the address space, and the last one to go ends it") {
    world w;
    w.map(page_bytes);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    REQUIRE(w.process.get_user());
    w.process.exit();
    CHECK(w.cpu_read(base) == 1u);
    w.process.put_user();
    CHECK_FALSE(w.process.get_user());
    CHECK_FALSE(w.cpu_read(base));
    CHECK(w.frames.ram_used() == byte_count{});
  }
}

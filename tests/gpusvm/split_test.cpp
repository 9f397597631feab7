// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/impl/split.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <mock/processes.hpp>
#include <support/failures.hpp>

using namespace support;
using svm::event_kind;
using svm::page_flag;
using svm::range_flag;

namespace {

/// The starts and sizes, in pages from `base` on, of the ranges of a gpusvm.
std::string ranges(world& w) {
  std::string all;
  w.driver.svm().for_each_range(world::everything, [&](auto const& r) {
    all += std::to_string((r.interval().start() - base).value / page_bytes) + "+" +
           std::to_string(r.interval().size().value / page_bytes) + " ";
  });
  return all;
}
std::string chunks_of(std::uint64_t first_page, std::uint64_t count) {
  static constexpr byte_count table[] = {byte_count{2 * MiB}, byte_count{64 * KiB}, byte_count{4 * KiB}};
  std::string all;
  svm::detail::for_each_chunk(table, span(at(first_page * page_bytes), count * page_bytes), [&](va_range chosen) {
    all += std::to_string((chosen.start() - base).value / page_bytes) + "+" +
           std::to_string(chosen.size().value / page_bytes) + " ";
    return true;
  });
  return all;
}

/// Two megabytes in device memory as one range, in a driver that splits.
template <class Set>
svm::mock::machine_options splitting(Set&& set) {
  return options([&](auto& o) {
    o.vram = {8 * MiB};
    o.driver.rest = svm::partial_unmap::split;
    set(o);
  });
}
svm::mock::machine_options splitting() {
  return splitting([](auto&) {});
}
constexpr std::uint64_t whole = 2 * MiB;
constexpr std::uint64_t whole_pages = whole / page_bytes;

void put_there(world& w) {
  w.map(whole);
  w.cpu_tag(base, whole, 1);
  REQUIRE(w.gpu_write(base, 1) == errc::ok);
  REQUIRE(w.device_pages(base, whole) == whole_pages);
  REQUIRE(ranges(w) == "0+512 ");
}

}  // namespace

TEST_SUITE("gpusvm/split") {
  TEST_CASE("a span is covered by the largest aligned chunks that fit, in ascending order") {
    CHECK(chunks_of(0, 512) == "0+512 ");
    CHECK(chunks_of(0, 1024) == "0+512 512+512 ");
    CHECK(chunks_of(0, 18) == "0+16 16+1 17+1 ");
    CHECK(chunks_of(15, 18) == "15+1 16+16 32+1 ");
    CHECK(chunks_of(3, 1) == "3+1 ");
    CHECK(chunks_of(496, 32) == "496+16 512+16 ");
    CHECK(chunks_of(511, 514) == "511+1 512+512 1024+1 ");
  }

  TEST_CASE("a range that lost a part becomes ranges over the rest, whose device pages stay without a copy") {
    world w{splitting()};
    put_there(w);
    std::uint64_t const copies = w.failures.calls(failure::copy);
    REQUIRE(w.process.munmap(at(40 * page_bytes), {8 * page_bytes}) == sys::ok);
    w.driver.collect_garbage();
    std::string expected = "0+16 16+16 ";
    for (std::uint64_t n = 32; n < 40; ++n) expected += std::to_string(n) + "+1 ";
    for (std::uint64_t n = 48; n < 512; n += 16) expected += std::to_string(n) + "+16 ";
    CHECK(ranges(w) == expected);
    CHECK(w.device_pages(base, whole) == whole_pages - 8);
    CHECK(w.device_memory.used() == byte_count{whole - 8 * page_bytes});  // piece by piece
    CHECK(w.complaint() == "");
    CHECK(w.gpu_tags_until(base, 40 * page_bytes, 1) == 40 * page_bytes);
    CHECK(w.gpu_tags_until(at(48 * page_bytes), whole - 48 * page_bytes, 49) == whole - 48 * page_bytes);
    CHECK(w.failures.calls(failure::copy) == copies);
    CHECK(w.fault(at(40 * page_bytes)) == errc::no_vma);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a driver that evicts brings the rest back instead, as the reference (errata 3.1.10 and 3.4.4)") {
    world w{splitting([](auto& o) { o.driver.rest = svm::partial_unmap::evict; })};
    put_there(w);
    REQUIRE(w.process.munmap(base, {page_bytes}) == sys::ok);
    w.driver.collect_garbage();
    CHECK(ranges(w) == "");
    CHECK(w.device_pages(base, whole) == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.cpu_tags_until(at(page_bytes), whole - page_bytes, 2) == whole - page_bytes);
  }

  TEST_CASE("what is unmapped piece by piece gives its device memory back piece by piece") {
    world w{splitting()};
    put_there(w);
    for (std::uint64_t n = 0; n < whole_pages; n += 64) {
      REQUIRE(w.process.munmap(at(n * page_bytes), {64 * page_bytes}) == sys::ok);
      CHECK(w.device_memory.used() == byte_count{whole - (n + 64) * page_bytes});
      w.driver.collect_garbage();
      CHECK(w.complaint() == "");
    }
    CHECK(ranges(w) == "");
    CHECK(w.notifier_count() == 0);
  }

  TEST_CASE("a range all of which was unmapped leaves none, also when it went in two events") {
    world w{splitting()};
    put_there(w);
    REQUIRE(w.process.munmap(base, {MiB}) == sys::ok);
    REQUIRE(w.process.munmap(at(MiB), {MiB}) == sys::ok);
    w.driver.collect_garbage();
    CHECK(ranges(w) == "");
    CHECK(w.notifier_count() == 0);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("new ranges stay inside the VMAs that there are, and are not mapped before they are faulted in") {
    world w{splitting()};
    put_there(w);
    REQUIRE(w.process.mprotect(at(72 * page_bytes), {8 * page_bytes}, protection::read) == sys::ok);
    REQUIRE(w.process.munmap(base, {64 * page_bytes}) == sys::ok);
    w.driver.collect_garbage();
    std::string expected;
    for (std::uint64_t n = 64; n < 80; ++n) expected += std::to_string(n) + "+1 ";
    for (std::uint64_t n = 80; n < 512; n += 16) expected += std::to_string(n) + "+16 ";
    CHECK(ranges(w) == expected);
    w.driver.svm().for_each_range(world::everything, [](auto const& r) {
      CHECK_FALSE(r.mapping().has(page_flag::mapped));
      CHECK_FALSE(r.has(range_flag::unmapped));
    });
    CHECK(w.gpu_write(at(72 * page_bytes), 1) == errc::read_only);
    CHECK(w.gpu_read(at(72 * page_bytes)) == 73u);
    CHECK(w.gpu_write(at(71 * page_bytes), 5) == errc::ok);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("when memory runs short at whichever step the rest is left to faults, and no byte is lost") {
    for (auto const how : {repeat::once, repeat::from_then_on}) {
      std::uint64_t k = 1;
      for (;; ++k) {
        CAPTURE(k);
        REQUIRE(k < 200);
        world w{splitting([](auto& o) { o.chunks = {byte_count{chunk}, byte_count{page_bytes}}; })};
        w.map(chunk);
        w.cpu_tag(base, chunk, 1);
        REQUIRE(w.gpu_write(base, 1) == errc::ok);
        REQUIRE(w.process.munmap(page_at(7), {page_bytes}) == sys::ok);
        w.failures.arm(failure::alloc, k, how);
        w.driver.collect_garbage();
        bool const struck = w.failures.struck() != 0;
        w.failures.disarm();
        CHECK((w.range_count() < chunk_pages - 1) == struck);
        CHECK(w.complaint() == "");
        CHECK(w.device_pages(base, chunk) == chunk_pages - 1);
        CHECK(w.gpu_tags_until(base, 7 * page_bytes, 1) == 7 * page_bytes);
        CHECK(w.gpu_tags_until(page_at(8), 8 * page_bytes, 9) == 8 * page_bytes);
        CHECK(w.complaint() == "");
        if (!struck) break;
      }
      CHECK(k > chunk_pages - 1);
    }
  }

  TEST_CASE("an unmap in the middle of a split ends it: no range is left that does not know of it") {
    world w{splitting()};
    put_there(w);
    REQUIRE(w.process.munmap(base, {64 * page_bytes}) == sys::ok);
    int made = 0;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == event_kind::range_created && ++made == 3)
        as_another_thread([&] { CHECK(w.process.munmap(at(72 * page_bytes), {64 * page_bytes}) == sys::ok); });
    };
    w.driver.collect_garbage();
    w.stats.listener = nullptr;
    CHECK(made >= 3);
    w.driver.collect_garbage();
    CHECK(w.complaint() == "");
    for (std::uint64_t n = 72; n < 136; ++n) CHECK(w.fault(at(n * page_bytes)) == errc::no_vma);
    w.driver.svm().for_each_range(world::everything, [](auto const& r) { CHECK_FALSE(r.has(range_flag::unmapped)); });
    CHECK(w.gpu_tags_until(at(136 * page_bytes), MiB, 137) == MiB);
    CHECK(w.gpu_tags_until(at(64 * page_bytes), 8 * page_bytes, 65) == 8 * page_bytes);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a close in the middle of a split ends it: the notifier takes no range any more") {
    world w{splitting()};
    put_there(w);
    REQUIRE(w.process.munmap(base, {64 * page_bytes}) == sys::ok);
    bool closed = false;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == event_kind::range_removed && !std::exchange(closed, true))
        as_another_thread([&] { w.driver.svm().close(); });
    };
    w.driver.collect_garbage();
    w.stats.listener = nullptr;
    CHECK(closed);
    CHECK(ranges(w) == "");
    CHECK(w.notifier_count() == 0);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.cpu_tags_until(at(64 * page_bytes), MiB, 65) == MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that came into the span and cannot migrate gets ranges that say so") {
    world w{splitting()};
    put_there(w);
    // A shared mapping in place of the first half.
    REQUIRE(w.process.munmap(base, {whole / 2}) == sys::ok);
    w.map(whole / 2, base, protection::read_write, mapping_kind::shared);
    w.driver.collect_garbage();
    CHECK(w.range_count() > 1);
    w.driver.svm().for_each_range(
        world::everything, [&](auto const& r) { CHECK(r.is_migratable() == (r.interval().start() >= at(whole / 2))); });
    CHECK(w.gpu_tags_until(at(whole / 2), whole / 2, 1 + whole_pages / 2) == whole / 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a limit on ranges ends a split early and stays kept") {
    world w{splitting([](auto& o) { o.driver.limits.ranges = 4; })};
    put_there(w);
    REQUIRE(w.process.munmap(at(40 * page_bytes), {8 * page_bytes}) == sys::ok);
    w.driver.collect_garbage();
    CHECK(ranges(w) == "0+16 16+16 32+1 33+1 ");
    CHECK(w.fault(at(MiB)) == errc::quota_exceeded);
    CHECK(w.gpu_read(base) == 1u);
    CHECK(w.cpu_tags_until(at(MiB), MiB, 257) == MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("who held the range that was split finds it gone") {
    world w{splitting()};
    put_there(w);
    svm::range_ref<policies> const old = w.range_at(base);
    REQUIRE(w.process.munmap(base, {page_bytes}) == sys::ok);
    w.driver.collect_garbage();
    CHECK(old->has(range_flag::removed));
    {
      auto held = w.driver.svm().lock_range(old);
      CHECK(w.driver.svm().get_pages(held, {}) == errc::gone);
    }
    w.driver.svm().split(w.driver.svm().lock_range(w.range_at(page_at(1))));  // one that is whole is made again
    CHECK(w.range_at(page_at(1)));
  }

  TEST_CASE("a process that exited, or left the range to its driver, is split into nothing") {
    world w{splitting()};
    put_there(w);
    REQUIRE(w.process.munmap(base, {page_bytes}) == sys::ok);
    w.exit(w.first());
    w.driver.collect_garbage();
    CHECK(ranges(w) == "");
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.complaint() == "");
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/driver/attributes.hpp>

#include <cstdint>
#include <string>

#include <mock/processes.hpp>
#include <support/scripted.hpp>

using namespace support;
using svm::atomic_mode;
using svm::migration_policy;
using svm::preferred_place;
using svm::span_attributes;

namespace {

constexpr span_attributes in_system{.preferred = preferred_place::system};
constexpr span_attributes on_device{.preferred = preferred_place::device};

/// A lock that cannot be had without waiting while it is told so.
struct busy_lock : svm::null_lock {
  static inline bool busy = false;
  template <svm::lock_rank Rank>
  class shared_mutex : public svm::null_lock::shared_mutex<Rank> {
   public:
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return !busy; }
  };
};
struct busy_policies : scripted_policies<4096> {
  using lock = busy_lock;
};

/// A map of attributes that no driver has, over `pages` pages that are mapped.
struct scene {
  world w{small_chunks(4 * MiB)};
  svm::environment<policies> env = w.driver.svm().env();
  svm::attribute_map<policies> map{env};

  explicit scene(std::uint64_t pages) { w.map(pages * page_bytes); }
  ~scene() { map.clear(); }

  [[nodiscard]] errc set(std::uint64_t first, std::uint64_t count, span_attributes said) {
    return map.set(span(page_at(first), count * page_bytes), said);
  }
  void unmap(std::uint64_t first, std::uint64_t count) {
    REQUIRE(w.process.munmap(page_at(first), {count * page_bytes}) == sys::ok);
  }
  [[nodiscard]] span_attributes said_at(cpu_va a) { return map.at(a, world::everything).said; }
  /// What holds for each page: `.` nothing, `s` system, `d` device.
  [[nodiscard]] std::string read(std::uint64_t pages) {
    std::string all;
    for (std::uint64_t n = 0; n < pages; ++n) {
      span_attributes const said = said_at(page_at(n));
      all += said == span_attributes{} ? '.' : said == in_system ? 's' : said == on_device ? 'd' : '?';
      CHECK(said_at(page_at(n) + byte_count{page_bytes - 1}) == said);
    }
    return all;
  }
};

}  // namespace

TEST_SUITE("driver/attributes") {
  TEST_CASE("what was never said is the default, and what was said holds to its borders") {
    scene s{16};
    CHECK(s.read(8) == "........");
    REQUIRE(s.set(2, 3, in_system) == errc::ok);
    CHECK(s.read(8) == "..sss...");
    CHECK(s.w.process.watchers().registered() == 1);
  }

  TEST_CASE("a later word splits what it meets, replaces what it covers, and may take it back") {
    scene s{16};
    REQUIRE(s.set(0, 8, in_system) == errc::ok);
    REQUIRE(s.set(2, 2, on_device) == errc::ok);
    CHECK(s.read(8) == "ssddssss");
    CHECK(s.w.process.watchers().registered() == 3);
    REQUIRE(s.set(1, 5, on_device) == errc::ok);
    CHECK(s.read(8) == "sdddddss");
    REQUIRE(s.set(3, 1, {}) == errc::ok);
    CHECK(s.read(8) == "sdd.ddss");
    REQUIRE(s.set(0, 8, {}) == errc::ok);
    CHECK(s.read(8) == "........");
    CHECK(s.w.process.watchers().registered() == 0);
  }

  TEST_CASE(
      "what the CPU unmaps is forgotten, also after something else is mapped there; other events forget nothing") {
    scene s{16};
    REQUIRE(s.set(0, 8, in_system) == errc::ok);
    REQUIRE(s.w.process.madvise_dontneed(base, {4 * page_bytes}) == sys::ok);
    REQUIRE(s.w.process.mprotect(base, {4 * page_bytes}, protection::read) == sys::ok);
    CHECK(s.read(8) == "ssssssss");
    s.unmap(3, 2);
    CHECK(s.read(8) == "sss..sss");
    s.w.map(2 * page_bytes, page_at(3));
    CHECK(s.read(8) == "sss..sss");
    REQUIRE(s.set(4, 2, on_device) == errc::ok);  // said anew
    CHECK(s.read(8) == "sss.ddss");
  }

  TEST_CASE("the ends that a later word leaves remember what was forgotten in them") {
    scene s{16};
    REQUIRE(s.set(0, 12, in_system) == errc::ok);
    s.unmap(1, 1);
    s.unmap(10, 1);
    REQUIRE(s.set(4, 2, on_device) == errc::ok);
    CHECK(s.read(12) == "s.ssddssss.s");
    REQUIRE(s.set(6, 2, {}) == errc::ok);
    CHECK(s.read(12) == "s.ssdd..ss.s");
  }

  TEST_CASE("eight cuts are kept exactly; with more, what lies between the last ones is forgotten with them") {
    scene s{48};
    REQUIRE(s.set(0, 48, in_system) == errc::ok);
    for (std::uint64_t n = 0; n < 8; ++n) s.unmap(4 * n, 1);
    CHECK(s.read(48) == ".sss.sss.sss.sss.sss.sss.sss.sssssssssssssssssss");
    s.unmap(4, 1);  // again: not one more
    CHECK(s.read(48) == ".sss.sss.sss.sss.sss.sss.sss.sssssssssssssssssss");
    s.unmap(32, 1);
    s.unmap(40, 1);
    CHECK(s.read(48) == ".sss.sss.sss.sss.sss.sss.sss.............sssssss");
  }

  TEST_CASE("whatever the order of many cuts, no page that was unmapped keeps its attributes") {
    scene s{64};
    REQUIRE(s.set(0, 64, in_system) == errc::ok);
    for (std::uint64_t n = 0; n < 20; ++n) {
      s.unmap(n * 29 % 64, 1);
      for (std::uint64_t m = 0; m <= n; ++m) CHECK(s.said_at(page_at(m * 29 % 64)) == span_attributes{});
    }
  }

  TEST_CASE("when memory or a registration fails, at whichever step, nothing has changed") {
    for (auto const kind : {failure::alloc, failure::notifier}) {
      std::uint64_t k = 1;
      for (;; ++k) {
        REQUIRE(k < 10);
        scene s{16};
        REQUIRE(s.set(0, 12, in_system) == errc::ok);
        s.unmap(1, 1);
        s.w.failures.arm(kind, k);
        errc const e = s.set(4, 2, on_device);
        bool const struck = s.w.failures.struck() != 0;
        s.w.failures.disarm();
        CHECK(e == (!struck ? errc::ok : kind == failure::alloc ? errc::no_memory : errc::registration_failed));
        CHECK(s.read(12) == (struck ? "s.ssssssssss" : "s.ssddssssss"));
        CHECK(s.w.process.watchers().registered() == (struck ? 1 : 3));
        if (!struck) break;
      }
      CHECK(k == 4);  // three spans
    }
  }

  TEST_CASE("an event that may not wait is heard too") {
    scene s{16};
    REQUIRE(s.set(0, 12, in_system) == errc::ok);
    CHECK(s.w.process.invalidate_only({span(base, page_bytes), svm::invalidation_cause::unmap, svm::nobody, false}));
    CHECK(s.read(2) == ".s");
  }

  TEST_CASE("an event that may not wait is refused while what was forgotten is looked at, and forgets nothing") {
    busy_policies::mm mm;
    busy_policies::device device;
    busy_policies::pagemap pagemap;
    scripted_allocator memory;
    svm::mock::virtual_clock clock;
    svm::mock::statistics stats;
    svm::environment<busy_policies> env{mm, device, pagemap, memory, clock, stats};
    svm::attribute_map<busy_policies> map{env};
    REQUIRE(map.set(span(base, 4 * page_bytes), in_system) == errc::ok);
    svm::invalidation event{span(base, page_bytes), svm::invalidation_cause::unmap, svm::nobody, false};
    busy_lock::busy = true;
    CHECK_FALSE(mm.invalidate(event));
    CHECK(map.at(base, world::everything).said == in_system);
    busy_lock::busy = false;
    CHECK(mm.invalidate(event));
    CHECK(map.at(base, world::everything).said == span_attributes{});
    CHECK(map.at(page_at(1), world::everything).said == in_system);
    map.clear();
    CHECK(mm.registered.empty());
  }

  TEST_CASE("faults follow what was said: memory stays, goes, or is not taken from another device") {
    world w{small_chunks(MiB, [](auto& o) { o.gpus = 2; })};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    REQUIRE(w.driver.advise(span(at(chunk), chunk), {.policy = migration_policy::system_pages_only}) == errc::ok);
    CHECK(w.driver.attributes_at(base) == in_system);
    CHECK(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);
    REQUIRE(gpu_store(w, w.first(), 1, at(chunk), 17) == errc::ok);
    auto const before = pages_behind(w, at(chunk), chunk);
    CHECK(w.gpu_read(at(chunk)) == 17u);
    CHECK(pages_behind(w, at(chunk), chunk) == before);
    CHECK(w.gpu_read(at(2 * chunk)) == 1 + 2 * chunk_pages);
    CHECK(w.device_pages(at(2 * chunk), chunk) == chunk_pages);
    CHECK(w.complaint() == "");
    w.driver.close();
  }

  TEST_CASE("atomics are refused where only the CPU does them, and nothing is made; elsewhere they move the memory") {
    world w{small_chunks()};
    w.map(2 * chunk);
    REQUIRE(w.driver.advise(span(base, chunk), {.atomic = atomic_mode::cpu}) == errc::ok);
    CHECK(w.fault(base, access::atomic) == errc::no_atomics);
    CHECK(w.range_count() == 0);
    CHECK(w.fault(base, access::write) == errc::ok);
    REQUIRE(w.driver.advise(span(base, 2 * chunk),
                            {.preferred = preferred_place::system, .atomic = atomic_mode::global}) == errc::ok);
    CHECK(w.fault(at(chunk), access::atomic) == errc::ok);
    CHECK(w.device_pages(at(chunk), chunk) == chunk_pages);
    w.driver.close();
  }

  TEST_CASE("a new word about a mapped span unmaps it, the same one again does not, a bad one says so") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.gpu_write(base, 5) == errc::ok);
    REQUIRE(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.driver.advise(span(at(8), page_bytes), in_system) == errc::misaligned);
    CHECK(w.driver.advise(span(base, 12), in_system) == errc::misaligned);
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.gpu_read(base) == 5u);
    CHECK(w.device_pages(base, chunk) == 0);  // it came back to where it is best
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    w.failures.arm(failure::alloc, 1);
    CHECK(w.driver.advise(span(base, chunk), on_device) == errc::no_memory);
    CHECK(w.driver.attributes_at(base) == in_system);
    w.driver.close();
  }

  TEST_CASE("a new word about the middle of a span whose ends have it already reaches the middle") {
    world w{small_chunks()};
    w.map(3 * chunk);
    REQUIRE(w.driver.advise(span(base, 3 * chunk), in_system) == errc::ok);
    REQUIRE(w.driver.advise(span(at(chunk), chunk), on_device) == errc::ok);
    REQUIRE(w.gpu_write(at(chunk), 5) == errc::ok);
    REQUIRE(w.device_pages(at(chunk), chunk) == chunk_pages);
    REQUIRE(w.driver.advise(span(base, 3 * chunk), in_system) == errc::ok);
    CHECK(w.gpu_read(at(chunk)) == 5u);
    CHECK(w.device_pages(at(chunk), chunk) == 0);
    w.driver.close();
  }

  TEST_CASE("closing the driver forgets everything and watches nothing") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    w.driver.close();
    CHECK(w.driver.attributes_at(base) == span_attributes{});
    CHECK(w.process.watchers().registered() == 0);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <functional>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

/// Device memory that tells a test of each release.
class watched_memory : public policies::pagemap {
 public:
  using policies::pagemap::vram;

  void release(memory& m) noexcept {
    ++releases;
    if (on_release) on_release();
    policies::pagemap::release(m);
  }
  [[nodiscard]] svm::errc pages(memory& m, std::span<svm::device_page<svm::mock::page>> out) noexcept {
    for (auto& p : out) p = {{77, 77}, {}};  // what a failing driver leaves behind: no page at all
    return fail_pages ? errc::no_device_memory : policies::pagemap::pages(m, out);
  }

  int releases = 0;
  bool fail_pages = false;
  std::function<void()> on_release;
};
struct watched_policies : policies {
  using pagemap = watched_memory;
};
using watched_migrator = svm::migrator<watched_policies>;

/// A machine with a second device memory, whose releases are watched.
struct watched_world : world {
  watched_world()
      : world(small_chunks()),
        counted({chunk}, gpu_owner, frames, dma, failures, broken, hooks),
        watcher({process, device, counted, memory, clock, told}) {
    map(chunk);
    cpu_tag(base, chunk, 1);
    before = pages_behind(*this, base, chunk);
  }
  [[nodiscard]] errc move_in() { return watcher.migrate_to_device(process, span(base, chunk), {}); }
  void check_untouched() {
    CHECK(pages_behind(*this, base, chunk) == before);
    CHECK(counted.used() == byte_count{});
    CHECK(memory.live_blocks() == 0);
    CHECK(complaint() == "");
  }

  watched_memory counted;
  svm::mock::statistics told;  // of copies that no engine of the machine makes
  watched_migrator watcher;
  std::vector<svm::mock::page> before;
};

}  // namespace

TEST_SUITE("pagemap/devmem") {
  TEST_CASE("an allocation is released exactly once, when its last page goes (MIG-22)") {
    watched_world w;
    REQUIRE(w.move_in() == errc::ok);
    CHECK(w.counted.releases == 0);
    REQUIRE(w.watcher.evict_span(w.process, span(base, chunk / 2)) == errc::ok);
    CHECK(w.counted.releases == 0);
    CHECK(w.counted.used() == byte_count{chunk});
    REQUIRE(w.cpu_read(page_at(chunk_pages - 1)) == chunk_pages);
    CHECK(w.counted.releases == 1);
    CHECK(w.counted.used() == byte_count{});
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("an unmap of its last page releases an allocation, once (MIG-22)") {
    watched_world w;
    REQUIRE(w.move_in() == errc::ok);
    REQUIRE(w.process.munmap(base, {chunk / 2}) == sys::ok);
    CHECK(w.counted.releases == 0);
    REQUIRE(w.process.munmap(at(chunk / 2), {chunk / 2}) == sys::ok);
    CHECK(w.counted.releases == 1);
  }

  TEST_CASE("every failure of a migration releases the allocation exactly once (MIG-22, OOM-06, erratum 3.2.3)") {
    watched_world w;
    SUBCASE("a hole") {
      CHECK(w.watcher.migrate_to_device(w.process, span(at(MiB), chunk), {}) == errc::no_vma);
      CHECK(w.counted.releases == 1);
    }
    SUBCASE("a pinned page") {
      w.process.pin(base, true);
      CHECK(w.move_in() == errc::in_use);
      w.process.pin(base, false);
      CHECK(w.counted.releases == 1);
    }
    SUBCASE("a copy") {
      w.failures.arm(failure::copy, 1);
      CHECK(w.move_in() == errc::copy_failed);
      CHECK(w.counted.releases == 1);
    }
    SUBCASE("a DMA mapping, the first, a middle and the last") {
      int released = 0;
      for (std::uint64_t const k : {std::uint64_t{1}, chunk_pages / 2, chunk_pages}) {
        w.failures.arm(failure::dma_map, k);
        CHECK(w.move_in() == errc::dma_map_failed);
        CHECK(w.counted.releases == ++released);
      }
    }
    SUBCASE("the memory itself: there is nothing to release") {
      w.failures.arm(failure::populate, 1);
      CHECK(w.move_in() == errc::no_device_memory);
      CHECK(w.counted.releases == 0);
    }
    SUBCASE("bookkeeping memory, at every step") {
      for (int k = 1;; ++k) {
        int const before = w.counted.releases;
        w.failures.arm(failure::alloc, static_cast<std::uint64_t>(k));
        errc const e = w.move_in();
        if (w.failures.is_armed()) {
          REQUIRE(k > 2);  // the object with its pages, and the slots at least
          w.failures.disarm();
          REQUIRE(w.watcher.evict_all() == errc::ok);
          w.before = pages_behind(w, base, chunk);
          break;
        }
        CHECK(e == errc::no_memory);
        CHECK(w.counted.releases == before + 1);
        w.check_untouched();
      }
    }
    w.check_untouched();
  }

  TEST_CASE(
      "a pagemap that fails to name its pages has its memory back, and its words are not read (MIG-08, erratum "
      "3.2.1)") {
    watched_world w;
    w.counted.fail_pages = true;
    CHECK(w.move_in() == errc::no_device_memory);
    CHECK(w.counted.releases == 1);
    w.check_untouched();
    w.counted.fail_pages = false;
    CHECK(w.move_in() == errc::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.counted.releases == 2);
  }

  TEST_CASE("the memory is back with the pagemap before the allocation says that it is detached (erratum 3.2.13)") {
    watched_world w;
    REQUIRE(w.move_in() == errc::ok);
    auto const waiter = w.watcher.find_slow(w.process.entry_at(base).target);
    REQUIRE(waiter);
    bool early = true;
    w.counted.on_release = [&] { early = waiter->is_detached(); };
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK_FALSE(early);
    CHECK(waiter->is_detached());
    CHECK(w.counted.used() == byte_count{});
  }

  TEST_CASE("a detached allocation lives as long as somebody looks at it, and stands in no list") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    auto const page = w.process.entry_at(base).target;
    auto waiter = w.mover.find_slow(page);
    REQUIRE(waiter);
    CHECK(waiter->is_linked());
    CHECK(waiter->pages().size() == chunk_pages);
    CHECK(&waiter->owner() == &w.mover);
    REQUIRE(w.process.munmap(base, {chunk}) == sys::ok);
    CHECK(waiter->is_detached());
    CHECK_FALSE(waiter->is_linked());
    CHECK_FALSE(w.mover.find_slow(page));
    auto const blocks = w.memory.live_blocks();
    CHECK(blocks > 0);
    waiter = {};
    CHECK(w.memory.live_blocks() < blocks);
  }

  TEST_CASE("the owner of an allocation gives it back once, by hand or with its end") {
    world w{small_chunks()};
    using owner_type = svm::device_allocation<policies>;
    {
      owner_type first{w.device_memory, *w.device_memory.allocate({chunk}), byte_count{chunk}};
      owner_type second{std::move(first)};
      CHECK(w.device_memory.used() == byte_count{chunk});
      second.release();
      CHECK(w.device_memory.used() == byte_count{});
      second.release();
    }
    CHECK(w.complaint() == "");
    static_assert(!std::is_copy_constructible_v<owner_type> && !std::is_move_assignable_v<owner_type>);
  }
}

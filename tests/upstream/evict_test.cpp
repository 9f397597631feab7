// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What the reference fixed on the way back to system memory.

#include <svm/pagemap/impl/evict.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <mock/processes.hpp>

using namespace support;

namespace {

constexpr std::uint64_t huge = 2 * MiB;

/// A huge page in device memory.
struct huge_world : world {
  explicit huge_world(std::uint64_t ram = 16 * MiB)
      : world(options([&](auto& o) {
          o.thp = true;
          o.ram = {ram};
          o.vram = {8 * MiB};
        })) {
    map(huge);
    cpu_tag(base, huge, 1);
    REQUIRE(to_device(*this, base, huge) == errc::ok);
    REQUIRE(order_at(*this, base) == 9);
  }
  [[nodiscard]] svm::migrator<policies>::devmem_ref victim() { return allocation_at(*this, base); }
};

/// A way in which a huge page comes back; true when all of it did.
struct way_back {
  char const* name;
  bool (*take)(world& w);
};
constexpr way_back ways[] = {
    {"the CPU reads its first page", [](world& w) { return w.cpu_read(base) == 1u; }},
    {"the CPU reads its middle", [](world& w) { return w.cpu_read(at(MiB)) == 1 + MiB / page_bytes; }},
    {"it is evicted", [](world& w) { return w.mover.evict_all() == errc::ok; }},
    {"its span is evicted", [](world& w) { return w.mover.evict_span(w.process, span(base, huge)) == errc::ok; }},
    {"room is made", [](world& w) { return w.mover.make_room({8 * MiB}) == errc::ok; }},
};

}  // namespace

TEST_SUITE("upstream") {
  // "Fix folio allocation fallback and use after put": without a folio of 2 MiB the migration failed.
  TEST_CASE("when no system folio of 2 MiB is free a huge page comes back as small pages, whoever brings it back") {
    for (way_back const& way : ways) {
      CAPTURE(way.name);
      huge_world w{4 * MiB};
      // A page in each half keeps both folios of 2 MiB from being whole; small pages are left for all of it.
      std::vector<svm::mock::page> taken;
      auto const take = [&] {
        auto const p = w.process.allocate_page({});
        REQUIRE(p);
        taken.push_back(*p);
      };
      for (int i = 0; i < 513; ++i) take();
      for (std::size_t i = 1; i < 512; ++i) w.process.discard_page(taken[i]);
      REQUIRE_FALSE(w.process.allocate_page({9}));

      CHECK(way.take(w));
      CHECK(w.device_pages(base, huge) == 0);
      CHECK(w.device_memory.used() == byte_count{});
      CHECK(order_at(w, base) == 0);
      CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == huge);
      CHECK(w.complaint() == "");
      CHECK(w.cpu_tags_until(base, huge, 1) == huge);
      for (std::size_t const i : {0u, 512u}) w.process.discard_page(taken[i]);
    }
  }

  // The same fix: what was put because its DMA mapping failed was looked at once more, for its size.
  TEST_CASE("a folio or a small page that cannot be mapped for the copy is put once and never looked at again") {
    for (bool const small : {false, true})
      for (way_back const& way : ways) {
        CAPTURE(way.name);
        CAPTURE(small);
        for (std::uint64_t const k : {1u, 2u, 300u, 512u}) {
          if (!small && k > 1) break;  // a folio has one mapping
          huge_world w;
          auto const before = pages_behind(w, base, huge);
          std::uint64_t maps = 0;
          // The first system block that is asked for, when small pages have to do; then the k-th mapping.
          w.failures.listener = [&](failure kind) {
            if (kind == failure::ram) w.failures.arm(failure::dma_map, k, repeat::from_then_on);
            maps += kind == failure::dma_map ? 1 : 0;
          };
          w.failures.arm(small ? failure::ram : failure::dma_map, 1, repeat::from_then_on);
          bool const back = way.take(w);
          w.failures.disarm();
          w.failures.listener = nullptr;
          if (k == 1) CHECK(maps >= 1);  // pages that lie together are mapped at once, so there may be no more
          CHECK(w.complaint() == "");
          std::uint64_t const left = w.device_pages(base, huge);
          CHECK(w.frames.ram_used() == byte_count{huge - left * page_bytes});
          if (!back) CHECK(pages_behind(w, base, huge) == before);
          CHECK(w.cpu_tags_until(base, huge, 1) == huge);
          CHECK(w.device_memory.used() == byte_count{});
          CHECK(w.complaint() == "");
        }
      }
  }

  // The count of pages to move was not reset on a retry: a later attempt that found nothing copied an empty job.
  TEST_CASE("an eviction whose first attempt moved a part copies once more what the second finds, and nothing after") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    auto const victim = allocation_at(w, base);
    for (std::uint64_t const n : {2u, 3u}) w.process.pin(page_at(n), true);
    auto const copies = w.failures.calls(failure::copy);
    int attempts = 0;
    w.hooks.hook = [&](step s) {
      if (s == step::collecting && ++attempts == 2) w.process.pin(page_at(2), false);
    };
    CHECK(w.mover.evict(*victim) == errc::in_use);
    w.hooks.hook = nullptr;
    CHECK(attempts == svm::detail::eviction_attempts);
    CHECK(w.failures.calls(failure::copy) - copies == 2);
    CHECK(w.stats.bytes(svm::event_kind::migrated_to_system) == chunk - page_bytes);
    CHECK(w.device_pages(base, chunk) == 1);
    w.process.pin(page_at(3), false);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  // Still open in the reference: an eviction needs the mm that made the memory, though others map it by now.
  TEST_CASE("memory of a process that exited is evicted for its children, by pressure of another process too") {
    for (bool const pressed : {false, true}) {
      CAPTURE(pressed);
      world w{small_chunks(chunk)};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(to_device(w, base, chunk) == errc::ok);
      task& child = w.fork(w.first());
      task& grandchild = w.fork(child);
      w.exit(w.first());
      REQUIRE(w.process.users() == 0);
      w.exit(child);
      REQUIRE(w.device_memory.used() == byte_count{chunk});
      if (pressed) {
        REQUIRE(grandchild.process.mmap({chunk}, protection::read_write, mapping_kind::anon, at(MiB)).error == sys::ok);
        REQUIRE(gpu_store(w, grandchild, 0, at(MiB), 7) == errc::ok);
        CHECK(w.count(svm::event_kind::evicted) == 1);
        CHECK(w.count(svm::event_kind::migration_failed) == 0);
      } else {
        CHECK(w.mover.evict_all() == errc::ok);
        CHECK(w.device_memory.used() == byte_count{});
      }
      CHECK(w.process.users() == 0);
      CHECK(table(w, grandchild, base, chunk).find('d') == std::string::npos);
      for (std::uint64_t n = 0; n < chunk_pages; ++n) CHECK(load(grandchild, page_at(n)) == n + 1);
      CHECK(w.complaint() == "");
    }
  }
}

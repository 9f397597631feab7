// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A page walk of more runs than fit the stack, and what a walk of one run costs.

#include <svm/gpusvm/impl/fetch_pages.hpp>

#include <cstdint>

#include <mock/processes.hpp>
#include <support/failures.hpp>
#include <support/scripted.hpp>

using namespace support;
using svm::page_flag;
using svm::page_place;

namespace {

using script = scripted<>;
constexpr std::uint64_t huge = 2 * MiB;
constexpr std::uint64_t huge_pages = huge / page_bytes;

svm::mock::machine_options system_only(bool joins = false) {
  return options([&](auto& o) {
    o.driver.migrate = svm::migration_mode::never;
    o.joins_pages = joins;
  });
}
svm::gpusvm_layout huge_shape() {
  svm::byte_count const chunks[] = {byte_count{huge}, byte_count{page_bytes}};
  return *svm::gpusvm_layout::make({cpu_va{}, byte_count{svm::mock::user_end}}, byte_count{huge}, chunks, {page_bytes});
}
svm::locked_range<script::policies> range_of(script& s) {
  auto found = s.svm.find_or_insert(base, {});
  REQUIRE(found);
  return s.svm.lock_range(std::move(found->range));
}
/// The room of the first array that a walk of 512 runs takes.
constexpr std::size_t first_array =
    8 * svm::detail::walked_runs<script::policies::mm, scripted_allocator>::runs_on_stack * sizeof(script::run);

}  // namespace

TEST_SUITE("gpusvm/fetch_pages") {
  TEST_CASE("512 pages that lie nowhere together are mapped one by one, and a failure at any step maps none") {
    auto const set_up = [](world& w) {
      w.map(huge);
      w.cpu_tag(base, huge, 1);
    };
    auto const call = [](world& w) {
      auto found = w.driver.svm().find_or_insert(base, {});
      if (!found) return found.error();
      auto held = w.driver.svm().lock_range(std::move(found->range));
      errc const e = w.driver.svm().get_pages(held, {});
      CHECK(w.dma.live() == (e == errc::ok ? huge_pages : 0));
      return e;
    };
    auto const same = [](world& w) { return w.cpu_read(page_at(511)) == 512u; };
    fail_each(system_only(), failure::alloc, {errc::no_memory}, set_up, call, same);
    for (std::uint64_t const k : {1u, 2u, 17u, 511u, 512u}) {
      world w{system_only()};
      set_up(w);
      w.failures.arm(failure::dma_map, k);
      CHECK(call(w) == errc::dma_map_failed);
      CHECK(w.failures.calls(failure::dma_map) == k);
      w.failures.disarm();
      CHECK(call(w) == errc::ok);
      REQUIRE(w.fault(base) == errc::ok);
      CHECK(w.gpu_tags_until(base, huge, 1) == huge);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("without memory for an array the walk ends, with nothing mapped, and the next call succeeds") {
    for (int const failing : {1, 2}) {
      script s{huge_shape()};
      s.mm.add_vma(base, huge);
      auto held = range_of(s);
      int arrays = 0;
      s.memory.fails = [&](std::size_t size) { return size >= first_array && ++arrays == failing; };
      CHECK(s.svm.get_pages(held, {}) == errc::no_memory);
      CHECK(s.mm.walks == static_cast<std::uint64_t>(failing));
      CHECK(s.device.calls == 0);
      CHECK_FALSE(held->mapping().has(page_flag::mapped));
      CHECK(s.svm.get_pages(held, {}) == errc::ok);
      CHECK(s.device.live.size() == huge_pages);
    }
  }

  TEST_CASE("an event between two parts of a walk has all of it done again: nothing of before is mapped") {
    for (int const after : {1, 2}) {
      script s{huge_shape()};
      s.mm.add_vma(base, huge);
      auto held = range_of(s);
      std::uint64_t moved = 0;  // added to the numbers of pages since the event
      s.mm.walk = [&](script::request const& r, script::sink& found) {
        for (byte_count done{}; done < r.span.size(); done += byte_count{page_bytes}) {
          cpu_va const a = r.span.start() + done;
          if (!found.add(a,
                         {.page = {a.value / page_bytes * 2 + moved}, .place = page_place::system, .writable = true}))
            break;
        }
        return errc::ok;
      };
      int arrays = 0;
      s.memory.hook = [&](std::size_t size) {
        if (size < first_array || ++arrays != after) return;
        s.mm.invalidate(span(page_at(3), page_bytes));
        moved = 1'000'000'000;
      };
      CHECK(s.svm.get_pages(held, {}) == errc::ok);
      s.memory.hook = nullptr;
      CHECK(s.stats.count(svm::event_kind::retry_after_event) == 1);
      CHECK(s.device.live.size() == huge_pages);
      for (auto const& [address, m] : s.device.live) CHECK(m.page.number >= moved);
    }
  }

  TEST_CASE("a walk asks for what it has not reached, under the sequence that it began with") {
    script s{huge_shape()};
    s.mm.add_vma(base, huge);
    auto held = range_of(s);
    std::vector<va_range> asked;
    std::vector<std::uint64_t> sequences;
    s.mm.walk = [&](script::request const& r, script::sink& found) {
      asked.push_back(r.span);
      sequences.push_back(r.sequence);
      s.mm.fill(r.span, found);
      return errc::ok;
    };
    CHECK(s.svm.get_pages(held, {}) == errc::ok);
    CHECK(asked == std::vector{span(base, huge), span(page_at(16), huge - 16 * page_bytes)});
    CHECK(sequences == std::vector<std::uint64_t>(2, sequences[0]));
  }

  TEST_CASE("2 MiB that lie together are one block, and take no memory but for the range") {
    world w{system_only(true)};
    constexpr std::uint64_t ranges = 8;
    w.map(ranges * huge);
    REQUIRE(w.process.madvise(base, {ranges * huge}, svm::mock::advice::hugepage) == sys::ok);
    w.cpu_tag(base, ranges * huge, 1);
    REQUIRE(w.fault(base, access_kind::write) == errc::ok);  // the notifier is there from now on
    std::uint64_t const bytes = w.memory.live_bytes();
    for (std::uint64_t i = 1; i < ranges; ++i) {
      REQUIRE(w.fault(at(i * huge), access_kind::write) == errc::ok);
      REQUIRE(w.range_at(at(i * huge))->mapping().blocks_locked().size() == 1);
      CHECK(w.range_at(at(i * huge))->mapping().blocks_locked()[0].count == huge_pages);
    }
    CHECK(w.memory.live_bytes() - bytes <= (ranges - 1) * 400);
    auto held = w.driver.svm().lock_range(w.range_at(base));
    w.driver.svm().unmap_pages(held);
    std::uint64_t const taken = w.memory.total_blocks();
    CHECK(w.driver.svm().get_pages(held, {}) == errc::ok);
    CHECK(w.memory.total_blocks() == taken);
    CHECK(w.dma.live() == ranges);
  }

  TEST_CASE("a mapping of one block keeps no array of the one before it") {
    script s{huge_shape()};
    s.mm.add_vma(base, huge);
    auto held = range_of(s);
    std::uint64_t const before = s.memory.live;
    REQUIRE(s.svm.get_pages(held, {}) == errc::ok);
    CHECK(s.memory.live == before + 1);
    s.mm.walk = [&](script::request const&, script::sink& found) {
      static_cast<void>(
          found.add(base, {.page = {1}, .count = huge_pages, .place = page_place::system, .writable = true}));
      return errc::ok;
    };
    s.mm.invalidate(span(base, page_bytes));
    REQUIRE(s.svm.get_pages(held, {}) == errc::ok);
    CHECK(s.device.live.size() == 1);
    CHECK(s.memory.live == before);
  }
}

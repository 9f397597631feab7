// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/gpusvm/impl/scan.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <mock/processes.hpp>

using namespace support;
using svm::residence;

namespace {

svm::mock::machine_options three_gpus() {
  return small_chunks(MiB, [](auto& o) {
    o.gpus = 3;
    o.driver.migrate = svm::migration_mode::never;
  });
}

/// The range of `chunk` at `base`, of GPU `n`; its pages stay as they are.
svm::range_ref<policies> make_range(world& w, std::size_t n) {
  auto made = w.first().views[n]->driver.svm().find_or_insert(base, {.devmem_possible = true});
  REQUIRE(made);
  return std::move(made->range);
}
residence scan(world& w, std::size_t n = 0) {
  auto& svm = w.first().views[n]->driver.svm();
  auto held = svm.lock_range(make_range(w, n));
  return svm.scan(held);
}
bool is_scattered(world& w, std::size_t n = 0) {
  auto& svm = w.first().views[n]->driver.svm();
  auto held = svm.lock_range(make_range(w, n));
  return svm.is_scattered(held);
}

/// Puts the pages of the range into places: a letter a page, repeated. `S` memory, `Z` the zero page, `.` none, `s` on
/// the swap device, a digit the memory of that GPU.
void place(world& w, std::string_view pattern) {
  w.map(chunk);
  for (std::uint64_t n = 0; n < chunk_pages; ++n) {
    char const what = pattern[n % pattern.size()];
    if (what == '.') continue;
    if (what == 'Z') {
      REQUIRE(w.cpu_read(page_at(n)) == 0u);
      continue;
    }
    REQUIRE(w.cpu_write(page_at(n), n + 1) == sys::ok);
    if (what == 's') REQUIRE(w.process.swap_out(page_at(n)));
    if (what >= '0' && what <= '9')
      REQUIRE(w.gpu_card(static_cast<std::size_t>(what - '0'))
                  .mover.migrate_to_device(w.process, span(page_at(n), page_bytes), {}) == errc::ok);
  }
}

struct row {
  std::string_view pages;
  residence seen_by_0;
  bool scattered_for_0;
  residence seen_by_1;
};
constexpr row mixes[] = {
    {"S", residence::system, false, residence::system},
    {"Z", residence::system, false, residence::system},
    {"SZ", residence::system, false, residence::system},
    {"0", residence::here, false, residence::other},
    {"1", residence::other, false, residence::here},
    {"2", residence::other, false, residence::other},
    {"01", residence::mixed_device, true, residence::mixed_device},
    {"12", residence::mixed_device, true, residence::mixed_device},
    {"21", residence::mixed_device, true, residence::mixed_device},
    {"012", residence::mixed_device, true, residence::mixed_device},
    {"S0", residence::mixed, true, residence::mixed},
    {"S1", residence::mixed, true, residence::mixed},
    {"Z2", residence::mixed, true, residence::mixed},
    {"SSSSSSSSSSSSSSS0", residence::mixed, true, residence::mixed},
    {"000000000000000S", residence::mixed, true, residence::mixed},
    {"0000000000000001", residence::mixed_device, true, residence::mixed_device},
    {"S01", residence::mixed, true, residence::mixed},
    {".", residence::unpopulated, false, residence::unpopulated},
    {"S.", residence::unpopulated, false, residence::unpopulated},
    {"000000000000000.", residence::unpopulated, true, residence::unpopulated},
    {".1", residence::unpopulated, true, residence::unpopulated},
    {"Ss", residence::unpopulated, false, residence::unpopulated},
};

}  // namespace

TEST_SUITE("gpusvm/scan") {
  TEST_CASE("where the pages of a range are is told exactly, for every mix (MGP-09)") {
    for (row const& r : mixes) {
      CAPTURE(std::string{r.pages});
      world w{three_gpus()};
      place(w, r.pages);
      CHECK(scan(w) == r.seen_by_0);
      CHECK(is_scattered(w) == r.scattered_for_0);
      CHECK(scan(w, 1) == r.seen_by_1);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a scan moves, maps and populates nothing") {
    world w{three_gpus()};
    place(w, "S0.1");
    std::string const before = table(w, w.first(), base, chunk);
    CHECK(scan(w) == residence::unpopulated);
    CHECK(table(w, w.first(), base, chunk) == before);
    CHECK(w.dma.live() == 0);
  }

  TEST_CASE("after the process exited a scan says unpopulated, and leaves no lock (MGP-10)") {
    world w{three_gpus()};
    place(w, "01S");
    svm::range_ref<policies> const kept = make_range(w, 0);
    w.exit(w.first());
    auto& svm = w.driver.svm();
    auto held = svm.lock_range(kept);
    CHECK(svm.scan(held) == residence::unpopulated);
    CHECK_FALSE(svm.is_scattered(held));
    CHECK(svm::mock::this_thread_locks.depth() == 1);  // that of `held`
  }

  TEST_CASE("one that only allows reading, or nothing, is scanned like any other") {
    world w{three_gpus()};
    place(w, "01");
    svm::range_ref<policies> const kept = make_range(w, 0);
    for (auto const p : {protection::read, protection::none}) {
      REQUIRE(w.process.mprotect(base, {chunk}, p) == sys::ok);
      auto held = w.driver.svm().lock_range(kept);
      CHECK(w.driver.svm().scan(held) == residence::mixed_device);
    }
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// 256 faults on 64 blocks that a block_service serves in one batch, beside the same faults one by one. Each block has four, one
// in each quarter, so that both ways move and map the same pages. All begins anew before each batch; copies cost nothing.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <malloc.h>

#include <svm/driver/block_service.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/placement/uvm_placement.hpp>
#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/measure.hpp"

namespace {

using svm::placement::prefetch_mode;

constexpr svm::cpu_va base{std::uint64_t{0x7f} << 40};
constexpr svm::byte_count block_bytes = svm::placement::defaults::block_bytes;
constexpr std::uint64_t block_pages = block_bytes.value / lean::page_size.value;
constexpr std::uint64_t group_pages = svm::placement::defaults::group_bytes.value / lean::page_size.value;
constexpr std::uint64_t blocks = 64;
constexpr std::uint64_t faults_a_block = 4;
constexpr std::uint64_t faults = blocks * faults_a_block;
constexpr std::uint64_t all_pages = blocks * block_pages;

/// The lean backend, where faults are served page by page.
template <svm::lock Lock>
struct policies : lean::policies<Lock> {
  using mm = lean::mm<Lock, true>;
  using placement = svm::placement::uvm_placement;
};

/// What is there before the faults.
enum class before { nothing, pages };

struct workload {
  prefetch_mode prefetch;
  before there;
  std::uint64_t moved;     ///< pages, by all faults
  std::uint64_t bound;     ///< likewise
  std::uint64_t services;  ///< that move pages, where the faults come one by one
};

[[nodiscard]] svm::cpu_va page_at(std::uint64_t number) {
  return base + lean::page_size * number;
}

/// The faults of a batch, in random order.
[[nodiscard]] std::vector<svm::cpu_va> some_faults(svm::mock::random& random) {
  constexpr std::uint64_t quarter = block_pages / faults_a_block;
  std::vector<svm::cpu_va> all;
  for (std::uint64_t n = 0; n < faults; ++n) all.push_back(page_at(n * quarter + random.below(quarter)));
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.below(i)]);
  return all;
}

/// A device whose memory has room for all blocks, with what is there before the faults.
template <svm::lock Lock>
class world {
 public:
  explicit world(workload const& w)
      : mover_({mm_, gpu_, vram_, memory_, clock_, observer_}),
        driver_(mover_, shape(), {}),
        service_(driver_, {.prefetch = w.prefetch}) {
    mm_.give_frames(base, all_pages);
    if (w.there == before::nothing) return;
    std::vector<svm::cpu_va> groups;
    for (std::uint64_t n = 0; n < all_pages; n += group_pages) groups.push_back(page_at(n));
    bench::require(serve_together(groups), "a fault before the batch failed");
    driver_.reset();
  }

  [[nodiscard]] bool serve_together(std::span<svm::cpu_va const> where) {
    batch_.clear();
    for (svm::cpu_va const a : where) batch_.push_back({.at = a, .want = svm::access_kind::write});
    return service_.serve(batch_) == svm::errc::ok;
  }
  [[nodiscard]] bool serve_one_by_one(std::span<svm::cpu_va const> where) {
    bool good = true;
    for (svm::cpu_va const a : where) good = driver_.fault(a, svm::access_kind::write) == svm::errc::ok && good;
    return good;
  }
  [[nodiscard]] svm::service_counts counts() { return service_.counts(); }
  [[nodiscard]] std::uint64_t pages_on_device() const {
    std::uint64_t n = 0;
    for (std::uint64_t i = 0; i < all_pages; ++i) n += mm_.is_device(mm_.page_of(page_at(i))) ? 1 : 0;
    return n;
  }

 private:
  [[nodiscard]] static svm::gpusvm_layout shape() {
    constexpr std::array chunks{block_bytes, lean::page_size};
    return *svm::gpusvm_layout::make({svm::cpu_va{}, svm::byte_count{std::uint64_t{1} << 47}},
                                     svm::byte_count{std::uint64_t{512} << 20}, chunks, lean::page_size);
  }

  typename policies<Lock>::mm mm_;
  lean::device gpu_;
  lean::pagemap vram_;
  lean::counted_heap memory_;
  svm::steady_clock clock_;
  svm::null_observer observer_;
  svm::migrator<policies<Lock>> mover_;
  svm::svm_driver<policies<Lock>> driver_;
  svm::block_service<policies<Lock>> service_;
  std::vector<svm::block_fault> batch_;
};

template <svm::lock Lock>
void serve(benchmark::State& state, workload const& w, bool together) {
  bench::meter meter{state, bench::backend::costless};
  svm::mock::random random{42};
  std::optional<world<Lock>> now;
  bool good = true;
  for (auto _ : state) {
    std::vector<svm::cpu_va> const where = some_faults(random);
    now.emplace(w);
    svm::service_counts const counts = now->counts();
    std::uint64_t const there = now->pages_on_device();
    lean::tally const tally = lean::done;
    meter.time(faults, [&] { good = (together ? now->serve_together(where) : now->serve_one_by_one(where)) && good; });
    good =
        good && lean::done.bound_pages - tally.bound_pages == w.bound &&
        lean::done.copied_pages - tally.copied_pages == w.moved && now->pages_on_device() - there == w.moved &&
        now->counts().batches - counts.batches == (together ? 1 : faults) &&
        now->counts().fault_services - counts.fault_services == (together ? std::min(w.services, blocks) : w.services);
  }
  if (!good) state.SkipWithError("the faults were not served, or moved or mapped other pages");
}

template <svm::lock Lock>
void rows(bench::suite& s, std::string const& name, workload const& w) {
  for (bool const together : {true, false})
    s.row((together ? "batch/together/" : "batch/one_by_one/") + name + bench::argument("faults", faults),
          [=](benchmark::State& state) { serve<Lock>(state, w, together); });
}

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_TRIM_THRESHOLD, 1 << 30);  // else the heap gives memory back between two batches, and gets it page by page
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  bench::suite s{argc, argv};
  s.group([&] {
    rows<svm::null_lock>(s, "density",
                         {.prefetch = prefetch_mode::density,
                          .there = before::nothing,
                          .moved = faults * group_pages,
                          .bound = faults * group_pages,
                          .services = faults});
    rows<svm::null_lock>(s, "off",
                         {.prefetch = prefetch_mode::off,
                          .there = before::nothing,
                          .moved = all_pages,
                          .bound = all_pages,
                          .services = blocks});
    rows<svm::null_lock>(
        s, "resident",
        {.prefetch = prefetch_mode::density, .there = before::pages, .moved = 0, .bound = all_pages, .services = 0});
  });
  return s.run();
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <conformance/device.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/world.hpp>

namespace {

using conformance::broken_promises;
using conformance::kept;
namespace suite = conformance::device;
using gpu = svm::mock::gpu<support::lock_policy>;

/// The simulated GPU, with one flaw.
class flawed_gpu : public gpu {
 public:
  enum class flaw {
    none,
    unmap_forgets,
    unmap_ends_all,
    failed_map_stays,
    prepares_one_table,
    commits_backwards,
    commits_writable,
    commit_allocates,
    zaps_one_page,
    keeps_cache,
  };
  flawed_gpu(support::machine& pc, flaw f) : gpu(pc.frames, pc.dma, pc.broken, pc.hooks), flaw_(f) {}

  svm::result<svm::dma_addr> dma_map(svm::mock::page p, svm::page_order order, svm::dma_direction direction) noexcept {
    auto const mapped = gpu::dma_map(p, order, direction);
    if (mapped) mapped_.push_back(*mapped);
    if (!mapped && flaw_ == flaw::failed_map_stays) static_cast<void>(gpu::dma_map(p, order, direction));
    return mapped;
  }
  void dma_unmap(svm::dma_addr address, svm::page_order order, svm::dma_direction direction) noexcept {
    if (flaw_ == flaw::unmap_forgets) return;
    if (flaw_ == flaw::unmap_ends_all) {
      for (svm::dma_addr const a : std::exchange(mapped_, {})) gpu::dma_unmap(a, order, direction);
      return;
    }
    gpu::dma_unmap(address, order, direction);
  }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access how) noexcept {
    if (flaw_ == flaw::commit_allocates) ::operator delete(::operator new(8));
    if (flaw_ == flaw::commits_writable) how = svm::mapping_access::read_write;
    if (flaw_ == flaw::prepares_one_table && blocks.size() > 512)  // a page table's worth, and no more
      return gpu::commit({span.start(), svm::mock::page_size * 512}, blocks.first(512), how);
    if (flaw_ == flaw::commits_backwards) {
      std::vector<svm::device_address> const reversed(blocks.rbegin(), blocks.rend());
      return gpu::commit(span, reversed, how);
    }
    gpu::commit(span, blocks, how);
  }
  void invalidate(svm::va_range span) noexcept {
    if (flaw_ == flaw::keeps_cache) plant_stale_entry(span.start());
    gpu::invalidate(flaw_ == flaw::zaps_one_page ? svm::va_range{span.start(), svm::mock::page_size} : span);
    if (flaw_ == flaw::keeps_cache) spring_stale_entry();
  }

 private:
  flaw const flaw_;
  std::vector<svm::dma_addr> mapped_;
};
static_assert(svm::device<flawed_gpu, svm::mock::page>);

class mock_bench {
 public:
  using device_type = flawed_gpu;
  using page = svm::mock::page;
  static constexpr svm::byte_count page_size = svm::mock::page_size;

  explicit mock_bench(flawed_gpu::flaw f)
      : pc_(support::options(), *support::machine::check(support::options())), gpu_(pc_, f), flaw_(f) {}
  ~mock_bench() {
    std::vector<std::string> const said = pc_.broken.take();
    if (flaw_ == flawed_gpu::flaw::none) CHECK_MESSAGE(said.empty(), said.front());
  }

  device_type& device() { return gpu_; }
  page system_page(std::uint64_t value) {
    auto const fresh = pc_.frames.allocate_ram();
    REQUIRE(fresh);
    std::memcpy(pc_.frames.bytes(*fresh), &value, sizeof value);
    return *fresh;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::uint64_t value = 0;
    if (!gpu_.load(a, std::as_writable_bytes(std::span{&value, 1}))) return std::nullopt;
    return value;
  }
  bool store(svm::cpu_va a, std::uint64_t value) { return gpu_.store(a, std::as_bytes(std::span{&value, 1})); }
  std::size_t dma_mappings() { return pc_.dma.live(); }
  void fail_dma_map() { pc_.failures.arm(svm::mock::failure::dma_map, 1); }

 private:
  support::machine pc_;
  flawed_gpu gpu_;
  flawed_gpu::flaw flaw_;
};

[[nodiscard]] broken_promises found_in(flawed_gpu::flaw f) {
  return suite::check_all([f] { return std::make_unique<mock_bench>(f); });
}

}  // namespace

TEST_SUITE("conformance/device") {
  TEST_CASE("the simulated GPU keeps the promises of a device") {
    CHECK(found_in(flawed_gpu::flaw::none) == kept);
  }

  TEST_CASE("a device that is broken in one way is reported with that promise alone") {
    using enum flawed_gpu::flaw;
    CHECK(found_in(unmap_forgets) == broken_promises{1});
    CHECK(found_in(unmap_ends_all) == broken_promises{1});
    CHECK(found_in(failed_map_stays) == broken_promises{1});
    CHECK(found_in(prepares_one_table) == broken_promises{2});
    CHECK(found_in(commits_backwards) == broken_promises{3});
    CHECK(found_in(commits_writable) == broken_promises{3});
    CHECK(found_in(commit_allocates) == broken_promises{3});
    CHECK(found_in(zaps_one_page) == broken_promises{4});
    CHECK(found_in(keeps_cache) == broken_promises{4});
  }
}

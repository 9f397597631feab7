// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The backend of examples/minimal_backend.hpp, and how a user runs the suites on types of his own.

#include "../../examples/minimal_backend.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include <svm/conformance/device.hpp>
#include <svm/conformance/mm.hpp>
#include <svm/conformance/pagemap.hpp>

namespace {

/// One bench serves all three suites.
class tiny_bench {
 public:
  using mm_type = tiny::process;
  using device_type = tiny::gpu;
  using pagemap_type = tiny::vram;
  using page = tiny::page;
  static constexpr svm::byte_count page_size = tiny::process::page_size;

  mm_type& mm() { return process_; }
  device_type& device() { return gpu_; }
  pagemap_type& pagemap() { return vram_; }

  svm::va_range map(std::size_t pages) {
    svm::va_range const span{next_, page_size * pages};
    process_.mmap(span);
    next_ = next_ + page_size * (pages + 1);
    return span;
  }
  void unmap(svm::va_range mapping) { process_.munmap(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) { return on_gpu(a) ? gpu_.store(a, value) : process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return on_gpu(a) ? gpu_.load(a) : process_.load(a); }
  bool has_vma(svm::cpu_va a) { return process_.find_vma(a).has_value(); }
  void exit() { process_.exit(); }

  bool is_live(page p) { return memory_.is_live(p); }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_.of(p).bytes.data(), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(memory_.of(p).bytes.data(), &value, sizeof value); }
  void set_locked(page p, bool locked) { memory_.of(p).locked = locked; }
  void set_pinned(page p, bool pinned) {
    if (pinned)
      ++memory_.of(p).references;
    else
      memory_.put(p);
  }
  std::vector<page> device_pages(std::size_t count) {
    auto memory = vram_.allocate(page_size * count);
    REQUIRE(memory);
    std::vector<svm::device_page<page>> named(count);
    REQUIRE(vram_.pages(*memory, named) == svm::errc::ok);
    std::vector<page> pages;
    for (auto const& p : named) pages.push_back(p.page);
    return pages;
  }
  svm::page_owner owner() { return vram_.owner(); }

  page system_page(std::uint64_t value) {
    page const fresh = memory_.add(1, false);
    memory_.of(fresh).references = 1;
    poke(fresh, value);
    return fresh;
  }
  svm::device_address dma_address(page p, svm::page_order order) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    return {.address = *gpu_.dma_map(p, order.pages(), both_ways),
            .direction = both_ways,
            .count = static_cast<std::uint32_t>(order.pages().value)};
  }
  std::size_t dma_mappings() { return gpu_.dma_mappings(); }
  std::optional<std::uint64_t> device_read(svm::device_address const& a) {
    svm::va_range const window{svm::cpu_va{page_size.value}, page_size};
    REQUIRE(gpu_.prepare(window) == svm::errc::ok);
    gpu_.commit(window, {&a, 1}, svm::mapping_access::read_only);
    auto const value = gpu_.load(window.start());
    gpu_.invalidate(window);
    return value;
  }

 private:
  /// The device suite's addresses; the process never maps them.
  static bool on_gpu(svm::cpu_va a) { return a >= svm::conformance::device::somewhere; }

  tiny::memory memory_;
  tiny::process process_{memory_};
  tiny::gpu gpu_{memory_};
  tiny::vram vram_{memory_, gpu_, page_size * 64};
  svm::cpu_va next_{page_size.value * 16};
};

constexpr auto make = [] { return std::make_unique<tiny_bench>(); };

}  // namespace

TEST_SUITE("conformance/minimal_backend") {
  TEST_CASE("the minimal backend's process keeps the promises of an mm") {
    CHECK(svm::conformance::mm::check_all(make) == svm::conformance::kept);
  }
  TEST_CASE("the minimal backend's GPU keeps the promises of a device") {
    CHECK(svm::conformance::device::check_all(make) == svm::conformance::kept);
  }
  TEST_CASE("the minimal backend's memory keeps the promises of a pagemap") {
    CHECK(svm::conformance::pagemap::check_all(make) == svm::conformance::kept);
  }
}

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

  svm::va_range map(std::size_t pages, svm::page_order order = {}) {
    svm::byte_count const block = page_size * order.pages().value;
    svm::va_range const span{(next_ + block).align_down(block), page_size * pages};
    process_.mmap(span, order);
    next_ = span.last() + page_size;
    return span;
  }
  svm::va_range map_large() { return map(16, svm::page_order{4}); }
  void unmap(svm::va_range mapping) { process_.munmap(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) { return on_gpu(a) ? gpu_.store(a, value) : process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return on_gpu(a) ? gpu_.load(a) : process_.load(a); }
  bool has_vma(svm::cpu_va a) { return process_.find_vma(a).has_value(); }
  void exit() { process_.exit(); }

  bool is_live(page p) { return memory_.is_alive(p); }
  page nth(page first, std::size_t i) { return tiny::memory::after(first, i); }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_.content(p).data(), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(memory_.content(p).data(), &value, sizeof value); }
  void set_locked(page p, bool locked) { memory_.set_locked(p, locked); }
  void set_pinned(page p, bool pinned) { pinned ? memory_.get_locked(p) : memory_.put(p); }
  std::vector<page> device_pages(std::size_t count) {
    auto memory = vram_.allocate(page_size * count);
    REQUIRE(memory);
    std::vector<svm::device_page<page>> named(count);
    REQUIRE(vram_.pages(*memory, named) == svm::errc::ok);
    std::vector<page> pages;
    for (auto const& p : named) pages.push_back(p.page);
    return pages;
  }
  page device_block(svm::page_order order) { return device_pages(order.pages().value)[0]; }
  svm::page_owner owner() { return vram_.owner(); }

  page system_page(std::uint64_t value) { return system_block(svm::page_order{}, value); }
  page system_block(svm::page_order order, std::uint64_t value) {
    auto const first = memory_.allocate_ram(order);
    REQUIRE(first);
    for (std::uint64_t i = 0; i < order.pages().value; ++i) poke(nth(*first, i), value + i);
    return *first;
  }
  svm::device_address dma_address(page p, svm::page_order order) {
    constexpr auto both_ways = svm::dma_direction::bidirectional;
    return {*gpu_.dma_map(p, order, both_ways), svm::interconnect::system, order, both_ways};
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

  svm::heap heap_;
  tiny::memory memory_{heap_};
  tiny::process process_{memory_, 1};
  tiny::gpu gpu_{memory_};
  tiny::vram vram_{memory_, page_size * 64};
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

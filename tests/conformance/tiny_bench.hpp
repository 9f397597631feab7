// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The backend of examples/minimal_backend.hpp on a bench, as a user puts types of his own on one.

#include "../../examples/minimal_backend.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <svm/conformance/device.hpp>

/// A process, and what its program does.
template <class Mm>
class tiny_program {
 public:
  static constexpr svm::byte_count page_size = tiny::process::page_size;

  tiny_program(tiny::memory& memory, std::uint64_t number) : process_(memory, number) {}

  Mm& mm() { return process_; }
  svm::va_range map(std::size_t pages, svm::page_order order = {}) {
    svm::byte_count const block = page_size * order.pages().value;
    svm::va_range const span{(next_ + block).align_down(block), page_size * pages};
    process_.mmap(span, order);
    next_ = span.last() + page_size;
    return span;
  }
  void unmap(svm::va_range mapping) { process_.munmap(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) { return process_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return process_.load(a); }

 private:
  Mm process_;
  svm::cpu_va next_{page_size.value * 16};
};

/// One bench serves all suites.
///
/// \tparam Decorated  what is put around each model
template <template <class> class Decorated = std::type_identity_t>
class tiny_bench {
 public:
  using mm_type = Decorated<tiny::process>;
  using device_type = Decorated<tiny::gpu>;
  using pagemap_type = Decorated<tiny::vram>;
  using page = tiny::page;
  static constexpr svm::byte_count page_size = tiny::process::page_size;

  mm_type& mm() { return program_.mm(); }
  device_type& device() { return gpu_; }
  pagemap_type& pagemap() { return vram_; }
  tiny_program<mm_type>& other() { return other_; }

  svm::va_range map(std::size_t pages, svm::page_order order = {}) { return program_.map(pages, order); }
  svm::va_range map_large() { return map(16, svm::page_order{4}); }
  void unmap(svm::va_range mapping) { program_.unmap(mapping); }
  bool store(svm::cpu_va a, std::uint64_t value) { return on_gpu(a) ? gpu_.store(a, value) : program_.store(a, value); }
  std::optional<std::uint64_t> load(svm::cpu_va a) { return on_gpu(a) ? gpu_.load(a) : program_.load(a); }
  bool has_vma(svm::cpu_va a) { return mm().find_vma(a).has_value(); }
  void exit() { mm().exit(); }

  bool is_live(page p) { return memory_.is_alive(p); }
  page nth(page first, std::size_t i) { return tiny::memory::after(first, i); }
  std::uint64_t peek(page p) {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_.content(p).data(), sizeof value);
    return value;
  }
  void poke(page p, std::uint64_t value) { std::memcpy(memory_.content(p).data(), &value, sizeof value); }
  void set_locked(page p, bool locked) {
    svm::exclusive_guard const guard{memory_.lock()};
    memory_.set_locked(p, locked);
  }
  void set_pinned(page p, bool pinned) {
    if (!pinned) return memory_.put(p);
    svm::exclusive_guard const guard{memory_.lock()};
    memory_.get_locked(p);
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

  svm::heap heap_;
  tiny::memory memory_{heap_};
  tiny_program<mm_type> program_{memory_, 1};
  tiny_program<mm_type> other_{memory_, 2};
  device_type gpu_{memory_};
  pagemap_type vram_{memory_, page_size * 64};
};

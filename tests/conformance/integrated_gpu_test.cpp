// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/device.hpp>
#include <svm/conformance/interval_notifier.hpp>

// A bundle of tests would lift the include out of the macro, so this file is compiled for itself.
#define main program_of_the_example
#include "../../examples/integrated_gpu.cpp"
#undef main

namespace {

/// A process of the example, as a bench.
struct igpu_process {
  using mm_type = igpu::process;
  using page = igpu::process::page;

  mm_type& mm() { return process; }
  svm::va_range map(std::size_t pages) {
    svm::va_range const span{next, mm_type::page_size * pages};
    process.mmap(span);
    next = next + mm_type::page_size * (pages + 1);
    return span;
  }
  void unmap(svm::va_range mapping) { process.munmap(mapping.start()); }
  bool store(svm::cpu_va a, std::uint64_t value) {
    if (!has_vma(a)) return false;
    process.word(a) = value;
    return true;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    return has_vma(a) ? std::optional{process.word(a)} : std::nullopt;
  }
  bool has_vma(svm::cpu_va a) { return process.find_vma(a).has_value(); }
  void exit() { process.put_user(); }
  bool is_live(page p) {
    for (auto const& [address, memory] : process.pages_)
      if (memory.get() == p) return true;
    return false;
  }
  std::uint64_t peek(page p) { return (*p)[0]; }

  igpu::process process;
  svm::cpu_va next{mm_type::page_size.value * 16};
};
struct igpu_space : igpu_process {
  igpu_process& other() { return second; }
  bool is_live(page p) { return igpu_process::is_live(p) || second.is_live(p); }
  igpu_process second;
};

struct igpu_device {
  using device_type = igpu::gpu;
  using page = igpu::process::page;
  static constexpr svm::byte_count page_size = igpu::process::page_size;

  device_type& device() { return gpu; }
  page system_page(std::uint64_t value) { return system_block({}, value); }
  page system_block(svm::page_order order, std::uint64_t value) {
    memory.push_back(std::make_unique<igpu::words[]>(order.pages().value));
    page const first = memory.back().get();
    for (std::uint64_t i = 0; i < order.pages().value; ++i) first[i][0] = value + i;
    return first;
  }
  std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::uint64_t const* const word = gpu.word(a, false);
    return word != nullptr ? std::optional{*word} : std::nullopt;
  }
  bool store(svm::cpu_va a, std::uint64_t value) {
    std::uint64_t* const word = gpu.word(a, true);
    if (word != nullptr) *word = value;
    return word != nullptr;
  }
  std::size_t dma_mappings() { return gpu.dma_mappings_; }

  std::vector<std::unique_ptr<igpu::words[]>> memory;
  igpu::gpu gpu;
};

}  // namespace

TEST_SUITE("conformance/integrated_gpu") {
  TEST_CASE("the process and the GPU of the example keep the promises of their concepts, and its program ends well") {
    using svm::conformance::kept;
    auto const space = [] { return std::make_unique<igpu_space>(); };
    CHECK(svm::conformance::address_space::check_all(space) == kept);
    CHECK(svm::conformance::interval_notifier::check_all(space) == kept);
    CHECK(svm::conformance::device::check_all([] { return std::make_unique<igpu_device>(); }) == kept);
    CHECK(program_of_the_example() == 0);
  }
}

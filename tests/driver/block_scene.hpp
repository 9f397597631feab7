// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <support/world.hpp>

namespace support {

using svm::block_fault;
using svm::block_service;
using svm::migration_cause;
using svm::page_mask;
using svm::page_span;
using svm::placement::eviction_mode;
using svm::placement::prefetch_mode;
using svm::placement::uvm_options;

inline constexpr std::uint64_t block_bytes = 2 * MiB;

/// A machine whose GPUs serve faults page by page.
template <class Set>
[[nodiscard]] svm::mock::machine_options by_pages(std::uint64_t vram, Set&& set) {
  return options([&](svm::mock::machine_options& o) {
    o.vram = {vram};
    o.placement.emplace();
    set(o);
  });
}
[[nodiscard]] inline svm::mock::machine_options by_pages(std::uint64_t vram = 64 * MiB) {
  return by_pages(vram, [](auto&) {});
}

[[nodiscard]] inline cpu_va page_of(std::uint64_t block, std::uint64_t page) {
  return at(block * block_bytes + page * page_bytes);
}
[[nodiscard]] inline block_service<policies>& service_of(machine& w, std::size_t gpu = 0) {
  return *w.first().views[gpu]->blocks;
}

/// Serves reads of pages in one batch, and returns what the first fault that failed says.
inline errc serve(machine& w, std::vector<cpu_va> const& pages, access_kind want = access_kind::read,
                  std::size_t gpu = 0) {
  std::vector<block_fault> batch;
  for (cpu_va const a : pages) batch.push_back({.at = a, .want = want});
  return service_of(w, gpu).serve(batch);
}
inline errc serve(machine& w, cpu_va a, access_kind want = access_kind::read, std::size_t gpu = 0) {
  return serve(w, std::vector{a}, want, gpu);
}

/// The pages of a block that are in device memory, of one GPU or of whichever.
[[nodiscard]] inline page_mask on_device(machine& w, std::uint64_t block, std::optional<std::size_t> gpu = {}) {
  page_mask there;
  w.process.for_each_entry(span(page_of(block, 0), block_bytes), [&](cpu_va a, pte const& e) {
    if (e.what == pte::state::device && (!gpu || w.frames.gpu_of(e.target) == *gpu))
      there.set(static_cast<unsigned>(a.value % block_bytes / page_bytes));
  });
  return there;
}
/// The pages of a block that the GPU's page table has.
[[nodiscard]] inline page_mask mapped(machine& w, std::uint64_t block, std::size_t gpu = 0) {
  page_mask there;
  w.first().views[gpu]->device.for_each_mapping(span(page_of(block, 0), block_bytes), [&](auto const& m) {
    there.set(static_cast<unsigned>(m.at.value % block_bytes / page_bytes));
  });
  return there;
}
[[nodiscard]] inline page_mask pages(unsigned first, unsigned end) {
  return page_mask{page_span{first, end}};
}
[[nodiscard]] inline page_mask one(unsigned page) {
  return pages(page, page + 1);
}
[[nodiscard]] inline std::uint64_t copied(machine& w, migration_cause cause) {
  return w.stats.copied(cause) / page_bytes;
}

}  // namespace support

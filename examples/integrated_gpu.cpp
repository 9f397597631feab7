// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What one learns here: a whole backend for a GPU that shares the system's memory. It needs an address space with
// notifiers and a device, and nothing of migration. Read it beside include/svm/port/README.md.
#include <svm/port.hpp>
#include <svm/std.hpp>
#include <svm/svm.hpp>

#include <array>
#include <cstdio>
#include <map>
#include <memory>

namespace igpu {

using words = std::array<std::uint64_t, 512>;

/// A process: the model of `svm::address_space` and, by its base, of `svm::interval_notifier`.
struct process : svm::port::notifier_list<svm::null_lock> {
  using page = words*;  // where its memory is; null: no page
  static constexpr svm::byte_count page_size{4096};
  static constexpr page page_at(page first, std::uint64_t n) noexcept { return first + n; }

  // What a program does.
  void mmap(svm::va_range span) { vmas_.emplace(span.start().value, span); }
  void munmap(svm::cpu_va start) {
    svm::va_range const span = vmas_.extract(start.value).mapped();
    invalidate({span, svm::invalidation_cause::unmap},
               [&] { pages_.erase(pages_.lower_bound(start.value), pages_.upper_bound(span.last().value)); });
  }
  std::uint64_t& word(svm::cpu_va a) { return (*touch(a))[a.value % page_size.value / 8]; }

  // What the library asks; it holds the map lock shared around the look-ups.
  svm::space_id id() const noexcept { return {reinterpret_cast<std::uint64_t>(this)}; }
  bool get_user() noexcept { return users_ != 0 && ++users_ != 0; }
  void put_user() noexcept {
    if (--users_ == 0)
      while (!vmas_.empty()) munmap({vmas_.begin()->first});
  }
  auto& map_lock() noexcept { return map_lock_; }
  svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept { return find_first_vma({a, {1}}); }
  svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    for (auto const& [start, extent] : vmas_)
      if (extent.overlaps(span)) return svm::vma_info{extent, true, true, false};
    return svm::errc::no_vma;
  }
  svm::errc fault_in(svm::walk_request<registration> const& request, svm::run_sink<page>& found) noexcept {
    for (svm::cpu_va a = request.span.start(); request.span.contains(a); a = a + page_size)
      if (!find_vma(a) || touch(a) == nullptr) return svm::errc::no_vma;
    snapshot(request.span, found);
    return svm::errc::ok;
  }
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    auto const end = pages_.upper_bound(span.last().value);
    for (auto e = pages_.lower_bound(span.start().value); e != end; ++e)
      if (!found.add({e->first}, {.page = e->second.get(), .place = svm::page_place::system, .writable = true})) return;
  }

  page touch(svm::cpu_va a) {
    auto const [entry, is_new] = pages_.try_emplace(a.align_down(page_size).value);
    if (is_new) entry->second = std::make_unique<words>();
    return entry->second.get();
  }
  unsigned users_ = 1;
  svm::null_lock::shared_mutex<svm::lock_rank::mm> map_lock_;
  std::map<std::uint64_t, svm::va_range> vmas_;
  std::map<std::uint64_t, std::unique_ptr<words>> pages_;
};

/// A GPU with a page table, and no IOMMU: the model of `svm::device`. It sees memory where the CPU does.
struct gpu {
  /// The word that a program on the GPU reaches; null: a fault.
  std::uint64_t* word(svm::cpu_va a, bool writes) {
    entry const& e = table_[a.align_down(process::page_size).value];
    return e.to == nullptr || (writes && !e.writable) ? nullptr : &(*e.to)[a.value % process::page_size.value / 8];
  }
  svm::result<svm::dma_addr> dma_map(words* p, svm::page_count, svm::dma_direction) noexcept {
    ++dma_mappings_;
    return svm::dma_addr{reinterpret_cast<std::uint64_t>(p)};
  }
  void dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept { --dma_mappings_; }
  svm::errc prepare(svm::va_range span) noexcept {
    for (svm::cpu_va a = span.start(); span.contains(a); a = a + process::page_size) table_[a.value];
    return svm::errc::ok;
  }
  void commit(svm::va_range span, std::span<svm::device_address const> runs, svm::mapping_access how) noexcept {
    auto e = table_.find(span.start().value);
    for (svm::device_address const& run : runs)
      for (std::uint64_t i = 0; i < run.count; ++i, ++e)
        e->second = {reinterpret_cast<words*>(run.address.value) + i, how != svm::mapping_access::read_only};
  }
  void invalidate(svm::va_range span) noexcept {
    for (auto& [address, e] : table_)
      if (span.contains(svm::cpu_va{address})) e = {};
  }

  struct entry {
    words* to = nullptr;
    bool writable = false;
  };
  std::map<std::uint64_t, entry> table_;
  std::size_t dma_mappings_ = 0;
};

struct policies : svm::one_thread_policies {
  using mm = process;
  using device = gpu;
};
static_assert(svm::explain<policies>());

}  // namespace igpu

int main() {
  igpu::process process;
  igpu::gpu gpu;
  igpu::policies::objects own;
  svm::byte_count const chunks[] = {{64 << 10}, process.page_size};
  auto const layout = svm::gpusvm_layout::make({{}, {std::uint64_t{1} << 40}}, {2 << 20}, chunks, process.page_size);
  svm::svm_driver<igpu::policies> driver{{process, gpu, own.memory, own.clock, own.observer}, *layout, {}};

  svm::cpu_va const buffer{0x10000000};
  process.mmap({buffer, {64 << 10}});
  process.word(buffer) = 42;
  bool good = driver.fault(buffer, svm::access_kind::write) == svm::errc::ok && *gpu.word(buffer, false) == 42;
  *gpu.word(buffer, true) = 43;  // one memory: the CPU sees it
  good = good && process.word(buffer) == 43;
  process.munmap(buffer);
  good =
      good && gpu.word(buffer, false) == nullptr && driver.fault(buffer, svm::access_kind::read) == svm::errc::no_vma;
  std::puts(good ? "the GPU and the CPU share one memory" : "WRONG");
  return good ? 0 : 1;
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// A GPU and its memory with everything that a device and a pagemap may have beside (see wide_memory.hpp).

#include <conformance/wide_memory.hpp>

#include <svm/concepts/device.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/concepts/pagemap.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

namespace wide {

/// The model of `svm::device`: zaps, then flushes; reserves addresses; and behind `bounce::yes` the IOMMU has the device
/// work on copies of the pages.
class gpu {
  struct table_entry {
    svm::device_address address;  ///< of the page
    bool present = false;
    bool writable = false;
  };
  /// A page behind the IOMMU.
  struct window {
    page target;
    bool reachable = true;
    std::array<std::byte, page_bytes> copy{};
  };

 public:
  enum class bounce : bool { no, yes };

  gpu(memory& pages, svm::page_owner who, bounce how) : memory_(pages), who_(who), bounces_(how == bounce::yes) {}

  [[nodiscard]] svm::page_owner who() const { return who_; }
  [[nodiscard]] std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::byte const* const word = translate(a, svm::access_kind::read);
    return word != nullptr ? std::optional{first_word(word)} : std::nullopt;
  }
  [[nodiscard]] bool store(svm::cpu_va a, std::uint64_t value) {
    std::byte* const word = translate(a, svm::access_kind::write);
    if (word != nullptr) std::memcpy(word, &value, sizeof value);
    return word != nullptr;
  }
  /// The bytes of a page as the device sees them; null where nothing is reachable.
  [[nodiscard]] std::byte* bytes(svm::device_address const& a) {
    if (a.path != svm::interconnect::system) {
      page const p{a.address.value / page_bytes};
      return memory_.has(p) ? memory_.of(p).bytes.data() : nullptr;
    }
    auto const found = iommu_.find(a.address.value);
    if (found == iommu_.end() || !found->second.reachable) return nullptr;
    return bounces_ ? found->second.copy.data() : memory_.of(found->second.target).bytes.data();
  }
  [[nodiscard]] std::size_t dma_mappings() const { return iommu_.size(); }
  void fail_next_map() { fails_ = true; }

  [[nodiscard]] svm::result<svm::dma_addr> dma_map(page p, svm::page_count count, svm::dma_direction) noexcept {
    if (std::exchange(fails_, false)) return svm::errc::dma_map_failed;
    svm::dma_addr const address = reserve(page_size * count.value);
    attach(address, p, count, true);
    return address;
  }
  void dma_unmap(svm::dma_addr address, svm::page_count count, svm::dma_direction direction) noexcept {
    detach(address, count.value, direction);
  }

  [[nodiscard]] svm::result<svm::dma_addr> reserve_iova(svm::byte_count size) noexcept { return reserve(size); }
  [[nodiscard]] svm::errc link_iova(svm::dma_addr base, svm::byte_count offset, page p, svm::page_count count,
                                    svm::dma_direction) noexcept {
    if (std::exchange(fails_, false)) return svm::errc::dma_map_failed;
    attach(base + offset, p, count, false);
    return svm::errc::ok;
  }
  [[nodiscard]] svm::errc sync_iova(svm::dma_addr base, svm::byte_count size) noexcept {
    for_each(base, svm::pages_in(size, page_size).value, [](window& w) { w.reachable = true; });
    return svm::errc::ok;
  }
  void release_iova(svm::dma_addr base, svm::byte_count, svm::byte_count linked,
                    svm::dma_direction direction) noexcept {
    detach(base, svm::pages_in(linked, page_size).value, direction);
  }

  void sync_for_device(svm::dma_addr address, svm::page_count count, svm::dma_direction) noexcept {
    for_each(address, count.value, [this](window& w) { w.copy = memory_.of(w.target).bytes; });
  }
  void sync_for_system(svm::dma_addr address, svm::page_count count, svm::dma_direction) noexcept {
    if (!bounces_) return;
    for_each(address, count.value, [this](window& w) { memory_.of(w.target).bytes = w.copy; });
  }

  [[nodiscard]] svm::errc prepare(svm::va_range span) noexcept {
    for (std::uint64_t done = 0; done < span.size().value; done += page_bytes) table_[span.start().value + done];
    return svm::errc::ok;
  }
  void commit(svm::va_range span, std::span<svm::device_address const> blocks, svm::mapping_access how) noexcept {
    auto entry = table_.find(span.start().value);
    for (svm::device_address const& block : blocks)
      for (std::uint64_t i = 0; i < block.count; ++i, ++entry) {
        entry->second = {block, true, how != svm::mapping_access::read_only};
        entry->second.address.address = block.address + page_size * i;
      }
  }
  void begin_invalidate(svm::va_range span) noexcept {
    for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value; ++e)
      e->second.present = false;
  }
  void finish_invalidate(svm::va_range span) noexcept {
    if (span.contains(cached_at_)) cached_.present = false;
  }
  void invalidate(svm::va_range span) noexcept {
    begin_invalidate(span);
    finish_invalidate(span);
  }
  void stop_queues() noexcept { queues_run_ = false; }
  void resume_queues() noexcept { queues_run_ = true; }

 private:
  [[nodiscard]] svm::dma_addr reserve(svm::byte_count size) {
    svm::dma_addr const address{next_dma_};
    next_dma_ += size.value;
    return address;
  }
  void attach(svm::dma_addr address, page p, svm::page_count count, bool reachable) {
    for (std::uint64_t i = 0; i < count.value; ++i)
      iommu_[(address + page_size * i).value] = {nth(p, i), reachable, memory_.of(nth(p, i)).bytes};
  }
  void detach(svm::dma_addr address, std::uint64_t count, svm::dma_direction direction) {
    for_each(address, count, [&](window& w) {
      if (bounces_ && direction != svm::dma_direction::to_device) memory_.of(w.target).bytes = w.copy;
    });
    for (std::uint64_t i = 0; i < count; ++i) iommu_.erase((address + page_size * i).value);
  }
  template <class Visit>
  void for_each(svm::dma_addr address, std::uint64_t count, Visit&& visit) {
    for (std::uint64_t i = 0; i < count; ++i)
      if (auto const found = iommu_.find((address + page_size * i).value); found != iommu_.end()) visit(found->second);
  }
  [[nodiscard]] std::byte* translate(svm::cpu_va a, svm::access_kind want) {
    if (!queues_run_) return nullptr;
    svm::cpu_va const at = a.align_down(page_size);
    if (!cached_.present || cached_at_ != at) {
      auto const found = table_.find(at.value);
      if (found == table_.end() || !found->second.present) return nullptr;
      cached_ = found->second;
      cached_at_ = at;
    }
    if (want == svm::access_kind::write && !cached_.writable) return nullptr;
    std::byte* const page_start = bytes(cached_.address);
    return page_start != nullptr ? page_start + a.value % page_bytes : nullptr;
  }

  memory& memory_;
  svm::page_owner const who_;
  bool const bounces_;
  bool fails_ = false;
  bool queues_run_ = true;
  std::map<std::uint64_t, table_entry> table_;
  svm::cpu_va cached_at_{};  // the TLB has one entry
  table_entry cached_{};
  std::unordered_map<std::uint64_t, window> iommu_;
  std::uint64_t next_dma_ = 0;
};
static_assert(svm::device<gpu, page>);
static_assert(svm::two_pass_device<gpu> && svm::iova_device<gpu, page> && svm::noncoherent_device<gpu> &&
              svm::queue_device<gpu>);

/// The model of `svm::pagemap`: in the largest blocks that its numbers allow, cleared as late as may be, mapped for its
/// peers, and given back in pieces.
class vram {
  struct extent {
    std::uint64_t pages;
    std::uint64_t left;
    bool cleared;
  };

 public:
  static constexpr bool is_coherent = true;
  struct memory {
    page first;
  };

  vram(wide::memory& pages, gpu& device, svm::byte_count capacity)
      : memory_(pages), gpu_(device), capacity_(capacity), available_(capacity) {}

  void unplug() { unplugged_ = true; }
  void fail_next_copy() { fails_ = true; }

  [[nodiscard]] svm::result<memory> allocate(svm::byte_count size) noexcept {
    if (unplugged_) return svm::errc::device_gone;
    if (size > available_) return svm::errc::no_device_memory;
    available_ -= size;
    std::uint64_t const count = svm::pages_in(size, page_size).value;
    page const first = memory_.add(count, true);
    for (std::uint64_t i = 0; i < count; ++i) memory_.of(nth(first, i)).bytes.fill(std::byte{0xdb});
    extents_[first.number] = {count, count, false};
    return memory{first};
  }
  [[nodiscard]] svm::errc wait_cleared(memory& m) noexcept {
    clear(m.first);
    return svm::errc::ok;
  }
  [[nodiscard]] svm::errc pages(memory& m, std::span<svm::device_page<page>> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) {
      page const p = nth(m.first, i);
      int const order = std::min(std::countr_zero(p.number), static_cast<int>(std::bit_width(out.size() - i)) - 1);
      out[i] = {p, svm::page_order{static_cast<std::uint8_t>(order)}};
    }
    return svm::errc::ok;
  }
  void release(memory& m) noexcept {
    auto const e = extents_.find(m.first.number);
    for (std::uint64_t i = 0; i < e->second.pages; ++i) memory_.remove(nth(m.first, i));
    available_ += page_size * e->second.left;
    extents_.erase(e);
  }
  void release_pages(memory& m, page first, svm::page_order order) noexcept {
    for (std::uint64_t i = 0; i < order.pages().value; ++i) memory_.remove(nth(first, i));
    extents_.at(m.first.number).left -= order.pages().value;
    available_ += page_size * order.pages().value;
  }
  [[nodiscard]] svm::errc copy_to_device(std::span<svm::copy_block<page> const> job) noexcept {
    return for_each(job, [this](page local, std::byte* remote) {
      clear(local);
      std::memcpy(memory_.of(local).bytes.data(), remote, page_bytes);
    });
  }
  [[nodiscard]] svm::errc copy_to_system(std::span<svm::copy_block<page> const> job) noexcept {
    return for_each(job, [this](page local, std::byte* remote) {
      std::memcpy(remote, memory_.of(local).bytes.data(), page_bytes);
    });
  }
  [[nodiscard]] svm::result<svm::device_address> map(gpu& who, page p, svm::page_count count,
                                                     svm::dma_direction direction) noexcept {
    if (!who.who().reaches(owner())) return svm::errc::unsupported;
    auto const path = &who == &gpu_ ? svm::interconnect::local : svm::interconnect::peer;
    return svm::device_address{.address = {p.number * page_bytes},
                               .path = path,
                               .direction = direction,
                               .count = static_cast<std::uint32_t>(count.value)};
  }
  void unmap(gpu&, svm::device_address const&) noexcept {}
  [[nodiscard]] svm::page_owner owner() noexcept { return gpu_.who(); }
  [[nodiscard]] svm::byte_count capacity() noexcept { return capacity_; }
  [[nodiscard]] svm::byte_count available() noexcept { return available_; }

 private:
  /// Clears the allocation around a page, once.
  void clear(page p) {
    auto const e = std::prev(extents_.upper_bound(p.number));
    if (std::exchange(e->second.cleared, true)) return;
    for (std::uint64_t i = 0; i < e->second.pages; ++i)
      if (page const one{e->first + i}; memory_.has(one)) memory_.of(one).bytes.fill({});
  }
  template <class Copy>
  [[nodiscard]] svm::errc for_each(std::span<svm::copy_block<page> const> job, Copy&& copy) {
    if (std::exchange(fails_, false)) return svm::errc::copy_failed;
    for (svm::copy_block<page> const& block : job)
      for (std::uint64_t i = 0; i < block.remote.count; ++i) {
        svm::device_address one = block.remote;
        one.address = one.address + page_size * i;
        std::byte* const remote = gpu_.bytes(one);
        if (remote == nullptr) return svm::errc::copy_failed;
        copy(nth(block.local, i), remote);
      }
    return svm::errc::ok;
  }

  wide::memory& memory_;
  gpu& gpu_;
  svm::byte_count const capacity_;
  svm::byte_count available_;
  bool unplugged_ = false;
  bool fails_ = false;
  std::map<std::uint64_t, extent> extents_;
};
static_assert(svm::pagemap<vram, page, gpu>);
static_assert(svm::coherent_pagemap<vram> && svm::piecewise_pagemap<vram, page>);

}  // namespace wide

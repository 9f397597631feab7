// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <utility>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/pagemap.hpp>
#include <svm/mock/gpu/device_blocks.hpp>
#include <svm/mock/gpu/frame_runs.hpp>
#include <svm/mock/gpu/gpu.hpp>
#include <svm/mock/gpu/iommu.hpp>
#include <svm/mock/cpu/physical_memory.hpp>
#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/mock/machine/steps.hpp>

namespace svm::inline v0::mock {

/// How the copy engine works.
struct copy_options {
  bool late = false;  ///< clears wait for who asks for them, and the blocks of a job move in any order
  std::uint64_t seed = 1;
};

/// The memory of a GPU: whole allocations of pages that lie together as far as that goes, and the copy engine.
///
/// An allocation takes its whole size until it is released, but for what is given back before. Fresh memory reads as
/// zero once it was cleared.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false>
class vram {
 public:
  static constexpr byte_count page_size{PageBytes};
  /// True when the CPU reaches it in place.
  static constexpr bool is_coherent = Coherent;

  /// An allocation: a number, so that a second release is caught.
  struct memory {
    std::uint32_t id = 0;
  };

  vram(byte_count capacity, page_owner owner, physical_memory<Lock, PageBytes>& frames, iommu<Lock, PageBytes>& dma,
       failure_plan& failures, report& broken, steps& hooks, copy_options engine = {})
      : capacity_(capacity),
        owner_(owner),
        frames_(frames),
        iommu_(dma),
        failures_(failures),
        report_(broken),
        steps_(hooks),
        engine_(engine),
        draw_(engine.seed),
        free_(frames.first_device_frame(dma.gpu()), pages_in(capacity, page_size).value,
              physical_memory<Lock, PageBytes>::max_order) {}

  [[nodiscard]] result<memory> allocate(byte_count size) noexcept {
    if (is_gone()) return errc::device_gone;
    if (failures_.strikes(failure::populate)) return errc::no_device_memory;
    exclusive_guard const guard{lock_};
    std::uint64_t const count = pages_in(size, page_size).value;
    if (count > free_.free()) return errc::no_device_memory;
    std::uint32_t const id = next_id_++;
    taken_.clear();
    free_.take(count, taken_);
    std::span<std::uint32_t const> const taken{taken_.data(), taken_.size()};
    frames_.even_out(taken);
    allocations_.emplace(id, taken);
    for (std::uint32_t const n : taken_) {
      frames_.at(n).taken = true;
      if (auto& content = frames_.at(n).content; engine_.late)
        content.fill(frames_.garbage);
      else
        content.clear();
    }
    if (engine_.late) unclear_.emplace(id);
    return memory{id};
  }

  [[nodiscard]] errc pages(memory& m, std::span<device_page<page>> out) noexcept {
    if (failures_.strikes(failure::page_list)) return errc::no_device_memory;
    exclusive_guard const guard{lock_};
    auto const found = allocations_.find(m.id);
    if (found == allocations_.end() || found->second.count() != out.size()) return errc::unsupported;
    for (frame_runs::run const& r : found->second.all())
      for (std::uint32_t i = 0; i < r.count; ++i) {
        std::uint32_t const n = r.first + i;
        auto const aligned = static_cast<unsigned>(std::countr_zero(n));
        auto const left = static_cast<unsigned>(std::bit_width(r.count - i)) - 1u;
        unsigned order = physical_memory<Lock, PageBytes>::max_order.value;
        if (aligned < order) order = aligned;
        if (left < order) order = left;
        out[r.place + i] = {frames_.handle(n), {static_cast<std::uint8_t>(order)}};
      }
    return errc::ok;
  }

  void release(memory& m) noexcept {
    exclusive_guard const guard{lock_};
    auto const found = allocations_.find(m.id);
    if (found == allocations_.end()) {
      report_.violation("O-30", "an allocation of device memory is released twice");
      return;
    }
    found->second.for_each([this](std::uint32_t n) {
      lock_.assert_held();
      give_back_locked(n);
    });
    allocations_.erase(found);
    unclear_.erase(m.id);
  }
  /// Gives a block of an allocation back before the rest.
  [[gnu::cold]] void release_pages(memory& m, page first, page_order order) noexcept {
    exclusive_guard const guard{lock_};
    auto const found = allocations_.find(m.id);
    for (std::uint64_t i = 0; i < order.pages().value; ++i) {
      std::uint32_t const n = frame_behind(first, i);
      if (found == allocations_.end() || !found->second.remove(n)) {
        report_.violation("O-30", "a page of device memory is released twice");
        return;
      }
      give_back_locked(n);
    }
  }

  /// Returns once an allocation is clear.
  [[nodiscard, gnu::cold]] errc wait_cleared(memory& m) noexcept {
    if (is_gone()) return errc::device_gone;
    steps_.at(step::clearing);
    if (failures_.strikes(failure::clear)) return errc::copy_failed;
    exclusive_guard const guard{lock_};
    if (unclear_.erase(m.id)) clear_locked(allocations_[m.id]);
    return errc::ok;
  }

  [[nodiscard]] errc copy_to_device(std::span<copy_block<page> const> job) noexcept { return copy(job, true); }
  [[nodiscard]] errc copy_to_system(std::span<copy_block<page> const> job) noexcept { return copy(job, false); }

  [[nodiscard]] result<device_address> map(gpu<Lock, PageBytes>& for_whom, page p, page_count count,
                                           dma_direction direction) noexcept {
    if (is_gone()) return errc::device_gone;
    bool const own = for_whom.index() == iommu_.gpu();
    if (!own && !frames_.links().reach(for_whom.index(), iommu_.gpu())) return errc::unsupported;
    if (failures_.strikes(failure::device_map)) return errc::dma_map_failed;
    for (std::uint64_t i = 0; i < count.value; ++i)
      if (!frames_.is_alive({frame_behind(p, i), p.generation}))
        report_.violation("O-01", "a device page that is not alive is mapped");
    for (std::uint64_t i = 0; i < count.value; ++i) {
      changes<Lock>("frame", frame_behind(p, i));
      frames_.of({frame_behind(p, i), 0}).dma_maps.fetch_add(1);
    }
    if (!own) ++peer_maps_;
    return device_address{.address = dma_addr{std::uint64_t{p.frame} * PageBytes},
                          .path = own ? interconnect::local : interconnect::peer,
                          .direction = direction,
                          .count = static_cast<std::uint32_t>(count.value)};
  }
  void unmap(gpu<Lock, PageBytes>&, device_address const& address) noexcept {
    visible_step<Lock>("unmap device memory");
    std::uint64_t const first = address.address.value / PageBytes;
    bool used = false;
    for (std::uint64_t i = 0; i < address.count; ++i) {
      auto& f = frames_.of({static_cast<std::uint32_t>(first + i), 0});
      changes<Lock>("frame", first + i);
      if (f.dma_maps.load() == 0) {
        report_.violation("O-07", "a device page that is not mapped is unmapped");
        return;
      }
      used = used || (f.gpu_maps.load() != 0 && f.dma_maps.load() == 1);
      f.dma_maps.fetch_sub(1);
    }
    if (used) report_.violation("O-27", "a device page is unmapped while a GPU page table has it");
    if (address.path == interconnect::peer) --peer_maps_;
  }

  [[nodiscard]] page_owner owner() noexcept { return owner_; }
  [[nodiscard]] byte_count capacity() noexcept { return capacity_; }
  [[nodiscard]] byte_count available() noexcept {
    exclusive_guard const guard{lock_};
    return page_size * free_.free();
  }
  [[nodiscard]] byte_count used() noexcept { return capacity_ - available(); }
  /// Runs of it that other GPUs have mapped.
  [[nodiscard]] std::uint64_t peer_maps() const { return peer_maps_; }
  /// Bytes of the jobs that its copy engine finished.
  [[nodiscard]] std::uint64_t copied() const { return copied_; }
  /// From now on nothing is allocated, copied or mapped.
  void unplug() {
    visible_step<Lock>("unplug");
    changes<Lock>("unplugged", iommu_.gpu());
    frames_.links().unplug(iommu_.gpu());
  }
  /// Calls `visit(page)` for each page that is part of an allocation.
  template <class Visit>
  void for_each_page(Visit&& visit) {
    exclusive_guard const guard{lock_};
    for (auto const& [id, frames] : allocations_) frames.for_each([&](std::uint32_t n) { visit(frames_.handle(n)); });
  }

 private:
  /// A step of its own, since what follows it is the work of the hardware.
  [[nodiscard]] bool is_gone() const {
    visible_step<Lock>("ask whether the device is there");
    looks_at<Lock>("unplugged", iommu_.gpu());
    return frames_.links().is_unplugged(iommu_.gpu());
  }
  void give_back_locked(std::uint32_t n) SVM_REQUIRES(lock_) {
    auto& f = frames_.at(n);
    if (f.dma_maps.load() != 0 || f.gpu_maps.load() != 0)
      report_.violation("O-03", "device memory goes back while a device has it mapped");
    f.taken = false;
    free_.give(n);
  }
  void clear_locked(frame_runs const& frames) SVM_REQUIRES(lock_) {
    frames.for_each([this](std::uint32_t n) { frames_.at(n).content.clear(); });
  }
  [[nodiscard]] errc copy(std::span<copy_block<page> const> job, bool to_device);
  [[nodiscard]] errc copy_page(device_address const& remote, std::uint64_t i, page local, bool to_device, copy_way way);

  /// Jobs from here on go past the caches: smaller ones are read again before they leave them.
  static constexpr byte_count streamed_from{64 << 10};

  byte_count const capacity_;
  page_owner const owner_;
  physical_memory<Lock, PageBytes>& frames_;
  iommu<Lock, PageBytes>& iommu_;
  failure_plan& failures_;
  report& report_;
  steps& steps_;
  copy_options const engine_;
  typename Lock::template mutex<lock_rank::leaf_device_memory> lock_;
  random draw_;  // under lock_
  device_blocks free_;
  plain_list<std::uint32_t> taken_;     // by the allocation that is being made
  number_map<frame_runs> allocations_;  // by number, which is the order of making
  number_set unclear_;                  // numbers of those that read as garbage still
  std::uint32_t next_id_ = 1;
  std::atomic<std::uint64_t> peer_maps_{0};
  std::atomic<std::uint64_t> copied_{0};
};

template <lock Lock, std::size_t PageBytes, bool Coherent>
errc vram<Lock, PageBytes, Coherent>::copy(std::span<copy_block<page> const> job, bool to_device) {
  steps_.at(step::copying);
  if (is_gone()) return errc::device_gone;
  if (job.empty()) report_.violation("O-13", "an empty copy job is submitted");
  if (failures_.strikes(failure::copy)) return errc::copy_failed;
  plain_list<std::size_t> order;
  for (std::size_t b = 0; b < job.size(); ++b) order.push_back(b);
  if (engine_.late) {
    exclusive_guard const guard{lock_};
    for (auto const& unclear : unclear_) clear_locked(allocations_[unclear.first]);
    unclear_.clear();
    for (std::size_t n = order.size(); n > 1; --n) std::swap(order[n - 1], order[draw_.below(n)]);
  }
  byte_count size{};
  for (copy_block<page> const& b : job) size += b.remote.pages() * page_size;
  copy_way const way = size < streamed_from ? copy_way::cached : copy_way::streamed;
  errc e = errc::ok;
  for (std::size_t b = 0; b < order.size() && e == errc::ok; ++b) {
    copy_block<page> const& block = job[order[b]];
    for (std::uint64_t i = 0; i < block.remote.count && e == errc::ok; ++i)
      e = copy_page(block.remote, i, i == 0 ? block.local : frames_.after(block.local, i), to_device, way);
  }
  finish_streaming();
  if (e == errc::ok) copied_ += size.value;
  return e;
}

/// Moves the `i`-th page of a block.
template <lock Lock, std::size_t PageBytes, bool Coherent>
errc vram<Lock, PageBytes, Coherent>::copy_page(device_address const& remote, std::uint64_t i, page local,
                                                bool to_device, copy_way way) {
  visible_step<Lock>("copy a page");
  dma_addr const address = remote.address + page_size * i;
  bool const by_dma = remote.path == interconnect::system;
  auto const by_bus = by_dma ? iommu_.reach(address, !to_device) : typename iommu<Lock, PageBytes>::reached{};
  page const other = by_dma ? by_bus.target : frames_.peek(address.value / PageBytes);
  if (!frames_.is_alive(other) || !frames_.is_alive(local)) {
    report_.violation("O-03", "a copy touches a page that is not alive");
    return errc::copy_failed;
  }
  if (unsigned const peer = by_dma ? iommu_.gpu() : frames_.gpu_of(other);
      !by_dma && !frames_.links().reach(iommu_.gpu(), peer)) {
    if (!frames_.links().is_unplugged(iommu_.gpu()) && !frames_.links().is_unplugged(peer))  // else it went meanwhile
      report_.violation("O-10", "a copy over a link that is down");
    return errc::copy_failed;
  }
  page const source = to_device ? other : local;
  bool const moves =
      !to_device || frames_.of(local).kind != frame_kind::free;  // else the page stays, and others may read it
  if (moves && frames_.of(source).gpu_maps.load() != 0)
    report_.violation("O-13", "the source of a copy is still mapped by a GPU");
  if (frames_.is_lost(source)) return errc::copy_failed;
  auto& here = frames_.content(local);
  auto& there = by_dma ? *by_bus.content : frames_.content(other);
  to_device ? here.copy(there, way) : there.copy(here, way);
  return errc::ok;
}

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/pagemap.hpp>
#include <svm/mock/iommu.hpp>
#include <svm/mock/physical_memory.hpp>
#include <svm/mock/steps.hpp>

namespace svm::inline v0::mock {

/// The memory of a GPU: whole allocations of pages that need not lie together, and the copy engine.
///
/// An allocation takes its whole size until it is released. Fresh memory reads as zero.
template <lock Lock>
class vram {
 public:
  /// An allocation: a number, so that a second release is caught.
  struct memory {
    std::uint32_t id = 0;
  };

  vram(byte_count capacity, page_owner owner, physical_memory<Lock>& frames, iommu<Lock>& dma, failure_plan& failures,
       report& broken, steps& hooks)
      : capacity_(capacity),
        owner_(owner),
        frames_(frames),
        iommu_(dma),
        failures_(failures),
        report_(broken),
        steps_(hooks),
        next_frame_(frames.first_device_frame()),
        free_pages_(pages_in(capacity, page_size).value) {}

  [[nodiscard]] result<memory> allocate(byte_count size) noexcept {
    if (failures_.strikes(failure::populate)) return errc::no_device_memory;
    exclusive_guard const guard{lock_};
    std::size_t const count = pages_in(size, page_size).value;
    if (count > free_pages_) return errc::no_device_memory;
    free_pages_ -= count;
    allocations_.push_back({next_id_++, {}});
    std::vector<std::uint32_t>& taken = allocations_.back().frames;
    for (std::size_t i = 0; i < count; ++i) {
      if (free_.empty()) {
        taken.push_back(next_frame_++);
      } else {
        taken.push_back(free_.back());
        free_.pop_back();
      }
      std::memset(frames_.at(taken.back()).bytes.get(), 0, page_bytes);
    }
    return memory{allocations_.back().id};
  }

  [[nodiscard]] errc pages(memory& m, std::span<page> out) noexcept {
    exclusive_guard const guard{lock_};
    auto const found = find_locked(m);
    if (found == allocations_.end() || found->frames.size() != out.size()) return errc::unsupported;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = frames_.handle(found->frames[i]);
    return errc::ok;
  }

  void release(memory& m) noexcept {
    exclusive_guard const guard{lock_};
    auto const found = find_locked(m);
    if (found == allocations_.end()) {
      report_.violation("O-30", "an allocation of device memory is released twice");
      return;
    }
    for (auto n = found->frames.rbegin(); n != found->frames.rend(); ++n) free_.push_back(*n);
    free_pages_ += found->frames.size();
    allocations_.erase(found);
  }

  [[nodiscard]] errc copy_to_device(std::span<copy_block<page> const> job) noexcept { return copy(job, true); }
  [[nodiscard]] errc copy_to_system(std::span<copy_block<page> const> job) noexcept { return copy(job, false); }

  [[nodiscard]] result<device_address> map(page p, page_order order, dma_direction direction) noexcept {
    if (!frames_.is_alive(p)) report_.violation("O-01", "a device page that is not alive is mapped");
    return device_address{dma_addr{std::uint64_t{p.frame} * page_bytes}, interconnect::local, order, direction};
  }
  void unmap(device_address const& address) noexcept {
    page const p = frames_.handle(static_cast<std::uint32_t>(address.address.value / page_bytes));
    if (frames_.of(p).gpu_maps.load() != 0)
      report_.violation("O-27", "a device page is unmapped while a GPU page table has it");
  }

  [[nodiscard]] page_owner owner() noexcept { return owner_; }
  [[nodiscard]] byte_count capacity() noexcept { return capacity_; }
  [[nodiscard]] byte_count available() noexcept {
    exclusive_guard const guard{lock_};
    return page_size * free_pages_;
  }
  [[nodiscard]] byte_count used() noexcept { return capacity_ - available(); }

 private:
  struct allocation {
    std::uint32_t id;
    std::vector<std::uint32_t> frames;
  };

  [[nodiscard]] auto find_locked(memory const& m) {
    return std::ranges::find_if(allocations_, [&](allocation const& a) { return a.id == m.id; });
  }

  [[nodiscard]] errc copy(std::span<copy_block<page> const> job, bool to_device) {
    steps_.at(step::copying);
    if (job.empty()) report_.violation("O-13", "an empty copy job is submitted");
    if (failures_.strikes(failure::copy)) return errc::copy_failed;
    for (copy_block<page> const& block : job) {
      page const system = iommu_.resolve(block.system, !to_device);
      if (!frames_.is_alive(system) || !frames_.is_alive(block.device)) {
        report_.violation("O-03", "a copy touches a page that is not alive");
        return errc::copy_failed;
      }
      std::byte* const a = frames_.bytes(block.device);
      std::byte* const b = frames_.bytes(system);
      if (frames_.of(block.device).gpu_maps.load() != 0 && !to_device)
        report_.violation("O-13", "the source of a copy is still mapped by a GPU");
      to_device ? std::memcpy(a, b, page_bytes) : std::memcpy(b, a, page_bytes);
    }
    return errc::ok;
  }

  byte_count const capacity_;
  page_owner const owner_;
  physical_memory<Lock>& frames_;
  iommu<Lock>& iommu_;
  failure_plan& failures_;
  report& report_;
  steps& steps_;
  typename Lock::template mutex<lock_rank::leaf_device_memory> lock_;
  std::vector<std::uint32_t> free_;  // newest last: reused first
  std::uint32_t next_frame_;         // never used so far
  std::uint64_t free_pages_;
  std::vector<allocation> allocations_;
  std::uint32_t next_id_ = 1;
};

}  // namespace svm::inline v0::mock

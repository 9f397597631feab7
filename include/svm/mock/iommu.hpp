// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/device.hpp>
#include <svm/mock/failure.hpp>
#include <svm/mock/physical_memory.hpp>

namespace svm::inline v0::mock {

/// The IOMMU: it knows every DMA mapping, so an access through a dead one is caught.
///
/// It is as unkind as a real one may be: the first address is 0, and an address is reused as soon as it is free.
template <lock Lock>
class iommu {
 public:
  iommu(physical_memory<Lock>& memory, failure_plan& failures, report& broken)
      : memory_(memory), failures_(failures), report_(broken) {}

  /// Where the first address is taken from; 0 unless a test says otherwise.
  void start_at(dma_addr first) { base_ = first.value; }

  [[nodiscard]] result<dma_addr> map(page p, dma_direction direction) {
    if (failures_.strikes(failure::dma_map)) return errc::dma_map_failed;
    exclusive_guard const guard{lock_};
    if (!memory_.is_alive(p)) report_.violation("O-03", "a page that is not alive is mapped for DMA");
    std::uint64_t slot = 0;
    if (free_.empty()) {
      slot = entries_.size();
      entries_.push_back({});
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    entries_[slot] = {p, direction, true};
    memory_.of(p).dma_maps.fetch_add(1);
    ++live_;
    return dma_addr{base_ + slot * page_bytes};
  }

  void unmap(dma_addr address, dma_direction direction) {
    exclusive_guard const guard{lock_};
    entry* const e = find_locked(address);
    if (e == nullptr) {
      report_.violation("O-07", "a DMA address that is not mapped is unmapped");
      return;
    }
    if (e->direction != direction) report_.violation("O-07", "a DMA mapping is ended with another direction");
    frame& f = memory_.of(e->target);
    if (f.gpu_maps.load() != 0 && f.dma_maps.load() == 1)
      report_.violation("O-27", "a page is unmapped from the IOMMU while a GPU page table has it");
    f.dma_maps.fetch_sub(1);
    e->live = false;
    free_.push_back((address.value - base_) / page_bytes);
    --live_;
  }

  /// The page behind a DMA address, for an access in the direction `to_memory` (the device writes) or from it.
  ///
  /// Reports O-10 and returns no page when the mapping is dead or does not allow the access.
  [[nodiscard]] page resolve(dma_addr address, bool to_memory) {
    exclusive_guard const guard{lock_};
    entry const* const e = find_locked(address);
    if (e == nullptr) {
      report_.violation("O-10", "a device access through a DMA address that is not mapped");
      return {};
    }
    if (to_memory ? e->direction == dma_direction::to_device : e->direction == dma_direction::from_device) {
      report_.violation("O-10", "a device access against the direction of its DMA mapping");
      return {};
    }
    return e->target;
  }

  /// The page behind a DMA address, or none; reports nothing.
  [[nodiscard]] page peek(dma_addr address) {
    exclusive_guard const guard{lock_};
    entry const* const e = find_locked(address);
    return e == nullptr ? page{} : e->target;
  }

  [[nodiscard]] std::uint64_t live() {
    exclusive_guard const guard{lock_};
    return live_;
  }

 private:
  struct entry {
    page target{};
    dma_direction direction{};
    bool live = false;
  };

  [[nodiscard]] entry* find_locked(dma_addr address) {
    std::uint64_t const slot = (address.value - base_) / page_bytes;
    return slot < entries_.size() && entries_[slot].live ? &entries_[slot] : nullptr;
  }

  physical_memory<Lock>& memory_;
  failure_plan& failures_;
  report& report_;
  typename Lock::template mutex<lock_rank::leaf_iommu> lock_;
  std::vector<entry> entries_;
  std::vector<std::uint64_t> free_;  // newest last: reused first
  std::uint64_t base_ = 0;
  std::uint64_t live_ = 0;
};

}  // namespace svm::inline v0::mock

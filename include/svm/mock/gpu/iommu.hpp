// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/device.hpp>
#include <svm/mock/machine/failure.hpp>
#include <svm/mock/cpu/physical_memory.hpp>
#include <svm/mock/machine/number_map.hpp>
#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// How a GPU reaches system memory.
enum class iommu_mode : std::uint8_t {
  direct,    ///< each run is mapped at an address of its own
  reserved,  ///< addresses can also be set aside, and runs linked there
  bounce,    ///< through shadow pages: what one side writes the other sees after a sync, or at the end of the mapping
};

/// The IOMMU of one GPU: it knows every DMA mapping, so an access through a dead one is caught.
///
/// It is as unkind as a real one may be: the first address is 0, and an address is reused as soon as it is free.
template <lock Lock, std::size_t PageBytes = 4096>
class iommu {
 public:
  static constexpr byte_count page_size{PageBytes};

  iommu(physical_memory<Lock, PageBytes>& memory, failure_plan& failures, report& broken, unsigned gpu = 0,
        iommu_mode mode = iommu_mode::direct)
      : memory_(memory), failures_(failures), report_(broken), gpu_(gpu), mode_(mode) {}

  /// Where the first address is taken from; 0 unless a test says otherwise.
  void start_at(dma_addr first) { base_ = first.value; }
  /// Whose IOMMU it is.
  [[nodiscard]] unsigned gpu() const { return gpu_; }
  [[nodiscard]] failure_plan& failures() { return failures_; }

  [[nodiscard]] result<dma_addr> map(page p, dma_direction direction, page_count count = {1}) {
    if (failures_.strikes(failure::dma_map)) return errc::dma_map_failed;
    exclusive_guard const guard{lock_};
    std::uint64_t const slot = take_locked(count.value);
    enter_locked(slot, p, count, direction);
    for (std::uint64_t i = 0; i < count.value; ++i) entries_[slot + i].synced = true;
    return dma_addr{base_ + slot * PageBytes};
  }

  void unmap(dma_addr address, dma_direction direction, page_count count = {1}) {
    exclusive_guard const guard{lock_};
    entry const* const e = find_locked(address);
    if (e == nullptr) {
      report_.violation("O-07", "a DMA address that is not mapped is unmapped");
      return;
    }
    if (!e->first || e->reserved || e->count != count) {
      report_.violation("O-07", "what is unmapped from the IOMMU is not what was mapped");
      return;
    }
    leave_locked(slot_of(address), direction);
    free_[count.value].push_back(slot_of(address));
  }

  // Addresses that are set aside.

  /// \errors unsupported, dma_map_failed
  [[nodiscard, gnu::cold]] result<dma_addr> reserve(byte_count size) {
    if (mode_ != iommu_mode::reserved) return errc::unsupported;
    if (failures_.strikes(failure::iova)) return errc::dma_map_failed;
    exclusive_guard const guard{lock_};
    std::uint64_t const count = pages_in(size, page_size).value;
    std::uint64_t const slot = take_locked(count);
    for (std::uint64_t i = 0; i < count; ++i) entries_[slot + i].reserved = true;
    ++reservations_;
    return dma_addr{base_ + slot * PageBytes};
  }
  [[nodiscard, gnu::cold]] errc link(dma_addr base, byte_count offset, page p, page_count count,
                                     dma_direction direction) {
    if (failures_.strikes(failure::dma_map)) return errc::dma_map_failed;
    exclusive_guard const guard{lock_};
    std::uint64_t const slot = slot_of(base + offset);
    for (std::uint64_t i = 0; i < count.value; ++i)
      if (slot + i >= entries_.size() || !entries_[slot + i].reserved || entries_[slot + i].live) {
        report_.violation("O-07", "a run is linked where nothing is set aside for it");
        return errc::dma_map_failed;
      }
    enter_locked(slot, p, count, direction);
    return errc::ok;
  }
  [[nodiscard, gnu::cold]] errc sync(dma_addr base, byte_count size) {
    if (failures_.strikes(failure::iova)) return errc::dma_map_failed;
    exclusive_guard const guard{lock_};
    for (std::uint64_t i = 0; i < pages_in(size, page_size).value; ++i) entries_[slot_of(base) + i].synced = true;
    return errc::ok;
  }
  [[gnu::cold]] void release(dma_addr base, byte_count size, byte_count linked, dma_direction direction) {
    exclusive_guard const guard{lock_};
    std::uint64_t const first = slot_of(base);
    std::uint64_t const count = pages_in(size, page_size).value;
    bool as_linked = true;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!entries_[first + i].reserved) {
        report_.violation("O-07", "addresses are given up that were not set aside");
        return;
      }
      as_linked = as_linked && entries_[first + i].live == (i < pages_in(linked, page_size).value);
    }
    if (!as_linked) report_.violation("O-07", "addresses are given up with other links than they have");
    for (std::uint64_t i = 0; i < count; ++i) {
      if (entries_[first + i].live) leave_locked(first + i, direction);  // its whole block
      entries_[first + i] = {};
    }
    --reservations_;
    free_[count].push_back(first);
  }

  // What a GPU does.

  /// A page behind a DMA address, and the content that the device meets there.
  struct reached {
    page target{};
    page_content<PageBytes>* content = nullptr;
  };
  /// What is behind a DMA address, for an access in the direction `to_memory` (the device writes) or from it.
  ///
  /// Reports O-10 and returns no page when the mapping is dead or does not allow the access.
  [[nodiscard]] reached reach(dma_addr address, bool to_memory) {
    shared_guard const guard{lock_};
    entry const* const e = find_allowed_locked(address, to_memory);
    if (e == nullptr) return {};
    if (auto const shadow = shadows_.find(slot_of(address)); shadow != shadows_.end())
      return {e->target, &shadow->second};
    return {e->target, &memory_.content(e->target, to_memory)};
  }
  [[nodiscard]] page resolve(dma_addr address, bool to_memory) { return reach(address, to_memory).target; }
  /// The page behind a DMA address, or none; reports nothing.
  [[nodiscard]] page peek(dma_addr address) {
    shared_guard const guard{lock_};
    entry const* const e = find_locked(address);
    return e == nullptr ? page{} : e->target;
  }

  void sync_for_device(dma_addr address, page_count count, dma_direction) { sync_shadow(address, count, true); }
  void sync_for_system(dma_addr address, page_count count, dma_direction) { sync_shadow(address, count, false); }

  /// Which frames were mapped or unmapped; to be looked at when nothing is under way.
  [[nodiscard]] touched& changed_frames() { return changed_frames_; }
  /// True when nobody has the lock.
  [[nodiscard]] bool is_at_rest() {
    if (!lock_.try_lock()) return false;
    lock_.unlock();
    return true;
  }
  /// The number of runs that are mapped or linked, each as one block.
  [[nodiscard]] std::uint64_t live() {
    exclusive_guard const guard{lock_};
    return live_;
  }
  [[nodiscard]] std::uint64_t reservations() {
    exclusive_guard const guard{lock_};
    return reservations_;
  }

 private:
  struct entry {
    page target{};
    dma_direction direction{};
    page_count count{};  ///< of the block
    bool live = false;
    bool first = false;     ///< a block begins here
    bool reserved = false;  ///< set aside
    bool synced = false;    ///< reachable
  };

  [[nodiscard]] std::uint64_t slot_of(dma_addr address) const { return (address.value - base_) / PageBytes; }
  [[nodiscard]] entry* find_locked(dma_addr address) SVM_REQUIRES_SHARED(lock_) {
    std::uint64_t const slot = slot_of(address);
    return slot < entries_.size() && entries_[slot].live ? &entries_[slot] : nullptr;
  }
  [[nodiscard]] entry* find_allowed_locked(dma_addr address, bool to_memory) SVM_REQUIRES_SHARED(lock_) {
    entry* const e = find_locked(address);
    if (e == nullptr || !e->synced) {
      report_.violation("O-10", "a device access through a DMA address that is not mapped");
      return nullptr;
    }
    if (to_memory ? e->direction == dma_direction::to_device : e->direction == dma_direction::from_device) {
      report_.violation("O-10", "a device access against the direction of its DMA mapping");
      return nullptr;
    }
    return e;
  }

  [[nodiscard]] std::uint64_t take_locked(std::uint64_t count) SVM_REQUIRES(lock_) {
    plain_list<std::uint64_t>& same_size = free_[count];
    if (same_size.empty()) {
      entries_.resize(entries_.size() + count);
      return entries_.size() - count;
    }
    std::uint64_t const slot = same_size.back();
    same_size.pop_back();
    return slot;
  }
  void enter_locked(std::uint64_t slot, page p, page_count count, dma_direction direction) SVM_REQUIRES(lock_) {
    if (count.value == 0) report_.violation("O-07", "a run of no pages is mapped");
    for (std::uint64_t i = 0; i < count.value; ++i) {
      entry& e = entries_[slot + i];
      e.target = {frame_behind(p, i), p.generation};
      if (!memory_.is_alive(e.target)) report_.violation("O-03", "a page that is not alive is mapped for DMA");
      e.direction = direction;
      e.count = count;
      e.live = true;
      e.first = i == 0;
      if (mode_ == iommu_mode::bounce) {
        auto& shadow = shadows_[slot + i];
        shadow.make();
        shadow.copy(memory_.content(e.target));
      }
      changes<Lock>("frame", e.target.frame);
      changed_frames_.note(e.target.frame, e.target.frame);
      memory_.of(e.target).dma_maps.fetch_add(1);
    }
    ++live_;
  }
  void leave_locked(std::uint64_t slot, dma_direction direction) SVM_REQUIRES(lock_) {
    std::uint64_t const count = entries_[slot].count.value;
    if (entries_[slot].direction != direction)
      report_.violation("O-07", "a DMA mapping is ended with another direction");
    bool used = false;
    for (std::uint64_t i = 0; i < count; ++i) {
      entry& e = entries_[slot + i];
      auto& f = memory_.of(e.target);
      changes<Lock>("frame", e.target.frame);
      changed_frames_.note(e.target.frame, e.target.frame);
      used = used || (f.gpu_maps.load() != 0 && f.dma_maps.load() == 1);
      f.dma_maps.fetch_sub(1);
      if (auto const shadow = shadows_.find(slot + i); shadow != shadows_.end()) {
        if (direction != dma_direction::to_device && memory_.is_alive(e.target))
          memory_.content(e.target).sync(shadow->second);
        shadows_.erase(shadow);
      }
      e.live = e.first = false;
      if (!e.reserved) e.synced = false;
    }
    if (used) report_.violation("O-27", "a page is unmapped from the IOMMU while a GPU page table has it");
    --live_;
  }
  [[gnu::cold]] void sync_shadow(dma_addr address, page_count count, bool to_device) {
    exclusive_guard const guard{lock_};
    if (count.value == 0) report_.violation("O-07", "a run of no pages is synced");
    for (std::uint64_t i = 0; i < count.value; ++i) {
      entry* const e = find_locked(address + page_size * i);
      if (e == nullptr) {
        report_.violation("O-07", "a DMA address that is not mapped is synced");
        return;
      }
      auto const shadow = shadows_.find(slot_of(address) + i);
      if (shadow == shadows_.end()) continue;
      auto& memory = memory_.content(e->target);
      to_device ? shadow->second.sync(memory) : memory.sync(shadow->second);
    }
  }

  physical_memory<Lock, PageBytes>& memory_;
  failure_plan& failures_;
  report& report_;
  unsigned const gpu_;
  iommu_mode const mode_;
  typename Lock::template shared_mutex<lock_rank::leaf_iommu> lock_;
  plain_list<entry> entries_;
  number_map<page_content<PageBytes>> shadows_;  // of entries, by slot
  number_map<plain_list<std::uint64_t>> free_;   // by size; newest last: reused first
  std::uint64_t base_ = 0;
  std::uint64_t live_ = 0;
  std::uint64_t reservations_ = 0;
  touched changed_frames_;
};

}  // namespace svm::inline v0::mock

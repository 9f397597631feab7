// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/concepts/upcalls.hpp>
#include <svm/mock/failure.hpp>
#include <svm/mock/report.hpp>

namespace svm::inline v0::mock {

inline constexpr byte_count page_size{4096};
inline constexpr std::size_t page_bytes = page_size.value;

/// A handle of a page: a frame, and which life of it is meant. A plain value that holds no reference.
struct page {
  std::uint32_t frame = 0;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(page, page) = default;
};

enum class frame_kind : std::uint8_t { free, ram, zero, device };

/// One page frame of system or device memory.
///
/// References: one of the page table that maps it (or of the page cache), and one of everybody who works on it.
struct frame {
  std::atomic<std::uint32_t> generation{1};
  std::atomic<std::uint32_t> dma_maps{0};  ///< live IOMMU mappings of it
  std::atomic<std::uint32_t> gpu_maps{0};  ///< entries in GPU page tables
  std::uint32_t references = 0;
  frame_kind kind = frame_kind::free;
  bool locked = false;
  bool faulting = false;  ///< a CPU fault is bringing it back; others wait
  bool mapped = false;    ///< a CPU page table has it, at `mapped_at` (a migration keeps that while it works)
  std::uint64_t mapped_at = 0;
  device_page_owner<page>* behind = nullptr;
  std::unique_ptr<std::byte[]> bytes;
};

/// All page frames of the machine: system memory first, then each device's.
///
/// `lock()` (leaf_page_table) guards everything in a frame but its bytes and its atomics. Frames never move. The bytes
/// of a dead frame are filled with garbage, so that a stale reader is caught.
template <lock Lock>
class physical_memory {
 public:
  using lock_type = typename Lock::template mutex<lock_rank::leaf_page_table>;

  physical_memory(byte_count ram, byte_count vram, failure_plan& failures, report& broken)
      : failures_(failures),
        report_(broken),
        end_of_ram_(2 + static_cast<std::uint32_t>(pages_in(ram, page_size).value)),
        first_device_frame_((end_of_ram_ + block_frames - 1) & ~(block_frames - 1)),
        blocks_(((first_device_frame_ + pages_in(vram, page_size).value) >> block_shift) + 1) {
    frame& zero = at(zero_frame);
    zero.kind = frame_kind::zero;
    zero.references = 1;
    std::memset(zero.bytes.get(), 0, page_bytes);
    next_ram_ = 2;
  }

  [[nodiscard]] lock_type& lock() { return lock_; }

  /// The frame with a number, made when it is first asked for; under `lock()` for system memory, under the lock of the
  /// device's memory for the rest.
  [[nodiscard]] frame& at(std::uint32_t number) {
    std::unique_ptr<frame[]>& block = blocks_[number >> block_shift];
    if (!block) block = std::make_unique<frame[]>(block_frames);
    frame& f = block[number & (block_frames - 1)];
    if (!f.bytes) f.bytes = std::make_unique<std::byte[]>(page_bytes);
    return f;
  }
  /// The frame of a page that somebody has seen alive.
  [[nodiscard]] frame& of(page p) { return blocks_[p.frame >> block_shift][p.frame & (block_frames - 1)]; }
  [[nodiscard]] bool is_alive(page p) { return p.frame != 0 && of(p).generation.load() == p.generation; }
  [[nodiscard]] page handle(std::uint32_t number) { return {number, at(number).generation.load()}; }
  [[nodiscard]] page zero_page() { return handle(zero_frame); }
  [[nodiscard]] static bool is_zero(page p) { return p.frame == zero_frame; }
  [[nodiscard]] bool is_device(page p) const { return p.frame >= first_device_frame_; }
  [[nodiscard]] std::uint32_t first_device_frame() const { return first_device_frame_; }
  [[nodiscard]] std::byte* bytes(page p) { return of(p).bytes.get(); }

  /// A system page with one reference, unlocked; its bytes are garbage.
  ///
  /// \errors no_ram
  [[nodiscard]] result<page> allocate_ram() {
    if (failures_.strikes(failure::ram)) return errc::no_ram;
    exclusive_guard const guard{lock_};
    std::uint32_t number = 0;
    if (!free_ram_.empty()) {
      number = free_ram_.back();
      free_ram_.pop_back();
    } else if (next_ram_ < end_of_ram_) {
      number = next_ram_++;
    } else {
      return errc::no_ram;
    }
    frame& f = at(number);
    f.kind = frame_kind::ram;
    f.references = 1;
    ++ram_used_;
    return page{number, f.generation.load()};
  }

  /// Drops a reference; the last one frees the frame, or tells what stands behind a device page.
  void put(page p) {
    device_page_owner<page>* behind = nullptr;
    {
      exclusive_guard const guard{lock_};
      behind = put_locked(p);
    }
    if (behind != nullptr) behind->page_freed();
  }

  /// As `put`, under the lock; the caller calls `page_freed` of what comes back, without the lock.
  [[nodiscard]] device_page_owner<page>* put_locked(page p) {
    frame& f = of(p);
    if (!is_alive(p) || f.references == 0) {
      report_.violation("O-31", "a reference on a page that is not alive is dropped");
      return nullptr;
    }
    if (--f.references != 0 || f.kind == frame_kind::zero) return nullptr;
    if (f.dma_maps.load() != 0) report_.violation("O-03", "a page is freed while the IOMMU maps it");
    if (f.gpu_maps.load() != 0) report_.violation("O-03", "a page is freed while a GPU page table has it");
    if (f.locked) report_.violation("O-31", "a page is freed while it is locked");
    if (f.mapped) report_.violation("O-11", "a page is freed while the CPU's page table has it");
    f.generation.fetch_add(1);
    std::memset(f.bytes.get(), 0xdb, page_bytes);
    if (f.kind == frame_kind::device) {
      f.kind = frame_kind::free;
      return std::exchange(f.behind, nullptr);
    }
    f.kind = frame_kind::free;
    free_ram_.push_back(p.frame);
    --ram_used_;
    return nullptr;
  }

  [[nodiscard]] byte_count ram_used() {
    exclusive_guard const guard{lock_};
    return page_size * ram_used_;
  }

 private:
  static constexpr unsigned block_shift = 9;
  static constexpr std::uint32_t block_frames = 1u << block_shift;
  static constexpr std::uint32_t zero_frame = 1;  // 0 is no frame

  failure_plan& failures_;
  report& report_;
  std::uint32_t const end_of_ram_;
  std::uint32_t const first_device_frame_;  // on a block boundary, so that the two kinds never share a block
  lock_type lock_;
  std::vector<std::unique_ptr<frame[]>> blocks_;
  std::vector<std::uint32_t> free_ram_;  // newest last: reused first
  std::uint32_t next_ram_ = 0;
  std::uint64_t ram_used_ = 0;
};

}  // namespace svm::inline v0::mock

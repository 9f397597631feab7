// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <svm/base/units.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/concepts/upcalls.hpp>
#include <svm/mock/cpu/page_content.hpp>
#include <svm/mock/machine/plain_list.hpp>

namespace svm::inline v0::mock {

/// The page size of the usual machine.
inline constexpr byte_count page_size{4096};
/// The same as a number.
inline constexpr std::size_t page_bytes = page_size.value;
/// The size of a huge page, on every machine.
inline constexpr byte_count huge_page_size{2 << 20};

template <lock Lock, std::size_t PageBytes>
class address_space;

/// A handle of a page: a frame, and which life of it is meant. A plain value that holds no reference.
struct page {
  std::uint32_t frame = 0;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(page, page) = default;
};

/// The page `n` frames behind another one of the same block.
[[nodiscard]] constexpr std::uint32_t frame_behind(page p, std::uint64_t n) {
  return p.frame + static_cast<std::uint32_t>(n);
}

/// What a frame is used for.
enum class frame_kind : std::uint8_t { free, ram, zero, device };

/// One place where a CPU page table maps a page.
template <lock Lock, std::size_t PageBytes>
struct mapping_site {
  address_space<Lock, PageBytes>* space = nullptr;
  cpu_va at{};
  friend bool operator==(mapping_site const&, mapping_site const&) = default;
};

/// One page frame of system or device memory.
///
/// Frames form blocks of 2^order (folios). The first frame of a block, its head, has the references and the lock of the
/// block: one reference of each page-table entry that maps a page of it, one of the page cache, and one of everybody
/// who works on it.
template <lock Lock, std::size_t PageBytes>
struct frame {
  std::atomic<std::uint32_t> generation{1};
  std::atomic<std::uint32_t> dma_maps{0};  ///< live IOMMU mappings of it
  std::atomic<std::uint32_t> gpu_maps{0};  ///< entries in GPU page tables
  frame_kind kind = frame_kind::free;
  std::uint16_t tail = 0;     ///< how far it lies behind its head
  bool lost = false;          ///< a reset of its GPU lost the content
  bool coherent = false;      ///< device memory that the CPU reaches in place
  bool taken = false;         ///< device memory that is part of an allocation
  page_owner owner = nobody;  ///< whose device memory it is
  device_page_owner<page>* owner_object = nullptr;
  plain_list<mapping_site<Lock, PageBytes>> mappings;  ///< where page tables map it; a migration keeps them
  page_content<PageBytes> content;

  // Of a head only.
  page_order order{};
  bool locked = false;
  bool faulting = false;         ///< a CPU fault is bringing a page of it back; others wait
  std::uint16_t fault_tail = 0;  ///< which page that is
  std::uint32_t references = 0;
  std::uint32_t mapped = 0;  ///< page-table entries that map pages of the block
  std::uint32_t pins = 0;    ///< long-term pins among the references
  std::uint32_t cached = 0;  ///< references of the page cache among the references
};

/// A block whose last reference is gone, to be told to what stands behind it once no lock is held.
struct freed_block {
  device_page_owner<page>* owner;
  page first;
  page_order order;
};
/// Blocks that somebody has to be told of.
using freed_list = plain_list<freed_block>;

/// Tells the owner of each block that it is free.
inline void tell(freed_list const& freed) {
  for (freed_block const& block : freed) block.owner->page_freed(block.first, block.order);
}

}  // namespace svm::inline v0::mock

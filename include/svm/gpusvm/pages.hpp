// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/construct.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

/// What a caller of get_pages asks for.
struct page_options {
  bool read_only = false;    ///< the device will only read
  bool devmem_only = false;  ///< system pages will not do
};

/// The state of a `pages` object, one word, so that a reader without a lock sees a consistent set.
enum class page_flag : std::uint32_t {
  mapped = 1,     ///< DMA mappings exist
  valid = 2,      ///< the device may use them
  device = 4,     ///< they are of device memory
  read_only = 8,  ///< the device may not write through them
};

/// The mapping of a span for one device: the device's addresses of its pages, and whether they may be used.
///
/// An invalidation clears `valid` first, then the device forgets the span, then the mappings end and `mapped` is
/// cleared.
///
/// Invariants: 1. valid => mapped. 2. mapped <=> there are blocks, and then the blocks add up to the span.
/// 3. all blocks lie in one place: system memory, or one allocation of device memory.
///
/// Locks: changed with the range lock and the notifier lock shared, or the notifier lock exclusive. The flags may be
/// read at any time; the blocks with the range lock, or the notifier lock exclusive: shared alone will not do.
///
/// \source struct drm_gpusvm_pages
template <policies P>
class pages {
 public:
  using entry = page_entry<typename P::mm::page>;
  using block_array = scratch_array<device_address, typename P::allocator>;

  explicit pages(environment<P>& env) : env_(env), blocks_(env.memory) {}
  pages(pages const&) = delete;
  pages& operator=(pages const&) = delete;
  ~pages() { SVM_ASSERT(!has(page_flag::mapped)); }

  [[nodiscard]] bool has(page_flag flag) const { return (flags_.load() & static_cast<std::uint32_t>(flag)) != 0; }

  /// True when the mapping is valid and good for `wanted`: one that is read-only serves no write, one of system
  /// memory serves nobody who demands device memory.
  [[nodiscard]] bool satisfies(page_options wanted) const {
    std::uint32_t const now = flags_.load();
    auto const is = [now](page_flag flag) { return (now & static_cast<std::uint32_t>(flag)) != 0; };
    return is(page_flag::valid) && (wanted.read_only || !is(page_flag::read_only)) &&
           (!wanted.devmem_only || is(page_flag::device));
  }

  /// \pre the range lock is held, or the notifier lock exclusive, or nothing is under way
  [[nodiscard]] std::span<device_address const> blocks_locked() const { return {blocks_.data(), count_}; }

  /// Maps what a page walk found, and makes it valid.
  ///
  /// \param found  an element a base page of the span, all present
  /// \param room   at least as many elements; its memory is taken over on success
  /// \pre    not mapped; the locks of the class comment
  /// \errors mixed_placement, not_in_device_memory, dma_map_failed: nothing is mapped
  /// \allocs none
  [[nodiscard]] errc map(std::span<entry const> found, page_options wanted, block_array& room);

  /// Makes the mapping invalid; the device may still have it.
  void invalidate() { flags_.fetch_and(~static_cast<std::uint32_t>(page_flag::valid)); }

  /// Ends the DMA mappings, if there are any.
  ///
  /// \pre the device has forgotten the span
  void unmap() {
    unmap_blocks(blocks_, count_);
    count_ = 0;
    flags_.store(0);
  }

 private:
  [[nodiscard]] errc map_block(entry const& first, page_order order, dma_direction direction, device_address& out) {
    if (first.place == page_place::device) {
      result<device_address> const mapped = env_.pagemap.map(first.page, order, direction);
      if (!mapped) return mapped.error();
      out = *mapped;
      return errc::ok;
    }
    result<dma_addr> const mapped = env_.device.dma_map(first.page, order, direction);
    if (!mapped) return mapped.error();
    out = {*mapped, interconnect::system, order, direction};
    return errc::ok;
  }

  void unmap_blocks(block_array const& blocks, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      if (blocks[i].path == interconnect::system)
        env_.device.dma_unmap(blocks[i].address, blocks[i].order, blocks[i].direction);
      else
        env_.pagemap.unmap(blocks[i]);
  }

  environment<P>& env_;
  block_array blocks_;
  std::size_t count_ = 0;
  typename P::lock::template atomic<std::uint32_t> flags_{0};
};

template <policies P>
errc pages<P>::map(std::span<entry const> found, page_options wanted, block_array& room) {
  SVM_ASSERT(!has(page_flag::mapped));
  entry const& first = found.front();
  for (entry const& e : found)
    if (e.place != first.place || e.behind != first.behind) return errc::mixed_placement;
  if (wanted.devmem_only && first.place == page_place::system) return errc::not_in_device_memory;

  dma_direction const direction = wanted.read_only ? dma_direction::to_device : dma_direction::bidirectional;
  std::size_t mapped = 0;
  scope_guard undo{[&] { unmap_blocks(room, mapped); }};
  for (std::size_t i = 0; i < found.size();) {
    // A block ends with the folio or with the span, whichever comes first.
    auto const left = static_cast<std::uint8_t>(std::bit_width(found.size() - i) - 1);
    page_order const order{found[i].order.value < left ? found[i].order.value : left};
    if (errc const e = map_block(found[i], order, direction, room[mapped]); e != errc::ok) return e;
    ++mapped;
    i += order.pages().value;
  }
  undo.dismiss();
  blocks_.swap(room);
  count_ = mapped;
  auto flags = static_cast<std::uint32_t>(page_flag::mapped) | static_cast<std::uint32_t>(page_flag::valid);
  if (first.place == page_place::device) flags |= static_cast<std::uint32_t>(page_flag::device);
  if (wanted.read_only) flags |= static_cast<std::uint32_t>(page_flag::read_only);
  flags_.store(flags);
  return errc::ok;
}

}  // namespace svm::inline v0

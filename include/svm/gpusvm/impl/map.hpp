// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/device_mapping.hpp>

// device_mapping::map and its steps.

namespace svm::inline v0 {

/// Says whether these pages may be one mapping, and what its flags would be.
///
/// \param uniform  they are all of one place, owner and owner object
template <svm_policies P>
[[gnu::always_inline]] inline errc device_mapping<P>::classify(std::span<run const> found, page_options const& wanted,
                                                               bool uniform, std::uint32_t& flags) const {
  run const* device = nullptr;
  run const* system = nullptr;
  if (uniform) {
    (found.front().place == page_place::device ? device : system) = &found.front();
  } else if (!find_firsts(found, wanted, device, system)) {
    return errc::mixed_placement;
  }
  bool const peer = device != nullptr && device->owner != env_.own;
  if (wanted.devmem_only && (system != nullptr || peer)) return errc::not_in_device_memory;
  if (device != nullptr && memory::of(device->owner_object) == nullptr) return errc::unsupported;

  flags = detail::bit(page_flag::mapped) | detail::bit(page_flag::valid);
  if (device != nullptr) flags |= detail::bit(page_flag::device);
  if (system != nullptr) flags |= detail::bit(page_flag::system);
  if (peer) flags |= detail::bit(page_flag::peer);
  if (wanted.read_only) flags |= detail::bit(page_flag::read_only);
  return errc::ok;
}

/// Finds the first run of each kind of memory; false where the runs may not be one mapping.
template <svm_policies P>
bool device_mapping<P>::find_firsts(std::span<run const> found, page_options const& wanted, run const*& device,
                                    run const*& system) {
  for (run const& e : found) {
    run const*& first = e.place == page_place::device ? device : system;
    if (first == nullptr) first = &e;
    if (e.owner != first->owner || (!wanted.allow_mixed && e.owner_object != first->owner_object)) return false;
  }
  return wanted.allow_mixed || device == nullptr || system == nullptr;
}

/// Remembers whose memory a block is.
template <svm_policies P>
void device_mapping<P>::use_memory(memory& used, resources& space) {
  if (memory_ == nullptr) {
    memory_ = &used;
    used.get();
  }
  if (memory_ == &used) return;
  further_memory& more = *space.further_;  // only a mixed mapping comes here
  if (more.count == 0 || more.list[more.count - 1] != &used) more.list[more.count++] = &used;
}

/// Maps a run and adds its block.
template <svm_policies P>
errc device_mapping<P>::map_run(run const& found, resources& space) {
  if (found.place == page_place::device) {
    memory& owner = *memory::of(found.owner_object);
    use_memory(owner, space);
    result<device_address> const mapped = owner.map_run(env_.device, found.page, found.pages(), direction_);
    if (!mapped) return mapped.error();
    blocks_.push_back(*mapped);
    return errc::ok;
  }
  if constexpr (has_iova) {
    if (uses_iova()) {
      if (errc const e = env_.device.link_iova(iova_.base, iova_.linked, found.page, found.pages(), direction_);
          e != errc::ok)
        return e;
      fill_system_block(blocks_.add(), iova_.base + iova_.linked, found.count);
      iova_.linked += found.pages() * P::mm::page_size;
      return errc::ok;
    }
  }
  result<dma_addr> const mapped = env_.device.dma_map(found.page, found.pages(), direction_);
  if (!mapped) return mapped.error();
  fill_system_block(blocks_.add(), *mapped, found.count);
  return errc::ok;
}

/// Maps runs of system memory, each by itself.
template <svm_policies P>
errc device_mapping<P>::map_system_runs(std::span<run const> found) {
  return blocks_.add_each(found, [&](run const& r, device_address& block) {
    result<dma_addr> const mapped = env_.device.dma_map(r.page, r.pages(), direction_);
    if (!mapped) return mapped.error();
    fill_system_block(block, *mapped, r.count);
    return errc::ok;
  });
}

/// Field by field: see address_blocks::add.
template <svm_policies P>
void device_mapping<P>::fill_system_block(device_address& block, dma_addr at, std::uint32_t count) const {
  block.address = at;
  block.path = interconnect::system;
  block.direction = direction_;
  block.count = count;
}

/// Ends the mappings of all blocks.
template <svm_policies P>
void device_mapping<P>::unmap_blocks() {
  bool const one_by_one = !uses_iova();
  for (device_address const& b : blocks_.all()) {
    if (b.path != interconnect::system)
      memory_->unmap_run(env_.device, b);
    else if (one_by_one)
      env_.device.dma_unmap(b.address, b.pages(), b.direction);
  }
  blocks_.forget();
  if constexpr (has_iova) {
    if (!one_by_one) env_.device.release_iova(iova_.base, iova_.size, iova_.linked, direction_);
    iova_.size = iova_.linked = {};
  }
}

template <svm_policies P>
[[gnu::always_inline]] inline errc device_mapping<P>::map(std::span<run const> found, page_options const& wanted,
                                                          resources& space, bool uniform) {
  SVM_ASSERT(!has(page_flag::mapped));
  if constexpr (!has_iova)
    if (found.size() == 1 && found.front().place == page_place::system && !blocks_.has_array())
      return map_system_run(found.front(), wanted);
  return map_runs(found, wanted, space, uniform);
}

/// Maps all there is, one run of system memory, as `map_runs` would.
template <svm_policies P>
[[gnu::always_inline]] inline errc device_mapping<P>::map_system_run(run const& found, page_options const& wanted) {
  if (wanted.devmem_only) return errc::not_in_device_memory;
  direction_ = wanted.read_only ? dma_direction::to_device : dma_direction::bidirectional;
  result<dma_addr> const mapped = env_.device.dma_map(found.page, found.pages(), direction_);
  if (!mapped) return mapped.error();
  fill_system_block(blocks_.add(), *mapped, found.count);
  set_flags(detail::bit(page_flag::mapped) | detail::bit(page_flag::valid) | detail::bit(page_flag::system) |
            (wanted.read_only ? detail::bit(page_flag::read_only) : 0));
  return errc::ok;
}

template <svm_policies P>
errc device_mapping<P>::map_runs(std::span<run const> found, page_options const& wanted, resources& space,
                                 bool uniform) {
  std::uint32_t flags = 0;
  if (errc const e = classify(found, wanted, uniform, flags); e != errc::ok) return e;

  direction_ = wanted.read_only ? dma_direction::to_device : dma_direction::bidirectional;
  if ((flags & detail::bit(page_flag::system)) == 0) space.release_iova();
  if constexpr (has_iova) {
    iova_.base = space.base_;
    iova_.size = std::exchange(space.size_, {});  // goes with the blocks, whatever happens
  }
  bool const takes_room = found.size() > 1 || blocks_.has_array();  // for one there is room without
  if (takes_room) blocks_.swap(space.blocks_);
  if (space.further_ != nullptr) space.further_->count = 0;
  scope_guard undo{[&] {
    unmap_blocks();
    if (takes_room) blocks_.swap(space.blocks_);
    forget_memory();
  }};
  if (uniform && found.front().place == page_place::system && !uses_iova()) {
    if (errc const e = map_system_runs(found); e != errc::ok) return e;
  } else {
    for (run const& r : found)
      if (errc const e = map_run(r, space); e != errc::ok) return e;
  }
  if constexpr (has_iova)
    if (iova_.linked != byte_count{})
      if (errc const e = env_.device.sync_iova(iova_.base, iova_.linked); e != errc::ok) return e;
  undo.dismiss();
  if (space.further_ != nullptr) std::swap(further_, space.further_);
  bool const is_one = further_ == nullptr || further_->count == 0;
  if (memory_ != nullptr && is_one && (flags & detail::bit(page_flag::peer)) == 0) touchable_.store(memory_);
  set_flags(flags);
  return errc::ok;
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/physical_memory.hpp>

// physical_memory: how blocks begin, split and end.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
result<page> physical_memory<Lock, PageBytes>::take(page_order order) {
  exclusive_guard const guard{lock_};
  auto const first = free_.take(order);
  if (!first) return errc::no_ram;
  std::uint32_t newest = 0;  // of the generations, so that the block is a run
  for (std::uint64_t i = 0; i < order.pages().value; ++i)
    newest = newer(newest, at(*first + static_cast<std::uint32_t>(i)));
  for (std::uint64_t i = 0; i < order.pages().value; ++i) {
    frame_type& f = at(*first + static_cast<std::uint32_t>(i));
    f.generation.store(newest);
    f.kind = frame_kind::ram;
    f.tail = static_cast<std::uint16_t>(i);
  }
  frame_type& h = at(*first);
  h.order = order;
  h.references = 1;
  ram_used_ += order.pages().value;
  changed_frames_.note(*first, *first);
  return handle(*first);
}

template <lock Lock, std::size_t PageBytes>
void physical_memory<Lock, PageBytes>::put_locked(page p, freed_list& freed) {
  if (!is_alive(p) || head(p).references == 0) {
    report_.violation("O-31", "a reference on a page that is not alive is dropped");
    return;
  }
  changed_frames_.note(p.frame, p.frame);
  frame_type& h = head(p);
  if (--h.references == 0 && h.kind != frame_kind::zero) free_block_locked(p.frame - of(p).tail, freed);
}

/// Frees a block without references.
template <lock Lock, std::size_t PageBytes>
void physical_memory<Lock, PageBytes>::free_block_locked(std::uint32_t number, freed_list& freed) {
  frame_type& h = at(number);
  page_order const order = h.order;
  page const first = handle(number);
  bool dma = false;
  bool gpu = false;
  bool mapped = false;
  for (std::uint32_t n = number; n < frame_behind(first, order.pages().value); ++n) {
    frame_type& f = at(n);
    changes<Lock>("frame", n);
    dma = dma || f.dma_maps.load() != 0;
    gpu = gpu || f.gpu_maps.load() != 0;
    mapped = mapped || !f.mappings.empty();
    f.generation.fetch_add(1);
    f.kind = frame_kind::free;
    f.tail = 0;
    f.lost = f.coherent = false;
    f.owner = nobody;
    f.mappings.clear();
    f.content.spoil(garbage);
  }
  if (dma) report_.violation("O-03", "a page is freed while the IOMMU maps it");
  if (gpu) report_.violation("O-03", "a page is freed while a GPU page table has it");
  if (h.locked) report_.violation("O-31", "a page is freed while it is locked");
  if (mapped) report_.violation("O-11", "a page is freed while the CPU's page table has it");
  h.order = {};
  h.locked = h.faulting = false;
  h.mapped = h.pins = h.cached = 0;
  if (!is_device(first)) {
    free_.give(number, order);
    ram_used_ -= order.pages().value;
    return;
  }
  live_[gpu_of(first)] -= order.pages().value;
  freed.push_back({h.owner_object, first, order});
  for (std::uint64_t i = 0; i < order.pages().value; ++i) at(frame_behind(first, i)).owner_object = nullptr;
  if (freed.back().owner == nullptr) freed.pop_back();
}

template <lock Lock, std::size_t PageBytes>
bool physical_memory<Lock, PageBytes>::split_locked(page p, std::uint32_t holders, freed_list& freed) {
  page const first = first_of(p);
  frame_type& h = of(first);
  page_order const order = h.order;
  if (order.value == 0) return true;
  if (h.references != h.mapped + holders + (h.faulting ? 1u : 0u)) return false;
  changed_frames_.note(first.frame, frame_behind(first, order.pages().value - 1));
  bool const locked = h.locked;
  bool const faulting = h.faulting;
  std::uint16_t const fault_tail = h.fault_tail;
  h.faulting = false;
  if (h.owner_object != nullptr) h.owner_object->page_split(first, order, {});
  for (std::uint64_t i = 0; i < order.pages().value; ++i) {
    frame_type& f = of(after(first, i));
    f.tail = 0;
    f.order = {};
    f.locked = locked;
    f.mapped = static_cast<std::uint32_t>(f.mappings.size());
    f.references = f.mapped + holders;
    if (faulting && i == fault_tail) {
      f.faulting = true;
      f.fault_tail = 0;
      ++f.references;
    }
    if (f.references == 0) free_block_locked(frame_behind(first, i), freed);
  }
  return true;
}

template <lock Lock, std::size_t PageBytes>
void physical_memory<Lock, PageBytes>::trim_locked(page p, freed_list& freed) {
  if (!is_alive(p)) return;
  page const first = first_of(p);
  frame_type const& h = of(first);
  if (h.order.value == 0 || h.locked || h.mapped == 0) return;
  for (std::uint64_t i = 0; i < h.order.pages().value; ++i)
    if (of(after(first, i)).mappings.empty()) {
      split_locked(first, 0, freed);
      return;
    }
}

template <lock Lock, std::size_t PageBytes>
void physical_memory<Lock, PageBytes>::adopt_locked(page first, page_order order, device_page_owner<page>& owner,
                                                    bool coherent) {
  if (!is_device(first) || (first.frame & (order.pages().value - 1)) != 0)
    report_.violation("O-33", "what is adopted is no block of device memory");
  for (std::uint64_t i = 0; i < order.pages().value; ++i) {
    frame_type& f = of(after(first, i));
    if (f.kind != frame_kind::free)
      report_.violation("O-33", "a page that is not free is adopted");
    else
      ++live_[gpu_of(first)];
    f.kind = frame_kind::device;
    f.tail = static_cast<std::uint16_t>(i);
    f.owner_object = &owner;
    f.owner = owner.owner();
    f.coherent = coherent;
  }
  changed_frames_.note(first.frame, first.frame);
  frame_type& h = of(first);
  h.order = order;
  h.references = 1;
  h.locked = true;
}

}  // namespace svm::inline v0::mock

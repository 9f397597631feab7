// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/gpu/gpu.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
void gpu<Lock, PageBytes>::write_entry(std::uint64_t n, dma_addr address, interconnect path, mapping_access how) {
  entry* const e = find_entry(n);
  if (e == nullptr) {
    report_.violation("O-28", "a bind of a span that was not prepared");
    return;
  }
  clear_entry(*e);
  *e = {.address = address,
        .path = path,
        .present = true,
        .writable = how != mapping_access::read_only,
        .atomic = how == mapping_access::read_write};
  if (path != interconnect::system) {
    e->direct = frames_.peek(address.value / PageBytes);
    e->home = frames_.gpu_of(e->direct);
  }
  page const target = target_of(*e);
  if (!frames_.is_alive(target)) {
    report_.violation("O-01", "a bind to a page that is not alive");
    e->present = false;
    return;
  }
  changes<Lock>("frame", target.frame);
  frames_.of(target).gpu_maps.fetch_add(1);
  tlb_[n % tlb_size] = {};
}

template <lock Lock, std::size_t PageBytes>
void gpu<Lock, PageBytes>::clear_entry(entry& e) {
  if (!e.present) return;
  e.present = false;
  page const target = target_of(e);
  if (target.frame == 0) return;
  changes<Lock>("frame", target.frame);
  frames_.of(target).gpu_maps.fetch_sub(1);
}

/// Ends the entries of a span; their pages count as mapped until the flush.
template <lock Lock, std::size_t PageBytes>
void gpu<Lock, PageBytes>::zap_locked(va_range span) {
  changed_.note(span);
  for_each_entry_locked(span, [&](std::uint64_t n, entry& e) {
    if (!std::exchange(e.present, false)) return;
    if (faults_ == page_faults::fatal && queues_run_)
      report_.violation("O-52", "a mapping goes while the queues run that may use it");
    if (page const target = target_of(e); target.frame != 0) flushing_.push_back({n, target});
  });
}

template <lock Lock, std::size_t PageBytes>
void gpu<Lock, PageBytes>::flush_locked(va_range span) {
  auto const is_inside = [&](std::uint64_t n) { return span.contains(cpu_va{n * PageBytes}); };
  std::size_t kept = 0;
  for (zapped const& z : flushing_) {
    if (is_inside(z.number)) {
      changes<Lock>("frame", z.target.frame);
      frames_.of(z.target).gpu_maps.fetch_sub(1);
    } else {
      flushing_[kept++] = z;
    }
  }
  flushing_.resize(kept);
  std::uint64_t const first = number(span.start());
  std::uint64_t const places = tlb_places(number(span.last()) - first);
  for (std::uint64_t i = 0; i < places; ++i)
    if (tlb_entry& t = tlb_[(first + i) % tlb_size]; t.tag != 0 && is_inside(t.tag - 1)) t = {};
  ++tlb_flushes_;
}

}  // namespace svm::inline v0::mock

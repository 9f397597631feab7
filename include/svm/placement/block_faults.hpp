// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <svm/base/page_mask.hpp>
#include <svm/placement/fault_entry.hpp>
#include <svm/placement/residency.hpp>
#include <svm/placement/thrashing.hpp>

namespace svm::inline v0::placement {

/// What one service of a block has to do.
struct block_service {
  processor_set destinations{};
  std::array<page_mask, processor::most> to{};  ///< pages by destination; only those of `destinations` have any
  page_mask duplicated{};                       ///< pages that stay where they are, too
  page_mask pinned{};                           ///< pages that go where a pin says
  page_mask faulted{};                          ///< all pages of the service
  unsigned duplicates = 0;                      ///< faults on pages that another fault of the batch names
  unsigned invalid_prefetches = 0;
  bool throttled = false;
  bool fatal = false;

  [[nodiscard]] page_mask const& pages_to(processor p) const { return to[p.id]; }
  /// The one destination, of which alone density may prefetch; or nobody.
  [[nodiscard]] processor only_destination() const { return destinations.size() == 1 ? destinations.first() : nobody; }
};

/// What cannot be served of a fault: `permits(entry, access)` says what the memory allows.
///
/// A write that is refused is cancelled alone when reads wait for the same page and may be served.
template <class Permits>
[[nodiscard]] fatality judge(fault_entry const& e, Permits&& permits) {
  if (e.fault.is_fatal) return fatality::all;
  if (e.fault.access == fault_access::prefetch || permits(e, e.fault.access)) return fatality::none;
  if (e.fault.access == fault_access::read) return fatality::all;
  if (!e.accesses.contains(fault_access::read)) return fatality::write_and_atomic;
  return permits(e, fault_access::read) ? fatality::write_and_atomic : fatality::all;
}

/// Looks at all faults of one block, in order, and says where each page goes (rule C3).
///
/// `Batch` has the entries; `which` are those of the block. `View` knows the block: `unsigned page_of(entry)`,
/// `bool permits(entry, access)`, `bool is_authorised(entry, access)` (the GPU may do so already),
/// `thrash_hint hint(entry)`, `residence place(entry, access, thrash_hint)`. Where a service has to begin again for want
/// of memory, this is called again with `first_attempt` false: nothing is counted twice.
template <class Batch, class View>
[[nodiscard]] block_service look_at(Batch& batch, std::span<std::uint16_t const> which, bool first_attempt,
                                    View&& view) {
  block_service s;
  fault_entry const* previous = nullptr;
  for (std::uint16_t const i : which) {
    fault_entry& e = batch.entry(i);
    bool const duplicate = previous != nullptr && previous->fault.page == e.fault.page;
    if (first_attempt) s.duplicates += duplicate ? e.instances : e.instances - 1;
    fault_entry const* const before = previous;
    previous = &e;
    if (duplicate) {
      e.invalid_prefetch = before->invalid_prefetch;
      e.throttled = before->throttled;
      if (before->fatal == fatality::none) continue;
    }

    e.fatal = judge(e, [&](fault_entry const& f, fault_access a) { return view.permits(f, a); });
    s.fatal |= e.fatal != fatality::none;
    fault_access access = e.fault.access;
    if (access == fault_access::prefetch && !view.permits(e, access)) {
      if (first_attempt) s.invalid_prefetches += e.instances;
      e.invalid_prefetch = true;
      continue;
    }
    if (e.fatal == fatality::all) continue;
    if (e.fatal == fatality::write_and_atomic) {
      if (!e.accesses.contains(fault_access::read)) continue;
      access = fault_access::read;
    }
    if (view.is_authorised(e, access)) continue;

    thrash_hint const hint = view.hint(e);
    e.throttled = hint.what == thrash_hint::kind::throttle;
    s.throttled |= e.throttled;
    if (e.throttled) continue;
    residence const at = view.place(e, access, hint);
    unsigned const page = view.page_of(e);
    s.destinations |= at.where;
    s.to[at.where.id].set(page);
    s.faulted.set(page);
    if (at.duplicate) s.duplicated.set(page);
    if (hint.what == thrash_hint::kind::pin) s.pinned.set(page);
  }
  return s;
}

}  // namespace svm::inline v0::placement

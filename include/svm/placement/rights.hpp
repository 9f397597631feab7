// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/range_policy.hpp>
#include <svm/placement/topology.hpp>

namespace svm::inline v0::placement {

/// What a mapping allows; each includes those before.
enum class right : std::uint8_t { none, read, write, atomic };

/// Where one page is, and who is mapped to it with which right.
///
/// Invariants: atomics is in writers, writers in readers. A page at several places has no writers, and its readers have
/// it in memory.
struct page_state {
  processor_set copies{};
  processor_set readers{};  ///< mapped with any right
  processor_set writers{};  ///< mapped with write or atomic
  processor_set atomics{};
  bool duplicated = false;

  friend constexpr bool operator==(page_state const&, page_state const&) = default;

  [[nodiscard]] constexpr right of(processor p) const {
    if (atomics.contains(p)) return right::atomic;
    if (writers.contains(p)) return right::write;
    return readers.contains(p) ? right::read : right::none;
  }
  constexpr void map(processor p, right r) {
    unmap(p);
    if (r >= right::read) readers |= p;
    if (r >= right::write) writers |= p;
    if (r >= right::atomic) atomics |= p;
  }
  constexpr void unmap(processor_set some) {
    readers -= some;
    writers -= some;
    atomics -= some;
  }
  [[nodiscard]] constexpr bool is_valid() const {
    if (!writers.contains(atomics) || !readers.contains(writers)) return false;
    return copies.size() <= 1 || (writers.empty() && copies.contains(readers));
  }
};

/// The right of a mapping that no fault asks for (rule F2).
[[nodiscard]] constexpr right right_of_mapping(topology const& links, page_state const& page, processor q) {
  if (page.copies.empty()) return right::none;
  if (page.copies.size() > 1) return page.copies.contains(q) ? right::read : right::none;
  processor const place = page.copies.first();
  if (!links.accessible_from(place).contains(q)) return right::none;
  if ((page.readers - q).empty()) return right::atomic;
  processor_set const native = links.native_atomics(place);
  if (!(page.atomics - q - native).empty()) return right::read;
  return native.contains(q) || (page.writers - q).empty() ? right::atomic : right::write;
}

/// What a fault's mapping may be raised to.
struct fault_right_request {
  processor requester = nobody;
  right asked = right::read;
  bool writable = true;        ///< the memory may be written
  bool may_duplicate = false;  ///< the page may get duplicates, which a write would end
};

/// The right that a fault's requester gets, once the page is at its place: what it asked, or more where that takes
/// nothing from others (rule F2).
[[nodiscard]] constexpr right right_of_fault(topology const& links, page_state const& page,
                                             fault_right_request const& r) {
  if (page.copies.size() != 1 || !r.writable) return r.asked;
  processor_set const native = links.native_atomics(page.copies.first());
  processor_set const others = processor_set::all() - r.requester - native;
  right given = r.asked;
  if (given == right::read && !r.may_duplicate && (page.atomics & others).empty()) given = right::write;
  if (given == right::write && native.contains(r.requester) && (page.writers & others).empty()) given = right::atomic;
  return given;
}

/// Takes from others what the new right of `q` excludes, of a page that did not move: who lost some (rule F2).
constexpr processor_set revoke(topology const& links, page_state& page, processor q, right given) {
  if (given < right::write || page.copies.empty()) return {};
  processor_set const native = links.native_atomics(page.copies.first());
  processor_set spared{q};
  if (given == right::write || native.contains(q)) spared |= native;
  bool const keeps_write = q == cpu || given == right::write;
  processor_set const losing = (keeps_write ? page.atomics : page.writers) - spared;
  page.atomics -= losing;
  if (!keeps_write) page.writers -= losing;
  return losing;
}

/// Who else is mapped to a page after it moved to `place` for `q` (rule F2).
[[nodiscard]] constexpr processor_set also_mapped(topology const& links, range_policy const& policy, processor q,
                                                  processor place, processor_set thrashing, page_state const& page,
                                                  bool discarded) {
  if (policy.duplicates == read_duplication::enabled || page.duplicated || discarded) return {};
  processor_set wanted = ((policy.accessed_by | thrashing) & links.accessible_from(place)) - q;
  if (policy.preferred != place && links.has_memory(policy.preferred)) wanted -= policy.preferred;
  return wanted;
}

/// Who is mapped to a page after it was evicted to the CPU: whoever the program keeps mapped, and the GPUs whose counters
/// find out whether they still want it.
[[nodiscard]] constexpr processor_set mapped_after_eviction(topology const& links, range_policy const& policy,
                                                            processor_set counting, bool discarded) {
  page_state const page{.copies = cpu};
  return also_mapped(links, policy, nobody, cpu, counting - cpu, page, discarded);
}

}  // namespace svm::inline v0::placement

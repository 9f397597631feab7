// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/fault_entry.hpp>
#include <svm/placement/range_policy.hpp>
#include <svm/placement/thrashing.hpp>
#include <svm/placement/topology.hpp>

namespace svm::inline v0::placement {

/// Where a page goes, and whether it stays where it was, too.
struct residence {
  processor where = nobody;
  bool duplicate = false;
  friend constexpr bool operator==(residence, residence) = default;
};

/// What the place of one page is chosen by.
struct residency_request {
  processor requester = nobody;
  access_set accesses = fault_access::read;
  processor_set copies{};          ///< who has the page in memory
  bool is_duplicated = false;      ///< several may have it, and it is known as read-duplicated
  bool is_counter = false;         ///< a counter's notification asks, and no fault
  bool keeps_for_atomics = false;  ///< atomics between GPUs that can leave the page where it is
  thrash_hint hint{};
};

/// The place of one page: the first rule of F1 that applies.
[[nodiscard]] constexpr residence residency(topology const& links, range_policy const& policy,
                                            residency_request const& r) {
  bool const is_pin = r.hint.what == thrash_hint::kind::pin;
  bool const may_duplicate = policy.duplicates == read_duplication::enabled ||
                             (policy.duplicates != read_duplication::disabled && r.is_duplicated && !is_pin);
  auto const at = [&](processor p, bool duplicate = false) {
    return links.has_memory(p) ? residence{p, duplicate} : residence{cpu, false};
  };
  processor const q = r.requester;
  processor const preferred = policy.preferred;
  bool const reaches_preferred = preferred.is_some() && links.can_access(q).contains(preferred);

  if (may_duplicate) return at(q, r.accesses.strongest() <= fault_access::read);
  if (q == preferred) return at(q);
  if (is_pin) return at(r.hint.at);
  if (r.copies.empty()) return at(reaches_preferred ? preferred : q);
  processor const nearest = links.nearest(r.copies, q);
  if (policy.accessed_by.contains(q) && links.can_access(q).contains(nearest) && !r.is_counter) return at(nearest);
  bool const atomic = r.accesses.weakest() >= fault_access::atomic_weak;
  if (r.keeps_for_atomics && atomic && q.is_gpu() && nearest.is_gpu() && links.native_atomics(nearest).contains(q))
    return at(nearest);
  if (nearest != q && reaches_preferred) return at(preferred);
  return at(q);
}

}  // namespace svm::inline v0::placement

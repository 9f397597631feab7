// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/processor.hpp>
#include <svm/placement/topology.hpp>

namespace svm::inline v0::placement {

/// Once it was said, a program can turn it round but not take it back.
enum class read_duplication : std::uint8_t { unset, enabled, disabled };

/// What a program said of a span.
struct range_policy {
  read_duplication duplicates = read_duplication::unset;
  processor preferred = nobody;
  processor_set accessed_by{};

  friend constexpr bool operator==(range_policy const&, range_policy const&) = default;
};

/// Whether `p` is never mapped to memory of others, so that what is remote faults and moves: it is the preferred
/// location, or everybody has a copy of their own.
[[nodiscard]] constexpr bool maps_own_copy_only(range_policy const& policy, processor p) {
  return policy.duplicates == read_duplication::enabled || policy.preferred == p;
}

/// Sets the preferred location (rule F4): nothing moves. True when the new one's mappings of others' memory in the span
/// are to be taken away, so that it faults there.
constexpr bool set_preferred(range_policy& policy, processor p) {
  if (policy.preferred == p) return false;
  policy.preferred = p;
  return p.is_some();
}

/// Adds `p` to those that are kept mapped (rule F4). True when it is to be mapped now, to every page that it reaches and
/// that is not discarded.
constexpr bool set_accessed_by(range_policy& policy, processor p) {
  if (policy.accessed_by.contains(p)) return false;
  policy.accessed_by |= p;
  return !maps_own_copy_only(policy, p);
}
/// Takes `p` from those that are kept mapped; its mappings stay until something else ends them.
constexpr void unset_accessed_by(range_policy& policy, processor p) {
  policy.accessed_by -= p;
}

}  // namespace svm::inline v0::placement

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include <svm/placement/processor.hpp>

namespace svm::inline v0::placement {

/// Who reaches whose memory, and how: what the policies know of the machine.
///
/// Invariants: a processor reaches its own memory, with a fast link and native atomics. `can_access` is the converse of
/// `accessible_from`. A fast link and native atomics exist only where there is access.
class topology {
 public:
  /// What a link from a processor to another's memory is capable of.
  struct link {
    bool fast = false;
    bool native_atomics = false;
  };

  /// Each of `processors` reaches itself alone; each has memory of its own.
  constexpr explicit topology(processor_set processors) : with_memory_(processors) {
    processors.each([this](processor p) { connect(p, p, {.fast = true, .native_atomics = true}); });
  }

  /// The CPU and all GPUs there may be, on a bus: GPUs map the CPU's memory, and nobody maps theirs.
  [[nodiscard]] static constexpr topology bus() {
    topology t{processor_set::all()};
    for (unsigned n = 0; n + 1 < processor::most; ++n) t.connect(gpu(n), cpu, {});
    return t;
  }

  /// Lets `from` map the memory of `to`.
  constexpr void connect(processor from, processor to, link l) {
    accessible_from_[to.id] |= from;
    can_access_[from.id] |= to;
    if (l.fast) fast_link_[to.id] |= from;
    if (l.native_atomics) native_atomics_[to.id] |= from;
  }
  /// Says that `p` has no memory of its own.
  constexpr void take_memory(processor p) { with_memory_ -= p; }

  /// The processors that can map `owner`'s memory.
  [[nodiscard]] constexpr processor_set accessible_from(processor owner) const { return of(accessible_from_, owner); }
  /// The memories that `p` can map.
  [[nodiscard]] constexpr processor_set can_access(processor p) const { return of(can_access_, p); }
  /// The processors that reach `owner`'s memory over a fast link.
  [[nodiscard]] constexpr processor_set fast_link(processor owner) const { return of(fast_link_, owner); }
  /// The processors that have atomics in hardware on `owner`'s memory.
  [[nodiscard]] constexpr processor_set native_atomics(processor owner) const { return of(native_atomics_, owner); }
  [[nodiscard]] constexpr bool has_memory(processor p) const { return with_memory_.contains(p); }

  /// The member of `candidates` that is nearest to `p`: itself, then over a fast link, then what else it reaches; among
  /// equals GPUs by number before the CPU. Without any of these the lowest number.
  [[nodiscard]] constexpr processor nearest(processor_set candidates, processor p) const {
    if (candidates.contains(p)) return p;
    processor_set const reached = candidates & can_access(p);
    processor_set fast;
    reached.each([&](processor q) {
      if (fast_link(q).contains(p)) fast |= q;
    });
    if (!fast.empty()) return fast.first_gpu();
    return reached.empty() ? candidates.first() : reached.first_gpu();
  }

 private:
  using table = std::array<processor_set, processor::most>;
  static constexpr processor_set of(table const& t, processor p) { return p.is_some() ? t[p.id] : processor_set{}; }

  table accessible_from_{};
  table can_access_{};
  table fast_link_{};
  table native_atomics_{};
  processor_set with_memory_;
};

}  // namespace svm::inline v0::placement

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/construct.hpp>
#include <svm/index/interval_index.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0::detail {

/// The spans of addresses that a driver keeps mapped, whatever memory is there.
///
/// Any function may be called from any thread, with no lock of the library held.
///
/// Invariants: 1. spans are disjoint, and no two touch.
/// Locks: `lock_` (vm) guards the index and the spans.
template <svm_policies P>
class kept_spans {
 public:
  explicit kept_spans(typename P::allocator& memory) : memory_(memory), nodes_(memory), index_(nodes_) {}
  kept_spans(kept_spans const&) = delete;
  kept_spans& operator=(kept_spans const&) = delete;
  ~kept_spans() { clear(); }

  /// Adds a span; what is kept already stays so.
  ///
  /// \errors no_memory: nothing has changed
  /// \allocs a span, and nodes of the index; none when all of it is kept
  [[nodiscard]] errc add(va_range span) {
    if (contains(span)) return errc::ok;
    result<typename index::reserved_nodes> room = index::reserve(nodes_);
    if (!room) return room.error();
    kept* const fresh = construct<kept>(memory_, kept{span});
    if (fresh == nullptr) return errc::no_memory;
    exclusive_guard const guard{lock_};
    while (kept* const met = index_.first_overlap(widened(fresh->span))) {
      fresh->span = fresh->span.hull(met->span);
      drop_locked(*met);
    }
    static_cast<void>(index_.insert(*room, *fresh));
    return errc::ok;
  }

  /// Takes a span out, or what of it is kept.
  ///
  /// \errors no_memory: nothing has changed
  /// \allocs a span, and nodes of the index
  [[nodiscard]] errc remove(va_range span) {
    result<typename index::reserved_nodes> room = index::reserve(nodes_);
    if (!room) return room.error();
    exclusive_guard const guard{lock_};
    while (kept* const met = index_.first_overlap(span)) {
      va_range const whole = met->span;
      bool const before = whole.start() < span.start();
      bool const behind = span.last() < whole.last();
      if (!before && !behind) {
        drop_locked(*met);
        continue;
      }
      kept* rest = met;
      if (before && behind) {
        rest = construct<kept>(memory_, kept{whole});
        if (rest == nullptr) return errc::no_memory;
      }
      if (before) met->span = {whole.start(), span.start() - whole.start()};
      if (behind) rest->span = *va_range::from_bounds(span.last() + byte_count{1}, whole.last());
      if (before && behind)
        static_cast<void>(index_.insert(*room, *rest));
      else if (behind)
        index_.rekey(*rest, whole.start());
    }
    return errc::ok;
  }

  void clear() {
    {
      exclusive_guard const guard{lock_};
      while (kept* const first = index_.first()) drop_locked(*first);
    }
    nodes_.trim();
  }

  /// True when all of a span is kept.
  [[nodiscard]] bool contains(va_range span) {
    shared_guard const guard{lock_};
    kept const* const around = index_.find(span.start());
    return around != nullptr && around->span.contains(span);
  }
  /// The first part of `within` that is kept.
  ///
  /// \errors not_found
  [[nodiscard]] result<va_range> first_in(va_range within) {
    shared_guard const guard{lock_};
    kept const* const first = index_.first_overlap(within);
    if (first == nullptr) return errc::not_found;
    return first->span.intersection(within);
  }

  [[nodiscard]] bool check() {
    shared_guard const guard{lock_};
    bool good = index_.check();
    for (kept const* k = index_.first(); k != nullptr && good; k = index_.next(*k)) {
      kept const* const next = index_.next(*k);
      good = next == nullptr || widened(k->span).last() < next->span.start();
    }
    return good;
  }

 private:
  struct kept {
    va_range span;
  };
  struct traits {
    using entry = kept;
    using address = cpu_va;
    static va_range interval_of(kept const& k) { return k.span; }
  };
  using index = interval_index<traits, typename P::lock, typename P::allocator>;

  /// A span with the addresses beside it, as far as there are any.
  [[nodiscard]] static va_range widened(va_range span) {
    std::uint64_t const first = span.start().value;
    std::uint64_t const last = span.last().value;
    return *va_range::from_bounds(cpu_va{first - (first == 0 ? 0 : 1)}, cpu_va{last + (last == UINT64_MAX ? 0 : 1)});
  }
  void drop_locked(kept& k) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    index_.erase(k);
    destroy(memory_, &k);
  }

  typename P::allocator& memory_;
  typename index::pool nodes_;
  typename P::lock::template shared_mutex<lock_rank::vm> lock_;
  index index_ SVM_GUARDED_BY(lock_);
};

}  // namespace svm::inline v0::detail

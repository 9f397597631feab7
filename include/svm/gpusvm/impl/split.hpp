// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::split and its steps.

namespace svm::inline v0 {

namespace detail {

/// Calls `visit(va_range)` for the chunks that cover `span`, ascending, each the largest that is naturally aligned and
/// fits, until it returns false.
///
///     span     |----------------------------------|
///     chunks   [4K)[4K)[ 64K )[ 64K )[ 64K )[4K)
///
/// \param chunks  as `gpusvm_layout` checked them; `span` is aligned to the smallest
template <class Visit>
constexpr void for_each_chunk(std::span<byte_count const> chunks, va_range span, Visit&& visit) {
  cpu_va at = span.start();
  while (true) {
    va_range const rest = *va_range::from_bounds(at, span.last());
    va_range const chunk = choose_chunk(chunks, at, rest, [at](va_range chosen) { return chosen.start() == at; });
    if (!visit(chunk) || chunk.last() == span.last()) return;
    at = chunk.last() + byte_count{1};
  }
}

}  // namespace detail

template <explained_policies P>
void gpusvm<P>::split(locked_range<P> held) {
  notifier_ref<P> const home = notifier_ref<P>::share(held->owner());
  bool const alive = held.mm_alive();
  bool const migratable = held->is_migratable();
  va_range const span = held->interval();
  mm_user const user{env_.mm};  // alive if `held` was, which has a reference of its own up to here
  std::uint64_t const sequence = env_.mm.read_begin(home->registration_);
  bool last = false;
  take_out(std::move(held), last);

  bool go_on = alive;
  for (cpu_va at = span.start(); go_on;) {
    va_range const rest = *va_range::from_bounds(at, span.last());
    result<vma_info> const vma = [&]() -> result<vma_info> {
      shared_guard const map_guard{env_.mm.map_lock()};
      return env_.mm.find_first_vma(rest);
    }();
    if (!vma) break;
    va_range const piece = vma->extent.intersection(rest);
    detail::for_each_chunk(shape_.chunks(), piece, [&](va_range chunk) {
      return go_on = insert_rest(*home, chunk, migratable && vma->migratable, sequence) == errc::ok;
    });
    if (piece.last() == span.last()) break;
    at = piece.last() + byte_count{1};
  }
  drop_if_empty(*home);
}

/// Makes one of the ranges that a split leaves.
///
/// \errors no_memory, quota_exceeded; retry: an event came since `sequence`, or another range was there first
template <explained_policies P>
errc gpusvm<P>::insert_rest(notifier<P>& home, va_range chunk, bool migratable, std::uint64_t sequence) {
  result<range<P>*> const made = make_range(home, chunk, migratable);
  if (!made) return made.error();
  scope_guard uncharge{[this] { spare_.uncharge(); }};
  range_ref<P> ref = range_ref<P>::adopt(**made);
  if (errc const e = insert(home, **made, sequence, [] {}); e != errc::ok) return e;
  static_cast<void>(ref.release());  // the index has it
  uncharge.dismiss();
  range_nodes_.limbo().flush();
  env_.observer.record({event_kind::range_created, chunk});
  return errc::ok;
}

}  // namespace svm::inline v0

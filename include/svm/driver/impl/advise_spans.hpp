// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: what a program says of its memory.

namespace svm::inline v0 {

template <page_wise_policies P>
errc block_service<P>::advise(va_range span, span_attributes attributes) {
  if (errc const e = driver_.advise(span, attributes); e != errc::ok) return e;
  if (attributes.accessed_by) map_at_once(span);
  return errc::ok;
}

template <page_wise_policies P>
errc block_service<P>::set_preferred(va_range span, preferred_place where) {
  return change_advice(span, [where](span_attributes& a) { a.preferred = where; });
}

template <page_wise_policies P>
errc block_service<P>::set_accessed_by(va_range span, bool is_accessed) {
  return change_advice(span, [is_accessed](span_attributes& a) { a.accessed_by = is_accessed; });
}

template <page_wise_policies P>
errc block_service<P>::set_read_duplicated(va_range span, bool is_duplicated) {
  if constexpr (!duplicating_policies<P>) return errc::unsupported;
  return change_advice(span, [is_duplicated](span_attributes& a) { a.read_duplicated = is_duplicated; });
}

/// Says something new of a span, and leaves what else was said of its parts.
template <page_wise_policies P>
template <class Change>
errc block_service<P>::change_advice(va_range span, Change&& change) {
  if (!span.is_aligned(P::mm::page_size)) return errc::misaligned;
  for (va_range rest = span;;) {
    advised_span said = driver_.attributes_.at(rest.start(), rest);
    change(said.attributes);
    if (errc const e = advise(said.within, said.attributes); e != errc::ok) return e;
    if (said.within.last() >= rest.last()) return errc::ok;
    rest = *va_range::from_bounds(said.within.last() + byte_count{1}, rest.last());
  }
}

/// Maps what the device accesses of a span, where it is.
template <page_wise_policies P>
void block_service<P>::map_at_once(va_range span) {
  mm_user const user{space().mm};
  if (!user.alive() || !span.overlaps(driver_.svm().shape().window())) return;
  for (va_range rest = span.intersection(driver_.svm().shape().window());;) {
    result<cpu_va> const at = driver_.next_mapped(rest);
    if (!at) return;
    exclusive_guard const guard{lock_};
    block* const b = blocks_.find_or_make(block_around(*at).start());
    if (b == nullptr) return;
    va_range const part =
        map_accessed(*b, *at, block_around(*at).intersection(rest), page_mask{page_span{0, block_pages}});
    if (part.last() >= rest.last()) return;
    rest = *va_range::from_bounds(part.last() + byte_count{1}, rest.last());
  }
}

/// Maps what the device accesses of pages that just left its memory.
template <page_wise_policies P>
void block_service<P>::map_again(block& b, page_mask const& gone) {
  if (!driver_.attributes_.is_any()) return;
  for (unsigned p = gone.next(0); p != page_mask::pages;) {
    page_span const done = pages_of(map_accessed(b, b.at() + P::mm::page_size * p, block_around(b.at()), gone));
    p = done.end >= page_mask::pages ? page_mask::pages : gone.next(done.end);
  }
}

/// Maps pages around an address where they are, if the device is said to access them and not to have them. Returns the part of
/// `around` in which the same was said in one mapping of the program: what lies outside is untouched.
template <page_wise_policies P>
va_range block_service<P>::map_accessed(block& b, cpu_va at, va_range around, page_mask const& pages) {
  std::uint32_t const terms = driver_.terms_.load();
  advised_span const advice = driver_.attributes_.at(at, around);
  result<vma_info> const vma = find_vma(at);
  if (!vma) return advice.within;
  va_range const part = advice.within.intersection(vma->extent);
  bool const is_own = placement::maps_own_copy_only(said_of(advice.attributes), how_.self);
  if (!vma->migratable || !vma->readable || !advice.attributes.accessed_by || is_own) return part;
  service s{.of = b, .within = part, .vma = *vma, .attributes = advice.attributes, .terms = terms};
  s.seen = look(part);
  s.faulted = pages & ((s.seen.here - b.discarded.pages()) | s.seen.system | s.seen.reached);
  if (s.faulted.any()) static_cast<void>(move_and_map(s));
  return part;
}

}  // namespace svm::inline v0

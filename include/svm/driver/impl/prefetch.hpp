// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/driver_base.hpp>

// driver_base::prefetch.

namespace svm::inline v0 {

template <svm_policies P>
errc driver_base<P>::prefetch(va_range span, prefetch_place where, prefetch_report* report,
                              cancellation const* cancel) {
  va_range const window = svm_.shape().window();
  va_range rest = span;
  while (true) {
    if (!window.contains(rest.start())) return errc::outside_window;
    result<cpu_va> const next = next_mapped(rest);
    if (next.error() == errc::no_vma) return window.contains(rest) ? errc::ok : errc::outside_window;
    if (!next) return next.error();
    if (!window.contains(*next)) return errc::outside_window;

    va_range mapped_span = aligned_block(*next, P::mm::page_size);
    errc const e = handle({*next, access_kind::read, where, false, cancel, {{}, mapped_span}}, mapped_span);
    if (e != errc::ok && e != errc::no_vma) return e;
    if (e == errc::no_vma)
      mapped_span = aligned_block(*next, P::mm::page_size);  // it went away just now: a hole, this page
    if (report != nullptr && e == errc::ok) count(mapped_span, where, *report);
    if (mapped_span.last() >= rest.last()) return errc::ok;
    rest = *va_range::from_bounds(mapped_span.last() + byte_count{1}, rest.last());
  }
}

/// Adds the range that was just mapped to a report.
template <svm_policies P>
void driver_base<P>::count(va_range mapped_span, prefetch_place where, prefetch_report& report) {
  range_ref<P> const r = svm_.find(mapped_span.start());
  if (!r || r->interval() != mapped_span) return;  // it went away just now
  device_mapping<P> const& mapping = r->mapping();
  bool const here = mapping.has(page_flag::device) && !mapping.has(page_flag::system) && !mapping.has(page_flag::peer);
  bool const placed =
      mapping.has(page_flag::valid) &&
      (where == prefetch_place::as_fault || (where == prefetch_place::device ? here : !mapping.has(page_flag::device)));
  (placed ? report.placed : report.elsewhere) += pages_in(mapped_span.size(), P::mm::page_size);
}

/// The first address of `rest` that a VMA covers.
///
/// \errors no_vma (all of it is a hole), mm_gone
template <svm_policies P>
result<cpu_va> driver_base<P>::next_mapped(va_range rest) {
  result<cpu_va> const start = svm_.find_vma_start(rest);
  if (!start) return start.error();
  return *start < rest.start() ? rest.start() : *start;
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/svm_driver.hpp>

// svm_driver::prefetch.

namespace svm::inline v0 {

template <policies P>
errc svm_driver<P>::prefetch(va_range span, prefetch_place where) {
  va_range const window = svm_.shape().window();
  va_range rest = span;
  while (true) {
    if (!window.contains(rest.start())) return errc::outside_window;
    result<cpu_va> const next = next_mapped(rest);
    if (next.error() == errc::no_vma) return window.contains(rest) ? errc::ok : errc::outside_window;
    if (!next) return next.error();
    if (!window.contains(*next)) return errc::outside_window;

    va_range served = aligned_block(*next, P::mm::page_size);
    errc const e = serve({*next, access::read, where, false}, served);
    if (e != errc::ok && e != errc::no_vma) return e;
    if (e == errc::no_vma) served = aligned_block(*next, P::mm::page_size);  // it went away just now: a hole, this page
    if (served.last() >= rest.last()) return errc::ok;
    rest = *va_range::from_bounds(served.last() + byte_count{1}, rest.last());
  }
}

/// The first address of `rest` that a VMA covers.
///
/// \errors no_vma (all of it is a hole), mm_gone
template <policies P>
result<cpu_va> svm_driver<P>::next_mapped(va_range rest) {
  result<cpu_va> const start = svm_.find_vma_start(rest);
  if (!start) return start.error();
  return *start < rest.start() ? rest.start() : *start;
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_wise.hpp>
#include <svm/pagemap/migrator.hpp>

namespace svm::inline v0::detail {

/// Marks the pages of a run, which lies in one VMA, that are in the memory of one device and only this process maps.
///
/// \param marked  to which pages are added, numbered from `first` on
/// \pre    takes page locks
/// \errors no_memory, and those of mm::collect
template <discarding_policies P>
[[nodiscard]] errc discard_run(migrator<P>& mover, typename P::mm& space, va_range run, unsigned first,
                               page_mask& marked) {
  using mm = typename P::mm;
  transfer<P> work{mover.env(), mover.kept()};
  if (!work.reserve(pages_in(run.size(), mm::page_size).value)) return errc::no_memory;
  // It moves nothing: when it ends, every page is where it was, with no mapping of a device left.
  typename mm::migration session{};
  errc const e = space.collect(session, run, work.slots(), mover.env().pagemap.owner());
  if (e != errc::ok) return e;
  for (unsigned p = first; migration_slot<typename mm::page> const& s : work.slots()) {
    zdd<P>* const behind = zdd<P>::of(s.owner_object);  // of what was collected
    bool const is_here = behind != nullptr && &behind->allocation().owner() == &mover;
    if (is_here && behind->allocation().marks().set(behind->allocation(), s.source)) marked.set(p);
    ++p;
  }
  return errc::ok;
}

/// Says of pages of a span that nobody wants what they hold (rule E5). They stay in the device's memory, and no device maps
/// them any more. Until a device may write them again, an eviction may leave them without a copy; they are zero then.
///
/// Pages that others hold or have locked, or that another process maps too, stay as they are; so do all that are
/// elsewhere.
///
/// \param pages   of the span, from its first one on
/// \param marked  becomes the pages that are discarded now
/// \pre    `migrator::keep_discards`; no lock beyond rank range held; a user reference on the mm; takes mm (shared), and
///         page locks
/// \errors no_memory; no_vma (some of it is not mapped any more); what else mm::collect returns: pages before the run that
///         failed are discarded
/// \allocs arrays of an element a page, released or kept for the next migration
template <discarding_policies P>
[[nodiscard]] errc discard_pages(migrator<P>& mover, typename P::mm& space, va_range span, page_mask const& pages,
                                 page_mask& marked) {
  using mm = typename P::mm;
  shared_guard const map_guard{space.map_lock()};
  for (page_span rest = pages.next_run(0); !rest.empty(); rest = pages.next_run(rest.end)) {
    while (!rest.empty()) {
      va_range const asked{span.start() + mm::page_size * rest.first, mm::page_size * rest.size()};
      result<vma_info> const vma = space.find_vma(asked.start());
      if (!vma) return vma.error();
      va_range const run = asked.intersection(vma->extent);
      if (errc const e = discard_run(mover, space, run, rest.first, marked); e != errc::ok) return e;
      rest.first += static_cast<unsigned>(pages_in(run.size(), mm::page_size).value);
    }
  }
  return errc::ok;
}

}  // namespace svm::inline v0::detail

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>
#include <svm/pagemap/discard_pages.hpp>

// block_service: memory whose content nobody wants (rule E5).
//
// The allocation of a page says whether the page is discarded, under the page's lock. A block's own mask may be behind. It
// decides only which blocks go first, and which pages accessed-by does not map.

namespace svm::inline v0 {

template <page_wise_policies P>
errc block_service<P>::discard(va_range span) {
  if constexpr (!discarding_policies<P>) return errc::unsupported;
  if (!span.is_aligned(P::mm::page_size)) return errc::misaligned;
  mm_user const user{space().mm};
  if (!user.alive()) return errc::mm_gone;
  va_range const window = driver_.svm().shape().window();
  if (!span.overlaps(window)) return errc::ok;
  for (va_range rest = span.intersection(window);;) {
    va_range const part = block_around(rest.start()).intersection(rest);
    exclusive_guard const guard{lock_};
    // What was never served may be in the device's memory too.
    block* const known = blocks_.find(block_around(rest.start()).start());
    if (known != nullptr || look(part).here.any()) {
      block* const b = known != nullptr ? known : blocks_.find_or_make(block_around(rest.start()).start());
      if (b == nullptr) return errc::no_memory;
      if (errc const e = discard_in(*b, part); e != errc::ok) return e;
    }
    if (part.last() >= rest.last()) return errc::ok;
    rest = *va_range::from_bounds(part.last() + byte_count{1}, rest.last());
  }
}

/// Discards a part of a block.
///
/// \errors those of discard_pages
template <page_wise_policies P>
errc block_service<P>::discard_in([[maybe_unused]] block& b, [[maybe_unused]] va_range part) {
  if constexpr (discarding_policies<P>) {
    sight const seen = look(part);
    collapse(b, seen.system);
    if (seen.here.none()) return errc::ok;
    unsigned const first = number(part.start());
    page_mask marked;
    errc const e = detail::discard_pages(driver_.memory(), space().mm, part, seen.here.lowered(first), marked);
    page_mask const here = look(part).here;
    auto& eviction = policy_.eviction();
    eviction.found(b, here | (b.present - page_mask{pages_of(part)}), moment_);
    b.discarded.discard(marked.raised(first) & here, here, false);
    if (b.discarded.class_of(b.present, b.present, {}) == placement::eviction_class::discarded) eviction.discarded(b);
    return e;
  }
  return errc::ok;
}

/// Ends the device's copies of pages, which are in system memory alone then (rule F3).
template <page_wise_policies P>
void block_service<P>::collapse(block& b, page_mask const& pages) {
  if (!driver_.attributes_.is_any()) return;
  for_each_range(b, pages, [&](locked_range<P>& held, piece const& part) {
    page_mask const copies = page_mapper<P>::in_device_memory(held) & part.of(pages);
    if (copies.any()) mapper_.unmap(held, copies);
  });
}

/// Whether all that the device has of a block is discarded still: a program may have moved it, which no service saw.
template <page_wise_policies P>
bool block_service<P>::is_discarded(block& b) {
  page_mask again;
  for_each_range(b, b.present, [&](locked_range<P>& held, piece const& part) {
    if (held->partial() != nullptr)
      again |= page_mapper<P>::serving(held, access_kind::write).raised(part.pages.first);
    else if (held->mapping().has(page_flag::bound_write))
      again |= page_mask{part.pages};
  });
  b.discarded.moved_by_program(again);
  return b.discarded.class_of(b.present, b.present, {}) == placement::eviction_class::discarded;
}

/// Evicts pages of a block; those that are discarded are not copied.
///
/// \errors those of migrator::evict_span
template <page_wise_policies P>
errc block_service<P>::evict(block& from, page_mask const& pages, std::uint32_t actor, cancellation const* cancel) {
  evict_options const how{.reason = {migration_cause::eviction, batch_number(), actor},
                          .pages = &pages,
                          .from = env().pagemap.owner(),
                          .cancel = cancel};
  va_range const span = block_around(from.at());
  if constexpr (discarding_policies<P>) {
    page_count dropped{};
    errc const e = driver_.memory().evict_span(space().mm, span, how, {&dropped});
    counts_.pages_dropped += dropped.value;
    return e;
  } else {
    return driver_.memory().evict_span(space().mm, span, how);
  }
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/svm_driver.hpp>

// svm_driver::fault and the passes that a prefetch shares with it.

namespace svm::inline v0 {

/// True for an error which says that the CPU's mappings changed under a pass, so that another one may serve.
[[nodiscard]] constexpr bool says_mappings_changed(errc e) {
  switch (e) {
    case errc::retry:
    case errc::stale:
    case errc::gone:
    case errc::unmapped:
    case errc::no_vma:
    case errc::spans_vmas:
    case errc::not_migratable:
    case errc::no_access:
    case errc::read_only:
      return true;
    default:
      return false;
  }
}

template <policies P>
errc svm_driver<P>::fault(cpu_va at, access want) {
  va_range const where = aligned_block(at, P::mm::page_size);
  auto& observer = svm_.env().observer;
  observer.record({event_kind::gpu_fault, where});
  va_range served = where;
  errc const e = options_.read_only && want == access::write
                     ? errc::read_only
                     : serve({at, want, prefetch_place::as_fault, true}, served);
  observer.record({event_kind::gpu_fault_end, where, {}, e});
  return e;
}

/// Runs the passes for one address; `served` becomes the range's span.
template <policies P>
errc svm_driver<P>::serve(demand const& d, va_range& served) {
  errc last = errc::busy;
  for (int pass = 0; pass < max_passes; ++pass) {
    if (pass != 0 && d.is_fault)
      svm_.env().observer.record({event_kind::gpu_fault_retry, aligned_block(d.at, P::mm::page_size), {}, last});
    collector_.run();
    result<lookup<P>> found = look_up(d);
    if (!found) return found.error();  // the memory is not there, or not for this access: no pass will change that
    bool const read_only = options_.read_only || !found->vma.writable;
    served = found->range->interval();
    range_hold<P> held = svm_.hold(std::move(found->range));
    if (held->has(range_flag::unmapped)) {
      // The collector has it in hand; doing its work here is better than burning the passes meanwhile.
      collector_.collect(std::move(held));
      last = errc::unmapped;
      continue;
    }
    pass_result const ended = serve_range(d, held, read_only);
    last = ended.error;
    if (last == errc::ok || !ended.try_again) return last;
  }
  return last;
}

/// Finds or makes the range; one that no longer fits its VMA is evicted and replaced.
template <policies P>
auto svm_driver<P>::look_up(demand const& d) -> result<lookup<P>> {
  bool const devmem_possible = options_.migrate != migration_mode::never;
  lookup_options const options{d.want, devmem_possible, requires_device(d),
                               devmem_possible ? options_.check_pages_threshold : byte_count{}};
  retry_budget budget{svm_.env().clock};
  while (true) {
    result<lookup<P>> found = svm_.find_or_insert(d.at, options);
    if (!found || found->what != lookup<P>::kind::stale) return found;
    range_hold<P> held = svm_.hold(std::move(found->range));
    static_cast<void>(svm_.evict(held));
    svm_.remove(std::move(held));
    if (!budget.interfered()) return errc::busy;
  }
}

/// One pass over a range that is held: place its memory, get its pages, bind them.
template <policies P>
auto svm_driver<P>::serve_range(demand const& d, range_hold<P>& held, bool read_only) -> pass_result {
  page_options const wanted{read_only, requires_device(d)};
  bool const valid = gpusvm<P>::pages_valid(*held, {read_only, false});
  if (!valid || !is_placed(d, held)) {
    if (errc const e = place(d, held); e != errc::ok) return {e, says_mappings_changed(e)};
    if (errc const e = svm_.get_pages(held, wanted); e != errc::ok) {
      // The error that ends this pass matters more than one of the eviction: what stays mixed is found again.
      if (e == errc::mixed_placement) static_cast<void>(svm_.evict(held));
      return {e, says_mappings_changed(e) || e == errc::mixed_placement || e == errc::not_in_device_memory ||
                     e == errc::dma_map_failed};
    }
  }
  errc const e = svm_.bind(held);
  if (e != errc::ok && e != errc::retry) svm_.unmap_pages(held);  // a range that a failed fault leaves is not mapped
  return {e, says_mappings_changed(e)};
}

/// True when a valid mapping is where the demand wants it; a fault takes it wherever it is.
template <policies P>
bool svm_driver<P>::is_placed(demand const& d, range_hold<P>& held) {
  bool const on_device = held->mapping().has(page_flag::device);
  switch (d.where) {
    case prefetch_place::as_fault:
      return true;
    case prefetch_place::system:
      return !on_device;
    case prefetch_place::device:
      return on_device || !held->is_migratable();
  }
  return true;
}

/// Moves the range's memory where the demand wants it, as far as it may go there.
///
/// \errors busy and others, only where the demand cannot be served with the memory where it is
template <policies P>
errc svm_driver<P>::place(demand const& d, range_hold<P>& held) {
  if (d.where == prefetch_place::system) return svm_.evict(held);
  if (!held->is_migratable() || svm_.is_resident(held)) return errc::ok;

  bool const required = requires_device(d);
  errc e = errc::ok;
  for (int tries = required ? required_migration_tries : 1; tries > 0; --tries) {
    e = svm_.migrate_to_device(held, options_.timeslice);
    if (e == errc::ok) return errc::ok;
    svm_.env().observer.record({event_kind::migration_failed, held->interval(), {}, e});
  }
  // Memory in several places is gathered by get_pages and migrated in the next pass.
  return required && !svm_.is_partly_resident(held) ? e : errc::ok;
}

}  // namespace svm::inline v0

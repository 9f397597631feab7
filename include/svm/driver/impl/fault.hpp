// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/scope_guard.hpp>
#include <svm/driver/driver_base.hpp>

// driver_base::handle: the passes that a fault, a prefetch and a restore share.

namespace svm::inline v0 {

namespace detail {

/// True for an error that may pass by itself: the mappings changed, or others hold pages for a while.
[[nodiscard]] constexpr bool may_pass(errc e) {
  return says_mappings_changed(e) || e == errc::in_use;
}

}  // namespace detail

/// Runs the passes for one address; `mapped_span` becomes the range's span. A try that came before them and failed with
/// `used_up` counts as one for the observer.
template <svm_policies P>
errc driver_base<P>::handle(access_request request, va_range& mapped_span, typename gpusvm<P>::sighting seen,
                            errc used_up) {
  prefetch_place const asked = request.where;
  // From here on `used_up` is what the last pass ended with, unless only a wait follows it.
  for (detail::page_wait patience{svm_.env().clock};;) {
    if (is_cancelled(request.cancel)) return errc::interrupted;
    if (used_up != errc::ok && request.is_fault)
      svm_.env().observer.record(
          {event_kind::gpu_fault_retry, aligned_block(request.at, P::mm::page_size), {}, used_up});
    used_up = errc::ok;
    pass_result const ended = run_pass(request, asked, mapped_span, std::exchange(seen, {}));
    if (!ended.try_again) return ended.error;
    if (ended.error == errc::in_use && patience.wait()) continue;
    used_up = ended.error;
    if (++request.pass == max_passes) return used_up;
  }
}

/// True when a mapping whose word is `flags` allows an access already.
template <svm_policies P>
[[gnu::always_inline]] inline bool driver_base<P>::allows(std::uint32_t flags, access_kind want) {
  using mapping = device_mapping<P>;
  return mapping::allows(flags, want) && (want != access_kind::atomic || mapping::is_own(flags));
}

// What a hit takes is in line, without a call that comes back: so it saves no registers. All else is out of line.

template <svm_policies P>
[[gnu::always_inline]] inline errc driver_base<P>::serve(cpu_va at, access_kind want, cancellation const* cancel) {
  if (cancel != nullptr) return serve_unless_cancelled(at, want, *cancel);
  return serve_at_once(at, want, cancel);
}

template <svm_policies P>
[[gnu::noinline]] errc driver_base<P>::serve_unless_cancelled(cpu_va at, access_kind want, cancellation const& cancel) {
  if (cancel.is_cancelled()) return serve_by_passes(at, want, &cancel);
  return serve_at_once(at, want, &cancel);
}

template <svm_policies P>
[[gnu::always_inline]] inline errc driver_base<P>::serve_at_once(cpu_va at, access_kind want,
                                                                 cancellation const* cancel) {
  // Before the attributes are looked at.
  std::uint32_t const terms = terms_.load();
  bool const is_refused = options_.read_only && want != access_kind::read;
  if (!collector_.is_idle() || attributes_.is_any() || is_refused) return serve_by_passes(at, want, cancel);
  auto section = svm_.enter_section();
  typename gpusvm<P>::glimpse const seen = svm_.glance(at);
  if (seen.known == nullptr) return serve_missed(at, want, cancel, terms, seen, section);
  std::uint32_t const flags = seen.known->mapping().flags();  // where a hit is linearized
  if (!allows(flags, want)) return serve_missed(at, want, cancel, terms, seen, section);
  bool const still_counts = !svm_.is_closed() && told_again(terms).error == errc::ok;
  bool const is_told = (flags & detail::bit(page_flag::device)) != 0;
  if (still_counts && is_told) return serve_touching(at, want, cancel, terms, seen, section, flags);
  svm_.leave_section(section);
  return still_counts ? errc::ok : serve_by_passes(at, want, cancel);
}

/// Serves a hit on device memory, which hears of it.
template <svm_policies P>
[[gnu::noinline]] errc driver_base<P>::serve_touching(cpu_va at, access_kind want, cancellation const* cancel,
                                                      std::uint32_t terms, typename gpusvm<P>::glimpse const& seen,
                                                      typename gpusvm<P>::section& in, std::uint32_t flags) {
  if (!svm_.touch_in_section(*seen.known, flags)) return serve_missed(at, want, cancel, terms, seen, in);
  svm_.leave_section(in);
  return errc::ok;
}

/// Serves a fault that is no hit: makes and binds a range where there is none and its memory stays where it is, or leaves all
/// to passes. Out of line, so that a hit does not pay for it.
template <svm_policies P>
[[gnu::noinline]] errc driver_base<P>::serve_missed(cpu_va at, access_kind want, cancellation const* cancel,
                                                    std::uint32_t terms, typename gpusvm<P>::glimpse const& seen,
                                                    typename gpusvm<P>::section& in) {
  typename gpusvm<P>::sighting found = svm_.keep(seen, in);
  if (!found.is_fresh || !found.around || !binds_at_first(want))
    return serve_by_passes(at, want, cancel, std::move(found));
  errc const e = svm_.bind_new(at, *found.around, {.want = want},
                               {.pages = {.read_only = options_.read_only, .allow_mixed = options_.mixed}},
                               [this, terms] { return told_again(terms).error == errc::ok; });
  if (e == errc::ok) return e;
  // What may pass by itself, or needs more than that a range is made, is for passes: they find what there is now.
  if (e == errc::dma_map_failed) return serve_by_passes(at, want, cancel, {}, e);
  if (detail::may_pass(e) || detail::is_for_get_pages(e)) return serve_by_passes(at, want, cancel);
  return e;
}

template <svm_policies P>
[[gnu::noinline]] errc driver_base<P>::serve_by_passes(cpu_va at, access_kind want, cancellation const* cancel) {
  return serve_by_passes(at, want, cancel, {});
}

template <svm_policies P>
[[gnu::noinline]] errc driver_base<P>::serve_by_passes(cpu_va at, access_kind want, cancellation const* cancel,
                                                       typename gpusvm<P>::sighting seen, errc used_up) {
  if (options_.read_only && want != access_kind::read) return errc::read_only;
  va_range mapped_span = aligned_block(at, P::mm::page_size);
  return handle({at, want, prefetch_place::as_fault, true, cancel, {{}, mapped_span}}, mapped_span, std::move(seen),
                used_up);
}

/// True when no fault for this access moves the memory of a new range.
template <svm_policies P>
bool driver_base<P>::binds_at_first(access_kind want) const {
  bool const moves = migrating_policies<P> && options_.migrate != migration_mode::never;
  bool const has_account = options_.limits.device_memory != byte_count{UINT64_MAX};  // which is opened before
  return !moves && !has_account && options_.migrate != migration_mode::required && want != access_kind::atomic;
}

/// Whether what was found under `terms` still counts.
///
/// A hit asks after it has read the range's word: when nothing has changed by then, it was served before any change. So no access is served after
/// one was refused for the same reason.
template <svm_policies P>
auto driver_base<P>::told_again(std::uint32_t terms) const -> pass_result {
  std::uint32_t const now = terms_.load();
  if ((now & suspended) != 0) return {errc::retry, false};
  return now == terms ? pass_result{errc::ok, false} : pass_result{errc::retry, true};
}

/// One pass: collects garbage, then finds or makes the range and serves it; holds no lock when it returns.
template <svm_policies P>
auto driver_base<P>::run_pass(access_request& request, prefetch_place asked, va_range& mapped_span,
                              typename gpusvm<P>::sighting seen) -> pass_result {
  collector_.run();
  if (!svm_.shape().window().contains(request.at)) return {errc::outside_window, false};
  std::uint32_t const terms = terms_.load();
  request.advice = attributes_.at(request.at, svm_.shape().window());
  if (request.want == access_kind::atomic && request.advice.attributes.atomic == atomic_mode::cpu)
    return {errc::no_atomics, false};
  // A prefetch that names no place follows the program's advice.
  bool const stays = asked == prefetch_place::as_fault && request.want != access_kind::atomic &&
                     request.advice.attributes.preferred == preferred_place::system;
  request.where = stays ? prefetch_place::system : asked;
  if (!seen.is_fresh) {
    errc const looked = svm_.look(request.at, seen, [&](range<P> const& r, std::uint32_t flags) {
      if (!is_served(request, r, flags)) return false;
      mapped_span = r.interval();
      return true;
    });
    if (looked == errc::exists) return told_again(terms);
    if (looked != errc::ok) return {looked, false};
  }
  result<lookup<P>> found = look_up(request, terms, std::move(seen));
  if (!found) return {found.error(), false};  // the memory is not there, or not for this access
  bool const read_only = options_.read_only || !found->vma.writable;
  mapped_span = found->range->interval();
  if (found->is_settled && found->bound == errc::ok) return {errc::ok, false};
  locked_range<P> held = svm_.lock_range(std::move(found->range));
  // Read under the range lock: suspend() and advise() say so before they take it.
  if (pass_result const still = told_again(terms); still.error != errc::ok) return still;
  if (held->has(range_flag::unmapped)) {
    // The collector has the range in its queue. Doing its work here costs one pass; waiting for it would cost many.
    collector_.collect(std::move(held));
    return {errc::unmapped, true};
  }
  if (found->is_settled) return {found->bound, detail::may_pass(found->bound) || found->bound == errc::dma_map_failed};
  return handle_range(request, held, read_only);
}

/// Finds or makes the range; one that no longer fits its VMA is evicted and replaced. One whose memory need not be moved is
/// bound where it is made.
///
/// \param seen     what is around the address
/// \param terms    those from before the attributes of the request were read
template <svm_policies P>
auto driver_base<P>::look_up(access_request const& request, std::uint32_t terms, typename gpusvm<P>::sighting seen)
    -> result<lookup<P>> {
  bool const devmem_possible = migrating_policies<P> && options_.migrate != migration_mode::never;
  bool const required = requires_device(request);
  if (errc const e = memory_.open_account(); e != errc::ok) return e;
  lookup_options const options{request.want,   devmem_possible,
                               required,       devmem_possible ? options_.check_pages_threshold : byte_count{},
                               request.cancel, &request.advice.within};
  auto const how = [this, &request] {
    return bind_options{wanted_pages(request, options_.read_only), permitted(request)};
  };
  detail::retry_budget budget{svm_.env().clock};
  while (true) {
    // In the same order as for a range that is held: suspend() and advise() say so before they look for ranges.
    auto const may_bind = [this, terms] { return told_again(terms).error == errc::ok; };
    result<lookup<P>> found = request.where == prefetch_place::as_fault && !required
                                  ? svm_.find_or_bind(request.at, std::exchange(seen, {}), options, how, may_bind)
                                  : svm_.find_or_insert(request.at, options, std::exchange(seen, {}));
    bool const atomic = request.want == access_kind::atomic;
    if (!found) return atomic && found.error() == errc::not_migratable ? errc::no_atomics : found.error();
    if (atomic && !found->range->is_migratable()) return errc::no_atomics;
    if (found->what != lookup<P>::kind::stale) return found;
    locked_range<P> held = svm_.lock_range(std::move(found->range));
    remove_stale(std::move(held));
    if (!budget.after_event()) return errc::busy;
  }
}

/// One pass over a range that is held: place its memory, get its pages, bind them.
template <svm_policies P>
auto driver_base<P>::handle_range(access_request const& request, locked_range<P>& held, bool read_only) -> pass_result {
  page_options const wanted = wanted_pages(request, read_only);
  if constexpr (page_wise_policies<P>) page_mapper<P>{svm_.env()}.close(held);
  if (!gpusvm<P>::pages_valid(*held, acceptable_pages(request, read_only)) ||
      !is_placed(request, *held, held->mapping().flags())) {
    bool in_use = false;
    if (errc const e = place(request, held, in_use); e != errc::ok) return {e, detail::may_pass(e)};
    if (errc const e = svm_.get_pages(held, wanted); e != errc::ok) {
      bool const elsewhere = e == errc::mixed_placement || e == errc::unsupported;
      bool const demands_it = e == errc::not_in_device_memory;
      // The error that ends this pass matters more than one of the eviction: what stays mixed is found again.
      if (elsewhere) in_use = gather(held, request) == errc::in_use;
      // get_pages leaves coherent memory with a device that is out of reach, since the CPU reaches it there.
      if (demands_it && takes_from_others(request) && gather(held, request) == errc::in_use) in_use = true;
      if (in_use && (elsewhere || demands_it)) return {errc::in_use, true};
      return {e, detail::may_pass(e) || elsewhere || demands_it || e == errc::dma_map_failed};
    }
  }
  errc const e = svm_.bind(held, permitted(request));
  if (e != errc::ok && e != errc::retry) unmap_failed(held);
  return {e, detail::may_pass(e)};
}

/// A range that a failed fault leaves is not mapped.
template <svm_policies P>
void driver_base<P>::unmap_failed(locked_range<P>& held) {
  bool const is_bound = held->mapping().has(page_flag::bound);  // by an earlier fault, for another access
  if (is_bound) begin_unmapping();
  svm_.unmap_pages(held);
  if (is_bound) end_unmapping();
}

/// Brings the memory of a range back that no longer fits its VMA or its attributes, and takes the range out.
template <svm_policies P>
void driver_base<P>::remove_stale(locked_range<P> held) {
  begin_unmapping();
  static_cast<void>(memory_.evict(held, migration_cause::collection));
  svm_.remove(std::move(held));
  end_unmapping();
}

/// True when a valid mapping is where the request wants it; a fault takes the mapping wherever it is.
template <svm_policies P>
bool driver_base<P>::is_placed(access_request const& request, range<P> const& r, std::uint32_t flags) {
  auto const is = [flags](page_flag flag) { return (flags & detail::bit(flag)) != 0; };
  switch (request.where) {
    case prefetch_place::as_fault:
      return true;
    case prefetch_place::system:
      return !is(page_flag::device);
    case prefetch_place::device:
      break;
  }
  return !r.is_migratable() || (is(page_flag::device) && !is(page_flag::system) && !is(page_flag::peer));
}

/// True when the device may do what is asked already, by a mapping that serves whoever may write.
///
/// The VMA need not be asked: a mapping is bound as long as no event has come over its range.
/// \param flags  the word of the range's mapping
template <svm_policies P>
bool driver_base<P>::is_served(access_request const& request, range<P> const& r, std::uint32_t flags) const {
  return device_mapping<P>::is_bound(flags, permitted(request)) &&
         device_mapping<P>::satisfies(flags, acceptable_pages(request, options_.read_only)) &&
         is_placed(request, r, flags);
}

/// True when policy and current placement call for migrating the range here.
template <svm_policies P>
bool driver_base<P>::may_migrate(access_request const& request, locked_range<P>& held) {
  if (!held->is_migratable()) return false;
  residence const now = svm_.scan(held);
  if (now == residence::here) return false;
  return takes_from_others(request) || (now != residence::other && now != residence::mixed_device);
}

template <svm_policies P>
auto driver_base<P>::how_to_migrate([[maybe_unused]] access_request const& request, [[maybe_unused]] int attempt) const
    -> typename detail::range_memory<P>::options {
  if constexpr (!migrating_policies<P>) {
    return {};
  } else {
    duration timeslice = options_.timeslice;
    // An atomic access that lost its memory to the CPU again asks for longer: twice as long each time.
    if (request.want == access_kind::atomic) timeslice.nanoseconds <<= request.pass + attempt;
    return {timeslice, false,          options_.peers_push, options_.mixed, options_.rest == partial_unmap::split,
            nullptr,   request.cancel, {cause_of(request)}};
  }
}

/// Moves the range's memory where the request wants it, if it may go there.
///
/// \param in_use  is set when others held pages that had to move, though the pages may be got
/// \errors only where the request cannot be served with the memory where it is
template <svm_policies P>
errc driver_base<P>::place(access_request const& request, locked_range<P>& held, bool& in_use) {
  if (request.where == prefetch_place::system) return memory_.evict(held, cause_of(request), request.cancel);
  if (!may_migrate(request, held)) return errc::ok;

  bool const required = requires_device(request);
  errc e = errc::ok;
  int const tries = required ? required_migration_tries : 1;
  for (int attempt = 0; attempt < tries; ++attempt) {
    e = memory_.migrate_to_device(held, how_to_migrate(request, attempt));
    if (e == errc::ok || e == errc::interrupted) return e;
    svm_.env().observer.record({event_kind::migration_failed, held->interval(), {}, e});
    if (e == errc::in_use) break;  // the pages stay in use until this pass gives up the range
  }
  in_use = e == errc::in_use;
  // get_pages gathers memory that is in several places, swapped out or out of reach, and copies what is shared; the next
  // pass migrates it.
  bool const may_gather = e == errc::shared || e == errc::busy || e == errc::in_use || svm_.is_scattered(held);
  return required && !may_gather ? e : errc::ok;
}

template <svm_policies P>
void driver_base<P>::unmap_all(va_range span) {
  begin_unmapping();
  scope_guard const end{[this] { end_unmapping(); }};
  for (va_range rest = span;;) {
    range_ref<P> r = svm_.first_in(rest);
    if (!r) return;
    va_range const done = r->interval();
    locked_range<P> held = svm_.lock_range(std::move(r));
    svm_.unmap_pages(held);
    if (done.last() >= rest.last()) return;
    rest = *va_range::from_bounds(done.last() + byte_count{1}, rest.last());
  }
}

template <svm_policies P>
errc driver_base<P>::advise(va_range span, span_attributes attributes) {
  if (!span.is_aligned(P::mm::page_size)) return errc::misaligned;
  bool changed = false;
  if (errc const e = attributes_.set(span, attributes, &changed); e != errc::ok) return e;
  if (!changed) return errc::ok;
  terms_.fetch_add(one_advice);
  unmap_all(span);
  return errc::ok;
}

}  // namespace svm::inline v0

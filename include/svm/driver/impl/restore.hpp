// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/queue_driver.hpp>

// queue_driver: what is kept, the gate of the queues, and restore.

namespace svm::inline v0 {

template <explained_queue_policies P>
errc queue_driver<P>::keep(va_range span) {
  if (!span.is_aligned(P::mm::page_size)) return errc::misaligned;
  if (!this->svm().shape().window().contains(span)) return errc::outside_window;
  {
    exclusive_guard const guard{gate_};
    if (closed_) return errc::gone;
  }
  return kept_.add(span);
}

template <explained_queue_policies P>
errc queue_driver<P>::forget(va_range span) {
  if (!span.is_aligned(P::mm::page_size)) return errc::misaligned;
  return kept_.remove(span);
}

template <explained_queue_policies P>
errc queue_driver<P>::prefetch(va_range span, prefetch_place where, prefetch_report* report,
                               cancellation const* cancel) {
  if (!span.is_aligned(P::mm::page_size)) return errc::misaligned;
  std::uint64_t const before = stops();
  if (errc const e = driver_base<P>::prefetch(span, where, report, cancel); e != errc::ok) return e;
  if (errc const e = keep(span); e != errc::ok) return e;
  exclusive_guard const guard{gate_};
  // A restore that did not know the span yet may have let the queues run, though part of the span was unmapped
  // meanwhile.
  if (stops_ != before) stop_locked();
  return errc::ok;
}

template <explained_queue_policies P>
void queue_driver<P>::begin_unmapping() {
  exclusive_guard const guard{gate_};
  ++unmappings_;
  stop_locked();
}

template <explained_queue_policies P>
void queue_driver<P>::end_unmapping() {
  exclusive_guard const guard{gate_};
  if (--unmappings_ == 0) unmapped_.notify_all();
}

template <explained_queue_policies P>
void queue_driver<P>::close_gate() {
  exclusive_guard const guard{gate_};
  closed_ = true;
  stop_locked();
}

template <explained_queue_policies P>
void queue_driver<P>::stop_locked() {
  ++stops_;
  if (stopped_) return;
  stopped_ = true;
  this->svm().env().device.stop_queues();
}

/// Begins a round when no mapping is being taken; `round` becomes the number of stops so far.
///
/// \errors gone, retry
template <explained_queue_policies P>
errc queue_driver<P>::begin_round(std::uint64_t& round) {
  exclusive_guard const guard{gate_};
  unmapped_.wait(gate_, is_quiet{*this});
  round = stops_;
  if (closed_) return errc::gone;
  // suspend() sets its flag, then stops the queues: a round that began after the stop sees the flag.
  return this->is_suspended() ? errc::retry : errc::ok;
}

/// Lets the queues run, unless a mapping was taken since the round began, or is being taken.
template <explained_queue_policies P>
bool queue_driver<P>::resume_after(std::uint64_t round) {
  exclusive_guard const guard{gate_};
  if (stops_ != round) return false;
  if (stopped_) this->svm().env().device.resume_queues();
  stopped_ = false;
  return true;
}

template <explained_queue_policies P>
errc queue_driver<P>::restore(cancellation const* cancel) {
  auto& env = this->svm().env();
  detail::retry_budget budget{env.clock};
  for (bool first = true;; first = false) {
    if (is_cancelled(cancel)) return errc::interrupted;
    std::uint64_t round = 0;
    if (errc const e = begin_round(round); e != errc::ok) return e;
    bool settled = true;
    if (errc const e = restore_round(first, cancel, settled); e != errc::ok) return e;
    if (settled && resume_after(round)) return errc::ok;
    env.observer.record({event_kind::retry_after_event, this->svm().shape().window()});
    if (!budget.after_event()) return errc::busy;
  }
}

/// One walk over all that is kept.
///
/// \param settled  becomes false when an event came between, so that another walk is needed
/// \errors busy: what is kept does not fit the memory that it has to be in; another walk would move all of it again
template <explained_queue_policies P>
errc queue_driver<P>::restore_round(bool first, cancellation const* cancel, bool& settled) {
  va_range const window = this->svm().shape().window();
  byte_count placed{};
  for (va_range rest = window;;) {
    if (is_cancelled(cancel)) return errc::interrupted;
    result<va_range> const span = kept_.first_in(rest);
    if (!span) return errc::ok;
    step_result const step = restore_next(*span, first, cancel);
    if (step.error != errc::ok) return step.error;
    settled = settled && step.settled;
    placed += placed_bytes(rest, step.done.last());
    if (is_too_much(placed)) return errc::busy;
    if (step.done.last() >= window.last()) return errc::ok;
    rest = *va_range::from_bounds(step.done.last() + byte_count{1}, window.last());
  }
}

/// Maps the first range of a span that is kept, or passes by what needs or gets no mapping.
template <explained_queue_policies P>
auto queue_driver<P>::restore_next(va_range rest, bool first, cancellation const* cancel) -> step_result {
  va_range mapped_span = aligned_block(rest.start(), P::mm::page_size);
  if (is_mapped(rest, mapped_span)) return {errc::ok, mapped_span};
  result<vma_info> const vma = first_vma(rest);
  if (vma.error() == errc::no_vma) return {errc::ok, rest};
  if (!vma) return {vma.error(), rest};
  if (rest.start() < vma->extent.start())
    return {errc::ok, *va_range::from_bounds(rest.start(), cpu_va{vma->extent.start().value - 1})};
  va_range const same = rest.intersection(vma->extent);
  if (!vma->readable) return {errc::ok, same};

  errc const e = this->handle(
      {rest.start(), access_kind::read, place_of(rest.start(), first), false, cancel, {{}, mapped_span}}, mapped_span);
  if (e == errc::ok || e == errc::lost) return {errc::ok, mapped_span};
  if (e == errc::not_migratable && !vma->migratable) return {errc::ok, same};
  // The VMA allows it and a page does not (it lies beyond the end of a file, or is a register), unless that changed.
  if (e == errc::no_access && !first) return {errc::ok, mapped_span};
  if (says_mappings_changed(e)) return {errc::ok, mapped_span, false};
  return {e, mapped_span};
}

/// True when the device has a range mapped where `rest` begins; `done` becomes its span.
///
/// The range's lock is taken: a thread that makes a mapping holds it until the device has the mapping.
template <explained_queue_policies P>
bool queue_driver<P>::is_mapped(va_range rest, va_range& done) {
  range_ref<P> r = this->svm().find(rest.start());
  if (!r) return false;
  locked_range<P> const held = this->svm().lock_range(std::move(r));
  if (!held->mapping().has(page_flag::valid)) return false;
  done = held->interval();
  return true;
}

/// How much of the device's memory a step of a round has found or put to use, where nothing else will do.
///
/// \param rest  where the step began: what lies before it in a range may have been counted with another one
/// \param last  where it ended
template <explained_queue_policies P>
byte_count queue_driver<P>::placed_bytes(va_range rest, cpu_va last) {
  if (this->options().migrate != migration_mode::required) return {};
  range_ref<P> const r = this->svm().find(last);
  page_options const own{.read_only = true, .devmem_only = true};
  return r && r->mapping().satisfies(own) ? rest.intersection(r->interval()).size() : byte_count{};
}

/// True of more than the device's memory holds: then a range that a round brought has cost another one its place.
template <explained_queue_policies P>
bool queue_driver<P>::is_too_much(byte_count placed) {
  if constexpr (migrating_policies<P>)
    return placed > this->memory().env().pagemap.capacity();
  else
    return false;
}

/// \errors no_vma, mm_gone
template <explained_queue_policies P>
result<vma_info> queue_driver<P>::first_vma(va_range within) {
  auto& mm = this->svm().env().mm;
  mm_user const user{mm};
  if (!user.alive()) return errc::mm_gone;
  shared_guard const map_guard{mm.map_lock()};
  return mm.find_first_vma(within);
}

/// Where a range is to be mapped: in the first round where a fault would place it, later where it is.
template <explained_queue_policies P>
prefetch_place queue_driver<P>::place_of(cpu_va at, bool first) {
  if (first || this->options().migrate == migration_mode::required) return prefetch_place::as_fault;
  range_ref<P> r = this->svm().find(at);
  if (!r) return prefetch_place::system;
  locked_range<P> held = this->svm().lock_range(std::move(r));
  return this->svm().scan(held) == residence::here ? prefetch_place::as_fault : prefetch_place::system;
}

}  // namespace svm::inline v0

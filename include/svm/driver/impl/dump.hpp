// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/driver_base.hpp>

// dump of a driver and of what a program said of its memory.

namespace svm::inline v0 {

template <svm_policies P>
template <class Out>
requires text_sink<Out>
void driver_base<P>::dump(Out&& out) {
  detail::line_writer line(out);
  line.text("driver: migration ");
  switch (options_.migrate) {
    case migration_mode::where_possible:
      line.text("where possible");
      break;
    case migration_mode::never:
      line.text("never");
      break;
    case migration_mode::required:
      line.text("required");
      break;
  }
  line.text(", pages checked to ").hex(options_.check_pages_threshold.value);
  if (options_.timeslice != duration{})
    line.text(", timeslice of ").decimal(options_.timeslice.nanoseconds).text(" ns");
  if (options_.read_only) line.text(", read_only");
  if (options_.rest == partial_unmap::split) line.text(", splits");
  if (options_.mixed) line.text(", mixed");
  if (options_.peers_push) line.text(", peers push");
  if (options_.limits.ranges != UINT64_MAX) line.text(", ranges to ").decimal(options_.limits.ranges);
  if (options_.limits.device_memory != byte_count{UINT64_MAX})
    line.text(", device memory to ").hex(options_.limits.device_memory.value);
  if (is_suspended()) line.text(", suspended");
  line.end();
  attributes_.dump(out);
  collector_.for_each_queued([&](range<P> const& r) { line.text("  unmapped ").span(r.interval()).end(); });
  svm_.dump(out);
}

template <svm_policies P>
template <class Out>
requires text_sink<Out>
void attribute_map<P>::dump(Out&& out) {
  shared_guard const guard{lock_};
  spans_.for_each([&](attribute_span& s) { s.dump(out); });
}

namespace detail {

template <svm_policies P>
template <class Out>
requires text_sink<Out>
void attribute_span<P>::dump(Out&& out) {
  line_writer line(out);
  shared_guard const guard{lock_};
  line.text("  attributes ").span(span_);
  if (attributes_.preferred == preferred_place::system) line.text(", prefers system");
  if (attributes_.preferred == preferred_place::device) line.text(", prefers device");
  if (attributes_.preferred == preferred_place::another) line.text(", prefers another device");
  if (attributes_.policy == migration_policy::system_pages_only) line.text(", system pages only");
  if (attributes_.accessed_by) line.text(", accessed");
  if (attributes_.read_duplicated) line.text(", duplicated");
  if (attributes_.atomic == atomic_mode::device) line.text(", atomic device");
  if (attributes_.atomic == atomic_mode::global) line.text(", atomic global");
  if (attributes_.atomic == atomic_mode::cpu) line.text(", atomic cpu");
  if (cuts_ != 0) line.text(", but for");
  for (std::size_t i = 0; i < cuts_; ++i) line.text(" ").span(cut_[i]);
  line.end();
}

}  // namespace detail

}  // namespace svm::inline v0

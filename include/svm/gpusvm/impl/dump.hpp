// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpusvm/gpusvm.hpp>

// dump of a gpusvm, its notifiers, their ranges and the mappings of these.

namespace svm::inline v0 {

template <explained_policies P>
template <class Out>
requires text_sink<Out>
void gpusvm<P>::dump(Out&& out) {
  detail::line_writer line(out);
  shared_guard const guard{lock_};
  line.text("gpusvm ").span(shape_.window()).text(", chunks");
  for (byte_count const size : shape_.chunks()) line.text(" ").hex(size.value);
  if (is_closed()) line.text(", closed");
  line.text(", notifiers of ").hex(shape_.notifier_size().value).text(": ").decimal(notifiers_.size()).end();
  notifiers_.for_each([&](notifier<P>& n) { n.dump(out); });
}

template <svm_policies P>
template <class Out>
requires text_sink<Out>
void notifier<P>::dump(Out&& out) {
  std::uint64_t const sequence = env_.mm.read_begin(registration_);  // may wait for an event, which takes the lock
  detail::line_writer line(out);
  exclusive_guard const guard{lock_};
  line.text("  notifier ").span(interval_).text(", sequence ").decimal(sequence);
  line.text(", ranges: ").decimal(ranges_.size()).end();
  ranges_.for_each([&](range<P>& r) {
    lock_.assert_held();
    dump_locked(r, line);
  });
}

template <svm_policies P>
template <class Out>
requires text_sink<Out>
void range<P>::dump(Out&& out) {
  detail::line_writer line(out);
  exclusive_guard const guard{owner_.lock()};
  owner_.dump_locked(*this, line);
}

template <svm_policies P>
template <class Out>
void notifier<P>::dump_locked(range<P>& r, detail::line_writer<Out>& line) {
  line.text("    range ").span(r.interval());
  line.text(", references ").decimal(r.references());
  if (r.is_migratable()) line.text(", migratable");
  if (r.has(range_flag::unmapped)) line.text(", unmapped");
  if (r.has(range_flag::partial_unmap)) line.text(" in part");
  if (r.has(range_flag::removed)) line.text(", removed");
  line.end();
  for_each_mapping_locked(r, [&](device_mapping<P>& mapping) {
    lock_.assert_held();
    line.text("      mapping");
    if (&mapping != &r.pages_) line.text(" of device ").address(&mapping.env().device);
    mapping.dump_locked(lock_, r.interval().start(), line);
  });
}

template <svm_policies P>
template <class Out>
void device_mapping<P>::dump_locked(lock_type& held, cpu_va at, detail::line_writer<Out>& line) const {
  held.assert_held();
  if (!has(page_flag::mapped)) line.text(": not mapped");
  if (has(page_flag::mapped)) line.text(": mapped");
  if (has(page_flag::mapped) && !has(page_flag::valid)) line.text(", invalid");
  if (has(page_flag::system)) line.text(", system");
  if (has(page_flag::device)) line.text(", device");
  if (has(page_flag::peer)) line.text(", peer");
  if (has(page_flag::read_only)) line.text(", read_only");
  if (has(page_flag::bound)) {
    line.text(", bound to read");
    if (has(page_flag::bound_write)) line.text(" write");
    if (has(page_flag::bound_atomic)) line.text(" atomic");
  }
  line.end();
  for (device_address const& block : blocks_locked()) {
    va_range const part{at, block.pages() * P::mm::page_size};
    line.text("        ").span(part);
    if (block.path == interconnect::system) line.text(" system");
    if (block.path == interconnect::local) line.text(" local");
    if (block.path == interconnect::peer) line.text(" peer");
    line.text(" at ").hex(block.address.value);
    if (block.direction == dma_direction::to_device) line.text(", to_device");
    if (block.direction == dma_direction::from_device) line.text(", from_device");
    line.end();
    at = at + part.size();
  }
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/placement/block_faults.hpp>
#include <svm/placement/fault_batch.hpp>

namespace svm::inline v0::placement {

/// Cancels what is fatal in a batch now. `cancel(entry, fatality)` tells the hardware.
template <class Batch, class Permits, class Cancel>
void cancel_fatal(Batch& batch, Permits&& permits, Cancel&& cancel) {
  for (unsigned i = 0; i < batch.coalesced(); ++i) {
    fault_entry const& e = batch.ordered(i);
    if (fatality const f = judge(e, permits); f != fatality::none) cancel(e, f);
  }
}

/// Cancels faults that cannot be served, and only those (rule C6). The ring is flushed and replayed first: what an unmap or
/// a change of protection made fatal for a moment does not come again.
///
/// `View`: `void replay_and_wait()`, `translated translate(context)`, `bool permits(entry, access)`, `void cancel(entry,
/// fatality)`. False when the device failed.
template <class Batch, class View>
bool cancel_precisely(Batch& batch, View&& view) {
  if (!batch.flush(flush_mode::update_put)) return false;
  view.replay_and_wait();
  if (!batch.fetch(fetch_mode::all, merging::one_microtlb)) return false;
  auto const known = batch.order([&](fault_context const& c) { return view.translate(c); });
  if (known == translated::kind::live)
    cancel_fatal(
        batch, [&](fault_entry const& e, fault_access a) { return view.permits(e, a); },
        [&](fault_entry const& e, fatality f) { view.cancel(e, f); });
  if (!batch.flush(flush_mode::update_put)) return false;
  view.replay_and_wait();
  return true;
}

}  // namespace svm::inline v0::placement

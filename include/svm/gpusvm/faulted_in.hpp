// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/gpusvm/notifier.hpp>
#include <svm/gpusvm/range.hpp>

namespace svm::inline v0 {

/// A range whose pages were made present and mapped for no device: for a device that walks the CPU's page table itself,
/// or a driver that keeps what it finds by its own means.
///
/// The pages may have gone since. `with_valid` runs what relies on them while none of them can go; there is no other way
/// to ask. The object has the right to work on the range until `release`, so no other thread works on it meanwhile.
template <svm_policies P>
class [[nodiscard]] faulted_in {
 public:
  /// \param held      the range whose pages `gpusvm::fault_in` found present
  /// \param sequence  of its notifier, from before they were
  faulted_in(locked_range<P> held, std::uint64_t sequence) : held_(std::move(held)), sequence_(sequence) {}
  faulted_in(faulted_in&&) noexcept = default;
  faulted_in& operator=(faulted_in&&) = delete;

  /// Calls `use()` with the notifier's lock held shared, if no event came since the pages were present.
  ///
  /// What `use` makes of the pages ends with the next event over the range: the client's `invalidate` sees to that, and
  /// waits for `use` to return. It allocates nothing and takes locks of rank device and later only.
  /// \pre    takes notifier (shared)
  /// \errors retry (an event came: fault in again), unmapped; `use` was not called
  template <class Use>
  [[nodiscard]] errc with_valid(Use&& use) {
    range<P>& r = *held_;
    notifier<P>& home = r.owner();
    settle_events(home.env_.mm);
    shared_guard const guard{home.lock_};
    if (r.has(range_flag::unmapped)) return errc::unmapped;
    if (home.env_.mm.read_retry(home.registration_, sequence_)) return errc::retry;
    std::forward<Use>(use)();
    return errc::ok;
  }

  /// Gives the right to work on the range back, and what is known of its pages up.
  [[nodiscard]] locked_range<P> release() && { return std::move(held_); }

 private:
  locked_range<P> held_;
  std::uint64_t const sequence_;
};

}  // namespace svm::inline v0

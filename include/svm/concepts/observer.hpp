// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <svm/base/interval.hpp>
#include <svm/base/migration_cause.hpp>
#include <svm/base/result.hpp>
#include <svm/base/time.hpp>
#include <svm/concepts/on_missing.hpp>

namespace svm::inline v0 {

/// What an observer can be told of.
enum class event_kind : std::uint8_t {
  gpu_fault,        ///< a GPU fault begins; span: the page
  gpu_fault_retry,  ///< a pass of a GPU fault beyond its first; error: what ended the pass before
  gpu_fault_end,    ///< error: how it ended
  range_created,
  range_removed,
  notifier_created,
  notifier_removed,
  invalidated,         ///< a notifier callback ran; span: the event's
  migrated_to_device,  ///< span: the range; bytes: what was copied from system memory
  migrated_peer,       ///< span: the range; bytes: what was copied from another device, as part of a migration
  migrated_to_system,  ///< bytes: what was copied; span: the faulting page, the span that was evicted, or 0 to the size
                       ///< of the allocation
  migration_failed,    ///< a try to move a span to device memory failed; error: why
  evicted,             ///< memory pressure picked an allocation; bytes: its size
  retry_after_event,   ///< a bounded loop went round because of an interfering event; span: of the range or page
  unexplained_retry,   ///< a bounded loop went round without an interfering event, which should not happen
  copied,  ///< a copy job ended; bytes: what it copied for one cause, whatever became of the pages afterwards
};

/// Why memory moves, and for whom.
struct move_reason {
  migration_cause cause = migration_cause::gpu_fault;
  std::uint32_t batch = 0;  ///< the number of the batch of faults; 0: none
  std::uint32_t actor = 0;  ///< who asked: the requester of a fault

  friend constexpr bool operator==(move_reason const&, move_reason const&) = default;
};

/// Something that happened, for counters, traces and tests.
struct event {
  event_kind kind;
  va_range span;
  byte_count bytes{};
  errc error = errc::ok;
  move_reason reason{};  ///< of a copy
  time_point began{};    ///< of a copy
  time_point ended{};
};

/// Where the library tells what it does.
///
/// A model also promises (svm/conformance/observer.hpp checks it):
///  1. `record` allocates nothing;
///  2. `record` returns soon;
///  3. `record` takes no lock of a rank below leaf_statistics;
///  4. `record` calls nothing of the library.
///
/// It may come with any lock held and from any thread.
// clang-format off
template <class O>
concept observer = requires(O& o, event const& e) {
  { o.record(e) } noexcept -> std::same_as<void>;
};

/// Explains what a type lacks to be an observer.
template <class O, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_observer() {
  if constexpr (!requires(O& o, event const& e) { { o.record(e) } noexcept -> std::same_as<void>; })
    static_assert(How == on_missing::answer, "svm: observer needs `void record(event const&) noexcept`");
  else
    return true;
  return false;
}
// clang-format on

/// The observer that looks away.
struct null_observer {
  /// Nobody reads a clock for it.
  static constexpr bool looks_away = true;
  constexpr void record(event const&) noexcept {}
};
static_assert(observer<null_observer>);

namespace detail {

/// The moment that an event carries; of no interest, and not asked for, where the observer looks away.
template <class Observer, class Clock>
[[nodiscard]] time_point moment_for(Observer const&, [[maybe_unused]] Clock& clock) {
  if constexpr (requires { requires Observer::looks_away; })
    return {};
  else
    return clock.now();
}

}  // namespace detail

}  // namespace svm::inline v0

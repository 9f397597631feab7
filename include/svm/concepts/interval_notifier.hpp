// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// The notifiers of an address space: they tell of changes, and a sequence says whether there were any.
///
/// A model also promises (svm/conformance/interval_notifier.hpp checks it):
///  1. `invalidate` of a registered target is called for every event that meets its span;
///  2. `invalidate` is called for no event of another address space;
///  3. `invalidate` is called before any page of the event is freed or reused;
///  4. an unmap's event comes after the VMA is gone and before the addresses serve another one;
///  5. for one event, every call of `invalidate` comes before the first of `finish_invalidation`;
///  6. each target that answered `pending` is finished once, in the order of telling, before pages go, and no other is;
///  7. an event that may not block changes nothing when a target refuses it;
///  8. a target is not told any more once `unregister_notifier` has returned;
///  9. `read_begin` returns while no event is open over the notifier;
/// 10. `read_begin` returns the value that `set_sequence` stored last;
/// 11. `read_retry` tells whether an event came since `read_begin` returned that value;
/// 12. while a notifier's lock is held with `read_retry` false, no page is freed that a page walk reported since
///     `read_begin`;
/// 13. an event comes before a permission is withdrawn, unless the mm says otherwise (`reports_protection`);
/// 14. where there is a `settle()`, it returns once every event that began before is over;
/// 15. each function works with the locks held that are listed below, and needs no other.
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * unregister_notifier: that of the rank service. register_notifier, read_begin: those of the ranks vm and range;
///  * read_retry: the same, and the notifier's. set_sequence: the notifier's, exclusive, and whatever the mm holds
///    around an event;
///  * settle: those of the rank range.
///
/// What an mm may say of itself, in constants; the answer where it says nothing comes first:
///  * `invalidates_before_unmap` (true): promises 3 and 4 hold for an unmap. Otherwise its event may come once the pages
///    are gone, and what a device read or wrote meanwhile is lost;
///  * `reports_protection` (true): promise 13 holds. Otherwise a permission that is withdrawn shows at the next fault.
///
/// And what it may have: `settling_mm`, with `settle()`. The library calls it before a check of the sequence, or of a
/// mapping, that leads to work of a device.
// clang-format off
template <class M>
concept interval_notifier = std::default_initializable<typename M::registration> &&
    requires(M& m, typename M::registration& registration, va_range span, invalidation_target& target,
             std::uint64_t sequence) {
  { m.register_notifier(registration, span, target) } noexcept -> std::same_as<errc>;
  { m.unregister_notifier(registration) } noexcept -> std::same_as<void>;
  { m.read_begin(registration) } noexcept -> std::same_as<std::uint64_t>;
  { m.read_retry(registration, sequence) } noexcept -> std::same_as<bool>;
  { m.set_sequence(registration, sequence) } noexcept -> std::same_as<void>;
};

/// An mm that has something to finish before a device is given work.
template <class M>
concept settling_mm = requires(M& m) { { m.settle() } noexcept -> std::same_as<void>; };

/// True when an mm has something by the name of the part, whatever its type.
template <class M>
concept claims_settling = requires { &M::settle; } || requires(M& m) { m.settle(); };

/// Explains what a type lacks to be one whose changes can be watched.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_interval_notifier() {
  if constexpr (!std::default_initializable<typename M::registration>)
    static_assert(How == on_missing::answer, "svm: interval_notifier needs a `registration` that is made without arguments");
  else if constexpr (!requires(M& m, typename M::registration& registration, va_range span,
                               invalidation_target& target) {
    { m.register_notifier(registration, span, target) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: interval_notifier needs `errc register_notifier(registration&, va_range, invalidation_target&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration) {
    { m.unregister_notifier(registration) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: interval_notifier needs `void unregister_notifier(registration&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration) {
    { m.read_begin(registration) } noexcept -> std::same_as<std::uint64_t>;
  })
    static_assert(How == on_missing::answer, "svm: interval_notifier needs `std::uint64_t read_begin(registration&) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration, std::uint64_t sequence) {
    { m.read_retry(registration, sequence) } noexcept -> std::same_as<bool>;
  })
    static_assert(How == on_missing::answer, "svm: interval_notifier needs `bool read_retry(registration&, std::uint64_t) noexcept`");
  else if constexpr (!requires(M& m, typename M::registration& registration, std::uint64_t sequence) {
    { m.set_sequence(registration, sequence) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: interval_notifier needs `void set_sequence(registration&, std::uint64_t) noexcept`");
  else
    return true;
  return false;
}

/// Explains what an mm that claims the part lacks of it.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_settling() {
  if constexpr (!claims_settling<M>)
    return true;
  else if constexpr (!settling_mm<M>)
    static_assert(How == on_missing::answer, "svm: interval_notifier needs `void settle() noexcept`, to be a settling_mm");
  else
    return true;
  return false;
}

/// Explains what is wrong with a constant in which an mm says something of itself.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_watching_constants() {
  if constexpr (requires { M::invalidates_before_unmap; } &&
                !requires { typename std::bool_constant<M::invalidates_before_unmap>; })
    static_assert(How == on_missing::answer,
                  "svm: interval_notifier needs `static constexpr bool invalidates_before_unmap`, if it says so");
  else if constexpr (requires { M::reports_protection; } &&
                     !requires { typename std::bool_constant<M::reports_protection>; })
    static_assert(How == on_missing::answer,
                  "svm: interval_notifier needs `static constexpr bool reports_protection`, if it says so");
  else
    return true;
  return false;
}
// clang-format on

/// What an mm says of itself.
template <class M>
inline constexpr bool invalidates_before_unmap = true;
template <class M>
requires requires {
  M::invalidates_before_unmap;
}
inline constexpr bool invalidates_before_unmap<M> = M::invalidates_before_unmap;

/// Whether an mm tells of a permission that is withdrawn; true unless it says otherwise.
template <class M>
inline constexpr bool reports_protection = true;
template <class M>
requires requires {
  M::reports_protection;
}
inline constexpr bool reports_protection<M> = M::reports_protection;

/// Waits for events that are late, where an mm has such.
///
/// \pre no lock of rank notifier or later held, and not the map lock
template <class M>
void settle_events([[maybe_unused]] M& mm) {
  if constexpr (settling_mm<M>) mm.settle();
}

}  // namespace svm::inline v0

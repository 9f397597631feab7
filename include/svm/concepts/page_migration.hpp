// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/upcalls.hpp>

namespace svm::inline v0 {

/// What became of one page of a migration.
enum class slot_state : std::uint8_t {
  untouched,  ///< not collected: nothing was there to look at, or the handle is of a page freed since
  collected,  ///< locked, referenced and out of every page table
  hole,       ///< collected; nothing is there, or the zero page: there are no bytes to copy
  resident,   ///< refused: in device memory, where system memory was asked for (or the reverse)
  locked,     ///< refused: somebody else has the page locked
  pinned,     ///< refused: somebody else holds a reference
  elsewhere,  ///< refused: not mapped inside the span that was asked for
  shared,     ///< refused: mapped by other address spaces too
  swapped,    ///< refused: it is on a swap device
  raced,      ///< it was collected, and `install` could not move it
};

/// One base page of a migration: `collect` fills all but the destination, the library the destination.
///
/// A folio that is collected as one block stands in neighbouring slots: the first has its order, the others `follow`.
/// A large hole does so too. A destination of the same order at the first slot, and none at the others, moves the block
/// whole. Otherwise the block is split when a slot of it has a destination, and each slot with one moves.
template <class Page>
struct migration_slot {
  Page source{};       ///< the base page
  Page destination{};  ///< the first page of a block
  slot_state state = slot_state::untouched;
  bool follows = false;                             ///< the block began at an earlier slot
  page_order order{};                               ///< of the block of sources that begins here
  page_order destination_order{};                   ///< of the block at `destination`
  device_page_owner<Page>* owner_object = nullptr;  ///< of a source in device memory that is collected

  [[nodiscard]] bool is_collected() const { return state == slot_state::collected || state == slot_state::hole; }
  /// True when others held the page, so that it may move once they let go.
  [[nodiscard]] bool is_in_use() const { return state == slot_state::locked || state == slot_state::pinned; }
};

/// How the pages of an address space move.
///
/// A model also promises (svm/conformance/ checks it):
///  6. `collect` takes each page of the span that is in system memory, in device memory that `reach` reaches, or a hole, out of
///     every page table after an event with cause migrate; `collect_pages` does so for the device pages named in the
///     slots that the address space `within->space` maps inside `within->span` (that any maps, when null), whichever
///     address space of the machine it is called on. `faulting` is the page of a CPU fault under way, on whose block
///     the mm holds one more reference; without a fault it is a default page, which no live page equals. A page that is
///     locked or pinned by others is refused, with the reason. Both look at physical memory first, so `collect_pages`
///     neither needs nor takes the map lock;
///  7. `install` moves the mappings of every collected slot that has a destination; `finalize` (which the destructor of
///     the migration calls too) points the page tables at the destination where that happened and at the source where
///     not, and unlocks and puts every other page of the slots, so that nothing stays locked. The page tables take over
///     the reference with which a destination came: nobody puts a destination that got a mapping;
///  8. `allocate_page` returns a locked block of 2^order contiguous system pages with one reference; `adopt_device_page`
///     makes a block of device memory so, with `owner` behind it until its last put; where it is `coherent` the CPU
///     reaches it without a fault. `discard_page` unlocks and puts such a block that no slot got;
///  9. handles of pages are plain values: copying one takes no reference, and one of a freed page is recognised.
///     `page_at(first, n)` is the handle of the n-th page of contiguous memory that begins with `first`; where there is no
///     such page, it is the handle of no page that is alive.
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * collect: those of the ranks vm and range, and the map lock shared, which is always held;
///  * collect_pages: those of the ranks range and eviction; during a CPU fault the map lock too;
///  * allocate_page, adopt_device_page, discard_page, install, finalize: those of the session's `collect` or
///    `collect_pages`, and what that took.
///
/// What an mm may say of itself in a constant: `collects_into_destination` (false where it says nothing): to take a page
/// away is to move it, so that the slots have their destinations when `collect` is called.
// clang-format off
template <class M>
concept page_migration = std::default_initializable<typename M::migration> &&
    requires(M& m, typename M::migration& session, va_range span, std::span<migration_slot<typename M::page>> slots,
             page_scope const* within, typename M::page page, device_page_owner<typename M::page>& owner,
             page_owner reach, page_order order, bool coherent) {
  { m.collect(session, span, slots, reach) } noexcept -> std::same_as<errc>;
  { m.collect_pages(session, slots, within, page) } noexcept -> std::same_as<void>;
  { m.install(session) } noexcept -> std::same_as<void>;
  { m.finalize(session) } noexcept -> std::same_as<void>;
  { m.allocate_page(order) } noexcept -> std::same_as<result<typename M::page>>;
  { m.adopt_device_page(page, order, owner, coherent) } noexcept -> std::same_as<void>;
  { m.discard_page(page) } noexcept -> std::same_as<void>;
};

/// Explains what a type lacks to be one whose pages can move.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_page_migration() {
  if constexpr (!requires { typename M::migration; })
    static_assert(How == on_missing::answer, "svm: page_migration needs a type `migration`, the state of one");
  else if constexpr (!std::default_initializable<typename M::migration>)
    static_assert(How == on_missing::answer, "svm: page_migration needs a `migration` that is made without arguments");
  else if constexpr (!requires(M& m, typename M::migration& session, va_range span,
                               std::span<migration_slot<typename M::page>> slots, page_owner reach) {
    { m.collect(session, span, slots, reach) } noexcept -> std::same_as<errc>;
  })
    static_assert(How == on_missing::answer,
                  "svm: page_migration needs `errc collect(migration&, va_range, std::span<migration_slot<page>>, page_owner) "
                  "noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session, std::span<migration_slot<typename M::page>> slots,
                               page_scope const* within, typename M::page page) {
    { m.collect_pages(session, slots, within, page) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: page_migration needs `void collect_pages(migration&, std::span<migration_slot<page>>, page_scope const*, "
                  "page) noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session) {
    { m.install(session) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: page_migration needs `void install(migration&) noexcept`");
  else if constexpr (!requires(M& m, typename M::migration& session) {
    { m.finalize(session) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: page_migration needs `void finalize(migration&) noexcept`");
  else if constexpr (!requires(M& m, page_order order) {
    { m.allocate_page(order) } noexcept -> std::same_as<result<typename M::page>>;
  })
    static_assert(How == on_missing::answer, "svm: page_migration needs `result<page> allocate_page(page_order) noexcept`");
  else if constexpr (!requires(M& m, typename M::page page, page_order order,
                               device_page_owner<typename M::page>& owner, bool coherent) {
    { m.adopt_device_page(page, order, owner, coherent) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: page_migration needs `void adopt_device_page(page, page_order, device_page_owner<page>&, bool) noexcept`");
  else if constexpr (!requires(M& m, typename M::page page) {
    { m.discard_page(page) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer, "svm: page_migration needs `void discard_page(page) noexcept`");
  else
    return true;
  return false;
}

/// Explains what is wrong with a constant in which an mm says something of itself.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_moving_constants() {
  if constexpr (requires { M::collects_into_destination; } &&
                !requires { typename std::bool_constant<M::collects_into_destination>; })
    static_assert(How == on_missing::answer,
                  "svm: page_migration needs `static constexpr bool collects_into_destination`, if it says so");
  else
    return true;
  return false;
}
// clang-format on

/// What an mm says of itself.
template <class M>
inline constexpr bool collects_into_destination = false;
template <class M>
requires requires {
  M::collects_into_destination;
}
inline constexpr bool collects_into_destination<M> = M::collects_into_destination;

}  // namespace svm::inline v0

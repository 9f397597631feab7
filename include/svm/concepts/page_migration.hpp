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
  moved,      ///< collected, and the session moves the bytes itself: nobody copies them
  resident,   ///< refused: in device memory, where system memory was asked for (or the reverse)
  locked,     ///< refused: somebody else has the page locked
  pinned,     ///< refused: somebody else holds a reference
  elsewhere,  ///< refused: not mapped inside the span that was asked for
  shared,     ///< refused: mapped by other address spaces too
  swapped,    ///< refused: it is on a swap device
  raced,      ///< it was collected, and `install` could not move it
  outside,    ///< not asked for: `collect` leaves it alone
};

/// One base page of a migration: `collect` fills all but the destination, the library the destination. It does so before
/// `collect` for a model that `collects_into_destination`.
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

  [[nodiscard]] bool is_collected() const { return has_page() || state == slot_state::hole; }
  /// True when there is a page, and it is collected.
  [[nodiscard]] bool has_page() const { return state == slot_state::collected || state == slot_state::moved; }
  /// True when others held the page, so that it may move once they let go.
  [[nodiscard]] bool is_in_use() const { return state == slot_state::locked || state == slot_state::pinned; }
};

/// How the pages of an address space move.
///
/// All but `collect` are about pages of the machine, whichever address spaces map them, and need no user reference.
/// `collect_pages` looks at physical memory first, so it neither needs nor takes the map lock.
///
/// A model also promises (svm/conformance/page_migration.hpp checks it):
///  1. `collect` takes every page of system memory and every hole of the span out of the page table;
///  2. `collect` takes the device pages that `reach` reaches, and refuses others as resident;
///  3. before a page is taken, an event with cause migrate comes. It is on behalf of `reach`, or of the page's owner for
///     `collect_pages`;
///  4. a page that others have locked or pinned, that other address spaces map too or that is swapped out is refused,
///     with the reason;
///  5. a block comes whole where the slots have room for all of it, and otherwise in smaller blocks that fit;
///  6. `collect_pages` takes the device pages that the slots name out of every page table, whichever address space is
///     asked;
///  7. with a scope it takes only pages that the address space `within->space` maps inside `within->span`, and refuses
///     others as elsewhere;
///  8. `faulting` is the page of a CPU fault under way. The reference that the mm holds for this fault pins no page, and
///     every other one does. Without a fault `faulting` is a default page, which equals no live page;
///  9. `install` moves the mappings of every collected slot that has a destination;
/// 10. the pages of a block that is split keep what they hold;
/// 11. the owner object of a device block that is split is told so;
/// 12. `finalize` points the page tables at the source again where nothing moved;
/// 13. `finalize` leaves no page of the slots locked;
/// 14. `finalize` puts the sources that moved and the destinations that got no mapping;
/// 15. the destructor of a session does what `finalize` does;
/// 16. the page tables take over the reference with which a destination came;
/// 17. `allocate_page` returns a locked block of 2^order contiguous system pages with one reference;
/// 18. `adopt_device_page` makes 2^order contiguous pages of device memory a locked block with one reference;
/// 19. the owner object stands behind an adopted block until its last put, and is told of that put;
/// 20. the CPU reaches a block that was adopted as coherent without a fault;
/// 21. `discard_page` unlocks and puts a block that no slot got;
/// 22. handles of pages are plain values, so a copy takes no reference;
/// 23. the handle of a page that was freed since is recognised: its slot stays untouched;
/// 24. each function works with the locks held that are listed below, and needs no other.
///
/// A model that `collects_into_destination` promises too:
/// 25. `collect` takes a page of system memory, or a hole, only where there is a destination for it; else the slot stays
///     untouched;
/// 26. `collect` says of each page of system memory that it takes that it has moved: its bytes are at the destination;
/// 27. where a source and its destination are not of one order, `collect` splits the larger one. So a block of sources
///     has one destination of its order at its first slot;
/// 28. `finalize` brings the bytes back of what does not move;
/// 29. a `collect` that fails leaves the destinations to its caller, as they were;
/// 30. where `collect_pages` says that a page has moved, its bytes are at the destination once `install` has returned.
///
/// A model that `collects_masks` promises too:
/// 31. `collect` leaves alone what slots say is outside: it takes nothing there, and no event covers it.
///
/// A model that is a `clearing_mm` promises too:
/// 32. after `clear_page` all of a block that `allocate_page` returned reads as zero, and nothing else has changed.
///
/// Which locks the library, or a driver through it, may hold around each (base/lock_rank.hpp); each may take later ones:
///  * collect: those of the ranks vm and range, and the map lock shared, which is always held;
///  * collect_pages: those of the ranks range and eviction; during a CPU fault the map lock too;
///  * allocate_page, clear_page, adopt_device_page, discard_page, install, finalize: those of the session's `collect` or
///    `collect_pages`, and what that took.
///
/// What an mm may say of itself in constants, each false where it says nothing.
///
/// `collects_into_destination`: to take a page of system memory away is to move it. So its slot has a destination, which
/// has been cleared, when `collect` is called; a block may be larger than what is there. Device pages are out of the CPU's
/// reach before anything moves. So the slots of `collect_pages` get their destinations afterwards here too, and `install`
/// may be what moves the bytes.
///
/// `collects_masks`: slots may be outside.
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

/// An mm that may have this beside: it makes a block zero that nobody else reaches, so that what nobody wants is not copied.
template <class M>
concept clearing_mm = requires(M& m, typename M::page page, page_order order) {
  { m.clear_page(page, order) } noexcept -> std::same_as<void>;
};

namespace detail {

/// True when an mm has something by the name of the function, whatever its type.
template <class M>
concept claims_clearing = requires { &M::clear_page; } ||
    requires(M& m, typename M::page page, page_order order) { m.clear_page(page, order); };

}  // namespace detail

/// Explains what an mm that begins to be a `clearing_mm` lacks to be one.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_clearing() {
  if constexpr (!detail::claims_clearing<M>)
    return true;
  else if constexpr (!clearing_mm<M>)
    static_assert(How == on_missing::answer,
                  "svm: page_migration needs `void clear_page(page, page_order) noexcept`, to be a clearing_mm");
  else
    return true;
  return false;
}

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
  else if constexpr (requires { M::collects_masks; } &&
                     !requires { typename std::bool_constant<M::collects_masks>; })
    static_assert(How == on_missing::answer,
                  "svm: page_migration needs `static constexpr bool collects_masks`, if it says so");
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
/// Whether slots of a migration may be outside of it; only where an mm says so.
template <class M>
inline constexpr bool collects_masks = false;
template <class M>
requires requires {
  M::collects_masks;
}
inline constexpr bool collects_masks<M> = M::collects_masks;

}  // namespace svm::inline v0

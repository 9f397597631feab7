// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <span>

#include <svm/base/interval.hpp>
#include <svm/concepts/on_missing.hpp>

namespace svm::inline v0 {

/// An mm that may have this beside: pages that the CPU does not write without an event, so that devices can have copies of them.
///
/// `write_protect(span, pages)` takes the CPU's right to write, page by page, and names what it took: an element of `pages`
/// for each page of the span. What it does not name may be written at any time. Nobody gives the right back: a write takes it
/// by a fault.
///
/// A model also promises (svm/conformance/write_protection.hpp checks it):
///  1. `write_protect` names pages of private system memory that are present, each in its place, and gives all other
///     places a default page;
///  2. it makes no page present, and names no hole, no zero page and no page in device memory;
///  3. it names no page on which anybody else has a reference: the holder of one may write without a fault;
///  4. an event comes before a page is protected that was not so before, and none for a page that was;
///  5. `fault_in` for a write, and the CPU's, is served by no entry that is protected: an event that covers the page comes
///     before the page may be written. The write then succeeds;
///  6. it does so too when the page was shared by a fork, and is not any more;
///  7. reads go on without a fault and without an event, and pages beside one that is written stay protected;
///  8. each page that was named has a reference until `put_pages`, and lives, whatever the page table does;
///  9. `put_pages` drops the references, and passes over default pages;
/// 10. each function works with the locks held that are listed below, and needs no other.
///
/// All other events come as ever, so that a page which was named holds the same bytes until there is one.
///
/// Which locks the library may hold around each (base/lock_rank.hpp); each may take later ones:
///  * write_protect: those of the ranks vm and range, and the map lock shared, which is always held;
///  * put_pages: those of the ranks vm and range.
// clang-format off
template <class M>
concept write_protecting_mm = requires(M& m, va_range span, std::span<typename M::page> pages,
                                       std::span<typename M::page const> named) {
  { m.write_protect(span, pages) } noexcept -> std::same_as<void>;
  { m.put_pages(named) } noexcept -> std::same_as<void>;
};

namespace detail {

/// True when an mm has something by the name of a function of the part, whatever its type.
template <class M>
concept claims_write_protection = requires { &M::write_protect; } || requires { &M::put_pages; } ||
    requires(M& m, va_range span, std::span<typename M::page> pages) { m.write_protect(span, pages); } ||
    requires(M& m, std::span<typename M::page const> named) { m.put_pages(named); };

}  // namespace detail

/// Explains what an mm that begins to be a `write_protecting_mm` lacks to be one.
template <class M, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_write_protection() {
  if constexpr (!detail::claims_write_protection<M>)
    return true;
  else if constexpr (!requires(M& m, va_range span, std::span<typename M::page> pages) {
    { m.write_protect(span, pages) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: write_protection needs `void write_protect(va_range, std::span<page>) noexcept`, to be a "
                  "write_protecting_mm");
  else if constexpr (!requires(M& m, std::span<typename M::page const> named) {
    { m.put_pages(named) } noexcept -> std::same_as<void>;
  })
    static_assert(How == on_missing::answer,
                  "svm: write_protection needs `void put_pages(std::span<page const>) noexcept`, to be a "
                  "write_protecting_mm");
  else
    return true;
  return false;
}
// clang-format on

}  // namespace svm::inline v0

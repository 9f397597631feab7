// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/conformance/verdict.hpp>

#include <svm/concepts/upcalls.hpp>

#include <cstdint>

namespace svm::inline v0::conformance::address_space {

/// The promises of `svm::address_space`.
// clang-format off
inline constexpr promise_table<21> promises{"address_space", {{
    {1, "`get_user` is false once the address space has exited"},
    {2, "an address space exits with the last user reference, and not before"},
    {3, "`id` is the same from the beginning to the end"},
    {4, "no other address space has this `id`, and it is not the default"},
    {5, "`find_vma` describes the VMA around an address, or says that there is none"},
    {6, "`find_first_vma` describes the lowest VMA that meets a span, or says that there is none"},
    {7, "no VMA changes while the map lock is held shared"},
    {8, "`fault_in` makes every page of the span present and readable"},
    {9, "`fault_in` for a write makes every page writable"},
    {10, "`fault_in` fails with the reason"},
    {11, "`fault_in` leaves device pages in place that the owner reaches"},
    {12, "`fault_in` brings other device pages back to system memory"},
    {13, "`fault_in` fails with busy for an event of its own only after it made every page present"},
    {14, "`snapshot` makes no page present"},
    {15, "a page walk adds every page that is present, in ascending order"},
    {16, "what a page walk says of a page is true"},
    {17, "page `n` of a run is `page_at(run.page, n)`"},
    {18, "a page walk stops at once when the sink wants no more, and succeeds"},
    {19, "a page walk that stopped reports the rest as one walk would"},
    {20, "`page_at` names the pages of contiguous memory"},
    {21, "each function works with the locks held that the concept lists, and needs no other"},
}}};
// clang-format on

/// Walks here are for a device that reaches no device memory of this machine.
inline constexpr svm::page_owner somebody{~std::uint32_t{0}, 1};

}  // namespace svm::inline v0::conformance::address_space

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::write_protecting_mm` (see verdict.hpp): pages that the CPU does not write without an event.
// The suite takes the bench of page_migration.hpp, or of address_space.hpp where the model moves no pages. It may have this
// beside:
//
//       void share(svm::va_range mapping);                // another process has the pages too, as after a fork
//       void end_sharing();                               // and has them no longer
//
//     CHECK(svm::conformance::write_protection::check_all([] { return std::make_unique<my_bench>(); }) == kept);
//
//  1. checked; that memory which others share is not named is not, nor that any page is: a model may name none at a time.
//  2. checked, with device memory where the bench has some.
//  3. checked where the bench pins pages.
//  4. checked.
//  5. checked, by a store and by a walk. That the event comes first shows in the page's bytes.
//  6. checked where the bench shares pages.
//  7. checked.
//  8. checked.
//  9. checked.
// 10. checked where the bench tells of locks.

#include <svm/conformance/mm_bench.hpp>
#include <svm/concepts/write_protection.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::write_protection {

/// The promises of `svm::write_protecting_mm`.
// clang-format off
inline constexpr promise_table<10> promises{"write_protection", {{
    {1, "`write_protect` names pages of system memory that are present, each in its place, and nothing elsewhere"},
    {2, "`write_protect` makes no page present, and names no hole, no zero page and no device page"},
    {3, "`write_protect` names no page on which somebody else has a reference"},
    {4, "an event comes before a page is protected, and none where it is so already"},
    {5, "an event comes before a protected page may be written, and then it is written"},
    {6, "an event comes so too when the page was shared and is not any more"},
    {7, "reads raise no event, and pages beside one that is written stay protected"},
    {8, "each page that was named lives until `put_pages`"},
    {9, "`put_pages` drops the references, and passes over default pages"},
    {10, "each function works with the locks held that the concept lists, and needs no other"},
}}};
// clang-format on

/// Pages of a bench's mm.
template <class Bench>
using pages_of = std::vector<mm::page_of<Bench>>;

/// Protects a span, and names its pages.
template <class Bench>
[[nodiscard]] pages_of<Bench> protect(Bench& b, svm::va_range span) {
  mm::page_of<Bench> const anything = mm::look(b, span)[0].page;  // what stood in a place before says nothing
  pages_of<Bench> named(mm::pages_in<Bench>(span), anything);
  svm::shared_guard const guard{b.mm().map_lock()};
  b.mm().write_protect(span, std::span{named});
  return named;
}
/// Protects a span, and lets go of its pages at once.
template <class Bench>
[[nodiscard]] pages_of<Bench> protect_only(Bench& b, svm::va_range span) {
  pages_of<Bench> named = protect(b, span);
  b.mm().put_pages(named);
  return named;
}
/// A page that was stored to; the value is 7.
template <class Bench>
[[nodiscard]] svm::va_range written_pages(Bench& b, std::size_t count) {
  svm::va_range const span = b.map(count);
  for (std::size_t i = 0; i < count; ++i) static_cast<void>(b.store(mm::page_at<Bench>(span, i), 7));
  return span;
}

/// Promises 1 and 2.
template <class Bench>
[[nodiscard]] broken_promises pages_are_named_in_their_places(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(5);
  for (std::size_t const i : {0u, 1u, 3u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 1));
  static_cast<void>(b.load(mm::page_at<Bench>(span, 2)));
  auto const before = mm::look(b, span);
  auto const named = protect_only(b, span);
  auto const after = mm::look(b, span);
  for (std::size_t i = 0; i < named.size(); ++i) {
    bool const is_stored = i != 2 && i != 4;
    v.expect(is_stored ? 1 : 2, named[i] == (is_stored ? before[i].page : mm::page_of<Bench>{}));
    v.expect(2, after[i].place == before[i].place && after[i].page == before[i].page);
  }
  return v.result();
}

/// Promise 2.
template <class Bench>
[[nodiscard]] broken_promises device_pages_are_not_named(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.device_pages(1); }) {
    svm::va_range const span = written_pages(b, 1);
    mm::counting_owner<mm::page_of<Bench>> behind{b.owner()};
    if (mm::migrate(b, span, behind)) v.expect(2, protect_only(b, span)[0] == mm::page_of<Bench>{});
    b.unmap(span);
  }
  return v.result();
}

/// Promise 3.
template <class Bench>
[[nodiscard]] broken_promises pages_that_others_hold_are_not_named(Bench& b) {
  verdict v{promises};
  if constexpr (requires(mm::page_of<Bench> p) { b.set_pinned(p, true); }) {
    svm::va_range const span = written_pages(b, 1);
    auto const p = mm::look(b, span)[0].page;
    b.set_pinned(p, true);
    v.expect(3, protect_only(b, span)[0] == mm::page_of<Bench>{});
    b.set_pinned(p, false);
    v.expect(1, protect_only(b, span)[0] == p);
  }
  return v.result();
}

/// Promise 4.
template <class Bench>
[[nodiscard]] broken_promises protection_is_told_of_once(Bench& b) {
  verdict v{promises};
  svm::va_range const span = written_pages(b, 2);
  mm::watcher<Bench> w{b, span};
  w.on_event = [&](svm::invalidation const&) {
    for (auto const& seen : mm::look_locked(b, span)) v.expect(4, seen.writable);
  };
  static_cast<void>(protect_only(b, span));
  v.expect(4, w.saw(svm::invalidation_cause::protection, span));
  w.events.clear();
  static_cast<void>(protect_only(b, span));
  v.expect(4, w.events.empty());
  return v.result();
}

/// True when an event covered all of a span.
template <class Bench>
[[nodiscard]] bool is_told(mm::watcher<Bench> const& w, svm::va_range span) {
  for (svm::invalidation const& e : w.events)
    if (e.span.contains(span)) return true;
  return false;
}

/// Promise 5, by the CPU's own store.
template <class Bench>
[[nodiscard]] broken_promises stores_are_told_of_first(Bench& b) {
  verdict v{promises};
  svm::va_range const span = written_pages(b, 1);
  auto const named = protect_only(b, span);
  for (auto const& seen : mm::look(b, span)) v.expect(5, !seen.writable);
  mm::watcher<Bench> w{b, span};
  w.on_event = [&](svm::invalidation const&) { v.expect(5, mm::holds(b, named[0], 7)); };
  static_cast<void>(b.store(span.start(), 8));
  v.expect(5, is_told(w, span));
  w.on_event = nullptr;
  v.expect(5, b.load(span.start()) == 8);
  return v.result();
}

/// Promise 5, by a walk on behalf of a device, and by a store into a page that somebody still has.
template <class Bench>
[[nodiscard]] broken_promises walks_for_writing_are_told_of(Bench& b) {
  verdict v{promises};
  svm::va_range const span = written_pages(b, 1);
  static_cast<void>(protect_only(b, span));
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  if (mm::walk(b, w, span, svm::access_kind::write, svm::nobody, found) != svm::errc::ok) return v.result();
  v.expect(5, is_told(w, span) && found[0].writable);
  auto const named = protect(b, span);
  w.events.clear();
  static_cast<void>(b.store(span.start(), 8));
  v.expect(5, is_told(w, span) && b.load(span.start()) == 8);
  b.mm().put_pages(named);
  v.expect(5, b.load(span.start()) == 8);
  return v.result();
}

/// Promise 6.
template <class Bench>
[[nodiscard]] broken_promises pages_that_were_shared_are_told_of(Bench& b) {
  verdict v{promises};
  if constexpr (requires(svm::va_range span) { b.share(span), b.end_sharing(); }) {
    svm::va_range const span = written_pages(b, 1);
    b.share(span);
    static_cast<void>(protect_only(b, span));
    mm::watcher<Bench> w{b, span};
    b.end_sharing();
    static_cast<void>(b.store(span.start(), 8));
    v.expect(6, is_told(w, span) && b.load(span.start()) == 8);
  }
  return v.result();
}

/// Promise 7.
template <class Bench>
[[nodiscard]] broken_promises reads_and_neighbours_are_left_alone(Bench& b) {
  verdict v{promises};
  svm::va_range const span = written_pages(b, 2);
  static_cast<void>(protect_only(b, span));
  mm::watcher<Bench> w{b, span};
  for (std::size_t i = 0; i < 2; ++i) v.expect(7, b.load(mm::page_at<Bench>(span, i)) == 7);
  mm::records_of<Bench> found;
  if (mm::walk(b, w, span, svm::access_kind::read, svm::nobody, found) != svm::errc::ok) return v.result();
  v.expect(7, w.events.empty());
  static_cast<void>(b.store(span.start(), 8));
  v.expect(7, !mm::look(b, span)[1].writable);
  return v.result();
}

/// Promises 8 and 9.
template <class Bench>
[[nodiscard]] broken_promises named_pages_live_until_they_are_put(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  for (std::size_t const i : {0u, 2u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), 7));
  auto const named = protect(b, span);
  if (named[0] == mm::page_of<Bench>{} || named[2] == mm::page_of<Bench>{}) return v.result();
  b.unmap(span);
  bool const lived = mm::holds(b, named[0], 7) && mm::holds(b, named[2], 7);
  if (!v.expect(8, lived)) return v.result();
  b.mm().put_pages(named);
  v.expect(9, !b.is_live(named[0]) && !b.is_live(named[2]));
  return v.result();
}

/// Promise 10.
template <class Bench>
[[nodiscard]] broken_promises protection_runs_under_the_librarys_locks(Bench& b) {
  verdict v{promises};
  if constexpr (tells_of_locks<Bench>) {
    svm::va_range const span = written_pages(b, 1);
    held_lock<Bench, svm::lock_rank::service> const service;
    held_lock<Bench, svm::lock_rank::vm> const vm;
    held_lock<Bench, svm::lock_rank::range> const range;
    pages_of<Bench> named;
    v.expect(10, in_order(b, [&] { named = protect(b, span); }));
    v.expect(10, in_order(b, [&] { b.mm().put_pages(named); }));
  }
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class Make>
[[nodiscard]] broken_promises check_all(Make&& make) {
  static_assert(svm::write_protecting_mm<mm::mm_of<mm::bench_of<Make>>>,
                "svm: the suite write_protection needs a model that is a write_protecting_mm");
  broken_promises all;
  all.add(pages_are_named_in_their_places(*make()));
  all.add(device_pages_are_not_named(*make()));
  all.add(pages_that_others_hold_are_not_named(*make()));
  all.add(protection_is_told_of_once(*make()));
  all.add(stores_are_told_of_first(*make()));
  all.add(walks_for_writing_are_told_of(*make()));
  all.add(pages_that_were_shared_are_told_of(*make()));
  all.add(reads_and_neighbours_are_left_alone(*make()));
  all.add(named_pages_live_until_they_are_put(*make()));
  all.add(protection_runs_under_the_librarys_locks(*make()));
  return all;
}

}  // namespace svm::inline v0::conformance::write_protection

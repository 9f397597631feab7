// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of address_space.hpp that are about page walks: promises 8 to 10 and 14 to 19.

#include <svm/conformance/impl/space_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <cstddef>
#include <cstdint>

namespace svm::inline v0::conformance::address_space {

/// Promise 14: of three pages the second is present, and stays the only one.
template <class Bench>
[[nodiscard]] broken_promises snapshots_fault_nothing_in(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  static_cast<void>(b.store(mm::page_at<Bench>(span, 1), 7));
  for (int again = 0; again < 2; ++again) {
    auto const seen = mm::look(b, span);
    v.expect(14, seen[0].place == svm::page_place::absent && seen[2].place == svm::page_place::absent);
  }
  return v.result();
}

/// Promise 8.
template <class Bench>
[[nodiscard]] broken_promises walks_make_every_page_present(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  static_cast<void>(b.store(mm::page_at<Bench>(span, 1), 7));
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  v.expect(8, mm::walk(b, w, span, svm::access_kind::read, somebody, found) == svm::errc::ok);
  for (auto const& one : mm::look(b, span)) v.expect(8, one.place == svm::page_place::system);
  return v.result();
}

/// Promise 9: so that a store needs no fault.
template <class Bench>
[[nodiscard]] broken_promises walks_for_writing_make_writable(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> found;
  static_cast<void>(mm::walk(b, w, span, svm::access_kind::read, somebody, found));
  v.expect(9, mm::walk(b, w, span, svm::access_kind::write, somebody, found) == svm::errc::ok);
  for (auto const& one : found)
    if (one.place == svm::page_place::system) v.expect(9, one.writable);
  return v.result();
}

/// Promise 10.
template <class Bench>
[[nodiscard]] broken_promises walks_say_why_they_fail(Bench& b) {
  verdict v{promises};
  mm::records_of<Bench> found;
  if constexpr (requires { b.map_read_only(std::size_t{1}); }) {
    svm::va_range const fixed = b.map_read_only(1);
    mm::watcher<Bench> w{b, fixed};
    v.expect(10, mm::walk(b, w, fixed, svm::access_kind::read, somebody, found) == svm::errc::ok);
    v.expect(10, mm::walk(b, w, fixed, svm::access_kind::write, somebody, found) == svm::errc::read_only);
  }
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  b.unmap(span);
  v.expect(10, mm::walk(b, w, span, svm::access_kind::read, somebody, found) == svm::errc::no_vma);
  return v.result();
}

/// Promise 16: page by page, for both walks.
template <class Bench>
[[nodiscard]] broken_promises walks_say_what_is_there(Bench& b) {
  verdict v{promises};
  svm::va_range const span = b.map(3);
  mm::watcher<Bench> w{b, span};
  for (std::size_t const i : {2u, 0u, 1u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 7));
  auto const check = [&](mm::page_record<typename Bench::page> const& one, std::size_t i) {
    if (one.place == svm::page_place::absent) return;  // promise 8 or 15 is not kept
    v.expect(16, one.place == svm::page_place::system && mm::holds(b, one.page, i + 7));
    v.expect(16, one.owner == svm::nobody && one.owner_object == nullptr);
  };
  auto const seen = mm::look(b, span);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    check(seen[i], i);
    svm::va_range const one{mm::page_at<Bench>(span, i), mm::mm_of<Bench>::page_size};
    mm::records_of<Bench> found;
    if (mm::walk(b, w, one, svm::access_kind::read, somebody, found) == svm::errc::ok) check(found[0], i);
  }
  return v.result();
}

/// A mapping of six pages, four of them present. They became so from the last to the first, so that few mms have
/// neighbours in contiguous memory.
template <class Bench>
[[nodiscard]] svm::va_range map_with_holes(Bench& b) {
  svm::va_range const span = b.map(6);
  for (std::size_t const i : {5u, 3u, 2u, 0u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i));
  return span;
}
/// True when two walks report the same of a page; how they make runs is their own.
template <class Page>
[[nodiscard]] bool is_same(mm::page_record<Page> const& a, mm::page_record<Page> const& b) {
  return a.place == b.place && a.page == b.page && a.owner == b.owner && a.owner_object == b.owner_object;
}

/// Compares what walks of a span say with what walks of each page say: promises 15 and 17.
template <class Bench>
void check_runs(Bench& b, verdict& v, svm::va_range span) {
  auto const compare = [&](mm::records_of<Bench> const& one_by_one, mm::records_of<Bench> const& at_once) {
    for (std::size_t i = 0; i < one_by_one.size(); ++i)
      if (v.expect(15, at_once[i].place == one_by_one[i].place)) v.expect(17, at_once[i].page == one_by_one[i].page);
  };
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    compare(mm::look_locked(b, span), mm::snapshot_locked(b, span, mm::pages_in<Bench>(span)));
  }
  mm::watcher<Bench> w{b, span};
  mm::records_of<Bench> at_once;
  if (mm::walk(b, w, span, svm::access_kind::read, somebody, at_once) != svm::errc::ok) return;
  mm::records_of<Bench> one_by_one;
  for (std::size_t i = 0; i < at_once.size(); ++i) {
    svm::va_range const page{mm::page_at<Bench>(span, i), mm::mm_of<Bench>::page_size};
    mm::records_of<Bench> one;
    if (mm::walk(b, w, page, svm::access_kind::read, somebody, one) != svm::errc::ok) return;
    one_by_one.push_back(one[0]);
  }
  compare(one_by_one, at_once);
}

/// Promises 15 and 17: for pages that are apart from each other, with holes between.
template <class Bench>
[[nodiscard]] broken_promises walks_report_every_page(Bench& b) {
  verdict v{promises};
  check_runs(b, v, map_with_holes(b));
  return v.result();
}

/// A walk by steps of so many runs, with the map lock dropped between.
///
/// \return how many pages the first step reported
template <class Bench>
[[nodiscard]] svm::result<std::size_t> walk_with_pauses(Bench& b, svm::va_range span, bool by_snapshot,
                                                        std::size_t runs, mm::records_of<Bench>& out) {
  using registration = typename mm::mm_of<Bench>::registration;
  mm::watcher<Bench> w{b, span};
  std::size_t first_step = 0;
  svm::errc const e = mm::walk_by_steps<Bench>(runs, span, out, [&](svm::va_range rest, auto& sink) {
    if (first_step == 0) first_step = out.size();
    std::uint64_t const sequence = b.mm().read_begin(w.registration);
    svm::shared_guard const guard{b.mm().map_lock()};
    if (!by_snapshot)
      return b.mm().fault_in(
          svm::walk_request<registration>{rest, svm::access_kind::read, somebody, w.registration, sequence}, sink);
    b.mm().snapshot(rest, sink);
    return svm::errc::ok;
  });
  if (e != svm::errc::ok) return e;
  return first_step == 0 ? out.size() : first_step;
}

/// Promises 18 and 19: with room for fewer runs than there are. With two of them the first step ends with a hole, which
/// swallows what a walk adds although it should have stopped.
template <class Bench>
[[nodiscard]] broken_promises walks_stop_and_go_on(Bench& b) {
  verdict v{promises};
  svm::va_range const span = map_with_holes(b);
  for (bool const by_snapshot : {true, false}) {
    mm::records_of<Bench> whole;
    if (!walk_with_pauses(b, span, by_snapshot, mm::pages_in<Bench>(span), whole)) return v.result();
    for (std::size_t const runs : {2u, 1u, 3u}) {
      mm::records_of<Bench> found;
      auto const first_step = walk_with_pauses(b, span, by_snapshot, runs, found);
      if (!v.expect(18, first_step.has_value())) return v.result();
      for (std::size_t i = 0; i < whole.size(); ++i) {
        if (is_same(found[i], whole[i])) continue;
        if (i < *first_step)
          v.expect(18, false);
        else
          v.expect(19, false);
        return v.result();
      }
    }
  }
  return v.result();
}

/// Promises 15 and 17: for a block, also when a walk begins and ends inside it.
template <class Bench>
[[nodiscard]] broken_promises walks_report_blocks(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.map_large(); }) {
    mm::large_mapping<Bench> const m{b};
    m.store(b);
    check_runs(b, v, m.span);
    check_runs(b, v, {mm::page_at<Bench>(m.span, 1), mm::mm_of<Bench>::page_size * (m.pages - 2)});
  }
  return v.result();
}

}  // namespace svm::inline v0::conformance::address_space

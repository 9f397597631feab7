// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The check of page_migration.hpp for models that collect masks: promise 31.

#include <svm/conformance/impl/migration_promises.hpp>
#include <svm/conformance/mm_bench.hpp>

#include <array>
#include <cstddef>

namespace svm::inline v0::conformance::page_migration {

/// Promise 31: pages and holes that were not asked for.
template <class Bench>
[[nodiscard]] broken_promises collect_leaves_what_is_outside(Bench& b) {
  using enum svm::slot_state;
  verdict v{promises};
  svm::va_range const span = b.map(5);
  for (std::size_t const i : {0u, 1u, 4u}) static_cast<void>(b.store(mm::page_at<Bench>(span, i), i + 1));
  svm::va_range const left{mm::page_at<Bench>(span, 1), mm::mm_of<Bench>::page_size};
  auto const seen = mm::look(b, left);
  mm::watcher<Bench> w{b, span};
  mm::slots_of<Bench> slots(5);
  for (std::size_t const i : {1u, 3u}) slots[i].state = outside;
  {
    svm::shared_guard const guard{b.mm().map_lock()};
    mm::session_of<Bench> session{};
    w.on_event = [&](svm::invalidation const& event) {
      for (std::size_t const i : {1u, 3u}) v.expect(31, !event.span.contains(mm::page_at<Bench>(span, i)));
    };
    v.expect(1, b.mm().collect(session, span, std::span{slots}, svm::nobody) == svm::errc::ok);
    std::array const expected{collected, outside, hole, outside, collected};
    for (std::size_t i = 0; i < slots.size(); ++i)
      v.expect(expected[i] == outside ? 31 : 1, slots[i].state == expected[i]);
    for (std::size_t const i : {0u, 2u, 4u})
      v.expect(3, w.saw(svm::invalidation_cause::migrate, {mm::page_at<Bench>(span, i), mm::mm_of<Bench>::page_size}));
    v.expect(31, mm::look_locked(b, left)[0].page == seen[0].page);
    w.on_event = nullptr;
    b.mm().finalize(session);
  }
  v.expect(31, b.load(mm::page_at<Bench>(span, 1)) == 2);
  return v.result();
}

}  // namespace svm::inline v0::conformance::page_migration

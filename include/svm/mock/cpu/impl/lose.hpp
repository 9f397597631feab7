// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include <svm/mock/cpu/mm.hpp>

// address_space: pages that a reset of their GPU lost.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::drop_lost() {
  auto const is_lost = [this](pte const& e) {
    return e.has_page() && e.what != pte::state::migrating && frames_.of(e.target).lost;
  };
  shared_guard const map_guard{map_lock_};
  plain_list<va_range> runs;
  {
    exclusive_guard const guard{frames_.lock()};
    table_.for_each({cpu_va{}, byte_count{user_end}}, [&](cpu_va a, pte const& e) {
      if (!is_lost(e)) return;
      if (!runs.empty() && runs.back().last() + byte_count{1} == a)
        runs.back() = runs.back().hull(page_around(a));
      else
        runs.push_back(page_around(a));
    });
  }
  freed_list freed;
  for (va_range const run : runs)
    notifiers_.invalidate({run, invalidation_cause::clear}, [&] {
      exclusive_guard const guard{frames_.lock()};
      table_.change_each(run, [&](cpu_va a, pte& e) {
        if (!is_lost(e)) return;
        frames_.lock().assert_held();
        drop_entry_locked(a, e, freed);
        e.what = pte::state::lost;
      });
    });
  tell(freed);
}

}  // namespace svm::inline v0::mock

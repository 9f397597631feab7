// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_walk.hpp>
#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::scan and is_scattered.

namespace svm::inline v0 {

template <explained_policies P>
auto gpusvm<P>::count_pages(locked_range<P>& held) -> census {
  census counted{};
  if (!held.mm_alive()) return {pages_of(*held).value};
  page_owner const mine = env_.own;
  page_owner other = nobody;
  shared_guard const map_guard{env_.mm.map_lock()};
  for_each_run(env_.mm, held->interval(), [&](page_run<page> const& r) {
    if (r.place == page_place::absent) {
      counted.absent += r.count;
    } else if (r.place == page_place::system) {
      counted.system += r.count;
    } else if (r.owner == mine) {
      counted.here += r.count;
    } else {
      if (other == nobody) other = r.owner;
      (r.owner == other ? counted.first_other : counted.further) += r.count;
    }
    return true;
  });
  return counted;
}

template <explained_policies P>
residence gpusvm<P>::scan(locked_range<P>& held) {
  census const c = count_pages(held);
  if (c.absent != 0) return residence::unpopulated;
  std::uint64_t const others = c.first_other + c.further;
  if (c.here + others == 0) return residence::system;
  if (c.system != 0) return residence::mixed;
  if (others == 0) return residence::here;
  return c.here == 0 && c.further == 0 ? residence::other : residence::mixed_device;
}

template <explained_policies P>
bool gpusvm<P>::is_scattered(locked_range<P>& held) {
  census const c = count_pages(held);
  std::uint64_t const all = pages_of(*held).value;
  return c.here + c.first_other + c.further != 0 && c.here != all && c.first_other != all;
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/port/page_migration.hpp>

// page_migration: what a fault handler makes present.

namespace svm::inline v0::port {

template <class Self, class Frames, class PageLock>
errc page_migration<Self, Frames, PageLock>::populate(cpu_va a) {
  page_order wanted{};
  {
    exclusive_guard const guard{machine_frames().lock()};
    wanted = self().hole_around_locked(a);
  }
  errc const e = populate_block(a, wanted);
  return e == errc::no_ram && wanted != page_order{} ? populate_block(a, page_order{}) : e;
}

/// Fills the hole with a block of an order.
template <class Self, class Frames, class PageLock>
errc page_migration<Self, Frames, PageLock>::populate_block(cpu_va a, page_order order) {
  result<page> const fresh = machine_frames().allocate_ram(order);
  if (!fresh) return fresh.error();
  freed_list freed;
  errc e = errc::ok;
  {
    exclusive_guard const guard{machine_frames().lock()};
    cpu_va const start = a.align_down(page_size * order.pages().value);
    bool const is_hole = order == page_order{} ? self().view_locked(start).state == mapping_state::none
                                               : self().hole_around_locked(a) == order;
    for (std::uint64_t i = 0; is_hole && e == errc::ok && i < order.pages().value; ++i)
      if (!self().fill_hole_locked(start + page_size * i, machine_frames().after(*fresh, i))) e = errc::no_ram;
    machine_frames().release_locked(*fresh, freed);  // pages of the block that are not mapped end here
  }
  machine_frames().tell(freed);
  return e;
}

template <class Self, class Frames, class PageLock>
cpu_fault_answer page_migration<Self, Frames, PageLock>::bring_back(cpu_va a, page p, va_range vma) {
  device_page_owner<page>* owner = nullptr;
  {
    exclusive_guard const guard{machine_frames().lock()};
    view const now = self().view_locked(a.align_down(page_size));
    if (now.state != mapping_state::mapped || now.page != p) return {};
    if (!machine_frames().begin_fault_locked(p)) return {.error = errc::in_use};
    owner = machine_frames().owner_object_of(p);
  }
  cpu_fault_answer const answer = owner->page_faulted({.space = self().id(), .address = a, .page = p, .vma = vma});
  machine_frames().end_fault(p);
  return answer;
}

}  // namespace svm::inline v0::port

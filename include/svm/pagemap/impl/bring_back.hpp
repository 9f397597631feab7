// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_walk.hpp>
#include <svm/pagemap/migrator.hpp>

// migrator::bring_back.

namespace svm::inline v0 {

/// Names the pages that a planner wants back, of whichever allocations; false when nobody plans, or there is no memory to
/// note them.
///
/// \pre the map lock is held shared
template <explained_migrating_policies P>
bool migrator<P>::gather_planned(detail::transfer<P>& work, cpu_fault<page> const& fault, std::size_t& faulting,
                                 cpu_fault_plan& plan) {
  if (planner_ == nullptr || env_.mm.id() != fault.space || !planner_->plan(fault, plan)) return false;
  auto const for_each_planned = [&](auto&& visit) {
    std::uint64_t at = 0;
    for_each_run(env_.mm, plan.window, [&](page_run<page> const& r) {
      for (std::uint64_t n = 0; r.place == page_place::device && n < r.count; ++n)
        if (plan.pages.test(static_cast<unsigned>(at + n))) visit(P::mm::page_at(r.page, n));
      at += r.count;
      return true;
    });
  };
  std::size_t count = 0;
  bool has_fault = false;
  for_each_planned([&](page p) {
    ++count;
    has_fault = has_fault || p == fault.page;
  });
  if (!has_fault || !work.reserve(count)) return false;
  for_each_planned([&, i = std::size_t{0}](page p) mutable {
    if (i == count) return;  // more than there were before
    if (p == fault.page) faulting = i;
    work.slots()[i++].source = p;
  });
  return true;
}

template <explained_migrating_policies P>
cpu_fault_answer migrator<P>::bring_back(devmem<P>& allocation, cpu_fault<page> const& fault) {
  using action = cpu_fault_answer::action;
  time_point const kept_until = allocation.timeslice_end();
  if (kept_until != time_point{} && is_before(env_.clock.now(), kept_until)) return {action::wait, kept_until};

  detail::transfer<P> work{env_, kept_};
  std::size_t faulting = 0;
  va_range const where = aligned_block(fault.address, P::mm::page_size);
  cpu_fault_plan plan{where};
  bool const is_planned = gather_planned(work, fault, faulting, plan);
  if (plan.wait_until != time_point{}) return {action::wait, plan.wait_until};
  if (is_planned) {
  } else if (work.reserve(allocation.pages().size())) {
    for (std::size_t i = 0; device_page<page> const& p : allocation.pages()) {
      if (p.page == fault.page) faulting = i;
      work.slots()[i++].source = p.page;
    }
  } else {
    work.slots()[0].source = fault.page;
  }
  page_scope const within{fault.space, fault.vma};
  detail::move_outcome const outcome =
      detail::migration_to_system<P>{
          env_.mm, work, &within, fault.page, detail::shortage::move_what_fits, where, {migration_cause::cpu_fault}}
          .run(is_planned);
  if (outcome.moved.value != 0) {
    env_.observer.record({event_kind::migrated_to_system, where, outcome.bytes});
    if (planner_ != nullptr) planner_->came_back(fault, plan);
    return {};
  }
  // The fault looks again for a page that went meanwhile, or that another thread moves, whatever became of its
  // neighbours.
  slot_state const state = work.slots()[faulting].state;
  if (state == slot_state::locked) return {action::look_again, {}, errc::in_use};
  if (!work.slots()[faulting].has_page() && state != slot_state::pinned) return {};
  return {action::fail, {}, detail::why_left(outcome)};
}

}  // namespace svm::inline v0

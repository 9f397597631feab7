// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: what a migration finds in the page tables, and does there.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::reached(port::migration_step s) {
  constexpr step names[] = {step::collecting, step::withdrawing, step::installing, step::finalized};
  steps_.at(names[static_cast<std::uint8_t>(s)]);
}

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::view_locked(cpu_va a) const -> port::page_mapping_view<page> {
  pte const now = table_.get(a);
  if (now.is_none()) return {};
  if (!now.has_page()) return {port::mapping_state::swapped, {}};
  if (now.what == pte::state::migrating) return {port::mapping_state::migrating, now.target};
  bool const is_zero = now.what == pte::state::present && frames_.is_zero(now.target);
  return {is_zero ? port::mapping_state::zero : port::mapping_state::mapped, now.target};
}

template <lock Lock, std::size_t PageBytes>
page_order address_space<Lock, PageBytes>::hole_order_locked(cpu_va a, std::size_t most) {
  frames_.lock().assert_held();
  auto const is_hole = [this](pte const& e) {
    return e.is_none() || (e.what == pte::state::present && frames_.is_zero(e.target));
  };
  bool const huge = a.is_aligned(huge_page_size) && most >= huge_pages && uses_huge_pages(*vmas_.find(a), a) &&
                    all_of_block_locked(a, is_hole);
  return huge ? max_order : page_order{};
}

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::put_back_locked(cpu_va a, page from, page to) {
  frames_.lock().assert_held();
  pte& e = table_.at(a);
  if (e.what != pte::state::migrating || e.target != from) return false;
  e.target = to;
  e.what = mapped_state_locked(to);
  return true;
}

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::fill_hole_locked(cpu_va a, page to) {
  frames_.lock().assert_held();
  table_.at(a) = {to, mapped_state_locked(to), true};
  ++frames_.head(to).references;
  frames_.map_locked(to, {this, a});
  return true;
}

/// Takes the pages that are locked out of the page tables of every process, an event for each run of neighbours.
template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::withdraw(std::span<slot> slots) {
  constexpr int rounds = 8;  // a fork meanwhile adds entries
  struct todo {
    address_space* space;
    std::size_t process;  // orders the spaces the same way in every run
    cpu_va at;
    page target;
  };
  for (int round = 0; round < rounds; ++round) {
    plain_list<todo> all;  // by process, then by address
    page_owner owner = nobody;
    {
      exclusive_guard const guard{frames_.lock()};
      for (slot const& s : slots) {
        if (s.state != slot_state::collected) continue;
        owner = frames_.of(s.source).owner;
        for (site const& where : frames_.of(s.source).mappings) {
          if (where.space->table_.get(where.at).what == pte::state::migrating) continue;
          std::size_t process = 0;
          while (kernel_.processes[process] != where.space) ++process;
          std::size_t place = all.size();  // mostly: slots ascend
          while (place != 0 &&
                 (all[place - 1].process != process ? all[place - 1].process > process : all[place - 1].at > where.at))
            --place;
          all.insert(place, {where.space, process, where.at, s.source});
        }
      }
    }
    if (all.empty()) break;
    steps_.at(step::withdrawing);
    for (std::size_t i = 0; i < all.size();) {
      std::size_t end = i + 1;
      while (end < all.size() && all[end].space == all[i].space && all[end].at == all[end - 1].at + page_size) ++end;
      va_range const run{all[i].at, page_size * (end - i)};
      all[i].space->notifiers_.invalidate({run, invalidation_cause::migrate, owner}, [&] {
        exclusive_guard const guard{frames_.lock()};
        for (std::size_t k = i; k < end; ++k) {
          pte& e = all[k].space->table_.at(all[k].at);
          if (e.has_page() && e.target == all[k].target) e.what = pte::state::migrating;
        }
      });
      i = end;
    }
  }
}

}  // namespace svm::inline v0::mock

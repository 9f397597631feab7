// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>

// address_space: swap, and what keeps pages from it.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::swap_out(cpu_va a) {
  constexpr int rounds = 8;  // a fork meanwhile adds entries
  steps_.at(step::swapping);
  a = a.align_down(page_size);
  shared_guard const map_guard{map_lock_};
  vma const* const v = vmas_.find(a);
  if (v == nullptr || v->kind != mapping_kind::anon || advice_.at(a).locked) return false;
  freed_list freed;
  page victim{};
  {
    exclusive_guard const guard{frames_.lock()};
    pte const e = table_.get(a);
    if (e.what != pte::state::present || frames_.is_zero(e.target) || frames_.is_device(e.target)) return false;
    victim = e.target;
    auto const& block = frames_.head(victim);
    if (block.locked || block.faulting || block.references != block.mapped) return false;
    static_cast<void>(frames_.split_locked(victim, 0, freed));
    auto& f = frames_.of(victim);
    f.locked = true;
    ++f.references;
  }
  std::optional<std::uint32_t> written;
  bool moved = true;
  for (int round = 0; moved && round < rounds; ++round) {
    plain_list<site> sites;
    {
      exclusive_guard const guard{frames_.lock()};
      sites = frames_.of(victim).mappings;
    }
    if (sites.empty()) break;
    for (site const& where : sites)
      where.space->notifiers_.invalidate({page_around(where.at), invalidation_cause::clear}, [&] {
        exclusive_guard const guard{frames_.lock()};
        auto const& f = frames_.of(victim);
        pte& e = where.space->table_.at(where.at);
        moved = moved && f.references == f.mapped + 1;
        if (!moved || e.what != pte::state::present || e.target != victim) return;
        if (!written) {
          written = kernel_.swap.write(frames_.content(victim));
          kernel_.swap.get(*written);  // until all entries are done: one that comes back at once must not end it
        }
        kernel_.swap.get(*written);
        bool const writable = e.writable;
        where.space->frames_.lock().assert_held();  // the same one
        where.space->drop_entry_locked(where.at, e, freed);
        e = {{*written, 0}, pte::state::swapped, writable};
      });
  }
  {
    exclusive_guard const guard{frames_.lock()};
    if (written) kernel_.swap.put(*written);
    frames_.of(victim).locked = false;
    frames_.put_locked(victim, freed);
  }
  frames_.changed().notify_all();
  tell(freed);
  return written.has_value();
}

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::swap_in(cpu_va a, pte seen) -> presence {
  a = a.align_down(page_size);
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return {fresh.error()};
  freed_list freed;
  exclusive_guard const guard{frames_.lock()};
  pte& e = table_.at(a);
  if (e.what != pte::state::swapped || e.target != seen.target) {
    frames_.put_locked(*fresh, freed);
    return {};
  }
  kernel_.swap.read(e.target.frame, frames_.content(*fresh));
  kernel_.swap.put(e.target.frame);
  e.target = *fresh;
  e.what = pte::state::present;
  frames_.map_locked(*fresh, {this, a});
  return {};
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::mlock(cpu_va a, byte_count size) {
  if (!is_page_aligned(a, size)) return sys::einval;
  if (!is_user_span(a, size)) return sys::enomem;
  bool whole = false;
  {
    exclusive_guard const map_guard{map_lock_};
    whole = for_each_piece({a, size}, [this](vma const& piece) {
      advice_.change(piece.extent, [](page_advice& now) { now.locked = true; });
    });
  }
  if (!whole) return sys::enomem;
  for (byte_count done{}; done < size; done += page_size) {
    sys e = access_memory<access_kind::write>(a + done, 0, [](std::byte*) {});
    if (e == sys::sigsegv) e = access_memory<access_kind::read>(a + done, 0, [](std::byte*) {});
    if (e == sys::sigbus) return sys::eagain;
  }
  return sys::ok;
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::munlock(cpu_va a, byte_count size) {
  if (!is_page_aligned(a, size)) return sys::einval;
  if (!is_user_span(a, size)) return sys::enomem;
  exclusive_guard const map_guard{map_lock_};
  bool const whole = for_each_piece({a, size}, [this](vma const& piece) {
    advice_.change(piece.extent, [](page_advice& now) { now.locked = false; });
  });
  return whole ? sys::ok : sys::enomem;
}

template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::pin_for_long(cpu_va a) -> result<page> {
  constexpr int tries = 16;
  std::optional<time_point> wait_until;
  for (int t = 0; t < tries; ++t) {
    if (wait_until) {
      visible_step<Lock>("wait for a time");
      clock_.pass_to(*std::exchange(wait_until, std::nullopt));
    }
    sys e = access_memory<access_kind::write>(a, 0, [](std::byte*) {});
    if (e == sys::sigsegv) e = access_memory<access_kind::read>(a, 0, [](std::byte*) {});
    if (e == sys::sigsegv) return errc::no_vma;
    if (e == sys::sigbus) return errc::no_access;
    shared_guard const map_guard{map_lock_};
    vma const* const v = vmas_.find(a);
    if (v == nullptr) continue;
    if (v->kind == mapping_kind::io) return errc::no_access;
    pte const seen = entry_at(a);
    bool const is_coherent = seen.what == pte::state::present && frames_.is_device(seen.target);
    if (is_coherent || (seen.what == pte::state::present && v->is_private() && !seen.writable)) {
      // The access left it in device memory, or with others: it was one that may only read.
      presence const p = is_coherent ? bring_back(*v, a, seen) : break_sharing(*v, a, seen);
      if (p.error != errc::ok) return errc::no_access;
      if (p.wait) wait_until = p.wait_until;
      continue;
    }
    exclusive_guard const guard{frames_.lock()};
    pte const now = table_.get(a);
    if (now.what != pte::state::present || frames_.is_zero(now.target) || frames_.is_device(now.target)) continue;
    auto& head = frames_.head(now.target);
    if (head.locked) continue;
    ++head.references;
    ++head.pins;
    return now.target;
  }
  return errc::busy;
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::unpin(page p) {
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    --frames_.head(p).pins;
    frames_.put_locked(p, freed);
    frames_.trim_locked(p, freed);
  }
  tell(freed);
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::pin(cpu_va a, bool pinned) {
  page target{};
  {
    exclusive_guard const guard{frames_.lock()};
    target = table_.get(a).target;
    if (pinned) ++frames_.head(target).references;
  }
  if (!pinned) frames_.put(target);
}

}  // namespace svm::inline v0::mock

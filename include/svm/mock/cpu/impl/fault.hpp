// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/cpu/mm.hpp>
#include <svm/mock/cpu/word_access.hpp>

// address_space: page faults, walks, and the CPU's loads and stores.

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes>
pte address_space<Lock, PageBytes>::entry_at(cpu_va a) {
  shared_guard const guard{frames_.lock()};
  return table_.get(a);
}

/// True when an entry serves the access without a fault, for a walker who may use device pages of `owner` in place.
template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::is_satisfied_locked(pte const& e, access_kind want, page_owner owner) {
  if (!e.has_page() || e.what == pte::state::migrating) return false;
  if (want != access_kind::read && !e.writable) return false;
  auto const& f = frames_.of(e.target);
  if (f.lost) return false;
  return e.what == pte::state::present || owner.reaches(f.owner);
}

template <lock Lock, std::size_t PageBytes>
bool address_space<Lock, PageBytes>::is_satisfied(cpu_va a, access_kind want, page_owner owner) {
  shared_guard const guard{frames_.lock()};
  return is_satisfied_locked(table_.get(a), want, owner);
}

/// A page in device memory comes back, if its owner lets it.
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::bring_back(vma const& v, cpu_va a, pte seen) -> presence {
  device_page_owner<page>* owner = nullptr;
  {
    exclusive_guard const guard{frames_.lock()};
    pte const current = table_.get(a);
    if (current.what != seen.what || current.target != seen.target) return {};
    auto& head = frames_.head(seen.target);
    if (head.locked || head.faulting) {  // a migration or another fault has it, and will have done with it
      if constexpr (Lock::is_concurrent)
        frames_.changed().wait(frames_.lock(), [&] {
          if (!frames_.is_alive(seen.target)) return true;
          auto const& now = frames_.head(seen.target);
          return !now.locked && !now.faulting;
        });
      return {};
    }
    head.faulting = true;
    head.fault_tail = frames_.of(seen.target).tail;
    ++head.references;  // the fault's own: keeps the owner alive
    owner = frames_.of(seen.target).owner_object;
  }
  cpu_fault_answer const answer =
      owner->page_faulted({.space = id_, .address = a, .page = seen.target, .vma = v.extent});
  freed_list freed;
  {
    exclusive_guard const guard{frames_.lock()};
    frames_.head(seen.target).faulting = false;  // of another head, when the block was split
    frames_.put_locked(seen.target, freed);
    frames_.trim_locked(seen.target, freed);
  }
  tell(freed);
  frames_.changed().notify_all();
  switch (answer.next) {
    case cpu_fault_answer::action::look_again:
      return {.in_use = answer.error == errc::in_use};
    case cpu_fault_answer::action::wait:
      return {errc::ok, answer.until, true};
    case cpu_fault_answer::action::fail:
      return {answer.error};
  }
  return {};
}

/// Makes progress towards a page that serves the access; the caller looks again.
///
/// \pre the map lock is held shared, and `v` allows the access
template <lock Lock, std::size_t PageBytes>
auto address_space<Lock, PageBytes>::make_present(vma const& v, cpu_va a, access_kind want, page_owner owner)
    -> presence {
  pte seen;
  {
    shared_guard const guard{frames_.lock()};
    seen = table_.get(a);
    if (is_satisfied_locked(seen, want, owner)) return {};  // somebody came first
    if (seen.has_page() && frames_.of(seen.target).lost) return {errc::lost};
  }
  // A page that was shared and is not any more needs no copy.
  if (seen.what == pte::state::device && want != access_kind::read) {
    exclusive_guard const guard{frames_.lock()};
    if (table_.get(a) != seen) return {};
    if (owner.reaches(frames_.of(seen.target).owner) && is_exclusive_locked(seen.target)) {
      table_.at(a.align_down(page_size)).writable = true;
      return {};
    }
  }
  switch (seen.what) {
    case pte::state::none:
      return fill_hole(v, a, want);
    case pte::state::present:
      return break_sharing(v, a, seen);
    case pte::state::device:
      return bring_back(v, a, seen);
    case pte::state::swapped:
      return swap_in(a, seen);
    case pte::state::lost:
      return {errc::lost};
    case pte::state::migrating:
      if constexpr (Lock::is_concurrent) {
        exclusive_guard const guard{frames_.lock()};
        frames_.changed().wait(frames_.lock(), [&] { return table_.get(a).what != pte::state::migrating; });
        return {};
      } else {
        return {errc::in_use};  // with one thread nobody could finish the migration meanwhile
      }
  }
  return {};
}

template <lock Lock, std::size_t PageBytes>
errc address_space<Lock, PageBytes>::fault_in(walk_request<registration> const& request, sink& found) noexcept {
  map_lock_.assert_held_shared();
  constexpr int tries = 16;  // each try makes progress, unless others undo it
  for (std::uint64_t i = 0; i < pages_in(request.span.size(), page_size).value; ++i) {
    cpu_va const a = request.span.start() + page_size * i;
    vma const* const v = vmas_.find(a);
    if (v == nullptr) return errc::no_vma;
    if (!v->readable() || v->kind == mapping_kind::io) return errc::no_access;
    if (!allows(*v, request.want)) return errc::read_only;
    bool in_use = false;
    for (int t = 0; !is_satisfied(a, request.want, request.owner); ++t) {
      if (t == tries) return in_use ? errc::in_use : errc::busy;
      presence const p = make_present(*v, a, request.want, request.owner);
      if (p.error != errc::ok) return p.error;
      in_use = p.in_use;
      if (p.wait) {
        visible_step<Lock>("wait for a time");
        clock_.pass_to(p.wait_until);
      }
    }
  }
  // Asked only now: what this walk replaced (a zero page, say) is an event too, and must not keep it from the rest.
  if (notifiers_.read_retry(request.registration, request.sequence)) return errc::busy;
  snapshot(request.span, found);
  steps_.at(step::walked);
  return errc::ok;
}

template <lock Lock, std::size_t PageBytes>
void address_space<Lock, PageBytes>::snapshot(va_range span, sink& found) noexcept {
  map_lock_.assert_held_shared();
  shared_guard const guard{frames_.lock()};
  vma const* around = nullptr;
  table_.for_each_until(span, [&](cpu_va a, pte const& e) {
    if (!e.has_page() || e.what == pte::state::migrating) return true;
    if (around == nullptr || !around->extent.contains(a)) around = vmas_.find(a);
    bool const device = frames_.is_device(e.target);
    auto const& f = frames_.of(e.target);
    return found.add(a, {.page = e.target,
                         .owner_object = device ? f.owner_object : nullptr,
                         .owner = f.owner,
                         .place = device ? page_place::device : page_place::system,
                         .writable = e.writable && around != nullptr && around->writable()});
  });
}

/// Finds `size` bytes at `a` for the CPU, faulting as often as it takes, and lets `move` have them.
template <lock Lock, std::size_t PageBytes>
template <access_kind Want, class Move>
sys address_space<Lock, PageBytes>::access_memory(cpu_va a, std::size_t size, Move&& move) {
  constexpr int tries = 64;  // of which all but a few mean that somebody else keeps moving the page
  std::optional<time_point> wait_until;
  for (int t = 0; t < tries; ++t) {
    if (wait_until) {
      visible_step<Lock>("wait for a time");
      clock_.pass_to(*std::exchange(wait_until, std::nullopt));
    }
    shared_guard const map_guard{map_lock_};
    vma const* const v = vmas_.find(a);
    if (v == nullptr || !allows(*v, Want)) return sys::sigsegv;
    if (v->kind == mapping_kind::io) {
      access_registers(*v, a, move);
      return sys::ok;
    }
    {
      shared_guard const guard{frames_.lock()};
      pte const e = table_.get(a);
      if (is_satisfied_locked(e, Want, nobody)) {
        auto& content = frames_.content(e.target, Want != access_kind::read);
        std::size_t const offset = a.value % PageBytes;
        move(Want == access_kind::read ? content.bytes() + offset : content.writable(offset, size));
        return sys::ok;
      }
    }
    ++cpu_faults_;
    presence const p = make_present(*v, a, Want, nobody);
    if (p.error != errc::ok) return sys::sigbus;
    if (p.wait) wait_until = p.wait_until;
  }
  return sys::sigbus;
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::load(cpu_va a, std::span<std::byte> into) {
  return access_memory<access_kind::read>(a, into.size(), [&](std::byte* from) { load_bytes(from, into); });
}

template <lock Lock, std::size_t PageBytes>
sys address_space<Lock, PageBytes>::store(cpu_va a, std::span<std::byte const> from) {
  return access_memory<access_kind::write>(a, from.size(), [&](std::byte* to) { store_bytes(to, from); });
}

}  // namespace svm::inline v0::mock

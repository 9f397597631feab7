// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/mm.hpp>

// address_space: the part of memory management that moves pages.

namespace svm::inline v0::mock {

template <lock Lock>
errc address_space<Lock>::collect(migration& session, va_range span, std::span<slot> slots) noexcept {
  map_lock_.assert_held_shared();
  vma const* const v = vmas_.find(span.start());
  if (v == nullptr) return errc::no_vma;
  if (!v->extent.contains(span)) return errc::spans_vmas;
  if (!v->is_migratable()) return errc::not_migratable;
  steps_.at(step::collecting);
  session.held_.lock();
  session.home_ = this;
  session.slots_ = slots;
  session.moved_.assign(slots.size(), false);
  session.at_.clear();
  for (std::size_t i = 0; i < slots.size(); ++i) session.at_.push_back(span.start() + page_size * i);

  notifiers_.invalidate({span, invalidation_cause::migrate, gpu_owner_}, [&] {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      pte const now = table_.get(session.at_[i]);
      if (now.is_none() || (now.what == pte::state::present && frames_.is_zero(now.target))) {
        slots[i].state = slot_state::hole;
      } else if (now.what == pte::state::device) {
        slots[i].state = slot_state::resident;
      } else if (now.what == pte::state::migrating || frames_.of(now.target).locked) {
        slots[i].state = slot_state::locked;
      } else if (frames_.of(now.target).references != 1) {
        slots[i].state = slot_state::pinned;
      } else {
        frame& f = frames_.of(now.target);
        f.locked = true;
        ++f.references;
        table_.at(session.at_[i]).what = pte::state::migrating;
        slots[i].source = now.target;
        slots[i].state = slot_state::collected;
      }
    }
  });
  return errc::ok;
}

template <lock Lock>
void address_space<Lock>::collect_pages(migration& session, std::span<slot> slots, va_range const* within,
                                        page faulting) noexcept {
  steps_.at(step::collecting);
  session.held_.lock();
  session.home_ = this;
  session.slots_ = slots;
  session.moved_.assign(slots.size(), false);
  session.at_.assign(slots.size(), cpu_va{});
  {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = 0; i < slots.size(); ++i) {
      page const p = slots[i].source;
      if (!frames_.is_alive(p)) continue;
      frame& f = frames_.of(p);
      std::uint32_t const expected = p == faulting ? 2 : 1;
      if (f.locked) {
        slots[i].state = slot_state::locked;
      } else if (!f.mapped || (within != nullptr && !within->contains(cpu_va{f.mapped_at}))) {
        slots[i].state = slot_state::elsewhere;
      } else if (f.references != expected) {
        slots[i].state = slot_state::pinned;
      } else {
        f.locked = true;
        ++f.references;
        session.at_[i] = cpu_va{f.mapped_at};
        slots[i].state = slot_state::collected;
      }
    }
  }
  // Out of the page table, a run of neighbours at a time: each run is one event.
  std::vector<device_page_owner<page>*> freed;
  for_each_run(session, [&](std::size_t first, std::size_t count) {
    va_range const run{session.at_[first], page_size * count};
    notifiers_.invalidate({run, invalidation_cause::migrate, gpu_owner_}, [&] {
      exclusive_guard const guard{frames_.lock()};
      for (std::size_t i = first; i < first + count; ++i) {
        pte const now = table_.get(session.at_[i]);
        if (now.what == pte::state::device && now.target == slots[i].source) {
          table_.at(session.at_[i]).what = pte::state::migrating;
          continue;
        }
        // An unmap came first.
        slots[i].state = slot_state::raced;
        page const source = std::exchange(slots[i].source, page{});
        frames_.of(source).locked = false;
        if (device_page_owner<page>* const owner = frames_.put_locked(source)) freed.push_back(owner);
      }
    });
  });
  pages_changed_.notify_all();
  put_all(freed);
}

/// Calls `visit(first, count)` for each run of collected slots that are neighbours in the address space too.
template <lock Lock>
template <class Visit>
void address_space<Lock>::for_each_run(migration const& session, Visit&& visit) const {
  for (std::size_t i = 0; i < session.slots_.size();) {
    if (session.slots_[i].state != slot_state::collected) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    while (end < session.slots_.size() && session.slots_[end].state == slot_state::collected &&
           session.at_[end] == session.at_[end - 1] + page_size)
      ++end;
    visit(i, end - i);
    i = end;
  }
}

template <lock Lock>
void address_space<Lock>::install(migration& session) noexcept {
  steps_.at(step::installing);
  for (std::size_t i = 0; i < session.slots_.size(); ++i) {
    slot& s = session.slots_[i];
    if (!s.is_collected() || s.destination == page{}) continue;
    cpu_va const at = session.at_[i];
    if (s.state == slot_state::hole) {
      // A zero page that is still there may be mapped by a device again: its end is an event.
      bool const was_none = entry_at(at).is_none();
      auto const fill = [&] {
        exclusive_guard const guard{frames_.lock()};
        pte& now = table_.at(at);
        bool const zero = now.what == pte::state::present && frames_.is_zero(now.target);
        if (!now.is_none() && (was_none || !zero)) {
          s.state = slot_state::raced;
          return;
        }
        now = {s.destination, pte::state::device, true};
        map_frame_locked(at, s.destination);
        ++frames_.of(s.destination).references;  // the migration's own, until it is finalized
        session.moved_[i] = true;
      };
      if (was_none)
        fill();
      else
        notifiers_.invalidate({aligned_block(at, page_size), invalidation_cause::migrate, gpu_owner_}, fill);
      continue;
    }
    exclusive_guard const guard{frames_.lock()};
    pte const now = table_.get(at);
    if (now.what != pte::state::migrating || now.target != s.source) {
      s.state = slot_state::raced;
      continue;
    }
    session.moved_[i] = true;
  }
}

template <lock Lock>
void address_space<Lock>::finalize(migration& session) noexcept {
  if (session.home_ == nullptr) return;
  std::vector<device_page_owner<page>*> freed;
  {
    exclusive_guard const guard{frames_.lock()};
    for (std::size_t i = 0; i < session.slots_.size(); ++i)
      restore_locked(session.slots_[i], session.at_[i], session.moved_[i], freed);
  }
  pages_changed_.notify_all();
  session.home_ = nullptr;
  session.held_.unlock();
  put_all(freed);
  steps_.at(step::finalized);
}

/// Points one page's entry where it belongs, and lets go of both pages.
template <lock Lock>
void address_space<Lock>::restore_locked(slot& s, cpu_va at, bool moved, std::vector<device_page_owner<page>*>& freed) {
  auto const put = [&](page p) {
    if (device_page_owner<page>* const owner = frames_.put_locked(p)) freed.push_back(owner);
  };
  bool const held_source = s.source != page{} && (s.state == slot_state::collected || s.state == slot_state::raced);
  if (s.destination != page{}) {
    frames_.of(s.destination).locked = false;
    if (!moved || s.state == slot_state::hole) put(s.destination);
  }
  if (!held_source) return;
  frame& source = frames_.of(s.source);
  source.locked = false;
  pte& now = table_.at(at);
  bool const still_ours = now.what == pte::state::migrating && now.target == s.source;
  if (still_ours && moved) {
    now.target = s.destination;
    now.what = frames_.is_device(s.destination) ? pte::state::device : pte::state::present;
    map_frame_locked(at, s.destination);
    source.mapped = false;
    put(s.source);  // the page table's
  } else if (still_ours) {
    now.what = frames_.is_device(s.source) ? pte::state::device : pte::state::present;
  } else if (moved) {
    put(s.destination);  // unmapped between install and now: nothing points to it
  }
  put(s.source);  // the migration's
}

template <lock Lock>
result<page> address_space<Lock>::allocate_page() noexcept {
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return fresh;
  exclusive_guard const guard{frames_.lock()};
  frames_.of(*fresh).locked = true;
  return fresh;
}

template <lock Lock>
void address_space<Lock>::adopt_device_page(page p, device_page_owner<page>& owner) noexcept {
  exclusive_guard const guard{frames_.lock()};
  frame& f = frames_.of(p);
  if (!frames_.is_device(p) || f.kind != frame_kind::free)
    report_.violation("O-33", "a page that is not free is adopted");
  f.kind = frame_kind::device;
  f.references = 1;
  f.locked = true;
  f.behind = &owner;
}

template <lock Lock>
void address_space<Lock>::discard_page(page p) noexcept {
  {
    exclusive_guard const guard{frames_.lock()};
    frames_.of(p).locked = false;
  }
  frames_.put(p);
}

template <lock Lock>
bool address_space<Lock>::replace_page(cpu_va a) {
  shared_guard const map_guard{map_lock_};
  pte const seen = entry_at(a);
  if (seen.what != pte::state::present || frames_.is_zero(seen.target) || !seen.writable) return false;
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return false;
  bool replaced = false;
  std::vector<device_page_owner<page>*> freed;
  notifiers_.invalidate({aligned_block(a, page_size), invalidation_cause::migrate}, [&] {
    exclusive_guard const guard{frames_.lock()};
    pte& now = table_.at(a);
    if (now.what != pte::state::present || now.target != seen.target || frames_.of(seen.target).references != 1) return;
    std::memcpy(frames_.bytes(*fresh), frames_.bytes(seen.target), page_bytes);
    unmap_frame_locked(seen.target, freed);
    now.target = *fresh;
    map_frame_locked(a, *fresh);
    replaced = true;
  });
  if (!replaced) frames_.put(*fresh);
  put_all(freed);
  return replaced;
}

template <lock Lock>
void address_space<Lock>::pin(cpu_va a, bool pinned) {
  page target{};
  {
    exclusive_guard const guard{frames_.lock()};
    target = table_.get(a).target;
    if (pinned) ++frames_.of(target).references;
  }
  if (!pinned) frames_.put(target);
}

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstring>

#include <svm/mock/mm.hpp>

// address_space: page faults, walks, and the CPU's loads and stores.

namespace svm::inline v0::mock {

template <lock Lock>
pte address_space<Lock>::entry_at(cpu_va a) {
  exclusive_guard const guard{frames_.lock()};
  return table_.get(a);
}

/// True when an entry serves the access without a fault, for a walker who may use device pages of `owner` in place.
template <lock Lock>
bool address_space<Lock>::satisfied(pte const& e, access want, page_owner owner) const {
  if (e.what == pte::state::device) return owner == gpu_owner_;
  return e.what == pte::state::present && (want == access::read || e.writable);
}

template <lock Lock>
void address_space<Lock>::map_frame_locked(cpu_va a, page p) {
  frame& f = frames_.of(p);
  f.mapped = true;
  f.mapped_at = a.value;
}

/// Ends the page table's reference on a page that it mapped once.
template <lock Lock>
void address_space<Lock>::unmap_frame_locked(page p, std::vector<device_page_owner<page>*>& freed) {
  if (frames_.is_zero(p)) return;
  frames_.of(p).mapped = false;
  if (device_page_owner<page>* const owner = frames_.put_locked(p)) freed.push_back(owner);
}

/// Fills an entry that is still none; false when somebody came first.
template <lock Lock>
bool address_space<Lock>::install_if_none(cpu_va a, pte e) {
  exclusive_guard const guard{frames_.lock()};
  pte& current = table_.at(a);
  if (!current.is_none()) return false;
  current = e;
  if (!frames_.is_zero(e.target)) map_frame_locked(a, e.target);
  return true;
}

/// The page of a mapping's object, from its cache or new and zero; comes with a reference of its own.
template <lock Lock>
result<page> address_space<Lock>::cached_page(vma const& v, cpu_va a) {
  {
    exclusive_guard const guard{frames_.lock()};
    if (auto const known = v.object->cache.find(a.value); known != v.object->cache.end()) {
      ++frames_.of(known->second).references;
      return known->second;
    }
  }
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return fresh;
  std::memset(frames_.bytes(*fresh), 0, page_bytes);
  exclusive_guard const guard{frames_.lock()};
  auto const [at, inserted] = v.object->cache.emplace(a.value, *fresh);
  if (!inserted) static_cast<void>(frames_.put_locked(*fresh));
  ++frames_.of(at->second).references;
  return at->second;
}

template <lock Lock>
auto address_space<Lock>::fill_huge(cpu_va a) -> presence {
  va_range const block = aligned_block(a, huge_page_size);
  std::vector<page> fresh;
  for (byte_count done{}; done < block.size(); done += page_size) {
    result<page> const p = frames_.allocate_ram();
    if (!p) {
      for (page const q : fresh) frames_.put(q);
      return {p.error()};
    }
    std::memset(frames_.bytes(*p), 0, page_bytes);
    fresh.push_back(*p);
  }
  for (std::size_t i = 0; page const p : fresh)
    if (!install_if_none(block.start() + page_size * i++, {p, pte::state::present, true})) frames_.put(p);
  return {};
}

/// First touch of a page.
template <lock Lock>
auto address_space<Lock>::fill_hole(vma const& v, cpu_va a, access want) -> presence {
  switch (v.kind) {
    case mapping_kind::hugetlb:
      return fill_huge(a);
    case mapping_kind::shared:
    case mapping_kind::file: {
      result<page> const cached = cached_page(v, a);
      if (!cached) return {cached.error()};
      bool const shared = v.kind == mapping_kind::shared;
      if (shared || want == access::read) {
        if (!install_if_none(a, {*cached, pte::state::present, shared})) frames_.put(*cached);
        return {};
      }
      // A private page beside the cached one.
      result<page> const own = frames_.allocate_ram();
      if (own) {
        std::memcpy(frames_.bytes(*own), frames_.bytes(*cached), page_bytes);
        if (!install_if_none(a, {*own, pte::state::present, true})) frames_.put(*own);
      }
      frames_.put(*cached);
      return {own.error()};
    }
    case mapping_kind::anon:
      break;
  }
  if (want == access::read) {
    static_cast<void>(install_if_none(a, {frames_.zero_page(), pte::state::present, false}));
    return {};
  }
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return {fresh.error()};
  std::memset(frames_.bytes(*fresh), 0, page_bytes);
  if (!install_if_none(a, {*fresh, pte::state::present, true})) frames_.put(*fresh);
  return {};
}

/// First write to a page that is shared with the zero page or the page cache: the process gets one of its own.
template <lock Lock>
auto address_space<Lock>::replace_shared(cpu_va a, pte seen) -> presence {
  result<page> const fresh = frames_.allocate_ram();
  if (!fresh) return {fresh.error()};
  std::memcpy(frames_.bytes(*fresh), frames_.bytes(seen.target), page_bytes);
  bool replaced = false;
  std::vector<device_page_owner<page>*> freed;
  notifiers_.invalidate({aligned_block(a, page_size), invalidation_cause::clear}, [&] {
    exclusive_guard const guard{frames_.lock()};
    pte& current = table_.at(a);
    if (current.what != pte::state::present || current.target != seen.target || current.writable) return;
    unmap_frame_locked(seen.target, freed);
    current = {*fresh, pte::state::present, true};
    map_frame_locked(a, *fresh);
    replaced = true;
  });
  if (!replaced) frames_.put(*fresh);
  put_all(freed);
  return {};
}

/// A page in device memory comes back, if its owner lets it.
template <lock Lock>
auto address_space<Lock>::bring_back(vma const& v, cpu_va a, pte seen) -> presence {
  device_page_owner<page>* owner = nullptr;
  {
    exclusive_guard const guard{frames_.lock()};
    pte const current = table_.get(a);
    if (current.what != pte::state::device || current.target != seen.target) return {};
    frame& f = frames_.of(seen.target);
    if (f.locked) {  // a migration has it, and will have done with it
      if constexpr (Lock::is_concurrent)
        pages_changed_.wait(frames_.lock(), [&] { return !f.locked || !frames_.is_alive(seen.target); });
      return {};
    }
    if (f.faulting) {
      if constexpr (Lock::is_concurrent)
        pages_changed_.wait(frames_.lock(), [&] { return !f.faulting || !frames_.is_alive(seen.target); });
      return {};
    }
    f.faulting = true;
    ++f.references;  // the fault's own: keeps the owner alive
    owner = f.behind;
  }
  cpu_fault_answer const answer = owner->page_faulted({a, seen.target, v.extent});
  {
    exclusive_guard const guard{frames_.lock()};
    frames_.of(seen.target).faulting = false;
  }
  frames_.put(seen.target);
  pages_changed_.notify_all();
  switch (answer.next) {
    case cpu_fault_answer::action::look_again:
      return {};
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
template <lock Lock>
auto address_space<Lock>::make_present(vma const& v, cpu_va a, access want, page_owner owner) -> presence {
  pte const seen = entry_at(a);
  if (satisfied(seen, want, owner)) return {};  // somebody came first
  switch (seen.what) {
    case pte::state::none:
      return fill_hole(v, a, want);
    case pte::state::present:
      return replace_shared(a, seen);
    case pte::state::device:
      return bring_back(v, a, seen);
    case pte::state::migrating:
      if constexpr (Lock::is_concurrent) {
        exclusive_guard const guard{frames_.lock()};
        pages_changed_.wait(frames_.lock(), [&] { return table_.get(a).what != pte::state::migrating; });
        return {};
      } else {
        return {errc::busy};  // with one thread nobody could finish the migration meanwhile
      }
  }
  return {};
}

template <lock Lock>
errc address_space<Lock>::fault_in(walk_request<registration> const& request, std::span<entry> out) noexcept {
  map_lock_.assert_held_shared();
  constexpr int tries = 16;  // each try makes progress, unless others undo it
  for (std::size_t i = 0; i < out.size(); ++i) {
    cpu_va const a = request.span.start() + page_size * i;
    vma const* const v = vmas_.find(a);
    if (v == nullptr) return errc::no_vma;
    if (!v->readable()) return errc::no_access;
    if (!allows(*v, request.want)) return errc::read_only;
    for (int t = 0; !satisfied(entry_at(a), request.want, request.owner); ++t) {
      if (t == tries) return errc::busy;
      presence const p = make_present(*v, a, request.want, request.owner);
      if (p.error != errc::ok) return p.error;
      if (p.wait) return errc::busy;
    }
  }
  // Asked only now: what this walk replaced (a zero page, say) is an event too, and must not keep it from the rest.
  if (notifiers_.read_retry(request.registration, request.sequence)) return errc::busy;
  snapshot(request.span, out);
  steps_.at(step::walked);
  return errc::ok;
}

template <lock Lock>
void address_space<Lock>::snapshot(va_range span, std::span<entry> out) noexcept {
  map_lock_.assert_held_shared();
  exclusive_guard const guard{frames_.lock()};
  table_.for_each(span, [&](cpu_va a, pte const& e) {
    if (e.what == pte::state::migrating) return;
    entry& to = out[pages_in(a - span.start(), page_size).value];
    bool const device = e.what == pte::state::device;
    to = {e.target,
          {},
          device ? page_place::device : page_place::system,
          e.writable,
          device ? frames_.of(e.target).behind : nullptr};
  });
}

/// Finds the bytes of `a` for the CPU, faulting as often as it takes, and lets `move` have them.
template <lock Lock>
template <access Want, class Move>
sys address_space<Lock>::access_memory(cpu_va a, Move&& move) {
  constexpr int tries = 64;  // of which all but a few mean that somebody else keeps moving the page
  std::optional<time_point> wait_until;
  for (int t = 0; t < tries; ++t) {
    if (wait_until) clock_.wait_until(*std::exchange(wait_until, std::nullopt));
    shared_guard const map_guard{map_lock_};
    vma const* const v = vmas_.find(a);
    if (v == nullptr || !allows(*v, Want)) return sys::sigsegv;
    {
      exclusive_guard const guard{frames_.lock()};
      pte const e = table_.get(a);
      if (e.what == pte::state::present && (Want == access::read || e.writable)) {
        move(frames_.bytes(e.target) + a.value % page_bytes);
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

template <lock Lock>
sys address_space<Lock>::load(cpu_va a, std::span<std::byte> into) {
  return access_memory<access::read>(a, [&](std::byte* from) {
    if (into.size() == sizeof(std::uint64_t) && a.value % sizeof(std::uint64_t) == 0) {
      // The GPU may meet the CPU on this word.
      std::uint64_t const word =
          std::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(from)}.load(std::memory_order_relaxed);
      std::memcpy(into.data(), &word, sizeof word);
    } else {
      std::memcpy(into.data(), from, into.size());
    }
  });
}

template <lock Lock>
sys address_space<Lock>::store(cpu_va a, std::span<std::byte const> from) {
  return access_memory<access::write>(a, [&](std::byte* to) {
    if (from.size() == sizeof(std::uint64_t) && a.value % sizeof(std::uint64_t) == 0) {
      std::uint64_t word = 0;
      std::memcpy(&word, from.data(), sizeof word);
      std::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(to)}.store(word, std::memory_order_relaxed);
    } else {
      std::memcpy(to, from.data(), from.size());
    }
  });
}

}  // namespace svm::inline v0::mock

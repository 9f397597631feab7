// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// A process whose memory comes in blocks (see wide_memory.hpp).

#include <conformance/wide_memory.hpp>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/std/null_lock.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace wide {

/// Sees who takes locks out of order.
using lock_policy = svm::mock::rank_checked<svm::null_lock>;

/// The model of `svm::mm`; several share a memory. No page is mapped twice.
class process {
  struct table_entry {
    page target;
    bool migrating = false;
    bool swapped = false;
  };
  struct vma {
    svm::va_range extent;
    svm::page_order order;  ///< of the blocks that a first access makes
    bool writable;
  };

 public:
  static constexpr svm::byte_count page_size = wide::page_size;
  using page = wide::page;
  using slot = svm::migration_slot<page>;

  bool migratable = true;  ///< what VMAs say; nobody else here looks at it

  explicit process(memory& pages) : memory_(pages), id_(pages.next_space()) {}

  void mmap(svm::va_range span, svm::page_order order = {}, bool writable = true) {
    vmas_.emplace(span.start().value, vma{span, order, writable});
  }
  void munmap(svm::cpu_va start) {
    svm::va_range const span = vmas_.extract(start.value).mapped().extent;
    tell({span, svm::invalidation_cause::unmap});
    drop(span);
  }
  void forbid_writing(svm::cpu_va start) {
    vma& v = vmas_.at(start.value);
    tell({v.extent, svm::invalidation_cause::protection});
    v.writable = false;
  }
  /// Drops what is mapped, unless somebody would have to wait for it.
  bool clear_without_waiting(svm::va_range span) {
    if (!tell({span, svm::invalidation_cause::clear, svm::nobody, false})) return false;
    drop(span);
    return true;
  }
  void swap_out(svm::cpu_va a) {
    tell({{a, page_size}, svm::invalidation_cause::clear});
    table_.at(a.value).swapped = true;
  }
  void share(svm::va_range span) {
    for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value; ++e)
      memory_.block(e->second.target).shared = true;
  }
  void exit() { put_user(); }
  [[nodiscard]] std::optional<std::uint64_t> load(svm::cpu_va a) {
    std::byte const* const word = touch(a, svm::access_kind::read);
    return word != nullptr ? std::optional{first_word(word)} : std::nullopt;
  }
  [[nodiscard]] bool store(svm::cpu_va a, std::uint64_t value) {
    std::byte* const word = touch(a, svm::access_kind::write);
    if (word != nullptr) std::memcpy(word, &value, sizeof value);
    return word != nullptr;
  }

  [[nodiscard]] bool get_user() noexcept { return users_ != 0 && ++users_ != 0; }
  void put_user() noexcept {
    if (--users_ != 0) return;
    tell({{svm::cpu_va{}, svm::byte_count{UINT64_MAX}}, svm::invalidation_cause::release});
    while (!vmas_.empty()) munmap(vmas_.begin()->second.extent.start());
  }
  [[nodiscard]] svm::space_id id() const noexcept { return id_; }
  [[nodiscard]] auto& map_lock() noexcept { return map_lock_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(svm::cpu_va a) noexcept {
    return find_first_vma({a, svm::byte_count{1}});
  }
  [[nodiscard]] svm::result<svm::vma_info> find_first_vma(svm::va_range span) noexcept {
    for (auto const& [start, v] : vmas_)
      if (v.extent.overlaps(span)) return svm::vma_info{v.extent, true, v.writable, migratable};
    return svm::errc::no_vma;
  }
  [[nodiscard]] static constexpr page page_at(page first, std::uint64_t n) noexcept { return nth(first, n); }
  /// Reports whole blocks, where all of one is mapped in its order: they may begin before the span and end behind it.
  void snapshot(svm::va_range span, svm::run_sink<page>& found) noexcept {
    for (svm::cpu_va at = span.start(); span.contains(at);) {
      auto const e = table_.find(at.value);
      if (e == table_.end() || e->second.migrating || e->second.swapped) {
        if (at = at + page_size; at == svm::cpu_va{}) return;
        continue;
      }
      page const p = e->second.target;
      frame const& b = memory_.block(p);
      bool const whole = b.mapped == b.order.pages().value;
      page const first = whole ? memory_.of(p).first : p;
      svm::cpu_va const start = at - page_size * (p.number - first.number);
      auto const count = static_cast<std::uint32_t>(whole ? b.order.pages().value : 1);
      if (!found.add(start, {.page = first,
                             .owner_object = b.owner_object,
                             .owner = memory_.owner(p),
                             .count = count,
                             .place = b.is_device ? svm::page_place::device : svm::page_place::system,
                             .writable = is_writable(at)}))
        return;
      at = start + page_size * count;
    }
  }

  static constexpr bool collects_masks = true;

  struct registration {
    std::optional<svm::va_range> span;
    svm::invalidation_target* target = nullptr;
    std::uint64_t sequence = 0;
  };
  [[nodiscard]] svm::errc register_notifier(registration& r, svm::va_range span, svm::invalidation_target& t) noexcept {
    r = {span, &t, events_};
    watchers_.push_back(&r);
    return svm::errc::ok;
  }
  void unregister_notifier(registration& r) noexcept { std::erase(watchers_, &r); }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept { return r.sequence; }
  [[nodiscard]] bool read_retry(registration& r, std::uint64_t seen) noexcept { return r.sequence != seen; }
  void set_sequence(registration& r, std::uint64_t value) noexcept { r.sequence = value; }

  [[nodiscard]] svm::errc fault_in(svm::walk_request<registration> const& request,
                                   svm::run_sink<page>& found) noexcept {
    for (svm::byte_count done{}; done < request.span.size(); done += page_size)
      if (svm::errc const e = make_present(request.span.start() + done, request.want, request.owner, false);
          e != svm::errc::ok)
        return e;
    snapshot(request.span, found);
    return svm::errc::ok;
  }

  struct migration {
    process* home = nullptr;
    std::span<slot> slots;
    page faulting;
    std::vector<process*> whose;  ///< address space
    std::vector<svm::cpu_va> at;
    std::vector<bool> moved;
    std::vector<bool> single;  ///< its block was split by `install`
    bool named = false;        ///< its pages were named, not found

    migration() = default;
    migration(migration const&) = delete;
    migration& operator=(migration const&) = delete;
    ~migration() {
      if (home != nullptr && home->ends_by_itself()) home->finalize(*this);
    }
    void begin(process& p, std::span<slot> s, page f) {
      home = &p;
      slots = s;
      faulting = f;
      whose.assign(s.size(), &p);
      at.resize(s.size());
      moved.resize(s.size());
      single.resize(s.size());
    }
    /// How many slots from `i` on share one block.
    [[nodiscard]] std::size_t unit(std::size_t i) const {
      return single[i] || !slots[i].is_collected() ? 1 : slots[i].order.pages().value;
    }
  };

  [[nodiscard]] svm::errc collect(migration& session, svm::va_range span, std::span<slot> slots,
                                  svm::page_owner reach) noexcept {
    auto const v = find_vma(span.start());
    if (!v) return v.error();
    if (!v->extent.contains(span)) return svm::errc::spans_vmas;
    session.begin(*this, slots, {});
    for (std::size_t i = 0; i < slots.size(); ++i) session.at[i] = span.start() + page_size * i;
    for (std::size_t first = 0; first < slots.size(); ++first) {
      std::size_t end = first;
      while (end < slots.size() && slots[end].state != svm::slot_state::outside) ++end;
      if (end != first) tell({{session.at[first], page_size * (end - first)}, svm::invalidation_cause::migrate, reach});
      first = end;
    }
    for (std::size_t i = 0; i < slots.size();) {
      if (slots[i].state == svm::slot_state::outside) {
        ++i;
        continue;
      }
      auto const e = table_.find(session.at[i].value);
      bool const is_on_device = e != table_.end() && memory_.block(e->second.target).is_device;
      if (!is_on_device && !is_wanted(session, i)) {
        ++i;
      } else if (e == table_.end()) {
        i += take_hole(session, i);
      } else if (e->second.swapped) {
        slots[i++].state = svm::slot_state::swapped;
      } else if (page const p = e->second.target; memory_.block(p).is_device && !is_in_reach(p, reach)) {
        slots[i++].state = svm::slot_state::resident;
      } else {
        i += take_out(session, i, p);
      }
    }
    return svm::errc::ok;
  }

  void collect_pages(migration& session, std::span<slot> slots, svm::page_scope const* within, page faulting) noexcept {
    session.begin(*this, slots, faulting);
    session.named = true;
    for (std::size_t i = 0; i < slots.size();) {
      page const p = slots[i].source;
      if (!memory_.is_live(p)) {
        ++i;
        continue;
      }
      if (!is_within(p, within)) {
        slots[i++].state = svm::slot_state::elsewhere;
        continue;
      }
      tell_owner_of(p, {{*memory_.of(p).at, page_size * memory_.block(p).order.pages().value},
                        svm::invalidation_cause::migrate,
                        memory_.owner(p)});
      i += take_out(session, i, p);
    }
  }

  void install(migration& session) noexcept {
    auto const slots = session.slots;
    for (std::size_t i = 0, unit = 0; i < slots.size(); i += unit) {
      unit = session.unit(i);
      slot const& s = slots[i];
      if (!s.is_collected()) continue;
      auto const block = slots.subspan(i, unit);
      auto const has_destination = [](slot const& one) { return one.destination != page{}; };
      bool const later = std::any_of(block.begin() + 1, block.end(), has_destination);
      if (has_destination(s) && s.destination_order == s.order && !later) {
        move(session, i, unit);
      } else if (has_destination(s) || later) {
        if (s.has_page()) memory_.split(s.source, session.faulting, true);
        for (std::size_t k = i; k < i + unit; ++k) {
          session.single[k] = true;
          if (has_destination(slots[k])) move(session, k, 1);
        }
      }
    }
  }

  void finalize(migration& session) noexcept {
    if (std::exchange(session.home, nullptr) == nullptr) return;
    bring_back(session);
    for (std::size_t i = 0, unit = 0; i < session.slots.size(); i += unit) {
      unit = session.unit(i);
      slot const& s = session.slots[i];
      bool const moved = session.moved[i];
      if (s.destination != page{}) {
        memory_.block(s.destination).locked = false;
        if (!moved) memory_.put(s.destination);
      }
      if (!s.has_page()) continue;
      for (std::size_t k = 0; k < unit; ++k) {
        session.whose[i + k]->table_.at(session.at[i + k].value).migrating = false;
        if (moved) memory_.of(nth(s.source, k)).at.reset();
      }
      frame& b = memory_.block(s.source);
      b.locked = false;
      if (moved) {
        b.mapped = 0;
        memory_.put(s.source);  // the page table's
      }
      memory_.put(s.source);  // the migration's
    }
  }

  [[nodiscard]] svm::result<page> allocate_page(svm::page_order order) noexcept {
    page const fresh = memory_.add(order.pages().value, false);
    memory_.join(fresh, order);
    return fresh;
  }
  void clear_page(page first, svm::page_order order) noexcept {
    for (std::uint64_t i = 0; i < order.pages().value; ++i) memory_.of(nth(first, i)).bytes.fill({});
  }
  void adopt_device_page(page p, svm::page_order order, svm::device_page_owner<page>& owner, bool coherent) noexcept {
    memory_.join(p, order);
    memory_.of(p).owner_object = &owner;
    memory_.of(p).coherent = coherent;
  }
  void discard_page(page p) noexcept {
    memory_.block(p).locked = false;
    memory_.put(p);
  }

 protected:
  ~process() = default;
  process(process const&) = delete;
  process& operator=(process const&) = delete;

  /// True when `collect` may take a page of system memory, or a hole, that is at a slot.
  [[nodiscard]] virtual bool is_wanted(migration const&, std::size_t) { return true; }
  /// Brings the bytes back of what has no new mapping.
  virtual void bring_back(migration&) {}
  /// True when the end of a migration's scope finalizes it.
  [[nodiscard]] virtual bool ends_by_itself() const { return true; }
  /// Maps the block at a slot's destination where the block of its source was.
  virtual void move(migration& session, std::size_t i, std::size_t count) {
    page const to = session.slots[i].destination;
    for (std::size_t k = 0; k < count; ++k) move_one(session, i + k, nth(to, k));
  }
  void move_one(migration& session, std::size_t i, page to) {
    session.whose[i]->map(session.at[i], to);
    session.moved[i] = true;
  }
  /// True when a page is mapped where a scope says.
  [[nodiscard]] virtual bool is_within(page p, svm::page_scope const* within) {
    frame const& f = memory_.of(p);
    return f.at && (within == nullptr || (within->space == f.home->id() && within->span.contains(*f.at)));
  }
  [[nodiscard]] virtual bool is_in_reach(page p, svm::page_owner reach) { return reach.reaches(memory_.owner(p)); }
  /// How many references a block of pages may have beside the page table's.
  [[nodiscard]] virtual unsigned references_of_fault(page first, page faulting) {
    return memory_.has(faulting) && memory_.of(faulting).first == first ? 1 : 0;
  }
  /// Tells those who watch the address space that maps a page.
  virtual void tell_owner_of(page p, svm::invalidation const& event) { memory_.of(p).home->tell(event); }
  /// Tells everybody who watches; false when somebody refused, which only an event that may not block allows.
  virtual bool tell(svm::invalidation const& event) {
    ++events_;
    bool good = true;
    std::vector<svm::invalidation_target*> pending;
    for (registration* const r : watchers_) {
      if (!r->span->overlaps(event.span)) continue;
      auto const answer = r->target->invalidate(event, events_);
      if (answer == svm::invalidation_answer::pending) pending.push_back(r->target);
      if (answer != svm::invalidation_answer::refused) continue;
      good = false;
      break;
    }
    for (svm::invalidation_target* const target : pending) target->finish_invalidation(event);
    return good;
  }
  [[nodiscard]] std::vector<registration*> const& watchers() const { return watchers_; }
  [[nodiscard]] std::uint64_t next_event() { return ++events_; }

 private:
  [[nodiscard]] bool is_writable(svm::cpu_va a) { return find_vma(a)->writable; }
  [[nodiscard]] vma const* vma_at(svm::cpu_va a) const {
    for (auto const& [start, v] : vmas_)
      if (v.extent.contains(a)) return &v;
    return nullptr;
  }
  /// The block of its VMA's order around a page, when it lies inside the VMA and nothing of it is present.
  [[nodiscard]] std::optional<svm::va_range> empty_block(vma const& v, svm::cpu_va a) const {
    svm::byte_count const size = page_size * v.order.pages().value;
    svm::va_range const block{a.align_down(size), size};
    if (!v.extent.contains(block)) return std::nullopt;
    auto const next = table_.lower_bound(block.start().value);
    return next != table_.end() && next->first <= block.last().value ? std::nullopt : std::optional{block};
  }

  [[nodiscard]] svm::errc make_present(svm::cpu_va a, svm::access_kind want, svm::page_owner user, bool by_cpu) {
    vma const* const v = vma_at(a);
    if (v == nullptr) return svm::errc::no_vma;
    if (want != svm::access_kind::read && !v->writable) return svm::errc::read_only;
    svm::cpu_va const at = a.align_down(page_size);
    if (!table_.contains(at.value)) {
      auto const large = empty_block(*v, at);
      svm::cpu_va const start = large ? large->start() : at;
      svm::page_order const order = large ? v->order : svm::page_order{};
      page const fresh = *allocate_page(order);
      memory_.of(fresh).locked = false;
      for (std::uint64_t i = 0; i < order.pages().value; ++i) map(start + page_size * i, nth(fresh, i));
    }
    table_entry& e = table_.at(at.value);
    if (e.migrating) return svm::errc::busy;
    e.swapped = false;
    page const target = e.target;
    frame& b = memory_.block(target);
    if (!b.is_device || (by_cpu && b.coherent) || user.reaches(memory_.owner(target))) return svm::errc::ok;
    ++b.references;
    svm::cpu_fault_answer const answer =
        b.owner_object->page_faulted({.space = id(), .address = a, .page = target, .vma = v->extent});
    memory_.put(target);
    if (answer.next == svm::cpu_fault_answer::action::fail) return answer.error;
    return memory_.block(e.target).is_device ? svm::errc::busy : svm::errc::ok;
  }
  [[nodiscard]] std::byte* touch(svm::cpu_va a, svm::access_kind want) {
    svm::shared_guard const guard{map_lock_};
    if (make_present(a, want, svm::nobody, true) != svm::errc::ok) return nullptr;
    return memory_.of(table_.at(a.align_down(page_size).value).target).bytes.data() + a.value % page_bytes;
  }

  void map(svm::cpu_va at, page p) {
    table_[at.value].target = p;
    memory_.of(p).home = this;
    memory_.of(p).at = at;
    ++memory_.block(p).mapped;
  }
  void drop(svm::va_range span) {
    for (auto e = table_.lower_bound(span.start().value); e != table_.end() && e->first <= span.last().value;) {
      page const target = e->second.target;
      e = table_.erase(e);
      memory_.of(target).at.reset();
      if (--memory_.block(target).mapped == 0) memory_.put(target);
    }
  }

  [[nodiscard]] std::size_t take_hole(migration& session, std::size_t i) {
    vma const& v = *vma_at(session.at[i]);
    auto const large = empty_block(v, session.at[i]);
    std::size_t const count = large ? v.order.pages().value : 1;
    bool const whole = large && large->start() == session.at[i] && has_room(session, i, count);
    for (std::size_t k = 0; k < (whole ? count : 1); ++k) {
      session.slots[i + k].state = svm::slot_state::hole;
      session.slots[i + k].follows = k != 0;
    }
    if (whole) session.slots[i].order = v.order;
    return whole ? count : 1;
  }

  /// True when so many slots from `i` on may be taken.
  [[nodiscard]] static bool has_room(migration const& session, std::size_t i, std::uint64_t count) {
    if (count > session.slots.size() - i) return false;
    for (std::uint64_t k = 0; k < count; ++k)
      if (session.slots[i + k].state == svm::slot_state::outside) return false;
    return true;
  }

  /// Takes the page of a slot out of the page table, with the whole block when the next slots are for the rest of it;
  /// returns how many slots it dealt with.
  [[nodiscard]] std::size_t take_out(migration& session, std::size_t i, page p) {
    auto const slots = session.slots;
    page const first = memory_.of(p).first;
    frame const& b = memory_.of(first);
    std::uint64_t const count = b.order.pages().value;
    auto const refuse = [&](svm::slot_state why) {
      slots[i].state = why;
      return std::size_t{1};
    };
    if (b.shared) return refuse(svm::slot_state::shared);
    if (b.locked) return refuse(svm::slot_state::locked);
    if (b.references != 1 + references_of_fault(first, session.faulting)) return refuse(svm::slot_state::pinned);
    if (p != first || b.mapped != count || !is_for(session, i, first, count)) {
      memory_.split(first, session.faulting, false);
      return take_block(session, i, p, {});
    }
    return take_block(session, i, p, b.order);
  }
  /// True when the slots from `i` on are for the pages of a block, in order.
  [[nodiscard]] bool is_for(migration const& session, std::size_t i, page first, std::uint64_t count) {
    if (!has_room(session, i, count)) return false;
    for (std::uint64_t k = 0; k < count; ++k) {
      bool const named = session.slots[i + k].source != page{};
      auto const e = table_.find(session.at[i + k].value);
      if (!session.named && !memory_.block(first).is_device && !is_wanted(session, i + k)) return false;
      page const there = named ? session.slots[i + k].source : e != table_.end() ? e->second.target : page{};
      if (there != nth(first, k)) return false;
    }
    return true;
  }
  std::size_t take_block(migration& session, std::size_t i, page first, svm::page_order order) {
    frame& b = memory_.of(first);
    b.locked = true;
    ++b.references;
    for (std::size_t k = 0; k < order.pages().value; ++k) {
      slot& s = session.slots[i + k];
      page const p = nth(first, k);
      s.source = p;
      s.state = svm::slot_state::collected;
      s.follows = k != 0;
      s.owner_object = b.owner_object;
      session.whose[i + k] = memory_.of(p).home;
      session.at[i + k] = *memory_.of(p).at;
      session.whose[i + k]->table_.at(session.at[i + k].value).migrating = true;
    }
    session.slots[i].order = order;
    return order.pages().value;
  }

  memory& memory_;
  svm::space_id const id_;
  unsigned users_ = 1;
  lock_policy::shared_mutex<svm::lock_rank::mm> map_lock_;
  std::map<std::uint64_t, vma> vmas_;           // by start
  std::map<std::uint64_t, table_entry> table_;  // by address
  std::vector<registration*> watchers_;
  std::uint64_t events_ = 0;
};
static_assert(svm::mm<process>);

}  // namespace wide

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What the checks of an address space, its notifiers and its page migration have in common.
//
// A bench is a process with the pages of its machine. `other()` is a second process of the same machine; a helper that
// is about a process takes either of the two.

#include <svm/conformance/impl/lock_watch.hpp>
#include <svm/conformance/verdict.hpp>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/concepts/page_walk.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::mm {

/// The bench that a call of a `Make` returns a pointer to.
template <class Make>
using bench_of = std::remove_cvref_t<decltype(*std::declval<Make&>()())>;
/// The model behind a bench, or behind its other process.
template <class Process>
using mm_of = std::remove_cvref_t<decltype(std::declval<Process&>().mm())>;
/// The page handle of a bench's mm.
template <class Process>
using page_of = typename mm_of<Process>::page;
/// A migration of a bench's mm.
template <class Process>
using session_of = typename mm_of<Process>::migration;
/// The slots of a migration of a bench's mm.
template <class Process>
using slots_of = std::vector<svm::migration_slot<page_of<Process>>>;

/// True when slots have their destinations before they are collected.
template <class Process>
inline constexpr bool collects_into_places = svm::collects_into_destination<mm_of<Process>>;

/// What a walk says of a page.
template <class Page>
struct page_record {
  Page page{};
  std::uint64_t run = 0;  ///< how many pages from this one on are of one run
  svm::page_place place = svm::page_place::absent;
  bool writable = false;
  svm::page_owner owner{};
  svm::device_page_owner<Page>* owner_object = nullptr;
};
/// What a walk has told, page by page.
template <class Process>
using records_of = std::vector<page_record<page_of<Process>>>;

/// How many pages of the mm a span has.
template <class Process>
[[nodiscard]] std::size_t pages_in(svm::va_range span) {
  return svm::pages_in(span.size(), mm_of<Process>::page_size).value;
}
/// The address of a page of a mapping.
template <class Process>
[[nodiscard]] svm::cpu_va page_at(svm::va_range mapping, std::size_t i) {
  return mapping.start() + mm_of<Process>::page_size * i;
}

/// A notifier's target that writes down what it is told, and answers as `answer` says.
template <class Process>
class watcher final : public svm::invalidation_target {
 public:
  watcher(Process& p, svm::va_range span) : process_(p) { start(span); }
  ~watcher() { stop(); }
  watcher(watcher const&) = delete;
  watcher& operator=(watcher const&) = delete;
  void start(svm::va_range span) {
    watching_ = process_.mm().register_notifier(registration, span, *this) == svm::errc::ok;
  }
  void stop() {
    if (watching_) process_.mm().unregister_notifier(registration);
    watching_ = false;
  }

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const& event,
                                                    std::uint64_t sequence) noexcept override {
    if (watching_ && answer != svm::invalidation_answer::refused) {
      process_.mm().set_sequence(registration, sequence);
      last_sequence = sequence;
    }
    events.push_back(event);
    if (on_event) on_event(event);
    if (answer == svm::invalidation_answer::pending) ++left_pending;
    return answer;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {
    ++finished;
    if (on_finish) on_finish();
  }
  /// True when events of a cause covered all of a span.
  [[nodiscard]] bool saw(svm::invalidation_cause cause, svm::va_range span) const {
    for (svm::byte_count done{}; done < span.size(); done += mm_of<Process>::page_size) {
      auto const covers = [&](svm::invalidation const& e) {
        return e.cause == cause && e.span.contains(span.start() + done);
      };
      if (std::none_of(events.begin(), events.end(), covers)) return false;
    }
    return true;
  }

  typename mm_of<Process>::registration registration{};
  svm::invalidation_answer answer = svm::invalidation_answer::done;
  std::vector<svm::invalidation> events;
  std::size_t left_pending = 0;
  std::size_t finished = 0;
  std::uint64_t last_sequence = 0;
  std::function<void(svm::invalidation const&)> on_event;
  std::function<void()> on_finish;

 private:
  Process& process_;
  bool watching_ = false;
};

/// What stands behind device pages; counts, and lets no page come back unless `on_fault` says otherwise.
template <class Page>
class counting_owner final : public svm::device_page_owner<Page> {
  using base = svm::device_page_owner<Page>;
  static constexpr typename base::family kind{};

 public:
  struct split {
    Page first;
    svm::page_order from;
    svm::page_order to;
  };
  int faulted = 0;
  std::uint64_t freed = 0;  ///< pages, in how many blocks they ever went
  std::vector<split> splits;
  std::function<svm::cpu_fault_answer(svm::cpu_fault<Page> const&)> on_fault;

  explicit counting_owner(svm::page_owner who) : base(kind), who_(who) {}
  [[nodiscard]] svm::page_owner owner() const noexcept override { return who_; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<Page> const& fault) noexcept override {
    ++faulted;
    if (on_fault) return on_fault(fault);
    return {svm::cpu_fault_answer::action::fail, {}, svm::errc::busy};
  }
  void page_freed(Page, svm::page_order order) noexcept override { freed += order.pages().value; }
  void page_split(Page first, svm::page_order from, svm::page_order to) noexcept override {
    splits.push_back({first, from, to});
  }

 private:
  svm::page_owner const who_;
};

// -- Walks: all that is known here of what a walk reports -------------------------------------------------------------

/// What a walk finds that has room for so many runs, and goes on as often as it must.
///
/// \param take  makes the mm report a span to a sink, and returns how that went
template <class Process, class Take>
[[nodiscard]] svm::errc walk_by_steps(std::size_t runs, svm::va_range span, records_of<Process>& out, Take&& take) {
  using mm_type = mm_of<Process>;
  std::vector<svm::page_run<page_of<Process>>> room(runs);
  svm::page_walk<mm_type> steps{span, room};
  out.clear();
  while (!steps.is_complete()) {
    if (svm::errc const e = take(steps.rest(), steps); e != svm::errc::ok) return e;
    steps.finish();
    for (auto const& r : steps.runs())
      for (std::uint64_t i = 0; i < r.count; ++i) {
        bool const is_there = r.place != svm::page_place::absent;
        out.push_back({is_there ? mm_type::page_at(r.page, i) : page_of<Process>{}, r.count - i, r.place, r.writable,
                       r.owner, r.owner_object});
      }
    steps.resume(room);
  }
  return svm::errc::ok;
}
/// What snapshots say that have room for so many runs.
///
/// \pre the map lock is held shared. Of `snapshot_locked`, `look_locked`, `walk_locked`, `collect_locked`
///      and `collect_to_locked` clang cannot follow it, since an mm need not annotate its lock.
template <class Process>
[[nodiscard]] records_of<Process> snapshot_locked(Process& p, svm::va_range span, std::size_t runs) {
  records_of<Process> found;
  static_cast<void>(walk_by_steps<Process>(runs, span, found, [&](svm::va_range rest, auto& sink) {
    p.mm().snapshot(rest, sink);
    return svm::errc::ok;
  }));
  return found;
}
/// What a snapshot of each page says, so that it does not matter how the mm makes runs of several.
///
/// \pre the map lock is held shared
template <class Process>
[[nodiscard]] records_of<Process> look_locked(Process& p, svm::va_range span) {
  records_of<Process> found;
  for (std::size_t i = 0; i < pages_in<Process>(span); ++i)
    found.push_back(snapshot_locked(p, {page_at<Process>(span, i), mm_of<Process>::page_size}, 1)[0]);
  return found;
}
/// Looks at each page of a span, taking the map lock.
template <class Process>
[[nodiscard]] records_of<Process> look(Process& p, svm::va_range span) {
  svm::shared_guard const guard{p.mm().map_lock()};
  return look_locked(p, span);
}
/// Walks once, under a sequence of `read_begin`.
///
/// \pre the map lock is held shared
template <class Process>
[[nodiscard]] svm::errc walk_locked(Process& p, watcher<Process>& w, svm::va_range span, std::uint64_t sequence,
                                    svm::access_kind want, svm::page_owner owner, records_of<Process>& out,
                                    std::size_t runs) {
  svm::walk_request<typename mm_of<Process>::registration> request{span, want, owner, w.registration, sequence};
  return walk_by_steps<Process>(runs, span, out, [&](svm::va_range rest, auto& sink) {
    request.span = rest;
    return p.mm().fault_in(request, sink);
  });
}
/// Walks for a device with pages of `owner`; tries again a few times, as the library does.
///
/// \param runs  for how many runs the walk has room; one a page unless it says otherwise
template <class Process>
[[nodiscard]] svm::errc walk(Process& p, watcher<Process>& w, svm::va_range span, svm::access_kind want,
                             svm::page_owner owner, records_of<Process>& out, std::size_t runs = 0) {
  svm::errc e = svm::errc::busy;
  for (int tries = 0; tries < 4 && e == svm::errc::busy; ++tries) {
    std::uint64_t const sequence = p.mm().read_begin(w.registration);
    svm::shared_guard const guard{p.mm().map_lock()};
    e = walk_locked(p, w, span, sequence, want, owner, out, runs != 0 ? runs : pages_in<Process>(span));
  }
  return e;
}

// -- Migrations -------------------------------------------------------------------------------------------------------

/// True when a page is live and holds a value.
template <class Bench>
[[nodiscard]] bool holds(Bench& b, page_of<Bench> p, std::uint64_t value) {
  return b.is_live(p) && b.peek(p) == value;
}

/// True when a page was taken out of the page table: others copy it, or the session does where it collects into places.
template <class Process>
[[nodiscard]] bool is_taken(svm::migration_slot<page_of<Process>> const& s) {
  return s.state == svm::slot_state::collected || (collects_into_places<Process> && s.has_page());
}
/// Device pages that a mapping may go to, where they are needed before it is collected; else none.
template <class Bench>
[[nodiscard]] std::vector<page_of<Bench>> places_ahead(Bench& b, std::size_t count, svm::page_order order = {}) {
  if constexpr (!collects_into_places<Bench>)
    return {};
  else if constexpr (requires { b.device_block(order); })
    return order == svm::page_order{} ? b.device_pages(count) : std::vector{b.device_block(order)};
  else
    return b.device_pages(count);
}
/// Collects, into blocks of an order of device memory where the model needs some. A collect that fails leaves none.
///
/// \pre the map lock is held shared, until the session is finalized
template <class Process>
[[nodiscard]] svm::errc collect_to_locked(Process& p, session_of<Process>& session, svm::va_range span,
                                          slots_of<Process>& slots, std::vector<page_of<Process>> const& places,
                                          svm::page_order order, svm::device_page_owner<page_of<Process>>& behind,
                                          svm::page_owner reach = svm::nobody) {
  slots.assign(pages_in<Process>(span), {});
  for (std::size_t i = 0; i < places.size(); ++i) {
    p.mm().adopt_device_page(places[i], order, behind, false);
    auto& slot = slots[i * order.pages().value];
    slot.destination = places[i];
    slot.destination_order = order;
  }
  svm::errc const e = p.mm().collect(session, span, std::span{slots}, reach);
  if (e != svm::errc::ok)
    for (auto const place : places) p.mm().discard_page(place);
  return e;
}
/// Collects; where the model needs places ahead, single device pages.
///
/// \pre the map lock is held shared, until the session is finalized
template <class Bench>
[[nodiscard]] svm::errc collect_locked(Bench& b, session_of<Bench>& session, svm::va_range span, slots_of<Bench>& slots,
                                       svm::device_page_owner<page_of<Bench>>& behind,
                                       svm::page_owner reach = svm::nobody) {
  return collect_to_locked(b, session, span, slots, places_ahead(b, pages_in<Bench>(span)), {}, behind, reach);
}
/// Collects the pages that are named in slots, wherever they are mapped.
template <class Process>
void collect_pages(Process& p, session_of<Process>& session, slots_of<Process>& slots, page_of<Process> faulting = {}) {
  p.mm().collect_pages(session, std::span{slots}, nullptr, faulting);
}
/// The same, where an address space maps them in a span.
template <class Process>
void collect_pages_of(Process& p, session_of<Process>& session, slots_of<Process>& slots, svm::page_scope const& within,
                      page_of<Process> faulting = {}) {
  p.mm().collect_pages(session, std::span{slots}, &within, faulting);
}

/// A slot for each page that was seen.
template <class Process>
[[nodiscard]] slots_of<Process> slots_for(std::vector<page_record<page_of<Process>>> const& seen) {
  slots_of<Process> slots(seen.size());
  for (std::size_t i = 0; i < seen.size(); ++i) slots[i].source = seen[i].page;
  return slots;
}

/// Copies the first word of a slot's source to a page, unless the session moves the bytes.
template <class Bench, class Slot>
void copy_word(Bench& b, Slot const& slot, page_of<Bench> to) {
  if (slot.state == svm::slot_state::collected) b.poke(to, b.peek(slot.source));
}
/// Gives each collected slot one of some device pages, with the content of its source.
template <class Bench>
void fill_with(Bench& b, slots_of<Bench>& slots, std::vector<page_of<Bench>> const& fresh,
               svm::device_page_owner<page_of<Bench>>& owner) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].is_collected()) continue;
    if constexpr (!collects_into_places<Bench>) {
      b.mm().adopt_device_page(fresh[i], svm::page_order{}, owner, false);
      slots[i].destination = fresh[i];
    }
    copy_word(b, slots[i], slots[i].destination);
  }
}
/// Gives each collected slot a device page with the content of its source.
template <class Bench>
void fill(Bench& b, slots_of<Bench>& slots, svm::device_page_owner<page_of<Bench>>& owner) {
  if constexpr (collects_into_places<Bench>)
    fill_with(b, slots, {}, owner);
  else
    fill_with(b, slots, b.device_pages(slots.size()), owner);
}
/// Gives each collected slot a system page with the content of its source; false when there is none.
template <class Bench>
[[nodiscard]] bool fill_with_system_pages(Bench& b, slots_of<Bench>& slots) {
  for (auto& slot : slots) {
    if (!slot.is_collected()) continue;
    auto const one = b.mm().allocate_page(svm::page_order{});
    if (!one) return false;
    slot.destination = *one;
    copy_word(b, slot, *one);
  }
  return true;
}

/// Moves a mapping of a process to device memory; false when it does not go there.
template <class Bench, class Process>
[[nodiscard]] bool migrate_of(Bench& b, Process& p, svm::va_range span, svm::device_page_owner<page_of<Bench>>& owner) {
  slots_of<Bench> slots;
  svm::shared_guard const guard{p.mm().map_lock()};
  session_of<Process> session{};
  auto const places = places_ahead(b, pages_in<Bench>(span));
  if (collect_to_locked(p, session, span, slots, places, {}, owner) != svm::errc::ok) return false;
  fill(b, slots, owner);
  p.mm().install(session);
  p.mm().finalize(session);
  return true;
}
/// Moves a span of the bench's process to device memory; false when a page stayed.
template <class Bench>
[[nodiscard]] bool migrate(Bench& b, svm::va_range span, svm::device_page_owner<page_of<Bench>>& owner) {
  return migrate_of(b, b, span, owner);
}

// -- Blocks, for benches that can make them ---------------------------------------------------------------------------

/// A mapping that is one block, and its order.
template <class Bench>
struct large_mapping {
  svm::va_range span;
  std::size_t pages;
  svm::page_order order;

  explicit large_mapping(Bench& b)
      : span(b.map_large()), pages(pages_in<Bench>(span)), order{static_cast<std::uint8_t>(__builtin_ctzll(pages))} {}
  /// The first word of page `i` becomes `i + 100`.
  void store(Bench& b) const {
    for (std::size_t i = 0; i < pages; ++i) static_cast<void>(b.store(page_at<Bench>(span, i), i + 100));
  }
};

}  // namespace svm::inline v0::conformance::mm

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What the checks of mm.hpp and mm_blocks.hpp have in common.

#include <svm/conformance/verdict.hpp>

#include <svm/base/scope_guard.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/concepts/page_walk.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::mm {

/// What a walk found, an element a page.
template <class Bench>
using entries_of = std::vector<svm::page_run<typename Bench::page>>;
template <class Bench>
using slots_of = std::vector<svm::migration_slot<typename Bench::page>>;

/// The address of a page of a mapping.
template <class Bench>
[[nodiscard]] svm::cpu_va page_at(svm::va_range mapping, std::size_t i) {
  return mapping.start() + Bench::mm_type::page_size * i;
}

/// A notifier's target that writes down what it is told, and answers as `answer` says.
template <class Bench>
class watcher final : public svm::invalidation_target {
 public:
  watcher(Bench& b, svm::va_range span) : bench_(b) {
    watching_ = b.mm().register_notifier(registration, span, *this) == svm::errc::ok;
  }
  ~watcher() { stop(); }
  watcher(watcher const&) = delete;
  watcher& operator=(watcher const&) = delete;
  void stop() {
    if (watching_) bench_.mm().unregister_notifier(registration);
    watching_ = false;
  }

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const& event,
                                                    std::uint64_t sequence) noexcept override {
    if (watching_ && answer != svm::invalidation_answer::refused) {
      bench_.mm().set_sequence(registration, sequence);
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
    for (svm::byte_count done{}; done < span.size(); done += Bench::mm_type::page_size) {
      auto const covers = [&](svm::invalidation const& e) {
        return e.cause == cause && e.span.contains(span.start() + done);
      };
      if (std::none_of(events.begin(), events.end(), covers)) return false;
    }
    return true;
  }

  typename Bench::mm_type::registration registration{};
  svm::invalidation_answer answer = svm::invalidation_answer::done;
  std::vector<svm::invalidation> events;
  std::size_t left_pending = 0;
  std::size_t finished = 0;
  std::uint64_t last_sequence = 0;
  std::function<void(svm::invalidation const&)> on_event;
  std::function<void()> on_finish;

 private:
  Bench& bench_;
  bool watching_ = false;
};

/// What stands behind device pages; counts, and lets no page come back.
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

  explicit counting_owner(svm::page_owner who) : base(kind), who_(who) {}
  [[nodiscard]] svm::page_owner owner() const noexcept override { return who_; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<Page> const&) noexcept override {
    ++faulted;
    return {svm::cpu_fault_answer::action::fail, {}, svm::errc::busy};
  }
  void page_freed(Page, svm::page_order order) noexcept override { freed += order.pages().value; }
  void page_split(Page first, svm::page_order from, svm::page_order to) noexcept override {
    splits.push_back({first, from, to});
  }

 private:
  svm::page_owner const who_;
};

/// A walk whose room for runs is used up each time, so that it goes on as often as it can; what it finds.
///
/// \param take  makes the mm report a span to a sink, and returns how that went
template <class Bench, class Take>
[[nodiscard]] svm::errc walk_by_steps(svm::va_range span, entries_of<Bench>& out, Take&& take) {
  using mm_type = typename Bench::mm_type;
  svm::page_run<typename Bench::page> room[2];
  svm::page_walk<mm_type> steps{span, room};
  out.clear();
  while (!steps.is_complete()) {
    if (svm::errc const e = take(steps.rest(), steps); e != svm::errc::ok) return e;
    steps.finish();
    for (auto const& run : steps.runs())
      for (std::uint64_t i = 0; i < run.count; ++i) {
        out.push_back(run);
        out.back().count = 1;
        if (run.place != svm::page_place::absent) out.back().page = mm_type::page_at(run.page, i);
      }
    steps.resume(room);
  }
  return svm::errc::ok;
}

/// What a snapshot says. As the library, with the map lock held shared.
template <class Bench>
[[nodiscard]] entries_of<Bench> look_locked(Bench& b, svm::va_range span) {
  entries_of<Bench> entries;
  static_cast<void>(walk_by_steps<Bench>(span, entries, [&](svm::va_range rest, auto& sink) {
    b.mm().snapshot(rest, sink);
    return svm::errc::ok;
  }));
  return entries;
}
template <class Bench>
[[nodiscard]] entries_of<Bench> look(Bench& b, svm::va_range span) {
  svm::shared_guard const guard{b.mm().map_lock()};
  return look_locked(b, span);
}

/// True when a page is live and holds a value.
template <class Bench>
[[nodiscard]] bool holds(Bench& b, typename Bench::page p, std::uint64_t value) {
  return b.is_live(p) && b.peek(p) == value;
}

/// Walks for a device with pages of `owner`; tries again a few times, as the library does.
template <class Bench>
[[nodiscard]] svm::errc walk(Bench& b, watcher<Bench>& w, svm::va_range span, svm::access_kind want,
                             svm::page_owner owner, entries_of<Bench>& out) {
  svm::errc e = svm::errc::busy;
  for (int tries = 0; tries < 4 && e == svm::errc::busy; ++tries) {
    svm::walk_request<typename Bench::mm_type::registration> request{span, want, owner, w.registration,
                                                                     b.mm().read_begin(w.registration)};
    svm::shared_guard const guard{b.mm().map_lock()};
    e = walk_by_steps<Bench>(span, out, [&](svm::va_range rest, auto& sink) {
      request.span = rest;
      return b.mm().fault_in(request, sink);
    });
  }
  return e;
}

/// \pre the map lock is held shared, until the session is finalized
template <class Bench>
[[nodiscard]] svm::errc collect_locked(Bench& b, typename Bench::mm_type::migration& session, svm::va_range span,
                                       slots_of<Bench>& slots, svm::page_owner reach = svm::nobody) {
  slots.assign(svm::pages_in(span.size(), Bench::mm_type::page_size).value, {});
  return b.mm().collect(session, span, std::span{slots}, reach);
}

/// Gives each collected slot a device page with the content of its source.
template <class Bench>
void fill(Bench& b, slots_of<Bench>& slots, svm::device_page_owner<typename Bench::page>& owner) {
  auto const fresh = b.device_pages(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].is_collected()) continue;
    b.mm().adopt_device_page(fresh[i], svm::page_order{}, owner, false);
    slots[i].destination = fresh[i];
    if (slots[i].state == svm::slot_state::collected) b.poke(fresh[i], b.peek(slots[i].source));
  }
}

/// Moves a mapping to device memory; false when it does not go there.
template <class Bench>
[[nodiscard]] bool migrate(Bench& b, svm::va_range span, svm::device_page_owner<typename Bench::page>& owner) {
  slots_of<Bench> slots;
  svm::shared_guard const guard{b.mm().map_lock()};
  typename Bench::mm_type::migration session{};
  if (collect_locked(b, session, span, slots) != svm::errc::ok) return false;
  fill(b, slots, owner);
  b.mm().install(session);
  b.mm().finalize(session);
  return true;
}

}  // namespace svm::inline v0::conformance::mm

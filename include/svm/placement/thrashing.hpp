// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/migration_cause.hpp>
#include <svm/placement/adaptive_lapse.hpp>
#include <svm/placement/thrash_block.hpp>
#include <svm/placement/topology.hpp>

namespace svm::inline v0::placement {

/// The numbers of thrashing prevention; out of bounds they fall back to what they are by default.
struct thrash_options {
  bool enabled = true;
  unsigned threshold = defaults::thrashing_threshold;
  unsigned pin_threshold = defaults::pin_threshold;
  duration lapse = defaults::lapse;
  unsigned nap_lapses = defaults::nap_lapses;
  unsigned epoch_lapses = defaults::epoch_lapses;
  unsigned pin_lapses = defaults::pin_lapses;  ///< 0: a pin lasts for ever
  unsigned max_resets = defaults::max_resets;
  bool adaptive = true;  ///< whether the lapse learns; only one that nobody set should

  [[nodiscard]] constexpr thrash_options valid() const {
    thrash_options v = *this;
    if (threshold < 1 || threshold > defaults::thrashing_threshold_most) v.threshold = defaults::thrashing_threshold;
    if (pin_threshold < 1 || pin_threshold > defaults::pin_threshold_most) v.pin_threshold = defaults::pin_threshold;
    if (nap_lapses < 1 || nap_lapses > defaults::nap_lapses_most) v.nap_lapses = defaults::nap_lapses;
    if (lapse.nanoseconds == 0) v.lapse = defaults::lapse;
    return v;
  }
};

/// A contiguous copy that was made, or a right that was taken away.
struct thrash_event {
  page_span pages{};
  processor who = nobody;  ///< where the pages went, or who lost the right
  bool is_revocation = false;
  migration_cause cause = migration_cause::gpu_fault;
  bool is_duplicate = false;      ///< the pages stay where they were, too
  bool is_first_hop = false;      ///< `who` is not where the pages are going in the end
  bool read_duplication = false;  ///< the policy there asks for duplicates
};

/// Who asks for a page, and where it is.
struct thrash_question {
  unsigned page = 0;
  processor requester = nobody;
  processor_set copies{};  ///< who has the page in memory
  processor preferred = nobody;
};

/// What to do with a page that moves to and fro.
struct thrash_hint {
  enum class kind : std::uint8_t { none, throttle, pin };

  kind what = kind::none;
  time_point until{};          ///< of a throttle
  processor at = nobody;       ///< of a pin
  processor_set processors{};  ///< of a pin: who is to be mapped to the page
};

/// Finds pages that move to and fro (rules B1 to B5). It says whether the requester waits or the page stays where it is.
/// One object an address space; no lock, no clock and no memory of its own.
///
/// `Memory` is the user's: `thrash_page* take_pages()` gives 512 pages in their first state, `pinned_page* take_pin()`
/// one pin, either null when there is no memory; `give_pages` and `give_pin` take them back.
template <class Memory>
class thrashing {
 public:
  thrashing(Memory& memory, topology const& links, thrash_options options = {})
      : memory_(memory), links_(links), options_(options.valid()), lapse_(options_.lapse, options_.adaptive) {}

  [[nodiscard]] adaptive_lapse const& lapse() const { return lapse_; }

  /// Takes note of what happened (rule B1), and returns the pages that thrash from now on.
  ///
  /// \allocs at most one block's pages, through `Memory`; without them the block starts over
  page_mask record(thrash_block& block, thrash_event const& event, time_point now) {
    if (!options_.enabled || event.is_first_hop || event.cause == migration_cause::eviction) return {};
    if (!event.is_revocation) {
      if (wipes(event)) {
        reset(block, event.pages);
        return {};
      }
      bool const for_access = is_fault(event.cause) || event.cause == migration_cause::counter;
      if (for_access && block.pinned_.contains(page_mask{event.pages})) return {};  // our own move to the pin
    }
    bool const remembers = block.pages_ != nullptr || begin_history(block, event.who, now);
    page_mask detected;
    for (unsigned p = event.pages.first; remembers && p < event.pages.end; ++p)
      if (note(block, p, event, now)) detected.set(p);
    block.recorded_ = true;
    block.last_ = now;
    block.last_processor_ = event.who;
    return detected;
  }

  /// What to do about a fault or a counter's notification (rule B2), before the page's place is chosen.
  ///
  /// \allocs at most one pin, through `Memory`; without it the requester is throttled
  [[nodiscard]] thrash_hint decide(thrash_block& block, thrash_question const& q, time_point now) {
    if (!options_.enabled || block.pages_ == nullptr) return {};
    if (epoch_is_over(block, now)) {
      ++block.resets_;
      drop_history(block);
      return {};
    }
    thrash_page& page = block.pages_[q.page];
    if (page.events < options_.threshold) return {};
    if (page.throttled.contains(q.requester)) {
      if (page.in_period && is_before(now, page.throttle_end) && q.requester != page.exempt)
        return throttle(page, q.requester);
      end_throttle(page, q.requester);
    }
    duration const gap{now.nanoseconds - page.last.nanoseconds};
    lapse_.vote(gap);
    if (gap > lapse_.value() && !page.pinned) return {};
    page.processors |= q.requester;
    open_period(page, q.requester, now);
    thrash_hint const wish = wish_for(page, q);
    if (wish.what == thrash_hint::kind::throttle) return throttle(page, q.requester);
    if (wish.what == thrash_hint::kind::none) return {};
    processor const at = links_.has_memory(wish.at) ? wish.at : cpu;
    return pin(block, q, at, now) ? thrash_hint{.what = thrash_hint::kind::pin, .at = at, .processors = page.processors}
                                  : throttle(page, q.requester);
  }

  /// Forgets thrashing pages of a span (rule B4): they were unmapped, or moved by a program.
  void reset(thrash_block& block, page_span span) {
    if (block.pages_ == nullptr) return;
    page_mask const pages = block.thrashing_ & page_mask{span};
    for (unsigned p = pages.next(0); p != page_mask::pages; p = pages.next(p + 1)) reset_page(block, p);
  }

  /// Forgets all of a block, which goes away.
  void drop(thrash_block& block) {
    if (block.pages_ == nullptr) return;
    drop_history(block);
  }

  /// The pin that ends next and is due now, or null. Its page is to be unmapped from whoever has neither a copy nor a
  /// mapping by policy; then `end_pin` follows. Pins end in the order in which they were made.
  [[nodiscard]] pinned_page* due_pin(time_point now) const {
    pinned_page* const first = pins_.front();
    return first == nullptr || is_before(now + defaults::timer_slack, first->deadline) ? nullptr : first;
  }
  void end_pin(pinned_page& pin) { reset_page(*pin.block, pin.page); }
  /// The pin for which a timer is to be set, or null.
  [[nodiscard]] pinned_page const* next_pin() const { return pins_.front(); }

 private:
  static constexpr std::uint8_t most_events = defaults::thrashing_threshold_most;
  static constexpr std::uint8_t most_throttles = 255;

  /// A move that no access asked for, or that left a duplicate, says that somebody takes care of the page.
  [[nodiscard]] static bool wipes(thrash_event const& e) {
    bool const counts =
        is_fault(e.cause) || e.cause == migration_cause::counter || e.cause == migration_cause::prefetch;
    return !counts || e.is_duplicate || e.read_duplication;
  }

  [[nodiscard]] bool begin_history(thrash_block& block, processor who, time_point now) {
    if (!block.recorded_ || block.last_processor_ == who) return false;
    if (now.nanoseconds - block.last_.nanoseconds > lapse_.value().nanoseconds) return false;
    block.pages_ = memory_.take_pages();
    return block.pages_ != nullptr;
  }

  /// True when the page begins to thrash.
  [[nodiscard]] bool note(thrash_block& block, unsigned p, thrash_event const& event, time_point now) {
    thrash_page& page = block.pages_[p];
    page.processors |= event.who;
    bool const first = !page.recorded;
    duration const gap{now.nanoseconds - page.last.nanoseconds};
    page.recorded = true;
    page.last = {now.nanoseconds & ~std::uint64_t{63}};
    if (first) return false;
    if (gap > lapse_.value()) {
      if (page.events >= options_.threshold && !page.pinned) reset_page(block, p);
      return false;
    }
    bool const detected = page.events < most_events && ++page.events == options_.threshold;
    if (detected) block.thrashing_.set(p);
    if (page.events >= options_.threshold) {
      block.last_thrash_ = now;
      block.thrashed_ = true;
    }
    if (event.is_revocation)
      page.revoked = true;
    else
      page.migrated = true;
    return detected;
  }

  [[nodiscard]] bool epoch_is_over(thrash_block const& block, time_point now) const {
    return block.thrashed_ &&
           now.nanoseconds - block.last_thrash_.nanoseconds > lapse_.times(options_.epoch_lapses).nanoseconds &&
           block.ever_pinned_ == 0 && block.resets_ < options_.max_resets;
  }

  /// A page that two processors want at once has one of them exempt a period, in turns.
  void open_period(thrash_page& page, processor requester, time_point now) {
    if (!page.in_period || is_before(page.throttle_end, now)) {
      page.in_period = true;
      page.throttle_end = now + lapse_.times(options_.nap_lapses);
      page.exempt = page.exempt == requester ? nobody : requester;
    } else if (!page.exempt.is_some()) {
      page.exempt = requester;
    }
  }

  /// Steps 7 and 8 of rule B2: the first that applies.
  [[nodiscard]] thrash_hint wish_for(thrash_page const& page, thrash_question const& q) const {
    thrash_hint const wait{.what = thrash_hint::kind::throttle};
    bool const is_exempt = q.requester == page.exempt;
    if (page.pinned && page.revoked && !is_exempt) return wait;

    processor_set const all = page.processors;
    processor const preferred = q.preferred;
    if (preferred.is_some() && links_.accessible_from(preferred).contains(all)) return pin_at(preferred);

    processor const nearest = links_.nearest(q.copies, q.requester);
    if (nearest.is_some() && !all.contains(preferred) && reach_fast(nearest, all)) {
      if (nearest != cpu || !links_.accessible_from(q.requester).contains(all)) return pin_at(nearest);
      return q.requester.is_gpu() ? pin_at(q.requester) : thrash_hint{};
    }
    bool const tired = page.throttles >= options_.pin_threshold;
    if (q.requester == preferred) {
      if (page.pinned) return page.pinned_at == preferred || is_exempt ? pin_at(preferred) : wait;
      if (!is_exempt) return wait;
      return tired ? pin_at(preferred) : thrash_hint{};
    }
    if (page.pinned) {
      if (is_exempt) return pin_at(place_for_all(q.requester, all));
      return links_.accessible_from(page.pinned_at).contains(q.requester) ? pin_at(page.pinned_at) : wait;
    }
    if (!is_exempt) return wait;
    return tired ? pin_at(q.requester) : thrash_hint{};
  }

  [[nodiscard]] static constexpr thrash_hint pin_at(processor p) { return {.what = thrash_hint::kind::pin, .at = p}; }

  [[nodiscard]] bool reach_fast(processor owner, processor_set all) const {
    return ((links_.fast_link(owner) & links_.native_atomics(owner)) | owner).contains(all);
  }

  /// The requester when everybody reaches it; else the nearest place that everybody reaches; without one the requester.
  [[nodiscard]] processor place_for_all(processor requester, processor_set all) const {
    if (links_.accessible_from(requester).contains(all)) return requester;
    processor_set common = processor_set::all();
    all.each([&](processor p) { common &= links_.can_access(p); });
    processor const place = links_.nearest(common, requester);
    return place.is_some() ? place : requester;
  }

  /// False, with nothing changed, without memory for a pin.
  [[nodiscard]] bool pin(thrash_block& block, thrash_question const& q, processor at, time_point now) {
    thrash_page& page = block.pages_[q.page];
    bool const begins = !page.pinned;
    if (begins && options_.pin_lapses != 0) {
      pinned_page* const entry = memory_.take_pin();
      if (entry == nullptr) return false;
      entry->block = &block;
      entry->page = q.page;
      entry->deadline = now + lapse_.times(options_.pin_lapses);
      enlist(*entry);
      block.pins_.push_back(*entry);
    }
    if (begins || !q.copies.contains(at)) end_throttles(page);
    if (begins) {
      page.throttles = 0;
      page.pinned = true;
      block.pinned_.set(q.page);
      ++block.ever_pinned_;
    }
    page.pinned_at = at;
    return true;
  }

  /// Behind the pins that end no later: the lapse may have shrunk since.
  void enlist(pinned_page& entry) {
    pinned_page* before = pins_.back();
    while (before != nullptr && is_before(entry.deadline, before->deadline)) before = pins_.previous(*before);
    if (before == nullptr)
      pins_.push_front(entry);
    else
      pins_.insert_after(*before, entry);
  }

  [[nodiscard]] thrash_hint throttle(thrash_page& page, processor requester) {
    if (!page.throttled.contains(requester)) {
      page.throttled |= requester;
      if (!page.pinned && page.throttles < most_throttles) ++page.throttles;
    }
    return {.what = thrash_hint::kind::throttle, .until = page.throttle_end};
  }

  static void end_throttle(thrash_page& page, processor p) {
    page.throttled -= p;
    if (page.throttled.empty()) page.in_period = false;
  }
  static void end_throttles(thrash_page& page) {
    if (page.throttled.empty()) return;
    page.throttled = {};
    page.in_period = false;
  }

  /// Throttles, the end of the period and who is exempt survive into the page's next episode.
  void reset_page(thrash_block& block, unsigned p) {
    thrash_page& page = block.pages_[p];
    end_throttles(page);
    unpin(block, p);
    page.recorded = page.migrated = page.revoked = false;
    page.last = {};
    page.events = 0;
    page.processors = {};
    block.thrashing_.reset(p);
  }

  void unpin(thrash_block& block, unsigned p) {
    thrash_page& page = block.pages_[p];
    if (!page.pinned) return;
    page.pinned = false;
    page.pinned_at = nobody;
    block.pinned_.reset(p);
    for (pinned_page* entry = block.pins_.front(); entry != nullptr; entry = block.pins_.next(*entry))
      if (entry->page == p) {
        drop_pin(block, *entry);
        return;
      }
  }

  void drop_pin(thrash_block& block, pinned_page& entry) {
    block.pins_.erase(entry);
    pins_.erase(entry);
    memory_.give_pin(&entry);
  }

  void drop_history(thrash_block& block) {
    while (pinned_page* const entry = block.pins_.front()) drop_pin(block, *entry);
    memory_.give_pages(block.pages_);
    block.pages_ = nullptr;
    block.thrashing_ = {};
    block.pinned_ = {};
    block.recorded_ = block.thrashed_ = false;
    block.last_processor_ = nobody;
  }

  Memory& memory_;
  topology const& links_;
  thrash_options options_;
  adaptive_lapse lapse_;
  intrusive_list<pinned_page, pins_of_space> pins_;
};

}  // namespace svm::inline v0::placement

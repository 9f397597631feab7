// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/config.hpp>
#include <svm/base/construct.hpp>
#include <svm/base/dump.hpp>
#include <svm/index/interval_index.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>
#include <svm/driver/span_attributes.hpp>

namespace svm::inline v0 {

/// What holds at an address, and a span around it in which the same holds everywhere.
struct advised_span {
  span_attributes attributes{};
  va_range within;
};

namespace detail {

/// The part of `span` around `a` that does not meet `other`.
///
/// \pre `span` holds `a`, and `other` does not
[[nodiscard]] constexpr va_range part_outside(va_range other, va_range span, cpu_va a) {
  if (!span.overlaps(other)) return span;
  return other.last() < a ? *va_range::from_bounds(other.last() + byte_count{1}, span.last())
                          : *va_range::from_bounds(span.start(), cpu_va{other.start().value - 1});
}

}  // namespace detail

namespace detail {

/// A span with attributes that watches the CPU's mappings, so that what is unmapped is forgotten.
///
/// Locks: `lock_` (notifier) guards what was unmapped.
template <svm_policies P>
class attribute_span final : public invalidation_target, public list_hook<attribute_span<P>> {
 public:
  attribute_span(svm_environment<P>& env, va_range span, span_attributes attributes)
      : env_(env), span_(span), attributes_(attributes) {}

  [[nodiscard]] va_range interval() const { return span_; }
  /// The attributes that the program gave the span; parts of it may be forgotten since.
  [[nodiscard]] span_attributes attributes() const { return attributes_; }
  /// What holds at `a`, and where around it inside `window` the same holds.
  ///
  /// \pre the span and `window` hold `a`
  [[nodiscard]] advised_span at(cpu_va a, va_range window) {
    advised_span known{attributes_, window.intersection(span_)};
    shared_guard const guard{lock_};
    for (std::size_t i = 0; i < cuts_; ++i) {
      bool const forgotten = cut_[i].contains(a);
      known.within = forgotten ? known.within.intersection(cut_[i]) : detail::part_outside(cut_[i], known.within, a);
      if (forgotten) known.attributes = {};
    }
    return known;
  }
  /// True when any of `part` is forgotten.
  [[nodiscard]] bool forgets_of(va_range part) {
    shared_guard const guard{lock_};
    for (std::size_t i = 0; i < cuts_; ++i)
      if (cut_[i].overlaps(part)) return true;
    return false;
  }
  /// Prints the line of this span; takes its lock shared around `out`.
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);
  [[nodiscard]] errc open() { return env_.mm.register_notifier(registration_, span_, *this); }
  void close() { env_.mm.unregister_notifier(registration_); }

  /// Forgets what `other`, which this span is a part of, has forgotten. No unmap falls between the two.
  ///
  /// \pre both are registered; no lock that an invalidation takes is held
  void inherit(attribute_span& other) {
    // An event that began before this span was registered is told to `other` alone, perhaps not yet: let it end first.
    static_cast<void>(env_.mm.read_begin(registration_));
    cut_span theirs[kept_cuts];
    std::size_t count = 0;
    {
      shared_guard const guard{other.lock_};
      for (; count < other.cuts_; ++count) theirs[count] = other.cut_[count];
    }
    exclusive_guard const guard{lock_};  // events come already
    for (std::size_t i = 0; i < count; ++i)
      if (theirs[i].overlaps(span_)) forget_locked(theirs[i].intersection(span_));
  }

  [[nodiscard]] invalidation_answer invalidate(invalidation const& event, std::uint64_t sequence) noexcept override {
    if (event.may_block) {
      lock_.lock();
    } else if (!lock_.try_lock()) {
      return invalidation_answer::refused;
    }
    env_.mm.set_sequence(registration_, sequence);
    if (event.cause == invalidation_cause::unmap) forget_locked(event.span.intersection(span_));
    lock_.unlock();
    return invalidation_answer::done;
  }
  void finish_invalidation(invalidation const&) noexcept override {}

 private:
  static constexpr std::size_t kept_cuts = 8;

  /// Must not allocate: when the places run out the last cut grows, which forgets more than needed, never less.
  void forget_locked(va_range cut) SVM_REQUIRES(lock_) {
    lock_.assert_held();
    for (std::size_t i = 0; i < cuts_; ++i)
      if (cut_[i].contains(cut)) return;
    if (cuts_ < kept_cuts)
      cut_[cuts_++] = cut;
    else
      cut_[kept_cuts - 1] = cut_[kept_cuts - 1].hull(cut);
  }
  struct cut_span : va_range {
    cut_span() : va_range(cpu_va{}, byte_count{1}) {}
    cut_span& operator=(va_range r) {
      va_range::operator=(r);
      return *this;
    }
  };

  svm_environment<P>& env_;
  va_range const span_;
  span_attributes const attributes_;
  typename P::lock::template shared_mutex<lock_rank::notifier> lock_;
  cut_span cut_[kept_cuts] SVM_GUARDED_BY(lock_);
  std::size_t cuts_ SVM_GUARDED_BY(lock_) = 0;
  typename P::mm::registration registration_{};
};

}  // namespace detail

/// The attributes of an address space's memory, by span; what was never set, or was unmapped since, is the
/// default.
///
/// Splits of ranges and VMAs change nothing. Any function may be called from any thread.
///
/// Invariants: 1. spans are disjoint, and none has the default. 2. each is registered with the mm. 3. outside `set` the
/// nodes of the index are all that it has allocated beside the spans.
/// Locks: `lock_` (vm) guards the index. Spans are registered with it held, and unregistered with none.
/// \source the attributes of xe_vma as madvise sets them, with auto-reset
template <svm_policies P>
class attribute_map {
  using attribute_span = detail::attribute_span<P>;

 public:
  explicit attribute_map(svm_environment<P>& env) : env_(env), nodes_(env.memory), spans_(nodes_) {}
  attribute_map(attribute_map const&) = delete;
  attribute_map& operator=(attribute_map const&) = delete;
  ~attribute_map() { clear(); }

  /// What holds at `a`, and where around it inside `window` the same holds.
  ///
  /// \pre `window` holds `a`
  /// \complexity O(log spans), and one load where nothing was said
  [[nodiscard]] advised_span at(cpu_va a, va_range window) {
    if (said_.load() == 0) return {{}, window};
    shared_guard const guard{lock_};
    auto const [below, above] = spans_.around(a);
    if (below != nullptr && below->interval().contains(a)) return below->at(a, window);
    if (below != nullptr) window = detail::part_outside(below->interval(), window, a);
    if (above != nullptr) window = detail::part_outside(above->interval(), window, a);
    return {{}, window};
  }

  /// True when something was said of any span.
  [[nodiscard]] bool is_any() const { return said_.load() != 0; }

  /// Says something of a span, in place of what was said of it.
  ///
  /// \param changed  is set when any of the span may have been otherwise
  /// \pre    no lock of the library held; waits for unmaps of the spans that it splits
  /// \errors no_memory, registration_failed: nothing has changed
  /// \allocs at most three spans, and the nodes of the index that two more entries need: most often none
  /// \complexity O((1 + spans met) * log spans)
  [[nodiscard]] errc set(va_range span, span_attributes attributes, bool* changed = nullptr) {
    span_list old;
    errc e = errc::ok;
    {
      exclusive_guard const guard{lock_};
      if (already_has(span, attributes)) return errc::ok;
      e = replace(span, attributes, old);
      said_.store(spans_.size());
    }
    end_all(old);
    if (changed != nullptr) *changed = e == errc::ok;
    return e;
  }
  /// How many spans there are, each with a registration of its own.
  ///
  /// \complexity O(1)
  [[nodiscard]] std::size_t count() {
    shared_guard const guard{lock_};
    return spans_.size();
  }

  /// Prints each span, what was said of it, and which parts are forgotten; `lock_` is held shared around `out`.
  ///
  /// \allocs none
  template <class Out>
  requires text_sink<Out>
  void dump(Out&& out);

  /// Forgets everything.
  ///
  /// \pre no lock of the library held
  /// \complexity O(spans * log spans)
  void clear() {
    span_list old;
    {
      exclusive_guard const guard{lock_};
      while (attribute_span* const s = spans_.first()) take_out(*s, old);
      said_.store(0);
    }
    if (!old.empty()) end_all(old);
  }

 private:
  struct span_traits {
    using entry = attribute_span;
    using address = cpu_va;
    static va_range interval_of(attribute_span const& s) { return s.interval(); }
  };
  using span_index = interval_index<span_traits, typename P::lock, typename P::allocator>;
  using span_list = intrusive_list<attribute_span>;

  /// The spans that a new word meets, and those that come in their place; null for what there is none of.
  struct replacement {
    attribute_span* first = nullptr;
    attribute_span* last = nullptr;
    std::size_t met = 0;
    attribute_span* low = nullptr;     ///< what the first keeps, below the new word
    attribute_span* middle = nullptr;  ///< the new word
    attribute_span* high = nullptr;    ///< what the last keeps, above it

    // In the index, what is left of a span takes that span's place, and the new word takes the place of any other span.
    // The next two functions name what finds no such place. When one of them is true, nothing is erased.
    /// True when one span leaves two ends, of which the higher is inserted.
    [[nodiscard]] bool splits() const { return low != nullptr && high != nullptr && first == last; }
    /// True when the new word is inserted.
    [[nodiscard]] bool fills() const {
      std::size_t const ends = (low != nullptr ? 1u : 0u) + (high != nullptr ? 1u : 0u);
      return middle != nullptr && met == (splits() ? 1 : ends);
    }
  };

  /// True when `said` holds in all of `span`; what was forgotten since it was said counts as another word.
  [[nodiscard]] bool already_has(va_range span, span_attributes attributes) SVM_REQUIRES(lock_) {
    std::uint64_t same = 0;
    for (attribute_span* s = spans_.first_overlap(span); s != nullptr; s = next_in(span, *s)) {
      va_range const part = s->interval().intersection(span);
      if (s->attributes() != attributes || s->forgets_of(part)) return false;
      same += part.size().value;
    }
    return same == (attributes == span_attributes{} ? 0 : span.size().value);
  }

  /// Says `attributes` of a span. Those that the caller has to end are put into `old`, also when it fails.
  [[nodiscard]] errc replace(va_range span, span_attributes attributes, span_list& old) SVM_REQUIRES(lock_) {
    replacement r;
    for (attribute_span* s = spans_.first_overlap(span); s != nullptr; s = next_in(span, *s)) {
      if (r.met++ == 0) r.first = s;
      r.last = s;
    }
    typename span_index::reserved_nodes nodes;
    errc e = make(span, attributes, r);
    if (e == errc::ok) e = reserve(r, nodes);
    if (e == errc::ok) {
      publish(span, r, nodes, old);
    } else {
      for (attribute_span* const s : {r.low, r.middle, r.high})
        if (s != nullptr) old.push_back(*s);
    }
    return e;
  }

  /// Makes the spans that come in place of others.
  [[nodiscard]] errc make(va_range span, span_attributes attributes, replacement& r) {
    if (r.first != nullptr && r.first->interval().start() < span.start()) {
      va_range const low{r.first->interval().start(), span.start() - r.first->interval().start()};
      if (errc const e = make(low, r.first->attributes(), r.first, r.low); e != errc::ok) return e;
    }
    if (attributes != span_attributes{})
      if (errc const e = make(span, attributes, nullptr, r.middle); e != errc::ok) return e;
    if (r.last == nullptr || r.last->interval().last() <= span.last()) return errc::ok;
    va_range const high = *va_range::from_bounds(span.last() + byte_count{1}, r.last->interval().last());
    return make(high, r.last->attributes(), r.last, r.high);
  }
  /// Makes a span and registers it; `part_of` is the one that it is cut out of, or null.
  [[nodiscard]] errc make(va_range span, span_attributes attributes, attribute_span* part_of, attribute_span*& made) {
    attribute_span* const s = detail::construct<attribute_span>(env_.memory, env_, span, attributes);
    if (s == nullptr) return errc::no_memory;
    if (errc const e = s->open(); e != errc::ok) {
      detail::destroy(env_.memory, s);
      return e;
    }
    if (part_of != nullptr) s->inherit(*part_of);
    made = s;
    return errc::ok;
  }

  [[nodiscard]] errc reserve(replacement const& r, typename span_index::reserved_nodes& nodes) SVM_REQUIRES(lock_) {
    unsigned const entries = (r.splits() ? 1u : 0u) + (r.fills() ? 1u : 0u);
    std::size_t wanted = 0;
    if (r.splits()) wanted += spans_.nodes_to_insert(r.high->interval().start(), entries);
    if (r.fills()) wanted += spans_.nodes_to_insert(r.middle->interval().start(), entries);
    return nodes_.replenish(nodes, wanted);
  }

  /// Puts the new spans into the index, and those that they replace into `old`; it cannot fail.
  void publish(va_range span, replacement const& r, typename span_index::reserved_nodes& nodes, span_list& old)
      SVM_REQUIRES(lock_) {
    if (r.low != nullptr) put_in_place(*r.first, *r.low, old);
    if (r.splits())
      insert(nodes, *r.high);
    else if (r.high != nullptr)
      put_in_place(*r.last, *r.high, old);
    if (r.fills()) return insert(nodes, *r.middle);
    attribute_span* const place = spans_.first_overlap(span);
    if (place == nullptr) return;
    while (attribute_span* const s = next_in(span, *place)) take_out(*s, old);
    if (r.middle != nullptr)
      put_in_place(*place, *r.middle, old);
    else
      take_out(*place, old);
  }

  /// The next of the spans that meet `span`, or null.
  [[nodiscard]] attribute_span* next_in(va_range span, attribute_span const& s) SVM_REQUIRES(lock_) {
    if (s.interval().last() >= span.last()) return nullptr;
    attribute_span* const next = spans_.next(s);
    return next != nullptr && next->interval().start() <= span.last() ? next : nullptr;
  }
  void insert(typename span_index::reserved_nodes& nodes, attribute_span& s) SVM_REQUIRES(lock_) {
    [[maybe_unused]] attribute_span* const in_the_way = spans_.insert_counted(nodes, s);
    SVM_ASSERT(in_the_way == nullptr);
  }
  void put_in_place(attribute_span& s, attribute_span& fresh, span_list& old) SVM_REQUIRES(lock_) {
    spans_.replace(s, fresh);
    old.push_back(s);
  }
  void take_out(attribute_span& s, span_list& old) SVM_REQUIRES(lock_) {
    spans_.erase(s);
    old.push_back(s);
  }

  /// Ends spans that are in the index no more, or never were, and frees the nodes that it has no use for.
  /// \pre no lock of the library held: unregistering waits for the events that run
  void end_all(span_list& spans) {
    while (attribute_span* const s = spans.pop_front()) {
      s->close();
      detail::destroy(env_.memory, s);
    }
    nodes_.trim();
  }

  svm_environment<P>& env_;
  typename span_index::pool nodes_;
  typename P::lock::template shared_mutex<lock_rank::vm> lock_;
  span_index spans_ SVM_GUARDED_BY(lock_);
  typename P::lock::template atomic<std::uint64_t> said_{0};  // the number of spans; changes under the lock
};

}  // namespace svm::inline v0

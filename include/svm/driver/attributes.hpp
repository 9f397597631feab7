// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/config.hpp>
#include <svm/base/construct.hpp>
#include <svm/base/intrusive_list.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/policies.hpp>

namespace svm::inline v0 {

/// Where a span's memory is best.
enum class preferred_place : std::uint8_t {
  as_driver,  ///< what the driver's options say
  system,     ///< it stays in system memory, and comes back to it
  device,     ///< in this device's memory
};

/// Which pages a migration takes.
enum class migration_policy : std::uint8_t {
  all_pages,
  system_pages_only,  ///< nothing is taken from another device
};

/// Whether the device may do atomic accesses, and what they need.
enum class atomic_mode : std::uint8_t {
  undefined,  ///< as `device`
  device,     ///< in device memory
  global,     ///< in device memory too, while the CPU does them as well
  cpu,        ///< only the CPU does; the device's are refused
};

/// What a program said of a span of its memory.
struct span_attributes {
  preferred_place preferred = preferred_place::as_driver;
  migration_policy policy = migration_policy::all_pages;
  atomic_mode atomic = atomic_mode::undefined;
  friend constexpr bool operator==(span_attributes, span_attributes) = default;
};

/// What holds at an address, and a span around it in which the same holds everywhere.
struct advice {
  span_attributes said{};
  va_range within;
};

/// The part of `span` around `a` that does not meet `other`.
///
/// \pre `span` holds `a`, and `other` does not
[[nodiscard]] constexpr va_range beside(va_range span, va_range other, cpu_va a) {
  if (!span.overlaps(other)) return span;
  return other.last() < a ? *va_range::from_bounds(other.last() + byte_count{1}, span.last())
                          : *va_range::from_bounds(span.start(), cpu_va{other.start().value - 1});
}

/// A span with attributes that watches the CPU's mappings, so that what is unmapped is forgotten.
///
/// Locks: `lock_` (notifier) guards what was unmapped.
template <policies P>
class attribute_span final : public invalidation_target, public list_hook<attribute_span<P>> {
 public:
  attribute_span(environment<P>& env, va_range span, span_attributes said) : env_(env), span_(span), said_(said) {}

  [[nodiscard]] va_range interval() const { return span_; }
  [[nodiscard]] span_attributes said() const { return said_; }
  /// Narrows what is known of `a` to what this span has to say.
  void judge(cpu_va a, advice& known) {
    if (!span_.contains(a)) {
      known.within = beside(known.within, span_, a);
      return;
    }
    shared_guard const guard{lock_};
    known = {said_, known.within.intersection(span_)};
    for (std::size_t i = 0; i < cuts_; ++i) {
      bool const forgotten = cut_[i].contains(a);
      known.within = forgotten ? known.within.intersection(cut_[i]) : beside(known.within, cut_[i], a);
      if (forgotten) known.said = {};
    }
  }
  /// True when any of `part` is forgotten.
  [[nodiscard]] bool forgets_of(va_range part) {
    shared_guard const guard{lock_};
    for (std::size_t i = 0; i < cuts_; ++i)
      if (cut_[i].overlaps(part)) return true;
    return false;
  }
  [[nodiscard]] errc open() { return env_.mm.register_notifier(registration_, span_, *this); }
  void close() { env_.mm.unregister_notifier(registration_); }

  /// Forgets what `other`, which this span is a part of, has forgotten.
  void inherit(attribute_span& other) {
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

  /// There is no memory to be had here, so that more cuts than fit forget what lies between the last ones too.
  void forget_locked(va_range cut) {
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

  environment<P>& env_;
  va_range const span_;
  span_attributes const said_;
  typename P::lock::template shared_mutex<lock_rank::notifier> lock_;
  cut_span cut_[kept_cuts] SVM_GUARDED_BY(lock_);
  std::size_t cuts_ SVM_GUARDED_BY(lock_) = 0;
  typename P::mm::registration registration_{};
};

/// The attributes of an address space's memory, by span; what was never said, or was unmapped since, is the default.
///
/// Splits of ranges and VMAs change nothing. Any function may be called from any thread.
///
/// Invariants: 1. spans are disjoint. 2. each is registered with the mm.
/// Locks: `lock_` (vm) guards the list.
/// \source the attributes of xe_vma as madvise sets them, with auto-reset
template <policies P>
class attribute_map {
 public:
  explicit attribute_map(environment<P>& env) : env_(env) {}
  attribute_map(attribute_map const&) = delete;
  attribute_map& operator=(attribute_map const&) = delete;
  ~attribute_map() { clear(); }

  /// What holds at `a`, and where around it inside `window` the same holds.
  ///
  /// \pre `window` holds `a`
  /// \complexity O(spans)
  [[nodiscard]] advice at(cpu_va a, va_range window) {
    advice known{{}, window};
    shared_guard const guard{lock_};
    for (attribute_span<P>* s = spans_.front(); s != nullptr; s = spans_.next(*s)) s->judge(a, known);
    return known;
  }

  /// Says something of a span, in place of what was said of it.
  ///
  /// \param changed  is set when any of the span may have been otherwise
  /// \pre    no lock of the library held
  /// \errors no_memory, registration_failed: nothing has changed
  /// \allocs at most three spans
  /// \complexity O(spans)
  [[nodiscard]] errc set(va_range span, span_attributes said, bool* changed = nullptr) {
    span_list fresh;  // what replaces the spans that are met
    span_list old;
    errc e = errc::ok;
    {
      exclusive_guard const guard{lock_};
      if (is_said_locked(span, said)) return errc::ok;
      if (said != span_attributes{}) e = make(span, said, nullptr, fresh);
      for (attribute_span<P>* s = spans_.front(); s != nullptr && e == errc::ok; s = spans_.next(*s))
        if (s->interval().overlaps(span)) e = keep_ends(*s, span, fresh);
      if (e == errc::ok) {
        for (attribute_span<P>* s = spans_.front(); s != nullptr;) {
          attribute_span<P>* const next = spans_.next(*s);
          if (s->interval().overlaps(span)) {
            spans_.erase(*s);
            old.push_back(*s);
          }
          s = next;
        }
        while (attribute_span<P>* const s = fresh.pop_front()) spans_.push_back(*s);
      }
    }
    end_all(old);
    end_all(fresh);
    if (changed != nullptr) *changed = e == errc::ok;
    return e;
  }
  /// How many spans there are, each with a registration of its own.
  [[nodiscard]] std::size_t count_slow() {
    shared_guard const guard{lock_};
    std::size_t n = 0;
    for (attribute_span<P>* s = spans_.front(); s != nullptr; s = spans_.next(*s)) ++n;
    return n;
  }

  /// Forgets everything.
  ///
  /// \pre no lock of the library held
  void clear() {
    span_list old;
    {
      exclusive_guard const guard{lock_};
      while (attribute_span<P>* const s = spans_.pop_front()) old.push_back(*s);
    }
    end_all(old);
  }

 private:
  using span_list = intrusive_list<attribute_span<P>>;

  [[nodiscard]] errc make(va_range span, span_attributes said, attribute_span<P>* part_of, span_list& into) {
    attribute_span<P>* const made = construct<attribute_span<P>>(env_.memory, env_, span, said);
    if (made == nullptr) return errc::no_memory;
    if (errc const e = made->open(); e != errc::ok) {
      destroy(env_.memory, made);
      return e;
    }
    // After it was registered, so that no unmap falls between.
    if (part_of != nullptr) made->inherit(*part_of);
    into.push_back(*made);
    return errc::ok;
  }

  /// True when `said` holds in all of `span`; what was forgotten since it was said counts as another word.
  [[nodiscard]] bool is_said_locked(va_range span, span_attributes said) {
    lock_.assert_held_shared();
    std::uint64_t same = 0;
    for (attribute_span<P>* s = spans_.front(); s != nullptr; s = spans_.next(*s)) {
      if (!s->interval().overlaps(span)) continue;
      va_range const part = s->interval().intersection(span);
      if (s->said() != said || s->forgets_of(part)) return false;
      same += part.size().value;
    }
    return same == (said == span_attributes{} ? 0 : span.size().value);
  }

  /// Makes spans of what sticks out of `span` on either side.
  [[nodiscard]] errc keep_ends(attribute_span<P>& s, va_range span, span_list& into) {
    va_range const whole = s.interval();
    if (whole.start() < span.start())
      if (errc const e = make({whole.start(), span.start() - whole.start()}, s.said(), &s, into); e != errc::ok)
        return e;
    if (whole.last() > span.last())
      return make(*va_range::from_bounds(span.last() + byte_count{1}, whole.last()), s.said(), &s, into);
    return errc::ok;
  }

  void end_all(span_list& spans) {
    while (attribute_span<P>* const s = spans.pop_front()) {
      s->close();
      destroy(env_.memory, s);
    }
  }

  environment<P>& env_;
  typename P::lock::template shared_mutex<lock_rank::vm> lock_;
  span_list spans_ SVM_GUARDED_BY(lock_);
};

}  // namespace svm::inline v0

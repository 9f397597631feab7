// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/interval.hpp>
#include <svm/concepts/page_run.hpp>

namespace svm::inline v0 {

/// Where an mm reports what a page walk finds. The library's side of it is page_walk.hpp.
///
/// Invariants: 1. the runs add up to what lies before `reached()`. 2. two neighbours differ in place, permission, owner
/// or owner object, or are not contiguous, unless a run cannot count as many pages.
template <class Page>
class run_sink {
 public:
  using run = page_run<Page>;

  run_sink(run_sink const&) = delete;
  run_sink& operator=(run_sink const&) = delete;

  /// Adds pages that are present, from `at` on; runs come in ascending order. What lies between two is absent. What lies
  /// outside of the span, or was added before, is left out.
  ///
  /// \return false when nothing more is wanted: the walk stops at once and succeeds
  /// \allocs none
  [[nodiscard]] bool add(cpu_va at, run const& found) {
    bool const fits = at == next_ && found.count <= left_;
    return fits ? append(found) : add_part(at, found);
  }

  /// Adds `pages` pages side by side, from `at` on, as `add` does one by one: page `n` is `make(n)`, a run of one page. What
  /// `add` looks up for each page this looks up once, which a walk along a page table notices. The first argument is the mm
  /// whose walk it is.
  ///
  /// \param make  asked in ascending order about each page that is wanted; may say that a page is absent
  /// \return false when nothing more is wanted: the walk stops at once and succeeds
  /// \allocs none
  template <class M, class Make>
  requires std::same_as<typename M::page, Page>
  [[nodiscard]] bool add_pages(M const&, cpu_va at, std::uint64_t pages, Make&& make) {
    if (left_ == 0 || at > span_.last()) return false;
    std::uint64_t n = at < next_ ? pages_in(next_ - at, page_size_).value : 0;  // those before are known
    if (n >= pages) return true;
    if (at > next_ && !add_absent(pages_in(at - next_, page_size_).value)) return false;
    std::uint64_t const end = pages - n < left_ ? pages : n + left_;
    while (n != end) {
      run const one = make(n);
      if (!append(one)) return false;
      ++n;
      n += append_pages<M>(one, n, end, make);
    }
    return true;
  }

 protected:
  using page_at_function = Page (*)(Page, std::uint64_t) noexcept;

  run_sink(va_range span, std::span<run> room, byte_count page_size, page_at_function page_at)
      : span_(span),
        page_size_(page_size),
        page_at_(page_at),
        next_(span.start()),
        left_(pages_in(span.size(), page_size).value),
        room_(room) {}
  ~run_sink() = default;

  [[nodiscard]] cpu_va reached() const { return next_; }
  [[nodiscard]] bool add_absent(std::uint64_t pages) {
    while (pages != 0) {
      run absent{};
      absent.count = pages < UINT32_MAX ? static_cast<std::uint32_t>(pages) : UINT32_MAX;
      if (!append(absent)) return false;
      pages -= absent.count;
    }
    return true;
  }
  /// Forgets all runs.
  void start_anew() {
    next_ = span_.start();
    left_ = pages_in(span_.size(), page_size_).value;
    uniform_ = true;
  }

  va_range const span_;
  byte_count const page_size_;
  page_at_function const page_at_;
  cpu_va next_;         // up to where the runs cover the span
  std::uint64_t left_;  // pages behind that
  std::span<run> room_;
  std::size_t used_ = 0;
  bool full_ = false;    // a run was turned away
  bool uniform_ = true;  // all runs so far are of one place, owner and owner object

 private:
  /// The same where there may be a gap before the run, or not all of it is wanted.
  [[nodiscard]] bool add_part(cpu_va at, run rest) {
    if (left_ == 0 || at > span_.last()) return false;
    if (at < next_) {
      std::uint64_t const known = pages_in(next_ - at, page_size_).value;
      if (known >= rest.count) return true;
      rest.page = page_at_(rest.page, known);
      rest.count -= static_cast<std::uint32_t>(known);
    } else if (at > next_ && !add_absent(pages_in(at - next_, page_size_).value)) {
      return false;
    }
    if (rest.count > left_) rest.count = static_cast<std::uint32_t>(left_);
    return append(rest);
  }
  [[nodiscard]] static bool is_of_a_kind(run const& last, run const& next) {
    return last.place == next.place && last.owner_object == next.owner_object && last.owner == next.owner;
  }
  /// True when a run goes on where one of its kind ends.
  [[nodiscard]] bool continues(run const& last, run const& next) const {
    if (next.count > UINT32_MAX - last.count) return false;
    if (next.place == page_place::absent) return true;
    return last.writable == next.writable && page_at_(last.page, last.count) == next.page;
  }
  /// The same of two pages, the one behind the other.
  template <class M>
  [[nodiscard]] static bool goes_on(run const& last, run const& next) {
    if (next.place == page_place::absent) return true;
    return last.writable == next.writable && M::page_at(last.page, 1) == next.page;
  }
  /// Appends the pages from `n` on that there is room for whatever they are, `end` at most; returns how many.
  ///
  /// What changes is in variables of its own: a run that is written might be any member of this.
  /// \pre `last` is page `n - 1`, and is in the last run
  template <class M, class Make>
  [[nodiscard]] std::uint64_t append_pages(run last, std::uint64_t n, std::uint64_t end, Make&& make) {
    std::uint64_t const begin = n;
    std::size_t const room = room_.size() - used_;
    if (end - n > room) end = n + room;
    run* place = room_.data() + used_ - 1;
    bool uniform = uniform_;
    for (; n != end; ++n) {
      run const next = make(n);
      bool const alike = is_of_a_kind(last, next);
      bool const joins = alike && goes_on<M>(last, next) && place->count != UINT32_MAX;
      if (!joins) [[likely]] {
        uniform = uniform && alike;
        write(*++place, next);
      } else {
        ++place->count;
      }
      last = next;
    }
    used_ = static_cast<std::size_t>(place - room_.data()) + 1;
    uniform_ = uniform;
    advance(n - begin);
    return n - begin;
  }
  /// Field by field, of a run that is no object in memory: to copy one would wait for the stores of its fields.
  static void write(run& to, run from) {
    to.page = from.page;
    to.owner_object = from.owner_object;
    to.owner = {from.owner.group, from.owner.member};
    to.count = from.count;
    to.place = from.place;
    to.writable = from.writable;
  }
  [[nodiscard, gnu::always_inline]] bool append(run const& next) {
    run* const place = room_.data() + used_;
    if (used_ != 0) {
      run& last = place[-1];
      bool const alike = is_of_a_kind(last, next);
      if (alike && continues(last, next)) {
        last.count += next.count;
        return advance(next.count);
      }
      uniform_ = uniform_ && alike;
    }
    if (used_ == room_.size()) {
      full_ = true;
      return false;
    }
    ++used_;
    write(*place, next);
    return advance(next.count);
  }
  bool advance(std::uint64_t pages) {
    left_ -= pages;
    next_ = next_ + page_size_ * pages;
    return true;
  }
};

}  // namespace svm::inline v0

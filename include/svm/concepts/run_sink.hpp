// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

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
    bool const fits = at == reached() && found.count <= all_ - done_;
    return fits ? append(found) : add_part(at, found);
  }

 protected:
  using page_at_function = Page (*)(Page, std::uint64_t) noexcept;

  run_sink(va_range span, std::span<run> room, byte_count page_size, page_at_function page_at)
      : span_(span),
        page_size_(page_size),
        page_at_(page_at),
        all_(pages_in(span.size(), page_size).value),
        room_(room) {}
  ~run_sink() = default;

  [[nodiscard]] cpu_va reached() const { return span_.start() + page_size_ * done_; }
  [[nodiscard]] bool add_absent(std::uint64_t pages) {
    while (pages != 0) {
      run absent{};
      absent.count = pages < UINT32_MAX ? static_cast<std::uint32_t>(pages) : UINT32_MAX;
      if (!append(absent)) return false;
      pages -= absent.count;
    }
    return true;
  }

  va_range const span_;
  byte_count const page_size_;
  page_at_function const page_at_;
  std::uint64_t const all_;  // pages of the span
  std::uint64_t done_ = 0;   // of which the runs cover
  std::span<run> room_;
  std::size_t used_ = 0;
  bool full_ = false;  // a run was turned away

 private:
  /// The same where there may be a gap before the run, or not all of it is wanted.
  [[nodiscard]] bool add_part(cpu_va at, run rest) {
    if (done_ == all_ || at > span_.last()) return false;
    cpu_va const next = reached();
    if (at < next) {
      std::uint64_t const known = pages_in(next - at, page_size_).value;
      if (known >= rest.count) return true;
      rest.page = page_at_(rest.page, known);
      rest.count -= static_cast<std::uint32_t>(known);
    } else if (at > next && !add_absent(pages_in(at - next, page_size_).value)) {
      return false;
    }
    if (rest.count > all_ - done_) rest.count = static_cast<std::uint32_t>(all_ - done_);
    return append(rest);
  }
  [[nodiscard]] bool continues(run const& last, run const& next) const {
    if (last.place != next.place || next.count > UINT32_MAX - last.count) return false;
    if (next.place == page_place::absent) return true;
    return last.writable == next.writable && last.owner_object == next.owner_object && last.owner == next.owner &&
           page_at_(last.page, last.count) == next.page;
  }
  [[nodiscard]] bool append(run const& next) {
    if (used_ != 0 && continues(room_[used_ - 1], next)) {
      room_[used_ - 1].count += next.count;
    } else if (used_ == room_.size()) {
      full_ = true;
      return false;
    } else {
      room_[used_++] = next;
    }
    done_ += next.count;
    return true;
  }
};

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>

#include <svm/config.hpp>
#include <svm/concepts/run_sink.hpp>

namespace svm::inline v0 {

/// A page walk as the library sees it: runs that cover a span from its start on, in room that it gives.
///
///     span     [                                                  )
///     runs     [ system )[ absent )[ device      )
///                                                 ^ reached()
///
/// When the room is used up the walk stops; it goes on at `reached()` once there is more.
template <class M>
class page_walk final : public run_sink<typename M::page> {
  using base = run_sink<typename M::page>;

 public:
  using run = typename base::run;

  /// \param span  aligned to pages
  page_walk(va_range span, std::span<run> room) : base(span, room, M::page_size, page_at) {}

  /// True when the runs cover the span.
  [[nodiscard]] bool is_complete() const { return this->left_ == 0; }
  /// True when a run was turned away for want of room.
  [[nodiscard]] bool is_full() const { return this->full_; }
  /// Where the walk goes on.
  ///
  /// \pre not complete
  using base::reached;
  /// What the runs do not cover.
  ///
  /// \pre not complete
  [[nodiscard]] va_range rest() const {
    SVM_ASSERT(!is_complete());
    return *va_range::from_bounds(reached(), this->span_.last());
  }
  /// True when all runs are of one place, owner and owner object, so that the first stands for the others.
  [[nodiscard]] bool is_uniform() const { return this->uniform_; }
  [[nodiscard]] std::span<run const> runs() const { return {this->room_.data(), this->used_}; }
  /// How many more runs there can be at most.
  [[nodiscard]] std::size_t most_further_runs() const { return this->left_; }

  /// Goes on in other room.
  ///
  /// \param used  how many of its first elements are the last runs so far
  void resume(std::span<run> room, std::size_t used = 0) {
    SVM_ASSERT(used <= room.size());
    if (used != this->used_) this->uniform_ = false;  // what is not there any more cannot be compared with
    this->room_ = room;
    this->used_ = used;
    this->full_ = false;
  }
  /// Starts anew, in the room that it has.
  void restart() {
    resume(this->room_);
    this->start_anew();
  }
  /// The mm had no more to add: the rest of the span is absent. For want of room that may be turned away too.
  void finish() {
    if (!is_full()) static_cast<void>(this->add_absent(this->left_));
  }

 private:
  [[nodiscard]] static typename M::page page_at(typename M::page first, std::uint64_t n) noexcept {
    return M::page_at(first, n);
  }
};

namespace detail {

/// Room for runs on the stack. Most walks write one of them, so they are not made before.
template <class Page, std::size_t Count>
class run_room {
 public:
  using run = page_run<Page>;

  run_room() {
    if constexpr (!lives_when_written)
      for (run& r : all()) ::new (&r) run{};
  }
  run_room(run_room const&) = delete;
  run_room& operator=(run_room const&) = delete;
  ~run_room() {
    if constexpr (!lives_when_written)
      for (run& r : all()) r.~run();
  }
  [[nodiscard]] std::span<run> all() { return {reinterpret_cast<run*>(bytes_), Count}; }

 private:
  static constexpr bool lives_when_written = std::is_trivially_copyable_v<run>;

  alignas(run) std::byte bytes_[Count * sizeof(run)];
};

}  // namespace detail

/// Calls `visit(page_run const&)` for what is present of a span and what is absent, ascending, until it returns false. A
/// run may come in several pieces.
///
/// \pre the map lock is held shared
/// \allocs none: the runs pass through a small array on the stack, so that no shortage of memory can stop it
template <class M, class Visit>
void for_each_run(M& mm, va_range span, Visit&& visit) {
  detail::run_room<typename M::page, 16> room;
  page_walk<M> walk{span, room.all()};
  while (!walk.is_complete()) {
    mm.snapshot(walk.rest(), walk);
    walk.finish();
    for (page_run<typename M::page> const& r : walk.runs())
      if (!visit(r)) return;
    walk.resume(room.all());
  }
}

}  // namespace svm::inline v0

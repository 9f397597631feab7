// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: copies that the device reads, of pages which stay in system memory (rule F3).

namespace svm::inline v0 {

namespace detail {

/// Copies of a run of pages while they are being made: what they are made of, and where to.
template <duplicating_policies P>
class copies_in_making {
 public:
  using page = typename P::mm::page;

  copies_in_making(typename P::mm& space, environment<P>& env, kept_arrays<P>& kept)
      : space_(space), env_(env), work_(env, kept), sources_(env.memory), made_(env.memory) {}
  copies_in_making(copies_in_making const&) = delete;
  copies_in_making& operator=(copies_in_making const&) = delete;
  ~copies_in_making() { let_go(); }

  /// \errors no_memory
  [[nodiscard]] errc reserve(std::size_t count) {
    bool const is_there = work_.reserve(count) && sources_.reserve(count) && made_.reserve(count);
    return is_there ? errc::ok : errc::no_memory;
  }
  /// Takes the CPU's right to write the pages of a span. What it cannot take stays without a copy.
  ///
  /// \pre takes mm (shared)
  void protect(va_range span) {
    let_go();
    shared_guard const map_guard{space_.map_lock()};
    space_.write_protect(span, {sources_.data(), sources_.size()});
  }
  /// Has `make(i)` give each page a place, until it fails.
  ///
  /// \return how many pages got one
  template <class Make>
  std::size_t find_places(Make&& make) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i] == page{}) continue;
      result<page_copy<P>*> const place = make(i);
      if (!place) break;
      made_[i] = *place;
      migration_slot<page>& slot = work_.slots()[i];
      slot.source = sources_[i];
      slot.destination = made_[i]->where();
      slot.state = slot_state::collected;
      ++count;
    }
    return count;
  }
  /// Copies what has a place, in one job.
  ///
  /// \errors dma_map_failed, and those of the copy
  [[nodiscard]] errc copy() {
    work_.start_job(env_.device);
    scope_guard const unmap{[this] { work_.unmap_all(); }};
    for (std::size_t i = 0; i < sources_.size();) {
      migration_slot<page> const& slot = work_.slots()[i];
      page_count const count = made_[i] == nullptr ? page_count{1} : work_.run_at(i, sources_.size());
      if (made_[i] != nullptr)
        if (errc const e = work_.add_system(slot.source, slot.destination, count, dma_direction::to_device);
            e != errc::ok)
          return e;
      i += static_cast<std::size_t>(count.value);
    }
    return env_.pagemap.copy_to_device(work_.job());
  }
  /// The copy of a page; null when there is none.
  [[nodiscard]] page_copy<P>* operator[](std::size_t i) const { return made_[i]; }

 private:
  /// What is mapped lives on.
  void let_go() {
    for (page_copy<P>*& copy : made_)
      if (copy != nullptr) std::exchange(copy, nullptr)->release();
    space_.put_pages({sources_.data(), sources_.size()});
    for (page& p : sources_) p = {};
    for (migration_slot<page>& slot : work_.slots()) slot = {};
  }

  typename P::mm& space_;
  environment<P>& env_;
  transfer<P> work_;
  scratch_array<page, typename P::allocator> sources_;
  scratch_array<page_copy<P>*, typename P::allocator> made_;
};

}  // namespace detail

/// Maps what a service wants copies of: the copies, and the pages themselves for reading where there is none.
///
/// \errors those of map_where_they_are
template <page_wise_policies P>
errc block_service<P>::map_copied(service& s, locked_range<P>& held, piece const& part) {
  page_mask const faulted = s.copied & page_mask{part.pages};
  auto const readable = [&] { return page_mapper<P>::serving(held, access_kind::read).raised(part.pages.first); };
  page_mask const along = (placement::groups_of(s.of.where, faulted) & s.seen.system) - s.faulted - s.thrashing;
  page_mask const asked = (faulted | (along & page_mask{part.pages})) - readable();
  page_mask copied;
  for (page_span run = asked.next_run(0); !run.empty(); run = asked.next_run(run.end))
    copied |= duplicate(s, held, part, page_mask{run});
  counts_.pages_duplicated += copied.count();
  s.of.evicted -= copied;
  if (moves_ != nullptr) moves_->forget(s.of.at(), copied);
  // Where memory is short a later copy may have taken the place of an earlier one.
  return map_where_they_are(s, held, part, faulted - readable(), mapping_access::read_only);
}

/// Gives the device copies of a run of pages, and maps them; returns those that it got. Why others have none is of no
/// concern: they can be read where they are.
template <page_wise_policies P>
page_mask block_service<P>::duplicate([[maybe_unused]] service& s, [[maybe_unused]] locked_range<P>& held,
                                      [[maybe_unused]] piece const& part, [[maybe_unused]] page_mask const& pages) {
  page_mask done;
  if constexpr (duplicating_policies<P>) {
    page_span const run = pages.hull();
    page_span const own{run.first - part.pages.first, run.end - part.pages.first};
    va_range const span = span_of(s.of.at(), run);
    move_reason const why{s.why, batch_number(), s.actor};
    detail::copies_in_making<P> work{space().mm, env(), driver_.memory().kept()};
    if (work.reserve(run.size()) != errc::ok) return done;
    static_cast<void>(mapper_.until_undisturbed(held, own, s.cancel, [&](auto& watched, std::uint64_t sequence) {
      work.protect(span);
      if (space().mm.read_retry(watched, sequence)) return errc::retry;  // mostly the event of its own
      std::size_t const count = work.find_places([&](std::size_t i) {
        return copies_.copies.make(held->owner(), span.start() + P::mm::page_size * i, driver_.account());
      });
      if (count == 0) return errc::ok;
      time_point const began = detail::moment_for(env().observer, env().clock);
      if (errc const e = work.copy(); e != errc::ok) return e;
      page_mask ready;
      for (unsigned i = 0; i < run.size(); ++i)
        if (work[i] != nullptr) ready.set(run.first + i);
      note_copied(s, span, ready, why, began);
      page_mask mapped;
      errc const e = mapper_.map_for_reading(
          held, part.of(ready), sequence, [&](unsigned p) { return work[p - own.first]->run(); }, mapped);
      done = mapped.raised(part.pages.first);
      return e;
    }));
  }
  return done;
}

/// Tells of a job that copied pages, by cause: those that faulted, and those that came along.
template <page_wise_policies P>
void block_service<P>::note_copied(service const& s, va_range span, page_mask const& pages, move_reason why,
                                   time_point began) {
  time_point const ended = detail::moment_for(env().observer, env().clock);
  auto const record = [&](page_mask const& some, migration_cause cause) {
    why.cause = cause;
    if (some.any())
      env().observer.record({.kind = event_kind::copied,
                             .span = span,
                             .bytes = P::mm::page_size * some.count(),
                             .reason = why,
                             .began = began,
                             .ended = ended});
  };
  record(pages & s.copied, s.why);
  record(pages - s.copied, migration_cause::prefetch);
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/driver/block_service.hpp>

// block_service: a batch, and which of its faults one service takes.

namespace svm::inline v0 {

template <page_wise_policies P>
block_service<P>::block_service(svm_driver<P>& driver, options const& how, thrash_history<P>* moves)
    : driver_(driver),
      mapper_(driver.svm().env()),
      copies_(driver.memory()),
      how_(how),
      policy_(how),
      blocks_(driver.svm().env().memory, block_size),
      own_moves_(driver.svm().env().memory, placement::topology::bus(), how.thrash),
      moves_(how.thrash == placement::thrash_mode::off ? nullptr : (moves != nullptr ? moves : &own_moves_)) {
  driver_.set_server(this);
  if (plans_cpu_faults()) driver_.memory().set_planner(this);
  if constexpr (discarding_policies<P>) driver_.memory().keep_discards();
}

template <page_wise_policies P>
block_service<P>::~block_service() {
  driver_.set_server(nullptr);
  if (plans_cpu_faults()) driver_.memory().set_planner(nullptr);
  block_service* before = this;
  while (before->next_ != this) before = before->next_;
  before->next_ = next_;
  exclusive_guard const guard{lock_};
  auto& eviction = policy_.eviction();
  blocks_.for_each([&](block& b) { eviction.forget(b); });
  while (auto* const unit = eviction.take_spare()) detail::destroy(space().memory, unit);
}

/// What comes back with a page that the CPU wants: what the policy says with the CPU for the destination.
template <page_wise_policies P>
bool block_service<P>::plan(cpu_fault<typename P::mm::page> const& fault, cpu_fault_plan& out) noexcept {
  bool const by_pages = how_.comes_back_by_pages();
  if ((!by_pages && moves_ == nullptr) || fault.space != space().mm.id()) return false;
  page_mask thrashing;
  if (moves_ != nullptr && !is_free_for_cpu(fault.address, thrashing, out.wait_until)) return false;
  out.window = block_around(fault.address).intersection(fault.vma);
  sight const seen = look_with_map_lock(out.window);
  unsigned const page = number(fault.address);
  if (!by_pages) {
    out.pages = seen.here.lowered(number(out.window.start()));
    return false;
  }
  page_mask wanted =
      how_.comes_back(placement::density_input{.resident = seen.system,
                                               .faulted = page_mask{page_span{page, page + 1}},
                                               .thrashing = thrashing,
                                               .where = {.window = pages_of(out.window), .group_pages = group_pages}});
  wanted.set(page);
  out.pages = (wanted - seen.system).lowered(number(out.window.start()));
  return true;
}

template <page_wise_policies P>
errc block_service<P>::serve(std::span<block_fault> batch, cancellation const* cancel) {
  return serve_all(batch, cancel);
}

template <page_wise_policies P>
errc block_service<P>::serve_all(std::span<block_fault> batch, cancellation const* cancel) {
  if (batch.empty()) return errc::ok;
  auto& observer = space().observer;
  for (block_fault& f : batch) {
    f.error = errc::ok;
    f.is_throttled = false;
    observer.record({event_kind::gpu_fault, aligned_block(f.at, P::mm::page_size)});
  }
  {
    exclusive_guard const guard{lock_};
    ++counts_.batches;
    if (moves_ != nullptr) look_after_kept();
  }
  std::uint32_t const only = 0;
  if (batch.size() == 1)
    serve_ordered(batch, {&only, 1}, cancel);
  else if (serve_sorted(batch, cancel) != errc::ok)
    for (block_fault& f : batch) f.error = errc::no_memory;
  errc first = errc::ok;
  for (block_fault const& f : batch) {
    if (first == errc::ok) first = f.error;
    observer.record({event_kind::gpu_fault_end, aligned_block(f.at, P::mm::page_size), {}, f.error});
  }
  return first;
}

/// Serves a batch of several.
///
/// \errors no_memory: none was served
template <page_wise_policies P>
errc block_service<P>::serve_sorted(std::span<block_fault> batch, cancellation const* cancel) {
  constexpr std::size_t usual = placement::defaults::batch_faults;
  std::size_t const count = batch.size();
  std::uint32_t few[2 * usual];
  detail::scratch_array<std::uint32_t, typename P::allocator> many{space().memory};
  std::span<std::uint32_t> room{few};
  if (count > usual) {
    if (!many.reserve(2 * count)) return errc::no_memory;
    room = {many.data(), 2 * count};
  }
  std::span<std::uint32_t> const order = room.first(count);
  for (std::uint32_t i = 0; i < count; ++i) order[i] = i;
  detail::sort<std::uint32_t>(order, room.subspan(count), [&](std::uint32_t a, std::uint32_t b) {
    return page_at(batch[a].at) < page_at(batch[b].at);
  });
  serve_ordered(batch, order, cancel);
  return errc::ok;
}

/// Serves faults that are ordered by page, block by block.
template <page_wise_policies P>
void block_service<P>::serve_ordered(std::span<block_fault> batch, std::span<std::uint32_t const> order,
                                     cancellation const* cancel) {
  auto const block_end = [&](std::size_t from) {
    std::size_t end = from + 1;
    while (end < order.size() && block_around(batch[order[end]].at) == block_around(batch[order[from]].at)) ++end;
    return end;
  };
  // Each page is judged as it is now, before the first service takes anything away. With one block its own look will do.
  bool const is_alone = block_end(0) == order.size();
  std::uint64_t resident = 0;
  for (std::size_t i = 0; !is_alone && i < order.size(); i = block_end(i))
    resident += count_resident(batch, order.subspan(i, block_end(i) - i));
  if (resident != 0) {
    exclusive_guard const guard{lock_};
    counts_.faults_resident += resident;
  }
  for (std::size_t i = 0; i < order.size();) {
    std::size_t const end = block_end(i);
    serve_block(batch, order.subspan(i, end - i), is_alone ? first_look::now : first_look::resident, cancel);
    i = end;
  }
}

/// How many pages of one block's faults are in the device's memory.
template <page_wise_policies P>
std::uint64_t block_service<P>::count_resident(std::span<block_fault> batch, std::span<std::uint32_t const> which) {
  page_mask named;
  for (std::uint32_t const i : which) named.set(number(batch[i].at));
  mm_user const user{space().mm};
  if (!user.alive()) return 0;
  page_span const hull = named.hull();
  sight const seen = look(span_of(block_around(batch[which[0]].at).start(), hull));
  return (named & seen.here).count();
}

/// Serves the faults of one block: one service, or one for each VMA that they lie in.
template <page_wise_policies P>
void block_service<P>::serve_block(std::span<block_fault> batch, std::span<std::uint32_t const> which,
                                   first_look looked, cancellation const* cancel) {
  for (std::size_t first = 0; first < which.size();) {
    std::size_t const from = first;
    errc used_up = errc::ok;
    detail::page_wait patience{space().clock};
    bool has_pushed = next_ == this;  // there is nobody to push to
    first_look look = looked;
    for (int pass = 0; pass < driver_base<P>::max_passes;) {
      if (is_cancelled(cancel)) {
        used_up = errc::interrupted;
        break;
      }
      if (used_up != errc::ok)
        space().observer.record(
            {event_kind::gpu_fault_retry, aligned_block(batch[which[from]].at, P::mm::page_size), {}, used_up});
      first = from;
      page_mask away;
      used_up =
          serve_part(batch, which, first, std::exchange(look, first_look::over), has_pushed ? nullptr : &away, cancel);
      if (away.any()) {
        push(block_around(batch[which[from]].at).start(), away, cancel);
        has_pushed = true;
        continue;
      }
      bool const may_pass = detail::may_pass(used_up) || used_up == errc::dma_map_failed;
      if (!may_pass) break;
      if (used_up == errc::in_use && patience.wait()) {
        used_up = errc::ok;
        continue;
      }
      ++pass;
    }
    if (first == from) ++first;  // what could not even be looked at
    for (std::size_t i = from; i < first; ++i)
      if (batch[which[i]].error == errc::ok && !batch[which[i]].is_throttled) batch[which[i]].error = used_up;
  }
}

/// Serves the first faults of `which` from `first` on that one service can take, and moves `first` behind them.
///
/// \param away  becomes the pages that another device prefers and has not, if it is not null: then nothing was served
/// \errors of the service, for all of these faults; a fault that is refused by itself has its own
template <page_wise_policies P>
errc block_service<P>::serve_part(std::span<block_fault> batch, std::span<std::uint32_t const> which,
                                  std::size_t& first, first_look looked, page_mask* away, cancellation const* cancel) {
  driver_.collector().run();
  block_fault& head = batch[which[first]];
  va_range const window = driver_.svm().shape().window();
  auto const refuse = [&](errc why) {
    ++first;
    return why;
  };
  if (driver_.options().read_only && head.want != access_kind::read) return refuse(errc::read_only);
  if (!window.contains(head.at)) return refuse(errc::outside_window);
  mm_user const user{space().mm};
  if (!user.alive()) return refuse(errc::mm_gone);
  std::uint32_t const terms = driver_.terms_.load();
  advised_span const advice = driver_.attributes_.at(head.at, window);
  if (head.want == access_kind::atomic && advice.attributes.atomic == atomic_mode::cpu) return refuse(errc::no_atomics);
  result<vma_info> const vma = find_vma(head.at);
  if (!vma) return refuse(vma.error());
  if (head.want != access_kind::read && !vma->writable) return refuse(errc::read_only);
  if (!vma->readable) return refuse(errc::no_access);
  if (!vma->migratable || driver_.options().migrate == migration_mode::never) return refuse(serve_whole(head, cancel));
  exclusive_guard const guard{lock_};
  block* const b = blocks_.find_or_make(block_around(head.at).start());
  if (b == nullptr) return refuse(errc::no_memory);
  service s = make_service(*b, *vma, advice, terms, cancel);
  s.actor = head.requester;
  s.away = away;
  std::size_t const from = first;
  for (; first < which.size() && s.within.contains(batch[which[first]].at); ++first) {
    block_fault& f = batch[which[first]];
    if (f.want != access_kind::read && (!vma->writable || driver_.options().read_only)) {
      f.error = errc::read_only;
      continue;
    }
    if (f.want == access_kind::atomic && s.attributes.atomic == atomic_mode::cpu) {
      f.error = errc::no_atomics;
      continue;
    }
    unsigned const page = number(f.at);
    if (s.named.test(page) && looked != first_look::over) ++counts_.duplicates;
    s.named.set(page);
    if (f.want != access_kind::read) s.written.set(page);
    if (f.want == access_kind::atomic) s.atomic.set(page);
  }
  if (moves_ != nullptr) {
    ask(s, batch, which.subspan(from, first - from), looked);
    if (s.named.none()) return errc::ok;
  }
  return run(s, looked);
}

/// Lets the device that prefers pages of a block bring them to its memory (rule F1, steps 7 and 10).
template <page_wise_policies P>
void block_service<P>::push(cpu_va first, page_mask const& pages, cancellation const* cancel) {
  cpu_va const at = first + P::mm::page_size * pages.next(0);
  for (block_service* other = next_; other != this; other = other->next_)
    if (other->take_preferred(at, pages, cancel)) return;
}

/// Brings pages that another device asked for to this device's memory; false where they prefer to be elsewhere. What does
/// not come stays where it is, and the other device maps it there.
///
/// \pre no lock of the library held
/// \param at     the first of the pages
/// \param pages  of its block, in one mapping of the program
template <page_wise_policies P>
bool block_service<P>::take_preferred(cpu_va at, page_mask const& pages, cancellation const* cancel) {
  va_range const window = driver_.svm().shape().window();
  if (!window.contains(at)) return false;
  std::uint32_t const terms = driver_.terms_.load();
  advised_span const advice = driver_.attributes_.at(at, window);
  if (advice.attributes.preferred != preferred_place::device) return false;
  driver_.collector().run();
  mm_user const user{space().mm};
  if (!user.alive()) return true;
  result<vma_info> const vma = find_vma(at);
  if (!vma || !vma->readable || !vma->migratable || driver_.options().migrate == migration_mode::never) return true;
  exclusive_guard const guard{lock_};
  block* const b = blocks_.find_or_make(block_around(at).start());
  if (b == nullptr) return true;
  service s = make_service(*b, *vma, advice, terms, cancel);
  s.named = pages & page_mask{pages_of(s.within)};
  if (moves_ != nullptr) s.thrashing = moves_->of(b->at(), how_.self, space().clock.now()).thrashing;
  static_cast<void>(run(s, first_look::over));
  return true;
}

/// Serves a fault as a driver of whole ranges does: its memory stays where it is.
template <page_wise_policies P>
errc block_service<P>::serve_whole(block_fault const& f, cancellation const* cancel) {
  va_range mapped_span = aligned_block(f.at, P::mm::page_size);
  return driver_.handle({f.at, f.want, prefetch_place::as_fault, true, cancel, {{}, mapped_span}}, mapped_span);
}

}  // namespace svm::inline v0

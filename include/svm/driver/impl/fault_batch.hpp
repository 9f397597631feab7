// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/driver/driver_base.hpp>
#include <svm/gpusvm/new_ranges.hpp>
#include <svm/placement/sort.hpp>

// driver_base::serve_block and its steps: many faults in one call.

namespace svm::inline v0 {

template <svm_policies P>
void driver_base<P>::serve_block(std::span<fault_request const> requests, std::span<errc> answers,
                                 cancellation const* cancel) {
  static_assert(fault_block <= 64);
  SVM_ASSERT_OP(requests.size(), <=, fault_block);
  fault_group group{requests, answers, {}, cancel, terms_.load()};
  bool const is_plain = collector_.is_idle() && !attributes_.is_any() && !options_.read_only && !is_cancelled(cancel);
  if (is_plain) find_hits(group);
  // What is left, in order.
  std::uint8_t left[fault_block];
  std::uint8_t scratch[fault_block];
  std::size_t count = 0;
  for (std::size_t i = 0; i < requests.size(); ++i)
    if ((group.answered >> i & 1) == 0) left[count++] = static_cast<std::uint8_t>(i);
  detail::sort(std::span{left, count}, std::span<std::uint8_t>{scratch},
               [&](std::uint8_t a, std::uint8_t b) { return requests[a].at < requests[b].at; });
  group.order = {left, count};
  for (std::size_t k = 0; is_plain && k < count;) k = bind_new(group, k);
  for (std::size_t k = 0; k < count; ++k)
    if (!group.is_in(group.answered, k)) group.answer(k, serve(group.request(k).at, group.request(k).want, cancel));
}

/// Answers the requests that are served already, in one read section. A request beside the one before it needs no descent
/// of the tables, or half of one.
template <svm_policies P>
void driver_base<P>::find_hits(fault_group& group) {
  std::uint64_t hits = 0;
  auto section = svm_.enter_section();
  typename gpusvm<P>::glimpse seen;
  for (std::size_t i = 0; i < group.requests.size(); ++i) {
    svm_.glance(group.requests[i].at, seen);
    if (seen.known == nullptr) continue;
    group.known |= std::uint64_t{1} << i;
    group.answers[i] = errc::ok;
    std::uint32_t const flags = seen.known->mapping().flags();
    bool const is_allowed = allows(flags, group.requests[i].want);
    if (is_allowed && svm_.touch_in_section(*seen.known, flags)) hits |= std::uint64_t{1} << i;
  }
  svm_.leave_section(section);
  if (!svm_.is_closed() && told_again(group.terms).error == errc::ok) group.answered = hits;
}

/// Makes ranges for requests from the first one on that have none, in one notifier, and answers those that are bound.
///
/// \return where to go on
template <svm_policies P>
std::size_t driver_base<P>::bind_new(fault_group& group, std::size_t first) {
  auto const takes = [&](std::size_t k) {
    return !group.is_in(group.known, k) && binds_at_first(group.request(k).want);
  };
  if (!takes(first)) return first + 1;
  fault_request const& begin = group.request(first);
  auto section = svm_.enter_section();
  typename gpusvm<P>::sighting const home = svm_.keep(svm_.glance(begin.at), section);
  if (!home.is_fresh || !home.around) {
    group.answer(first, serve(begin.at, begin.want, group.cancel));  // the first of a notifier makes it
    return first + 1;
  }
  new_ranges<P> made{svm_, *home.around, {}, {.pages = {.allow_mixed = options_.mixed}}};
  std::size_t end = first;
  for (; end < group.order.size() && !made.is_full(); ++end) {
    fault_request const& r = group.request(end);
    if (!home.around->interval().contains(r.at)) break;
    // An error here is reported later, when the request is served by itself.
    if (takes(end) && !made.covers(r.at)) static_cast<void>(made.add(r.at, r.want));
  }
  made.bind([this, &group] { return told_again(group.terms).error == errc::ok; });
  for (std::size_t k = first; k < end; ++k)
    if (!group.is_in(group.answered, k) && made.is_bound(group.request(k).at, group.request(k).want))
      group.answer(k, errc::ok);
  return end;
}

}  // namespace svm::inline v0

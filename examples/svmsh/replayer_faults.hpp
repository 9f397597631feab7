// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What a replay does with faults that are served in batches; replayer.hpp includes it at its end.

#include "replayer.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace svmsh {

/// A batch ends where an address falls, and at its size; a batch of one knows nothing of falling.
template <std::size_t PageBytes>
void replayer<PageBytes>::fault(std::uint64_t address, std::uint64_t offset) {
  bool const falls = !faults_.empty() && address < faults_.back().at.value;
  if (falls || faults_.size() == options_.batch) serve_faults();
  line_ = offset;
  ++counts_.loads;
  if (counts_.accesses() > next_pause_) pause();
  page_copy* const copy = find_copy({address, word_bytes, access_kind::load}, svm::access_kind::read, address);
  if (copy == nullptr) return;
  if (record_.map != nullptr) record_.map->access(*copy->track);
  copy->used = true;
  faults_.push_back({.at = svm::cpu_va{address}, .want = svm::access_kind::read});
  fault_offsets_.push_back(offset);
}

/// Serves what was read of a batch, and reads each page that was served.
template <std::size_t PageBytes>
void replayer<PageBytes>::serve_faults() {
  if (faults_.empty()) return;
  static_cast<void>(service().serve(faults_));
  look_after_faults(faults_);
  pass_time(faults_.size());
  for (std::size_t i = 0; i < faults_.size(); ++i)
    if (!faults_[i].is_throttled) read_back(faults_[i], fault_offsets_[i]);
  std::erase_if(faults_, [](svm::block_fault const& f) { return !f.is_throttled; });
  ask_again(faults_);
  faults_.clear();
  fault_offsets_.clear();
}

/// Serves faults again that were throttled, each at the end of its throttle: nobody else is there to run meanwhile.
template <std::size_t PageBytes>
void replayer<PageBytes>::ask_again(std::span<svm::block_fault> throttled) {
  constexpr int tries = 1024;
  for (svm::block_fault& f : throttled) {
    for (int i = 0; i < tries && f.is_throttled; ++i) {
      computer_.clock.pass_to(f.wait_until);
      f = {.at = f.at, .want = f.want, .requester = f.requester};
      static_cast<void>(service().serve(std::span{&f, 1}));
      look_after_faults(std::span<svm::block_fault const>{&f, 1});
    }
    if (f.is_throttled) f.error = svm::errc::busy;
    read_back(f, line_);
  }
}

/// The access that a fault was for. One whose page a later service of the batch evicted would fault again.
template <std::size_t PageBytes>
void replayer<PageBytes>::read_back(svm::block_fault const& served, std::uint64_t offset) {
  line_ = offset;
  trace_access const a{served.at.value, word_bytes, access_kind::load};
  if (served.error != svm::errc::ok) {
    refuse(a, svm::access_kind::read, served.error);
    return;
  }
  std::span<std::byte> const found{found_.data(), word_bytes};
  if (!task_.views[gpu]->device.load(served.at, found)) {
    if (options_.batch == 1) refuse(a, svm::access_kind::read, "its fault was served, and it faults");
    return;
  }
  page_copy const* const copy = find_copy(a, svm::access_kind::read, served.at.value);
  std::byte const* const expected = copy->bytes + served.at.value % page_bytes;
  if (!same(found.data(), expected, word_bytes)) tell_wrong_load(served.at.value, expected, word_bytes);
}

/// Serves what the GPU's access counters told. What was counted was used, so that it came along with nothing.
template <std::size_t PageBytes>
void replayer<PageBytes>::serve_notices() {
  constexpr std::uint64_t sub_region_pages = svm::mock::access_notices::sub_region.value / page_bytes;
  faulted_.clear();
  std::size_t const count = svm::mock::serve_notices(*task_.views[gpu], [&](svm::counter_notice const& n) {
    std::uint64_t const first = n.address.value / block_size.value * block_pages;
    for (std::uint64_t p = 0; follows_ && p < block_pages; ++p)
      if ((n.sub_regions >> p / sub_region_pages & 1) != 0) faulted_.push_back(first + p);
  });
  if (count == 0) return;
  if (follows_) follow(faulted_);
  record_incidents(faulted_.empty() ? 0 : faulted_.front());
  check_after_faults();
}

/// Notes which pages came into device memory, and which of them because of faults of others; and which left.
template <std::size_t PageBytes>
void replayer<PageBytes>::follow(std::span<std::uint64_t const> faulted) {
  std::map<std::uint64_t, svm::page_mask> changed;
  for (std::uint64_t const page : faulted) changed[page / block_pages].set(static_cast<unsigned>(page % block_pages));
  constexpr std::uint64_t block_bytes = block_size.value;
  for (seen_event const& e : events_)
    if (e.kind == svm::event_kind::invalidated)
      for (std::uint64_t n = e.span.start().value / block_bytes; n <= e.span.last().value / block_bytes; ++n)
        changed[n];
  if (events_lost_)
    for (auto const& [number, b] : blocks_) changed[number];
  for (auto const& [number, pages] : changed)
    if (auto const b = blocks_.find(number); b != blocks_.end()) follow_block(number, b->second, pages);
}

template <std::size_t PageBytes>
void replayer<PageBytes>::follow_block(std::uint64_t number, block& b, svm::page_mask const& faulted) {
  svm::page_mask now;
  std::uint64_t const first = number * block_pages;
  task_.process.for_each_entry({address_of(first), block_size}, [&](svm::cpu_va at, svm::mock::pte const& entry) {
    if (entry.what == svm::mock::pte::state::device) now.set(static_cast<unsigned>(at.value / page_bytes - first));
  });
  svm::page_mask const left = b.here - now;
  svm::page_mask const came = now - b.here;
  counts_.prefetched_unused += unused_of(b, left);
  for (unsigned p = came.next(0); p < block_pages; p = came.next(p + 1))
    if (b.pages[p]) b.pages[p]->used = false;
  b.here = now;
  b.along = (b.along - left) | (came - faulted);
}

/// How many of the pages came along and were not used since.
template <std::size_t PageBytes>
std::uint64_t replayer<PageBytes>::unused_of(block const& b, svm::page_mask const& left) const {
  svm::page_mask const along = b.along & left;
  std::uint64_t count = 0;
  for (unsigned p = along.next(0); p < block_pages; p = along.next(p + 1)) count += !b.pages[p] || !b.pages[p]->used;
  return count;
}

/// Whether the GPU's warps make an access; on a change of turn they come to an end first.
template <std::size_t PageBytes>
bool replayer<PageBytes>::takes_warp(trace_access const& a) {
  if (options_.turns == 0) return !on_cpu_;
  if (left_of_turn_ == 0) {
    drain();
    take_turns();
  }
  std::uint64_t const parts = a.kind == access_kind::modify ? 2 : 1;
  if (on_cpu_) return false;
  if (left_of_turn_ < parts) {
    drain();
    return false;
  }
  left_of_turn_ -= parts;
  return true;
}

/// Deals an access to its warp, and lets those that can go on.
template <std::size_t PageBytes>
void replayer<PageBytes>::deal(trace_access const& a, std::uint64_t line) {
  std::uint32_t const who = a.warp ? *a.warp : static_cast<std::uint32_t>(unnamed_++ % options_.warps);
  warps_.deal(who, {.access = a, .line = line}, computer_.clock.now());
  run_warps();
  while (warps_.kept() >= most_kept) let_time_pass();
}

/// Lets every warp make the accesses that it has.
template <std::size_t PageBytes>
void replayer<PageBytes>::drain() {
  run_warps();
  while (warps_.kept() != 0) let_time_pass();
}

/// Runs warps until all that have accesses left wait.
template <std::size_t PageBytes>
void replayer<PageBytes>::run_warps() {
  while (std::optional<std::uint32_t> const who = warps_.next()) {
    warp_access& at = warps_.current(*who);
    line_ = at.line;
    std::optional<wanted_page> const fault = go_on(at);
    if (!fault) {
      pass_time(1);
      warps_.done(*who, computer_.clock.now());
      continue;
    }
    warps_.stall(*who);
    report_fault(*who, fault->page, fault->want);
    if (faults_of_gpu_.waiting().size() == options_.batch) serve_batch();
  }
}

template <std::size_t PageBytes>
void replayer<PageBytes>::report_fault(std::uint32_t who, std::uint64_t page, svm::access_kind want) {
  using svm::placement::fault_access;
  constexpr std::uint32_t utlbs = 8;
  static_cast<void>(
      faults_of_gpu_.stall(who, {.page = address_of(page),
                                 .access = want == svm::access_kind::read ? fault_access::read : fault_access::write,
                                 .microtlb = who % utlbs}));
}

/// Makes what is left of an access; where it faulted, if it did.
template <std::size_t PageBytes>
auto replayer<PageBytes>::go_on(warp_access& at) -> std::optional<wanted_page> {
  trace_access const& a = at.access;
  if (at.at_store || a.kind == access_kind::store) return make<svm::access_kind::write>(at);
  if (std::optional<wanted_page> const fault = make<svm::access_kind::read>(at)) return fault;
  if (a.kind == access_kind::load || at.refused) return {};
  at = {.access = a, .line = at.line, .at_store = true};
  return make<svm::access_kind::write>(at);
}

template <std::size_t PageBytes>
template <svm::access_kind Want>
auto replayer<PageBytes>::make(warp_access& at) -> std::optional<wanted_page> {
  trace_access const& a = at.access;
  if (!std::exchange(at.begun, true)) {
    count<Want>();
    at.ordinal = counts_.stores;
  }
  std::uint64_t const store_ordinal = std::exchange(counts_.stores, at.ordinal);
  if (Want == svm::access_kind::write) make_value(a.size);
  counts_.stores = store_ordinal;
  if (a.address + a.size - 1 < a.address) {
    at.refused = true;
    refuse(a, Want, "it passes 2^64");
    return {};
  }
  while (at.done != a.size) {
    std::uint64_t const address = a.address + at.done;
    std::size_t const size = std::min<std::size_t>(a.size - at.done, page_bytes - address % page_bytes);
    page_copy* const copy = find_copy(a, Want, address);
    if (copy == nullptr) {
      at.refused = true;
      return {};
    }
    if (!reach<Want>(*copy, address, at.done, size))
      // What loads and then stores asks for both at once.
      return wanted_page{address / page_bytes, a.kind == access_kind::modify ? svm::access_kind::write : Want};
    at.done += static_cast<std::uint32_t>(size);
  }
  return {};
}

/// Makes the part of an access that lies in one page; false when it faults.
template <std::size_t PageBytes>
template <svm::access_kind Want>
bool replayer<PageBytes>::reach(page_copy& copy, std::uint64_t address, std::size_t from, std::size_t size) {
  auto& device = task_.views[gpu]->device;
  if constexpr (Want == svm::access_kind::read) {
    std::span<std::byte> const found{found_.data(), size};
    if (!device.load({address}, found)) return false;
    std::byte const* const expected = copy.bytes + address % page_bytes;
    if (!same(found.data(), expected, size)) tell_wrong_load(address, expected, size);
  } else {
    std::span<std::byte const> const value{value_.data() + from, size};
    if (!device.store({address}, value)) return false;
    copy_bytes(copy.writable() + address % page_bytes, value.data(), size);
  }
  if (record_.map != nullptr) record_.map->access(*copy.track);
  copy.used = true;
  return true;
}

/// Every warp waits: what it waits for comes.
template <std::size_t PageBytes>
void replayer<PageBytes>::let_time_pass() {
  if (!faults_of_gpu_.waiting().empty()) {
    serve_batch();
  } else {
    // The one whose throttle ends first asks again.
    auto const first = std::ranges::min_element(throttled_, {}, [](auto const& t) { return t.until.nanoseconds; });
    computer_.clock.pass_to(first->until);
    warps_.resume(first->who, computer_.clock.now());
    throttled_.erase(first);
  }
  run_warps();
}

/// Serves what is in the GPU's ring, and replays what waits.
template <std::size_t PageBytes>
void replayer<PageBytes>::serve_batch() {
  namespace placement = svm::placement;
  static_cast<void>(batch_->fetch(placement::fetch_mode::all));
  static_cast<void>(batch_->order([](placement::fault_context const&) {
    return placement::translated{.what = placement::translated::kind::live, .space = 0, .gpu = placement::gpu(0)};
  }));
  faults_.clear();
  for (unsigned i = 0; i < batch_->coalesced(); ++i) {
    placement::fault_entry const& e = batch_->ordered(i);
    bool const writes = e.accesses.strongest() >= placement::fault_access::write;
    for (unsigned n = 0; n < e.instances; ++n)
      faults_.push_back({.at = e.fault.page,
                         .want = writes ? svm::access_kind::write : svm::access_kind::read,
                         .requester = e.fault.microtlb});
  }
  static_cast<void>(service().serve(faults_));
  look_after_faults(faults_);
  for (auto const& w : faults_of_gpu_.replay()) {
    auto const who = static_cast<std::uint32_t>(w.id);
    svm::block_fault const& f = *std::ranges::find(faults_, w.what.page, &svm::block_fault::at);
    svm::time_point const now = computer_.clock.now();
    if (f.is_throttled) {
      throttled_.push_back({f.wait_until, who});
    } else if (f.error == svm::errc::ok) {
      warps_.resume(who, now);
    } else {
      warp_access const& at = warps_.current(who);
      line_ = at.line;
      refuse(at.access, f.want, f.error);
      warps_.give_up(who, now);
    }
  }
  faults_.clear();
}

}  // namespace svmsh

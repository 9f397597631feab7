// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What a replay does rarely; replayer.hpp includes it at its end.

#include "replay_text.hpp"
#include "replayer.hpp"
#include "words.hpp"

#include <algorithm>
#include <utility>

namespace svmsh {

template <std::size_t PageBytes>
replayer<PageBytes>::replayer(machine& computer, replay_options const& options, complaint complain, recording record)
    : computer_(computer),
      task_(computer.first()),
      options_(options),
      complain_(std::move(complain)),
      record_(record),
      on_cpu_(options.start_on_cpu),
      left_of_turn_(options.turns == 0 ? UINT64_MAX : options.turns),
      follows_(options.follows_prefetch),
      ticks_(task_.views[gpu]->blocks.has_value()),
      batch_(options.batch > 1 ? std::make_unique<batch_of_faults>(faults_of_gpu_) : nullptr) {
  if (!record_.wanted() && !follows_) return;
  constexpr std::size_t most_events = 8192;
  events_.reserve(most_events);
  computer_.stats.listener = [this](svm::event const& e) {
    using enum svm::event_kind;
    if (e.kind != invalidated && e.kind != migrated_to_device && e.kind != migrated_to_system && e.kind != evicted)
      return;
    if (events_.size() == most_events)
      events_lost_ = true;  // an observer may not allocate
    else
      events_.push_back({e.kind, e.span, e.bytes.value});
  };
}

template <std::size_t PageBytes>
replayer<PageBytes>::~replayer() {
  if (record_.wanted() || follows_) computer_.stats.listener = {};
}

/// First access to a page: its block is mapped, and it gets its flat copy.
template <std::size_t PageBytes>
auto replayer<PageBytes>::touch(trace_access const& whole, svm::access_kind want, std::uint64_t number) -> page_copy* {
  block* const home = map_block(whole, want, number);
  if (home == nullptr) return nullptr;
  std::unique_ptr<page_copy>& copy = home->pages[number % block_pages];
  if (!copy) {
    copy = std::make_unique<page_copy>();
    if (number % block_pages < home->filled) {
      static_cast<void>(copy->writable());
      fill_pattern(*copy->own, number);
    }
    copy->track = track_of(number);
    ++counts_.distinct_pages;
  }
  cache_[number % cache_size] = {number, copy.get()};
  return copy.get();
}

template <std::size_t PageBytes>
auto replayer<PageBytes>::map_block(trace_access const& whole, svm::access_kind want, std::uint64_t number) -> block* {
  if (auto const known = blocks_.find(number / block_pages); known != blocks_.end()) return &known->second;
  std::uint64_t const first_page = number / block_pages * block_pages;
  auto const mapped = task_.process.mmap(block_size, svm::mock::protection::read_write, svm::mock::mapping_kind::anon,
                                         address_of(first_page));
  if (mapped.error != svm::mock::sys::ok) {
    refuse(whole, want, "user addresses end at 2^47");
    return nullptr;
  }
  block& fresh = blocks_[number / block_pages];
  set_time(counts_.accesses() - 1);
  if (record_.map != nullptr) record_.map->add_block(first_page);
  if (options_.prefill) prefill(fresh, first_page);
  if (auto& queues = task_.views[gpu]->queues)
    if (svm::errc const e = queues->keep({address_of(first_page), block_size}); e != svm::errc::ok)
      refuse(whole, want, e);
  faults_seen_ = fault_count();
  cpu_faults_recorded_ = task_.process.cpu_faults();
  sample_places({address_of(first_page), block_size});
  return &fresh;
}

/// The CPU fills a block, as far as memory goes.
template <std::size_t PageBytes>
void replayer<PageBytes>::prefill(block& b, std::uint64_t first_page) {
  std::array<std::byte, page_bytes> bytes;
  for (; b.filled != block_pages; ++b.filled) {
    std::uint64_t const page = first_page + b.filled;
    fill_pattern(bytes, page);
    if (task_.process.store(address_of(page), bytes) == svm::mock::sys::ok) continue;
    if (++counts_.refused <= replay_engine::complaints_told)
      complain_(line_, "the CPU cannot fill the memory at " + hex(address_of(page).value) + ": SIGBUS");
    return;
  }
}

/// What prefill writes: every word says where it belongs.
template <std::size_t PageBytes>
void replayer<PageBytes>::fill_pattern(std::span<std::byte, page_bytes> bytes, std::uint64_t page) {
  for (std::uint64_t i = 0; i < page_bytes; i += sizeof(std::uint64_t)) {
    std::uint64_t const word = scrambled(~(page * page_bytes + i));
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
}

template <std::size_t PageBytes>
void replayer<PageBytes>::take_turns() {
  on_cpu_ = options_.turns != 0 ? !on_cpu_ : on_cpu_;
  left_of_turn_ = options_.turns != 0 ? options_.turns : UINT64_MAX;
}

/// Between two accesses, when it is time for something else.
template <std::size_t PageBytes>
void replayer<PageBytes>::pause() {
  std::uint64_t const done = counts_.accesses() - 1;
  if (record_.map != nullptr && done >= record_.map->column_end()) {
    record_.map->set_time(done);
    record_.map->end_column();
  }
  if (done >= next_check_) check_rules();
  next_pause_ = next_check_;
  if (record_.map != nullptr) next_pause_ = std::min(next_pause_, record_.map->column_end());
}

template <std::size_t PageBytes>
void replayer<PageBytes>::look_after_faults(std::uint64_t address) {
  if (follows_) follow(std::array{address / page_bytes});
  record_incidents(address / page_bytes);
  check_after_faults();
}
/// The same for a batch, each fault of which is marked at its own page.
template <std::size_t PageBytes>
void replayer<PageBytes>::look_after_faults(std::span<svm::block_fault const> served) {
  if (follows_) {
    faulted_.clear();
    for (svm::block_fault const& f : served) faulted_.push_back(f.at.value / page_bytes);
    follow(faulted_);
  }
  if (record_.wanted()) {
    set_time(counts_.accesses() - 1);
    for (svm::block_fault const& f : served)
      record(incident::gpu_fault, 1, f.at.value / page_bytes, track_of(f.at.value / page_bytes));
    gpu_faults_recorded_ = computer_.stats.count(svm::event_kind::gpu_fault);
  }
  record_incidents(served.front().at.value / page_bytes);
  check_after_faults();
}
template <std::size_t PageBytes>
void replayer<PageBytes>::check_after_faults() {
  std::uint64_t const count = fault_count();
  faults_since_check_ += count - std::exchange(faults_seen_, count);
  computer_.check_touched(svm::mock::moment::returned);
  tell_broken_rules();
  if (ticks_) pins_end_ = service().next_end();
  // A fault costs more than a look at a page, so that checks stay a small part of the run.
  constexpr std::uint64_t least_faults = 64;
  if (faults_since_check_ >= std::max(least_faults, blocks_.size() * block_pages)) check_rules();
}

/// Pages that stayed for a time are free to move again.
template <std::size_t PageBytes>
void replayer<PageBytes>::end_pins() {
  service().end_due_pins();
  pins_end_ = service().next_end();
}

template <std::size_t PageBytes>
void replayer<PageBytes>::set_time(std::uint64_t accesses) {
  if (record_.map != nullptr) record_.map->set_time(accesses);
  if (record_.events != nullptr) record_.events->set_time(accesses);
}

template <std::size_t PageBytes>
void replayer<PageBytes>::record(incident what, std::uint64_t count, std::uint64_t page, page_track* track,
                                 std::uint64_t bytes) {
  if (record_.map != nullptr) record_.map->mark(what, count, track);
  if (record_.events != nullptr) record_.events->add(what, count, page * page_bytes, bytes);
}

template <std::size_t PageBytes>
void replayer<PageBytes>::record_incidents(std::uint64_t page) {
  if (!record_.wanted()) {
    events_.clear();
    events_lost_ = false;
    return;
  }
  set_time(counts_.accesses() - 1);
  page_track* const here = track_of(page);
  std::uint64_t const gpu_faults = computer_.stats.count(svm::event_kind::gpu_fault);
  std::uint64_t const cpu_faults = task_.process.cpu_faults();
  record(incident::gpu_fault, gpu_faults - std::exchange(gpu_faults_recorded_, gpu_faults), page, here);
  record(incident::cpu_fault, cpu_faults - std::exchange(cpu_faults_recorded_, cpu_faults), page, here);

  // An eviction says what it took only through the invalidations between its begin and its end.
  bool evicting = false, victim_known = false;
  std::uint64_t victim = page;
  page_track* victim_track = nullptr;
  for (seen_event const& e : events_) {
    std::uint64_t const first = e.span.start().value / page_bytes, last = e.span.last().value / page_bytes;
    switch (e.kind) {
      case svm::event_kind::evicted:
        evicting = true;
        victim_known = false;
        victim_track = nullptr;
        break;
      case svm::event_kind::invalidated:
        sample_places(e.span);
        if (evicting && !std::exchange(victim_known, true)) victim = first;
        if (evicting && victim_track == nullptr && record_.map != nullptr)
          victim_track = record_.map->find_accessed(first, last);
        break;
      case svm::event_kind::migrated_to_system:
        if (evicting) record(incident::eviction, 1, victim, victim_track, e.bytes);
        record(incident::to_system, 1, evicting ? victim : page, evicting ? nullptr : here, e.bytes);
        evicting = false;
        break;
      case svm::event_kind::migrated_to_device:
        record(incident::to_device, 1, first, here, e.bytes);
        sample_places(e.span);
        break;
      default:
        break;
    }
  }
  events_.clear();
  sample_places({address_of(page), svm::byte_count{page_bytes}});
  if (std::exchange(events_lost_, false))
    for (auto const& [number, b] : blocks_) sample_places({address_of(number * block_pages), block_size});
  sample_use();
}

/// Tells the map where the pages of a span are now.
template <std::size_t PageBytes>
void replayer<PageBytes>::sample_places(svm::va_range span) {
  if (record_.map == nullptr) return;
  for (std::uint64_t page = span.start().value / page_bytes; page <= span.last().value / page_bytes; ++page) {
    page_track* const track = record_.map->find(page);
    if (track == nullptr) continue;
    auto const entry = task_.process.entry_at(address_of(page));
    auto const b = follows_ ? blocks_.find(page / block_pages) : blocks_.end();
    bool const along = b != blocks_.end() && b->second.along.test(static_cast<unsigned>(page % block_pages));
    record_.map->place_at(*track, entry.what == svm::mock::pte::state::device
                                      ? along ? place::prefetched : place::device
                                  : entry.is_none() ? place::absent
                                                    : place::system);
  }
}

/// Tells the timeline how much memory is in use.
template <std::size_t PageBytes>
void replayer<PageBytes>::sample_use() {
  if (record_.events == nullptr) return;
  std::uint64_t vram = 0;
  for (std::size_t n = 0; n < computer_.gpus(); ++n) vram += computer_.gpu_card(n).memory.used().value;
  record_.events->sample(computer_.frames.ram_used().value, vram);
}

/// Runs the machine's oracle, so seldom that it takes a small part of the time.
template <std::size_t PageBytes>
void replayer<PageBytes>::check_rules() {
  constexpr std::uint64_t accesses_an_entry = 128;
  computer_.check_quiet();
  tell_broken_rules();
  faults_since_check_ = 0;
  next_check_ = counts_.accesses() + std::max(least_between_checks, blocks_.size() * block_pages * accesses_an_entry);
  next_pause_ = std::min(next_pause_, next_check_);
}

template <std::size_t PageBytes>
void replayer<PageBytes>::tell_broken_rules() {
  if (computer_.broken.empty()) return;
  for (std::string const& text : computer_.broken.take())
    if (++counts_.broken_rules <= replay_engine::complaints_told) complain_(line_, text);
}

template <std::size_t PageBytes>
bool replayer<PageBytes>::refuse(trace_access const& a, svm::access_kind want, svm::errc why) {
  svm::errc_text const text = svm::describe(why);
  return refuse(a, want, std::string(text.errno_name) + ", " + text.cause);
}
template <std::size_t PageBytes>
bool replayer<PageBytes>::refuse(trace_access const& a, svm::access_kind want, svm::mock::sys why) {
  return refuse(a, want, why == svm::mock::sys::sigbus ? "SIGBUS" : "SIGSEGV");
}
template <std::size_t PageBytes>
bool replayer<PageBytes>::refuse(trace_access const& a, svm::access_kind want, std::string_view why) {
  if (++counts_.refused <= replay_engine::complaints_told)
    complain_(line_, text_of(a, want) + " is refused: " + std::string(why));
  return false;
}

template <std::size_t PageBytes>
void replayer<PageBytes>::tell_wrong_load(std::uint64_t address, std::byte const* expected, std::size_t size) {
  if (++counts_.wrong_loads > replay_engine::complaints_told) return;
  std::size_t first = 0;
  while (found_[first] == expected[first]) ++first;
  complain_(line_, "the load of " + std::to_string(size) + " bytes at " + hex(address) + " is wrong from " +
                       hex(address + first) + " on: found " + text_of(found_.data() + first, size - first) +
                       ", expected " + text_of(expected + first, size - first));
}

template <std::size_t PageBytes>
void replayer<PageBytes>::finish() {
  drain();
  serve_faults();
  for (auto const& [number, b] : blocks_) counts_.prefetched_unused += unused_of(b, b.here);
  check_rules();
  set_time(counts_.accesses());
  sample_use();
  if (record_.map != nullptr) record_.map->finish(counts_.accesses());
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_engine.hpp"

#include "words.hpp"

#include <algorithm>
#include <utility>

namespace svmsh {

namespace mock = svm::mock;
using svm::event_kind;

namespace {

constexpr svm::byte_count block_size{history::block_pages * mock::page_bytes};

svm::cpu_va address_of(std::uint64_t page) {
  return {page * mock::page_bytes};
}

std::string text_of(trace_access const& a, svm::access want) {
  return std::string(want == svm::access::read ? "the load" : "the store") + " of " + std::to_string(a.size) +
         " bytes at " + hex(a.address);
}

/// Bytes in the order of their addresses.
std::string text_of(std::byte const* bytes, std::size_t size) {
  constexpr std::size_t shown = 8;
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < std::min(size, shown); ++i) {
    unsigned const byte = std::to_integer<unsigned>(bytes[i]);
    text += text.empty() ? "" : " ";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return size > shown ? text + " ..." : text;
}

}  // namespace

replayer::replayer(shell_machine& computer, replay_options const& options, complaint complain, history* drawing)
    : computer_(computer),
      options_(options),
      complain_(std::move(complain)),
      drawing_(drawing),
      on_cpu_(options.start_on_cpu),
      left_of_turn_(options.turns == 0 ? UINT64_MAX : options.turns) {
  if (drawing_ == nullptr) return;
  constexpr std::size_t most_events = 8192;
  events_.reserve(most_events);
  computer_.stats.listener = [this](svm::event const& e) {
    using enum event_kind;
    if (e.kind != invalidated && e.kind != migrated_to_device && e.kind != migrated_to_system && e.kind != evicted)
      return;
    if (events_.size() == most_events)
      events_lost_ = true;  // an observer may not allocate
    else
      events_.push_back({e.kind, e.span});
  };
}

replayer::~replayer() {
  if (drawing_ != nullptr) computer_.stats.listener = {};
}

/// First access to a page: its block is mapped, and it gets its flat copy.
auto replayer::touch(trace_access const& whole, svm::access want, std::uint64_t number) -> page_copy* {
  block* const home = map_block(whole, want, number);
  if (home == nullptr) return nullptr;
  std::unique_ptr<page_copy>& copy = home->pages[number % block_pages];
  if (!copy) {
    copy = std::make_unique<page_copy>();
    if (number % block_pages < home->filled)
      fill_pattern(copy->bytes, number);
    else
      copy->bytes.fill(std::byte{});
    copy->track = drawing_ != nullptr ? drawing_->find(number) : nullptr;
    ++counts_.distinct_pages;
  }
  cache_[number % cache_size] = {number, copy.get()};
  return copy.get();
}

auto replayer::map_block(trace_access const& whole, svm::access want, std::uint64_t number) -> block* {
  if (auto const known = blocks_.find(number / block_pages); known != blocks_.end()) return &known->second;
  std::uint64_t const first_page = number / block_pages * block_pages;
  auto const mapped = computer_.process.mmap(block_size, mock::protection::read_write, mock::mapping_kind::anon,
                                             address_of(first_page));
  if (mapped.error != mock::sys::ok) {
    refuse(whole, want, "user addresses end at 2^47");
    return nullptr;
  }
  block& fresh = blocks_[number / block_pages];
  if (drawing_ != nullptr) {
    drawing_->set_time(counts_.accesses() - 1);
    drawing_->add_block(first_page);
  }
  if (options_.prefill) prefill(fresh, first_page);
  faults_seen_ = fault_count();
  cpu_faults_drawn_ = computer_.process.cpu_faults();
  if (drawing_ != nullptr) sample_places({address_of(first_page), block_size});
  return &fresh;
}

/// The CPU fills a block, as far as memory goes.
void replayer::prefill(block& b, std::uint64_t first_page) {
  std::array<std::byte, page_bytes> bytes;
  for (; b.filled != block_pages; ++b.filled) {
    std::uint64_t const page = first_page + b.filled;
    fill_pattern(bytes, page);
    if (computer_.process.store(address_of(page), bytes) == mock::sys::ok) continue;
    if (++counts_.refused <= complaints_told)
      complain_(line_, "the CPU cannot fill the memory at " + hex(address_of(page).value) + ": SIGBUS");
    return;
  }
}

/// What prefill writes: every word says where it belongs.
void replayer::fill_pattern(std::span<std::byte, page_bytes> bytes, std::uint64_t page) {
  for (std::uint64_t i = 0; i < page_bytes; i += sizeof(std::uint64_t)) {
    std::uint64_t const word = scrambled(~(page * page_bytes + i));
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
}

void replayer::take_turns() {
  on_cpu_ = options_.turns != 0 ? !on_cpu_ : on_cpu_;
  left_of_turn_ = options_.turns != 0 ? options_.turns : UINT64_MAX;
}

/// Between two accesses, when it is time for something else.
void replayer::pause() {
  std::uint64_t const done = counts_.accesses() - 1;
  if (drawing_ != nullptr && done >= drawing_->column_end()) {
    drawing_->set_time(done);
    drawing_->end_column();
  }
  if (done >= next_check_) check_rules();
  next_pause_ = next_check_;
  if (drawing_ != nullptr) next_pause_ = std::min(next_pause_, drawing_->column_end());
}

void replayer::look_after_faults(std::uint64_t address) {
  std::uint64_t const count = fault_count();
  faults_since_check_ += count - std::exchange(faults_seen_, count);
  if (drawing_ != nullptr) draw_incidents(address / page_bytes);
  tell_broken_rules();
  // A fault costs more than a look at a page, so that checks stay a small part of the run.
  constexpr std::uint64_t least_faults = 64;
  if (faults_since_check_ >= std::max(least_faults, blocks_.size() * block_pages)) check_rules();
}

void replayer::draw_incidents(std::uint64_t page) {
  drawing_->set_time(counts_.accesses() - 1);
  page_track* const here = drawing_->find(page);
  std::uint64_t const gpu_faults = computer_.stats.count(event_kind::gpu_fault);
  std::uint64_t const cpu_faults = computer_.process.cpu_faults();
  drawing_->mark(incident::gpu_fault, gpu_faults - std::exchange(gpu_faults_drawn_, gpu_faults), here);
  drawing_->mark(incident::cpu_fault, cpu_faults - std::exchange(cpu_faults_drawn_, cpu_faults), here);

  // An eviction says what it took only through the invalidations between its begin and its end.
  bool evicting = false;
  page_track* victim = nullptr;
  for (seen_event const& e : events_) {
    switch (e.kind) {
      case event_kind::evicted:
        evicting = true;
        victim = nullptr;
        break;
      case event_kind::invalidated:
        sample_places(e.span);
        if (evicting && victim == nullptr)
          victim = drawing_->find_accessed(e.span.start().value / page_bytes, e.span.last().value / page_bytes);
        break;
      case event_kind::migrated_to_system:
        if (evicting) drawing_->mark(incident::eviction, 1, victim);
        drawing_->mark(incident::to_system, 1, evicting ? nullptr : here);
        evicting = false;
        break;
      case event_kind::migrated_to_device:
        drawing_->mark(incident::to_device, 1, here);
        sample_places(e.span);
        break;
      default:
        break;
    }
  }
  events_.clear();
  sample_places({address_of(page), mock::page_size});
  if (std::exchange(events_lost_, false))
    for (auto const& [number, b] : blocks_) sample_places({address_of(number * block_pages), block_size});
}

/// Tells the drawing where the pages of a span are now.
void replayer::sample_places(svm::va_range span) {
  for (std::uint64_t page = span.start().value / page_bytes; page <= span.last().value / page_bytes; ++page) {
    page_track* const track = drawing_->find(page);
    if (track == nullptr) continue;
    mock::pte const entry = computer_.process.entry_at(address_of(page));
    drawing_->place_at(*track, entry.what == mock::pte::state::device ? place::device
                               : entry.is_none()                      ? place::absent
                                                                      : place::system);
  }
}

/// Runs the machine's oracle, so seldom that it takes a small part of the time.
void replayer::check_rules() {
  constexpr std::uint64_t accesses_an_entry = 128;
  computer_.check_quiet();
  tell_broken_rules();
  faults_since_check_ = 0;
  next_check_ = counts_.accesses() + std::max(least_between_checks, blocks_.size() * block_pages * accesses_an_entry);
  next_pause_ = std::min(next_pause_, next_check_);
}

void replayer::tell_broken_rules() {
  if (computer_.broken.empty()) return;
  for (std::string const& text : computer_.broken.take())
    if (++counts_.broken_rules <= complaints_told) complain_(line_, text);
}

bool replayer::refuse(trace_access const& a, svm::access want, svm::errc why) {
  svm::errc_text const text = svm::describe(why);
  return refuse(a, want, std::string(text.errno_name) + ", " + text.cause);
}
bool replayer::refuse(trace_access const& a, svm::access want, mock::sys why) {
  return refuse(a, want, why == mock::sys::sigbus ? "SIGBUS" : "SIGSEGV");
}
bool replayer::refuse(trace_access const& a, svm::access want, std::string_view why) {
  if (++counts_.refused <= complaints_told) complain_(line_, text_of(a, want) + " is refused: " + std::string(why));
  return false;
}

void replayer::tell_wrong_load(std::uint64_t address, std::byte const* expected, std::size_t size) {
  if (++counts_.wrong_loads > complaints_told) return;
  std::size_t first = 0;
  while (found_[first] == expected[first]) ++first;
  complain_(line_, "the load of " + std::to_string(size) + " bytes at " + hex(address) + " is wrong from " +
                       hex(address + first) + " on: found " + text_of(found_.data() + first, size - first) +
                       ", expected " + text_of(expected + first, size - first));
}

void replayer::finish() {
  check_rules();
  if (drawing_ != nullptr) drawing_->finish(counts_.accesses());
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_engine.hpp"
#include "shell_machine.hpp"

#include <svm/base/page_mask.hpp>
#include <svm/mock/gpu/fault_unit.hpp>
#include <svm/mock/gpu/warps.hpp>
#include <svm/mock/machine/counter_worker.hpp>
#include <svm/placement/fault_batch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace svmsh {

/// Serves the data accesses of a trace on a machine, and compares every load with a flat copy of what was stored.
///
/// Accesses are those of the program: a modify is two of them, one that crosses a page is one.
template <std::size_t PageBytes>
class replayer {
 public:
  using machine = shell_machine<PageBytes>;
  using complaint = replay_engine::complaint;

  /// `record` is told what happens; it and the machine outlive the replay.
  replayer(machine& computer, replay_options const& options, complaint complain, recording record);
  ~replayer();
  replayer(replayer const&) = delete;
  replayer& operator=(replayer const&) = delete;

  /// Serves one access of the trace.
  void access(trace_access const& a, std::uint64_t line) {
    line_ = line;
    if (batch_ != nullptr && takes_warp(a)) return deal(a, line);
    if (a.kind != access_kind::store) perform<svm::access_kind::read>(a);
    if (a.kind != access_kind::load) perform<svm::access_kind::write>(a);
  }

  /// What follows waits until every warp has made its accesses.
  void drain();

  /// Serves one fault of a list, at this offset, with those of its batch.
  void fault(std::uint64_t address, std::uint64_t offset);

  /// Fetches what an access needs that comes soon.
  void fetch(trace_access const& a) {
    std::uint64_t const number = a.address / page_bytes;
    cached_page const& cached = cache_[number % cache_size];
    if (cached.number != number) return;
    __builtin_prefetch(cached.copy->bytes + a.address % page_bytes);
    task_.views[gpu]->device.fetch(svm::cpu_va{a.address});
  }

  /// To be called behind the last access, while the machine is still whole.
  void finish();

  [[nodiscard]] replay_counts const& done() const { return counts_; }
  [[nodiscard]] std::uint64_t blocks() const { return blocks_.size(); }

 private:
  static constexpr std::uint64_t page_bytes = PageBytes;
  static constexpr svm::byte_count block_size{2 << 20};
  static constexpr std::uint64_t block_pages = block_size.value / page_bytes;
  static constexpr std::size_t cache_size = 1024;
  static constexpr std::uint32_t word_bytes = 8;
  static constexpr svm::duration access_time{1000};  // of the virtual clock
  static constexpr std::uint64_t least_between_checks = std::uint64_t{1} << 22;
  static constexpr std::array<std::byte, page_bytes> untouched{};

  /// What a page must hold; what nobody wrote takes no memory.
  struct page_copy {
    std::byte const* bytes = untouched.data();
    std::unique_ptr<std::array<std::byte, page_bytes>> own;
    page_track* track = nullptr;
    bool used = false;  ///< since it came into device memory

    /// The bytes, to be written.
    [[nodiscard]] std::byte* writable() {
      if (!own) bytes = (own = std::make_unique<std::array<std::byte, page_bytes>>())->data();
      return own->data();
    }
  };
  struct block {
    std::uint64_t filled = 0;    // pages from the first one on that the CPU filled
    svm::page_mask here, along;  // in device memory; and of these, what came with a fault of another page
    std::array<std::unique_ptr<page_copy>, block_pages> pages;
  };
  struct cached_page {
    std::uint64_t number = UINT64_MAX;
    page_copy* copy = nullptr;
  };
  /// An event of the library that moved pages or may have.
  struct seen_event {
    svm::event_kind kind;
    svm::va_range span;
    std::uint64_t bytes;
  };

  /// An access that a warp has begun, or will.
  struct warp_access {
    trace_access access;
    std::uint64_t line = 0;
    bool at_store = false;  ///< a modify has loaded
    bool begun = false;     ///< the load or the store was counted
    bool refused = false;
    std::uint32_t done = 0;     ///< bytes of the load or the store
    std::uint64_t ordinal = 0;  ///< of the store
  };
  struct wanted_page {
    std::uint64_t page;
    svm::access_kind want;
  };
  struct throttle {
    svm::time_point until;
    std::uint32_t who;
  };

  template <svm::access_kind Want>
  void count() {
    counts_.loads += Want == svm::access_kind::read ? 1 : 0;
    counts_.stores += Want == svm::access_kind::write ? 1 : 0;
    if (counts_.accesses() > next_pause_) pause();
  }

  template <svm::access_kind Want>
  void perform(trace_access const& a) {
    count<Want>();
    if (ticks_) pass_time(1);
    if (left_of_turn_ == 0) take_turns();
    --left_of_turn_;
    if (Want == svm::access_kind::write) make_value(a.size);
    if (std::uint64_t const room = page_bytes - a.address % page_bytes; a.size <= room) {
      static_cast<void>(piece<Want>(a, a.address, value_.data(), a.size));
    } else if (a.address + room == 0) {
      refuse(a, Want, "it passes 2^64");
    } else if (piece<Want>(a, a.address, value_.data(), room)) {
      static_cast<void>(piece<Want>(a, a.address + room, value_.data() + room, a.size - room));
    }
  }

  /// Serves the part of an access that lies in one page; false when the machine refused it.
  template <svm::access_kind Want>
  [[nodiscard]] bool piece(trace_access const& whole, std::uint64_t address, std::byte const* value, std::size_t size) {
    page_copy* const copy = find_copy(whole, Want, address);
    if (copy == nullptr) return false;
    if (record_.map != nullptr) record_.map->access(*copy->track);
    copy->used = true;
    svm::cpu_va const at{address};
    if constexpr (Want == svm::access_kind::read) {
      std::span<std::byte> const found{found_.data(), size};
      if (on_cpu_ ? !is_served(whole, Want, address, task_.process.load(at, found))
                  : !is_served(whole, Want, address, computer_.gpu_load(task_, gpu, at, found)))
        return false;
      std::byte const* const expected = copy->bytes + address % page_bytes;
      if (!same(found.data(), expected, size)) tell_wrong_load(address, expected, size);
    } else {
      std::span<std::byte const> const from{value, size};
      if (on_cpu_ ? !is_served(whole, Want, address, task_.process.store(at, from))
                  : !is_served(whole, Want, address, computer_.gpu_store(task_, gpu, at, from)))
        return false;
      copy_bytes(copy->writable() + address % page_bytes, value, size);
    }
    return true;
  }

  /// What follows every access of the machine; `Outcome` is svm::errc or svm::mock::sys.
  template <class Outcome>
  [[nodiscard]] bool is_served(trace_access const& whole, svm::access_kind want, std::uint64_t address, Outcome how) {
    if (fault_count() != faults_seen_) look_after_faults(address);
    return how == Outcome::ok || refuse(whole, want, how);
  }

  // Most accesses are of a word or less, and a call of memcmp or memcpy costs more than they do.
  template <class Word>
  [[nodiscard]] static bool same_word(std::byte const* a, std::byte const* b) {
    return std::memcmp(a, b, sizeof(Word)) == 0;
  }
  [[nodiscard]] static bool same(std::byte const* a, std::byte const* b, std::size_t size) {
    switch (size) {
      case 1:
        return *a == *b;
      case 4:
        return same_word<std::uint32_t>(a, b);
      case 8:
        return same_word<std::uint64_t>(a, b);
      default:
        return std::memcmp(a, b, size) == 0;
    }
  }
  static void copy_bytes(std::byte* to, std::byte const* from, std::size_t size) {
    switch (size) {
      case 1:
        *to = *from;
        break;
      case 4:
        std::memcpy(to, from, 4);
        break;
      case 8:
        std::memcpy(to, from, 8);
        break;
      default:
        std::memcpy(to, from, size);
    }
  }

  /// A number whose bytes all depend on all of `n`.
  [[nodiscard]] static std::uint64_t scrambled(std::uint64_t n) {
    n = (n + 1) * 0x9e3779b97f4a7c15u;
    n = (n ^ n >> 32) * 0xd6e8feb86659fd93u;
    return n ^ n >> 32;
  }
  /// The value of the store with the present ordinal.
  void make_value(std::size_t size) {
    for (std::size_t done = 0; done < size; done += sizeof(std::uint64_t)) {
      std::uint64_t const word = scrambled(counts_.stores + (std::uint64_t{done} << 40));
      std::memcpy(value_.data() + done, &word, sizeof word);
    }
  }

  [[nodiscard]] page_copy* find_copy(trace_access const& whole, svm::access_kind want, std::uint64_t address) {
    std::uint64_t const number = address / page_bytes;
    cached_page const& cached = cache_[number % cache_size];
    return cached.number == number ? cached.copy : touch(whole, want, number);
  }
  [[nodiscard]] std::uint64_t fault_count() const {
    return computer_.stats.count(svm::event_kind::gpu_fault) + task_.process.cpu_faults();
  }
  [[nodiscard]] page_copy* touch(trace_access const& whole, svm::access_kind want, std::uint64_t number);
  [[nodiscard]] block* map_block(trace_access const& whole, svm::access_kind want, std::uint64_t number);
  void prefill(block& b, std::uint64_t first_page);
  static void fill_pattern(std::span<std::byte, page_bytes> bytes, std::uint64_t page);
  [[nodiscard]] bool takes_warp(trace_access const& a);
  void deal(trace_access const& a, std::uint64_t line);
  void run_warps();
  void report_fault(std::uint32_t who, std::uint64_t page, svm::access_kind want);
  void let_time_pass();
  void serve_batch();
  [[nodiscard]] std::optional<wanted_page> go_on(warp_access& at);
  template <svm::access_kind Want>
  [[nodiscard]] std::optional<wanted_page> make(warp_access& at);
  template <svm::access_kind Want>
  [[nodiscard]] bool reach(page_copy& copy, std::uint64_t address, std::size_t from, std::size_t size);
  void end_pins();
  void serve_faults();
  void ask_again(std::span<svm::block_fault> answered);
  void read_back(svm::block_fault const& served, std::uint64_t offset);
  [[nodiscard]] auto& service() { return *task_.views[gpu]->blocks; }
  void take_turns();
  void pause();
  void follow(std::span<std::uint64_t const> faulted);
  void follow_block(std::uint64_t number, block& b, svm::page_mask const& faulted);
  [[nodiscard]] std::uint64_t unused_of(block const& b, svm::page_mask const& left) const;
  /// Accesses take their time; pins may end by then, and counters may have something to tell.
  void pass_time(std::uint64_t accesses) {
    computer_.clock.advance({access_time.nanoseconds * accesses});
    if (pins_end_ && !svm::is_before(computer_.clock.now(), *pins_end_)) end_pins();
    if (task_.views[gpu]->notices) serve_notices();
  }
  void serve_notices();
  void look_after_faults(std::uint64_t address);
  void look_after_faults(std::span<svm::block_fault const> served);
  void check_after_faults();
  void record_incidents(std::uint64_t page);
  void record(incident what, std::uint64_t count, std::uint64_t page, page_track* track, std::uint64_t bytes = 0);
  [[nodiscard]] page_track* track_of(std::uint64_t page) {
    return record_.map != nullptr ? record_.map->find(page) : nullptr;
  }
  [[nodiscard]] static svm::cpu_va address_of(std::uint64_t page) { return {page * page_bytes}; }
  void set_time(std::uint64_t accesses);
  void sample_use();
  void sample_places(svm::va_range span);
  void check_rules();
  void tell_broken_rules();
  // These return false, as the access does.
  bool refuse(trace_access const& a, svm::access_kind want, svm::errc why);
  bool refuse(trace_access const& a, svm::access_kind want, svm::mock::sys why);
  bool refuse(trace_access const& a, svm::access_kind want, std::string_view why);
  void tell_wrong_load(std::uint64_t address, std::byte const* expected, std::size_t size);

  static constexpr std::size_t gpu = 0;

  machine& computer_;
  typename machine::task& task_;
  replay_options const options_;
  complaint const complain_;
  recording const record_;
  replay_counts counts_;
  std::uint64_t line_ = 0;
  bool on_cpu_;
  std::uint64_t left_of_turn_;
  std::uint64_t next_pause_ = 0;  // pause() is due after this many accesses
  std::uint64_t faults_seen_ = 0;
  std::uint64_t gpu_faults_recorded_ = 0, cpu_faults_recorded_ = 0;
  std::uint64_t next_check_ = least_between_checks;
  std::uint64_t faults_since_check_ = 0;
  std::unordered_map<std::uint64_t, block> blocks_;
  std::array<cached_page, cache_size> cache_{};
  std::array<std::byte, page_bytes> found_{};
  std::array<std::byte, page_bytes> value_{};
  // Of a GPU whose faults are served in batches.
  using batch_of_faults = svm::placement::fault_batch<svm::mock::fault_unit, replay_options::most_batch>;
  static constexpr std::size_t most_kept = 4096;
  bool const follows_;  // notes which pages were prefetched
  std::vector<std::uint64_t> faulted_;
  bool const ticks_;  // each access takes time
  std::optional<svm::time_point> pins_end_;
  svm::mock::fault_unit faults_of_gpu_;
  std::unique_ptr<batch_of_faults> batch_;  // null where accesses do not wait for each other
  svm::mock::warps<warp_access> warps_;
  std::uint64_t unnamed_ = 0;  // accesses that name no warp
  std::vector<throttle> throttled_;
  std::vector<svm::block_fault> faults_;      // of the batch that is being read or served
  std::vector<std::uint64_t> fault_offsets_;  // where they stand in the list
  std::vector<seen_event> events_;            // since the last fault was looked after; never grows
  bool events_lost_ = false;
};

}  // namespace svmsh

#include "replayer_faults.hpp"
#include "replayer_rare.hpp"

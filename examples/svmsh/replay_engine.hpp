// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "lackey.hpp"
#include "replay_history.hpp"
#include "shell_machine.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace svmsh {

/// Who makes the data accesses of a replay.
struct replay_options {
  bool prefill = true;
  bool start_on_cpu = false;
  std::uint64_t turns = 0;  ///< accesses until the other one goes on; 0: never
};

/// Serves the data accesses of a trace on a machine, and compares every load with a flat copy of what was stored.
///
/// Accesses are those of the program: a modify is two of them, one that crosses a page is one.
class replayer {
 public:
  /// Told what is wrong with the access of a line, in one line of text.
  using complaint = std::function<void(std::uint64_t line, std::string const& text)>;
  /// Of each kind of complaint only the first ones come out; `done` has their number.
  static constexpr std::uint64_t complaints_told = 8;

  struct counts {
    std::uint64_t loads = 0, stores = 0;
    std::uint64_t distinct_pages = 0;
    std::uint64_t wrong_loads = 0;   ///< loads that found something else than the flat copy
    std::uint64_t refused = 0;       ///< accesses that the machine refused, and blocks that it could not prepare
    std::uint64_t broken_rules = 0;  ///< what the machine's oracle saw

    [[nodiscard]] std::uint64_t accesses() const { return loads + stores; }
    [[nodiscard]] bool clean() const { return wrong_loads + refused + broken_rules == 0; }
  };

  /// `drawing`, if not null, is told where memory was; both it and the machine outlive the replay.
  replayer(shell_machine& computer, replay_options const& options, complaint complain, history* drawing);
  ~replayer();
  replayer(replayer const&) = delete;
  replayer& operator=(replayer const&) = delete;

  /// Serves one access of the trace.
  void access(trace_access const& a, std::uint64_t line) {
    line_ = line;
    if (a.kind != access_kind::store) perform<svm::access::read>(a);
    if (a.kind != access_kind::load) perform<svm::access::write>(a);
  }

  /// To be called behind the last access, while the machine is still whole.
  void finish();

  [[nodiscard]] counts const& done() const { return counts_; }

 private:
  static constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
  static constexpr std::uint64_t block_pages = history::block_pages;
  static constexpr std::size_t cache_size = 1024;
  static constexpr std::uint64_t least_between_checks = std::uint64_t{1} << 22;

  /// What a page must hold.
  struct page_copy {
    std::array<std::byte, page_bytes> bytes;
    page_track* track;
  };
  struct block {
    std::uint64_t filled = 0;  // pages from the first one on that the CPU filled
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
  };

  template <svm::access Want>
  void perform(trace_access const& a) {
    counts_.loads += Want == svm::access::read ? 1 : 0;
    counts_.stores += Want == svm::access::write ? 1 : 0;
    if (counts_.accesses() > next_pause_) pause();
    if (left_of_turn_ == 0) take_turns();
    --left_of_turn_;
    if (Want == svm::access::write) make_value(a.size);
    if (std::uint64_t const room = page_bytes - a.address % page_bytes; a.size <= room) {
      static_cast<void>(piece<Want>(a, a.address, value_.data(), a.size));
    } else if (a.address + room == 0) {
      refuse(a, Want, "it passes 2^64");
    } else if (piece<Want>(a, a.address, value_.data(), room)) {
      static_cast<void>(piece<Want>(a, a.address + room, value_.data() + room, a.size - room));
    }
  }

  /// Serves the part of an access that lies in one page; false when the machine refused it.
  template <svm::access Want>
  [[nodiscard]] bool piece(trace_access const& whole, std::uint64_t address, std::byte const* value, std::size_t size) {
    page_copy* const copy = find_copy(whole, Want, address);
    if (copy == nullptr) return false;
    if (drawing_ != nullptr) drawing_->access(*copy->track);
    std::byte* const expected = copy->bytes.data() + address % page_bytes;
    svm::cpu_va const at{address};
    if constexpr (Want == svm::access::read) {
      std::span<std::byte> const found{found_.data(), size};
      if (on_cpu_ ? !is_served(whole, Want, address, computer_.process.load(at, found))
                  : !is_served(whole, Want, address, computer_.gpu_load(at, found)))
        return false;
      if (!same(found.data(), expected, size)) tell_wrong_load(address, expected, size);
    } else {
      std::span<std::byte const> const from{value, size};
      if (on_cpu_ ? !is_served(whole, Want, address, computer_.process.store(at, from))
                  : !is_served(whole, Want, address, computer_.gpu_store(at, from)))
        return false;
      copy_bytes(expected, value, size);
    }
    return true;
  }

  /// What follows every access of the machine; `Outcome` is svm::errc or svm::mock::sys.
  template <class Outcome>
  [[nodiscard]] bool is_served(trace_access const& whole, svm::access want, std::uint64_t address, Outcome how) {
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

  [[nodiscard]] page_copy* find_copy(trace_access const& whole, svm::access want, std::uint64_t address) {
    std::uint64_t const number = address / page_bytes;
    cached_page const& cached = cache_[number % cache_size];
    return cached.number == number ? cached.copy : touch(whole, want, number);
  }
  [[nodiscard]] std::uint64_t fault_count() const {
    return computer_.stats.count(svm::event_kind::gpu_fault) + computer_.process.cpu_faults();
  }
  [[nodiscard]] page_copy* touch(trace_access const& whole, svm::access want, std::uint64_t number);
  [[nodiscard]] block* map_block(trace_access const& whole, svm::access want, std::uint64_t number);
  void prefill(block& b, std::uint64_t first_page);
  static void fill_pattern(std::span<std::byte, page_bytes> bytes, std::uint64_t page);
  void take_turns();
  void pause();
  void look_after_faults(std::uint64_t address);
  void draw_incidents(std::uint64_t page);
  void sample_places(svm::va_range span);
  void check_rules();
  void tell_broken_rules();
  // These return false, as the access does.
  bool refuse(trace_access const& a, svm::access want, svm::errc why);
  bool refuse(trace_access const& a, svm::access want, svm::mock::sys why);
  bool refuse(trace_access const& a, svm::access want, std::string_view why);
  void tell_wrong_load(std::uint64_t address, std::byte const* expected, std::size_t size);

  shell_machine& computer_;
  replay_options const options_;
  complaint const complain_;
  history* const drawing_;
  counts counts_;
  std::uint64_t line_ = 0;
  bool on_cpu_;
  std::uint64_t left_of_turn_;
  std::uint64_t next_pause_ = 0;  // pause() is due after this many accesses
  std::uint64_t faults_seen_ = 0;
  std::uint64_t gpu_faults_drawn_ = 0, cpu_faults_drawn_ = 0;
  std::uint64_t next_check_ = least_between_checks;
  std::uint64_t faults_since_check_ = 0;
  std::unordered_map<std::uint64_t, block> blocks_;
  std::array<cached_page, cache_size> cache_{};
  std::array<std::byte, page_bytes> found_{};
  std::array<std::byte, page_bytes> value_{};
  std::vector<seen_event> events_;  // since the last fault was looked after; never grows
  bool events_lost_ = false;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Ways to break what no call could break, and to ask the oracle what it says.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <pagemap/scene.hpp>

namespace oracle_seams {

using namespace support;

using svm::device_address;
using svm::dma_direction;
using svm::interconnect;
using svm::mapping_access;
using svm::mock::page;

namespace {

// An explicit instantiation may name private members, which is how a test gets at what no call could break.
template <auto Retired, auto Pages>
struct open_private {
  friend bool& retired(svm::notifier<policies>& n) { return n.*Retired; }
  friend svm::device_mapping<policies>& pages_of(svm::range<policies>& r) { return r.*Pages; }
};
bool& retired(svm::notifier<policies>& n);
svm::device_mapping<policies>& pages_of(svm::range<policies>& r);
template struct open_private<&svm::notifier<policies>::retired_, &svm::range<policies>::pages_>;

template <auto Blocks, auto Count>
struct open_count {
  friend std::uint32_t& block_count(svm::device_mapping<policies>& p) { return (p.*Blocks).*Count; }
};
std::uint32_t& block_count(svm::device_mapping<policies>& p);
/// The first block of a mapping, to be changed.
inline device_address& first_block(svm::device_mapping<policies>& p) {
  return const_cast<device_address&>(p.blocks_locked()[0]);
}
template struct open_count<&svm::device_mapping<policies>::blocks_,
                           &svm::detail::address_blocks<policies::allocator>::count_>;

template <auto Allocations>
struct open_memory {
  friend auto& allocations(policies::pagemap& m) { return m.*Allocations; }
};
auto& allocations(policies::pagemap& m);
template struct open_memory<&policies::pagemap::allocations_>;

template <auto RangeInterval, auto NotifierInterval>
struct open_intervals {
  // A constant member may be replaced by a new object, which takes its name.
  friend void give_interval(svm::range<policies>& r, va_range span) {
    std::construct_at(const_cast<va_range*>(&(r.*RangeInterval)), span);
  }
  friend void give_interval(svm::notifier<policies>& n, va_range span) {
    std::construct_at(const_cast<va_range*>(&(n.*NotifierInterval)), span);
  }
};
void give_interval(svm::range<policies>& r, va_range span);
void give_interval(svm::notifier<policies>& n, va_range span);
template struct open_intervals<&svm::range<policies>::interval_, &svm::notifier<policies>::interval_>;

template <auto Flags>
struct open_flags {
  friend void set_flags(svm::device_mapping<policies>& p, std::uint32_t flags) { (p.*Flags).store(flags); }
};
void set_flags(svm::device_mapping<policies>& p, std::uint32_t flags);
template struct open_flags<&svm::device_mapping<policies>::flags_>;

template <auto List, auto Sequence>
struct open_sequence {
  friend svm::interval_sequence& sequence_of(svm::mock::notifiers<lock_policy>& n) { return (n.*List).*Sequence; }
};
svm::interval_sequence& sequence_of(svm::mock::notifiers<lock_policy>& n);
template struct open_sequence<&svm::mock::notifiers<lock_policy>::list_,
                              &svm::port::notifier_list<lock_policy>::sequence_>;

/// The entry's permission, which only an explicit instantiation reaches.
template <auto Table>
struct open_table {
  friend bool& writable(svm::mock::address_space<lock_policy>& process, cpu_va a) {
    return (process.*Table).at(a).writable;
  }
};
bool& writable(svm::mock::address_space<lock_policy>& process, cpu_va a);
template struct open_table<&svm::mock::address_space<lock_policy>::table_>;

}  // namespace

/// How many lines the machine has written about a rule since the last time.
inline std::size_t said(world& w, std::string const& rule) {
  std::size_t n = 0;
  for (auto* const from : {&w.broken, &svm::mock::lock_report()})
    for (std::string const& line : from->take()) n += line.starts_with(rule + ":") ? 1 : 0;
  return n;
}
/// The same for all rules that hold when nothing is under way.
inline std::size_t found(world& w, std::string const& rule) {
  w.check_quiet();
  return said(w, rule);
}
/// The rules that the machine has written about since the last time, ascending: "O-02 O-05".
inline std::string rules(world& w) {
  std::set<std::string> found;
  for (auto* const from : {&w.broken, &svm::mock::lock_report()})
    for (std::string const& line : from->take()) found.insert(line.substr(0, line.find(':')));
  std::string text;
  for (std::string const& rule : found) text += (text.empty() ? "" : " ") + rule;
  return text;
}
/// What the check of everything finds.
inline std::string far(world& w) {
  w.check_quiet();
  return rules(w);
}
/// What a check of what changed finds, when this did.
inline std::string near(world& w, va_range changed, svm::mock::moment when = svm::mock::moment::returned) {
  w.process.changed().note(changed);
  w.check_touched(when);
  return rules(w);
}
inline std::string at_step(world& w, va_range changed) {
  return near(w, changed, svm::mock::moment::step);
}
/// All three find just this.
inline void check_all_find(world& w, va_range changed, std::string const& rule) {
  CHECK(at_step(w, changed) == rule);
  CHECK(near(w, changed) == rule);
  CHECK(far(w) == rule);
}
/// True when the closing audit says this.
inline bool audit_says(world& w, std::string const& text) {
  auto const lines = w.finish();
  CAPTURE(lines);
  return std::ranges::any_of(lines, [&](std::string const& line) { return line.find(text) != std::string::npos; });
}

inline device_address block(svm::dma_addr a, dma_direction way = dma_direction::bidirectional) {
  return {.address = a, .direction = way};
}
/// Puts an entry into the GPU's page table behind the library's back.
inline void plant_entry(world& w, cpu_va a, device_address const& where,
                        mapping_access how = mapping_access::read_write) {
  REQUIRE(w.device.prepare(span(a, page_bytes)) == errc::ok);
  w.device.commit(span(a, page_bytes), {&where, 1}, how);
}
inline void remove_entry(world& w, cpu_va a) {
  w.device.invalidate(span(a, page_bytes));
}

/// Stands behind device pages, and cares for nothing.
struct freed_nowhere final : svm::device_page_owner<page> {
  freed_nowhere() : device_page_owner(kind) {}
  static constexpr family kind{};
  [[nodiscard]] svm::page_owner owner() const noexcept override { return {1, 0}; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override { return {}; }
  void page_freed(page, svm::page_order) noexcept override {}
  void page_split(page, svm::page_order, svm::page_order) noexcept override {}
};

struct silent_target : svm::invalidation_target {
  world* w = nullptr;
  svm::mock::address_space<lock_policy>::registration registration;
  int sequences = 1;
  svm::invalidation_answer answer = svm::invalidation_answer::done;

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const&,
                                                    std::uint64_t sequence) noexcept override {
    for (int i = 0; i < sequences; ++i) w->process.set_sequence(registration, sequence);
    return answer;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {}
};

inline va_range const first_chunk{base, byte_count{chunk}};

/// A machine whose references are all known: nobody but the machine has any.
struct exact : world {
  template <class... Set>
  explicit exact(Set... set) : world(small_chunks(MiB, [&](auto& o) { (set(o), ...); })) {
    has_users = false;
    map(2 * chunk);
  }
};
inline void in_system(svm::mock::machine_options& o) {
  o.driver.migrate = svm::migration_mode::never;
}
inline std::uint32_t frame_at(world& w, cpu_va a) {
  return w.process.entry_at(a).target.frame;
}

}  // namespace oracle_seams

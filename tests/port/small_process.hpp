// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Processes on the parts of svm/port/, whose locks and allocations are checked, and that a test can disturb anywhere.

#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/port.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace small {

using svm::cpu_va;
using svm::errc;
using svm::page_order;
using svm::slot_state;

using lock_policy = svm::mock::rank_checked<svm::null_lock>;
class process;
using frame_table = svm::port::frame_table<process, std::uint64_t, lock_policy, svm::mock::counting_allocator>;
using page = frame_table::page;
using slot = svm::migration_slot<page>;
using guard = svm::exclusive_guard<frame_table::lock_type>;

constexpr std::uint64_t page_bytes = frame_table::page_size.value;
[[nodiscard]] constexpr cpu_va at(std::uint64_t page_number) {
  return {page_number * page_bytes};
}
[[nodiscard]] constexpr svm::va_range pages(std::uint64_t first, std::uint64_t count) {
  return {at(first), svm::byte_count{count * page_bytes}};
}

/// What all processes share.
struct machine {
  svm::mock::failure_plan failures;
  svm::mock::report broken;
  svm::mock::counting_allocator heap{failures, broken};
  frame_table memory{heap};
  std::uint64_t last_id = 0;

  machine() = default;
  machine(machine const&) = delete;
  machine& operator=(machine const&) = delete;

  /// What checks of locks and allocations found.
  [[nodiscard]] std::string complaints() {
    std::string all;
    for (auto* from : {&broken, &svm::mock::lock_report()})
      for (std::string const& line : from->take()) all += line + "\n";
    return all;
  }
  template <class Look>
  auto look(Look&& what) {
    guard const g{memory.lock()};
    return what(memory);
  }
  [[nodiscard]] bool is_alive(page p) {
    return look([p](frame_table& f) { return f.is_alive(p); });
  }
  [[nodiscard]] std::uint32_t others(page p) {
    return look([p](frame_table& f) {
      f.lock().assert_held();
      return f.others_locked(p);
    });
  }
  [[nodiscard]] bool is_locked(page p) {
    return look([p](frame_table& f) {
      f.lock().assert_held();
      return f.is_locked(p);
    });
  }
  void pin(page p) {
    look([p](frame_table& f) {
      f.lock().assert_held();
      f.get_locked(p);
    });
  }
};

/// A model of `svm::mm` without walks: a test maps pages by hand.
class process : public svm::port::notifier_list<lock_policy>,
                public svm::port::page_migration<process, frame_table, lock_policy::mutex<svm::lock_rank::page>> {
  friend page_migration;
  using migrations = page_migration;

 public:
  using page = small::page;

  explicit process(machine& home) : home_(home), id_{++home.last_id} {}
  ~process() { unmap(pages(0, 1 << 20)); }

  [[nodiscard]] svm::space_id id() const noexcept { return id_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(cpu_va a) noexcept {
    if (!area.contains(a)) return errc::no_vma;
    return svm::vma_info{area, true, true, migratable};
  }

  /// The page becomes mapped at an address.
  void map(std::uint64_t where, page p) {
    guard const g{home_.memory.lock()};
    home_.memory.map_locked(*make_mapping(at(where)), p);
  }
  /// A block of new system memory becomes mapped; each page holds a value of its own.
  page fill(std::uint64_t first, page_order order = {}) {
    page const block = *home_.memory.allocate_ram(order);
    for (std::uint64_t i = 0; i < order.pages().value; ++i) {
      home_.memory.content(frame_table::after(block, i)) = 1000 * id_.value + first + i;
      map(first + i, frame_table::after(block, i));
    }
    home_.memory.put(block);
    return block;
  }
  void unmap(svm::va_range span) {
    frame_table::freed_list freed;
    static_cast<void>(invalidate({span, svm::invalidation_cause::unmap}, [&] {
      guard const g{home_.memory.lock()};
      auto const end = table_.upper_bound(span.last().value);
      for (auto m = table_.lower_bound(span.start().value); m != end; m = table_.erase(m))
        home_.memory.unmap_locked(m->second, freed);
    }));
    home_.memory.tell(freed);
  }
  /// The page at an address, or none; also one that a migration has.
  [[nodiscard]] page target(std::uint64_t where) {
    guard const g{home_.memory.lock()};
    auto const* const m = find_mapping(at(where));
    return m == nullptr ? page{} : m->target;
  }
  [[nodiscard]] bool is_usable(std::uint64_t where) {
    guard const g{home_.memory.lock()};
    auto const* const m = find_mapping(at(where));
    return m != nullptr && !m->migrating;
  }
  [[nodiscard]] std::size_t mapped_pages() const { return table_.size(); }
  template <class Change>
  bool invalidate(svm::invalidation const& event, Change&& change) {
    events.push_back(event);
    return notifier_list::invalidate(event, change);
  }
  using migrations::bring_back;
  using migrations::populate;

  svm::va_range area = pages(0, 64);
  bool migratable = true;
  page_order hole_order{};                                 ///< of the blocks that holes get
  std::uint64_t mappings_left = UINT64_MAX;                ///< how many more can be made
  std::function<void(svm::port::migration_step)> on_step;  ///< called at each visible point
  std::vector<svm::invalidation> events;

 private:
  [[nodiscard]] frame_table& frames() { return home_.memory; }
  [[nodiscard]] frame_table::mapping* find_mapping(cpu_va a) {
    auto const m = table_.find(a.value);
    return m == table_.end() ? nullptr : &m->second;
  }
  [[nodiscard]] frame_table::mapping* make_mapping(cpu_va a) {
    if (mappings_left == 0) return nullptr;
    --mappings_left;
    return &table_.try_emplace(a.value, *this, a).first->second;
  }
  [[nodiscard]] page_order hole_around_locked(cpu_va a) {
    svm::va_range const block = svm::aligned_block(a, page_size * hole_order.pages().value);
    auto const next = table_.lower_bound(block.start().value);
    bool const is_free = next == table_.end() || next->first > block.last().value;
    return is_free && area.contains(block) ? hole_order : page_order{};
  }
  void reached(svm::port::migration_step s) {
    if (on_step) std::exchange(on_step, nullptr)(s);
  }

  machine& home_;
  svm::space_id const id_;
  std::map<std::uint64_t, frame_table::mapping> table_;
};

/// What stands behind device memory, as the library is.
class memory_owner final : public svm::device_page_owner<page> {
  static constexpr family kind{};

 public:
  struct split {
    page first;
    page_order from;
  };
  explicit memory_owner(machine& home, std::uint32_t member = 1)
      : device_page_owner(kind), home_(home), who_{1, member} {}
  [[nodiscard]] svm::page_owner owner() const noexcept override { return who_; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const& fault) noexcept override {
    faults.push_back(fault);
    return on_fault ? on_fault(fault) : svm::cpu_fault_answer{};
  }
  void page_freed(page first, page_order order) noexcept override {
    freed += order.pages().value;
    freed_blocks.push_back(first);
  }
  void page_split(page first, page_order from, page_order) noexcept override { splits.push_back({first, from}); }

  /// A new block of device memory, locked and with one reference.
  [[nodiscard]] page block(page_order order = {}) {
    page const first = *home_.memory.add(order.pages(), true);
    guard const g{home_.memory.lock()};
    home_.memory.adopt_locked(first, order, *this, false);
    return first;
  }

  std::function<svm::cpu_fault_answer(svm::cpu_fault<page> const&)> on_fault;
  std::vector<svm::cpu_fault<page>> faults;
  std::vector<split> splits;
  std::vector<page> freed_blocks;
  std::uint64_t freed = 0;  ///< pages

 private:
  machine& home_;
  svm::page_owner const who_;
};

}  // namespace small

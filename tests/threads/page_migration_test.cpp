// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Migrations on a frame table on real threads: every page that a process maps holds what its address says, wherever it
// lies and whoever moves it.

#include <svm/port/page_migration.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <svm/port/frame_table.hpp>
#include <svm/port/notifier_list.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/std_lock.hpp>

namespace {

using svm::cpu_va;
using svm::errc;
using svm::page_order;
using svm::slot_state;

class process;
using table = svm::port::frame_table<process, std::uint64_t, svm::std_lock, svm::heap>;
using page = table::page;
using slot = svm::migration_slot<page>;
using guard = svm::exclusive_guard<table::lock_type>;

constexpr std::uint64_t area_pages = 32;
constexpr std::uint64_t pool_pages = 64;

cpu_va at(std::uint64_t number) {
  return {number * table::page_size.value};
}
svm::va_range pages(std::uint64_t first, std::uint64_t count) {
  return {at(first), table::page_size * count};
}
/// What the page at an address holds, in each process.
std::uint64_t value_at(std::uint64_t number) {
  return 1000 + number;
}

class process : public svm::port::notifier_list<svm::std_lock>, public svm::port::page_migration<process, table> {
  friend page_migration;
  using migrations = page_migration;

 public:
  process(table& memory, std::uint64_t number) : memory_(memory), id_{number} {}

  [[nodiscard]] svm::space_id id() const noexcept { return id_; }
  [[nodiscard]] svm::result<svm::vma_info> find_vma(cpu_va) noexcept {
    return svm::vma_info{pages(0, area_pages), true, true, true};
  }
  /// Maps a page that the caller has a reference on, where nothing is.
  void map(std::uint64_t where, page p) {
    guard const g{memory_.lock()};
    if (find_mapping(at(where)) == nullptr) memory_.map_locked(*make_mapping(at(where)), p);
  }
  void fill(std::uint64_t where) {
    page const fresh = *memory_.allocate_ram();
    memory_.content(fresh) = value_at(where);
    map(where, fresh);
    memory_.put(fresh);
  }
  void unmap(svm::va_range span) {
    table::freed_list freed;
    static_cast<void>(invalidate({span, svm::invalidation_cause::unmap}, [&] {
      guard const g{memory_.lock()};
      auto const end = entries_.upper_bound(span.last().value);
      for (auto m = entries_.lower_bound(span.start().value); m != end; m = entries_.erase(m))
        memory_.unmap_locked(m->second, freed);
    }));
    memory_.tell(freed);
  }
  /// The page at an address with a reference of its own, or none; a page that a migration has counts as none.
  [[nodiscard]] page get(std::uint64_t where) {
    guard const g{memory_.lock()};
    auto const* const m = find_mapping(at(where));
    if (m == nullptr || m->migrating) return {};
    memory_.get_locked(m->target);
    return m->target;
  }
  /// The page of device memory at an address, or none.
  [[nodiscard]] page device_page(std::uint64_t where) {
    guard const g{memory_.lock()};
    auto const* const m = find_mapping(at(where));
    return m == nullptr || !memory_.is_device(m->target) ? page{} : m->target;
  }
  using migrations::bring_back;

 private:
  [[nodiscard]] table& frames() { return memory_; }
  [[nodiscard]] table::mapping* find_mapping(cpu_va a) {
    auto const m = entries_.find(a.value);
    return m == entries_.end() ? nullptr : &m->second;
  }
  [[nodiscard]] table::mapping* make_mapping(cpu_va a) {
    return &entries_.try_emplace(a.value, *this, a).first->second;
  }

  table& memory_;
  svm::space_id const id_;
  std::map<std::uint64_t, table::mapping> entries_;  // under the lock of the table
};

/// Device memory that is used again and again.
class pool final : public svm::device_page_owner<page> {
  static constexpr family kind{};

 public:
  explicit pool(table& memory) : device_page_owner(kind), memory_(memory) {
    first_ = *memory.add(svm::page_count{pool_pages}, true);
    for (std::uint64_t i = 0; i < pool_pages; ++i) free_.push_back(table::after(first_, i));
  }
  ~pool() { memory_.remove(first_); }
  [[nodiscard]] svm::page_owner owner() const noexcept override { return {1, 1}; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const& fault) noexcept override {
    return on_fault(fault);
  }
  void page_freed(page first, page_order) noexcept override {
    svm::exclusive_guard const g{lock_};
    free_.push_back(first);
  }
  void page_split(page, page_order, page_order) noexcept override {}

  /// A page, locked and with one reference; none when all are in use.
  [[nodiscard]] page take(process& by) {
    page p{};
    {
      svm::exclusive_guard const g{lock_};
      if (free_.empty()) return p;
      p = free_.back();
      free_.pop_back();
    }
    by.adopt_device_page(p, {}, *this, false);
    return p;
  }
  [[nodiscard]] page any(svm::mock::random& draw) const { return table::after(first_, draw.below(pool_pages)); }
  [[nodiscard]] bool is_whole() {
    svm::exclusive_guard const g{lock_};
    return free_.size() == pool_pages;
  }

  std::function<svm::cpu_fault_answer(svm::cpu_fault<page> const&)> on_fault;

 private:
  table& memory_;
  page first_;
  svm::std_lock::mutex<svm::lock_rank::leaf_device_memory> lock_;
  std::vector<page> free_ SVM_GUARDED_BY(lock_);
};

}  // namespace

TEST_SUITE("port/page_migration, threads") {
  TEST_CASE("pages hold what their addresses say, whoever fills, shares, moves, evicts and unmaps them meanwhile") {
    constexpr int rounds = 400;
    svm::heap heap;
    table memory{heap};
    pool device{memory};
    process one{memory, 1};
    process two{memory, 2};
    std::array<process*, 2> const all{&one, &two};
    std::atomic<int> wrong{0};
    std::atomic<int> moved_out{0};
    std::atomic<int> moved_back{0};

    auto const to_system = [&](process& by, std::span<slot> slots, svm::page_scope const* within, page faulting) {
      process::migration session;
      by.collect_pages(session, slots, within, faulting);
      for (slot& s : slots) {
        if (!s.is_collected()) continue;
        s.destination = *by.allocate_page({});
        memory.content(s.destination) = memory.content(s.source);
      }
      by.install(session);
      for (slot const& s : slots) moved_back += s.is_collected() ? 1 : 0;
    };
    device.on_fault = [&](svm::cpu_fault<page> const& fault) {
      std::array<slot, 1> slots{slot{.source = fault.page}};
      svm::page_scope const within{fault.space, fault.vma};
      to_system(one, slots, &within, fault.page);
      return svm::cpu_fault_answer{};
    };

    auto const fill_and_share = [&](svm::mock::random& draw) {
      process& p = *all[draw.below(2)];
      std::uint64_t const where = draw.below(area_pages);
      p.fill(where);
      if (page const there = p.get(where); there != page{}) {
        if (draw.below(4) == 0) all[draw.below(2)]->map(where, there);
        memory.put(there);
      }
    };
    auto const unmap = [&](svm::mock::random& draw) {
      all[draw.below(2)]->unmap(pages(draw.below(area_pages - 4), 1 + draw.below(4)));
    };
    auto const to_device = [&](svm::mock::random& draw) {
      process& p = *all[draw.below(2)];
      std::uint64_t const first = draw.below(area_pages - 4);
      std::array<slot, 4> slots{};
      process::migration session;
      if (p.collect(session, pages(first, 4), slots, svm::nobody) != errc::ok) ++wrong;
      for (std::size_t i = 0; i < slots.size(); ++i) {
        if (!slots[i].is_collected() || draw.below(4) == 0) continue;
        slots[i].destination = device.take(p);
        if (slots[i].destination == page{}) continue;
        if (slots[i].state == slot_state::collected && memory.content(slots[i].source) != value_at(first + i)) ++wrong;
        memory.content(slots[i].destination) = value_at(first + i);
      }
      if (draw.below(8) != 0) p.install(session);
      for (slot const& s : slots) moved_out += s.is_collected() && s.destination != page{} ? 1 : 0;
    };
    auto const evict = [&](svm::mock::random& draw) {
      std::array<slot, 6> slots{};
      for (std::size_t i = 0; i < slots.size(); ++i) {
        page const p = device.any(draw);
        bool known = false;
        for (std::size_t k = 0; k < i; ++k) known = known || slots[k].source == p;
        if (!known) slots[i].source = p;
      }
      to_system(*all[draw.below(2)], slots, nullptr, page{});
    };
    auto const fault = [&](svm::mock::random& draw) {
      process& p = *all[draw.below(2)];
      std::uint64_t const where = draw.below(area_pages);
      if (page const there = p.device_page(where); there != page{})
        static_cast<void>(p.bring_back(at(where), there, pages(0, area_pages)));
    };
    auto const look = [&](svm::mock::random& draw) {
      process& p = *all[draw.below(2)];
      std::uint64_t const where = draw.below(area_pages);
      page const there = p.get(where);
      if (there == page{}) return;
      if (memory.content(there) != value_at(where)) ++wrong;
      memory.put(there);
    };

    std::vector<std::thread> threads;
    auto const run = [&](std::uint64_t seed, auto body) {
      threads.emplace_back([body, seed] {
        svm::mock::random draw{seed};
        for (int i = 0; i < rounds; ++i) body(draw);
      });
    };
    run(1, fill_and_share);
    run(2, unmap);
    run(3, to_device);
    run(4, evict);
    run(5, fault);
    run(6, look);
    run(7, to_device);
    for (std::thread& t : threads) t.join();
    CHECK(wrong == 0);
    svm::mock::random draw{8};
    for (process* const p : all)
      for (std::uint64_t i = 0; i < area_pages; ++i) {
        page const there = p->get(i);
        if (there == page{}) continue;
        CHECK(memory.content(there) == value_at(i));
        memory.put(there);
      }
    // Whatever the threads came to, both ways are taken now.
    one.unmap(pages(0, area_pages));
    for (std::uint64_t i = 0; i < area_pages; ++i) one.fill(i);
    for (int i = 0; i < 50; ++i) to_device(draw);
    for (int i = 0; i < 50; ++i) evict(draw);
    CHECK(moved_out > 0);
    CHECK(moved_back > 0);
    CHECK(wrong == 0);
    for (process* const p : all) p->unmap(pages(0, area_pages));
    CHECK(device.is_whole());
  }
}

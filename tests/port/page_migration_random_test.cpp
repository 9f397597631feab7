// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Random programs of migrations, faults, shared mappings and pins, against a model that knows only which values a program
// sees where.

#include <svm/port/page_migration.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <port/small_process.hpp>
#include <svm/mock/machine/random.hpp>

using namespace small;
using svm::port::migration_step;

namespace {

/// Device memory that ends with its last page, as the library's allocations do.
class allocations final : public svm::device_page_owner<page> {
  static constexpr family kind{};

 public:
  explicit allocations(machine& home) : device_page_owner(kind), home_(home) {}
  [[nodiscard]] svm::page_owner owner() const noexcept override { return {1, 1}; }
  [[nodiscard]] svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const& fault) noexcept override {
    return on_fault(fault);
  }
  void page_freed(page first, page_order order) noexcept override {
    auto const home = std::prev(left_.upper_bound(first.value));
    if ((home->second -= order.pages().value) != 0) return;
    page const whole{home->first};
    left_.erase(home);
    home_.memory.remove(whole);
  }
  void page_split(page, page_order, page_order) noexcept override { ++splits; }

  /// A block, locked and with one reference.
  [[nodiscard]] page block(page_order order) {
    page const first = *home_.memory.add(order.pages(), true);
    left_[first.value] = order.pages().value;
    guard const g{home_.memory.lock()};
    home_.memory.adopt_locked(first, order, *this, false);
    return first;
  }
  /// Each of the blocks that were made and have not ended.
  [[nodiscard]] std::map<std::uint64_t, std::uint64_t> const& left() const { return left_; }

  std::function<svm::cpu_fault_answer(svm::cpu_fault<page> const&)> on_fault;
  std::uint64_t splits = 0;

 private:
  machine& home_;
  std::map<std::uint64_t, std::uint64_t> left_;  // by first page: how many pages are left
};

class program {
 public:
  explicit program(std::uint64_t seed) : choose_(seed) {
    for (process* const p : {&one_, &two_, &three_}) p->area = pages(0, area_pages);
  }

  void step() {
    switch (choose_.below(10)) {
      case 0:
      case 1:
        return populate();
      case 2:
        return share();
      case 3:
        return unmap();
      case 4:
        return pin();
      case 5:
        return unpin();
      case 6:
      case 7:
        return migrate();
      case 8:
        return fault();
      default:
        return evict();
    }
  }

  /// True when every program sees what it should, and nobody holds what he should not.
  [[nodiscard]] bool check() {
    std::map<std::uint64_t, int> object_of;  // by page
    for (process* const p : all_) {
      auto const& should = mapped_[p];
      if (p->mapped_pages() != should.size()) return false;
      for (auto const& [where, object] : should) {
        page const there = p->target(where);
        if (!p->is_usable(where) || home_.memory.content(there) != values_.at(object)) return false;
        if (object_of.try_emplace(there.value, object).first->second != object) return false;
        std::uint32_t pins = 0;
        for (page const pinned : pins_)
          if (first_of(pinned) == first_of(there)) ++pins;
        if (home_.others(there) != pins || home_.is_locked(there)) return false;
      }
    }
    return true;
  }

  /// Lets go of everything; true when nothing is left.
  [[nodiscard]] bool end() {
    while (!pins_.empty()) unpin();
    for (process* const p : all_) p->unmap(pages(0, area_pages));
    return behind_.left().empty() && home_.heap.live_blocks() == 0;
  }
  [[nodiscard]] std::string complaints() { return home_.complaints(); }
  /// How often what is rare happened: blocks that moved whole, that were split, slots that raced.
  std::uint64_t wholes = 0;
  std::uint64_t raced = 0;
  [[nodiscard]] std::uint64_t splits() const { return behind_.splits; }

 private:
  static constexpr std::uint64_t area_pages = 24;
  static constexpr page_order orders[] = {page_order{0}, page_order{1}, page_order{2}, page_order{3}};

  [[nodiscard]] bool chance(std::uint64_t one_in) { return choose_.below(one_in) == 0; }
  [[nodiscard]] process& any() { return *all_[choose_.below(3)]; }
  [[nodiscard]] page first_of(page p) {
    return home_.look([p](frame_table& f) { return f.first_of(p); });
  }
  [[nodiscard]] svm::va_range span() {
    std::uint64_t const first = choose_.below(area_pages);
    return pages(first, 1 + choose_.below(std::min<std::uint64_t>(8, area_pages - first)));
  }
  /// A page that somebody maps, with a place of it; false when there is none.
  [[nodiscard]] bool find(process*& p, std::uint64_t& where) {
    p = &any();
    if (mapped_[p].empty()) return false;
    where = std::next(mapped_[p].begin(), static_cast<std::ptrdiff_t>(choose_.below(mapped_[p].size())))->first;
    return true;
  }
  /// What is new at an address gets an object of its own, and a value.
  void appear(process& p, std::uint64_t where) {
    mapped_[&p][where] = next_object_;
    home_.memory.content(p.target(where)) = values_[next_object_] = 1000 + static_cast<std::uint64_t>(next_object_);
    ++next_object_;
  }

  void populate() {
    process& p = any();
    std::uint64_t const where = choose_.below(area_pages);
    p.hole_order = orders[choose_.below(4)];
    REQUIRE(p.populate(at(where)) == errc::ok);
    for (std::uint64_t i = 0; i < area_pages; ++i)
      if (p.target(i) != page{} && !mapped_[&p].contains(i)) appear(p, i);
  }
  void share() {
    process* from = nullptr;
    std::uint64_t where = 0;
    process& to = any();
    std::uint64_t const there = choose_.below(area_pages);
    if (!find(from, where) || to.target(there) != page{} || !from->is_usable(where)) return;
    to.map(there, from->target(where));
    mapped_[&to][there] = mapped_[from][where];
  }
  void unmap() {
    process& p = any();
    svm::va_range const all = span();
    p.unmap(all);
    std::erase_if(mapped_[&p], [&](auto const& m) { return all.contains(at(m.first)); });
  }
  void pin() {
    process* p = nullptr;
    std::uint64_t where = 0;
    if (!find(p, where)) return;
    pins_.push_back(p->target(where));
    home_.pin(pins_.back());
  }
  void unpin() {
    if (pins_.empty()) return;
    std::swap(pins_[choose_.below(pins_.size())], pins_.back());
    home_.memory.put(pins_.back());
    pins_.pop_back();
  }
  /// Something that others may do while a migration is under way.
  void disturb() {
    switch (choose_.below(4)) {
      case 0:
        return pin();
      case 1:
        return unmap();
      case 2:
        return share();
      default:
        return populate();
    }
  }
  /// Disturbs at each of the next visible points.
  void let_disturb(process& p) {
    p.on_step = [this, &p](migration_step s) {
      while (!chance(3)) disturb();
      if (s != migration_step::finalized) let_disturb(p);
    };
  }

  /// Gives some of the slots destinations, with what their sources hold.
  template <class Block>
  void give(std::span<slot> slots, Block&& block) {
    for (std::size_t i = 0; i < slots.size();) {
      std::size_t const count = slots[i].order.pages().value;
      if (!slots[i].is_collected()) {
        ++i;
        continue;
      }
      bool const whole = chance(2);
      for (std::size_t k = i; k < i + count; k += whole ? count : 1) {
        if (chance(4)) continue;
        page_order const order = whole ? slots[i].order : page_order{};
        slots[k].destination = block(order);
        slots[k].destination_order = order;
        for (std::size_t n = 0; n < order.pages().value; ++n)
          if (slots[k + n].state == slot_state::collected)
            home_.memory.content(frame_table::after(slots[k].destination, n)) =
                home_.memory.content(slots[k + n].source);
        if (whole && order != page_order{}) ++wholes;
      }
      i += count;
    }
  }
  void finish(process& p, process::migration& session, std::span<slot> slots) {
    if (!chance(4)) p.install(session);
    p.on_step = nullptr;
    if (chance(2)) p.finalize(session);
    for (slot const& s : slots) raced += s.state == slot_state::raced ? 1 : 0;
  }
  /// To device memory, from one process.
  void migrate() {
    process& p = any();
    svm::va_range const all = span();
    p.hole_order = orders[choose_.below(3)];
    std::vector<slot> slots(svm::pages_in(all.size(), process::page_size).value);
    {
      process::migration session;
      if (chance(2)) let_disturb(p);
      REQUIRE(p.collect(session, all, slots, chance(2) ? behind_.owner() : svm::nobody) == errc::ok);
      give(slots, [this](page_order order) { return behind_.block(order); });
      finish(p, session, slots);
    }
    p.on_step = nullptr;
    for (std::uint64_t i = 0; i < area_pages; ++i)  // holes that were filled
      if (p.target(i) != page{} && !mapped_[&p].contains(i)) appear(p, i);
  }
  [[nodiscard]] std::vector<slot> device_pages() {
    std::vector<slot> slots;
    for (auto const& [first, left] : behind_.left())
      if (chance(2))
        for (std::uint64_t i = 0; i < 8; ++i) {
          page const p{first + i};
          if (home_.is_alive(p) && home_.look([p](frame_table& f) { return f.is_device(p); }) && !chance(8))
            slots.push_back({.source = p});
        }
    return slots;
  }
  /// To system memory, wherever pages are mapped, or where one process maps them.
  void evict() {
    std::vector<slot> slots = device_pages();
    svm::page_scope const within{any().id(), span()};
    process& p = any();
    move_back(p, slots, chance(2) ? &within : nullptr, page{});
  }
  void move_back(process& p, std::vector<slot>& slots, svm::page_scope const* within, page faulting) {
    process::migration session;
    if (chance(2)) let_disturb(p);
    p.collect_pages(session, slots, within, faulting);
    give(slots, [&p](page_order order) { return *p.allocate_page(order); });
    finish(p, session, slots);
  }
  void fault() {
    process* p = nullptr;
    std::uint64_t where = 0;
    if (!find(p, where)) return;
    page const there = p->target(where);
    if (!home_.look([there](frame_table& f) { return f.is_device(there); })) return;
    behind_.on_fault = [&](svm::cpu_fault<page> const& met) {
      std::vector<slot> slots = device_pages();
      if (std::ranges::none_of(slots, [&](slot const& s) { return s.source == there; }))
        slots.push_back({.source = there});
      svm::page_scope const within{met.space, met.vma};
      process& on = any();
      move_back(on, slots, &within, met.page);
      on.on_step = nullptr;
      return svm::cpu_fault_answer{};
    };
    static_cast<void>(p->bring_back(at(where), there, p->area));
  }

  svm::mock::random choose_;
  machine home_;
  allocations behind_{home_};
  process one_{home_};
  process two_{home_};
  process three_{home_};
  std::vector<process*> const all_{&one_, &two_, &three_};
  std::map<process*, std::map<std::uint64_t, int>> mapped_;  // by page number: an object
  std::map<int, std::uint64_t> values_;                      // of each object
  std::vector<page> pins_;
  int next_object_ = 0;
};

}  // namespace

TEST_SUITE("port/page_migration") {
  TEST_CASE("random programs see their values, whatever moves, races or fails, and leave nothing behind") {
    std::uint64_t wholes = 0;
    std::uint64_t splits = 0;
    std::uint64_t raced = 0;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) {
      CAPTURE(seed);
      program p{seed};
      for (int step = 0; step < 80; ++step) {
        CAPTURE(step);
        p.step();
        REQUIRE(p.check());
      }
      wholes += p.wholes;
      splits += p.splits();
      raced += p.raced;
      REQUIRE(p.end());
      REQUIRE(p.complaints() == "");
    }
    // Otherwise it would say little.
    CHECK(wholes > 1000);
    CHECK(splits > 300);
    CHECK(raced > 100);
  }
}

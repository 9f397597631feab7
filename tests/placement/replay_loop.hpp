// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <svm/placement/density.hpp>
#include <svm/placement/eviction_classes.hpp>
#include <svm/placement/group_eviction.hpp>
#include <svm/placement/recency.hpp>

namespace replays {

enum class eviction { oldest, touched, uvm, density };

struct options {
  bool prefetch = true;
  unsigned threshold = 51;
  std::size_t batch = 1;
  eviction evict = eviction::oldest;
  std::uint64_t capacity = ~std::uint64_t{0};  ///< pages of device memory
};

struct counts {
  std::uint64_t services = 0, resident = 0, duplicates = 0, batches = 0, prefetched = 0, refaults = 0;
  std::uint64_t fault_pages = 0, evicted_pages = 0;
  std::map<std::uint64_t, unsigned> services_of;  ///< by block
};

/// Serves a list of fault addresses with one GPU that starts empty, by the policies alone: no machine moves anything.
class loop {
 public:
  explicit loop(options const& o) : o_(o) {}
  ~loop() {
    for (auto& [number, b] : blocks_) classes_.remove(*b);
    for (auto& a : allocations_)
      if (a->pages.any()) ages_.erase(*a);
    for (auto& [key, g] : groups_)
      if (g->listed) ages_.erase(*g);
  }

  counts run(std::vector<std::uint64_t> const& addresses) {
    for (std::size_t i = 0; i < addresses.size();) {
      std::size_t end = i + 1;
      while (end < addresses.size() && end - i < o_.batch && addresses[end] >= addresses[end - 1]) ++end;
      serve_batch({addresses.begin() + static_cast<long>(i), addresses.begin() + static_cast<long>(end)});
      i = end;
    }
    return counts_;
  }

 private:
  struct block : svm::placement::evictable {
    std::uint64_t number = 0;
    svm::page_mask resident, evicted;
    svm::placement::prefetch_history history;
  };
  /// What goes in one piece: pages of one service, or a group.
  struct unit : svm::placement::aged {
    block* owner = nullptr;
    svm::page_mask pages;
    bool listed = false;
  };

  void serve_batch(std::vector<std::uint64_t> const& faults) {
    ++counts_.batches;
    std::map<std::uint64_t, svm::page_mask> by_block;
    for (std::uint64_t const a : faults) {
      svm::page_mask& m = by_block[a >> 21];
      unsigned const page = static_cast<unsigned>(a >> 12 & 511);
      if (m.test(page)) ++counts_.duplicates;
      m.set(page);
    }
    for (auto const& [number, pages] : by_block) counts_.resident += (pages & at(number).resident).count();
    for (auto const& [number, pages] : by_block) serve(at(number), pages);
  }

  void serve(block& b, svm::page_mask const& named) {
    ++moment_;
    svm::page_mask const faulted = named - b.resident;
    svm::page_mask const there = named & b.resident;
    if (faulted.none()) return touch(b, there);
    counts_.refaults += (faulted & b.evicted).count();
    svm::page_mask added;
    if (o_.prefetch)
      added = svm::placement::prefetch(
          b.history, {.pages = {.resident = b.resident, .faulted = faulted}, .destination = svm::placement::gpu(0)},
          {.threshold = o_.threshold});
    auto const fitted = svm::placement::fit({}, faulted, added, there, o_.capacity);
    svm::page_mask const mask = fitted.faulted | fitted.prefetched;
    if (mask.none()) return touch(b, there);
    svm::page_mask const moves = mask - b.resident;
    touch(b, mask | there);
    make_room(b, moves.count(), mask | there);
    ++counts_.services;
    ++counts_.services_of[b.number];
    counts_.fault_pages += (fitted.faulted & moves).count();
    counts_.prefetched += (fitted.prefetched & moves).count();
    used_ += moves.count();
    b.resident |= moves;
    b.evicted -= moves;
    if (o_.evict == eviction::density) touch(b, moves);  // groups of which nothing was there when room was made
    if (o_.evict == eviction::uvm) {
      classes_.served(b);
    } else if (o_.evict != eviction::density) {
      allocations_.push_back(std::make_unique<unit>());
      allocations_.back()->owner = &b;
      allocations_.back()->pages = moves;
      ages_.insert(*allocations_.back(), moment_, allocations_.size());
    }
  }

  void touch(block& b, svm::page_mask const& pages) {
    if (o_.evict == eviction::uvm && b.resident.any()) classes_.served(b);
    if (o_.evict == eviction::touched)
      for (auto& a : allocations_)
        if (a->owner == &b && a->pages.meets(pages)) ages_.touch(*a, moment_);
    if (o_.evict == eviction::density)
      for (unsigned first = 0; first < 512; first += 16)
        if (pages.meets(svm::page_mask{svm::page_span{first, first + 16}})) touch_group(b, first);
  }

  void touch_group(block& b, unsigned first) {
    std::uint64_t const key = b.number * 512 + first;
    auto& g = groups_[key];
    if (g == nullptr) g = std::make_unique<unit>();
    g->owner = &b;
    g->pages = svm::page_mask{svm::page_span{first, first + 16}};
    if (g->listed)
      ages_.touch(*g, moment_);
    else
      ages_.insert(*g, moment_, key);
    g->listed = true;
  }

  void make_room(block& b, std::uint64_t need, svm::page_mask const& keeps) {
    auto const kept_of = [&](block const& x) { return &x == &b ? keeps : svm::page_mask{}; };
    if (o_.evict == eviction::uvm) {
      std::uint64_t taken = 0;
      for (auto const& [number, x] : blocks_) taken += x->resident.any() ? 512 : 0;
      while (b.resident.none() && taken + 512 > o_.capacity) {
        block* const victim = classes_.take_victim([&](block const& x) { return &x != &b; });
        if (victim == nullptr) return;
        leave(*victim, victim->resident);
        classes_.evicted(*victim, true);
        taken -= 512;
      }
      if (used_ + need > o_.capacity) leave(b, b.resident - keeps);  // no block fits whole
      return;
    }
    while (used_ + need > o_.capacity) {
      unit* const victim =
          ages_.victim([&](unit const& u) { return ((u.pages & u.owner->resident) - kept_of(*u.owner)).any(); });
      if (victim == nullptr) return;
      block& from = *victim->owner;
      if (o_.evict == eviction::density)
        leave(from, svm::placement::evicted_with({}, from.resident, kept_of(from), victim->pages.next(0)));
      else
        leave(from, victim->pages - kept_of(from));
    }
  }

  void leave(block& b, svm::page_mask const pages) {
    counts_.evicted_pages += pages.count();
    used_ -= pages.count();
    b.resident -= pages;
    b.evicted |= pages;
    for (auto& a : allocations_)
      if (a->owner == &b && a->pages.meets(pages)) {
        a->pages -= pages;
        if (a->pages.none()) ages_.erase(*a);
      }
    if (o_.evict == eviction::density)
      for (unsigned first = 0; first < 512; first += 16) {
        auto const g = groups_.find(b.number * 512 + first);
        if (g == groups_.end() || !g->second->listed || g->second->pages.meets(b.resident)) continue;
        ages_.erase(*g->second);
        g->second->listed = false;
      }
  }

  block& at(std::uint64_t number) {
    auto& b = blocks_[number];
    if (b == nullptr) b = std::make_unique<block>();
    b->number = number;
    return *b;
  }

  options o_;
  counts counts_;
  std::uint64_t moment_ = 0;
  std::uint64_t used_ = 0;
  std::map<std::uint64_t, std::unique_ptr<block>> blocks_;
  std::vector<std::unique_ptr<unit>> allocations_;
  std::map<std::uint64_t, std::unique_ptr<unit>> groups_;
  svm::placement::eviction_classes<block> classes_;
  svm::placement::recency_order<unit> ages_;
};

}  // namespace replays

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// svm::interval_index against a std::map.

#include "target.hpp"

#include <svm/index/interval_index.hpp>
#include <svm/std/null_lock.hpp>

#include "support/ledger_allocator.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace fuzz::index {

namespace {

constexpr std::uint64_t top = UINT64_MAX;
constexpr std::uint64_t corners[] = {0, 0x40, 0x1000, 0x10000, 2 << 20, 1 << 29, 1ULL << 47, 0x8000000000000000};

enum class kind : std::uint8_t { comb, insert, erase, resize, hand_over, walk, fail, trim };
constexpr unsigned kinds = 8;

struct operation {
  kind what;
  std::uint64_t first;  ///< first <= last
  std::uint64_t last;
  unsigned nth;
};

operation decode(input& in, swarm const& present) {
  operation o{static_cast<kind>(present.draw(in)), in.near(corners, 1), in.near(corners, 1), in.byte()};
  if (o.last < o.first) std::swap(o.first, o.last);
  if (o.last - o.first == top) --o.last;
  return o;
}

std::string text(operation const& o) {
  constexpr char const* names[] = {"comb", "insert", "erase", "resize", "hand_over", "walk", "fail", "trim"};
  return names[static_cast<unsigned>(o.what)] + (" " + hex(o.first) + " " + hex(o.last)) + " " + std::to_string(o.nth);
}

struct object {
  svm::va_range span{{7}, {1}};
  [[nodiscard]] std::uint64_t first() const { return span.start().value; }
  [[nodiscard]] std::uint64_t last() const { return span.last().value; }
};

struct traits {
  using entry = object;
  using address = svm::cpu_va;
  static svm::va_range interval_of(object const& o) { return o.span; }
};

svm::va_range span(std::uint64_t first, std::uint64_t last) {
  return svm::va_range::from_bounds({first}, {last}).value();
}

template <unsigned Fanout, svm::index_memory Memory>
class program {
  using tested = svm::interval_index<traits, svm::null_lock, support::ledger_allocator, Fanout, Memory>;
  using model = std::map<std::uint64_t, object*>;
  using place = model::iterator;

 public:
  ~program() {
    while (!tree_.empty()) erase(*tree_.first());
    nodes_ = {};
    pool_.trim();
    expect(memory_.outstanding() == 0 && memory_.mismatches == 0, "the pool keeps memory");
  }

  void take(operation const& o) {
    switch (o.what) {
      case kind::comb:
        for (std::uint64_t i = 0; i < o.nth % 64 && i <= (top - o.first) / 2; ++i)
          insert(o.first + 2 * i, o.first + 2 * i);
        break;
      case kind::insert:
        insert(o.first, o.nth % 4 == 0 ? o.last : o.first);
        break;
      case kind::erase:
        if (!model_.empty()) erase(*pick(o)->second);
        break;
      case kind::resize:
        if (!model_.empty()) resize(pick(o), o.first, o.last);
        break;
      case kind::hand_over:
        if (!model_.empty()) hand_over(pick(o), o.first);
        break;
      case kind::walk:
        walk(o);
        break;
      case kind::fail:
        memory_.fail_at = memory_.calls + 1 + o.nth % 8;
        break;
      case kind::trim:
        pool_.trim();
        if (o.nth % 2 == 0) nodes_ = {};
        break;
    }
    compare(o.first, o.last);
  }

 private:
  place pick(operation const& o) { return std::next(model_.begin(), o.nth % static_cast<unsigned>(model_.size())); }

  /// The lowest of the model that has an address in [first, last].
  place lowest(std::uint64_t first, std::uint64_t last) {
    for (place p = model_.begin(); p != model_.end() && p->first <= last; ++p)
      if (p->second->last() >= first) return p;
    return model_.end();
  }
  object* at(place p) { return p == model_.end() ? nullptr : p->second; }

  void insert(std::uint64_t first, std::uint64_t last) {
    std::uint64_t const from = memory_.calls + 1;
    svm::errc const e = tree_.replenish(nodes_);
    if (e != svm::errc::ok) {
      expect(e == svm::errc::no_memory && from <= memory_.fail_at && memory_.fail_at <= memory_.calls,
             "replenish failed though the allocator did not");
      return;
    }
    object& o = spare_.empty() ? objects_.emplace_back() : *spare_.back();
    o.span = span(first, last);
    std::uint64_t const calls = memory_.calls;
    object* const other = tree_.insert(nodes_, o);
    expect(memory_.calls == calls, "insert allocates");
    expect(other == at(lowest(first, last)), "insert meets another entry than the model");
    if (other == nullptr) model_.emplace(first, &o);
    if (other == nullptr && !spare_.empty()) spare_.pop_back();
    if (other != nullptr && spare_.empty()) spare_.push_back(&o);
  }

  void erase(object& o) {
    std::uint64_t const calls = memory_.calls;
    tree_.erase(o);
    expect(memory_.calls == calls, "erase allocates");
    model_.erase(o.first());
    o.span = span(7, 7);  // who still reads it finds nonsense
    spare_.push_back(&o);
  }

  /// Gives an entry what its neighbours leave it of [first, last].
  void resize(place p, std::uint64_t first, std::uint64_t last) {
    std::uint64_t const least = p == model_.begin() ? 0 : std::prev(p)->second->last() + 1;
    std::uint64_t const most = std::next(p) == model_.end() ? top : std::next(p)->first - 1;
    first = std::max(first, least);
    last = std::min(last, most);
    if (first <= last && last - first != top) change(p, first, last);
  }
  void change(place p, std::uint64_t first, std::uint64_t last) {
    object& o = *p->second;
    svm::cpu_va const old = o.span.start();
    o.span = span(first, last);
    if (old.value == first) return;
    tree_.rekey(o, old);
    model_.erase(p);
    model_.emplace(first, &o);
  }
  /// Splits an entry at an address inside, or else joins it with its neighbour.
  void hand_over(place p, std::uint64_t at) {
    object& o = *p->second;
    std::uint64_t const last = o.last();
    if (o.first() < at && at <= last) {
      change(p, o.first(), at - 1);
      insert(at, last);
    } else if (std::next(p) != model_.end() && std::next(p)->second->last() - o.first() != top) {
      std::uint64_t const end = std::next(p)->second->last();
      erase(*std::next(p)->second);
      change(p, o.first(), end);
    }
  }

  /// Visits [first, last] while all of the entries go, or some go, come and shrink.
  void walk(operation const& o) {
    unsigned turn = o.nth;
    place due = lowest(o.first, o.last);
    std::uint64_t behind = 0;
    bool none_left = false;
    tree_.for_each_overlap(span(o.first, o.last), [&](object& e) {
      expect(!none_left && &e == at(due), "a walk visits another entry than the model");
      std::uint64_t const first = e.first();
      std::uint64_t const last = e.last();
      switch (o.nth >= 128 ? 0 : turn++ % 8) {
        case 0:
          erase(e);
          break;
        case 1:
          erase(e);
          insert(first, first);
          break;
        case 2:
          change(model_.find(first), last, last);
          break;
        case 3:
          if (last != top) insert(last + 1, last + 1);
          break;
        case 4:
          if (first != 0 && first != model_.begin()->first) erase(*model_.begin()->second);
          break;
        case 5:
          if (std::next(model_.find(first)) != model_.end()) erase(*std::next(model_.find(first))->second);
          break;
        default:
          break;
      }
      behind = last;
      due = model_.upper_bound(behind);
      none_left = due == model_.end() || due->first > o.last;
    });
    expect(due == model_.end() || due->first > o.last, "a walk ends too early");
  }

  void compare(std::uint64_t first, std::uint64_t last) {
    expect(tree_.check(), "check() of the index");
    expect(pool_.check(), "check() of the pool");
    expect(tree_.size() == model_.size() && tree_.empty() == model_.empty(), "another size than the model");
    place p = model_.begin();
    object* below = nullptr;
    tree_.for_each([&](object& o) {
      expect(at(p) == &o, "another order than the model");
      below = &o;
      ++p;
    });
    expect(p == model_.end(), "a walk over all ends too early");
    expect(tree_.first() == at(model_.begin()) && tree_.last() == below, "first() or last()");
    p = lowest(first, last);
    expect(tree_.first_overlap(span(first, last)) == at(p), "first_overlap()");
    expect(tree_.find({first}) == at(lowest(first, first)) && tree_.find({last}) == at(lowest(last, last)), "find()");
    if (p == model_.end()) return;
    expect(tree_.next(*p->second) == at(std::next(p)), "next()");
    expect(tree_.previous(*p->second) == (p == model_.begin() ? nullptr : std::prev(p)->second), "previous()");
  }

  support::ledger_allocator memory_;
  typename tested::pool pool_{memory_};
  typename tested::reserved_nodes nodes_;
  tested tree_{pool_};
  model model_;
  std::deque<object> objects_;
  std::vector<object*> spare_;
};

template <unsigned Fanout, svm::index_memory Memory>
void execute(input& in) {
  swarm const present(in, kinds);
  program<Fanout, Memory> p;
  while (!in.at_end()) {
    operation const o = decode(in, present);
    tell_operation(o);
    p.take(o);
  }
}

template <svm::index_memory Memory>
void execute(unsigned fanout, input& in) {
  if (fanout == 0)
    execute<4, Memory>(in);
  else if (fanout == 1)
    execute<16, Memory>(in);
  else
    execute<32, Memory>(in);
}

int run(bytes all) {
  input in(all);
  unsigned const kind_of_index = in.below(6);
  if (kind_of_index < 3)
    execute<svm::index_memory::none>(kind_of_index, in);
  else
    execute<svm::index_memory::last_leaf>(kind_of_index - 3, in);
  return 0;
}

registration const registered{"index", run};

}  // namespace

}  // namespace fuzz::index

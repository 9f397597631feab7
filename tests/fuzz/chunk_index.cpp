// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// svm::chunk_index against a std::map.

#include "target.hpp"

#include <svm/index/chunk_index.hpp>
#include <svm/std/null_lock.hpp>

#include "support/ledger_allocator.hpp"

#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace fuzz::chunk_index {

namespace {

/// Where entries lie, and log2 of the sizes that they have, the largest first.
struct shape {
  std::uint64_t base;
  unsigned span_bits;
  std::vector<unsigned> chunks;
};
shape const shapes[] = {
    {0x7f00'0000'0000, 29, {21, 16, 12}},
    {UINT64_MAX - 0x1fff'ffff, 29, {21, 16, 12}},
    {0, 29, {27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12}},
    {0x40'0000'0000, 38, {30, 12}},
    {0, 13, {3, 1}},
    {0, 47, {29}},
};

enum class kind : std::uint8_t { comb, insert, erase, walk, fail, trim };
constexpr unsigned kinds = 6;

struct operation {
  kind what;
  std::uint64_t at;  ///< from the base on
  unsigned size;     ///< which of the chunks
  unsigned nth;
};

operation decode(input& in, swarm const& present, shape const& s) {
  std::uint64_t const corners[] = {0, 0x40, 0x1000, 0x10000, 0x200000, 0x4000000, 0x10000000, 0x4000000000};
  auto const what = static_cast<kind>(present.draw(in));
  unsigned const size = in.below(static_cast<unsigned>(s.chunks.size()));
  std::uint64_t const at = in.near(corners, std::uint64_t{1} << s.chunks[size]);
  return {what, at & ((std::uint64_t{1} << s.span_bits) - 1), size, in.byte()};
}

std::string text(operation const& o) {
  constexpr char const* names[] = {"comb", "insert", "erase", "walk", "fail", "trim"};
  return names[static_cast<unsigned>(o.what)] + (" " + hex(o.at)) + " " + std::to_string(o.size) + " " +
         std::to_string(o.nth);
}

struct object {
  svm::va_range span{{6}, {2}};
  [[nodiscard]] std::uint64_t first() const { return span.start().value; }
  [[nodiscard]] std::uint64_t last() const { return span.last().value; }
};
struct traits {
  using entry = object;
  using address = svm::cpu_va;
  static svm::va_range interval_of(object const& o) { return o.span; }
};

svm::chunk_layout layout_of(shape const& s) {
  std::vector<svm::byte_count> sizes;
  for (unsigned const bits : s.chunks) sizes.push_back({std::uint64_t{1} << bits});
  return {{{s.base}, {std::uint64_t{1} << s.span_bits}}, sizes};
}

template <svm::chunk_sparse Sparse>
class program {
  using tested = svm::chunk_index<traits, svm::null_lock, support::ledger_allocator, Sparse>;
  using model = std::map<std::uint64_t, object*>;

 public:
  explicit program(shape const& s) : shape_(s) {}
  ~program() {
    while (!model_.empty()) erase(*model_.begin()->second);
    room_ = {};
    pool_.trim();
    expect(memory_.outstanding() == 0 && memory_.mismatches == 0, "the pool keeps memory");
  }

  void take(operation const& o) {
    std::uint64_t const size = std::uint64_t{1} << shape_.chunks[o.size];
    svm::va_range const span = svm::aligned_block(svm::cpu_va{shape_.base + o.at}, svm::byte_count{size});
    switch (o.what) {
      case kind::comb:
        for (std::uint64_t i = 0; i < o.nth % 64; ++i) {
          std::uint64_t const offset = span.start().value - shape_.base + i * (1 + o.nth / 64) * size;
          if (offset >> shape_.span_bits != 0) break;
          insert({{shape_.base + offset}, {size}});
        }
        break;
      case kind::insert:
        insert(span);
        break;
      case kind::erase:
        if (!model_.empty()) erase(*std::next(model_.begin(), o.nth % static_cast<unsigned>(model_.size()))->second);
        break;
      case kind::walk:
        walk(span, o.nth);
        break;
      case kind::fail:
        memory_.fail_at = memory_.calls + 1 + o.nth % 4;
        break;
      case kind::trim:
        pool_.trim();
        if (o.nth % 2 == 0) room_ = {};
        break;
    }
    compare(span);
  }

 private:
  object* lowest(std::uint64_t first, std::uint64_t last) {
    auto const above = model_.upper_bound(first);
    if (above != model_.begin() && std::prev(above)->second->last() >= first) return std::prev(above)->second;
    return above != model_.end() && above->first <= last ? above->second : nullptr;
  }

  void insert(svm::va_range span) {
    std::uint64_t const from = memory_.calls + 1;
    if (svm::errc const e = tree_.replenish(room_); e != svm::errc::ok) {
      expect(e == svm::errc::no_memory && from <= memory_.fail_at && memory_.fail_at <= memory_.calls,
             "replenish failed though the allocator did not");
      return;
    }
    object& o = spare_.empty() ? objects_.emplace_back() : *spare_.back();
    if (!spare_.empty()) spare_.pop_back();
    o.span = span;
    object* const expected = lowest(o.first(), o.last());
    std::uint64_t const calls = memory_.calls;
    object* const other = tree_.insert(room_, o);
    expect(memory_.calls == calls, "insert allocates");
    expect(other == expected, "insert meets another entry than the model");
    if (other == nullptr)
      model_.emplace(o.first(), &o);
    else
      spare_.push_back(&o);
  }
  void erase(object& o) {
    std::uint64_t const calls = memory_.calls;
    tree_.erase(o);
    expect(memory_.calls == calls, "erase allocates");
    model_.erase(o.first());
    o.span = {{6}, {2}};  // who still reads it finds nonsense
    spare_.push_back(&o);
  }

  /// Visits what overlaps a span while some or all of it goes.
  void walk(svm::va_range span, unsigned nth) {
    object* due = lowest(span.start().value, span.last().value);
    unsigned turn = nth;
    tree_.for_each_overlap(span, [&](object& o) {
      expect(&o == due, "a walk visits another entry than the model");
      std::uint64_t const end = o.last();
      auto const next = model_.upper_bound(o.first());
      if (nth >= 128 || turn % 4 == 0) erase(o);
      if (nth < 128 && turn++ % 4 == 1 && next != model_.end()) erase(*next->second);
      due = end < span.last().value ? lowest(end + 1, span.last().value) : nullptr;
    });
    expect(due == nullptr, "a walk ends too early");
  }

  void compare(svm::va_range span) {
    std::uint64_t const first = span.start().value;
    std::uint64_t const last = span.last().value;
    expect(tree_.check(), "check() of the index");
    expect(pool_.check(), "check() of the pool");
    expect(tree_.size() == model_.size() && tree_.empty() == model_.empty(), "another size than the model");
    auto p = model_.begin();
    tree_.for_each([&](object& o) {
      expect(p != model_.end() && p->second == &o, "another order than the model");
      ++p;
    });
    expect(p == model_.end(), "a walk over all ends too early");
    expect(tree_.first() == (model_.empty() ? nullptr : model_.begin()->second), "first()");
    expect(tree_.last() == (model_.empty() ? nullptr : model_.rbegin()->second), "last()");
    object* const met = lowest(first, last);
    expect(tree_.first_overlap(span) == met, "first_overlap()");
    expect(tree_.find({first}) == lowest(first, first) && tree_.find({last}) == lowest(last, last), "find()");
    if (met == nullptr) return;
    auto const at = model_.find(met->first());
    expect(tree_.next(*met) == (std::next(at) == model_.end() ? nullptr : std::next(at)->second), "next()");
    expect(tree_.previous(*met) == (at == model_.begin() ? nullptr : std::prev(at)->second), "previous()");
  }

  shape const& shape_;
  support::ledger_allocator memory_;
  typename tested::pool pool_{memory_, layout_of(shape_)};
  typename tested::reserved_nodes room_;
  tested tree_{pool_, {shape_.base}};
  model model_;
  std::deque<object> objects_;
  std::vector<object*> spare_;
};

template <svm::chunk_sparse Sparse>
void execute(shape const& s, input& in) {
  swarm const present(in, kinds);
  program<Sparse> p(s);
  while (!in.at_end()) {
    operation const o = decode(in, present, s);
    tell_operation(o);
    p.take(o);
  }
}

int run(bytes all) {
  input in(all);
  shape const& s = shapes[in.below(std::size(shapes))];
  if (in.flag())
    execute<svm::chunk_sparse::tables>(s, in);
  else
    execute<svm::chunk_sparse::buckets>(s, in);
  return 0;
}

registration const registered{"chunk_index", run};

}  // namespace

}  // namespace fuzz::chunk_index

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/index/interval_index.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <index/spanned.hpp>

using namespace svm;

namespace {

constexpr std::uint64_t top = UINT64_MAX;

struct object {
  va_range span{{0}, {1}};
  std::size_t position = 0;  // among the objects that are in the index

  std::uint64_t first() const { return span.start().value; }
  std::uint64_t last() const { return span.last().value; }
};

using traits = spanned<object>;

template <unsigned Fanout>
using index_of = interval_index<traits, null_lock, heap, Fanout>;
template <unsigned Fanout>
using remembering = interval_index<traits, null_lock, heap, Fanout, index_memory::last_leaf>;

#define SVM_TEST_INDEXES index_of<4>, index_of<16>, index_of<32>, remembering<4>, remembering<32>, remembering<64>

va_range span(std::uint64_t first, std::uint64_t last) {
  return va_range::from_bounds({first}, {last}).value();
}

struct splitmix64 {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return ((*this)() >> 32) * n >> 32; }
};

using sequence = std::vector<object*>;

template <class Index>
sequence overlapping(Index const& tree, va_range window) {
  sequence found;
  tree.for_each_overlap(window, [&](object& o) { found.push_back(&o); });
  return found;
}

template <class Index>
bool insert_or_refuse(Index& tree, object& o) {
  result<typename Index::reserved_nodes> nodes = tree.reserve();
  return nodes && tree.insert(*nodes, o) == nullptr;
}

/// The random walk of IDX-17: the index and a std::map that do the same.
template <class Index>
class twins {
 public:
  /// Addresses are `universe` bytes from `base` on; the last may be 2^64 - 1.
  twins(std::uint64_t seed, std::uint64_t base) : random_{seed}, base_(base), objects_(universe) {
    for (object& o : objects_) unused_.push_back(&o);
  }
  ~twins() {
    while (!tree_.empty()) tree_.erase(*tree_.first());
  }
  twins(twins const&) = delete;
  twins& operator=(twins const&) = delete;

  /// One operation; false when the two disagree.
  bool step(unsigned percent_growth) {
    bool const grow = used_.empty() || random_.below(100) < percent_growth;
    if constexpr (requires(object & o) { tree_.erase_later(o); })
      if (random_.below(4) == 0) return request(grow);
    switch (random_.below(8)) {
      case 0:
        return grow ? split() : merge();
      case 1:
        return shrink();
      case 2:
        return grow ? widen() : shrink();
      default:
        return grow ? add() : remove();
    }
  }

  /// Compares at a random address.
  bool probe() {
    std::uint64_t const a = any();
    std::uint64_t const z = a + random_.below(top - a < 64 ? top - a + 1 : 64);
    auto const it = overlap(a, z);
    object* const expected = it == model_.end() ? nullptr : it->second;
    object* const here = expected != nullptr && expected->first() <= a ? expected : nullptr;
    bool good = tree_.first_overlap(span(a, z)) == expected && tree_.find({a}) == here && tree_.size() == model_.size();
    if (expected != nullptr) {
      good = good && tree_.next(*expected) == (std::next(it) == model_.end() ? nullptr : std::next(it)->second);
      good = good && tree_.previous(*expected) == (it == model_.begin() ? nullptr : std::prev(it)->second);
    }
    return good;
  }

  /// Compares everything.
  bool same() const {
    auto it = model_.begin();
    bool good = tree_.check() && pool_.check() && tree_.size() == model_.size();
    tree_.for_each([&](object const& o) { good = good && it != model_.end() && (it++)->second == &o; });
    return good && it == model_.end();
  }

 private:
  using map = std::map<std::uint64_t, object*>;
  static constexpr std::uint64_t universe = 1 << 13;

  std::uint64_t any() { return base_ + random_.below(universe); }
  std::uint64_t limit() const { return base_ + (universe - 1); }

  map::iterator overlap(std::uint64_t a, std::uint64_t z) {
    auto it = model_.upper_bound(a);
    if (it != model_.begin() && std::prev(it)->second->last() >= a) return std::prev(it);
    return it != model_.end() && it->first <= z ? it : model_.end();
  }

  object& any_used() { return *used_[random_.below(used_.size())]; }

  bool insert(va_range r) {
    auto const it = overlap(r.start().value, r.last().value);
    object* const expected = it == model_.end() ? nullptr : it->second;
    object& o = *unused_.back();
    o.span = r;
    if (tree_.replenish(nodes_) != errc::ok || tree_.insert(nodes_, o) != expected) return false;
    if (expected == nullptr) take(r);
    return true;
  }
  /// The next object, as one of those in the index.
  object& take(va_range r) {
    object& o = *unused_.back();
    unused_.pop_back();
    o.span = r;
    o.position = used_.size();
    used_.push_back(&o);
    model_.emplace(o.first(), &o);
    return o;
  }

  bool erase(object& o) {
    tree_.erase(o);
    forget(o);
    return true;
  }
  /// The object as one of those that are not in the index.
  void forget(object& o) {
    model_.erase(o.first());
    used_[o.position] = used_.back();
    used_[o.position]->position = o.position;
    used_.pop_back();
    unused_.push_back(&o);
    o.span = span(7, 7);  // an index that still reads it finds nonsense
  }

  void change(object& o, va_range to) {
    cpu_va const old = o.span.start();
    o.span = to;
    if (old == to.start()) return;
    tree_.rekey(o, old);
    model_.erase(old.value);
    model_.emplace(o.first(), &o);
  }

  errc nodes_for_two() { return pool_.replenish(nodes_, 2 * Index::nodes_per_insert); }

  /// What a gpuvm does: makes room in a row, looks now and then, and puts something in. What is open stays so.
  bool request(bool grow) requires requires(Index& i, object& o) { i.erase_later(o); }
  {
    std::uint64_t const a = any();
    std::uint64_t const z = a + random_.below(top - a < 96 ? top - a + 1 : 96);
    if (nodes_for_two() != errc::ok) return false;
    bool good = true;
    for (auto it = overlap(a, z); it != model_.end() && it->first <= z;) {
      object& o = *it++->second;
      std::uint64_t const last = o.last();
      if (o.first() < a) {
        change(o, span(o.first(), a - 1));
        if (last <= z) continue;
        object& back = take(span(z + 1, last));
        if (grow)
          tree_.insert_beyond(nodes_, back);
        else
          tree_.insert_apart(nodes_, back);
      } else if (last > z) {
        change(o, span(z + 1, last));
      } else {
        tree_.erase_later(o);
        forget(o);
      }
      good = good && (random_.below(8) != 0 || probe());
    }
    if (grow) {
      good = good && tree_.first_overlap(span(a, z)) == nullptr;
      tree_.insert_found(nodes_, take(span(a, z)));
    }
    if (random_.below(2) == 0) tree_.settle();
    return good;
  }

  bool add() {
    std::uint64_t const a = any();
    std::uint64_t const room = limit() - a;
    return insert(span(a, a + random_.below(room < 8 ? room + 1 : 8)));
  }
  bool remove() { return erase(any_used()); }

  bool split() {
    if (used_.empty()) return add();
    object& o = any_used();
    if (o.first() == o.last()) return true;
    std::uint64_t const last = o.last();
    std::uint64_t const cut = o.first() + random_.below(last - o.first());
    change(o, span(o.first(), cut));
    return insert(span(cut + 1, last));
  }
  bool merge() {
    object& o = any_used();
    auto const it = model_.find(o.first());
    if (random_.below(2) == 0) {
      if (std::next(it) == model_.end()) return true;
      object& next = *std::next(it)->second;
      std::uint64_t const last = next.last();
      erase(next);
      change(o, span(o.first(), last));
    } else {
      if (it == model_.begin()) return true;
      object& previous = *std::prev(it)->second;
      std::uint64_t const first = previous.first();
      erase(previous);
      change(o, span(first, o.last()));
    }
    if (o.last() - o.first() > 32) return erase(o);
    return true;
  }
  bool shrink() {
    if (used_.empty()) return true;
    object& o = any_used();
    std::uint64_t const size = o.last() - o.first() + 1;
    std::uint64_t const front = random_.below(size);
    std::uint64_t const back = random_.below(size - front);
    change(o, span(o.first() + front, o.last() - back));
    return true;
  }
  /// Moves the start down or the end up as far as the neighbours let it.
  bool widen() {
    if (used_.empty()) return true;
    object& o = any_used();
    auto const it = model_.find(o.first());
    if (random_.below(2) == 0) {
      std::uint64_t const least = it == model_.begin() ? base_ : std::prev(it)->second->last() + 1;
      change(o, span(o.first() - random_.below(o.first() - least + 1), o.last()));
    } else {
      std::uint64_t const most = std::next(it) == model_.end() ? limit() : std::next(it)->first - 1;
      change(o, span(o.first(), o.last() + random_.below(most - o.last() + 1)));
    }
    return true;
  }

  splitmix64 random_;
  std::uint64_t base_;
  heap memory_;
  typename Index::pool pool_{memory_};
  typename Index::reserved_nodes nodes_;
  Index tree_{pool_};
  map model_;
  std::vector<object> objects_;
  sequence used_;
  sequence unused_;
};

template <class Index>
struct plain {
  heap memory;
  typename Index::pool pool{memory};
  Index tree{pool};
};

}  // namespace

TEST_SUITE("index/interval_index") {
  TEST_CASE_TEMPLATE("IDX-09 IDX-10 windows see the intervals and the gaps that a byte map shows", Index,
                     SVM_TEST_INDEXES) {
    constexpr std::uint64_t bytes = 600;
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
      CAPTURE(seed);
      splitmix64 random{seed};
      std::uint64_t const base = seed % 2 == 0 ? top - (bytes - 1) : 0;
      std::vector<object> objects(100);
      plain<Index> p;
      std::vector<object*> owner(bytes, nullptr);
      bool good = true;
      for (object& o : objects) {
        std::uint64_t const a = random.below(bytes);
        std::uint64_t const z = a + random.below(bytes - a < 12 ? bytes - a : 12);
        o.span = span(base + a, base + z);
        bool free = true;
        for (std::uint64_t x = a; x <= z; ++x) free = free && owner[x] == nullptr;
        good = good && insert_or_refuse(p.tree, o) == free;
        for (std::uint64_t x = a; free && x <= z; ++x) owner[x] = &o;
      }
      for (std::uint64_t x = 0; x < bytes; ++x) good = good && p.tree.find({base + x}) == owner[x];
      for (int round = 0; round < 100; ++round) {
        std::uint64_t const a = round == 0 ? 0 : random.below(bytes);
        std::uint64_t const z = round == 0 ? bytes - 1 : a + random.below(bytes - a);
        sequence expected;
        std::uint64_t used_expected = 0;
        for (std::uint64_t x = a; x <= z; ++x) {
          used_expected += owner[x] != nullptr;
          if (owner[x] != nullptr && (expected.empty() || expected.back() != owner[x])) expected.push_back(owner[x]);
        }
        va_range const window = span(base + a, base + z);
        sequence const found = overlapping(p.tree, window);
        std::uint64_t used = 0;
        for (object const* o : found) used += o->span.intersection(window).size().value;
        good = good && found == expected && used == used_expected &&
               p.tree.first_overlap(window) == (expected.empty() ? nullptr : expected.front());
      }
      CHECK(good);
      CHECK(p.tree.check());
      while (!p.tree.empty()) p.tree.erase(*p.tree.last());
    }
  }

  TEST_CASE_TEMPLATE("IDX-11 the structure is sound after each of many insertions and erasures of 100 objects", Index,
                     SVM_TEST_INDEXES) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      CAPTURE(seed);
      splitmix64 random{seed};
      std::vector<object> objects(100);
      std::vector<std::size_t> order(objects.size());
      for (std::size_t i = 0; i < objects.size(); ++i) objects[i].span = span(i * 10, i * 10 + 9);
      auto const shuffle = [&] {
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
      };
      plain<Index> p;
      bool good = true;
      shuffle();
      for (std::size_t const i : order) good = good && insert_or_refuse(p.tree, objects[i]) && p.tree.check();
      CHECK(p.tree.size() == objects.size());
      shuffle();
      for (std::size_t const i : order) {
        p.tree.erase(objects[i]);
        good = good && p.tree.check();
      }
      CHECK(good);
      CHECK(p.tree.empty());
      CHECK(p.pool.in_use().free == p.pool.in_use().owned);
    }
  }

  TEST_CASE_TEMPLATE("IDX-14 the order equals that of a sorted list after every step", Index, SVM_TEST_INDEXES) {
    constexpr std::uint64_t seed = 14;
    CAPTURE(seed);
    splitmix64 random{seed};
    std::vector<object> objects(80);
    for (std::size_t i = 0; i < objects.size(); ++i) objects[i].span = span(i * 4, i * 4 + random.below(4));
    plain<Index> p;
    std::vector<bool> in(objects.size());
    bool good = true;
    for (int step = 0; step < 1500; ++step) {
      std::size_t const i = random.below(objects.size());
      if (in[i])
        p.tree.erase(objects[i]);
      else
        good = good && insert_or_refuse(p.tree, objects[i]);
      in[i] = !in[i];
      sequence expected;
      for (std::size_t k = 0; k < objects.size(); ++k)
        if (in[k]) expected.push_back(&objects[k]);
      sequence visited;
      p.tree.for_each([&](object& o) { visited.push_back(&o); });
      good = good && visited == expected && p.tree.check();
    }
    CHECK(good);
    while (!p.tree.empty()) p.tree.erase(*p.tree.first());
  }

  TEST_CASE_TEMPLATE("IDX-17 a million random changes leave the index equal to a std::map", Index, SVM_TEST_INDEXES) {
    // A third for each fanout, half of it at the top of the address space.
    for (std::uint64_t const base : {top - ((1 << 13) - 1), std::uint64_t{0}}) {
      constexpr std::uint64_t seed = 17;
      CAPTURE(seed);
      CAPTURE(base);
      twins<Index> both{seed, base};
      for (int step = 0; step < 167'000; ++step) {
        unsigned const percent_growth = step / 8192 % 2 == 0 ? 75 : 25;
        bool good = both.step(percent_growth) && both.probe();
        if (step % 4096 == 0) good = good && both.same();
        if (!good) {
          CAPTURE(step);
          REQUIRE(good);
        }
      }
      CHECK(both.same());
    }
  }

  TEST_CASE_TEMPLATE("an insertion takes the nodes that were counted for it, and two into one gap take no more", Index,
                     SVM_TEST_INDEXES) {
    constexpr std::uint64_t universe = 1 << 16;
    for (std::uint64_t const base : {std::uint64_t{0}, top - (universe - 1)}) {
      for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(base);
        CAPTURE(seed);
        splitmix64 random{seed};
        std::vector<object> objects(8192);
        sequence unused;
        for (object& o : objects) unused.push_back(&o);
        std::map<std::uint64_t, object*> model;
        plain<Index> p;
        bool good = true;
        auto const insert = [&](typename Index::reserved_nodes& nodes, std::uint64_t a) {
          object& o = *unused.back();
          unused.pop_back();
          o.span = span(a, a);
          good = good && p.tree.insert_counted(nodes, o) == nullptr;
          model.emplace(a, &o);
        };
        for (int step = 0; good && step < 8000; ++step) {
          std::uint64_t const a = base + random.below(universe);
          auto const above = model.upper_bound(a);
          object* const behind = above == model.end() ? nullptr : above->second;
          object* const before = above == model.begin() ? nullptr : std::prev(above)->second;
          auto const near = p.tree.around({a});
          good = near.below == before && near.above == behind;
          bool const grow = random.below(100) < (step / 2048 % 2 == 0 ? 85 : 15);
          bool const taken = before != nullptr && before->last() == a;
          std::uint64_t const most = behind == nullptr ? base + (universe - 1) : behind->first() - 1;
          std::uint64_t const least = before == nullptr ? base : before->last() + 1;
          typename Index::reserved_nodes nodes;
          if (!grow && before != nullptr) {
            object& old = *before;
            std::uint64_t const first = old.first();
            model.erase(first);
            if (random.below(2) == 0) {
              p.tree.erase(old);
            } else {
              // Another takes its place, anywhere between its neighbours.
              std::uint64_t const low = model.empty() || model.lower_bound(first) == model.begin()
                                            ? base
                                            : std::prev(model.lower_bound(first))->second->last() + 1;
              std::uint64_t const start = low + random.below(most - low + 1);
              object& fresh = *unused.back();
              unused.pop_back();
              fresh.span = span(start, start);
              p.tree.replace(old, fresh);
              model.emplace(start, &fresh);
            }
            old.span = span(7, 7);  // an index that still reads it finds nonsense
            unused.push_back(&old);
          } else if (!taken && a < most && !p.tree.empty() && random.below(4) != 0) {
            // Two, between which there are no others: at the ends of the gap, or somewhere in it.
            std::uint64_t const low = random.below(2) == 0 ? least : a;
            std::uint64_t const high = random.below(2) == 0 ? most : low + 1 + random.below(most - low);
            std::size_t const counted = p.tree.nodes_to_insert({low}, 2) + p.tree.nodes_to_insert({high}, 2);
            good = good && p.pool.replenish(nodes, counted) == errc::ok;
            bool const rising = random.below(2) == 0;
            insert(nodes, rising ? low : high);
            insert(nodes, rising ? high : low);
          } else if (!taken) {
            std::size_t const counted = p.tree.nodes_to_insert({a}, 1);
            good = good && p.pool.replenish(nodes, counted) == errc::ok;
            insert(nodes, a);
            good = good && nodes.credit() == 0;
          }
          if (step % 64 == 0) good = good && p.tree.check() && p.pool.check() && p.tree.size() == model.size();
          if (!good) {
            CAPTURE(step);
            REQUIRE(good);
          }
        }
        auto it = model.begin();
        p.tree.for_each([&](object const& o) { good = good && it != model.end() && (it++)->second == &o; });
        CHECK(good);
        CHECK(it == model.end());
        CHECK(p.tree.check());
        while (!p.tree.empty()) p.tree.erase(*p.tree.first());
      }
    }
  }
}

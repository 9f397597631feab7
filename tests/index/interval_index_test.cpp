// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/index/interval_index.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/std_lock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <index/spanned.hpp>

using namespace svm;

namespace {

constexpr std::uint64_t top = UINT64_MAX;

struct object {
  va_range span;
};

using traits = spanned<object>;

/// Counts what is allocated, fails on demand, and notes calls at a time when none is allowed.
struct ledger {
  heap memory;
  std::atomic<long> live{0};
  std::atomic<long> calls{0};
  long fail_at = -1;  // counted from 0; every later call fails too
  bool forbidden = false;
  std::atomic<long> violations{0};

  std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (forbidden) ++violations;
    long const call = calls++;
    if (fail_at >= 0 && call >= fail_at) return nullptr;
    std::byte* const place = memory.allocate(size, alignment);
    if (place != nullptr) ++live;
    return place;
  }
  void deallocate(std::byte* place, std::size_t size, std::size_t alignment) noexcept {
    if (forbidden) ++violations;
    --live;
    memory.deallocate(place, size, alignment);
  }
};

/// The interval from `first` to `last`, both inside.
va_range span(std::uint64_t first, std::uint64_t last) {
  return va_range::from_bounds({first}, {last}).value();
}

std::vector<object> row_of(std::size_t n, std::uint64_t first, std::uint64_t stride, std::uint64_t size) {
  std::vector<object> row;
  for (std::size_t i = 0; i < n; ++i) row.push_back({span(first + i * stride, first + i * stride + (size - 1))});
  return row;
}

using sequence = std::vector<object*>;

/// An index with its pool and allocator; every change runs with the allocator forbidden and is checked after.
template <unsigned Fanout, index_memory Memory = index_memory::none>
struct bench {
  using index = interval_index<traits, null_lock, ledger, Fanout, Memory>;

  ledger memory;
  typename index::pool pool{memory};
  index tree{pool};
  std::vector<std::unique_ptr<object>> objects;  // live as long as the index
  std::vector<std::unique_ptr<std::vector<object>>> rows;
  bool check_each = true;
  bool sound = true;

  bench() = default;
  bench(bench const&) = delete;
  bench& operator=(bench const&) = delete;
  ~bench() {
    clear();
    pool.trim();
    CHECK(sound);
    CHECK(memory.live == 0);
    CHECK(memory.violations == 0);
  }

  object& make(va_range r) { return *objects.emplace_back(std::make_unique<object>(object{r})); }
  std::vector<object>& make_row(std::size_t n, std::uint64_t first, std::uint64_t stride, std::uint64_t size) {
    return *rows.emplace_back(std::make_unique<std::vector<object>>(row_of(n, first, stride, size)));
  }

  object* insert(object& o) {
    result<typename index::reserved_nodes> nodes = tree.reserve();
    if (!nodes) {
      sound = false;
      return &o;
    }
    memory.forbidden = true;
    object* const other = tree.insert(*nodes, o);
    memory.forbidden = false;
    inspect();
    return other;
  }
  void erase(object& o) {
    memory.forbidden = true;
    tree.erase(o);
    memory.forbidden = false;
    inspect();
  }
  /// Changes the interval of an object that is in the index.
  void change(object& o, va_range to) {
    cpu_va const old = o.span.start();
    o.span = to;
    if (old != to.start()) tree.rekey(o, old);
    inspect();
  }
  void clear() {
    while (!tree.empty()) tree.erase(*tree.first());
    inspect();
  }
  void inspect() {
    if (check_each) sound = sound && tree.check() && pool.check();
  }

  /// All objects in order; stepping forwards, backwards and visiting must agree.
  sequence content() {
    sequence forwards;
    for (object* o = tree.first(); o != nullptr; o = tree.next(*o)) forwards.push_back(o);
    sequence backwards;
    for (object* o = tree.last(); o != nullptr; o = tree.previous(*o)) backwards.insert(backwards.begin(), o);
    sequence visited;
    tree.for_each([&](object& o) { visited.push_back(&o); });
    CHECK(forwards == backwards);
    CHECK(forwards == visited);
    CHECK(forwards.size() == tree.size());
    return forwards;
  }
  sequence overlapping(va_range window) {
    sequence found;
    tree.for_each_overlap(window, [&](object& o) { found.push_back(&o); });
    return found;
  }
  object* find(std::uint64_t a) { return tree.find({a}); }
};

using remembering = bench<32, index_memory::last_leaf>;
using remembering_small = bench<4, index_memory::last_leaf>;

#define SVM_TEST_BENCHES bench<4>, bench<16>, bench<32>, remembering, remembering_small

}  // namespace

TEST_SUITE("index/interval_index") {
  TEST_CASE_TEMPLATE("IDX-01 an empty index finds and visits nothing", Bench, SVM_TEST_BENCHES) {
    Bench b;
    CHECK(b.tree.check());
    CHECK(b.tree.empty());
    for (std::uint64_t const a : {std::uint64_t{0}, std::uint64_t{5}, top}) CHECK(b.find(a) == nullptr);
    CHECK(b.tree.first() == nullptr);
    CHECK(b.tree.last() == nullptr);
    for (va_range const window : {span(0, 0), span(0, top - 1), span(1, top), span(top, top)}) {
      CHECK(b.tree.first_overlap(window) == nullptr);
      CHECK(b.overlapping(window).empty());
    }
    CHECK(b.content().empty());
  }

  TEST_CASE_TEMPLATE("IDX-02 an interval of all addresses but one refuses every other, at either end", Bench,
                     SVM_TEST_BENCHES) {
    Bench b;
    CHECK(va_range::from_bounds({0}, {top}).error() == errc::interval_wraps);
    object& whole = b.make(span(0, top - 1));
    CHECK(b.insert(whole) == nullptr);
    for (va_range const other : {span(0, 0), span(0, top - 1), span(5, 7), span(top - 1, top)}) {
      object& o = b.make(other);
      CHECK(b.insert(o) == &whole);
    }
    CHECK(b.find(top - 1) == &whole);
    CHECK(b.find(top) == nullptr);
    b.erase(whole);
    object& upper = b.make(span(1, top));
    CHECK(b.insert(upper) == nullptr);
    CHECK(b.find(0) == nullptr);
    CHECK(b.find(1) == &upper);
    CHECK(b.find(top) == &upper);
    object& zero = b.make(span(0, 0));
    CHECK(b.insert(zero) == nullptr);
    CHECK(b.content() == sequence{&zero, &upper});
  }

  TEST_CASE_TEMPLATE("IDX-03 an adjacent interval is no overlap", Bench, SVM_TEST_BENCHES) {
    Bench b;
    object& middle = b.make(span(10, 20));
    CHECK(b.insert(middle) == nullptr);
    for (va_range const other : {span(0, 5), span(0, 9), span(21, 30), span(25, 30)}) {
      object& o = b.make(other);
      CHECK(b.insert(o) == nullptr);
      CHECK(b.tree.size() == 2);
      b.erase(o);
      CHECK(b.content() == sequence{&middle});
    }
  }

  TEST_CASE_TEMPLATE("IDX-04 every kind of overlap is refused and changes nothing", Bench, SVM_TEST_BENCHES) {
    Bench b;
    object& middle = b.make(span(10, 20));
    object& above = b.make(span(31, 40));
    CHECK(b.insert(middle) == nullptr);
    CHECK(b.insert(above) == nullptr);
    auto const before = b.pool.in_use();
    for (va_range const other :
         {span(0, 10), span(9, 11), span(10, 20), span(11, 19), span(19, 21), span(20, 30), span(0, 30), span(0, 50)}) {
      object& o = b.make(other);
      CHECK(b.insert(o) == &middle);
      CHECK(b.content() == sequence{&middle, &above});
    }
    object& o = b.make(span(21, 31));
    CHECK(b.insert(o) == &above);
    auto const after = b.pool.in_use();
    CHECK(before.owned - before.free == after.owned - after.free);
    CHECK(middle.span == span(10, 20));
  }

  TEST_CASE_TEMPLATE("IDX-05 pieces fill a gap without a hole", Bench, SVM_TEST_BENCHES) {
    Bench b;
    object& a = b.make(span(0, 10));
    object& c = b.make(span(20, 30));
    object& b1 = b.make(span(12, 18));
    object& b0 = b.make(span(11, 11));
    object& b2 = b.make(span(19, 19));
    for (object* o : {&a, &c, &b1, &b0, &b2}) CHECK(b.insert(*o) == nullptr);
    CHECK(b.content() == sequence{&a, &b0, &b1, &b2, &c});
    for (std::uint64_t x = 0; x <= 30; ++x) CHECK(b.find(x) != nullptr);
    CHECK(b.find(31) == nullptr);
  }

  TEST_CASE_TEMPLATE("IDX-06 an interval is cut into pieces of one byte, and a middle one is taken out", Bench,
                     SVM_TEST_BENCHES) {
    Bench b;
    object& a = b.make(span(0, 2));
    object& m = b.make(span(1, 2));
    object& z = b.make(span(2, 2));
    CHECK(b.insert(a) == nullptr);
    b.change(a, span(0, 0));
    CHECK(b.insert(m) == nullptr);
    b.change(m, span(1, 1));
    CHECK(b.insert(z) == nullptr);
    CHECK(b.content() == sequence{&a, &m, &z});
    b.erase(m);
    CHECK(b.find(0) == &a);
    CHECK(b.find(1) == nullptr);
    CHECK(b.find(2) == &z);
  }

  TEST_CASE_TEMPLATE("IDX-07 an interval grows over its neighbour behind, and one over its neighbour before", Bench,
                     SVM_TEST_BENCHES) {
    Bench b;
    object& a = b.make(span(0, 0));
    object& m = b.make(span(1, 1));
    object& z = b.make(span(2, 2));
    CHECK(b.insert(a) == nullptr);
    CHECK(b.tree.previous(a) == nullptr);
    CHECK(b.tree.next(a) == nullptr);
    CHECK(b.insert(m) == nullptr);
    CHECK(b.tree.next(a) == &m);
    b.erase(m);
    b.change(a, span(0, 1));
    CHECK(b.content() == sequence{&a});
    CHECK(b.insert(z) == nullptr);
    CHECK(b.tree.previous(z) == &a);
    b.erase(a);
    b.change(z, span(0, 2));
    CHECK(b.content() == sequence{&z});
    CHECK(b.find(0) == &z);
  }

  TEST_CASE_TEMPLATE("IDX-08 what a shrunk interval no longer covers is free, and no more", Bench, SVM_TEST_BENCHES) {
    Bench b;
    object& o = b.make(span(0, 20));
    CHECK(b.insert(o) == nullptr);
    b.change(o, span(5, 15));
    object& first = b.make(span(5, 5));
    object& final = b.make(span(15, 15));
    object& above = b.make(span(16, 16));
    object& below = b.make(span(4, 4));
    CHECK(b.insert(first) == &o);
    CHECK(b.insert(final) == &o);
    CHECK(b.insert(above) == nullptr);
    CHECK(b.insert(below) == nullptr);
    b.change(o, span(10, 10));
    object& left = b.make(span(5, 9));
    object& right = b.make(span(11, 15));
    CHECK(b.insert(left) == nullptr);
    CHECK(b.insert(right) == nullptr);
    CHECK(b.content() == sequence{&below, &left, &o, &right, &above});
  }

  TEST_CASE_TEMPLATE("IDX-12 a stab next to either end of any interval finds what is there", Bench, SVM_TEST_BENCHES) {
    Bench b;
    std::vector<object>& row = b.make_row(300, 100, 10, 4);
    for (std::size_t i = 0; i < row.size(); ++i) CHECK(b.insert(row[i * 7 % row.size()]) == nullptr);
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::uint64_t const s = row[i].span.start().value;
      CHECK(b.find(s - 1) == nullptr);
      CHECK(b.find(s) == &row[i]);
      CHECK(b.find(s + 2) == &row[i]);
      CHECK(b.find(s + 3) == &row[i]);
      CHECK(b.find(s + 4) == nullptr);
      CHECK(b.tree.previous(row[i]) == (i == 0 ? nullptr : &row[i - 1]));
      CHECK(b.tree.next(row[i]) == (i + 1 == row.size() ? nullptr : &row[i + 1]));
      CHECK(b.tree.first_overlap(span(s - 6, s)) == &row[i]);
      CHECK(b.tree.first_overlap(span(s - 6, s - 1)) == nullptr);
      CHECK(b.tree.first_overlap(span(s + 3, s + 300)) == &row[i]);
    }
    CHECK(b.tree.first() == &row.front());
    CHECK(b.tree.last() == &row.back());
  }

  TEST_CASE_TEMPLATE("IDX-13 a walk survives the erasure of the current, the next and every other entry", Bench,
                     SVM_TEST_BENCHES) {
    Bench b;
    std::vector<std::unique_ptr<object>> owned;
    for (std::uint64_t i = 0; i < 64; ++i) owned.push_back(std::make_unique<object>(object{span(i * 10, i * 10 + 4)}));
    for (auto& o : owned) REQUIRE(b.insert(*o) == nullptr);
    std::size_t visits = 0;
    auto const release = [&](object& o) {
      std::size_t const i = o.span.start().value / 10;
      b.erase(o);
      owned[i].reset();
    };
    auto const refill = [&] {
      for (std::uint64_t i = 0; i < 64; ++i)
        if (owned[i] == nullptr) {
          owned[i] = std::make_unique<object>(object{span(i * 10, i * 10 + 4)});
          REQUIRE(b.insert(*owned[i]) == nullptr);
        }
      visits = 0;
    };
    SUBCASE("the current one, in a window") {
      b.tree.for_each_overlap(span(104, 300), [&](object& o) {
        ++visits;
        release(o);
      });
      CHECK(visits == 21);
      CHECK(b.tree.size() == 43);
      CHECK(b.tree.first_overlap(span(100, 309)) == nullptr);
    }
    SUBCASE("all, down to the last") {
      b.tree.for_each([&](object& o) {
        ++visits;
        release(o);
      });
      CHECK(visits == 64);
      CHECK(b.tree.empty());
      refill();
    }
    SUBCASE("the next one") {
      b.tree.for_each([&](object& o) {
        ++visits;
        if (object* const next = b.tree.next(o); next != nullptr) release(*next);
      });
      CHECK(visits == 32);
    }
    SUBCASE("every other one, stepping by hand") {
      for (object *o = b.tree.first(), *next = nullptr; o != nullptr; o = next) {
        next = b.tree.next(*o);
        if (++visits % 2 == 0) release(*o);
      }
      CHECK(visits == 64);
      CHECK(b.tree.size() == 32);
    }
    SUBCASE("all others at the first visit") {
      b.tree.for_each([&](object& o) {
        ++visits;
        while (object* const next = b.tree.next(o)) release(*next);
      });
      CHECK(visits == 1);
    }
    SUBCASE("itself, leaving two remnants that are not visited again") {
      std::vector<std::unique_ptr<object>> remnants;
      b.tree.for_each_overlap(span(0, 99), [&](object& o) {
        ++visits;
        std::uint64_t const s = o.span.start().value;
        release(o);
        for (std::uint64_t const at : {s, s + 4}) {
          remnants.push_back(std::make_unique<object>(object{span(at, at)}));
          CHECK(b.insert(*remnants.back()) == nullptr);
        }
      });
      CHECK(visits == 10);
      CHECK(b.tree.size() == 74);
      b.clear();
    }
    b.clear();
  }

  TEST_CASE_TEMPLATE("IDX-15 a window sees an interval exactly where they meet", Bench, SVM_TEST_BENCHES) {
    Bench b;
    constexpr std::uint64_t p = 4096;
    object& o = b.make(span(p, 3 * p - 1));
    REQUIRE(b.insert(o) == nullptr);
    std::uint64_t const edges[] = {0, p - 1, p, 2 * p, 3 * p - 1, 3 * p, top};
    for (std::uint64_t const first : edges)
      for (std::uint64_t const last : edges) {
        if (last < first || (first == 0 && last == top)) continue;
        bool const meets = first < 3 * p && last >= p;
        CHECK(b.overlapping(span(first, last)) == (meets ? sequence{&o} : sequence{}));
        CHECK(b.tree.first_overlap(span(first, last)) == (meets ? &o : nullptr));
        if (meets)
          CHECK(span(first, last).intersection(o.span) == span(first < p ? p : first, last < 3 * p ? last : 3 * p - 1));
      }
  }

  TEST_CASE_TEMPLATE("IDX-16 ascending, descending and replaced entries are all found, duplicates refused", Bench,
                     SVM_TEST_BENCHES) {
    Bench b;
    std::vector<object>& row = b.make_row(1001, 0, 1, 1);
    std::vector<object>& other = b.make_row(1001, 0, 1, 1);
    b.check_each = false;
    for (std::size_t round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        object& o = row[round == 0 ? i : row.size() - 1 - i];
        if (b.insert(o) != nullptr) FAIL("refused");
      }
      CHECK(b.tree.check());
      for (object& o : row) CHECK(b.find(o.span.start().value) == &o);
      for (std::size_t i = 0; i < row.size(); i += 100) CHECK(b.insert(other[i]) == &row[i]);
      for (std::size_t i = 0; i < row.size(); i += 2) {
        b.erase(row[i]);
        if (b.insert(other[i]) != nullptr) FAIL("refused");
      }
      CHECK(b.tree.check());
      for (std::size_t i = 0; i < row.size(); ++i) CHECK(b.find(i) == (i % 2 == 0 ? &other[i] : &row[i]));
      b.clear();
    }
    CHECK(b.tree.check());
  }

  TEST_CASE_TEMPLATE("IDX-18 intervals at the top of the address space keep their order", Bench, SVM_TEST_BENCHES) {
    Bench b;
    std::vector<object>& row = b.make_row(200, top - 199, 1, 1);
    for (std::size_t i = 0; i < row.size(); ++i) REQUIRE(b.insert(row[i * 77 % row.size()]) == nullptr);
    for (std::size_t i = 0; i < row.size(); ++i) CHECK(b.find(top - 199 + i) == &row[i]);
    CHECK(b.tree.last() == &row.back());
    CHECK(b.tree.next(row.back()) == nullptr);
    CHECK(b.overlapping(span(top, top)) == sequence{&row.back()});
    CHECK(b.overlapping(span(top - 1, top)) == sequence{&row[198], &row[199]});
    object& again = b.make(span(top, top));
    CHECK(b.insert(again) == &row.back());
    for (std::size_t i = row.size(); i-- > 100;) b.erase(row[i]);
    object& wide = b.make(span(top - 99, top));
    CHECK(b.insert(wide) == nullptr);
    CHECK(b.find(top) == &wide);
    b.change(wide, span(top - 99, top - 1));
    CHECK(b.find(top) == nullptr);
    CHECK(b.insert(again) == nullptr);
    CHECK(b.find(top) == &again);
    CHECK(b.tree.previous(again) == &wide);
    b.erase(again);
    b.erase(wide);
    CHECK(b.tree.size() == 100);
  }

  TEST_CASE_TEMPLATE("IDX-19 starts move up to the last address without a wrap", Bench, SVM_TEST_BENCHES) {
    Bench b;
    std::vector<object>& row = b.make_row(64, top - 64 * 16 + 1, 16, 16);
    for (object& o : row) REQUIRE(b.insert(o) == nullptr);
    for (object& o : row) b.change(o, span(o.span.last().value, o.span.last().value));
    CHECK(b.find(top) == &row.back());
    CHECK(b.find(top - 1) == nullptr);
    for (std::size_t i = 0; i + 1 < row.size(); i += 2) b.erase(row[i]);
    for (std::size_t i = 1; i < row.size(); i += 2)
      b.change(row[i], span(row[i].span.last().value - 31, row[i].span.last().value));
    for (std::size_t i = 1; i < row.size(); i += 2) CHECK(b.find(row[i].span.last().value - 31) == &row[i]);
    CHECK(b.find(top) == &row.back());
  }

  TEST_CASE_TEMPLATE("a start that moves past the place of an erased entry is still found", Bench, SVM_TEST_BENCHES) {
    Bench b;
    std::vector<object>& row = b.make_row(256, 0, 100, 90);
    for (object& o : row) REQUIRE(b.insert(o) == nullptr);
    SUBCASE("upwards") {
      for (std::size_t i = 0; i + 2 < row.size(); i += 3) {
        b.erase(row[i + 1]);
        std::uint64_t const to = row[i + 2].span.start().value - 1;
        b.change(row[i], span(to, to));
        CHECK(b.find(to) == &row[i]);
        CHECK(b.find(i * 100) == nullptr);
      }
    }
    SUBCASE("downwards") {
      for (std::size_t i = 0; i + 2 < row.size(); i += 3) {
        b.erase(row[i + 1]);
        std::uint64_t const to = row[i].span.last().value + 1;
        b.change(row[i + 2], span(to, row[i + 2].span.last().value));
        CHECK(b.find(to) == &row[i + 2]);
        CHECK(b.find(to + 100) == &row[i + 2]);
      }
    }
  }

  TEST_CASE_TEMPLATE("IDX-20 a reservation that fails at any allocation changes nothing", Bench, SVM_TEST_BENCHES) {
    using index = typename Bench::index;
    for (long step = 0; step <= long{index::nodes_per_insert}; ++step) {
      CAPTURE(step);
      Bench b;
      std::vector<object>& row = b.make_row(40, 0, 10, 5);
      for (object& o : row) REQUIRE(b.insert(o) == nullptr);
      sequence const content = b.content();
      b.pool.trim();
      auto const before = b.pool.in_use();
      CHECK(before.free == 0);
      b.memory.calls = 0;
      b.memory.fail_at = step;
      {
        result<typename index::reserved_nodes> const nodes = b.tree.reserve();
        if (step < long{index::nodes_per_insert}) {
          CHECK(nodes.error() == errc::no_memory);
          CHECK(b.memory.calls == step + 1);
          CHECK(b.pool.in_use().owned == before.owned);
          CHECK(b.memory.live == static_cast<long>(before.owned));
        } else {
          CHECK(nodes.error() == errc::ok);
          CHECK(b.memory.calls == step);
        }
      }
      CHECK(b.pool.in_use().reserved == 0);
      CHECK(b.pool.check());
      CHECK(b.tree.check());
      CHECK(b.content() == content);
      b.memory.fail_at = -1;
    }
  }

  TEST_CASE_TEMPLATE("a failed reservation leaves the spare nodes and the credit of others alone", Bench,
                     SVM_TEST_BENCHES) {
    using index = typename Bench::index;
    constexpr std::size_t whole = index::nodes_per_insert;
    Bench b;
    object& o = b.make(span(0, 0));
    typename index::reserved_nodes mine;
    CHECK(b.tree.replenish(mine) == errc::ok);
    CHECK(b.tree.insert(mine, o) == nullptr);
    CHECK(mine.credit() == whole - 1);
    b.memory.fail_at = 0;
    CHECK(b.tree.replenish(mine) == errc::no_memory);
    CHECK(mine.credit() == whole - 1);
    CHECK(b.tree.reserve().error() == errc::no_memory);
    CHECK(b.pool.in_use().reserved == whole - 1);
    CHECK(b.pool.in_use().free == whole - 1);
    b.tree.erase(o);
    CHECK(b.tree.reserve().error() == errc::no_memory);  // one spare node is not enough
    CHECK(b.pool.in_use().reserved == whole - 1);
    CHECK(b.tree.replenish(mine) == errc::ok);
    CHECK(mine.credit() == whole);
    b.memory.fail_at = -1;
  }

  TEST_CASE("a reservation made before a million insertions serves the last of them without the allocator") {
    bench<32> b;
    b.check_each = false;
    result<bench<32>::index::reserved_nodes> early = b.tree.reserve();
    REQUIRE(early.has_value());
    constexpr std::size_t n = 1'000'000;
    std::vector<object>& row = b.make_row(n, 0, 2, 1);
    std::size_t refused = 0;
    {
      bench<32>::index::reserved_nodes nodes;
      for (object& o : row)
        if (b.tree.replenish(nodes) != errc::ok || b.tree.insert(nodes, o) != nullptr) ++refused;
    }
    CHECK(refused == 0);
    b.pool.trim();
    CHECK(b.pool.in_use().free == bench<32>::index::nodes_per_insert);
    object& final = b.make(span(2 * n, 2 * n));
    b.memory.forbidden = true;
    CHECK(b.tree.insert(*early, final) == nullptr);
    b.memory.forbidden = false;
    CHECK(b.tree.size() == n + 1);
    CHECK(b.tree.check());
  }

  TEST_CASE("an insertion that splits every level takes one node a level and one for the root") {
    bench<4> b;
    std::vector<object>& row = b.make_row(5000, 0, 2, 1);
    b.check_each = false;
    std::size_t most = 0;
    std::size_t most_expected = 0;
    std::size_t height = 0;
    for (object& o : row) {
      result<bench<4>::index::reserved_nodes> nodes = b.tree.reserve();
      REQUIRE(nodes.has_value());
      if (b.tree.insert(*nodes, o) != nullptr) FAIL("refused");
      std::size_t const used = bench<4>::index::nodes_per_insert - nodes->credit();
      if (used > height) ++height;  // only a new root takes a node more than there were levels
      if (used > most) most = used;
      if (height > most_expected) most_expected = height;
    }
    // With 2 to 4 pairs a node, 5000 entries need 7 to 12 levels; the leaf and every level above were split at once.
    CHECK(most == most_expected);
    CHECK(most >= 7);
    CHECK(most <= 12);
    CHECK(b.tree.check());
  }

  TEST_CASE("the nodes of an index stay within what its fill promises") {
    bench<16> b;
    b.check_each = false;
    std::vector<object>& row = b.make_row(4096, 0, 2, 1);
    for (object& o : row) REQUIRE(b.insert(o) == nullptr);
    auto const used = [&] { return b.pool.in_use().owned - b.pool.in_use().free; };
    // At least 6 pairs a node: n/6 leaves, n/36 above, ...
    CHECK(used() <= 4096 / 6 + 4096 / 36 + 4096 / 216 + 10);
    for (std::size_t i = 0; i < row.size(); ++i)
      if (i % 16 != 0) b.erase(row[i]);
    CHECK(b.tree.check());
    CHECK(used() <= 256 / 6 + 256 / 36 + 10);
    b.clear();
    CHECK(used() == 0);
  }

  TEST_CASE("credit moves with a reservation and returns when it ends") {
    bench<16> b;
    using index = bench<16>::index;
    constexpr std::size_t whole = index::nodes_per_insert;
    CHECK(whole == 19);  // 2 * 6^18 <= 2^48 < 2 * 6^19
    CHECK(bench<4>::index::nodes_per_insert == 48);
    CHECK(bench<32>::index::nodes_per_insert == 14);
    auto const reserved = [&] { return b.pool.in_use().reserved; };
    {
      index::reserved_nodes first = b.tree.reserve().value();
      CHECK(reserved() == whole);
      CHECK(b.memory.calls == static_cast<long>(whole));
      index::reserved_nodes second = b.tree.reserve().value();
      CHECK(reserved() == 2 * whole);
      index::reserved_nodes moved{std::move(first)};
      CHECK(moved.credit() == whole);
      CHECK(first.credit() == 0);
      CHECK(reserved() == 2 * whole);
      second = std::move(moved);
      CHECK(second.credit() == whole);
      CHECK(reserved() == whole);
      object& o = b.make(span(1, 1));
      CHECK(b.tree.insert(second, o) == nullptr);
      CHECK(second.credit() == whole - 1);
      CHECK(reserved() == whole - 1);
      CHECK(b.tree.replenish(second) == errc::ok);
      CHECK(reserved() == whole);
      b.erase(o);
    }
    CHECK(reserved() == 0);
    CHECK(b.memory.calls == static_cast<long>(2 * whole));
    CHECK(b.pool.check());
  }

  TEST_CASE("a refused insertion leaves the reservation whole") {
    bench<16> b;
    object& o = b.make(span(0, 9));
    object& other = b.make(span(9, 10));
    REQUIRE(b.insert(o) == nullptr);
    bench<16>::index::reserved_nodes nodes = b.tree.reserve().value();
    CHECK(b.tree.insert(nodes, other) == &o);
    CHECK(nodes.credit() == bench<16>::index::nodes_per_insert);
  }

  TEST_CASE("the pool keeps what an erasure frees, and gives it back a few nodes at a time") {
    bench<4> b;
    using pool = bench<4>::index::pool;
    b.check_each = false;
    std::vector<object>& row = b.make_row(4000, 0, 2, 1);
    for (object& o : row) REQUIRE(b.insert(o) == nullptr);
    long const live = b.memory.live;
    for (object& o : row) b.erase(o);
    CHECK(b.memory.live == live);
    CHECK(b.pool.in_use().free == static_cast<std::size_t>(live));
    { auto const nodes = b.tree.reserve(); }
    CHECK(b.memory.live == live - static_cast<long>(pool::trim_batch));
    for (int i = 0; i < 1000; ++i) auto const nodes = b.tree.reserve();
    CHECK(b.memory.live <= static_cast<long>(pool::trim_above));
    CHECK(b.memory.live > static_cast<long>(pool::trim_above - pool::trim_batch));
    long const calls = b.memory.calls;
    for (int i = 0; i < 1000; ++i) auto const nodes = b.tree.reserve();
    CHECK(b.memory.calls == calls);
    auto held = b.tree.reserve();
    b.pool.trim();
    CHECK(b.memory.live == long{bench<4>::index::nodes_per_insert});
    CHECK(b.pool.check());
  }

  TEST_CASE("two threads insert into two indexes of one pool") {
    ledger memory;
    {
      using index = interval_index<traits, std_lock, ledger, 4>;
      index::pool pool{memory};
      index trees[2] = {index{pool}, index{pool}};
      std::atomic<int> refused{0};
      auto const work = [&](index& tree) {
        std::vector<object> row = row_of(200, 0, 2, 1);
        for (int round = 0; round < 5; ++round) {
          for (object& o : row) {
            result<index::reserved_nodes> nodes = tree.reserve();
            if (!nodes || tree.insert(*nodes, o) != nullptr) ++refused;
          }
          for (object& o : row) tree.erase(o);
          pool.trim();
        }
      };
      std::thread other{work, std::ref(trees[1])};
      work(trees[0]);
      other.join();
      CHECK(refused == 0);
      CHECK(pool.check());
      CHECK(pool.in_use().reserved == 0);
      CHECK(pool.in_use().free == pool.in_use().owned);
    }
    CHECK(memory.live == 0);
  }

  TEST_CASE_TEMPLATE("what leaves later is gone for every look-up at once", Bench, remembering, remembering_small) {
    for (bool const downwards : {false, true}) {
      Bench b;
      std::vector<object>& row = b.make_row(200, 1000, 10, 10);
      sequence all;
      for (object& o : row) CHECK(b.insert(o) == nullptr);
      for (std::size_t i = 0; i < row.size(); ++i)
        if (i < 50 || i >= 120) all.push_back(&row[i]);
      for (std::size_t i = 50; i < 120; ++i) {
        object& o = row[downwards ? 169 - i : i];
        b.tree.erase_later(o);
        std::uint64_t const at = o.span.start().value;
        switch (i % 5) {
          case 0:
            CHECK(b.find(at) == nullptr);
            break;
          case 1:
            CHECK(std::as_const(b.tree).first_overlap(o.span) == nullptr);
            break;
          case 2:
            CHECK(b.tree.first_overlap(o.span) == nullptr);
            break;
          case 3:
            CHECK(b.tree.around({at}).below == (downwards ? &row[168 - i] : &row[49]));
            break;
          default:
            break;
        }
        CHECK(b.tree.size() == 200 - (i - 49));
      }
      CHECK(b.tree.next(row[49]) == &row[120]);
      CHECK(b.content() == all);
      b.inspect();
    }
  }

  TEST_CASE_TEMPLATE("what comes where neighbours left takes their place, and no node", Bench, remembering,
                     remembering_small) {
    Bench b;
    std::vector<object>& row = b.make_row(500, 1000, 10, 10);
    for (object& o : row) CHECK(b.insert(o) == nullptr);
    result<typename Bench::index::reserved_nodes> nodes = b.tree.reserve();
    REQUIRE(nodes);
    std::size_t const credit = nodes->credit();
    for (std::size_t i = 1; i + 1 < row.size(); ++i) {
      b.tree.erase_later(row[i]);
      CHECK(b.tree.first_overlap(row[i].span) == nullptr);
      object& fresh = b.make(span(row[i].span.start().value + 3, row[i].span.last().value));
      b.tree.insert_found(*nodes, fresh);
      CHECK(nodes->credit() == credit);
      CHECK(b.tree.size() == row.size());
    }
    b.tree.settle();
    b.inspect();
    CHECK(b.find(row[7].span.start().value + 2) == nullptr);
    CHECK(b.find(row[7].span.start().value + 3) == b.objects[6].get());
  }

  TEST_CASE_TEMPLATE("an entry that leaves room in front is in order with it and without", Bench, remembering,
                     remembering_small) {
    for (bool const used : {false, true}) {
      Bench b;
      sequence expected;
      for (std::uint64_t i = 0; i < 100; ++i) {
        result<typename Bench::index::reserved_nodes> nodes = b.pool.reserve(2 * Bench::index::nodes_per_insert);
        REQUIRE(nodes);
        object& behind = b.make(span(100 * i + 50, 100 * i + 59));
        b.tree.insert_beyond(*nodes, behind);
        CHECK(b.tree.size() == expected.size() + 1);
        if (used) {
          va_range const front = span(100 * i, 100 * i + 9);
          CHECK(b.tree.first_overlap(front) == nullptr);
          expected.push_back(&b.make(front));
          b.tree.insert_found(*nodes, *expected.back());
        }
        expected.push_back(&behind);
        if (i % 3 == 0) b.inspect();
      }
      CHECK(b.content() == expected);
      b.inspect();
    }
  }

  TEST_CASE("readers of an index that remembers share it: no function of theirs writes a byte of it") {
    remembering b;
    std::vector<object>& row = b.make_row(300, 100, 10, 4);
    for (object& o : row) REQUIRE(b.insert(o) == nullptr);
    remembering::index const& reader = b.tree;
    REQUIRE(b.tree.first_overlap(span(1000, 1000)) != nullptr);  // what is remembered now
    std::byte before[sizeof(reader)];
    std::memcpy(before, &reader, sizeof(reader));
    CHECK(reader.find({2503}) == &row[240]);
    CHECK(reader.first_overlap(span(2504, 2600)) == &row[241]);
    CHECK(reader.around({305}).below == &row[20]);
    CHECK(reader.next(row[7]) == &row[8]);
    CHECK(reader.previous(row[7]) == &row[6]);
    std::size_t visits = 0;
    reader.for_each([&](object&) { ++visits; });
    reader.for_each_overlap(span(100, 199), [&](object&) { ++visits; });
    CHECK(visits == 310);
    CHECK(reader.try_each_overlap(span(0, 5000), [&](object& o) { return &o == &row[3] ? errc::busy : errc::ok; }) ==
          errc::busy);
    CHECK(std::memcmp(before, &reader, sizeof(reader)) == 0);
    b.clear();
  }

  TEST_CASE("a reservation of one thread survives the insertions of another into the same index") {
    ledger memory;
    {
      using index = interval_index<traits, std_lock, ledger, 4>;
      index::pool pool{memory};
      index tree{pool};
      std_lock::shared_mutex<lock_rank::notifier> lock;
      std::atomic<int> refused{0};
      std::vector<object> row = row_of(1000, 0, 2, 1);
      auto const work = [&](std::size_t first) {
        for (std::size_t i = first; i < row.size(); i += 2) {
          result<index::reserved_nodes> nodes = tree.reserve();
          exclusive_guard const guard{lock};
          if (!nodes || tree.insert(*nodes, row[i]) != nullptr) ++refused;
        }
      };
      std::thread other{work, 1};
      work(0);
      other.join();
      CHECK(refused == 0);
      CHECK(tree.size() == row.size());
      CHECK(tree.check());
      for (object& o : row) tree.erase(o);
    }
    CHECK(memory.live == 0);
  }
}

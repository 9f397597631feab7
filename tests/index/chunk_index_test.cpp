// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/index/chunk_index.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <index/spanned.hpp>

#include <support/ledger_allocator.hpp>

using namespace svm;

namespace {

constexpr std::uint64_t KiB = 1 << 10;
constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t base = 0x7f00'0000'0000;
constexpr std::uint64_t notifier_size = 512 * MiB;
constexpr byte_count chunks[] = {{2 * MiB}, {64 * KiB}, {4 * KiB}};

struct object {
  va_range span;
};
using traits = spanned<object>;
using index = chunk_index<traits, null_lock, support::ledger_allocator>;
using sequence = std::vector<object*>;
constexpr std::size_t tables = 0;
constexpr std::size_t buckets = 1;

va_range chunk(std::uint64_t offset, std::uint64_t size) {
  return {{base + offset}, {size}};
}

/// The index of a notifier with its memory, and the objects in it.
struct bench {
  support::ledger_allocator memory;
  index::pool pool{memory, chunk_layout{{{base}, {notifier_size}}, chunks}};
  index tree{pool, {base}};
  std::vector<std::unique_ptr<object>> objects;

  bench() = default;
  bench(bench const&) = delete;
  bench& operator=(bench const&) = delete;
  ~bench() {
    while (!tree.empty()) tree.erase(*tree.first());
    CHECK(used<tables>() == 0);
    CHECK(used<buckets>() == 0);
    pool.trim();
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  object& make(va_range r) { return *objects.emplace_back(std::make_unique<object>(object{r})); }
  object* insert(object& o) {
    auto room = tree.reserve();
    REQUIRE(room);
    std::uint64_t const calls = memory.calls;
    object* const met = tree.insert(*room, o);
    CHECK(memory.calls == calls);
    return met;
  }
  object& add(std::uint64_t offset, std::uint64_t size) {
    object& o = make(chunk(offset, size));
    REQUIRE(insert(o) == nullptr);
    return o;
  }
  void erase(object& o) {
    std::uint64_t const calls = memory.calls;
    tree.erase(o);
    CHECK(memory.calls == calls);
    CHECK(tree.check());
  }
  /// How many nodes of a kind the index has.
  template <std::size_t Kind>
  std::size_t used() {
    auto const all = pool.in_use<Kind>();
    return all.owned - all.free;
  }
  sequence content() {
    sequence all;
    tree.for_each([&](object& o) { all.push_back(&o); });
    return all;
  }
};

/// Counts how often an interval is read.
struct counted_traits {
  using entry = object;
  using address = cpu_va;
  static inline int reads = 0;
  static va_range interval_of(object const& o) {
    ++reads;
    return o.span;
  }
};

/// Counts bytes that are out.
struct counting {
  heap memory;
  std::uint64_t bytes = 0;
  std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    bytes += size;
    return memory.allocate(size, alignment);
  }
  void deallocate(std::byte* place, std::size_t size, std::size_t alignment) noexcept {
    bytes -= size;
    memory.deallocate(place, size, alignment);
  }
};

struct notifier_like;
struct notifier_traits {
  using entry = notifier_like;
  using address = cpu_va;
  static va_range interval_of(notifier_like const& n);
};
using ranges = chunk_index<traits, null_lock, counting>;
using notifiers = chunk_index<notifier_traits, null_lock, counting, chunk_sparse::tables>;
struct notifier_like {
  va_range span;
  ranges inside;
};
va_range notifier_traits::interval_of(notifier_like const& n) {
  return n.span;
}

/// Bytes that `count` entries take in all indexes together, as a gpusvm has them, with the reservations given back.
double bytes_an_entry(std::vector<object>& objects) {
  counting memory;
  constexpr byte_count whole[] = {{notifier_size}};
  ranges::pool pool{memory, chunk_layout{{{0}, {notifier_size}}, chunks}};
  notifiers::pool above_pool{memory, chunk_layout{{{0}, {std::uint64_t{1} << 47}}, whole}};
  notifiers above{above_pool, {0}};
  std::vector<std::unique_ptr<notifier_like>> made;
  for (object& o : objects) {
    notifier_like* home = above.find(o.span.start());
    if (home == nullptr) {
      va_range const span = aligned_block(o.span.start(), byte_count{notifier_size});
      home = new notifier_like{span, {pool, span.start()}};
      made.emplace_back(home);
      auto room = above.reserve();
      REQUIRE(room);
      REQUIRE(above.insert(*room, *home) == nullptr);
    }
    auto room = home->inside.reserve();
    REQUIRE(room);
    REQUIRE(home->inside.insert(*room, o) == nullptr);
  }
  pool.trim();
  above_pool.trim();
  double const each = static_cast<double>(memory.bytes) / static_cast<double>(objects.size());
  for (auto const& n : made) {
    while (!n->inside.empty()) n->inside.erase(*n->inside.first());
    above.erase(*n);
  }
  return each;
}

struct splitmix64 {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
};

}  // namespace

TEST_SUITE("index/chunk_index") {
  TEST_CASE("an empty index finds and visits nothing, at any address") {
    bench b;
    CHECK(b.tree.check());
    CHECK(b.tree.empty());
    for (std::uint64_t const a : {std::uint64_t{0}, base - 1, base, base + notifier_size, UINT64_MAX})
      CHECK(b.tree.find({a}) == nullptr);
    CHECK(b.tree.first() == nullptr);
    CHECK(b.tree.last() == nullptr);
    CHECK(b.tree.first_overlap({{0}, {UINT64_MAX}}) == nullptr);
    CHECK(b.content().empty());
  }

  TEST_CASE("a chunk is found at its first and its last byte, and not beside them") {
    bench b;
    object& big = b.add(4 * MiB, 2 * MiB);
    object& middle = b.add(6 * MiB, 64 * KiB);
    object& small = b.add(6 * MiB + 64 * KiB, 4 * KiB);
    for (object* const o : {&big, &middle, &small}) {
      CHECK(b.tree.find(o->span.start()) == o);
      CHECK(b.tree.find(o->span.last()) == o);
    }
    CHECK(b.tree.find({base + 4 * MiB - 1}) == nullptr);
    CHECK(b.tree.find({base + 6 * MiB + 68 * KiB}) == nullptr);
    // The same place in another notifier's span.
    CHECK(b.tree.find({base + notifier_size + 4 * MiB}) == nullptr);
    CHECK(b.tree.find({base - notifier_size + 4 * MiB}) == nullptr);
    CHECK(b.content() == sequence{&big, &middle, &small});
    CHECK(b.tree.next(big) == &middle);
    CHECK(b.tree.next(small) == nullptr);
    CHECK(b.tree.previous(small) == &middle);
    CHECK(b.tree.previous(big) == nullptr);
  }

  TEST_CASE("whatever overlaps is refused with the lowest entry that it meets, and changes nothing") {
    for (bool const crowded : {false, true}) {
      CAPTURE(crowded);
      bench b;
      object& low = b.add(64 * KiB, 4 * KiB);
      object& high = b.add(128 * KiB, 64 * KiB);
      object& big = b.add(8 * MiB, 2 * MiB);
      if (crowded)
        for (std::uint64_t i = 4; i < 32; ++i) b.add(i * 64 * KiB, 4 * KiB);
      sequence const before = b.content();
      std::size_t const nodes = b.used<tables>() + b.used<buckets>();
      struct {
        va_range span;
        object* met;
      } const refused[] = {{chunk(0, 2 * MiB), &low},
                           {chunk(64 * KiB, 64 * KiB), &low},
                           {chunk(64 * KiB, 4 * KiB), &low},
                           {chunk(128 * KiB, 64 * KiB), &high},
                           {chunk(188 * KiB, 4 * KiB), &high},
                           {chunk(9 * MiB, 64 * KiB), &big},
                           {chunk(10 * MiB - 4 * KiB, 4 * KiB), &big},
                           {chunk(8 * MiB, 2 * MiB), &big}};
      for (auto const& r : refused) {
        object& o = b.make(r.span);
        CHECK(b.insert(o) == r.met);
        CHECK(b.content() == before);
        CHECK(b.tree.check());
      }
      CHECK(b.used<tables>() + b.used<buckets>() == nodes);
    }
  }

  TEST_CASE("few entries stand in buckets, the fifth of a slot makes a table, and three are a bucket again") {
    bench b;
    sequence row;
    auto const grow = [&] { row.push_back(&b.add(row.size() * 64 * KiB, 64 * KiB)); };
    grow();
    CHECK(b.used<tables>() + b.used<buckets>() == 0);
    while (row.size() < 4) grow();
    CHECK(b.used<tables>() == 0);
    CHECK(b.used<buckets>() == 1);
    grow();
    CHECK(b.used<tables>() == 1);
    CHECK(b.used<buckets>() == 0);
    while (row.size() < 32) grow();
    CHECK(b.used<tables>() == 1);
    while (row.size() > 4) b.erase(*std::exchange(row.back(), nullptr)), row.pop_back();
    CHECK(b.used<tables>() == 1);
    b.erase(*row.back());
    row.pop_back();
    CHECK(b.used<tables>() == 0);
    CHECK(b.used<buckets>() == 1);
    CHECK(b.content() == row);
    b.erase(*row.back());
    b.erase(*row.front());
    CHECK(b.used<buckets>() == 0);
  }

  TEST_CASE("an index of tables alone has no bucket, at whatever number of entries") {
    support::ledger_allocator memory;
    using tables_alone = chunk_index<traits, null_lock, support::ledger_allocator, chunk_sparse::tables>;
    tables_alone::pool pool{memory, chunk_layout{{{base}, {notifier_size}}, chunks}};
    {
      tables_alone tree{pool, {base}};
      std::vector<object> row;
      for (std::uint64_t i = 0; i < 6; ++i) row.push_back({chunk(i * 64 * KiB, 64 * KiB)});
      auto const buckets_used = [&] { return pool.in_use<buckets>().owned - pool.in_use<buckets>().free; };
      for (object& o : row) {
        auto room = tree.reserve();
        REQUIRE(room);
        CHECK(tree.insert(*room, o) == nullptr);
        CHECK(buckets_used() == 0);
      }
      CHECK(pool.in_use<tables>().owned - pool.in_use<tables>().free == 1);
      for (object& o : row) {
        CHECK(tree.check());
        tree.erase(o);
        CHECK(buckets_used() == 0);
      }
    }
    pool.trim();
    CHECK(memory.outstanding() == 0);
  }

  TEST_CASE("below an address that no table spans, the highest entry of the table before it is next") {
    bench b;
    // All in the last slot of the root, in one table that ends long before it.
    for (std::uint64_t i = 0; i < 6; ++i) b.add(448 * MiB + i * 4 * KiB, 4 * KiB);
    object& top = b.add(448 * MiB + 6 * 4 * KiB, 4 * KiB);
    CHECK(b.used<tables>() == 1);
    CHECK(b.tree.last() == &top);
    object& far = b.add(508 * MiB, 64 * KiB);
    CHECK(b.tree.previous(far) == &top);
    CHECK(b.tree.first_overlap(chunk(450 * MiB, 2 * MiB)) == nullptr);
    CHECK(b.tree.first_overlap(chunk(450 * MiB, 62 * MiB)) == &far);
  }

  TEST_CASE("a table stands at the level where entries part, and another is put above it for an entry far away") {
    bench b;
    for (std::uint64_t i = 0; i < 8; ++i) b.add(i * 4 * KiB, 4 * KiB);
    CHECK(b.used<tables>() == 1);
    object& far = b.add(32 * MiB, 4 * KiB);
    CHECK(b.used<tables>() == 2);
    object& near = b.add(MiB, 64 * KiB);
    CHECK(b.used<tables>() == 3);
    CHECK(b.tree.check());
    b.erase(near);
    CHECK(b.used<tables>() == 2);
    b.erase(far);
    CHECK(b.used<tables>() == 1);
  }

  TEST_CASE("a reservation that fails at any allocation changes nothing, and the next one has what it needs") {
    for (std::uint64_t k = 1; k <= index::nodes_per_insert; ++k) {
      bench b;
      object& o = b.make(chunk(0, 4 * KiB));
      b.memory.fail_at = k;
      CHECK(b.tree.reserve().error() == errc::no_memory);
      CHECK(b.memory.outstanding() == 0);
      CHECK(b.pool.check());
      index::reserved_nodes kept;
      CHECK(b.tree.replenish(kept) == errc::ok);
      CHECK(b.memory.outstanding() == index::nodes_per_insert);
      CHECK(b.tree.insert(kept, o) == nullptr);
      b.memory.fail_at = b.memory.calls + 1;
      CHECK(b.tree.replenish(kept) == errc::ok);  // nothing was taken from it
    }
  }

  TEST_CASE("a warm index calls the allocator for none of a thousand insertions and erasures") {
    bench b;
    std::vector<object> row;
    for (std::uint64_t i = 0; i < 1000; ++i) row.push_back({chunk(i * 128 * KiB, 64 * KiB)});
    for (int round = 0; round < 2; ++round) {
      std::uint64_t const calls = b.memory.calls;
      index::reserved_nodes kept;
      for (object& o : row) {
        REQUIRE(b.tree.replenish(kept) == errc::ok);
        REQUIRE(b.tree.insert(kept, o) == nullptr);
      }
      if (round == 1) CHECK(b.memory.calls == calls);
      for (object& o : row) b.tree.erase(o);
    }
  }

  TEST_CASE("an entry takes at most 40 bytes in dense memory, and 130 at any density from ten thousand entries on") {
    constexpr std::uint64_t count = 20'000;
    splitmix64 random{42};
    struct {
      std::uint64_t size;
      std::uint64_t stride;
    } const rows[] = {{64 * KiB, 64 * KiB}, {64 * KiB, 128 * KiB}, {4 * KiB, 4 * KiB}, {2 * MiB, 2 * MiB}};
    for (auto const& row : rows) {
      CAPTURE(row.size);
      CAPTURE(row.stride);
      std::vector<object> dense;
      for (std::uint64_t i = 0; i < count; ++i) dense.push_back({{{base + i * row.stride}, {row.size}}});
      CHECK(bytes_an_entry(dense) <= 40.0);
    }
    for (std::uint64_t const size : {64 * KiB, 4 * KiB})
      for (std::uint64_t spread = 2; spread <= 1 << 16; spread *= 2) {
        CAPTURE(size);
        CAPTURE(spread);
        // As many as there are among `spread` times as many places.
        std::vector<bool> taken(count * spread);
        std::vector<object> sparse;
        while (sparse.size() < count)
          if (std::uint64_t const at = random() % (count * spread); !taken[at]) {
            taken[at] = true;
            sparse.push_back({{{base + at * size}, {size}}});
          }
        CHECK(bytes_an_entry(sparse) <= 130.0);
      }
  }

  TEST_CASE("a walk survives the erasure of the current, the next and every other entry, and insertions behind it") {
    bench b;
    std::vector<std::unique_ptr<object>> row;
    for (std::uint64_t i = 0; i < 200; ++i) {
      row.push_back(std::make_unique<object>(object{chunk(i * 64 * KiB, 64 * KiB)}));
      REQUIRE(b.insert(*row.back()) == nullptr);
    }
    auto const release = [&](object& o) {
      std::size_t const i = (o.span.start().value - base) / (64 * KiB);
      b.tree.erase(o);
      row[i].reset();
    };
    std::size_t visits = 0;
    SUBCASE("the current one, in a window") {
      b.tree.for_each_overlap(chunk(2 * MiB, 2 * MiB), [&](object& o) {
        ++visits;
        release(o);
      });
      CHECK(visits == 32);
      CHECK(b.tree.size() == 168);
    }
    SUBCASE("all") {
      b.tree.for_each([&](object& o) {
        ++visits;
        release(o);
      });
      CHECK(visits == 200);
      CHECK(b.tree.empty());
    }
    SUBCASE("the next one") {
      b.tree.for_each([&](object& o) {
        ++visits;
        if (object* const next = b.tree.next(o)) release(*next);
      });
      CHECK(visits == 100);
    }
    SUBCASE("others come behind it") {
      for (std::size_t i = 100; i < 200; ++i) {
        b.tree.erase(*row[i]);
        row[i].reset();
      }
      // Far from each other, so that what comes makes buckets and tables of single entries.
      for (std::uint64_t i = 0; i < 50; ++i) b.add(16 * MiB + i * 2 * MiB, 4 * KiB);
      b.tree.for_each([&](object& o) {
        ++visits;
        std::uint64_t const at = o.span.start().value - base;
        if (at >= 16 * MiB && at % (2 * MiB) <= 20 * KiB) b.add(at + 4 * KiB, 4 * KiB);
      });
      CHECK(visits == 100 + 50 * 7);
    }
    SUBCASE("itself, leaving pages in its place that are not visited") {
      b.tree.for_each([&](object& o) {
        ++visits;
        std::uint64_t const at = o.span.start().value - base;
        release(o);
        b.add(at, 4 * KiB);
        b.add(at + 60 * KiB, 4 * KiB);
      });
      CHECK(visits == 200);
      CHECK(b.tree.size() == 400);
    }
    CHECK(b.tree.check());
    while (!b.tree.empty()) b.tree.erase(*b.tree.first());
  }

  TEST_CASE("a walk through a window looks at its entries and at most the one below, however many there are") {
    using counted = chunk_index<counted_traits, null_lock, support::ledger_allocator>;
    support::ledger_allocator memory;
    counted::pool pool{memory, chunk_layout{{{base}, {notifier_size}}, chunks}};
    {
      counted tree{pool, {base}};
      std::vector<object> row;
      for (std::uint64_t i = 0; i < 512; ++i) row.push_back({chunk(i * 64 * KiB, 64 * KiB)});
      // And some in a table that is alone in a slot of the root.
      for (std::uint64_t i = 0; i < 16; ++i) row.push_back({chunk(160 * MiB + i * 4 * KiB, 4 * KiB)});
      for (object& o : row) {
        auto room = tree.reserve();
        REQUIRE(room);
        REQUIRE(tree.insert(*room, o) == nullptr);
      }
      auto const reads_of = [&](va_range window, std::size_t expected) {
        counted_traits::reads = 0;
        std::size_t visits = 0;
        tree.for_each_overlap(window, [&](object&) { ++visits; });
        CHECK(visits == expected);
        return counted_traits::reads;
      };
      CHECK(reads_of(chunk(10 * MiB + 256 * KiB, 64 * KiB), 1) <= 2);
      CHECK(reads_of(chunk(2 * MiB, 2 * MiB), 32) <= 33);
      CHECK(reads_of(chunk(140 * MiB, 2 * MiB), 0) <= 1);
      CHECK(reads_of(chunk(180 * MiB, 2 * MiB), 0) <= 1);
      CHECK(reads_of(chunk(notifier_size, 2 * MiB), 0) == 0);
      CHECK(reads_of({{base - 2 * MiB}, {2 * MiB}}, 0) == 0);
      for (object& o : row) tree.erase(o);
    }
    pool.trim();
  }

  TEST_CASE("a walk that changes the index at the last of all addresses ends there") {
    support::ledger_allocator memory;
    constexpr std::uint64_t last_span = UINT64_MAX - (notifier_size - 1);
    index::pool pool{memory, chunk_layout{{{last_span}, {notifier_size}}, chunks}};
    {
      index tree{pool, {UINT64_MAX}};
      object low{{{last_span}, {64 * KiB}}};
      object high{{{UINT64_MAX - (4 * KiB - 1)}, {4 * KiB}}};
      for (object* const o : {&low, &high}) {
        auto room = tree.reserve();
        REQUIRE(room);
        REQUIRE(tree.insert(*room, *o) == nullptr);
      }
      CHECK(tree.find({UINT64_MAX}) == &high);
      CHECK(tree.last() == &high);
      CHECK(tree.next(high) == nullptr);
      sequence visited;
      tree.for_each([&](object& o) {
        visited.push_back(&o);
        if (&o == &high) tree.erase(o);
      });
      CHECK(visited == sequence{&low, &high});
      tree.erase(low);
    }
    pool.trim();
  }

  TEST_CASE("check sees an entry that moved or grew without a word, and whatever is wrong with a node") {
    bench b;
    object& low = b.add(0, 64 * KiB);
    object& next = b.add(64 * KiB, 64 * KiB);
    auto const sees = [&](object& o, va_range wrong) {
      va_range const right = std::exchange(o.span, wrong);
      bool const seen = !b.tree.check();
      o.span = right;
      return seen && b.tree.check();
    };
    CHECK(sees(low, chunk(4 * KiB, 4 * KiB)));    // a bucket's key
    CHECK(sees(low, {{base}, {128 * KiB}}));      // over its neighbour
    CHECK(sees(next, chunk(4 * MiB, 64 * KiB)));  // elsewhere
    for (std::uint64_t i = 2; i < 8; ++i) b.add(i * 64 * KiB, 64 * KiB);
    object& big = b.add(64 * MiB, 2 * MiB);
    CHECK(sees(low, chunk(64 * KiB, 4 * KiB)));          // in a table: over its neighbour
    CHECK(sees(low, {{base}, {128 * KiB}}));             // more slots than it fills
    CHECK(sees(big, chunk(192 * MiB, 2 * MiB)));         // in another slot of the root
    CHECK(sees(big, {{base + 64 * MiB}, {128 * MiB}}));  // less slots than it claims
  }
}

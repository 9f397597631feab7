// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// An index that is read without the user's lock: what its words and its retired nodes have to be for that.
#include <svm/index/chunk_index.hpp>
#include <svm/std/null_lock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <index/spanned.hpp>

#include <support/ledger_allocator.hpp>

using namespace svm;

namespace {

constexpr byte_count chunks[] = {{2 << 20}, {64 << 10}, {4 << 10}};
constexpr std::uint64_t base = 0x7f00'0000'0000;

/// What waits until no reader can see it.
std::vector<std::function<void()>> retired;

struct no_lock {
  template <class T>
  class word {
   public:
    word() = default;
    explicit word(T value) : value_(value) {}
    [[nodiscard]] T load() const { return value_.load(std::memory_order_acquire); }
    void store(T value) { value_.store(value, std::memory_order_release); }

   private:
    std::atomic<T> value_{};
  };
  using watch = svm::detail::readers_lock::watch;
  template <class Pool, class... Nodes>
  using limbo = svm::detail::readers_lock::limbo<Pool, Nodes...>;
  template <class Node, class Pool>
  static void retire(Pool& pool, Node& node) {
    retired.push_back([&pool, &node] { pool.template put<Node>(reinterpret_cast<std::byte*>(&node)); });
  }
};

struct object {
  va_range span;
};
using index = chunk_index<spanned<object>, null_lock, support::ledger_allocator, chunk_sparse::buckets, no_lock>;

void end_grace_period() {
  for (auto const& free : retired) free();
  retired.clear();
}

std::vector<object> row_of(std::size_t n) {
  std::vector<object> row;
  for (std::size_t i = 0; i < n; ++i) row.push_back({{{base + i * (64 << 10)}, {64 << 10}}});
  return row;
}

}  // namespace

TEST_SUITE("index/chunk_readers") {
  TEST_CASE("a node that the index has no use for reaches the pool when it is said that nobody reads it any more") {
    support::ledger_allocator memory;
    index::pool pool{memory, chunk_layout{{{base}, {512 << 20}}, chunks}};
    {
      index tree{pool, {base}};
      std::vector<object> row = row_of(40);
      index::reserved_nodes room;
      for (object& o : row) {
        REQUIRE(tree.replenish(room) == errc::ok);
        REQUIRE(tree.insert(room, o) == nullptr);
      }
      std::size_t const waiting = retired.size();  // buckets that became tables
      CHECK(waiting > 0);
      auto const before = pool.in_use<0>();
      for (object& o : row) tree.erase(o);
      CHECK(retired.size() > waiting);
      CHECK(pool.in_use<0>().free == before.free);
      end_grace_period();
    }
    CHECK(pool.in_use<0>().free == pool.in_use<0>().owned);
    CHECK(pool.in_use<1>().free == pool.in_use<1>().owned);
    pool.trim();
    CHECK(memory.outstanding() == 0);
  }

  TEST_CASE("readers without the lock see what the index had, whenever the sequence says that nothing changed") {
    support::ledger_allocator memory;
    index::pool pool{memory, chunk_layout{{{base}, {512 << 20}}, chunks}};
    {
      index tree{pool, {base}};
      std::vector<object> row = row_of(256);
      std::vector<std::atomic<bool>> present(row.size());
      std::atomic<std::uint64_t> sequence{0};
      std::atomic<bool> done{false};
      std::atomic<std::uint64_t> validated{0};
      std::atomic<std::uint64_t> wrong{0};
      auto const read = [&](std::uint64_t seed) {
        do {
          std::size_t const i = (seed = seed * 6364136223846793005 + 1442695040888963407) >> 33 & 255;
          std::uint64_t const begin = sequence.load();
          if (begin % 2 != 0) continue;
          object const* const found = tree.find({base + i * (64 << 10) + 5}, pool.layout());
          bool const expected = present[i].load();
          if (sequence.load() != begin) continue;
          ++validated;
          if (found != (expected ? &row[i] : nullptr)) ++wrong;
        } while (!done.load());
      };
      std::thread first{read, 1};
      std::thread second{read, 2};
      index::reserved_nodes room;
      std::uint64_t seed = 3;
      // Some places are dense and some are sparse, and which ones changes.
      for (int step = 0; step < 20'000 || validated.load() < 1000; ++step) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        std::size_t const i = seed >> 33 & (step / 1000 % 2 == 0 ? 255 : 31);
        REQUIRE(tree.replenish(room) == errc::ok);
        sequence.fetch_add(1);
        if (present[i].load())
          tree.erase(row[i]);
        else if (tree.insert(room, row[i]) != nullptr)
          ++wrong;
        present[i].store(!present[i].load());
        sequence.fetch_add(1);
      }
      done = true;
      first.join();
      second.join();
      CHECK(wrong == 0);
      CHECK(validated >= 1000);
      CHECK(tree.check());
      while (!tree.empty()) tree.erase(*tree.first());
      end_grace_period();
    }
    pool.trim();
    CHECK(memory.outstanding() == 0);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/index/index_node_pool.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

#include <doctest/doctest.h>

#include <support/ledger_allocator.hpp>

using namespace svm;

namespace {

struct alignas(64) small {
  std::byte bytes[64];
};
struct alignas(128) large {
  std::byte bytes[384];
};
using pool = index_node_pool<null_lock, support::ledger_allocator, large, small>;

}  // namespace

TEST_SUITE("index/index_node_pool") {
  TEST_CASE("nodes of two kinds are counted apart, and none becomes one of the other kind") {
    support::ledger_allocator memory;
    {
      pool nodes{memory};
      auto room = nodes.reserve({{1, 2}});
      REQUIRE(room);
      CHECK(room->credit() == 1);
      CHECK(room->credit<1>() == 2);
      std::byte* const a = nodes.take<large>(*room);
      std::byte* const b = nodes.take<small>(*room);
      CHECK(room->credit() == 0);
      CHECK(room->credit<1>() == 1);
      CHECK(nodes.in_use<0>().free == 0);
      CHECK(nodes.in_use<1>().free == 1);
      nodes.put<large>(a);
      nodes.put<small>(b);
      CHECK(nodes.in_use<0>().free == 1);
      CHECK(nodes.in_use<1>().free == 2);
      CHECK(nodes.check());
    }
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("a reservation that lacks a node of any kind allocates none and promises what it did") {
    for (std::uint64_t k = 1; k <= 4; ++k) {
      CAPTURE(k);
      support::ledger_allocator memory;
      {
        pool nodes{memory};
        auto other = nodes.reserve({{1, 1}});
        REQUIRE(other);
        std::size_t const before = memory.outstanding();
        memory.fail_at = memory.calls + k;
        auto room = std::move(*other);
        CHECK(nodes.replenish(room, {{3, 3}}) == errc::no_memory);
        CHECK(memory.outstanding() == before);
        CHECK(room.credit() == 1);
        CHECK(room.credit<1>() == 1);
        CHECK(nodes.check());
      }
      CHECK(memory.outstanding() == 0);
    }
  }

  TEST_CASE("who can do without a node gets a spare one, and none that is promised") {
    support::ledger_allocator memory;
    pool nodes{memory};
    auto room = nodes.reserve({{0, 2}});
    REQUIRE(room);
    CHECK(nodes.take_spare<small>() == nullptr);
    CHECK(nodes.take_spare<large>() == nullptr);
    std::byte* const taken = nodes.take<small>(*room);
    nodes.put<small>(taken);
    std::byte* const spare = nodes.take_spare<small>();
    CHECK(spare == taken);
    CHECK(nodes.take_spare<small>() == nullptr);
    nodes.put<small>(spare);
    CHECK(nodes.check());
  }

  TEST_CASE("what is spare beyond the limit goes back in batches, each kind for itself") {
    support::ledger_allocator memory;
    pool nodes{memory};
    constexpr std::size_t many = pool::trim_above + 40;
    { REQUIRE(nodes.reserve({{2, many}})); }
    CHECK(nodes.in_use<0>().owned == 2);
    CHECK(nodes.in_use<1>().owned == many - pool::trim_batch);
    nodes.trim();
    CHECK(memory.outstanding() == 0);
  }
}

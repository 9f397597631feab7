// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstddef>
#include <cstdint>
#include <vector>

#include <svm/gpusvm/range_pool.hpp>

#include <pagemap/scene.hpp>
#include <support/ledger_allocator.hpp>

using namespace support;

namespace {

struct object {
  std::uint64_t words[3];
};
using pool_type = svm::detail::range_pool<lock_policy, ledger_allocator, object>;

using pools_type = svm::detail::range_pools<lock_policy, ledger_allocator, object>;
static_assert(pools_type::count > 1, "neighbours have pools of their own");
static_assert(svm::detail::range_pools<svm::null_lock, ledger_allocator, object>::count == 1);

void remove(world& w, cpu_va a) {
  auto& svm = w.driver.svm();
  svm.remove(svm.lock_range(svm.find(a)));
}

}  // namespace

TEST_SUITE("gpusvm/range_pool") {
  TEST_CASE("what is kept is handed out again, and all of it goes back to the allocator at the end") {
    ledger_allocator memory;
    {
      pool_type pool{memory};
      std::byte* const first = *pool.take();
      std::byte* const second = *pool.take();
      REQUIRE(first != nullptr);
      REQUIRE(second != nullptr);
      CHECK(pool.uncharge_and_keep(first));
      CHECK(*pool.take() == first);
      CHECK(memory.calls == 2);
      CHECK(pool.uncharge_and_keep(second));
      pool.trim();
      CHECK(memory.outstanding() == 1);
      CHECK(pool.uncharge_and_keep(first));
    }
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("it keeps no more than it says, and has none where the allocator has none") {
    ledger_allocator memory;
    pool_type pool{memory};
    std::vector<std::byte*> taken;
    for (std::size_t i = 0; i <= pool_type::most_kept; ++i) taken.push_back(*pool.take());
    for (std::size_t i = 0; i < pool_type::most_kept; ++i) REQUIRE(pool.uncharge_and_keep(taken[i]));
    CHECK_FALSE(pool.uncharge_and_keep(taken.back()));
    memory.deallocate(taken.back(), sizeof(object), alignof(object));
    pool.trim();
    memory.fail_at = memory.calls + 1;
    CHECK(pool.take().error() == svm::errc::no_memory);
  }

  TEST_CASE("pools side by side keep memory each for itself, and give all of it back") {
    ledger_allocator memory;
    {
      pools_type pools{memory, UINT64_MAX};
      REQUIRE(&pools.at(0) != &pools.at(1));
      CHECK(&pools.at(1) == &pools.at(1 + pools_type::count));
      std::byte* const first = *pools.at(0).take();
      CHECK(pools.at(0).uncharge_and_keep(first));
      std::byte* const second = *pools.at(1).take();
      CHECK(second != first);
      CHECK(*pools.at(0).take() == first);
      CHECK(pools.at(0).uncharge_and_keep(first));
      CHECK(pools.at(1).uncharge_and_keep(second));
      pools.trim();
      CHECK(memory.outstanding() == 0);
    }
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("one limit holds for all pools, and a failure charges nothing") {
    ledger_allocator memory;
    pools_type pools{memory, 2};
    memory.fail_at = memory.calls + 1;
    CHECK(pools.at(0).take().error() == svm::errc::no_memory);
    memory.fail_at = 0;
    std::byte* const first = *pools.at(0).take();
    std::byte* const second = *pools.at(1).take();
    CHECK(pools.at(2).take().error() == svm::errc::quota_exceeded);
    CHECK(pools.at(1).uncharge_and_keep(second));
    std::byte* const third = *pools.at(2).take();
    CHECK(pools.at(0).take().error() == svm::errc::quota_exceeded);
    CHECK(pools.at(0).uncharge_and_keep(first));
    CHECK(pools.at(2).uncharge_and_keep(third));
    std::byte* const made = *pools.at(3).take();
    pools.uncharge();
    CHECK(*pools.at(0).take() == first);
    CHECK(pools.at(0).uncharge_and_keep(first));
    memory.deallocate(made, sizeof(object), alignof(object));
  }

  TEST_CASE("a fault that makes a range asks the heap for nothing once the driver is warm") {
    world w{options([](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.chunks = {{4 * KiB}};  // one run, and so one block, which needs no array
    })};
    w.map(64 * KiB);
    w.cpu_tag(base, 64 * KiB, 1);
    constexpr std::uint64_t ranges = 8;
    auto const fault_all = [&] {
      for (std::uint64_t i = 1; i <= ranges; ++i)
        CHECK(w.driver.fault(at(i * page_bytes), svm::access_kind::write) == svm::errc::ok);
    };
    CHECK(w.driver.fault(base, svm::access_kind::write) == svm::errc::ok);  // its range keeps the notifier
    fault_all();
    for (std::uint64_t i = 1; i <= ranges; ++i) remove(w, at(i * page_bytes));
    REQUIRE(w.range_count() == 1);
    std::uint64_t const before = w.memory.total_blocks();
    fault_all();
    CHECK(w.range_count() == 1 + ranges);
    CHECK(w.memory.total_blocks() == before);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range that was removed counts no more, though somebody holds it") {
    world w{options([](auto& o) {
      o.driver.migrate = svm::migration_mode::never;
      o.driver.limits.ranges = 1;
      o.chunks = {{4 * KiB}};
    })};
    w.map(64 * KiB);
    REQUIRE(w.driver.fault(base, svm::access_kind::write) == svm::errc::ok);
    REQUIRE(w.driver.fault(at(page_bytes), svm::access_kind::write) == svm::errc::quota_exceeded);
    auto const kept = w.driver.svm().find(base);
    REQUIRE(kept);
    remove(w, base);
    CHECK(w.driver.fault(at(page_bytes), svm::access_kind::write) == svm::errc::ok);
    CHECK(w.driver.fault(base, svm::access_kind::write) == svm::errc::quota_exceeded);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range that outlives its gpusvm goes back to the allocator") {
    world w{options([](auto& o) { o.driver.migrate = svm::migration_mode::never; })};
    w.map(MiB);
    CHECK(w.driver.fault(base, svm::access_kind::write) == svm::errc::ok);
    auto kept = w.driver.svm().find(base);
    REQUIRE(kept);
    w.driver.close();
    std::uint64_t const before = w.memory.live_blocks();
    kept = {};
    CHECK(w.memory.live_blocks() < before);
    CHECK(w.complaint() == "");
  }
}

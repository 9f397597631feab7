// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/pagemap/account.hpp>

#include <cstdint>
#include <utility>

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using account = svm::device_account<policies>;
using account_ref = svm::device_account_ref<policies>;

account_ref make_account(world& w, std::uint64_t limit) {
  account* const made = svm::detail::construct<account>(w.memory, w.memory, byte_count{limit});
  REQUIRE(made != nullptr);
  return account_ref::adopt(*made);
}
errc migrate(world& w, cpu_va a, account& who) {
  return w.mover.migrate_to_device(w.process, span(a, chunk), {.account = &who});
}

}  // namespace

TEST_SUITE("pagemap/account") {
  TEST_CASE("a migration of a range charges who is named, and else the account of its gpusvm") {
    world w{small_chunks(MiB, [](auto& o) { o.driver.limits.device_memory = {chunk}; })};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    account_ref const who = make_account(w, chunk);
    auto const migrate_range = [&](cpu_va a, account* payer) {
      auto found = w.driver.svm().find_or_insert(a, {.devmem_possible = true});
      REQUIRE(found);
      auto held = w.driver.svm().lock_range(std::move(found->range));
      return w.driver.migrate_to_device(held, {.account = payer});
    };
    CHECK(migrate_range(base, who.get()) == errc::ok);
    CHECK(who->used() == byte_count{chunk});
    CHECK(migrate_range(at(chunk), nullptr) == errc::ok);  // its own limit has not been touched so far
    CHECK(who->used() == byte_count{chunk});
    CHECK(w.device_memory.used() == byte_count{2 * chunk});
    CHECK(w.cpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
    CHECK(who->used() == byte_count{});
  }

  TEST_CASE("an allocation is charged while it takes memory, and given back exactly once, whoever ends it") {
    for (int const way : {0, 1, 2, 3}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      account_ref const who = make_account(w, 2 * chunk);
      REQUIRE(migrate(w, base, *who) == errc::ok);
      CHECK(who->used() == byte_count{chunk});
      if (way == 0) CHECK(w.mover.evict_all() == errc::ok);
      if (way == 1) CHECK(w.cpu_read(base) == 1u);
      if (way == 2) CHECK(w.process.munmap(base, {chunk}) == sys::ok);
      if (way == 3) w.exit(w.first());
      CHECK(who->used() == byte_count{});
      CHECK(w.device_memory.used() == byte_count{});
    }
  }

  TEST_CASE("beyond the limit nothing moves and nobody else's memory is evicted for it") {
    world w{small_chunks(2 * chunk)};
    w.map(3 * chunk);
    w.cpu_tag(base, 3 * chunk, 1);
    account_ref const poor = make_account(w, chunk);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    REQUIRE(migrate(w, at(chunk), *poor) == errc::ok);
    CHECK(migrate(w, at(2 * chunk), *poor) == errc::quota_exceeded);
    CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
    CHECK(poor->used() == byte_count{chunk});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a migration that fails at whichever step has cost nothing") {
    for (auto const kind : {failure::alloc, failure::dma_map, failure::copy, failure::populate})
      for (std::uint64_t k = 1;; ++k) {
        REQUIRE(k < 100);
        world w{small_chunks()};
        w.map(chunk);
        w.cpu_tag(base, chunk, 1);
        account_ref const who = make_account(w, chunk);
        w.failures.arm(kind, k);
        errc const e = migrate(w, base, *who);
        bool const struck = w.failures.struck() != 0;
        w.failures.disarm();
        CHECK((e == errc::ok) == !struck);
        CHECK(who->used() == byte_count{struck ? 0 : chunk});
        if (!struck) break;
      }
  }

  TEST_CASE("it outlives who asked for the memory, as long as the memory is taken") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    account* seen = nullptr;
    {
      account_ref const who = make_account(w, chunk);
      seen = who.get();
      REQUIRE(migrate(w, base, *who) == errc::ok);
    }
    CHECK(seen->used() == byte_count{chunk});
    CHECK(w.cpu_read(base) == 1u);  // and with the memory it goes: the world's ledger knows
  }
}

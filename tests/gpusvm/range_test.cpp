// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <support/scripted.hpp>
#include <support/world.hpp>

#include <svm/mock/machine/random.hpp>

using namespace support;
using svm::page_flag;
using svm::range_flag;

namespace {

svm::range_ref<policies> insert(world& w, cpu_va a) {
  auto found = w.driver.svm().find_or_insert(a, {});
  REQUIRE(found.has_value());
  return found->range;
}
void remove(world& w, svm::range_ref<policies> r) {
  w.driver.svm().remove(w.driver.svm().lock_range(std::move(r)));
}

}  // namespace

TEST_SUITE("gpusvm/range") {
  TEST_CASE("RNG-21 a removed range leaves the index at once, and its memory lives until the last reference") {
    world w;
    w.map(64 * KiB);
    svm::range_ref<policies> extra = insert(w, base);
    remove(w, extra);
    CHECK_FALSE(w.range_at(base));
    CHECK(w.range_count() == 0);
    CHECK(w.notifier_count() == 0);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.complaint() == "");
    // Still readable: interval, flags, and the notifier that it keeps.
    CHECK(extra->interval() == span(base, 64 * KiB));
    CHECK(extra->owner().interval().contains(extra->interval()));
    CHECK(extra->has(range_flag::removed));
    std::uint64_t const with_reference = w.memory.live_blocks();
    svm::range_ref<policies> copy = extra;
    extra = {};
    CHECK(w.memory.live_blocks() == with_reference);
    copy = {};
    CHECK(w.memory.live_blocks() == with_reference - 2);  // the range, and the notifier that it kept
    CHECK(w.count(svm::event_kind::range_removed) == 1);
  }

  TEST_CASE("a new range at the address of a removed one is another object") {
    world w;
    w.map(64 * KiB);
    svm::range_ref<policies> const old = insert(w, base);
    remove(w, old);
    svm::range_ref<policies> const fresh = insert(w, base);
    CHECK(fresh.get() != old.get());
    CHECK_FALSE(fresh->has(range_flag::removed));
    CHECK(&fresh->owner() != &old->owner());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a hold keeps the process from exiting until it ends, and one taken later knows") {
    world w;
    w.map(64 * KiB);
    svm::range_ref<policies> r = insert(w, base);
    {
      auto const held = w.driver.svm().lock_range(r);
      CHECK(held.mm_alive());
      w.process.exit();
      CHECK(w.process.users() == 1);
      CHECK(w.process.vmas().all().size() == 1);
    }
    CHECK(w.process.users() == 0);
    CHECK(w.process.vmas().all().empty());
    auto held = w.driver.svm().lock_range(std::move(r));
    CHECK_FALSE(held.mm_alive());
    CHECK(w.driver.svm().get_pages(held, {}) == errc::mm_gone);
    CHECK(w.driver.migrate_to_device(held, {}) == errc::mm_gone);
    w.driver.svm().remove(std::move(held));
    CHECK(w.range_count() == 0);
  }

  TEST_CASE("a hold that moves is given up once") {
    world w;
    w.map(64 * KiB);
    {
      auto first = w.driver.svm().lock_range(insert(w, base));
      auto const second = std::move(first);
      CHECK(second->interval() == span(base, 64 * KiB));
      CHECK(w.process.users() == 2);
    }
    CHECK(w.process.users() == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-24 over a thousand random lifetimes every range, notifier and driver's state is made and freed once") {
    using script = scripted<4096>;
    for (std::uint64_t const seed : {1u, 2u, 3u}) {
      CAPTURE(seed);
      svm::mock::random draw{seed};
      std::vector<svm::range_ref<script::policies>> kept;
      script s{*svm::gpusvm_layout::make(span(cpu_va{}, GiB), {64 * KiB},
                                         std::vector<byte_count>{{16 * KiB}, {4 * KiB}}, {4096})};
      s.mm.add_vma(cpu_va{}, MiB);
      std::set<svm::range<script::policies> const*> known;
      for (int i = 0; i < 1000; ++i) {
        cpu_va const a{draw.below(MiB)};
        switch (draw.below(4)) {
          case 0:
          case 1: {
            auto found = s.svm.find_or_insert(a, {});
            REQUIRE(found.has_value());
            if (draw.below(2) == 0) kept.push_back(found->range);
            break;
          }
          case 2:
            if (auto r = s.svm.find(a)) s.svm.remove(s.svm.lock_range(std::move(r)));
            break;
          case 3:
            if (!kept.empty()) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(draw.below(kept.size())));
            break;
        }
        // The objects that live are those in the index and those that somebody keeps.
        known.clear();
        std::set<svm::notifier<script::policies> const*> notifiers;
        s.svm.for_each_range(world::everything, [&](auto const& r) { known.insert(&r); });
        for (auto const& r : kept) known.insert(r.get());
        for (auto const* const r : known) notifiers.insert(&r->owner());
        if (script::policies::range_data::live != static_cast<std::int64_t>(known.size())) FAIL("ranges, step " << i);
        if (script::policies::notifier_data::live != static_cast<std::int64_t>(notifiers.size()))
          FAIL("notifiers, step " << i);
      }
      CHECK(s.svm.check());
      kept.clear();
    }
  }

  TEST_CASE("the unmapped flags say whether an unmap covered the range, and are sticky (UNM-20)") {
    world w;
    w.map(4 * MiB);
    svm::range_ref<policies> const part = insert(w, base);
    svm::range_ref<policies> const whole = insert(w, at(2 * MiB));
    REQUIRE(w.process.munmap(at(2 * MiB), {2 * MiB}) == sys::ok);
    CHECK(whole->has(range_flag::unmapped));
    CHECK_FALSE(whole->has(range_flag::partial_unmap));
    REQUIRE(w.process.munmap(base, {4 * KiB}) == sys::ok);
    CHECK(part->has(range_flag::unmapped));
    CHECK(part->has(range_flag::partial_unmap));
    REQUIRE(w.process.munmap(base, {2 * MiB}) == sys::ok);
    CHECK(part->has(range_flag::partial_unmap));
    w.driver.collect_garbage();
    CHECK(part->has(range_flag::removed));
    CHECK(w.range_count() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("events other than an unmap leave the flags alone, the release at exit too (INV-03)") {
    for (auto const cause : {svm::invalidation_cause::clear, svm::invalidation_cause::protection,
                             svm::invalidation_cause::migrate, svm::invalidation_cause::release}) {
      world w;
      w.map(64 * KiB);
      svm::range_ref<policies> const r = insert(w, base);
      REQUIRE(w.process.invalidate_only({span(base, 64 * KiB), cause}));
      CHECK_FALSE(r->has(range_flag::unmapped));
      CHECK_FALSE(r->has(range_flag::partial_unmap));
      w.driver.collect_garbage();
      CHECK(w.range_at(base).get() == r.get());
    }
  }
}

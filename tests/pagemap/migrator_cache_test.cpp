// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/pagemap/migrator_cache.hpp>

#include <cstdint>
#include <functional>
#include <utility>

#include <pagemap/scene.hpp>
#include <support/scripted.hpp>

using namespace support;

namespace {

using cache = svm::migrator_cache<policies>;
using shrinker = svm::migrator_shrinker<policies>;
using migrator_ref = svm::migrator_ref<policies>;

struct scene {
  world w{small_chunks()};
  shrinker pressure;
  cache kept{w.mover.env(), pressure};

  [[nodiscard]] migrator_ref get() {
    auto got = kept.get();
    REQUIRE(got);
    return std::move(got).value();
  }
};

/// A lock that lets another thread act before it is taken and after it is given back, once.
struct hooked_lock : svm::null_lock {
  static inline std::function<void()> before_lock;
  static inline std::function<void()> after_unlock;
  static void run(std::function<void()>& hook) {
    if (auto const act = std::exchange(hook, nullptr)) act();
  }
  template <svm::lock_rank>
  class mutex {
   public:
    void lock() { run(before_lock); }
    void unlock() { run(after_unlock); }
    [[nodiscard]] bool try_lock() { return true; }
    void assert_held() SVM_ASSERT_CAPABILITY(this) {}
  };
};
struct hooked_policies : scripted_policies<4096> {
  using lock = hooked_lock;
};
struct hooked_scene {
  hooked_policies::mm mm;
  hooked_policies::device device;
  hooked_policies::pagemap pagemap;
  scripted_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::migrator_shrinker<hooked_policies> pressure;
  svm::migrator_cache<hooked_policies> kept{{mm, device, pagemap, memory, clock, stats}, pressure};
};

}  // namespace

TEST_SUITE("pagemap/migrator_cache") {
  TEST_CASE("all who ask get the same migrator while anybody has it") {
    scene s;
    migrator_ref const a = s.get();
    migrator_ref const b = s.get();
    CHECK(a.get() == b.get());
    CHECK_FALSE(s.kept.is_parked());
    CHECK_FALSE(s.kept.shrink());
    CHECK(s.pressure.shrink(10) == 0);
  }

  TEST_CASE("with the last reference it is parked, and who asks again gets it back without an allocation") {
    scene s;
    auto* const first = s.get().get();
    CHECK(s.kept.is_parked());
    std::uint64_t const allocations = s.w.failures.calls(failure::alloc);
    {
      migrator_ref const again = s.get();
      CHECK(again.get() == first);
      CHECK(s.w.failures.calls(failure::alloc) == allocations);
      CHECK_FALSE(s.kept.is_parked());
    }
    CHECK(s.kept.is_parked());
  }

  TEST_CASE("shrinking ends a parked one once, and the next who asks gets a new one that works") {
    scene s;
    static_cast<void>(s.get());
    std::uint64_t const blocks = s.w.memory.live_blocks();
    CHECK(s.pressure.shrink(10) == 1);
    CHECK(s.w.memory.live_blocks() == blocks - 1);
    CHECK(s.pressure.shrink(10) == 0);
    CHECK_FALSE(s.kept.is_parked());
    s.w.map(chunk);
    s.w.cpu_tag(base, chunk, 1);
    CHECK(s.get()->migrate_to_device(s.w.process, span(base, chunk), {}) == errc::ok);
    CHECK(s.w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("the shrinker ends as many as asked for, of all caches") {
    scene s;
    cache second{s.w.mover.env(), s.pressure};
    cache third{s.w.mover.env(), s.pressure};
    for (cache* const c : {&s.kept, &second, &third}) REQUIRE(c->get());
    CHECK(s.pressure.shrink(0) == 0);
    CHECK(s.pressure.shrink(2) == 2);
    CHECK(s.pressure.shrink(10) == 1);
  }

  TEST_CASE("without memory nobody gets one, and nothing is kept") {
    scene s;
    s.w.failures.arm(failure::alloc, 1);
    CHECK(s.kept.get().error() == errc::no_memory);
    CHECK_FALSE(s.kept.is_parked());
    CHECK(s.kept.get());
  }

  TEST_CASE("an idle call that comes late, after the migrator was taken up again, parks nothing") {
    hooked_scene s;
    auto a = *s.kept.get();
    auto* const it = a.get();
    svm::migrator_ref<hooked_policies> b;
    hooked_lock::before_lock = [&] { b = *s.kept.get(); };  // between the last put and its call
    a = {};
    CHECK(b.get() == it);
    CHECK_FALSE(s.kept.is_parked());
    CHECK_FALSE(s.kept.shrink());
    b = {};
    CHECK(s.kept.is_parked());
  }

  TEST_CASE("a lookup that meets a shrink gets the parked one or a new one, and it stays (erratum 3.2.15)") {
    for (bool const first : {true, false}) {
      hooked_scene s;
      static_cast<void>(*s.kept.get());
      svm::migrator_ref<hooked_policies> b;
      (first ? hooked_lock::before_lock : hooked_lock::after_unlock) = [&] { b = *s.kept.get(); };
      CHECK(s.kept.shrink() == !first);
      REQUIRE(b);
      CHECK_FALSE(s.kept.is_parked());
      CHECK(s.kept.get()->get() == b.get());
      CHECK_FALSE(s.kept.shrink());
    }
  }

  TEST_CASE("of two who make the first one at the same time both get the same") {
    hooked_scene s;
    svm::migrator_ref<hooked_policies> b;
    s.memory.hook = [&](std::size_t) {
      s.memory.hook = nullptr;
      b = *s.kept.get();
    };
    auto const a = *s.kept.get();
    CHECK(a.get() == b.get());
    CHECK(s.memory.live == 1);
  }

  TEST_CASE("memory on the device keeps its migrator in use; when it has come back the migrator is idle") {
    scene s;
    s.w.map(chunk);
    s.w.cpu_tag(base, chunk, 1);
    REQUIRE(s.get()->migrate_to_device(s.w.process, span(base, chunk), {}) == errc::ok);
    CHECK_FALSE(s.kept.is_parked());
    CHECK(s.pressure.shrink(10) == 0);
    CHECK(s.w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(s.kept.is_parked());
    CHECK(s.pressure.shrink(10) == 1);
  }

  TEST_CASE("a migrator that was unbound and went idle is bound again when it is taken up") {
    scene s;
    {
      migrator_ref const a = s.get();
      CHECK(a->unbind() == errc::ok);
      CHECK_FALSE(a->is_bound());
      CHECK(a->migrate_to_device(s.w.process, span(base, chunk), {}) == errc::device_gone);
    }
    CHECK(s.get()->is_bound());
  }
}

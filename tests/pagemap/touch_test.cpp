// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The use of device memory is remembered, and what was used longest ago makes room.

#include <cstdint>
#include <vector>

#include <mock/processes.hpp>

using namespace support;
using svm::eviction_order;
using svm::touch_precision;

namespace {

constexpr std::uint64_t many = 4;  ///< chunks that the device's memory holds

svm::mock::machine_options evicting(eviction_order order, touch_precision precision = touch_precision::exact) {
  return small_chunks(many * chunk, [&](auto& o) {
    o.gpus = 2;
    o.eviction = {order, precision};
  });
}
cpu_va nth(std::uint64_t n) {
  return at(n * chunk);
}
/// The chunks that are in the first GPU's memory.
std::vector<std::uint64_t> resident(world& w, std::uint64_t chunks) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t n = 0; n < chunks; ++n)
    if (w.device_pages(nth(n), chunk) == chunk_pages) all.push_back(n);
  return all;
}
using chunks = std::vector<std::uint64_t>;

/// Chunks 0 to `many` - 1 are on the device, filled in that order.
class full_world : public world {
 public:
  explicit full_world(svm::mock::machine_options const& o) : world(o) {
    map(3 * many * chunk);
    for (std::uint64_t n = 0; n < many; ++n) REQUIRE(gpu_write(nth(n), n) == errc::ok);
    REQUIRE(resident(*this, 3 * many) == chunks{0, 1, 2, 3});
  }
};

}  // namespace

TEST_SUITE("pagemap/migrator, touch") {
  TEST_CASE("the oldest allocation makes room whatever is used, unless the options say otherwise") {
    full_world w{small_chunks(many * chunk)};
    CHECK(w.fault(nth(0)) == errc::ok);
    CHECK(w.gpu_write(nth(4), 4) == errc::ok);
    CHECK(resident(w, 6) == chunks{1, 2, 3, 4});
  }

  TEST_CASE("a fault on memory that is mapped already keeps it: what was used longest ago makes room") {
    full_world w{evicting(eviction_order::touched)};
    CHECK(w.fault(nth(0)) == errc::ok);
    CHECK(w.fault(nth(2)) == errc::ok);
    CHECK(w.gpu_write(nth(4), 4) == errc::ok);
    CHECK(resident(w, 6) == chunks{0, 2, 3, 4});
    CHECK(w.gpu_write(nth(5), 5) == errc::ok);
    CHECK(resident(w, 6) == chunks{0, 2, 4, 5});
    CHECK(w.gpu_write(nth(6), 6) == errc::ok);
    CHECK(resident(w, 7) == chunks{2, 4, 5, 6});
  }

  TEST_CASE("a prefetch is a use, and so is a mapping by another GPU") {
    full_world w{evicting(eviction_order::touched)};
    CHECK(w.driver.prefetch(span(nth(0), chunk), svm::prefetch_place::as_fault) == errc::ok);
    auto& other = w.first().views[1]->driver;
    svm::result<svm::lookup<policies>> found = other.svm().find_or_insert(nth(1), {});
    REQUIRE(found);
    svm::locked_range<policies> held = other.svm().lock_range(std::move(found->range));
    REQUIRE(other.svm().get_pages(held, {}) == errc::ok);  // over the link
    CHECK(held->mapping().has(svm::page_flag::peer));
    REQUIRE(w.device_pages(nth(1), chunk) == chunk_pages);
    CHECK(allocation_at(w, nth(1))->last_touch() > allocation_at(w, nth(0))->last_touch());
    CHECK(allocation_at(w, nth(0))->last_touch() > allocation_at(w, nth(3))->last_touch());
    CHECK(allocation_at(w, nth(3))->last_touch() > allocation_at(w, nth(2))->last_touch());
    REQUIRE(w.fault(nth(0)) == errc::ok);
    REQUIRE(other.svm().get_pages(held, {}) == errc::ok);  // which is valid still
    CHECK(allocation_at(w, nth(1))->last_touch() > allocation_at(w, nth(0))->last_touch());
    // The memory waits for those who look at its own gpusvm.
    CHECK_FALSE(held->mapping().touch_in_section(held->mapping().flags(), true));
  }

  TEST_CASE("each fault on another GPU's memory uses it, and so does each look, also where it is mapped already") {
    world w{small_chunks(many * chunk, [](auto& o) {
      o.gpus = 2;
      o.driver.migrate = svm::migration_mode::never;
      o.eviction = {eviction_order::touched, touch_precision::exact};
    })};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    for (std::uint64_t n : {0u, 1u}) REQUIRE(to_device(w, nth(n), chunk) == errc::ok);
    for (std::uint64_t n : {0u, 1u, 0u}) {
      REQUIRE(w.first().views[1]->driver.fault(nth(n), svm::access_kind::read) == errc::ok);
      CHECK(allocation_at(w, nth(n))->last_touch() > allocation_at(w, nth(1 - n))->last_touch());
    }
    svm::gpusvm<policies>::sighting seen;
    auto const allowed = [](svm::range<policies> const&, std::uint32_t) { return true; };
    REQUIRE(w.first().views[1]->driver.svm().look(nth(1), seen, allowed) == errc::exists);
    CHECK(allocation_at(w, nth(1))->last_touch() > allocation_at(w, nth(0))->last_touch());
    CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("every allocation that a mixed mapping uses is used") {
    world w{small_chunks(many * chunk, [](auto& o) {
      o.driver.mixed = true;
      o.eviction = {eviction_order::touched, touch_precision::exact};
    })};
    w.map(3 * chunk);
    w.cpu_tag(base, chunk, 1);
    for (std::uint64_t n : {1u, 5u, 6u, 9u}) REQUIRE(to_device(w, page_at(n), page_bytes) == errc::ok);
    REQUIRE(w.gpu_write(nth(1), 1) == errc::ok);
    REQUIRE(w.gpu_read(base) == 1u);  // maps what is there, and moves the rest
    std::uint64_t const before = allocation_at(w, nth(1))->last_touch();
    for (std::uint64_t n = 0; n < chunk_pages; ++n) CHECK(allocation_at(w, page_at(n))->last_touch() > before);
    REQUIRE(w.fault(nth(1)) == errc::ok);
    std::uint64_t const between = allocation_at(w, nth(1))->last_touch();
    REQUIRE(w.fault(base) == errc::ok);  // mapped already
    for (std::uint64_t n = 0; n < chunk_pages; ++n) CHECK(allocation_at(w, page_at(n))->last_touch() > between);
  }

  TEST_CASE("coarse uses between two allocations count as one, and the order of making decides among them") {
    full_world w{evicting(eviction_order::touched, touch_precision::coarse)};
    std::uint64_t const now = allocation_at(w, nth(3))->last_touch();
    CHECK(w.fault(nth(2)) == errc::ok);
    CHECK(w.fault(nth(0)) == errc::ok);
    CHECK(allocation_at(w, nth(2))->last_touch() == now);
    CHECK(allocation_at(w, nth(0))->last_touch() == now);
    CHECK(w.gpu_write(nth(4), 4) == errc::ok);
    CHECK(resident(w, 6) == chunks{0, 2, 3, 4});
    CHECK(w.gpu_write(nth(5), 5) == errc::ok);
    CHECK(resident(w, 6) == chunks{2, 3, 4, 5});
  }

  TEST_CASE("what is used again and again while room is made is tried once") {
    full_world w{evicting(eviction_order::touched)};
    for (std::uint64_t n = 0; n < many; ++n) w.process.pin(nth(n), true);
    std::uint64_t tries = 0;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind != svm::event_kind::evicted || ++tries > 10 * many) return;
      for (std::uint64_t n = 0; n < many; ++n) allocation_at(w, nth(n))->touch();
    };
    CHECK(w.mover.make_room({chunk}) == errc::in_use);
    w.stats.listener = nullptr;
    CHECK(tries == many);
    for (std::uint64_t n = 0; n < many; ++n) w.process.pin(nth(n), false);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("what others hold is passed over, and everything else is tried in the order of use") {
    full_world w{evicting(eviction_order::touched)};
    for (std::uint64_t n : {3u, 1u, 2u, 0u}) REQUIRE(w.fault(nth(n)) == errc::ok);
    w.process.pin(nth(3), true);
    w.process.pin(nth(2), true);
    std::vector<std::uint64_t> picked;
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == svm::event_kind::evicted) picked.push_back(e.bytes.value);
    };
    CHECK(w.mover.make_room({2 * chunk}) == errc::ok);
    w.stats.listener = nullptr;
    CHECK(picked.size() == 4);  // 3 in vain, 1, 2 in vain, 0
    CHECK(w.device_pages(nth(1), chunk) == 0);
    CHECK(w.device_pages(nth(0), chunk) == 0);
    w.process.pin(nth(3), false);
    w.process.pin(nth(2), false);
  }

  TEST_CASE("a random order of uses is the order in which allocations go") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      CAPTURE(seed);
      full_world w{evicting(eviction_order::touched)};
      svm::mock::random draw{seed};
      chunks order{0, 1, 2, 3};
      for (int i = 0; i < 20; ++i) {
        std::uint64_t const n = draw.below(many);
        REQUIRE(w.fault(nth(n)) == errc::ok);
        std::erase(order, n);
        order.push_back(n);
      }
      for (std::uint64_t gone = 0; gone < many; ++gone) {
        CHECK(w.mover.make_room({(gone + 1) * chunk}) == errc::ok);
        CHECK(w.device_pages(nth(order[gone]), chunk) == 0);
        for (std::uint64_t left = gone + 1; left < many; ++left)
          CHECK(w.device_pages(nth(order[left]), chunk) == chunk_pages);
      }
    }
  }
}

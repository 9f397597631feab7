// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/gpuvm.hpp>

#include "bind_world.hpp"
#include "support/assertions.hpp"
#include "support/death.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace bind_test;
using svm::errc;
using svm::gpu_range;
using svm::gpuvm_layout;

namespace {

constexpr std::uint64_t top = UINT64_MAX;

static_assert(svm::gpuvm_types<types>);
static_assert(sizeof(mapping) == 64);

// Miss one requirement of gpuvm_types each.
struct without_mapping {
  using object = bind_test::object;
  using lock = svm::null_lock;
  using allocator = poisoned_memory;
};
static_assert(!svm::gpuvm_types<without_mapping>);
struct without_object {
  using mapping = bind_test::mapping;
  using lock = svm::null_lock;
  using allocator = poisoned_memory;
};
static_assert(!svm::gpuvm_types<without_object>);
struct with_a_lock_that_is_none : types {
  using lock = int;
};
static_assert(!svm::gpuvm_types<with_a_lock_that_is_none>);
struct with_an_allocator_that_is_none : types {
  using allocator = int;
};
static_assert(!svm::gpuvm_types<with_an_allocator_that_is_none>);

// Miss one requirement of a driver each.
struct unmaps_only {
  errc unmap(svm::unmap_step<types>&);
  errc remap(svm::remap_step<types>&);
};
static_assert(svm::unmap_driver<unmaps_only, types> && !svm::map_driver<unmaps_only, types>);
static_assert(svm::map_driver<world, types>);
struct cannot_remap {
  errc unmap(svm::unmap_step<types>&);
  errc map(svm::map_step<types>&);
};
static_assert(!svm::unmap_driver<cannot_remap, types>);
struct says_nothing : unmaps_only {
  void map(svm::map_step<types>&);
};
static_assert(!svm::map_driver<says_nothing, types>);

errc refusal(std::uint64_t start, std::uint64_t size, std::uint64_t reserved_start = 0,
             std::uint64_t reserved_size = 0) {
  return gpuvm_layout::make({start}, {size}, {reserved_start}, {reserved_size}).error();
}

}  // namespace

TEST_SUITE("gpuvm/layout") {
  TEST_CASE(
      "a space that is empty or wraps, or whose reserved part wraps or leaves it, is refused with the reason (erratum "
      "3.3.7)") {
    CHECK(refusal(0, 0x1000) == errc::ok);
    CHECK(refusal(0, 0) == errc::empty_interval);
    CHECK(refusal(top, 2) == errc::interval_wraps);
    CHECK(refusal(top, 1) == errc::ok);
    CHECK(refusal(top - 0xfff, 0x1000) == errc::ok);
    CHECK(refusal(top - 0xfff, 0x1001) == errc::interval_wraps);
    CHECK(refusal(0, top) == errc::ok);
    CHECK(refusal(0x1000, 0x1000, top, 2) == errc::interval_wraps);
    CHECK(refusal(0x1000, 0x1000, 0x1000, 0x1000) == errc::ok);
    CHECK(refusal(0x1000, 0x1000, 0xfff, 0x10) == errc::outside_window);
    CHECK(refusal(0x1000, 0x1000, 0x1ff1, 0x10) == errc::outside_window);
    CHECK(refusal(0x1000, 0x1000, 0x1ff0, 0x10) == errc::ok);
    CHECK(refusal(0x1000, 0x1000, 0, 0) == errc::ok);
  }

  TEST_CASE("a layout tells the window and the reserved part that it was made of") {
    gpuvm_layout const whole = *gpuvm_layout::make({0x1000}, {0x2000});
    CHECK(whole.window() == gpu_range{{0x1000}, {0x2000}});
    CHECK_FALSE(whole.has_reserved());
    gpuvm_layout const split = *gpuvm_layout::make({0x1000}, {0x2000}, {0x1800}, {0x10});
    CHECK(split.window() == whole.window());
    CHECK(split.reserved() == gpu_range{{0x1800}, {0x10}});
  }
}

TEST_SUITE("gpuvm/gpuvm") {
  TEST_CASE("VMS-20: a request inside the reserved part or across its edges is refused, one beside it is allowed") {
    world w(*gpuvm_layout::make({0}, bytes(100), va(40), bytes(20)));
    w.put(&w.a, 30, 35);
    std::uint64_t const before = w.hash();
    for (auto const& [start, end] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
             {45, 50}, {39, 41}, {59, 61}, {40, 60}, {0, 100}, {40, 41}, {59, 60}}) {
      CHECK(w.map(&w.a, start, end) == errc::outside_window);
      CHECK(w.unmap(start, end) == errc::outside_window);
      list l(w.vm);
      CHECK(l.plan_map({va(start), bytes(end - start), &w.a, 0}) == errc::outside_window);
      CHECK(l.plan_unmap(va(start), bytes(end - start)) == errc::outside_window);
      CHECK(l.plan_split(va(start), bytes(end - start)) == errc::outside_window);
      CHECK(l.empty());
    }
    CHECK(w.hash() == before);
    CHECK(w.steps == 0);
    CHECK(w.map(&w.a, 35, 40) == errc::ok);
    CHECK(w.map(&w.a, 60, 61) == errc::ok);
    CHECK(std::string(svm::errno_name(errc::outside_window)) == "EINVAL");
  }

  TEST_CASE(
      "VMS-21, VMS-24: what ends with the space is allowed; past it, wrapping, or empty is EINVAL and no change") {
    struct bounds {
      std::uint64_t start, size;
    };
    for (bounds const& b : {bounds{0x1000, 0x10000}, bounds{0, 0x10000}, bounds{top - 0xffff, 0x10000},
                            bounds{top - 0x10000, 0x10000}, bounds{0, top}, bounds{1, top}}) {
      CAPTURE(b.start);
      world w(*gpuvm_layout::make({b.start}, {b.size}));
      std::uint64_t const last = b.start + (b.size - 1);
      auto const map = [&](std::uint64_t start, std::uint64_t size, std::uint64_t offset = 0) {
        return w.vm.sm_map(w, {{start}, {size}, &w.a, offset}).error();
      };
      CHECK(map(last - 9, 10) == errc::ok);
      CHECK(map(b.start, 10) == errc::ok);
      std::uint64_t const before = w.hash();
      auto const einval = [](errc e) { return std::string(svm::errno_name(e)) == "EINVAL"; };
      for (std::uint64_t const start : {b.start, b.start + 5, last, last - 1, std::uint64_t{0}, top}) {
        CHECK(map(start, 0) == errc::empty_interval);
        CHECK(w.vm.sm_unmap(w, {start}, {0}).error() == errc::empty_interval);
      }
      CHECK(einval(map(last, 2)));
      CHECK(einval(map(last - 9, 11)));
      CHECK(einval(map(last, top)));
      CHECK(einval(w.vm.sm_unmap(w, {last}, {2}).error()));
      if (b.start != 0) CHECK(einval(map(b.start - 1, 2)));
      if (last != top) CHECK(einval(map(last + 1, 1)));
      CHECK(map(b.start, 0x100, top - 0xfe) == errc::interval_wraps);
      CHECK(map(b.start, 10, top - 8) == errc::interval_wraps);
      CHECK(w.hash() == before);
      CHECK(map(b.start, 10, top - 9) == errc::ok);  // its offsets end at 2^64
      CHECK(w.vm.check());
    }
  }

  TEST_CASE("VMS-28: find_prev and find_next return adjacent mappings only, to the byte") {
    world w;
    mapping& low = w.put(extent{{0}, {10}, &w.a, 0});
    mapping& mid = w.put(extent{{10}, {10}, &w.a, 0});
    mapping& high = w.put(extent{{21}, {9}, &w.a, 0});
    CHECK(w.vm.find_prev({10}) == &low);
    CHECK(w.vm.find_prev({0}) == nullptr);
    CHECK(w.vm.find_prev({20}) == &mid);
    CHECK(w.vm.find_prev({21}) == nullptr);  // one byte of gap, and a mapping that starts there
    CHECK(w.vm.find_prev({5}) == nullptr);   // inside
    CHECK(w.vm.find_prev({30}) == &high);
    CHECK(w.vm.find_next({10}) == &mid);
    CHECK(w.vm.find_next({20}) == nullptr);
    CHECK(w.vm.find_next({21}) == &high);
    CHECK(w.vm.find_next({22}) == nullptr);
    CHECK(w.vm.find_next({0}) == &low);
    CHECK(w.vm.find_next({top}) == nullptr);
    CHECK(w.vm.next(mid) == &high);  // the neighbours in order, gap or not
    CHECK(w.vm.previous(high) == &mid);
    CHECK(w.vm.previous(low) == nullptr);
    CHECK(w.vm.next(high) == nullptr);
    CHECK(w.vm.first() == &low);
  }

  TEST_CASE("VMS-29: find, find_first, find_at and interval_empty are exact at the borders") {
    world w(*gpuvm_layout::make({0}, {1 << 20}, {0x800}, {0x100}));
    mapping& m = w.put(extent{{0x100}, {0x100}, &w.a, 0});
    mapping& n = w.put(extent{{0x200}, {0x100}, &w.a, 0});
    CHECK(w.vm.find({{0x100}, {0x100}}) == &m);
    CHECK(w.vm.find({{0x100}, {0xff}}) == nullptr);
    CHECK(w.vm.find({{0x101}, {0xff}}) == nullptr);
    CHECK(w.vm.find({{0x100}, {0x200}}) == nullptr);
    CHECK(w.vm.find_first({{0xff}, {2}}) == &m);
    CHECK(w.vm.find_first({{0xff}, {1}}) == nullptr);
    CHECK(w.vm.find_first({{0x1ff}, {2}}) == &m);
    CHECK(w.vm.find_first({{0x200}, {1}}) == &n);
    CHECK(w.vm.find_first({{0x300}, {1}}) == nullptr);
    CHECK(w.vm.find_at({0x1ff}) == &m);
    CHECK(w.vm.find_at({0x200}) == &n);
    CHECK(w.vm.find_at({0xff}) == nullptr);
    CHECK(w.vm.interval_empty({{0}, {0x100}}));
    CHECK(!w.vm.interval_empty({{0}, {0x101}}));
    CHECK(w.vm.interval_empty({{0x300}, {0x500}}));
    CHECK(!w.vm.interval_empty({{0x300}, {0x501}}));
    CHECK(!w.vm.interval_empty({{0x8ff}, {1}}));
    CHECK(w.vm.interval_empty({{0x900}, {1}}));
  }

  TEST_CASE("VMS-30: inserting over something is EEXIST and changes nothing, beside it is fine") {
    world w;
    w.put(extent{{100}, {100}, &w.a, 0});
    std::uint64_t const before = w.hash();
    for (auto const& [start, size] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
             {100, 100}, {99, 2}, {199, 2}, {150, 1}, {0, 1000}, {100, 1}, {199, 1}}) {
      mapping& m = w.put(extent{{start}, {size}, &w.b, 0});
      CHECK(w.inserted == errc::exists);
      CHECK(!m.is_inserted());
      svm::map_operation<types> const step{extent{{start}, {size}, &w.b, 0}};
      mapping& fresh = w.make();
      CHECK(w.vm.insert(step, fresh) == errc::exists);
    }
    CHECK(w.hash() == before);
    CHECK(std::string(svm::errno_name(errc::exists)) == "EEXIST");
    w.put(extent{{0}, {100}, &w.b, 0});
    CHECK(w.inserted == errc::ok);
    w.put(extent{{200}, {1}, &w.b, 0});
    CHECK(w.inserted == errc::ok);
    w.put(extent{{300}, {0}, &w.b, 0});
    CHECK(w.inserted == errc::empty_interval);
  }

  TEST_CASE(
      "VMS-31: nothing can be put in or taken out of the reserved part, and a space that dies full is diagnosed") {
    world w(*gpuvm_layout::make({0}, bytes(10), va(4), bytes(2)));
    w.put(&w.a, 4, 6);
    CHECK(w.inserted == errc::outside_window);
    CHECK(w.vm.find({va(4), bytes(2)}) == nullptr);
    mapping stray;
    CHECK(support::failed_expression([&] { w.vm.remove(stray); }) == "m.inserted_");
    CHECK(support::asserts_in_child([] {
      poisoned_memory memory;
      mapping m;
      space vm(*gpuvm_layout::make({0}, {100}), memory);
      m.set_extent({{0}, {1}, nullptr, 0});
      static_cast<void>(vm.insert(m));
    }));
  }

  TEST_CASE("iteration is in order, and may remove the current, the next or the previous mapping") {
    for (int const removed : {-1, 0, 1}) {
      CAPTURE(removed);
      world w;
      std::vector<mapping*> all;
      for (std::uint64_t i = 0; i < 200; ++i) all.push_back(&w.put(&w.a, (i * 77 % 200) * 2, (i * 77 % 200) * 2 + 1));
      CHECK(w.vm.size() == 200);
      std::uint64_t seen = 0, low = 0;
      w.vm.for_each([&](mapping& m) {
        CHECK((seen++ == 0 || m.start().value > low));
        low = m.start().value;
        mapping* const victim = removed == 0 ? &m : removed < 0 ? w.vm.previous(m) : w.vm.next(m);
        if (victim != nullptr) w.take_out(*victim);
        CHECK(w.vm.check());
      });
      CHECK(seen == (removed == 1 ? 100 : 200));
      CHECK(w.vm.size() == (removed == 0 ? 0 : removed == 1 ? 100 : 1));
    }
  }

  TEST_CASE("for_each_overlap visits what has an address in the range, and no more") {
    world w;
    for (std::uint64_t i = 0; i < 5; ++i) w.put(extent{{i * 10}, {10}, &w.a, 0});
    auto const seen = [&](std::uint64_t start, std::uint64_t size) {
      std::string t;
      w.vm.for_each_overlap({{start}, {size}}, [&](mapping& m) { t += std::to_string(m.start().value / 10); });
      return t;
    };
    CHECK(seen(0, 50) == "01234");
    CHECK(seen(9, 2) == "01");
    CHECK(seen(10, 10) == "1");
    CHECK(seen(49, 100) == "4");
    CHECK(seen(50, 1).empty());
  }

  TEST_CASE("a remap of a mapping that is no longer what it was is stale, and changes nothing") {
    world w;
    mapping& m = w.put(&w.a, 0, 4);
    svm::remap_operation<types> const step{&m, m.extent(), bytes(1), bytes(1), false};
    CHECK(w.unmap(3, 4) == errc::ok);
    std::uint64_t const before = w.hash();
    mapping& fresh = w.make();
    CHECK(w.vm.replace(step, &m, &fresh) == errc::stale);
    CHECK(w.hash() == before);
    CHECK(step.hole() == gpu_range{va(1), bytes(2)});
  }

  TEST_CASE("a space with memory for so many mappings does not allocate while it has no more") {
    world w;
    constexpr std::uint64_t most = 3000;
    REQUIRE(w.vm.reserve(most) == errc::ok);
    std::uint64_t const calls = w.memory.calls;
    for (int round = 0; round < 3; ++round) {
      for (std::uint64_t i = 0; i < most; ++i)
        CHECK(w.map(&w.a, i * 1013 % most * 2, i * 1013 % most * 2 + 1) == errc::ok);
      CHECK(w.vm.size() == most);
      for (std::uint64_t i = 0; i < most - 7; ++i) CHECK(w.unmap(i * 7 % most * 2, i * 7 % most * 2 + 2) == errc::ok);
      w.log.clear();
    }
    CHECK(w.memory.calls == calls);
    w.memory.fail_at = calls + 1;
    CHECK(w.vm.reserve(1'000'000) == errc::no_memory);
    CHECK(w.vm.check());
  }

  TEST_CASE("a step that is taken by itself is checked like a request, and wants memory of its own (erratum 3.3.5)") {
    world w;
    mapping& m = w.make();
    svm::map_operation<types> const step{{va(0), bytes(8), &w.a, 0}, nullptr};
    svm::map_operation<types> const outside{{va(std::uint64_t{1} << 32), bytes(1), &w.a, 0}, nullptr};
    CHECK(w.vm.insert(outside, m) == errc::outside_window);
    w.memory.fail_at = w.memory.calls + 1;
    CHECK(w.vm.insert(step, m) == errc::no_memory);
    CHECK(w.vm.empty());
    CHECK_FALSE(m.is_inserted());
    REQUIRE(w.vm.insert(step, m) == errc::ok);
    CHECK(w.picture() == "a 0-8@0");

    // A hole in it wants a node; what is left of the first one's is not enough to be sure.
    svm::remap_operation<types> const hole{&m, m.extent(), bytes(2), bytes(4), false};
    std::string const before = w.picture();
    mapping& rest = w.make();
    w.memory.fail_at = w.memory.calls + 1;
    CHECK(w.vm.replace(hole, &m, &rest) == errc::no_memory);
    CHECK(w.picture() == before);
    CHECK_FALSE(rest.is_inserted());
    REQUIRE(w.vm.replace(hole, &m, &rest) == errc::ok);
    CHECK(w.picture() == "a 0-2@0, a 4-8@4");
    CHECK(w.vm.check());
  }

  TEST_CASE("the allocator failing at any call leaves the space as it was, and the next try succeeds") {
    world probe;
    for (std::uint64_t i = 0; i < 100; ++i) probe.put(&probe.a, 4 * i, 4 * i + 3);
    std::uint64_t const calls = probe.memory.calls;
    CHECK(calls > 1);
    for (std::uint64_t k = 1; k <= calls; ++k) {
      CAPTURE(k);
      world w;
      w.memory.fail_at = k;
      std::uint64_t refused = 0;
      for (std::uint64_t i = 0; i < 100; ++i) {
        std::uint64_t const before = w.hash();
        errc const e = w.map(&w.a, 4 * i, 4 * i + 3);
        if (e == errc::ok) continue;
        ++refused;
        CHECK(e == errc::no_memory);
        CHECK(w.hash() == before);
        CHECK(w.vm.check());
        CHECK(w.map(&w.a, 4 * i, 4 * i + 3) == errc::ok);
      }
      CHECK(refused == 1);
      CHECK(w.vm.size() == 100);
    }
    // What a space took it gives back.
    poisoned_memory memory;
    { space vm(*gpuvm_layout::make({0}, {100}), memory); }
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("a dump has a line for the space and one for each mapping, in order, and takes no memory") {
    auto const dumped = [](space const& vm) {
      std::string all;
      vm.dump([&](std::string_view line) { all += line; });
      return all;
    };
    auto const address_of = [](object const& o) {
      char text[40];
      std::snprintf(text, sizeof text, "%p", static_cast<void const*>(&o));
      return std::string(text);
    };
    world w(*gpuvm_layout::make({0x1000}, {0xff000}, {0x8000}, {0x1000}));
    CHECK(dumped(w.vm) == "gpuvm 0x1000-0xfffff, reserved 0x8000-0x8fff, mappings: 0\n");
    using svm::mapping_flags;
    w.put(extent{{0x4000}, {0x1000}, &w.a, 0x5000});
    w.put(extent{{0x2000}, {0x2000}, nullptr, 0, mapping_flags::sparse});
    w.put(extent{{0x9000}, {0x10}, &w.b, 0, mapping_flags::invalidated | static_cast<mapping_flags>(0x300)});
    std::uint64_t const calls = w.memory.calls;
    CHECK(dumped(w.vm) ==
          "gpuvm 0x1000-0xfffff, reserved 0x8000-0x8fff, mappings: 3\n"
          "  0x2000-0x3fff without object, sparse\n"
          "  0x4000-0x4fff object " +
              address_of(w.a) +
              " at 0x5000\n"
              "  0x9000-0x900f object " +
              address_of(w.b) + " at 0x0, invalidated, flags 0x300\n");
    CHECK(w.memory.calls == calls);
    world top_most(*gpuvm_layout::make({0}, {top}));
    CHECK(dumped(top_most.vm) == "gpuvm 0x0-0xfffffffffffffffe, mappings: 0\n");
  }
}

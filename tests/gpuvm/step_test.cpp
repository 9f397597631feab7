// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/step.hpp>

#include "bind_world.hpp"
#include "support/assertions.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace bind_test;
using support::failed_expression;
using svm::errc;

namespace {

using map_step = svm::map_step<types>;
using unmap_step = svm::unmap_step<types>;
using remap_step = svm::remap_step<types>;

// A callback can neither keep a step nor make one.
template <class Step>
constexpr bool stays =
    !std::is_copy_constructible_v<Step> && !std::is_move_constructible_v<Step> && !std::is_copy_assignable_v<Step> &&
    !std::is_move_assignable_v<Step> && !std::is_default_constructible_v<Step>;
static_assert(stays<map_step> && stays<unmap_step> && stays<remap_step>);
static_assert(!std::is_constructible_v<map_step, space&, svm::map_operation<types>&>);
static_assert(!std::is_constructible_v<map_step, svm::map_operation<types>>);
// Neither kind turns into the other.
static_assert(!std::is_convertible_v<map_step&, svm::map_operation<types>&>);
static_assert(!std::is_convertible_v<unmap_step&, svm::unmap_operation<types>&>);
static_assert(!std::is_convertible_v<remap_step&, svm::remap_operation<types>&>);
static_assert(svm::map_driver<world, types> && !svm::op_list_driver<world, types>);
static_assert(svm::op_list_driver<list_driver, types> && !svm::unmap_driver<list_driver, types>);

/// What a callback does with its step before it says ok, or refuses it.
enum class deed : std::uint8_t { take, put_off, nothing, refuse, take_and_refuse };

/// Does something with step `at`, and takes those before it. Once a step is put off, all behind it are.
struct scripted : world {
  deed then = deed::take;
  std::uint64_t at = 0;
  std::uint64_t seen = 0;
  std::vector<operation> left;

  /// Five mappings of four units each, which a request for units 2 to 18 meets in five steps.
  scripted() {
    for (std::uint64_t i = 0; i < 5; ++i) put(&a, 4 * i, 4 * i + 4, 1000 * i);
  }
  [[nodiscard]] extent request() { return {va(2), bytes(16), &b, 0}; }

  errc map(map_step& s) {
    return run(s, [&] { return world::map(s); });
  }
  errc unmap(unmap_step& s) {
    return run(s, [&] { return world::unmap(s); });
  }
  errc remap(remap_step& s) {
    return run(s, [&] { return world::remap(s); });
  }
  /// Makes the changes that were put off.
  void make_up() {
    for (operation const& op : left) {
      if (auto const* const m = op.as_map()) CHECK(vm.insert(*m, make()) == errc::ok);
      if (auto const* const u = op.as_unmap()) take_out(*u->mapping);
      if (auto const* const r = op.as_remap())
        CHECK(vm.replace(*r, r->prev, r->has_prev() && r->has_next() ? &make() : r->next) == errc::ok);
    }
  }

 private:
  template <class Step, class Take>
  errc run(Step& s, Take take) {
    ++seen;
    CHECK_FALSE(s.is_taken());
    CHECK_FALSE(s.is_put_off());
    bool const later = then == deed::put_off && at != 0 && seen >= at;
    deed const now = later || seen == at ? then : deed::take;
    if (now == deed::put_off) left.push_back(operation{vm.later(s)});
    if (now == deed::take || now == deed::take_and_refuse) CHECK(take() == errc::ok);
    CHECK(s.is_put_off() == (now == deed::put_off));
    CHECK(s.is_taken() == (now == deed::take || now == deed::take_and_refuse));
    return now == deed::refuse || now == deed::take_and_refuse ? errc::device_gone : errc::ok;
  }
};

/// What is mapped after so many steps of the request.
constexpr char const* after[] = {
    "a 0-4@0, a 4-8@1000, a 8-12@2000, a 12-16@3000, a 16-20@4000",
    "a 0-2@0, a 4-8@1000, a 8-12@2000, a 12-16@3000, a 16-20@4000",
    "a 0-2@0, a 8-12@2000, a 12-16@3000, a 16-20@4000",
    "a 0-2@0, a 12-16@3000, a 16-20@4000",
    "a 0-2@0, a 16-20@4000",
    "a 0-2@0, a 18-20@4002",
    "a 0-2@0, b 2-18@0, a 18-20@4002",
};
constexpr std::uint64_t steps_to_map = 6, steps_to_unmap = 5;

/// Looks, after each mapping that is taken out, in one of several ways whether it is gone.
struct looks_each_time : world {
  using world::map;
  using world::remap;
  errc unmap(unmap_step& s) {
    svm::gpu_range const gone = s->old.range();
    CHECK(world::unmap(s) == errc::ok);
    CHECK(vm.size() == --expected);
    switch (expected % 5) {
      case 0:
        CHECK(vm.find_at(gone.start()) == nullptr);
        break;
      case 1:
        CHECK(vm.find_first(gone) == nullptr);
        break;
      case 2:
        CHECK(vm.next(*below)->start() > gone.last());
        break;
      case 3:
        CHECK(vm.find_prev(gone.start() + gone.size()) == nullptr);
        break;
      default:
        break;
    }
    return errc::ok;
  }
  std::size_t expected = 0;
  mapping* below = nullptr;  // the request
};

/// Inserts `more` mappings elsewhere, and then takes its step without memory, and once more with it.
struct inserts_more : world {
  errc map(map_step& s) {
    mapping& fresh = make();
    return take(s, [&] { return vm.map(s, fresh); });
  }
  errc remap(remap_step& s) {
    mapping* const second = s->has_prev() && s->has_next() ? &make() : s->next;
    return take(s, [&] { return vm.remap(s, s->prev, second); });
  }
  using world::unmap;
  std::uint64_t more = 0;
  bool ran_out = false;

 private:
  template <class Step, class Take>
  errc take(Step& s, Take take_step) {
    for (; inserted_more < more; ++inserted_more) {
      extent const e{va(1000 + inserted_more), bytes(1), &c, 0};
      CHECK(vm.insert(svm::map_operation<types>{e}, make()) == errc::ok);
    }
    memory.fail_at = memory.calls + 1;
    std::uint64_t const before = hash();
    errc e = take_step();
    memory.fail_at = 0;
    if (e == errc::ok) return e;
    CHECK(e == errc::no_memory);
    CHECK_FALSE(s.is_taken());
    CHECK(hash() == before);
    ran_out = true;
    return take_step();
  }
  std::uint64_t inserted_more = 0;
};

}  // namespace

TEST_SUITE("gpuvm/step") {
  TEST_CASE(
      "a request that goes wrong at step k leaves what the steps before made of the space, and says how many stand") {
    for (bool const maps : {true, false})
      for (deed const then : {deed::nothing, deed::refuse, deed::take_and_refuse})
        for (std::uint64_t k = 1; k <= (maps ? steps_to_map : steps_to_unmap); ++k) {
          CAPTURE(maps);
          CAPTURE(static_cast<int>(then));
          CAPTURE(k);
          scripted w;
          w.then = then;
          w.at = k;
          list planned(w.vm);
          REQUIRE(planned.plan_unmap(va(0), bytes(1)) == errc::ok);
          std::uint64_t const before = w.hash();
          svm::sm_result const done =
              maps ? w.vm.sm_map(w, w.request()) : w.vm.sm_unmap(w, w.request().start, w.request().size);
          CHECK_FALSE(done);
          CHECK(done.error() == (then == deed::nothing ? errc::step_not_taken : errc::device_gone));
          CHECK(done.taken() == (then == deed::take_and_refuse ? k : k - 1));
          CHECK(done.put_off() == 0);
          CHECK(w.seen == k);  // nobody is asked for the steps behind
          CHECK(w.picture() == after[done.taken()]);
          CHECK(w.live.size() == w.vm.size());
          CHECK(w.vm.check());
          // A space where no step was taken is the same one, so that what was planned on it still holds.
          if (done.taken() == 0) CHECK(w.hash() == before);
          list_driver driver(w);
          CHECK(planned.apply(driver) == (done.taken() == 0 ? errc::ok : errc::stale));
        }
    CHECK(std::string(svm::errno_name(errc::step_not_taken)) == "EINVAL");
  }

  TEST_CASE("steps may be put off from any of them on: the result counts them, and made up later they end the same") {
    for (std::uint64_t k = 1; k <= steps_to_map + 1; ++k) {
      CAPTURE(k);
      scripted w;
      w.then = deed::put_off;
      w.at = k;
      std::uint64_t const before = w.hash();
      svm::sm_result const done = w.vm.sm_map(w, w.request());
      CHECK(done);
      CHECK(done.error() == errc::ok);
      CHECK(done.taken() == k - 1);
      CHECK(done.put_off() == steps_to_map + 1 - k);
      CHECK(w.picture() == after[k - 1]);
      if (k == 1) CHECK(w.hash() == before);
      w.make_up();
      CHECK(w.picture() == after[steps_to_map]);
      CHECK(w.vm.check());
      CHECK(w.live.size() == w.vm.size());
    }
  }

  TEST_CASE(
      "a callback that took a mapping out sees no more of it, and neither does a reader write after the request") {
    looks_each_time w;
    for (std::uint64_t i = 0; i < 300; ++i) w.put(&w.a, 2 * i, 2 * i + 2, 3 * i);
    for (bool const maps : {false, true}) {
      std::uint64_t const from = maps ? 300 : 2;
      std::uint64_t const to = maps ? 597 : 204;
      w.expected = w.vm.size();
      w.below = w.vm.find_at(va(from - 1));
      svm::sm_result const done =
          maps ? w.vm.sm_map(w, {va(from), bytes(to - from), &w.b, 0}) : w.vm.sm_unmap(w, va(from), bytes(to - from));
      CHECK(done);
      CHECK(w.expected == (maps ? 51 : 199));
      std::byte before[sizeof w.vm];
      std::memcpy(before, &w.vm, sizeof before);
      CHECK(w.vm.find_at(va(maps ? 400 : 100)) == (maps ? w.vm.next(*w.below) : nullptr));
      CHECK(std::memcmp(before, &w.vm, sizeof before) == 0);
      CHECK(w.vm.check());
    }
  }

  TEST_CASE("a hole that is put off is made later by a mapping for each part") {
    scripted w;
    w.then = deed::put_off;
    w.at = 1;
    svm::sm_result const done = w.vm.sm_unmap(w, va(9), bytes(2));
    CHECK(done.put_off() == 1);
    CHECK(done.taken() == 0);
    w.make_up();
    CHECK(w.vm.find_at(va(8))->extent() == extent{va(8), bytes(1), &w.a, 2000 * unit});
    CHECK(w.vm.find_at(va(9)) == nullptr);
    CHECK(w.vm.find_at(va(11))->extent() == extent{va(11), bytes(1), &w.a, 2003 * unit});
  }

  TEST_CASE("a request that is refused before its first step took none, and asks for none") {
    scripted w;
    std::uint64_t const before = w.hash();
    svm::sm_result const outside = w.vm.sm_map(w, {va(std::uint64_t{1} << 32), bytes(1), &w.a, 0});
    CHECK(outside.error() == errc::outside_window);
    CHECK(outside.taken() + outside.put_off() == 0);
    CHECK(w.vm.sm_unmap(w, va(0), {0}).error() == errc::empty_interval);
    CHECK(w.seen == 0);
    CHECK(w.hash() == before);
  }

  TEST_CASE("a map step over a mapping whose step was put off is refused and stays open, and can be put off as well") {
    struct puts_off_unmaps : world {
      errc unmap(unmap_step& s) {
        static_cast<void>(vm.later(s));
        return errc::ok;
      }
      errc map(map_step& s) {
        mapping& m = make();
        refusal = vm.map(s, m);
        CHECK_FALSE(m.is_inserted());
        free(m);
        CHECK_FALSE(s.is_taken());
        static_cast<void>(vm.later(s));
        return errc::ok;
      }
      using world::remap;
      errc refusal = errc::ok;
    };
    puts_off_unmaps w;
    w.put(&w.a, 0, 4);
    svm::sm_result const done = w.vm.sm_map(w, {va(0), bytes(4), &w.b, 0});
    CHECK(done);
    CHECK(done.put_off() == 2);
    CHECK(w.refusal == errc::exists);
    CHECK(w.picture() == "a 0-4@0");
  }

  TEST_CASE("a remap of a mapping that its callback changed is stale, and the step stays open") {
    struct changes_first : world {
      errc remap(remap_step& s) {
        CHECK(vm.sm_unmap(inner, va(3), bytes(1)).error() == errc::ok);
        outcome = vm.remap(s, s->prev, s->next);
        CHECK_FALSE(s.is_taken());
        return errc::ok;
      }
      using world::map;
      using world::unmap;
      struct {
        errc unmap(unmap_step&) { return errc::unsupported; }
        errc remap(remap_step& s) { return of.vm.remap(s, s->prev, s->next); }
        changes_first& of;
      } inner{*this};
      errc outcome = errc::ok;
    };
    changes_first w;
    w.put(&w.a, 0, 4);
    CHECK(w.vm.sm_unmap(w, va(1), bytes(3)).error() == errc::step_not_taken);
    CHECK(w.outcome == errc::stale);
    CHECK(w.picture() == "a 0-3@0");
  }

  TEST_CASE("a callback that changes the space past its step did not take it") {
    struct goes_around : world {
      errc unmap(unmap_step& s) {
        take_out(*s->mapping);
        return errc::ok;
      }
      using world::map;
      using world::remap;
    };
    goes_around w;
    w.put(&w.a, 0, 4);
    svm::sm_result const done = w.vm.sm_map(w, {va(0), bytes(4), &w.b, 0});
    CHECK(done.error() == errc::step_not_taken);
    CHECK(done.taken() == 0);
    CHECK(w.vm.check());
  }

  TEST_CASE("taking a step twice, putting off what was taken, or taking it in another space is diagnosed") {
    struct twice : world {
      errc map(map_step& s) {
        mapping& m = make();
        mapping& n = make();
        complaints.push_back(failed_expression([&] { static_cast<void>(other.map(s, n)); }));
        CHECK(vm.map(s, m) == errc::ok);
        complaints.push_back(failed_expression([&] { static_cast<void>(vm.map(s, n)); }));
        complaints.push_back(failed_expression([&] { static_cast<void>(vm.later(s)); }));
        free(n);
        return errc::ok;
      }
      errc unmap(unmap_step& s) {
        complaints.push_back(failed_expression([&] { other.unmap(s); }));
        static_cast<void>(vm.later(s));
        complaints.push_back(failed_expression([&] { vm.unmap(s); }));
        return errc::ok;
      }
      errc remap(remap_step& s) {
        complaints.push_back(failed_expression([&] { static_cast<void>(other.remap(s, s->prev, s->next)); }));
        CHECK(vm.remap(s, s->prev, s->next) == errc::ok);
        complaints.push_back(failed_expression([&] { static_cast<void>(vm.remap(s, s->prev, s->next)); }));
        return errc::ok;
      }
      poisoned_memory more;
      space other{*svm::gpuvm_layout::make({0}, {std::uint64_t{1} << 48}), more};
      std::vector<std::string> complaints;
    };
    twice w;
    w.put(&w.a, 0, 4);
    CHECK(w.vm.sm_unmap(w, va(0), bytes(4)).put_off() == 1);
    CHECK(w.vm.sm_map(w, {va(10), bytes(4), &w.b, 0}).taken() == 1);
    CHECK(w.vm.sm_unmap(w, va(2), bytes(4)).taken() == 1);
    CHECK(w.complaints == std::vector<std::string>(7, "step.is_open(*this)"));
    CHECK(w.picture() == "a 0-2@0, b 10-14@0");
  }

  TEST_CASE("a remap that is given a part too few, or one too many, is diagnosed") {
    struct miscounts : world {
      errc remap(remap_step& s) {
        mapping& fresh = make();
        bool const both = s->has_prev() && s->has_next();
        mapping* const prev = both || !s->has_prev() ? &fresh : s->prev;
        mapping* const next = both ? nullptr : s->has_next() ? s->next : &fresh;
        complaints.push_back(failed_expression([&] { static_cast<void>(vm.remap(s, prev, next)); }));
        if (both) complaints.push_back(failed_expression([&] { static_cast<void>(vm.remap(s, s->prev, nullptr)); }));
        CHECK_FALSE(s.is_taken());
        free(fresh);
        return errc::device_gone;
      }
      using world::unmap;
      std::vector<std::string> complaints;
    };
    miscounts w;
    w.put(&w.a, 0, 4);
    for (auto const& [start, end] : {std::pair{1u, 2u}, {0u, 2u}, {2u, 4u}})
      CHECK(w.vm.sm_unmap(w, va(start), bytes(end - start)).error() == errc::device_gone);
    CHECK(w.complaints ==
          std::vector<std::string>(
              4, "(prev != nullptr) == operation.has_prev() && (next != nullptr) == operation.has_next()"));
    CHECK(w.picture() == "a 0-4@0");
  }

  TEST_CASE("a callback that inserts more than its steps ask for may run out of memory; its step stays open then") {
    for (bool const maps : {true, false}) {
      CAPTURE(maps);
      bool ran_out = false;
      for (std::uint64_t more = 0; more < 600 && !ran_out; ++more) {
        inserts_more w;
        w.more = more;
        w.put(&w.a, 0, 8);
        svm::sm_result const done =
            maps ? w.vm.sm_map(w, {va(20), bytes(1), &w.b, 0}) : w.vm.sm_unmap(w, va(2), bytes(1));
        CHECK(done.error() == errc::ok);
        CHECK(done.taken() == 1);
        CHECK(w.vm.size() == 2 + more);
        CHECK(w.vm.check());
        ran_out = w.ran_out;
        if (more < 100) CHECK_FALSE(ran_out);
      }
      CHECK(ran_out);
    }
  }

  TEST_CASE("an unmap request asks its driver for no map") {
    struct only_unmaps {
      errc unmap(unmap_step& s) {
        of.vm.unmap(s);
        of.free(*s->mapping);
        return errc::ok;
      }
      errc remap(remap_step& s) { return of.vm.remap(s, s->prev, s->next); }
      world& of;
    };
    static_assert(!svm::map_driver<only_unmaps, types>);
    world w;
    w.put(&w.a, 0, 4);
    w.put(&w.a, 4, 8);
    only_unmaps driver{w};
    CHECK(w.vm.sm_unmap(driver, va(0), bytes(6)).taken() == 2);
    CHECK(w.picture() == "a 6-8@2");
  }
}

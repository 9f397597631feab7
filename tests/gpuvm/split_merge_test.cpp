// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/split_merge.hpp>

#include "bind_world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

using namespace bind_test;
using svm::errc;

namespace {

struct piece {
  char object;
  std::uint64_t start, end, offset;
};

/// Runs one request in both forms, each with and without changing mappings in place; all give the same answer.
struct both_forms {
  std::string steps, after;

  both_forms(std::vector<piece> const& old, piece const& request) {
    for (bool const in_place : {true, false})
      for (bool const as_list : {false, true}) {
        world w;
        w.in_place = in_place;
        for (piece const& p : old) {
          w.put(object_of(w, p.object), p.start, p.end, p.offset);
          REQUIRE(w.inserted == errc::ok);
        }
        if (as_list)
          run_list(w, request);
        else
          REQUIRE(run_callbacks(w, request) == errc::ok);
        CHECK(w.vm.check());
        if (steps.empty() && after.empty()) {
          steps = w.log;
          after = w.picture();
        }
        CHECK(w.log == steps);
        CHECK(w.picture() == after);
        CHECK(w.live.size() == w.vm.size());
      }
  }

  static object* object_of(world& w, char name) {
    return name == 'a' ? &w.a : name == 'b' ? &w.b : name == 'c' ? &w.c : nullptr;
  }
  static errc run_callbacks(world& w, piece const& r) {
    return r.object == 'u' ? w.unmap(r.start, r.end) : w.map(object_of(w, r.object), r.start, r.end, r.offset);
  }
  static void run_list(world& w, piece const& r) {
    list l(w.vm);
    list_driver driver(w);
    std::uint64_t const before = w.hash();
    REQUIRE((r.object == 'u' ? l.plan_unmap(va(r.start), bytes(r.end - r.start))
                             : l.plan_map({va(r.start), bytes(r.end - r.start), object_of(w, r.object),
                                           r.offset * unit})) == errc::ok);
    std::string const planned = text(l);
    CHECK(text(l) == planned);  // a second look sees the same
    CHECK(w.hash() == before);  // and nothing has happened yet
    REQUIRE(l.apply(driver) == errc::ok);
    CHECK(w.log == planned);
    driver.free_released(l);
  }
};

both_forms request_map(std::vector<piece> const& old, piece const& r) {
  return both_forms(old, r);
}
both_forms request_unmap(std::vector<piece> const& old, std::uint64_t start, std::uint64_t end) {
  return both_forms(old, {'u', start, end, 0});
}

/// `binds` mappings of equal size on `pages` pages, each of its own part of object a.
std::vector<piece> binds(std::uint64_t pages, std::uint64_t count) {
  std::vector<piece> old;
  std::uint64_t const size = pages / count;
  // Offsets that do not continue from one to the next.
  for (std::uint64_t i = 0; i < count; ++i) old.push_back({'a', i * size, (i + 1) * size, 1000 * i});
  return old;
}

/// Counts `word(` in the steps.
std::size_t count(std::string const& steps, std::string const& word) {
  std::size_t n = 0;
  for (std::size_t at = steps.find(word + "("); at != std::string::npos; at = steps.find(word + "(", at + 1)) ++n;
  return n;
}

}  // namespace

TEST_SUITE("gpuvm/split_merge") {
  // In the pictures a digit is a unit of address; @n is the offset at which the mapping starts.

  TEST_CASE("VMS-01, OPL-01: a request that is there already is taken out and mapped again, with keep") {
    //  old 0|--a@4--|1    req |--a@4--|    new |--a@4--|
    auto const r = request_map({{'a', 0, 1, 4}}, {'a', 0, 1, 4});
    CHECK(r.steps == "unmap(a 0-1@4 keep) map(a 0-1@4)");
    CHECK(r.after == "a 0-1@4");
  }
  TEST_CASE("VMS-02, OPL-01: another offset of the same object replaces the mapping without keep") {
    //  old 0|--a@4--|1    req |--a@5--|    new |--a@5--|
    auto const r = request_map({{'a', 0, 1, 4}}, {'a', 0, 1, 5});
    CHECK(r.steps == "unmap(a 0-1@4) map(a 0-1@5)");
    CHECK(r.after == "a 0-1@5");
  }
  TEST_CASE("VMS-03, OPL-01: another object at the same offset replaces the mapping without keep") {
    //  old 0|--a@4--|1    req |--b@4--|    new |--b@4--|
    auto const r = request_map({{'a', 0, 1, 4}}, {'b', 0, 1, 4});
    CHECK(r.steps == "unmap(a 0-1@4) map(b 0-1@4)");
    CHECK(r.after == "b 0-1@4");
  }
  TEST_CASE("VMS-04, OPL-01: a request that goes on behind the mapping replaces it, with keep if it continues it") {
    //  old 0|--a@4--|1
    //  req 0|------a@4------|2
    auto const same = request_map({{'a', 0, 1, 4}}, {'a', 0, 2, 4});
    CHECK(same.steps == "unmap(a 0-1@4 keep) map(a 0-2@4)");
    CHECK(same.after == "a 0-2@4");
    CHECK(request_map({{'a', 0, 1, 4}}, {'b', 0, 2, 4}).steps == "unmap(a 0-1@4) map(b 0-2@4)");
    CHECK(request_map({{'a', 0, 1, 4}}, {'a', 0, 2, 9}).steps == "unmap(a 0-1@4) map(a 0-2@9)");
  }
  TEST_CASE("VMS-05, OPL-01: another object over the front half leaves the back half, its offset moved") {
    //  old 0|------a@4------|2
    //  req 0|--b@4--|1
    //  new 0|--b@4--|--a@5--|2
    auto const r = request_map({{'a', 0, 2, 4}}, {'b', 0, 1, 4});
    CHECK(r.steps == "remap(a 0-2@4 next=a 1-2@5) map(b 0-1@4)");
    CHECK(r.after == "b 0-1@4, a 1-2@5");
  }
  TEST_CASE("VMS-06, OPL-01: the same bytes over the front half split the mapping with keep") {
    //  old 0|------a@4------|2
    //  req 0|--a@4--|1
    //  new 0|--a@4--|--a@5--|2
    auto const r = request_map({{'a', 0, 2, 4}}, {'a', 0, 1, 4});
    CHECK(r.steps == "remap(a 0-2@4 keep next=a 1-2@5) map(a 0-1@4)");
    CHECK(r.after == "a 0-1@4, a 1-2@5");
  }
  TEST_CASE("VMS-07, OPL-01: another object over the back half leaves the front half") {
    //  old 0|------a@4------|2
    //  req         1|--b@8--|2
    //  new 0|--a@4--|--b@8--|2
    auto const r = request_map({{'a', 0, 2, 4}}, {'b', 1, 2, 8});
    CHECK(r.steps == "remap(a 0-2@4 prev=a 0-1@4) map(b 1-2@8)");
    CHECK(r.after == "a 0-1@4, b 1-2@8");
  }
  TEST_CASE("VMS-08, OPL-01: the same bytes over the back half split the mapping with keep") {
    //  old 0|------a@4------|2
    //  req         1|--a@5--|2
    //  new 0|--a@4--|--a@5--|2
    auto const r = request_map({{'a', 0, 2, 4}}, {'a', 1, 2, 5});
    CHECK(r.steps == "remap(a 0-2@4 keep prev=a 0-1@4) map(a 1-2@5)");
    CHECK(r.after == "a 0-1@4, a 1-2@5");
  }
  TEST_CASE("VMS-09, OPL-01: another object over the end and beyond leaves the front") {
    //  old 0|------a@4------|2
    //  req         1|------b@8------|3
    //  new 0|--a@4--|------b@8------|3
    auto const r = request_map({{'a', 0, 2, 4}}, {'b', 1, 3, 8});
    CHECK(r.steps == "remap(a 0-2@4 prev=a 0-1@4) map(b 1-3@8)");
    CHECK(r.after == "a 0-1@4, b 1-3@8");
  }
  TEST_CASE("VMS-10, OPL-01: the same bytes over the end and beyond leave the front with keep") {
    //  old 0|------a@4------|2
    //  req         1|------a@5------|3
    //  new 0|--a@4--|------a@5------|3
    auto const r = request_map({{'a', 0, 2, 4}}, {'a', 1, 3, 5});
    CHECK(r.steps == "remap(a 0-2@4 keep prev=a 0-1@4) map(a 1-3@5)");
    CHECK(r.after == "a 0-1@4, a 1-3@5");
  }
  TEST_CASE("VMS-11, OPL-01: another object in the middle leaves both ends") {
    //  old 0|----------a@4----------|3
    //  req         1|--b@8--|2
    //  new 0|--a@4--|--b@8--|--a@6--|3
    auto const r = request_map({{'a', 0, 3, 4}}, {'b', 1, 2, 8});
    CHECK(r.steps == "remap(a 0-3@4 prev=a 0-1@4 next=a 2-3@6) map(b 1-2@8)");
    CHECK(r.after == "a 0-1@4, b 1-2@8, a 2-3@6");
  }
  TEST_CASE("VMS-12, OPL-01: the same bytes in the middle leave both ends with keep") {
    //  old 0|----------a@4----------|3
    //  req         1|--a@5--|2
    //  new 0|--a@4--|--a@5--|--a@6--|3
    auto const r = request_map({{'a', 0, 3, 4}}, {'a', 1, 2, 5});
    CHECK(r.steps == "remap(a 0-3@4 keep prev=a 0-1@4 next=a 2-3@6) map(a 1-2@5)");
    CHECK(r.after == "a 0-1@4, a 1-2@5, a 2-3@6");
  }
  TEST_CASE("VMS-13, OPL-01: a request that begins before the mapping and ends with it replaces it") {
    //  old         1|--a@5--|2
    //  req 0|------a@4------|2
    auto const r = request_map({{'a', 1, 2, 5}}, {'a', 0, 2, 4});
    CHECK(r.steps == "unmap(a 1-2@5 keep) map(a 0-2@4)");
    CHECK(r.after == "a 0-2@4");
  }
  TEST_CASE("VMS-14, OPL-01: a request around the mapping replaces it") {
    //  old         1|--a@5--|2
    //  req 0|----------a@4----------|3
    auto const r = request_map({{'a', 1, 2, 5}}, {'a', 0, 3, 4});
    CHECK(r.steps == "unmap(a 1-2@5 keep) map(a 0-3@4)");
    CHECK(r.after == "a 0-3@4");
  }
  TEST_CASE("VMS-15, OPL-01: another object over the beginning leaves the rest, its offset moved by what is gone") {
    //  old         1|------a@4------|3
    //  req 0|------b@8------|2
    //  new 0|------b@8------|--a@5--|3
    auto const r = request_map({{'a', 1, 3, 4}}, {'b', 0, 2, 8});
    CHECK(r.steps == "remap(a 1-3@4 next=a 2-3@5) map(b 0-2@8)");
    CHECK(r.after == "b 0-2@8, a 2-3@5");
  }

  TEST_CASE("VMS-16: a request over five mappings that cuts the outer two remaps two and unmaps three, in order") {
    auto const r = request_map(binds(20, 5), {'b', 2, 18, 0});
    CHECK(r.steps ==
          "remap(a 0-4@0 prev=a 0-2@0) unmap(a 4-8@1000) unmap(a 8-12@2000) unmap(a 12-16@3000) "
          "remap(a 16-20@4000 next=a 18-20@4002) map(b 2-18@0)");
    CHECK(r.after == "a 0-2@0, b 2-18@0, a 18-20@4002");
  }
  TEST_CASE("VMS-17: keep is judged for each mapping by itself") {
    auto const r = request_map({{'a', 0, 4, 10}, {'b', 4, 6, 14}, {'a', 6, 8, 16}, {'a', 8, 12, 99}}, {'a', 2, 10, 12});
    CHECK(r.steps ==
          "remap(a 0-4@10 keep prev=a 0-2@10) unmap(b 4-6@14) unmap(a 6-8@16 keep) remap(a 8-12@99 next=a 10-12@101) "
          "map(a 2-10@12)");
  }
  TEST_CASE("VMS-18: the same offset at another address is not kept") {
    CHECK(request_map({{'a', 1, 3, 4}}, {'a', 0, 3, 4}).steps == "unmap(a 1-3@4) map(a 0-3@4)");
  }
  TEST_CASE("VMS-19: mappings without an object are replaced and split, never kept") {
    CHECK(request_map({{'-', 0, 2, 0}}, {'-', 0, 2, 0}).steps == "unmap(- 0-2@0) map(- 0-2@0)");
    auto const r = request_map({{'-', 0, 3, 0}}, {'-', 1, 2, 0});
    CHECK(r.steps == "remap(- 0-3@0 prev=- 0-1@0 next=- 2-3@2) map(- 1-2@0)");
    CHECK(r.after == "- 0-1@0, - 1-2@0, - 2-3@2");
  }
  TEST_CASE("VMS-25: one page in the middle of 2^40 units leaves two exact parts") {
    std::uint64_t const huge = std::uint64_t{1} << 24;  // 2^40 bytes
    auto const r = request_map({{'a', 0, huge, 0}}, {'b', 1234567, 1234568, 0});
    CHECK(r.after == "a 0-1234567@0, b 1234567-1234568@0, a 1234568-16777216@1234568");
  }

  TEST_CASE("VMU-01: a range of two whole mappings takes two unmaps") {
    CHECK(request_unmap(binds(4, 2), 0, 4).steps == "unmap(a 0-2@0) unmap(a 2-4@1000)");
  }
  TEST_CASE("VMU-02: a hole in one mapping takes one remap with both parts") {
    CHECK(request_unmap(binds(4, 1), 1, 3).steps == "remap(a 0-4@0 prev=a 0-1@0 next=a 3-4@3)");
  }
  TEST_CASE("VMU-03: a range that cuts two mappings takes two remaps") {
    CHECK(request_unmap(binds(4, 2), 1, 3).steps == "remap(a 0-2@0 prev=a 0-1@0) remap(a 2-4@1000 next=a 3-4@1001)");
  }
  TEST_CASE("VMU-04: a range of whole mappings between others takes only unmaps") {
    auto const r = request_unmap(binds(4, 4), 1, 3);
    CHECK(r.steps == "unmap(a 1-2@1000) unmap(a 2-3@2000)");
    CHECK(r.after == "a 0-1@0, a 3-4@3000");
  }
  TEST_CASE("VMU-05: a range that ends inside the second mapping takes an unmap and a remap") {
    CHECK(request_unmap(binds(4, 2), 0, 3).steps == "unmap(a 0-2@0) remap(a 2-4@1000 next=a 3-4@1001)");
  }
  TEST_CASE("VMU-06: a range that begins inside the first mapping takes a remap and an unmap") {
    CHECK(request_unmap(binds(4, 2), 1, 4).steps == "remap(a 0-2@0 prev=a 0-1@0) unmap(a 2-4@1000)");
  }
  TEST_CASE("VMU-07, VMU-08, VMU-09, VMU-10, VMU-11: many mappings take the same steps, more of them") {
    struct shape {
      std::uint64_t count, start, hit;
      std::size_t unmaps, remaps, left;
    };
    for (shape const& s : {shape{16, 0, 32, 16, 0, 0}, shape{16, 1, 30, 14, 2, 2}, shape{32, 8, 16, 16, 0, 16},
                           shape{4, 0, 26, 3, 1, 1}, shape{4, 6, 26, 3, 1, 1}}) {
      CAPTURE(s.count);
      CAPTURE(s.start);
      auto const r = request_unmap(binds(32, s.count), s.start, s.start + s.hit);
      CHECK(count(r.steps, "unmap") == s.unmaps);
      CHECK(count(r.steps, "remap") == s.remaps);
      CHECK(std::size_t(std::count(r.after.begin(), r.after.end(), '@')) == s.left);
    }
  }
  TEST_CASE("VMU-12: nothing there, or a hole between mappings, takes no steps and succeeds") {
    CHECK(request_unmap({}, 0, 4).steps.empty());
    CHECK(request_unmap({{'a', 0, 1, 0}, {'a', 3, 4, 0}}, 1, 3).steps.empty());
  }
  TEST_CASE("VMU-13: unmapping the middle, left and right thirds ends empty") {
    world w;
    w.put(&w.a, 0, 3);
    CHECK(w.unmap(1, 2) == errc::ok);
    CHECK(w.picture() == "a 0-1@0, a 2-3@2");
    CHECK(w.unmap(0, 1) == errc::ok);
    CHECK(w.picture() == "a 2-3@2");
    CHECK(w.unmap(2, 3) == errc::ok);
    CHECK(w.vm.empty());
    CHECK(w.live.empty());
  }
  TEST_CASE("VMU-14: a hole can be filled again and leaves no gap") {
    struct shape {
      std::uint64_t pages, count, start, hit;
    };
    for (shape const& s : {shape{4, 2, 0, 4}, shape{4, 1, 1, 2}, shape{4, 2, 1, 2}, shape{4, 4, 1, 2},
                           shape{4, 2, 0, 3}, shape{4, 2, 1, 3}, shape{32, 16, 1, 30}, shape{32, 4, 6, 26}}) {
      world w;
      for (piece const& p : binds(s.pages, s.count)) w.put(&w.a, p.start, p.end, p.offset);
      CHECK(w.unmap(s.start, s.start + s.hit) == errc::ok);
      CHECK(w.vm.interval_empty({va(s.start), bytes(s.hit)}));
      CHECK(w.map(&w.b, s.start, s.start + s.hit) == errc::ok);
      for (std::uint64_t page = 0; page < s.pages; ++page) {
        mapping* const m = w.vm.find_at(va(page));
        REQUIRE(m != nullptr);
        CHECK((m->object() == &w.b) == (page - s.start < s.hit));
      }
    }
  }

  TEST_CASE(
      "VMS-22: a callback that refuses step k ends the request there, with its error, and the steps before stand") {
    for (std::uint64_t k = 1; k <= 6; ++k) {
      world w;
      for (piece const& p : binds(20, 5)) w.put(&w.a, p.start, p.end, p.offset);
      w.fail_at = k;
      CHECK(w.map(&w.b, 2, 18) == errc::device_gone);
      CHECK(w.steps == k);
      CHECK(w.vm.check());
      char const* const expected[] = {
          "a 0-4@0, a 4-8@1000, a 8-12@2000, a 12-16@3000, a 16-20@4000",
          "a 0-2@0, a 4-8@1000, a 8-12@2000, a 12-16@3000, a 16-20@4000",
          "a 0-2@0, a 8-12@2000, a 12-16@3000, a 16-20@4000",
          "a 0-2@0, a 12-16@3000, a 16-20@4000",
          "a 0-2@0, a 16-20@4000",
          "a 0-2@0, a 18-20@4002",
      };
      CHECK(w.picture() == expected[k - 1]);
    }
  }

  TEST_CASE("VMS-23: a callback may take out the mapping it is asked about and put others in front of the walk") {
    struct meddler : world {
      using world::map;
      using world::remap;
      errc unmap(svm::unmap_step<types>& s) {
        extent const old = s->old;
        errc const e = world::unmap(s);
        // The walk must come back to neither.
        put(extent{old.start, {old.size.value / 2}, &c, 0});
        put(extent{old.start + svm::byte_count{old.size.value / 2}, {old.size.value / 2}, &c, 0});
        return e;
      }
      errc unmap_all(std::uint64_t start, std::uint64_t end) {
        return vm.sm_unmap(*this, va(start), bytes(end - start)).error();
      }
    };
    meddler w;
    for (std::uint64_t i = 0; i < 100; ++i) w.put(&w.a, 2 * i, 2 * i + 2, 7 * i);
    CHECK(w.unmap_all(0, 200) == errc::ok);
    CHECK(w.steps == 100);
    CHECK(w.vm.size() == 200);
    CHECK(w.vm.check());
    w.vm.for_each([&](mapping& m) { CHECK(m.object() == &w.c); });
  }

  TEST_CASE("flags go on to the parts of a mapping that is cut") {
    world w;
    auto const marked = static_cast<svm::mapping_flags>(256) | svm::mapping_flags::sparse;
    w.put(extent{va(0), bytes(3), nullptr, 0, marked});
    CHECK(w.map(&w.a, 1, 2) == errc::ok);
    CHECK(w.vm.find_at(va(0))->flags() == marked);
    CHECK(w.vm.find_at(va(1))->flags() == svm::mapping_flags::none);
    CHECK(w.vm.find_at(va(2))->flags() == marked);
    CHECK(svm::has_flags(marked, svm::mapping_flags::sparse));
    CHECK(!svm::has_flags(marked, svm::mapping_flags::invalidated));
    w.vm.find_at(va(0))->set_flags(marked & ~svm::mapping_flags::sparse);
    CHECK(w.vm.find_at(va(0))->flags() == static_cast<svm::mapping_flags>(256));
    CHECK(!svm::has_flags(w.vm.find_at(va(0))->flags(), svm::mapping_flags::sparse));
    mapping& last = *w.vm.find_at(va(2));
    last.set_flags(last.flags() | svm::mapping_flags::invalidated);
    CHECK(svm::has_flags(last.flags(), svm::mapping_flags::invalidated));
    CHECK(svm::has_flags(last.flags(), marked));
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What the reference and the drivers on it fixed in the GPU's own address space.

#include <svm/gpuvm/exec.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/std/null_lock.hpp>

#include "gpuvm/bind_world.hpp"
#include "gpuvm/reservations.hpp"
#include "support/ledger_allocator.hpp"
#include "support/lock_complaints.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <deque>

using svm::errc;

namespace {

/// Sees when a step is undone that was never taken.
struct watchful_driver : bind_test::list_driver {
  using list_driver::list_driver;
  void undo(bind_test::operation& op) {
    if (auto const* const map = op.as_map(); map != nullptr && map->mapping == nullptr)
      ++undone_untaken;
    else
      list_driver::undo(op);
  }
  std::uint64_t undone_untaken = 0;
};

/// Takes map requests one after the other, as one bind of a driver does; whichever fails, all go back.
struct bind_of_maps {
  explicit bind_of_maps(bind_test::world& of, std::size_t count) : w(of), driver(of) {
    for (std::size_t i = 0; i < count; ++i) lists.emplace_back(w.vm);
  }
  /// Two units each, with a unit between; the third lies over the first two.
  [[nodiscard]] bind_test::extent request(std::size_t i) {
    return i == 2 ? bind_test::extent{bind_test::va(1), bind_test::bytes(3), &w.b, 0}
                  : bind_test::extent{bind_test::va(3 * i), bind_test::bytes(2), &w.a, bind_test::unit * i};
  }
  [[nodiscard]] errc run() {
    for (; done < lists.size(); ++done) {
      errc e = lists[done].plan_map(request(done));
      if (e == errc::ok) e = lists[done].apply(driver);
      if (e == errc::ok) continue;
      refused = done;
      while (done > 0) {
        errc const back = lists[--done].revert(driver);
        CHECK(back == errc::ok);
      }
      return e;
    }
    for (bind_test::list& l : lists) driver.free_released(l);
    return errc::ok;
  }

  bind_test::world& w;
  watchful_driver driver;
  std::deque<bind_test::list> lists;
  std::size_t done = 0;
  std::size_t refused = 0;
};
constexpr std::size_t requests = 6;

struct fenced_mapping;
struct fenced_object;
struct fenced {
  using mapping = fenced_mapping;
  using object = fenced_object;
  using lock = svm::mock::rank_checked<svm::null_lock>;
  using allocator = support::ledger_allocator;
  using reservation = bind_test::mock_reservation;
};
struct fenced_mapping : svm::gpu_mapping<fenced> {};
struct fenced_object : svm::gpuvm_object<fenced> {
  using svm::gpuvm_object<fenced>::gpuvm_object;
};

/// A space with an object that has a reservation of its own, mapped beside a mapping without an object.
struct fenced_space {
  support::ledger_allocator memory;
  fenced::reservation local, own;
  svm::gpuvm<fenced> vm{*svm::gpuvm_layout::make({0}, {1 << 20}), memory};
  svm::gpuvm_objects<fenced> objects{vm, local, memory};
  fenced_object outside{own, svm::list_guard::immediate};
  fenced_mapping mapped, sparse;
  svm::gpuvm_objects<fenced>::bo* bo = nullptr;

  fenced_space() {
    auto const got = objects.obtain(outside);
    REQUIRE(got.has_value());
    bo = *got;
    mapped.set_extent({{0x1000}, {0x1000}, &outside, 0});
    sparse.set_extent({{0x3000}, {0x1000}, nullptr, 0});
    for (fenced_mapping* const m : {&mapped, &sparse}) REQUIRE(vm.insert(*m) == errc::ok);
  }
  ~fenced_space() {
    for (fenced_mapping* const m : {&mapped, &sparse}) vm.remove(*m);
    objects.put(*bo);
  }
  [[nodiscard]] bool is_held() const { return local.is_held() || own.is_held(); }
};

}  // namespace

TEST_SUITE("upstream") {
  // A driver unwound a bind of several maps that had failed half-way, and met a step that had no mapping yet.
  TEST_CASE(
      "a bind of several maps that is refused at any step goes back to what was, and no step without a mapping is "
      "undone") {
    for (bool const in_place : {true, false})
      for (std::uint64_t k = 1;; ++k) {
        REQUIRE(k < 100);
        CAPTURE(in_place);
        CAPTURE(k);
        bind_test::world w;
        w.in_place = in_place;
        w.put(&w.c, 20, 22);
        std::uint64_t const before = w.hash();
        w.fail_at = k;
        bind_of_maps bind{w, requests};
        errc const e = bind.run();
        CHECK(w.vm.check());
        if (e == errc::ok) {
          CHECK(k > requests);
          CHECK(w.picture() == "a 0-1@0, b 1-4@0, a 4-5@2, a 9-11@3, a 12-14@4, a 15-17@5, c 20-22@0");
          break;
        }
        CHECK(e == errc::device_gone);
        CHECK(bind.driver.undone_untaken == 0);
        CHECK(w.hash() == before);
        CHECK(w.live.size() == 1);  // a mapping made for a step that went back is freed, once
        for (bind_test::list const& l : bind.lists) CHECK_FALSE(l.is_applied());
        // What was refused can be asked again.
        w.fail_at = 0;
        CHECK(bind.run() == errc::ok);
        CHECK(w.vm.check());
      }
  }

  // The same, when it is the memory for the list that is missing.
  TEST_CASE("a bind of several maps for which memory runs out at any allocation goes back to what was") {
    for (std::uint64_t k = 1;; ++k) {
      REQUIRE(k < 1000);
      CAPTURE(k);
      bind_test::world w;
      w.put(&w.c, 20, 22);
      std::uint64_t const before = w.hash();
      w.memory.fail_at = w.memory.calls + k;
      errc e;
      {
        bind_of_maps bind{w, requests};
        e = bind.run();
        w.memory.fail_at = 0;
        if (e != errc::ok) {
          CHECK(e == errc::no_memory);
          CHECK(bind.lists[bind.refused].empty());
          CHECK(bind.lists[bind.refused].begin() == bind.lists[bind.refused].end());
        }
      }
      CHECK(w.memory.mismatches == 0);
      CHECK(w.vm.check());
      if (e == errc::ok) {
        CHECK(k > requests);
        break;
      }
      CHECK(w.hash() == before);
      CHECK(w.live.size() == 1);
    }
  }

  // A submission without fences went through the code that reserves, adds and puts them.
  TEST_CASE("to lock with room for no fence reserves nothing and leaves nothing, however it ends") {
    fenced_space s;
    s.local.fail_reserve = s.own.fail_reserve = true;  // who asks for room for none is told
    svm::gpuvm_exec<fenced> exec(s.memory);
    auto const every_way = [&](unsigned fences) {
      errc all = errc::ok;
      auto const take = [&](errc e) {
        if (all == errc::ok) all = e;
        CHECK(s.is_held() == (e == errc::ok));
        exec.unlock_all();
        CHECK_FALSE(s.is_held());
      };
      take(exec.lock_all(s.objects, fences));
      take(exec.lock_range(s.objects, {0x1000}, {0x4000}, fences));
      take(exec.lock_map(s.objects, {{0x1800}, {0x2000}, &s.outside, 0}, fences));
      take(exec.lock_unmap(s.objects, {0x1800}, {0x2000}, fences));
      return all;
    };
    CHECK(every_way(0) == errc::ok);
    CHECK(every_way(1) == errc::no_memory);
    s.local.fail_reserve = s.own.fail_reserve = false;

    // No fence is added to what was never locked, and none twice to what was.
    bind_test::mock_fence fence;
    exec.add_fence(s.objects, fence, svm::fence_usage::bookkeeping, svm::fence_usage::write);
    CHECK(s.local.fences.size() + s.own.fences.size() == 0);
    REQUIRE(exec.lock_all(s.objects, 1) == errc::ok);
    exec.add_fence(s.objects, fence, svm::fence_usage::bookkeeping, svm::fence_usage::write);
    exec.unlock_all();
    exec.add_fence(s.objects, fence, svm::fence_usage::bookkeeping, svm::fence_usage::write);
    CHECK(s.local.fences.size() == 1);
    CHECK(s.own.fences.size() == 1);
    CHECK(support::lock_complaints() == "");
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/objects.hpp>

#include <svm/gpuvm/exec.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/std/null_lock.hpp>

#include "gpuvm/reservations.hpp"
#include "support/assertions.hpp"
#include "support/ledger_allocator.hpp"
#include "support/lock_complaints.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

using svm::errc;
using svm::list_guard;

namespace {

struct object_mapping;
struct buffer;
struct types {
  using mapping = object_mapping;
  using object = buffer;
  using lock = svm::mock::rank_checked<svm::null_lock>;
  using allocator = support::ledger_allocator;
  using reservation = bind_test::mock_reservation;
};
struct object_mapping : svm::gpu_mapping<types> {};
struct buffer : svm::gpuvm_object<types> {
  using svm::gpuvm_object<types>::gpuvm_object;
  int references = 1;
  void get() { ++references; }
  void put() { --references; }
};

using resv = types::reservation;
using objects = svm::gpuvm_objects<types>;
using bo = objects::bo;
using extent = svm::gpu_extent<types>;

/// Two spaces; objects with the reservation of the first, and with one of their own.
struct machine {
  support::ledger_allocator memory;
  resv local, other_local, own, own2;
  svm::gpuvm<types> vm{*svm::gpuvm_layout::make({0}, {1 << 20}, {0x8000}, {0x1000}), memory};
  svm::gpuvm<types> other_vm{*svm::gpuvm_layout::make({0}, {1 << 20}), memory};
  objects all{vm, local, memory};
  objects other{other_vm, other_local, memory};
  buffer inside{local, list_guard::reservation};
  buffer outside{own, list_guard::reservation};
  buffer at_once{own2, list_guard::immediate};
  resv::ticket ticket;

  void lock(resv& r) { CHECK(r.lock(ticket) == errc::ok); }
  void unlock(resv& r) { r.unlock(ticket); }
  bo& obtain(buffer& b) {
    auto const got = all.obtain(b);
    REQUIRE(got.has_value());
    return **got;
  }
  void insert(object_mapping& m, buffer* b, std::uint64_t start, std::uint64_t size) {
    m.set_extent({{start}, {size}, b, 0});
    REQUIRE(vm.insert(m) == errc::ok);
  }
};

}  // namespace

TEST_SUITE("gpuvm/objects") {
  TEST_CASE("a bo is unique for each space and object, and ends with its last reference") {
    machine w;
    w.lock(w.local);
    bo& first = w.obtain(w.inside);
    CHECK(w.inside.references == 2);
    CHECK(&w.obtain(w.inside) == &first);
    CHECK(w.all.find(w.inside) == &first);
    CHECK(w.other.find(w.inside) == nullptr);
    auto const elsewhere = w.other.obtain(w.inside);
    REQUIRE(elsewhere.has_value());
    CHECK(*elsewhere != &first);
    CHECK(!first.is_external());
    CHECK((*elsewhere)->is_external());
    for (int i = 0; i < 3; ++i) w.all.put(first);
    CHECK(w.all.find(w.inside) == nullptr);
    CHECK(w.inside.references == 2);
    w.other.put(**elsewhere);
    CHECK(w.inside.references == 1);
    CHECK(w.memory.mismatches == 0);
    w.unlock(w.local);
  }

  TEST_CASE("without memory no bo is made, with memory taken before none is needed, and what is spare returns") {
    machine w;
    w.lock(w.local);
    std::size_t const out = w.memory.outstanding();
    w.memory.fail_at = w.memory.calls + 1;
    CHECK(w.all.obtain(w.inside).error() == errc::no_memory);
    CHECK(w.inside.references == 1);
    {
      objects::spare one(w.all), two(w.all);
      REQUIRE(one.has_memory());
      std::uint64_t const calls = w.memory.calls;
      auto const got = w.all.obtain(w.inside, one);
      REQUIRE(got.has_value());
      CHECK(!one.has_memory());
      CHECK(*w.all.obtain(w.inside, two) == *got);
      CHECK(two.has_memory());
      CHECK(w.memory.calls == calls);
      CHECK(w.all.obtain(w.inside, one).has_value());  // there is one already: nothing is needed
      for (int i = 0; i < 3; ++i) w.all.put(**got);
      CHECK(w.all.obtain(w.inside, one).error() == errc::no_memory);
    }
    CHECK(w.memory.outstanding() == out);
    w.unlock(w.local);
  }

  TEST_CASE("a linked mapping holds its bo; a bo that is put in deferred form is a zombie until it is cleaned up") {
    machine w;
    bo& b = w.obtain(w.at_once);
    object_mapping m;
    w.insert(m, &w.at_once, 0, 10);
    w.all.link(m, &b);
    w.all.put(b);
    bo* const held = w.all.find(w.at_once);
    CHECK(held == &b);
    w.all.put(b);
    w.all.unlink_deferred(m);
    CHECK(w.all.bo_count() == 1);
    CHECK(w.at_once.references == 2);
    CHECK(w.all.find(w.at_once) == nullptr);
    bo& fresh = w.obtain(w.at_once);  // beside the zombie
    CHECK(&fresh != &b);
    CHECK(w.all.bo_count() == 2);
    w.all.clean_up();
    CHECK(w.all.bo_count() == 1);
    CHECK(w.all.find(w.at_once) == &fresh);
    w.all.put(fresh);
    w.all.put(fresh);
    CHECK(w.at_once.references == 1);
    w.vm.remove(m);
  }

  TEST_CASE("GEM-03: an object whose lists its reservation guards wants it held") {
    machine w;
    CHECK(support::failed_expression([&] { static_cast<void>(w.all.find(w.outside)); }) == "owner_ != nullptr");
    bo& b = w.obtain(w.at_once);  // immediate mode: the library locks
    w.all.put(b);
  }

  TEST_CASE("GEM-03: a bo whose object's reservation guards its lists wants that held to be linked to") {
    machine w;
    w.lock(w.own);
    bo& b = w.obtain(w.outside);
    object_mapping m;
    w.insert(m, &w.outside, 0, 10);
    w.unlock(w.own);
    CHECK(support::failed_expression([&] { w.outside.assert_mappings_locked(); }) == "owner_ != nullptr");
    w.lock(w.own);
    CHECK(support::failed_expression([&] { w.outside.assert_mappings_locked(); }) == "no assertion failed");
    w.all.link(m, &b);
    w.all.put(b);
    CHECK(w.all.bo_count() == 1);  // the mapping holds it
    w.all.unlink(m);
    CHECK(w.all.bo_count() == 0);
    CHECK(w.outside.references == 1);
    w.unlock(w.own);
    w.vm.remove(m);
  }

  TEST_CASE(
      "GEM-03: in immediate mode the library holds the object's own lock, and lends it to who visits its mappings") {
    machine w;
    bo& b = w.obtain(w.at_once);
    object_mapping m, n;
    w.insert(m, &w.at_once, 0, 10);
    w.insert(n, &w.at_once, 20, 10);
    w.all.link(m, &b);
    w.all.link(n, &b);
    CHECK(support::lock_complaints() == "");

    svm::gpuvm_op_list<types> planned(w.vm);
    REQUIRE(planned.reserve(2) == errc::ok);
    std::uint64_t const calls = w.memory.calls;
    std::size_t seen = 0;
    {
      buffer::lists_held const lists(w.at_once);
      b.for_each([&](object_mapping&) { ++seen; });
      CHECK(planned.plan_object_unmap(b) == errc::ok);
    }
    CHECK(seen == 2);
    CHECK(planned.size() == 2);
    CHECK(w.memory.calls == calls);  // not under a leaf lock
    CHECK(support::lock_complaints() == "");

    b.for_each([](object_mapping&) {});
    CHECK(support::lock_complaints() == "O-37: page table not held");
    static_cast<void>(planned.plan_object_unmap(b));
    CHECK(support::lock_complaints() == "O-37: page table not held");

    planned.clear();
    for (object_mapping* const each : {&m, &n}) {
      w.all.unlink(*each);
      w.vm.remove(*each);
    }
    w.all.put(b);
    CHECK(w.all.bo_count() == 0);
    CHECK(support::lock_complaints() == "");
  }

  TEST_CASE("GEM-04: a mapping without an object is linked to nothing, and unlinked from nothing, in either form") {
    machine w;
    object_mapping m;
    w.insert(m, nullptr, 0, 10);
    w.all.link(m, nullptr);
    CHECK(m.bo() == nullptr);
    CHECK_FALSE(m.is_linked());
    w.all.unlink(m);
    w.all.unlink_deferred(m);
    CHECK(w.all.bo_count() == 0);
    w.vm.remove(m);
  }

  TEST_CASE("validate makes evicted bos valid, and stops at the first that fails") {
    machine w;
    for (resv* const r : {&w.local, &w.own}) w.lock(*r);
    bo& a = w.obtain(w.inside);
    bo& b = w.obtain(w.outside);
    objects::set_evicted(w.inside, true);
    objects::set_evicted(w.outside, true);
    objects::set_evicted(w.outside, true);
    CHECK(w.all.has_evicted());
    int calls = 0;
    CHECK(w.all.validate([&](bo& one) {
      CHECK(&one == (++calls == 1 ? &a : &b));
      return calls == 2 ? errc::no_device_memory : errc::ok;
    }) == errc::no_device_memory);
    CHECK(calls == 2);
    CHECK(w.all.has_evicted());
    CHECK(w.all.validate([&](bo& one) {
      CHECK(&one == &b);
      return errc::ok;
    }) == errc::ok);
    CHECK(!w.all.has_evicted());
    objects::set_evicted(w.inside, true);
    objects::set_evicted(w.inside, false);
    CHECK(!w.all.has_evicted());
    auto const elsewhere = w.other.obtain(w.inside);
    REQUIRE(elsewhere.has_value());
    objects::set_evicted(w.inside, true);
    CHECK(w.other.has_evicted());
    w.other.put(**elsewhere);
    w.all.put(a);  // an evicted bo may end
    CHECK(!w.other.has_evicted());
    CHECK(!w.all.has_evicted());
    w.all.put(b);
    for (resv* const r : {&w.local, &w.own}) w.unlock(*r);
  }
}

TEST_SUITE("gpuvm/exec") {
  TEST_CASE("lock_all locks the space and its external objects once each, and fences go to all of them") {
    machine w;
    for (resv* const r : {&w.local, &w.own}) w.lock(*r);
    bo* const bos[] = {&w.obtain(w.inside), &w.obtain(w.outside), &w.obtain(w.at_once)};
    for (resv* const r : {&w.local, &w.own}) w.unlock(*r);
    {
      svm::gpuvm_exec<types> exec(w.memory);
      REQUIRE(exec.lock_all(w.all, 1, [&](auto& self) { return self.prepare(w.other_local, 2); }) == errc::ok);
      CHECK(exec.size() == 4);
      for (resv* const r : {&w.local, &w.own, &w.own2, &w.other_local}) CHECK(r->is_held());
      bind_test::mock_fence fence;
      exec.add_fence(w.all, fence, svm::fence_usage::bookkeeping, svm::fence_usage::write);
      REQUIRE(w.local.fences.size() == 1);
      CHECK(w.local.fences[0].second == svm::fence_usage::bookkeeping);
      CHECK(w.own.fences[0].second == svm::fence_usage::write);
      CHECK(w.own2.fences.size() == 1);
    }
    CHECK(!w.local.is_held());
    for (resv* const r : {&w.local, &w.own}) w.lock(*r);
    for (bo* const b : bos) w.all.put(*b);
    for (resv* const r : {&w.local, &w.own}) w.unlock(*r);
  }

  TEST_CASE("contention lets go of everything, waits for the contended one, and starts again") {
    machine w;
    bo& b = w.obtain(w.at_once);
    w.own2.contentions = 2;
    svm::gpuvm_exec<types> exec(w.memory);
    REQUIRE(exec.lock_all(w.all, 1) == errc::ok);
    CHECK(exec.retries() == 1);  // the second try has it already
    CHECK(w.own2.slow_locks == 1);
    CHECK(w.local.locks == 2);
    CHECK(exec.size() == 2);
    exec.unlock_all();
    w.all.put(b);
  }

  TEST_CASE("an error while locking leaves nothing locked") {
    machine w;
    bo& b = w.obtain(w.at_once);
    for (int i = 0; i < 4; ++i) {
      w.own2.fail_lock = i == 0 ? errc::device_gone : errc::ok;
      w.own2.fail_reserve = i == 1;
      w.memory.fail_at = i >= 2 ? w.memory.calls + static_cast<std::uint64_t>(i) - 1 : 0;
      svm::gpuvm_exec<types> exec(w.memory);
      CHECK(exec.lock_all(w.all, 1) == (i == 0 ? errc::device_gone : errc::no_memory));
      CHECK(exec.size() == 0);
      CHECK(!w.local.is_held());
      CHECK(!w.own2.is_held());
    }
    w.memory.fail_at = 0;
    w.own2.fail_reserve = false;
    w.all.put(b);
  }

  TEST_CASE("lock_range, lock_map and lock_unmap lock just the objects that are touched; no object is no error") {
    machine w;
    object_mapping m[4];
    w.insert(m[0], &w.inside, 0x1000, 0x1000);
    w.insert(m[1], &w.outside, 0x2000, 0x1000);
    w.insert(m[2], nullptr, 0x3000, 0x1000);
    w.insert(m[3], &w.at_once, 0x4000, 0x1000);
    svm::gpuvm_exec<types> exec(w.memory);
    auto const held = [&] {
      std::string t;
      for (resv* const r : {&w.local, &w.own, &w.own2}) t += r->is_held() ? '1' : '0';
      exec.unlock_all();
      return t;
    };
    CHECK(exec.lock_range(w.all, {0x1fff}, {2}, 1) == errc::ok);
    CHECK(held() == "110");
    CHECK(exec.lock_range(w.all, {0x3000}, {0x1000}, 1) == errc::ok);
    CHECK(held() == "000");
    CHECK(exec.lock_range(w.all, {0}, {1 << 20}, 0) == errc::ok);  // the reserved part is skipped
    CHECK(held() == "111");
    CHECK(exec.lock_range(w.all, {0}, {0}, 0) == errc::empty_interval);
    CHECK(exec.lock_map(w.all, {{0x3800}, {0x1000}, &w.inside, 0}, 1) == errc::ok);
    CHECK(held() == "101");
    CHECK(exec.lock_map(w.all, {{0x7fff}, {2}, &w.inside, 0}, 1) == errc::outside_window);
    CHECK(held() == "000");
    CHECK(exec.lock_unmap(w.all, {0x2800}, {0x10}, 1) == errc::ok);
    CHECK(held() == "010");
    CHECK(exec.lock_unmap(w.all, {0x2800}, {0}, 1) == errc::empty_interval);
    CHECK(exec.lock_map(w.all, {{0x3800}, {0x1000}, nullptr, 0}, 1) == errc::ok);
    CHECK(held() == "001");
    CHECK(w.vm.size() == 4);
    for (object_mapping& one : m) w.vm.remove(one);
  }

  TEST_CASE("the first object that cannot be locked ends it: those behind it are not even asked") {
    machine w;
    object_mapping m[2];
    w.insert(m[0], &w.inside, 0x1000, 0x1000);
    w.insert(m[1], &w.at_once, 0x2000, 0x1000);
    w.local.fail_lock = errc::interrupted;
    svm::gpuvm_exec<types> exec(w.memory);
    CHECK(exec.lock_range(w.all, {0x1000}, {0x2000}, 1) == errc::interrupted);
    CHECK(exec.lock_unmap(w.all, {0x1000}, {0x2000}, 1) == errc::interrupted);
    CHECK(exec.lock_map(w.all, {{0x2000}, {0x1000}, &w.inside, 0}, 1) == errc::interrupted);
    CHECK(exec.size() == 0);
    CHECK(w.own2.locks == 0);
    w.local.fail_lock = errc::ok;
    for (object_mapping& one : m) w.vm.remove(one);

    // Of two external objects too; the bos that were collected are put all the same.
    w.lock(w.own);
    bo* const bos[] = {&w.obtain(w.outside), &w.obtain(w.at_once)};
    w.unlock(w.own);
    w.own.fail_lock = errc::interrupted;
    CHECK(exec.lock_all(w.all, 1) == errc::interrupted);
    CHECK(w.own2.locks == 0);
    w.own.fail_lock = errc::ok;
    w.lock(w.own);
    for (bo* const b : bos) w.all.put(*b);
    w.unlock(w.own);
    CHECK(w.all.bo_count() == 0);
  }

  TEST_CASE("a wait that fails, or a refusal without a contended reservation, ends it without another try") {
    machine w;
    w.own.contentions = 1;
    w.own.fail_slow_lock = errc::interrupted;
    svm::gpuvm_exec<types> exec(w.memory);
    int asked = 0;
    CHECK(exec.lock([&](auto& self) {
      ++asked;
      return self.prepare(w.own, 1);
    }) == errc::interrupted);
    CHECK(asked == 1);
    CHECK(exec.lock([&](auto&) {
      ++asked;
      return errc::would_block;
    }) == errc::would_block);
    CHECK(asked == 2);
    CHECK(exec.size() == 0);
    CHECK_FALSE(w.own.is_held());
  }

  TEST_CASE("any number of reservations is held at once, and let go of") {
    machine w;
    std::deque<resv> many(40);
    svm::gpuvm_exec<types> exec(w.memory);
    REQUIRE(exec.lock([&](auto& self) {
      for (resv& r : many)
        if (errc const e = self.prepare(r, 1); e != errc::ok) return e;
      return errc::ok;
    }) == errc::ok);
    CHECK(exec.size() == 40);
    for (resv const& r : many) CHECK(r.is_held());
    exec.unlock_all();
    for (resv const& r : many) CHECK_FALSE(r.is_held());
  }

  TEST_CASE(
      "what holds many reservations, and what lists many external objects, gives back each array that it outgrew") {
    constexpr std::size_t count = 40;  // arrays of 16, 32 and 64, and of 8, 16, 32 and 64
    for (std::uint64_t k = 0;; ++k) {
      CAPTURE(k);
      machine w;
      std::deque<resv> guards(count);
      std::deque<buffer> many;
      std::vector<bo*> bos;
      for (resv& r : guards) {
        w.lock(r);
        bos.push_back(&w.obtain(many.emplace_back(r, list_guard::reservation)));
        w.unlock(r);
      }
      std::size_t const before = w.memory.outstanding();
      bool failed = false;
      {
        svm::gpuvm_exec<types> exec(w.memory);
        w.memory.fail_at = k == 0 ? 0 : w.memory.calls + k;
        errc const e = exec.lock_all(w.all, 1);
        w.memory.fail_at = 0;
        failed = e != errc::ok;
        CHECK(e == (failed ? errc::no_memory : errc::ok));
        CHECK(exec.size() == (failed ? 0 : count + 1));
        CHECK(w.local.is_held() == !failed);
      }
      CHECK(w.memory.outstanding() == before);
      CHECK(w.memory.mismatches == 0);
      for (std::size_t i = 0; i < count; ++i) {
        CHECK_FALSE(guards[i].is_held());
        w.lock(guards[i]);
        w.all.put(*bos[i]);
        w.unlock(guards[i]);
      }
      CHECK(w.all.bo_count() == 0);
      CHECK(w.memory.outstanding() == before - count);
      if (failed || k == 0) continue;
      CHECK(k == 8);
      break;
    }
  }

  TEST_CASE("a dump counts the bos and tells of the external ones, without those that have ended") {
    machine w;
    auto const dumped = [&w] {
      std::string all;
      w.all.dump([&](std::string_view line) { all += line; });
      return all;
    };
    auto const line_of = [](buffer const& o, char const* more) {
      char text[80];
      std::snprintf(text, sizeof text, "  external object %p%s\n", static_cast<void const*>(&o), more);
      return std::string(text);
    };
    CHECK(dumped() == "gpuvm_objects: 0 bos, 0 external, 0 evicted\n");
    w.lock(w.local);
    w.lock(w.own);
    w.lock(w.own2);
    bo& local = w.obtain(w.inside);
    bo& b = w.obtain(w.outside);
    bo& c = w.obtain(w.at_once);
    objects::set_evicted(w.at_once, true);
    objects::set_evicted(w.inside, true);
    std::uint64_t const calls = w.memory.calls;
    CHECK(dumped() ==
          "gpuvm_objects: 3 bos, 2 external, 2 evicted\n" + line_of(w.outside, "") + line_of(w.at_once, ", evicted"));
    CHECK(w.memory.calls == calls);
    w.all.put_deferred(b);
    CHECK(dumped() == "gpuvm_objects: 3 bos, 2 external, 2 evicted\n" + line_of(w.at_once, ", evicted"));
    w.all.clean_up();
    CHECK(dumped() == "gpuvm_objects: 2 bos, 1 external, 2 evicted\n" + line_of(w.at_once, ", evicted"));
    w.all.put(local);
    w.all.put(c);  // a dump let go of every bo that it held
    CHECK(w.all.bo_count() == 0);
    CHECK(support::lock_complaints() == "");
    w.unlock(w.own2);
    w.unlock(w.own);
    w.unlock(w.local);
  }

  TEST_CASE("a bo that loses its last reference while a dump prints it waits to be cleaned up") {
    machine w;
    bo& b = w.obtain(w.at_once);
    std::size_t lines = 0;
    w.all.dump([&](std::string_view) {
      if (++lines == 2) w.all.put(b);
    });
    CHECK(lines == 2);
    CHECK(w.all.bo_count() == 1);
    CHECK(w.all.find(w.at_once) == nullptr);
    w.all.clean_up();
    CHECK(w.all.bo_count() == 0);
    CHECK(w.at_once.references == 1);
  }
}

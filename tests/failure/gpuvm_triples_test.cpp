// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every call of gpuvm/ that may fail, with every allocation, every lock of a reservation and every step of the driver
// failing; see triples_test.cpp.

#include <svm/gpuvm/exec.hpp>
#include <svm/gpuvm/objects.hpp>
#include <svm/gpuvm/op_list.hpp>

#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/reservation.hpp>

#include <failure/failure_loop.hpp>
#include <failure/trace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using support::errc;
using support::failure;
using support::repeat;
using svm::list_guard;

namespace {

struct vm_mapping;
struct vm_object;
struct vm_types {
  using mapping = vm_mapping;
  using object = vm_object;
  using lock = svm::mock::rank_checked<svm::null_lock>;
  using allocator = svm::mock::counting_allocator;
  using reservation = svm::mock::reservation;
};
struct vm_mapping : svm::gpu_mapping<vm_types> {};
struct vm_object : svm::gpuvm_object<vm_types> {
  using svm::gpuvm_object<vm_types>::gpuvm_object;
  int references = 1;
  void get() { ++references; }
  void put() { --references; }
};

using extent = svm::gpu_extent<vm_types>;
using list = svm::gpuvm_op_list<vm_types>;
using exec = svm::gpuvm_exec<vm_types>;
using objects = svm::gpuvm_objects<vm_types>;

constexpr std::uint64_t unit = 0x1000;
constexpr std::uint64_t units = 128;

struct vm_stage;

/// A driver each step of which needs memory, and changes nothing when there is none.
class refusing_driver {
 public:
  explicit refusing_driver(vm_stage& home) : home_(home) {}

  errc map(svm::map_step<vm_types>& s);
  errc unmap(svm::unmap_step<vm_types>& s);
  errc remap(svm::remap_step<vm_types>& s);
  errc map(svm::map_operation<vm_types>& o);
  errc unmap(svm::unmap_operation<vm_types>&) { return ask(); }
  errc remap(svm::remap_operation<vm_types>& o);
  errc prefetch(svm::prefetch_operation<vm_types>&) { return ask(); }
  errc perform(svm::driver_operation<vm_types>&) { return ask(); }
  void undo(svm::gpuvm_operation<vm_types>& op);
  /// Makes an object valid, or wants more of an exec.
  template <class Argument>
  errc operator()(Argument&) {
    return ask();
  }

 private:
  [[nodiscard]] errc ask();
  vm_stage& home_;
};

/// What outlives a space, so that its ledger can be read in the end.
struct vm_memory {
  svm::mock::report broken;
  svm::mock::failure_plan failures;
  svm::mock::counting_allocator memory{failures, broken};
};

/// A space whose objects have the reservation of the space, and two of their own.
struct vm_stage {
  svm::mock::failure_plan& failures;
  svm::mock::counting_allocator& memory;
  svm::mock::reservation local, own, own2, held;
  svm::gpuvm<vm_types> vm{*svm::gpuvm_layout::make({0}, {units * unit}), memory};
  objects all{vm, local, memory};
  vm_object a{local, list_guard::immediate}, b{own, list_guard::immediate}, c{own2, list_guard::immediate};
  vm_object d{held, list_guard::reservation};  ///< its reservation is held all the time
  svm::mock::reservation::ticket ticket;
  refusing_driver driver{*this};
  std::set<vm_mapping*> live;
  std::vector<objects::bo*> bos;  ///< with a reference on each
  std::optional<list> planned{vm};
  std::optional<exec> locks{memory};
  vm_mapping fresh;

  explicit vm_stage(vm_memory& home) : failures(home.failures), memory(home.memory) {
    for (auto* const r : {&local, &own, &own2}) r->failures = &failures;
    support::trace_failures(failures);
    REQUIRE(held.lock(ticket) == errc::ok);
  }
  ~vm_stage() {
    end_lists();
    vm.for_each([&](vm_mapping& m) {
      vm.remove(m);
      all.unlink(m);
    });
    for (objects::bo* const known : bos) all.put(*known);
    held.unlock(ticket);
    for (vm_mapping* const m : live) svm::detail::destroy(memory, m);
  }
  /// What is held for lists and locks alone.
  void end_lists() {
    planned.reset();
    locks.reset();
  }

  [[nodiscard]] vm_mapping* make() {
    auto* const m = svm::detail::construct<vm_mapping>(memory);
    if (m != nullptr) live.insert(m);
    return m;
  }
  void free(vm_mapping& m) {
    live.erase(&m);
    svm::detail::destroy(memory, &m);
  }
  void put(vm_object* o, std::uint64_t start, std::uint64_t end, std::uint64_t offset = 0) {
    vm_mapping& m = *make();
    m.set_extent(piece(o, start, end, offset));
    REQUIRE(vm.insert(m) == errc::ok);
    if (o == nullptr) return;
    auto const found = all.obtain(*o);
    REQUIRE(found.has_value());
    all.link(m, *found);
    bos.push_back(*found);
  }
  [[nodiscard]] static extent piece(vm_object* o, std::uint64_t start, std::uint64_t end, std::uint64_t offset = 0) {
    return {{start * unit}, {(end - start) * unit}, o, offset * unit};
  }
  /// 0 is nothing, 1 a mapping without an object.
  [[nodiscard]] std::size_t number_of(vm_object const* o) const {
    return o == nullptr ? 1 : o == &a ? 2 : o == &b ? 3 : o == &c ? 4 : 5;
  }
  /// Takes the steps of the list, as a driver whose list is applied does.
  [[nodiscard]] errc apply() {
    errc const e = planned->apply(driver);
    if (e != errc::ok) planned->clear();
    if (e != errc::ok) return e;
    for (auto& op : *planned)
      if (vm_mapping* const m = op.released()) {
        all.unlink(*m);
        free(*m);
      }
    return e;
  }
};

errc refusing_driver::ask() {
  std::byte* const scratch = home_.memory.allocate(8, 8);
  if (scratch == nullptr) return errc::no_memory;
  home_.memory.deallocate(scratch, 8, 8);
  return errc::ok;
}
errc refusing_driver::map(svm::map_step<vm_types>& s) {
  vm_mapping* const m = home_.make();
  if (m == nullptr) return errc::no_memory;
  errc const e = home_.vm.map(s, *m);
  if (e != errc::ok) home_.free(*m);
  return e;
}
errc refusing_driver::unmap(svm::unmap_step<vm_types>& s) {
  if (errc const e = ask(); e != errc::ok) return e;
  home_.vm.unmap(s);
  home_.all.unlink(*s->mapping);
  home_.free(*s->mapping);
  return errc::ok;
}
errc refusing_driver::remap(svm::remap_step<vm_types>& s) {
  if (errc const e = ask(); e != errc::ok) return e;
  if (!s->has_prev() || !s->has_next()) return home_.vm.remap(s, s->prev, s->next);
  vm_mapping* const fresh = home_.make();
  if (fresh == nullptr) return errc::no_memory;
  errc const e = home_.vm.remap(s, s->prev, fresh);
  if (e != errc::ok) home_.free(*fresh);
  return e;
}
errc refusing_driver::map(svm::map_operation<vm_types>& o) {
  o.mapping = home_.make();
  return o.mapping == nullptr ? errc::no_memory : errc::ok;
}
errc refusing_driver::remap(svm::remap_operation<vm_types>& o) {
  if (errc const e = ask(); e != errc::ok || !o.has_prev() || !o.has_next()) return e;
  o.next = home_.make();
  return o.next == nullptr ? errc::no_memory : errc::ok;
}
void refusing_driver::undo(svm::gpuvm_operation<vm_types>& op) {
  if (auto* const s = op.as_map()) home_.free(*std::exchange(s->mapping, nullptr));
  if (auto* const s = op.as_remap(); s != nullptr && s->has_prev() && s->has_next())
    home_.free(*std::exchange(s->next, s->mapping));
}

/// What can be observed of a space.
struct vm_state {
  std::array<std::pair<std::size_t, std::uint64_t>, units> flat{};  ///< what each unit of addresses leads to
  std::vector<std::array<std::uint64_t, 3>> extents;                ///< start, size and offset of each mapping
  std::array<int, 3> references;
  std::size_t bos;
  std::size_t operations;
  bool evicted;
  bool held;
  std::uint64_t blocks = 0, bytes = 0;

  explicit vm_state(vm_stage& w)
      : references{w.a.references, w.b.references, w.c.references},
        bos(w.all.bo_count()),
        operations(w.planned->size()),
        evicted(w.all.has_evicted()),
        held(w.local.is_held() || w.own.is_held() || w.own2.is_held()) {
    w.vm.for_each([&](vm_mapping& m) {
      extents.push_back({m.start().value, m.size().value, m.offset()});
      for (std::uint64_t u = m.start().value / unit; u <= m.last().value / unit; ++u)
        flat[u] = {w.number_of(m.object()), m.offset() + u * unit - m.start().value};
    });
    w.end_lists();
    blocks = w.memory.live_blocks();
    bytes = w.memory.live_bytes();
    w.planned.emplace(w.vm);
    w.locks.emplace(w.memory);
  }

  /// True when nothing tells the two apart.
  [[nodiscard]] bool is_same(vm_state const& o) const {
    return flat == o.flat && extents == o.extents && references == o.references && bos == o.bos &&
           operations == o.operations && evicted == o.evicted && owes_only_nodes(o);
  }
  /// True when all that was allocated since is index nodes for later.
  [[nodiscard]] bool owes_only_nodes(vm_state const& o) const {
    constexpr std::uint64_t node = sizeof(svm::detail::index_node<64>);
    return blocks >= o.blocks && bytes - o.bytes == (blocks - o.blocks) * node;
  }
  /// True when each unit leads where it did before, or nowhere, or where it leads when nothing fails.
  [[nodiscard]] bool is_between(vm_state const& before, vm_state const& after) const {
    for (std::size_t u = 0; u < units; ++u)
      if (flat[u] != before.flat[u] && flat[u] != after.flat[u] &&
          !(flat[u].first == 0 && before.flat[u] != after.flat[u]))
        return false;
    return true;
  }
};

/// What a call that failed left.
enum class promise : std::uint8_t {
  nothing,  ///< all is as it was
  steps,    ///< the steps before the failure stand, the callbacks' form says
  progress  ///< what came before the failure is done: of objects that are made valid
};
struct vm_call {
  char const* name;
  void (*set_up)(vm_stage&);
  errc (*act)(vm_stage&);
  promise kept = promise::nothing;
};

void nothing(vm_stage&) {}
void three(vm_stage& w) {
  w.put(&w.a, 0, 10);
  w.put(&w.b, 10, 20);
  w.put(&w.c, 20, 30);
}
void many(vm_stage& w) {
  for (std::uint64_t i = 0; i < 40; ++i) w.put(&w.b, 2 * i, 2 * i + 1, i);
}
void many_of_one(vm_stage& w) {
  for (std::uint64_t i = 0; i < 40; ++i) w.put(&w.d, 2 * i, 2 * i + 1, i);
}
void without_object(vm_stage& w) {
  w.put(nullptr, 0, 30);
}
/// Mapped one by one by steps that each had to provide for itself, so that nothing is left for the next.
void scarce(vm_stage& w) {
  for (std::uint64_t i = 0; i < 33; ++i) {
    vm_mapping& m = *w.make();
    REQUIRE(w.vm.insert({vm_stage::piece(nullptr, 3 * i, 3 * i + 3)}, m) == errc::ok);
  }
}
void evicted(vm_stage& w) {
  three(w);
  objects::set_evicted(w.b, true);
  objects::set_evicted(w.c, true);
}
/// Gives back what was locked, so that the call can be made again.
errc and_unlock(vm_stage& w, errc e) {
  CHECK((e == errc::ok) == (w.locks->size() != 0));
  w.locks->unlock_all();
  return e;
}
errc obtained(vm_stage& w, svm::result<objects::bo*> got) {
  if (got) w.bos.push_back(*got);
  return got.error();
}

vm_call const of_the_space[] = {
    {"reserve", nothing, [](vm_stage& w) { return w.vm.reserve(100); }},
    {"insert", nothing,
     [](vm_stage& w) {
       w.fresh.set_extent(vm_stage::piece(nullptr, 0, 1));
       return w.vm.insert(w.fresh);
     }},
    {"insert a step", nothing, [](vm_stage& w) { return w.vm.insert({vm_stage::piece(nullptr, 0, 1)}, w.fresh); }},
    {"replace", scarce,
     [](vm_stage& w) {
       vm_mapping& m = *w.vm.first();
       return w.vm.replace({&m, m.extent(), {unit}, {unit}, false, &m, &w.fresh}, &m, &w.fresh);
     }},
    {"sm_map over three", three,
     [](vm_stage& w) { return w.vm.sm_map(w.driver, vm_stage::piece(&w.a, 5, 25, 50)).error(); }, promise::steps},
    {"sm_map inside one", three,
     [](vm_stage& w) { return w.vm.sm_map(w.driver, vm_stage::piece(&w.c, 12, 15, 50)).error(); }, promise::steps},
    {"sm_map without spare nodes", scarce,
     [](vm_stage& w) { return w.vm.sm_map(w.driver, vm_stage::piece(&w.a, 4, 5)).error(); }, promise::steps},
    {"sm_unmap without spare nodes", scarce,
     [](vm_stage& w) { return w.vm.sm_unmap(w.driver, {4 * unit}, {unit}).error(); }, promise::steps},
    {"sm_map over many", many, [](vm_stage& w) { return w.vm.sm_map(w.driver, vm_stage::piece(&w.a, 1, 100)).error(); },
     promise::steps},
    {"sm_unmap over three", three, [](vm_stage& w) { return w.vm.sm_unmap(w.driver, {5 * unit}, {20 * unit}).error(); },
     promise::steps},
    {"sm_unmap inside one", three, [](vm_stage& w) { return w.vm.sm_unmap(w.driver, {12 * unit}, {3 * unit}).error(); },
     promise::steps},
    {"sm_unmap of many", many, [](vm_stage& w) { return w.vm.sm_unmap(w.driver, {0}, {units * unit}).error(); },
     promise::steps},
};

/// Every kind of step as a driver that takes a list by itself gets it; it takes none for good.
errc dispatch_all(vm_stage& w) {
  errc e = w.planned->plan_map(vm_stage::piece(&w.a, 5, 25, 50));
  list prefetches(w.vm);
  if (e == errc::ok) e = w.planned->append(svm::driver_operation<vm_types>{1, 0});
  if (e == errc::ok) e = prefetches.plan_prefetch({0}, {units * unit});
  std::vector<svm::gpuvm_operation<vm_types>*> done;
  for (list* const l : {&*w.planned, &prefetches})
    for (auto& op : *l) {
      if (e == errc::ok) e = op.dispatch(w.driver);
      if (e == errc::ok) done.push_back(&op);
    }
  for (auto* const op : done) w.driver.undo(*op);
  w.planned->clear();
  return e;
}

vm_call const of_lists[] = {
    {"list reserve", nothing, [](vm_stage& w) { return w.planned->reserve(100); }},
    {"plan_map", three, [](vm_stage& w) { return w.planned->plan_map(vm_stage::piece(&w.a, 5, 25, 50)); }},
    {"plan_map over many", many, [](vm_stage& w) { return w.planned->plan_map(vm_stage::piece(&w.a, 1, 100)); }},
    {"plan_unmap", many, [](vm_stage& w) { return w.planned->plan_unmap({0}, {units * unit}); }},
    {"plan_prefetch", many, [](vm_stage& w) { return w.planned->plan_prefetch({0}, {units * unit}); }},
    {"plan_split", without_object, [](vm_stage& w) { return w.planned->plan_split({5 * unit}, {5 * unit}); }},
    {"plan_object_unmap", many_of_one, [](vm_stage& w) { return w.planned->plan_object_unmap(*w.bos.front()); }},
    {"append", nothing,
     [](vm_stage& w) {
       w.planned->clear();
       for (std::uint32_t code = 0; code < 20; ++code)
         if (errc const e = w.planned->append(svm::driver_operation<vm_types>{code, 0}); e != errc::ok) {
           w.planned->clear();
           return e;
         }
       return errc::ok;
     }},
    {"apply a map", three,
     [](vm_stage& w) {
       errc const e = w.planned->plan_map(vm_stage::piece(&w.a, 5, 25, 50));
       return e == errc::ok ? w.apply() : e;
     }},
    {"apply a map inside one", three,
     [](vm_stage& w) {
       errc const e = w.planned->plan_map(vm_stage::piece(&w.c, 12, 15, 50));
       return e == errc::ok ? w.apply() : e;
     }},
    {"apply an unmap of many", many,
     [](vm_stage& w) {
       errc const e = w.planned->plan_unmap({unit}, {100 * unit});
       return e == errc::ok ? w.apply() : e;
     }},
    {"apply a prefetch", three,
     [](vm_stage& w) {
       errc const e = w.planned->plan_prefetch({0}, {units * unit});
       return e == errc::ok ? w.apply() : e;
     }},
    {"apply a split", without_object,
     [](vm_stage& w) {
       errc const e = w.planned->plan_split({5 * unit}, {5 * unit});
       return e == errc::ok ? w.apply() : e;
     }},
    {"dispatch", three, dispatch_all},
    {"apply a step of the driver", nothing,
     [](vm_stage& w) {
       w.planned->clear();
       errc const e = w.planned->append(svm::driver_operation<vm_types>{1, 0});
       return e == errc::ok ? w.apply() : e;
     }},
};

vm_call const of_objects[] = {
    {"obtain", nothing, [](vm_stage& w) { return obtained(w, w.all.obtain(w.b)); }},
    {"obtain with memory taken before", nothing,
     [](vm_stage& w) {
       objects::spare memory(w.all);
       return obtained(w, w.all.obtain(w.b, memory));
     }},
    {"validate", evicted, [](vm_stage& w) { return w.all.validate(w.driver); }, promise::progress},
    {"collect_external", three,
     [](vm_stage& w) {
       svm::detail::scratch_array<objects::bo*, svm::mock::counting_allocator> found(w.memory);
       errc const e = w.all.collect_external(found);
       for (objects::bo* const b : found)
         if (b != nullptr) w.all.put(*b);
       return e;
     }},
    {"lock", three,
     [](vm_stage& w) {
       return and_unlock(w, w.locks->lock([&](exec& e) {
         for (auto* const r : {&w.local, &w.own, &w.own2})
           if (errc const bad = e.prepare(*r, 2); bad != errc::ok) return bad;
         return w.driver(e);
       }));
     }},
    {"lock by a driver", three,
     [](vm_stage& w) {
       errc const e = w.locks->lock(w.driver);
       w.locks->unlock_all();
       return e;
     }},
    {"lock many", nothing,
     [](vm_stage& w) {
       std::array<svm::mock::reservation, 20> more;
       for (auto& r : more) r.failures = &w.failures;
       return and_unlock(w, w.locks->lock([&](exec& e) {
         for (auto& r : more)
           if (errc const bad = e.prepare(r, 1); bad != errc::ok) return bad;
         return errc::ok;
       }));
     }},
    {"lock_all", three, [](vm_stage& w) { return and_unlock(w, w.locks->lock_all(w.all, 2)); }},
    {"lock_all and more", three, [](vm_stage& w) { return and_unlock(w, w.locks->lock_all(w.all, 2, w.driver)); }},
    {"lock_range", three, [](vm_stage& w) { return and_unlock(w, w.locks->lock_range(w.all, {0}, {25 * unit}, 2)); }},
    {"lock_map", three,
     [](vm_stage& w) { return and_unlock(w, w.locks->lock_map(w.all, vm_stage::piece(&w.a, 5, 25), 2)); }},
    {"lock_unmap", three,
     [](vm_stage& w) { return and_unlock(w, w.locks->lock_unmap(w.all, {5 * unit}, {20 * unit}, 2)); }},
};

void run(vm_call const& made, failure kind, repeat how, std::uint64_t nth, vm_state const& never_failed) {
  CAPTURE(static_cast<int>(how));
  CAPTURE(nth);
  vm_memory home;
  {
    vm_stage w{home};
    made.set_up(w);
    vm_state const start{w};
    auto const struck = w.failures.struck();
    w.failures.arm(kind, nth, how);
    errc const e = made.act(w);
    bool const happened = w.failures.struck() != struck;
    w.failures.disarm();
    vm_state const end{w};
    CHECK(w.vm.check());
    CHECK_FALSE(end.held);
    if (e == errc::ok) {
      CHECK((!happened || kind == failure::lock));  // a reservation that was contended is waited for
      CHECK(end.is_same(never_failed));
    } else {
      CHECK(happened);
      CHECK(e == errc::no_memory);
      if (made.kept == promise::nothing) CHECK(end.is_same(start));
      CHECK(end.is_between(start, never_failed));
      CHECK(made.act(w) == errc::ok);
      CHECK(vm_state{w}.is_same(never_failed));
    }
  }
  CHECK(home.memory.live_blocks() == 0);
  CHECK(home.broken.empty());
  CHECK(svm::mock::lock_report().empty());
}

std::uint64_t fail_everywhere(vm_call const& made) {
  CAPTURE(std::string{made.name});
  std::uint64_t runs = 0;
  for (failure const kind : {failure::alloc, failure::lock}) {
    vm_memory home;
    vm_stage w{home};
    made.set_up(w);
    std::uint64_t const before = w.failures.calls(kind);
    CHECK(made.act(w) == errc::ok);
    std::uint64_t const steps = w.failures.calls(kind) - before;
    vm_state const never_failed{w};
    // One who finds every lock contended for ever breaks a promise of the reservations, and has no end.
    for (repeat const how : {repeat::once, repeat::from_then_on})
      if (kind == failure::alloc || how == repeat::once)
        for (std::uint64_t nth = 1; steps != 0 && nth <= steps + 1; ++nth, ++runs)
          run(made, kind, how, nth, never_failed);
  }
  return runs;
}

}  // namespace

TEST_SUITE("failure/gpuvm_triples") {
  TEST_CASE(
      "whatever fails in a space, a list leaves it as it was and a callback what its steps made of it; what is locked "
      "is "
      "given back, and the same call succeeds afterwards (OOM-01, OOM-02)") {
    std::uint64_t runs = 0;
    for (vm_call const& c : of_the_space) runs += fail_everywhere(c);
    for (vm_call const& c : of_lists) runs += fail_everywhere(c);
    for (vm_call const& c : of_objects) runs += fail_everywhere(c);
    MESSAGE(runs << " runs");
    CHECK(runs > 500);
  }
}

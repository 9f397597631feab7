// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// How many points each public call has where others may act: all that it locks, and all that it reads and writes without
// a lock. A call that loses one loses executions that the races would have seen.

#include <explore/races/race.hpp>

using namespace races;

namespace {

template <migration_mode Mode = migration_mode::where_possible>
world* mapped() {
  auto* const w = new world{small([](auto& o) { o.driver.migrate = Mode; })};
  w->map(pages(0, range_pages));
  must(w->cpu_write(page_at(0), 9) == sys::ok && w->cpu_write(page_at(1), 9) == sys::ok, "the CPU may write");
  return w;
}
template <migration_mode Mode = migration_mode::where_possible>
world* faulted() {
  world* const w = mapped<Mode>();
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
/// Mapped for queues that run, and used by one.
world* kept() {
  auto* const w = new world{small([](auto& o) { o.faults = svm::mock::page_faults::fatal; })};
  w->map(pages(0, range_pages));
  auto& queues = *w->first().views[0]->queues;
  must(queues.keep(pages(0, range_pages)) == errc::ok, "there is memory for a span");
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
world* keeping_nothing() {
  return new world{small([](auto& o) { o.faults = svm::mock::page_faults::fatal; })};
}
world* without_memory_but_with_a_range() {
  world* const w = faulted<migration_mode::never>();
  w->unmap(pages(0, range_pages));
  return w;
}

struct call {
  char const* name;
  world* (*make)();
  void (*run)(world&);
  std::uint64_t points;
};
constexpr auto never = migration_mode::never;
constexpr auto gpu_writes = [](world& w) { static_cast<void>(w.gpu_write(page_at(0), 1)); };

// A look without a lock is a section that is entered and left, the table of notifiers, that of ranges where a notifier is
// there, and whether all is closed. A fault looks so at first: before it come the collector, the attributes, and the terms. A pass
// reads these three again.
// Where a range is made, one of the points is the pool that its memory comes from, which counts it; where one ends, it is retired,
// its references are counted, and the pool gets its memory. So do notifiers and allocations retire, without a pool. A mapping
// is made invalid by a look at its flags and a store, and by the look alone where it is none. One of device memory says what
// may be touched without a lock, and takes it back: a store each.
// A find is such a look and a reference, which goes again; where there is no range, the lock of the notifiers follows it. A close
// empties eight pools.
// Whether nodes of an index are to wait for readers is a word of the index: it is read after each insertion and erasure.
// A migration takes the arrays that its migrator keeps, gives them back and looks whether they are wanted. They are freed, in
// two points, once its memory is not in use any more; where they are taken then, there is a point more.
constexpr call calls[] = {
    {"GPU access, mapped", faulted<never>, gpu_writes, 2},
    {"GPU access, mapped device memory", faulted<>, gpu_writes, 1},
    // The range is inserted, mapped and bound in one hold of its notifier's lock, and its own lock is not taken.
    {"svm_driver::fault", mapped<never>,
     [](world& w) { static_cast<void>(w.driver.fault(page_at(0), svm::access_kind::write)); }, 50},
    // The look of a fault as above, the flags of the range, and the terms again.
    {"svm_driver::fault, served already", faulted<never>,
     [](world& w) { static_cast<void>(w.driver.fault(page_at(0), svm::access_kind::write)); }, 10},
    {"svm_driver::fault, migrates", mapped<>,
     [](world& w) { static_cast<void>(w.driver.fault(page_at(0), svm::access_kind::write)); }, 127},
    {"svm_driver::fault, no VMA", mapped<>,
     [](world& w) { static_cast<void>(w.driver.fault(page_at(7), svm::access_kind::write)); }, 13},
    {"svm_driver::prefetch to the device", mapped<>,
     [](world& w) { static_cast<void>(w.driver.prefetch(pages(0, range_pages), svm::prefetch_place::device)); }, 127},
    {"svm_driver::prefetch to the system", faulted<>,
     [](world& w) { static_cast<void>(w.driver.prefetch(pages(0, range_pages), svm::prefetch_place::system)); }, 119},
    {"svm_driver::advise", mapped<>, [](world& w) { static_cast<void>(w.driver.advise(pages(0, range_pages), {})); },
     1},
    {"svm_driver::attributes_at", mapped<>, [](world& w) { static_cast<void>(w.driver.attributes_at(page_at(0))); }, 1},
    {"svm_driver::suspend", faulted<never>, [](world& w) { w.driver.suspend(); }, 20},
    {"svm_driver::resume", faulted<never>, [](world& w) { w.driver.resume(); }, 1},
    {"svm_driver::reset", faulted<never>, [](world& w) { w.driver.reset(); }, 19},
    {"svm_driver::collect_garbage, nothing", mapped<>, [](world& w) { w.driver.collect_garbage(); }, 1},
    // Here and in what queues a range: the length of the queue is a word of its own, which is read before the lock is taken.
    {"svm_driver::collect_garbage, a range", without_memory_but_with_a_range,
     [](world& w) { w.driver.collect_garbage(); }, 27},
    // Two of the points are those words again, at the end.
    {"svm_driver::close", faulted<never>, [](world& w) { w.driver.close(); }, 57},
    {"svm_driver::close, device memory", faulted<>, [](world& w) { w.driver.close(); }, 57},
    {"gpusvm::find, a range", faulted<never>, [](world& w) { static_cast<void>(w.driver.svm().find(page_at(0))); }, 6},
    {"gpusvm::find, none", mapped<>, [](world& w) { static_cast<void>(w.driver.svm().find(page_at(0))); }, 4},
    {"gpusvm::for_each_range", faulted<never>, [](world& w) { static_cast<void>(w.range_count()); }, 2},
    {"migrator::evict_all, nothing", mapped<>, [](world& w) { static_cast<void>(w.mover.evict_all()); }, 3},
    {"migrator::evict_all, a block", faulted<>, [](world& w) { static_cast<void>(w.mover.evict_all()); }, 69},
    {"invalidation, a range", faulted<never>,
     [](world& w) {
       static_cast<void>(w.process.invalidate_only({pages(0, range_pages), svm::invalidation_cause::clear}));
     },
     15},
    {"invalidation, no range", mapped<>,
     [](world& w) {
       static_cast<void>(w.process.invalidate_only({pages(0, range_pages), svm::invalidation_cause::clear}));
     },
     2},
    {"queue access, mapped", kept, gpu_writes, 2},
    {"queue_driver::restore, nothing", keeping_nothing,
     [](world& w) { static_cast<void>(w.first().views[0]->queues->restore()); }, 4},
    // As above, and the flag of the range, the gate of the queues twice, the device that stops, and whoever waits.
    {"invalidation, a range of queues", kept,
     [](world& w) {
       static_cast<void>(w.process.invalidate_only({pages(0, range_pages), svm::invalidation_cause::clear}));
     },
     15 + 5},
    {"munmap, a range", faulted<never>, [](world& w) { w.unmap(pages(0, range_pages)); }, 21},
    {"CPU access", mapped<>, [](world& w) { static_cast<void>(w.cpu_read(page_at(0))); }, 2},
    {"CPU access, fault on device memory", faulted<>, [](world& w) { static_cast<void>(w.cpu_read(page_at(0))); }, 66},
};

}  // namespace

TEST_SUITE("explore/races, points") {
  TEST_CASE("each call has as many points as the list says") {
    for (call const& c : calls) {
      explore::scenario<world> s{"points of one call", c.make};
      s.thread("caller").does(c.name, c.run);
      explore::report const r = search(s, explore::exhaustive{});
      std::string const name = c.name;
      CAPTURE(name);
      CHECK(r.complete == 1);
      CHECK(r.longest == c.points);
    }
  }
}

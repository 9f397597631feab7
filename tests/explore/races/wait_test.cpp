// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Somebody has a page locked or pinned for a moment: who needs it moved waits, fails nowhere and loses nothing.

#include <explore/races/actions.hpp>

using namespace races;

namespace {

template <unsigned Gpus = 1, bool Linked = true>
world* machine_of() {
  auto* const w = new world{small([](auto& o) {
    o.gpus = Gpus;
    o.linked = Linked;
    o.driver.migrate = migration_mode::where_possible;
  })};
  w->map(pages(0, range_pages));
  return w;
}
/// The first page is on the device by itself; the second one is in memory, or nowhere yet.
template <bool Second>
world* first_page_on_the_device() {
  world* const w = machine_of();
  must(w->cpu_write(page_at(0), 9) == sys::ok, "the CPU may write");
  if (Second) must(w->cpu_write(page_at(1), 19) == sys::ok, "the CPU may write");
  must(w->mover.migrate_to_device(w->process, pages(0, 1), {}) == errc::ok, "a page moves alone");
  return w;
}
template <unsigned Gpus>
world* on_the_first_device() {
  world* const w = machine_of<Gpus>();
  must(w->cpu_write(page_at(0), 9) == sys::ok && w->cpu_write(page_at(1), 19) == sys::ok, "the CPU may write");
  must(w->mover.migrate_to_device(w->process, pages(0, range_pages), {}) == errc::ok, "the memory moves");
  return w;
}
auto cpu_reads(std::uint64_t page, std::initializer_list<std::uint64_t> allowed) {
  return [page, values = std::vector<std::uint64_t>(allowed)](world& w) {
    auto const got = w.cpu_read(page_at(page));
    must(got && std::ranges::find(values, *got) != values.end(), "the CPU reads a word that was written");
  };
}
auto gpu_adds(std::uint64_t page, std::uint64_t value) {
  return [=](world& w) {
    std::uint64_t old = 0;
    must(w.gpu_atomic_add(w.first(), 0, page_at(page), value, old) == errc::ok, "an atomic access is done");
  };
}

}  // namespace

TEST_SUITE("explore/races, waits") {
  TEST_CASE("GPU fault beside a parked CPU fault: the neighbour is nowhere yet, and the fault is served") {
    race r{"gpu fault, parked CPU fault, hole", first_page_on_the_device<false>};
    r.thread("gpu").does("write", gpu_writes(1, 1));
    r.thread("cpu").does("read", cpu_reads(0, {9}));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 9 && w.cpu_read(page_at(1)) == 1, "the last words are there"); });
    r.sample_evenly();
  }

  TEST_CASE("GPU fault beside a parked CPU fault: the neighbour is elsewhere, and the fault is served") {
    race r{"gpu fault, parked CPU fault, mixed", first_page_on_the_device<true>};
    r.thread("gpu").does("write", gpu_writes(1, 1));
    r.thread("cpu").does("read", cpu_reads(0, {9})).does("read again", cpu_reads(0, {9}));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 9 && w.cpu_read(page_at(1)) == 1, "the last words are there"); });
    r.sample_evenly();
  }

  TEST_CASE("GPU atomic beside a parked CPU fault: device memory is demanded, and the access is done") {
    race r{"gpu atomic, parked CPU fault", first_page_on_the_device<true>};
    r.thread("gpu").does("add", gpu_adds(1, 1));
    r.thread("cpu").does("read", cpu_reads(0, {9}));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 9 && w.cpu_read(page_at(1)) == 20, "the last words are there");
    });
    r.sample_evenly();
  }

  TEST_CASE("unbind beside a CPU read: the device is empty afterwards, and no word is lost") {
    race r{"unbind and CPU read", on_the_first_device<1>};
    r.thread("driver").does("unbind", [](world& w) {
      must(w.mover.unbind() == errc::ok, "an unbind waits for who merely reads");
      must(w.device_memory.used() == byte_count{}, "nothing is used after an unbind");
    });
    r.thread("cpu").does("read", cpu_reads(0, {9})).does("read the other", cpu_reads(1, {19}));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 9 && w.cpu_read(page_at(1)) == 19, "every word is there"); });
    r.sample_evenly();
  }

  TEST_CASE("unbind beside a migration: ok comes after the memory, or the migration finds the device gone") {
    race r{"unbind and migration", machine_of<1>};
    r.thread("driver").does("unbind", [](world& w) {
      errc const e = w.mover.unbind();
      must(is_one_of(e, {errc::ok, errc::busy}), "an unbind is done, or says that it is not");
      must(e != errc::ok || w.device_memory.used() == byte_count{}, "nothing is used after an unbind");
      if (e == errc::ok) w.seen[0] = w.failures.calls(svm::mock::failure::populate);
    });
    r.thread("gpu").does("write", gpu_writes(0, 1));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 1, "the word is there");
      must(!w.seen[0] || w.seen[0] == w.failures.calls(svm::mock::failure::populate),
           "no memory is taken after an unbind");
    });
    r.sample_evenly();
  }

  TEST_CASE("peer write and eviction: the write is done, wherever the memory is by then") {
    race r{"peer write and eviction", on_the_first_device<2>};
    r.thread("gpu 1").does("write", gpu_writes(0, 1, 1));
    r.thread("evictor").does("evict", [](world& w) { static_cast<void>(w.mover.evict_all()); });
    r.thread("cpu").does("read", cpu_reads(0, {9, 1}));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 1 && w.cpu_read(page_at(1)) == 19, "the last words are there");
    });
    r.sample_evenly();
  }

  TEST_CASE("three devices and an unplug: what the others do is done, and no word is lost") {
    race r{"three devices and an unplug", on_the_first_device<3>};
    r.thread("gpu 1").does("write", gpu_writes(0, 1, 1));
    r.thread("gpu 2").does("write", gpu_writes(1, 2, 2));
    r.thread("hot plug").does("unplug gpu 0", [](world& w) {
      errc const e = w.unplug(0);
      must(is_one_of(e, {errc::ok, errc::busy}), "an unplug is done, or says that it is not");
      must(e != errc::ok || w.device_memory.used() == byte_count{}, "nothing is used after an unplug");
    });
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 1 && w.cpu_read(page_at(1)) == 2, "the last words are there"); });
    r.sample_evenly();
  }
}

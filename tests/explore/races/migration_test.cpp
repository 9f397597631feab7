// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Memory that moves to a device and back, against what the CPU does to it.

#include <explore/races/actions.hpp>

using namespace races;

namespace {

template <unsigned Gpus = 1>
world* migrating() {
  auto* const w = new world{small([](auto& o) {
    o.gpus = Gpus;
    o.driver.migrate = migration_mode::where_possible;
  })};
  w->map(pages(0, range_pages));
  must(w->cpu_write(page_at(0), 9) == sys::ok, "the CPU may write");
  return w;
}
template <unsigned Gpus = 1>
world* on_the_device() {
  world* const w = migrating<Gpus>();
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
auto cpu_writes(std::uint64_t page, std::uint64_t value) {
  return [=](world& w) { must(w.cpu_write(page_at(page), value) == sys::ok, "the CPU may write"); };
}
auto cpu_reads_one_of(std::initializer_list<std::uint64_t> allowed) {
  return [values = std::vector<std::uint64_t>(allowed)](world& w) {
    auto const got = w.cpu_read(page_at(0));
    bool known = false;
    for (std::uint64_t const v : values) known = known || got == v;
    must(known, "the CPU reads a word that was written");
  };
}
void evicts(world& w) {
  static_cast<void>(w.mover.evict_all());
}
void unmaps(world& w) {
  w.unmap(pages(0, range_pages));
}

}  // namespace

TEST_SUITE("explore/races, migration") {
  TEST_CASE("migrate / CPU fault: every word stays right (RAC-11)") {
    race r{"migrate and CPU fault", migrating<>};
    r.thread("gpu").does("write", gpu_writes(1, 1)).does("write again", gpu_writes(0, 2));
    r.thread("cpu").does("read", cpu_reads_one_of({9, 2})).does("read again", cpu_reads_one_of({9, 2}));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 2 && w.cpu_read(page_at(1)) == 1, "the last words are there"); });
    r.sample();
  }

  TEST_CASE("migrate / munmap: an allocation is freed once (RAC-12)") {
    race r{"migrate and munmap", migrating<>};
    r.thread("gpu")
        .does("write", gpu_writes_or_finds_nothing(0, 1))
        .does("write again", gpu_writes_or_finds_nothing(1, 2));
    r.thread("cpu").does("munmap a half", [](world& w) { w.unmap(pages(0, 1)); }).does("munmap the rest", [](world& w) {
      w.unmap(pages(1, 1));
    });
    r.finally([](world& w) {
      w.driver.collect_garbage();
      must(w.device_memory.used() == byte_count{}, "no device memory is used after munmap");
    });
    r.sample();
    r.run_long();
  }

  TEST_CASE("migrate / migrate by two devices: one wins, and no word is lost (RAC-13)") {
    race r{"two devices migrate", migrating<2>};
    r.thread("gpu 0").does("write", gpu_writes(0, 1, 0)).does("write again", gpu_writes(0, 2, 0));
    r.thread("gpu 1").does("write", gpu_writes(1, 3, 1)).does("write again", gpu_writes(1, 4, 1));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 2 && w.cpu_read(page_at(1)) == 4, "the last words are there"); });
    // They may take the memory from each other as long as their tries last: there is no end to come to.
    r.run(pct(3, 1000));
    r.run(random(1000));
  }

  TEST_CASE("evict / CPU fault: an allocation is detached once (RAC-14)") {
    race r{"evict and CPU fault", on_the_device<>};
    r.thread("evictor").does("evict", evicts).does("evict again", evicts);
    r.thread("cpu").does("read", cpu_reads_one_of({8})).does("write", cpu_writes(1, 3));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 8 && w.cpu_read(page_at(1)) == 3, "the last words are there");
      must(w.device_memory.used() == byte_count{}, "nothing is left on the device");
    });
    r.sample();
  }

  TEST_CASE("evict / munmap / exit: no use after free (RAC-15)") {
    race r{"evict, munmap and exit", on_the_device<>};
    r.thread("evictor").does("evict", evicts).does("evict again", evicts);
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, 1)); }).does("exit", [](world& w) {
      w.exit(w.first());
    });
    r.finally([](world& w) { must(w.device_memory.used() == byte_count{}, "nothing is left on the device"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("evict / munmap: the device's memory is given back once") {
    race r{"evict and munmap", on_the_device<>};
    r.thread("evictor").does("evict", evicts).does("evict again", evicts);
    r.thread("cpu").does("write", cpu_writes(1, 3)).does("munmap", unmaps);
    r.finally([](world& w) { must(w.device_memory.used() == byte_count{}, "nothing is left on the device"); });
    r.sample();
  }

  TEST_CASE("CPU fault / CPU fault on one device page: one copy (RAC-16)") {
    race r{"two CPU faults on one device page", on_the_device<>};
    r.thread("cpu 1").does("read", cpu_reads_one_of({8, 3})).does("write", cpu_writes(1, 1));
    r.thread("cpu 2").does("read", cpu_reads_one_of({8})).does("write", cpu_writes(0, 3));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 3 && w.cpu_read(page_at(1)) == 1, "the last words are there");
      must(w.stats.count(svm::event_kind::migrated_to_system) <= 1, "the page moves once");
    });
    r.sample();
  }

  TEST_CASE("collector / fault / munmap: no entry of the queue is lost (RAC-17)") {
    race r{"collector, fault and munmap", on_the_device<>};
    r.thread("gpu")
        .does("write", gpu_writes_or_finds_nothing(1, 1))
        .does("write again", gpu_writes_or_finds_nothing(1, 2));
    r.thread("collector").does("collect", collects).does("collect again", collects);
    r.thread("cpu").does("munmap a half", [](world& w) { w.unmap(pages(0, 1)); }).does("munmap the rest", [](world& w) {
      w.unmap(pages(1, 1));
    });
    r.finally([](world& w) {
      w.driver.collect_garbage();
      must(w.range_count() == 0, "no range outlives its memory");
    });
    r.sample();
  }

  TEST_CASE("collector / fault after a munmap in part") {
    race r{"collector and fault", +[] {
             world* const w = on_the_device<>();
             w->unmap(pages(0, 1));
             return w;
           }};
    r.thread("gpu").does("write", gpu_writes(1, 1)).does("write again", gpu_writes(1, 2));
    r.thread("collector").does("collect", collects).does("collect again", collects);
    r.finally([](world& w) { must(w.cpu_read(page_at(1)) == 2, "the last word is there"); });
    r.sample();
    r.run_long();
  }

  TEST_CASE("prefetch / fault / CPU write: every word stays right (RAC-24)") {
    race r{"prefetch, fault and CPU write", migrating<>};
    r.thread("prefetch")
        .does(
            "to the device",
            [](world& w) { static_cast<void>(w.driver.prefetch(pages(0, range_pages), svm::prefetch_place::device)); })
        .does("again", [](world& w) {
          static_cast<void>(w.driver.prefetch(pages(0, range_pages), svm::prefetch_place::device));
        });
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("cpu").does("write", cpu_writes(1, 3)).does("write again", cpu_writes(1, 4));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 2 && w.cpu_read(page_at(1)) == 4, "the last words are there"); });
    r.sample();
  }

  TEST_CASE("two threads migrate opposite ways, and the words survive (RAC-25)") {
    race r{"migrations opposite ways", migrating<>};
    auto const to = [](svm::prefetch_place where) {
      return [where](world& w) { static_cast<void>(w.driver.prefetch(pages(0, range_pages), where)); };
    };
    r.thread("in")
        .does("to the device", to(svm::prefetch_place::device))
        .does("again", to(svm::prefetch_place::device));
    r.thread("out")
        .does("to the system", to(svm::prefetch_place::system))
        .does("again", to(svm::prefetch_place::system));
    r.finally([](world& w) { must(w.cpu_read(page_at(0)) == 9, "the word is there"); });
    r.sample();
  }

  TEST_CASE("timeslice: a CPU fault waits for the device's time and finds the last word") {
    race r{"timeslice", +[] {
             auto* const w = new world{small([](auto& o) {
               o.driver.migrate = migration_mode::where_possible;
               o.driver.timeslice = {1000};
             })};
             w->map(pages(0, range_pages));
             must(w->cpu_write(page_at(0), 9) == sys::ok, "the CPU may write");
             return w;
           }};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("cpu").does("read", cpu_reads_one_of({9, 1, 2})).does("write", cpu_writes(1, 3));
    r.finally(
        [](world& w) { must(w.cpu_read(page_at(0)) == 2 && w.cpu_read(page_at(1)) == 3, "the last words are there"); });
    r.sample();
  }

  TEST_CASE("unplug / fault: the device is gone, or the access was done before (RAC-22)") {
    race r{"unplug and fault", migrating<>};
    r.thread("gpu")
        .does("write", gpu_writes_unless(0, 1, {errc::device_gone, errc::gone}))
        .does("write again", gpu_writes_unless(0, 2, {errc::device_gone, errc::gone}));
    r.thread("hot plug")
        .does("unplug", [](world& w) { static_cast<void>(w.unplug(0)); })
        .does("the CPU reads", [](world& w) { static_cast<void>(w.cpu_read(page_at(0))); });
    r.sample();
    r.run(preempted(2));
  }

  TEST_CASE("peer unplug: who had the other's memory mapped has it no longer") {
    race r{"peer unplug", on_the_device<2>};
    r.thread("gpu 1")
        .does("read", [](world& w) { static_cast<void>(w.gpu_read(page_at(0), 1)); })
        .does("read again", [](world& w) { static_cast<void>(w.gpu_read(page_at(0), 1)); });
    r.thread("hot plug")
        .does("unplug gpu 0", [](world& w) { static_cast<void>(w.unplug(0)); })
        .does("the CPU reads", [](world& w) { must(w.cpu_read(page_at(0)) == 8, "no word is lost"); });
    r.sample();
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Queues that cannot replay a fault, against what takes their mappings: they stand still before one goes (O-52 of the
// machine), and run when all are back. A queue of these races accesses memory by itself, with nobody to help it.

#include <explore/races/actions.hpp>

using namespace races;

namespace {

/// Two ranges of memory that is kept, mapped, and used by queues that run.
template <migration_mode Migrate>
world* kept() {
  auto* const w = new world{small([](auto& o) {
    o.driver.migrate = Migrate;
    o.faults = svm::mock::page_faults::fatal;
  })};
  w->map(notifier_span);
  must(w->cpu_write(page_at(0), 9) == sys::ok, "the CPU may write");
  auto& queues = *w->first().views[0]->queues;
  must(queues.keep(notifier_span) == errc::ok, "there is memory for a span");
  must(queues.restore() == errc::ok, "a restore that nothing hinders ends well");
  return w;
}
constexpr auto never = migration_mode::never;
constexpr auto where_possible = migration_mode::where_possible;

/// The same with queues that stand still, since an event took the first range.
template <migration_mode Migrate>
world* stopped() {
  world* const w = kept<Migrate>();
  w->drop(pages(0, range_pages));
  must(!w->device.queues_run(), "an event on what is mapped stops the queues");
  return w;
}

[[nodiscard]] svm::queue_driver<policies>& driver_of(world& w) {
  return *w.first().views[0]->queues;
}
/// A queue stores a word, or waits; what it finds unmapped would end its program.
[[nodiscard]] auto queue_writes(std::uint64_t page, std::uint64_t value) {
  return [=](world& w) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    bool waits = false;
    bool const done = w.device.store(page_at(page), word, &waits);
    must(done || waits, "queues that run find their memory mapped");
  };
}
void restores(world& w) {
  must(is_one_of(driver_of(w).restore(), {errc::ok, errc::busy}), "a restore ends well, or for want of rounds");
}
void runs_in_the_end(world& w) {
  must(driver_of(w).restore() == errc::ok, "a restore that nothing hinders ends well");
  must(w.device.queues_run() && !driver_of(w).needs_restore(), "the queues run after a restore");
  must(w.gpu_pages(notifier_span) == 2 * range_pages, "all that is kept is mapped");
}
auto drops(std::uint64_t first) {
  return [first](world& w) { w.drop(pages(first, range_pages)); };
}

}  // namespace

TEST_SUITE("explore/races, queues") {
  TEST_CASE("event / restore / queue: between the last look of a restore and the resume no event falls") {
    race r{"event, restore and queue", kept<never>};
    r.thread("queue").does("write", queue_writes(0, 1)).does("write again", queue_writes(0, 2));
    r.thread("cpu").does("DONTNEED", drops(0));
    r.thread("worker").does("restore", restores);
    r.finally(runs_in_the_end);
    r.sample();
  }

  TEST_CASE("restore / event on what it mapped already: it goes round again before the queues run") {
    race r{"restore and events", stopped<never>};
    r.thread("queue").does("write", queue_writes(0, 1)).does("write there", queue_writes(range_pages, 2));
    r.thread("cpu").does("DONTNEED", drops(0)).does("DONTNEED there", drops(range_pages));
    r.thread("worker").does("restore", restores);
    r.finally(runs_in_the_end);
    r.sample();
  }

  TEST_CASE("restore / munmap: what is gone is a hole, and the rest is mapped when the queues run") {
    race r{"restore and munmap", stopped<never>};
    r.thread("queue").does("write there", queue_writes(range_pages, 1));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); });
    r.thread("worker").does("restore", restores);
    r.finally([](world& w) {
      must(driver_of(w).restore() == errc::ok, "a hole hinders no restore");
      must(w.device.queues_run(), "the queues run after a restore");
      must(w.gpu_pages(notifier_span) == range_pages, "what is left is mapped, and nothing else");
    });
    r.sample();
  }

  TEST_CASE("restore / munmap and mmap: what comes where something was is mapped by the next restore") {
    race r{"restore, munmap and mmap", stopped<never>};
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); }).does("mmap", [](world& w) {
      w.map(pages(0, range_pages));
    });
    r.thread("worker").does("restore", restores);
    r.thread("queue").does("write there", queue_writes(range_pages, 1));
    r.finally(runs_in_the_end);
    r.sample();
  }

  TEST_CASE("restore / CPU fault: memory that the CPU takes back is mapped again, and no word is lost") {
    race r{"restore and CPU fault", kept<where_possible>};
    r.thread("queue").does("write", queue_writes(1, 1));
    r.thread("cpu").does("write",
                         [](world& w) { must(is_one_of(w.cpu_write(page_at(0), 5), {sys::ok}), "the CPU may write"); });
    r.thread("worker").does("restore", restores);
    r.finally([](world& w) {
      runs_in_the_end(w);
      must(w.cpu_read(page_at(0)) == 5, "the last word is there");
    });
    r.sample();
  }

  TEST_CASE("restore / restore: each sees to it by itself that all is mapped when it lets the queues run") {
    race r{"two restores", stopped<never>};
    r.thread("queue").does("write", queue_writes(0, 1));
    r.thread("worker 1").does("restore", restores);
    r.thread("worker 2").does("restore", restores);
    r.finally(runs_in_the_end);
    r.sample();
  }

  TEST_CASE("prefetch / event / restore: what a restore does not know of yet stops the queues again") {
    race r{"prefetch, event and restore", +[] {
             auto* const w = new world{small([](auto& o) { o.faults = svm::mock::page_faults::fatal; })};
             w->map(notifier_span);
             return w;
           }};
    r.thread("program")
        .does("prefetch",
              [](world& w) {
                must(driver_of(w).prefetch(notifier_span, svm::prefetch_place::as_fault) == errc::ok,
                     "memory that is there can be prefetched");
              })
        .does("write", queue_writes(0, 1));
    r.thread("cpu").does("DONTNEED", drops(0));
    r.thread("worker").does("restore", restores);
    r.finally(runs_in_the_end);
    r.sample();
  }

  TEST_CASE("reset / restore: queues run again when the reset has taken all that it takes, and it is back") {
    race r{"reset and restore", kept<never>};
    r.thread("queue").does("write", queue_writes(0, 1)).does("write there", queue_writes(range_pages, 2));
    r.thread("driver").does("reset", [](world& w) { driver_of(w).reset(); });
    r.thread("worker").does("restore", restores);
    r.finally(runs_in_the_end);
    r.sample();
  }

  TEST_CASE("suspend / restore: nothing is mapped and no queue runs once the driver says that it is suspended") {
    race r{"suspend and restore", stopped<never>};
    auto const still = [](world& w) {
      must(!w.device.queues_run(), "no queue runs while the driver is suspended");
      must(w.gpu_pages(notifier_span) == 0, "nothing is mapped while the driver is suspended");
    };
    r.thread("driver").does("suspend", [still](world& w) {
      driver_of(w).suspend();
      still(w);
    });
    r.thread("worker").does("restore", [](world& w) {
      must(is_one_of(driver_of(w).restore(), {errc::ok, errc::busy, errc::retry}),
           "a restore ends well, or is refused");
    });
    r.thread("queue").does("write", queue_writes(0, 1));
    r.finally([still](world& w) {
      still(w);
      driver_of(w).resume();
      runs_in_the_end(w);
    });
    r.sample();
  }

  TEST_CASE("close / restore: nothing is mapped and no queue runs once the driver is closed") {
    race r{"close and restore", stopped<never>};
    auto const ended = [](world& w) {
      must(!w.device.queues_run(), "no queue runs after the end of its driver");
      must(w.gpu_pages(notifier_span) == 0, "nothing is mapped after the end of the driver");
    };
    r.thread("driver").does("close", [ended](world& w) {
      driver_of(w).close();
      ended(w);
    });
    r.thread("worker").does("restore", [](world& w) {
      must(is_one_of(driver_of(w).restore(), {errc::ok, errc::busy, errc::gone}), "a restore ends well, or is refused");
    });
    r.thread("queue").does("write", queue_writes(0, 1));
    r.finally(ended);
    r.sample();
  }

  TEST_CASE("an access that waits for its queue is done when the memory is back, whatever the CPU does") {
    race r{"queue access and events", kept<never>};
    r.thread("gpu").does("write", gpu_writes_unless(0, 1, {errc::busy})).does("read", [](world& w) {
      auto const got = w.gpu_read(page_at(0));
      must(is_one_of(got.error, {errc::ok, errc::busy}), "an access that waits is done");
      if (got.error == errc::ok) must(is_one_of<std::uint64_t>(got.value, {0, 1}), "the GPU reads its word, or zero");
    });
    r.thread("cpu").does("DONTNEED", drops(0)).does("DONTNEED again", drops(0));
    r.finally(runs_in_the_end);
    r.sample();
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Notifiers, ranges, drivers and processes that come and go while events arrive.

#include <explore/races/actions.hpp>

using namespace races;

namespace {

world* fresh() {
  auto* const w = new world{small([](auto&) {})};
  w->map(pages(0, range_pages));
  return w;
}
world* mapped_by_the_gpu() {
  world* const w = fresh();
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
void event(world& w) {
  static_cast<void>(w.process.invalidate_only({pages(0, range_pages), svm::invalidation_cause::clear}));
}

}  // namespace

TEST_SUITE("explore/races, lifetimes") {
  TEST_CASE("notifier insert / open invalidation: no event is missed (RAC-19)") {
    race r{"notifier insert and invalidation", fresh};
    r.thread("gpu").does("write", gpu_writes_unless(0, 1, {})).does("write again", gpu_writes_unless(1, 2, {}));
    r.thread("cpu").does("event", event).does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); });
    r.sample();
  }

  TEST_CASE("notifier remove / callback: no callback after it (RAC-20)") {
    race r{"notifier remove and callback", +[] {
             world* const w = mapped_by_the_gpu();
             w->unmap(pages(0, range_pages));
             w->map(pages(0, range_pages));
             return w;
           }};
    r.thread("collector").does("collect", collects).does("collect again", collects);
    r.thread("cpu").does("event", event).does("event again", event);
    r.finally([](world& w) { must(w.range_count() == 0, "the range is collected"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("notifier drop / fault: a fault finds another notifier, or makes one") {
    race r{"notifier drop and fault", +[] {
             world* const w = mapped_by_the_gpu();
             w->unmap(pages(0, range_pages));
             w->map(pages(0, range_pages));
             return w;
           }};
    r.thread("collector").does("collect", collects).does("collect again", collects);
    r.thread("gpu").does("write", gpu_writes_unless(0, 1, {})).does("write again", gpu_writes_unless(0, 2, {}));
    r.finally([](world& w) { must(w.cpu_read(page_at(0)) == 2, "the last word is there"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("teardown / invalidation: no callback after the end (RAC-18)") {
    race r{"teardown and invalidation", mapped_by_the_gpu};
    r.thread("driver").does("close", [](world& w) { w.driver.close(); }).does("close again", [](world& w) {
      w.driver.close();
    });
    r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); }).does("munmap", [](world& w) {
      w.unmap(pages(0, range_pages));
    });
    r.finally([](world& w) { must(w.range_count() == 0, "nothing is left"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("teardown / fault: a fault is served before it, or finds it gone") {
    race r{"teardown and fault", mapped_by_the_gpu};
    r.thread("driver").does("close", [](world& w) { w.driver.close(); }).does("close again", [](world& w) {
      w.driver.close();
    });
    r.thread("gpu")
        .does("write", gpu_writes_unless(0, 1, {errc::gone}))
        .does("write again", gpu_writes_unless(1, 2, {errc::gone}));
    r.finally([](world& w) { must(w.range_count() == 0, "nothing is left"); });
    r.sample();
    r.run_long();
  }

  TEST_CASE("process exit / get pages: the address space is kept or gone, never half (RAC-26)") {
    race r{"process exit and get pages", fresh};
    r.thread("gpu")
        .does("write", gpu_writes_unless(0, 1, {errc::mm_gone, errc::no_vma}))
        .does("write again", gpu_writes_unless(1, 2, {errc::mm_gone, errc::no_vma}));
    r.thread("cpu")
        .does("write", [](world& w) { must(w.cpu_write(page_at(0), 3) == sys::ok, "the CPU may write"); })
        .does("exit", [](world& w) { w.exit(w.first()); });
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing is mapped after the exit"); });
    r.sample();
    r.run_long();
  }

  TEST_CASE("last put of a range / iteration: nobody reads freed memory (RAC-21)") {
    race r{"last put of a range and iteration", mapped_by_the_gpu};
    r.thread("reader").does("iterate", [](world& w) { static_cast<void>(w.range_count()); }).does("find", [](world& w) {
      if (auto const found = w.driver.svm().find(page_at(0)))
        must(found->interval().contains(page_at(0)), "a range that is held stays what it was");
    });
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); }).does("collect", collects);
    r.finally([](world& w) { must(w.range_count() == 0, "the range is collected"); });
    r.sample();
    r.run(to_the_end());
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// GPU faults against what the CPU does to the same memory; nothing migrates.

#include <explore/races/actions.hpp>

using namespace races;

namespace {

world* fresh() {
  auto* const w = new world{small([](auto&) {})};
  w->map(pages(0, range_pages));
  must(w->cpu_write(page_at(0), 9) == sys::ok, "the CPU may write");
  return w;
}
/// The same where memory does not migrate, so that a new range is inserted, mapped and bound in one step.
world* bound_where_made() {
  auto* const w = new world{small([](auto& o) { o.driver.migrate = migration_mode::never; })};
  w->map(pages(0, range_pages));
  must(w->cpu_write(page_at(0), 9) == sys::ok && w->cpu_write(page_at(1), 9) == sys::ok, "the CPU may write");
  return w;
}
world* mapped_by_the_gpu() {
  world* const w = fresh();
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
void drops(world& w) {
  w.drop(pages(0, range_pages));
}

}  // namespace

TEST_SUITE("explore/races, faults") {
  TEST_CASE("fault / munmap: the end state has no mapping (RAC-01)") {
    race r{"fault and munmap", fresh};
    r.thread("gpu").does("write", gpu_writes_or_finds_nothing(0, 1)).does("read", [](world& w) {
      auto const got = w.gpu_read(page_at(0));
      must(is_one_of(got.error, {errc::ok, errc::no_vma}), "a fault is served, or finds no VMA");
      if (got.error == errc::ok) must(got.value == 1, "the GPU reads what it wrote");
    });
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); }).does("read", [](world& w) {
      must(!w.cpu_read(page_at(0)), "nothing is there after munmap");
    });
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing is mapped after munmap"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("fault that binds where it inserts / munmap: the end state has no mapping (RAC-01)") {
    race r{"fault that binds where it inserts, and munmap", bound_where_made};
    r.thread("gpu").does("write", gpu_writes_or_finds_nothing(0, 1));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); }).does("read", [](world& w) {
      must(!w.cpu_read(page_at(0)), "nothing is there after munmap");
    });
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing is mapped after munmap"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("fault that binds where it inserts / the same in one chunk: one range, and both words (RAC-07)") {
    race r{"two faults that bind where they insert", bound_where_made};
    r.thread("gpu 1").does("write", gpu_writes(0, 1));
    r.thread("gpu 2").does("write", gpu_writes(1, 2));
    r.finally([](world& w) {
      must(w.range_count() == 1, "there is one range");
      must(w.gpu_pages(notifier_span) == range_pages, "each page is mapped");
      must(w.cpu_read(page_at(0)) == 1u && w.cpu_read(page_at(1)) == 2u, "both words are there");
    });
    r.sample();
  }

  TEST_CASE("faulted in / munmap: what relies on the pages runs while they are there, or not at all (RAC-01)") {
    race r{"faulted in and munmap", fresh};
    r.thread("driver").does("fault in, and use the pages", [](world& w) {
      auto& svm = w.driver.svm();
      for (int i = 0; i < 4; ++i) {
        auto found = svm.find_or_insert(page_at(0), {});
        must(found || found.error() == errc::no_vma, "a range is made, or there is nothing to make it of");
        if (!found) return;
        va_range const span = found->range->interval();
        auto there = svm.fault_in(svm.lock_range(std::move(found->range)), {});
        must(there || is_one_of(there.error(), {errc::no_vma, errc::unmapped, errc::gone}),
             "the pages are made present, or the CPU has unmapped them");
        if (!there) return;
        errc const e = there->with_valid([&] {
          for (byte_count done{}; done < span.size(); done += byte_count{page_bytes})
            must(w.process.entry_at(span.start() + done).writable, "no page goes while it is used");
        });
        must(is_one_of(e, {errc::ok, errc::retry, errc::unmapped}), "they are used, or an event came");
        if (e != errc::retry) return;
      }
      must(false, "one unmap is no storm");
    });
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); }).does("read", [](world& w) {
      must(!w.cpu_read(page_at(0)), "nothing is there after munmap");
    });
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing was mapped for the GPU"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("fault / DONTNEED: the device maps what the CPU maps, or nothing (RAC-02)") {
    race r{"fault and DONTNEED", fresh};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("read", [](world& w) {
      auto const got = w.gpu_read(page_at(0));
      must(got.error == errc::ok && is_one_of<std::uint64_t>(got.value, {0, 1}), "the GPU reads its word, or zero");
    });
    r.thread("cpu").does("DONTNEED", drops).does("read", [](world& w) {
      must(is_one_of<std::optional<std::uint64_t>>(w.cpu_read(page_at(0)), {0, 1}),
           "what was dropped does not come back");
    });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("fault / DONTNEED / DONTNEED: nested invalidations (RAC-03)") {
    race r{"fault and two DONTNEED", fresh};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(1, 2));
    r.thread("cpu 1").does("DONTNEED", drops).does("DONTNEED again", drops);
    r.thread("cpu 2").does("DONTNEED", drops).does("DONTNEED again", drops);
    r.sample();
  }

  TEST_CASE("fault / munmap / device write: the device never touches a freed page, TLB included (RAC-04)") {
    race r{"fault, munmap and device write", mapped_by_the_gpu};
    r.thread("gpu 1")
        .does("write", gpu_writes_or_finds_nothing(0, 1))
        .does("write again", gpu_writes_or_finds_nothing(1, 2));
    r.thread("gpu 2")
        .does("write", gpu_writes_or_finds_nothing(1, 3))
        .does("write again", gpu_writes_or_finds_nothing(0, 4));
    r.thread("cpu").does("munmap a half", [](world& w) { w.unmap(pages(0, 1)); }).does("munmap the rest", [](world& w) {
      w.unmap(pages(1, 1));
    });
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing is mapped after munmap"); });
    r.sample();
  }

  TEST_CASE("fault / remap at the same address: an old range never gains a mapping (RAC-05)") {
    race r{"fault and remap at the same address", mapped_by_the_gpu};
    r.thread("gpu").does("write", gpu_writes_or_finds_nothing(0, 1)).does("read", [](world& w) {
      auto const got = w.gpu_read(page_at(0));
      must(is_one_of(got.error, {errc::ok, errc::no_vma}), "a fault is served, or finds no VMA");
      if (got.error == errc::ok) must(is_one_of<std::uint64_t>(got.value, {0, 1, 7}), "nobody sees what was unmapped");
    });
    r.thread("cpu")
        .does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); })
        .does("mmap", [](world& w) { w.map(pages(0, range_pages)); })
        .does("write", [](world& w) { must(w.cpu_write(page_at(0), 7) == sys::ok, "the CPU may write"); });
    r.finally([](world& w) {
      must(is_one_of<std::optional<std::uint64_t>>(w.cpu_read(page_at(0)), {1, 7}), "the last word is there");
    });
    r.sample();
    r.run_long();
  }

  TEST_CASE("fault / fault on one page: one range, one mapping a page (RAC-06)") {
    race r{"fault and fault", fresh};
    r.thread("gpu 1").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("gpu 2").does("write", gpu_writes(0, 3)).does("write again", gpu_writes(0, 4));
    r.finally([](world& w) {
      must(w.range_count() == 1, "one range serves both");
      must(w.gpu_pages(notifier_span) == range_pages, "each page is mapped once");
      must(is_one_of<std::optional<std::uint64_t>>(w.cpu_read(page_at(0)), {2, 4}), "the last word is there");
    });
    r.sample();
  }

  TEST_CASE("fault / fault in different pages of one slot: one range (RAC-07)") {
    race r{"faults in two pages of one slot", fresh};
    r.thread("gpu 1").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(1, 2));
    r.thread("gpu 2").does("write", gpu_writes(1, 3)).does("write again", gpu_writes(0, 4));
    r.finally([](world& w) { must(w.range_count() == 1, "one range serves both"); });
    r.sample();
  }

  TEST_CASE("fault / fork / CPU write: a child never sees a word written after the fork (RAC-08)") {
    race r{"fault, fork and CPU write", fresh};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("parent")
        .does("fork", [](world& w) { w.child = &w.fork(w.first()); })
        .does("the child reads twice", [](world& w) {
          auto const before = w.cpu_read(*w.child, page_at(0));
          must(before.has_value(), "the child may read");
          must(w.cpu_read(*w.child, page_at(0)) == before, "the child's memory is its own");
        });
    r.thread("cpu")
        .does("write", [](world& w) { must(w.cpu_write(page_at(0), 5) == sys::ok, "the CPU may write"); })
        .does("write again", [](world& w) { must(w.cpu_write(page_at(0), 6) == sys::ok, "the CPU may write"); });
    r.finally([](world& w) {
      must(is_one_of<std::optional<std::uint64_t>>(w.cpu_read(page_at(0)), {2, 6}), "the last word is there");
    });
    r.sample();
  }

  TEST_CASE("fault / mremap: the word is at the old place or at the new one (RAC-09)") {
    race r{"fault and mremap", mapped_by_the_gpu};
    r.thread("gpu")
        .does("write", gpu_writes_or_finds_nothing(0, 1))
        .does("write there", gpu_writes_or_finds_nothing(2, 2));
    r.thread("cpu")
        .does("mremap",
              [](world& w) {
                byte_count const size = pages(0, range_pages).size();
                must(w.process.mremap(page_at(0), size, size, false, page_at(2)).error == sys::ok,
                     "mremap to a free place");
              })
        .does("read", [](world& w) {
          must(!w.cpu_read(page_at(0)), "nothing is at the old place");
          must(is_one_of<std::optional<std::uint64_t>>(w.cpu_read(page_at(2)), {8, 1, 2}), "the word has moved");
        });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("mprotect / device write: no write lands after mprotect returned (RAC-10)") {
    race r{"mprotect and device write", mapped_by_the_gpu};
    r.thread("gpu")
        .does("write", gpu_writes_unless(0, 1, {errc::read_only}))
        .does("write again", gpu_writes_unless(0, 2, {errc::read_only}));
    r.thread("cpu")
        .does("mprotect",
              [](world& w) {
                must(w.process.mprotect(page_at(0), pages(0, range_pages).size(), protection::read) == sys::ok,
                     "mprotect of what is mapped does not fail");
                w.seen[0] = w.cpu_read(page_at(0));
              })
        .does("read", [](world& w) { must(w.cpu_read(page_at(0)) == w.seen[0], "no write lands after mprotect"); });
    r.finally([](world& w) { must(w.cpu_read(page_at(0)) == w.seen[0], "no write lands after mprotect"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("two GPUs / munmap: no GPU maps anything afterwards") {
    race r{"two GPUs and munmap", +[] {
             auto* const w = new world{small([](auto& o) { o.gpus = 2; })};
             w->map(pages(0, range_pages));
             return w;
           }};
    for (std::size_t const gpu : {0U, 1U})
      r.thread("gpu " + std::to_string(gpu))
          .does("write", gpu_writes_or_finds_nothing(0, 1, gpu))
          .does("write again", gpu_writes_or_finds_nothing(0, 2, gpu));
    r.thread("cpu").does("munmap a half", [](world& w) { w.unmap(pages(0, 1)); }).does("munmap the rest", [](world& w) {
      w.unmap(pages(1, 1));
    });
    r.finally([](world& w) {
      must(w.gpu_pages(notifier_span, 0) + w.gpu_pages(notifier_span, 1) == 0, "nothing is mapped after munmap");
    });
    r.sample();
  }

  TEST_CASE("two GPUs / munmap of one page, to the end") {
    race r{"two GPUs and munmap, one page", +[] {
             auto* const w = new world{small([](auto& o) {
               o.gpus = 2;
               o.chunks = {byte_count{page_bytes}};
             })};
             w->map(pages(0, 1));
             for (std::size_t const gpu : {0U, 1U})
               must(w->gpu_write(page_at(0), 8, gpu) == errc::ok, "the GPU may write");
             return w;
           }};
    for (std::size_t const gpu : {0U, 1U})
      r.thread("gpu " + std::to_string(gpu))
          .does("write", gpu_writes_or_finds_nothing(0, 1, gpu))
          .does("write again", gpu_writes_or_finds_nothing(0, 2, gpu));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, 1)); }).does("read", [](world& w) {
      must(!w.cpu_read(page_at(0)), "nothing is there after munmap");
    });
    r.finally([](world& w) {
      must(w.gpu_pages(notifier_span, 0) + w.gpu_pages(notifier_span, 1) == 0, "nothing is mapped after munmap");
    });
    r.run(to_the_end());
  }

  TEST_CASE("two-pass invalidation / bind: a bind between the passes does not undo the first") {
    race r{"two-pass invalidation and bind", +[] {
             auto* const w = new world{small([](auto& o) { o.gpus = 2; })};
             w->map(pages(0, range_pages));
             for (std::size_t const gpu : {0U, 1U})
               must(w->gpu_write(page_at(0), 8, gpu) == errc::ok, "the GPU may write");
             return w;
           }};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("cpu").does("DONTNEED", drops).does("DONTNEED again", drops);
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("what is replaced by another file in mid-flight is seen by the GPU afterwards (RAC-23)") {
    race r{"memory replaced by a file", +[] {
             auto* const w = new world{small([](auto&) {})};
             w->map(pages(0, range_pages));
             w->map(pages(2, 1), protection::read_write, mapping_kind::shared);
             must(w->cpu_write(page_at(1), 5) == sys::ok && w->cpu_write(page_at(2), 7) == sys::ok,
                  "the CPU may write");
             return w;
           }};
    r.thread("gpu")
        .does("read",
              [](world& w) {
                auto const got = w.gpu_read(page_at(1));
                must(is_one_of(got.error, {errc::ok, errc::no_vma}), "a fault is served, or finds no VMA");
                if (got.error == errc::ok)
                  must(is_one_of<std::uint64_t>(got.value, {5, 7}), "the GPU reads the old file or the new");
              })
        .does("read the first half",
              [](world& w) { must(w.gpu_read(page_at(0)).error == errc::ok, "the GPU may read"); });
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(1, 1)); }).does("mmap", [](world& w) {
      must(w.process.mmap_same(page_at(2), 0, {page_bytes}, protection::read_write, page_at(1)).error == sys::ok,
           "a free place can be mapped");
    });
    r.finally([](world& w) {
      auto const got = w.gpu_read(page_at(1));
      must(got.error == errc::ok && got.value == 7, "the GPU reads the new file");
    });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("fault / swap: a swapped page comes back with its word") {
    race r{"fault and swap", mapped_by_the_gpu};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("kswapd")
        .does("swap out", [](world& w) { static_cast<void>(w.process.swap_out(page_at(0))); })
        .does("swap out again", [](world& w) { static_cast<void>(w.process.swap_out(page_at(0))); });
    r.finally([](world& w) { must(w.cpu_read(page_at(0)) == 2, "the last word is there"); });
    r.sample();
  }

  TEST_CASE("fault / compaction: a page that was replaced takes its word along") {
    race r{"fault and compaction", mapped_by_the_gpu};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(0, 2));
    r.thread("kcompactd")
        .does("replace", [](world& w) { static_cast<void>(w.process.replace_page(page_at(0))); })
        .does("replace again", [](world& w) { static_cast<void>(w.process.replace_page(page_at(0))); });
    r.finally([](world& w) { must(w.cpu_read(page_at(0)) == 2, "the last word is there"); });
    r.sample();
    r.run(to_the_end());
    // The mock's read_begin let a reader go on in the middle of an event (O-03).
    r.stays_fixed("svm1:fault and compaction:0.1.0:exhaustive:0:1x25,0x26,1x5,0");
  }
}

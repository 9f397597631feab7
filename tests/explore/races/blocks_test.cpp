// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Faults that are served page by page, against what takes pages away.

#include <explore/races/actions.hpp>

using namespace races;
using svm::block_fault;

namespace {

using svm::placement::thrash_mode;

/// Four pages in one block, each with the number of its page in it.
template <unsigned Gpus, unsigned Threshold, unsigned Vram, thrash_mode Thrash = thrash_mode::off>
world* by_pages() {
  auto* const w = new world{small([](auto& o) {
    o.gpus = Gpus;
    o.vram = byte_count{Vram * page_bytes};
    o.driver.migrate = migration_mode::where_possible;
    o.placement.emplace().threshold = Threshold;
    o.placement->thrash = Thrash;
  })};
  w->map(pages(0, 4));
  for (std::uint64_t p = 0; p < 4; ++p) must(w->cpu_write(page_at(p), p) == sys::ok, "the CPU may write");
  return w;
}
/// A batch of reads; a fault is served, or there is nothing any more.
auto serves(std::vector<std::uint64_t> which, std::size_t gpu = 0) {
  return [which = std::move(which), gpu](world& w) {
    std::vector<block_fault> batch;
    for (std::uint64_t const p : which) batch.push_back({.at = page_at(p)});
    static_cast<void>(w.first().views[gpu]->blocks->serve(batch));
    for (block_fault const& f : batch)
      must(f.error == errc::ok || f.error == errc::no_vma, "a fault is served, or finds nothing");
  };
}
auto cpu_reads(std::uint64_t page, std::uint64_t value) {
  return [=](world& w) { must(w.cpu_read(page_at(page)) == value, "the CPU reads what was written"); };
}
auto cpu_writes(std::uint64_t page, std::uint64_t value) {
  return [=](world& w) { must(w.cpu_write(page_at(page), value) == sys::ok, "the CPU may write"); };
}
/// Pages 0 and 1 came in one service, the rest is in system memory, and there is room for no other page.
world* full() {
  world* const w = by_pages<1, 100, 2>();
  serves({0, 1})(*w);
  must(w->first().views[0]->blocks->counts().fault_services == 1, "one service brought both pages");
  return w;
}

/// Notices of pages that the GPU is said to access often.
auto tells(std::vector<std::uint64_t> which) {
  return [which = std::move(which)](world& w) {
    std::vector<svm::counter_notice> told;
    for (std::uint64_t const p : which) told.push_back({.address = page_at(p), .sub_regions = 1});
    static_cast<void>(w.first().views[0]->blocks->serve_notices(told));
    for (svm::counter_notice const& n : told) must(n.is_cleared, "a region counts on");
  };
}
/// Page 0 is in device memory, the others are used where they are, and there is room for one more.
world* afar() {
  world* const w = by_pages<1, 100, 2>();
  serves({0})(*w);
  must(w->first().views[0]->blocks->advise(pages(0, 4), {.accessed_by = true}) == errc::ok, "advice is taken");
  return w;
}
/// Page 0 stays in system memory until the clock is moved on, and the GPU has it mapped there.
world* pinned() {
  world* const w = by_pages<1, 100, 8, thrash_mode::on>();
  auto& service = *w->first().views[0]->blocks;
  for (int n = 0; n < 200 && !service.next_end(); ++n) {
    must(w->gpu_read(page_at(0)).error == errc::ok, "the GPU may read");
    must(w->cpu_read(page_at(0)) == 0, "the CPU may read");
  }
  must(service.next_end().has_value() && w->gpu_pages(pages(0, 1)) == 1, "the page is pinned and mapped from afar");
  w->clock.pass_to(*service.next_end());
  return w;
}

/// Two GPUs read four pages in copies, and the first has those of pages 0 and 1.
world* duplicated() {
  world* const w = by_pages<2, 100, 8>();
  for (auto const& view : w->first().views)
    must(view->blocks->set_read_duplicated(pages(0, 4), true) == errc::ok, "advice is taken");
  serves({0})(*w);
  must(w->first().views[0]->blocks->counts().pages_duplicated == 2, "the GPU has copies of a range");
  return w;
}
auto gpu_reads_one_of(std::uint64_t page, std::vector<std::uint64_t> values, std::size_t gpu = 0) {
  return [=, values = std::move(values)](world& w) {
    auto const seen = w.gpu_read(page_at(page), gpu);
    bool const is_known = std::ranges::find(values, seen.value) != values.end();
    must(seen.error == errc::no_vma || (seen.error == errc::ok && is_known), "a GPU reads an old or a new word");
  };
}

/// All that the first of two linked GPUs has is discarded, and the second one uses it where it is.
world* discarded() {
  world* const w = by_pages<2, 100, 2>();
  serves({0, 1})(*w);
  must(w->first().views[1]->blocks->set_accessed_by(pages(0, 4), true) == errc::ok, "advice is taken");
  must(w->first().views[0]->blocks->discard(pages(0, 2)) == errc::ok, "the program may discard");
  must(w->gpu_pages(pages(0, 2), 0) + w->gpu_pages(pages(0, 2), 1) == 0, "no GPU has a mapping left");
  return w;
}

/// The second GPU prefers four pages, which are in system memory, and the first one leaves them to it.
world* preferred() {
  world* const w = by_pages<2, 100, 8>();
  auto& views = w->first().views;
  must(views[1]->blocks->set_preferred(pages(0, 4), svm::preferred_place::device) == errc::ok, "advice is taken");
  must(views[0]->blocks->set_preferred(pages(0, 4), svm::preferred_place::another) == errc::ok, "advice is taken");
  return w;
}

/// Two GPUs and the CPU write to pages of one block, and each word must be there in the end.
void everybody_writes(race& r) {
  r.thread("gpu 0").does("write", gpu_writes(0, 10, 0)).does("write again", gpu_writes(1, 11, 0));
  r.thread("gpu 1").does("write", gpu_writes(2, 12, 1));
  r.thread("cpu").does("write", cpu_writes(3, 13));
  r.finally([](world& w) {
    for (std::uint64_t p = 0; p < 4; ++p) must(w.cpu_read(page_at(p)) == 10 + p, "the last words are there");
  });
}

}  // namespace

TEST_SUITE("explore/races, blocks") {
  TEST_CASE("two GPUs and a CPU thrash one block: no word is lost (PLC-14)") {
    race r{"two GPUs and a CPU in one block", by_pages<2, 1, 8>};
    everybody_writes(r);
    r.sample();
  }

  TEST_CASE("a batch / munmap: nothing is left of what went (PLC-15)") {
    race r{"batch and munmap", by_pages<1, 100, 8>};
    r.thread("gpu").does("serve", serves({0, 1, 3}));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(1, 1)); });
    r.finally([](world& w) {
      w.driver.collect_garbage();
      must(w.gpu_pages(pages(1, 1)) == 0, "the GPU maps nothing where nothing is");
      must(w.cpu_read(page_at(0)) == 0 && w.cpu_read(page_at(3)) == 3, "the rest is there");
    });
    r.sample();
  }

  TEST_CASE("an eviction of a mask / a CPU fault on the rest: both keep their words (PLC-16)") {
    race r{"evict a mask and CPU fault", full};
    r.thread("gpu").does("serve", serves({1, 2}));  // page 0 goes, page 1 stays
    r.thread("cpu").does("read", cpu_reads(1, 1)).does("write", cpu_writes(0, 20));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 20 && w.cpu_read(page_at(1)) == 1 && w.cpu_read(page_at(2)) == 2,
           "the last words are there");
    });
    r.sample();
  }

  TEST_CASE("a notice of counters / an eviction: what was counted is in one place, with its words (PLC-50)") {
    race r{"counter notice and eviction", afar};
    r.thread("counters").does("serve", tells({2, 3}));
    r.thread("pressure").does("evict", [](world& w) { static_cast<void>(w.mover.evict_all()); });
    r.finally([](world& w) {
      for (std::uint64_t p = 0; p < 4; ++p) must(w.gpu_read(page_at(p)).value == p, "the GPU reads what was written");
    });
    r.sample();
  }

  TEST_CASE("a notice of counters / a CPU fault and a fault of the GPU: no word is lost (PLC-51)") {
    race r{"counter notice and faults", afar};
    r.thread("counters").does("serve", tells({0, 3}));
    r.thread("cpu").does("write", cpu_writes(0, 20));
    r.thread("gpu").does("write", gpu_writes(3, 23));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 20 && w.cpu_read(page_at(3)) == 23, "the last words are there");
    });
    r.sample();
  }

  TEST_CASE("two batches of one GPU: each page is served once (PLC-17)") {
    race r{"two batches", by_pages<1, 100, 8>};
    r.thread("one").does("serve", serves({0, 1}));
    r.thread("two").does("serve", serves({1, 2}));
    r.finally([](world& w) {
      auto const c = w.first().views[0]->blocks->counts();
      must(c.fault_services == 2 && w.stats.bytes(svm::event_kind::copied) == 3 * page_bytes, "three pages moved");
    });
    r.sample();
  }

  TEST_CASE("two GPUs and a CPU thrash one block with a history: no word is lost (THR-14)") {
    race r{"two GPUs and a CPU, with a history", [] {
             world* const w = by_pages<2, 1, 8, thrash_mode::on>();
             for (int n = 0; n < 3; ++n) {  // so that the pages thrash already
               must(w->gpu_write(page_at(0), 0, 0) == errc::ok && w->gpu_write(page_at(1), 1, 1) == errc::ok,
                    "the GPUs may write");
               must(w->cpu_write(page_at(0), 0) == sys::ok, "the CPU may write");
             }
             return w;
           }};
    everybody_writes(r);
    r.sample();
  }

  TEST_CASE("the end of a pin / a fault on its page: no word is lost (THR-15)") {
    race r{"pin expiry and fault", pinned};
    r.thread("timer").does("end", [](world& w) { w.first().views[0]->blocks->end_due_pins(); });
    r.thread("gpu").does("write", gpu_writes(0, 20)).does("write beside it", gpu_writes(1, 21));
    r.thread("cpu").does("read", [](world& w) {
      auto const seen = w.cpu_read(page_at(0));
      must(seen == 0 || seen == 20, "the CPU reads an old or a new word");
    });
    r.finally([](world& w) {
      w.first().views[0]->blocks->end_due_pins();
      must(w.cpu_read(page_at(0)) == 20 && w.cpu_read(page_at(1)) == 21, "the last words are there");
    });
    r.sample();
  }

  TEST_CASE("a fault that makes a copy / a write of the CPU: whoever reads afterwards reads the new word (DUP-20)") {
    race r{"copy and CPU write", duplicated};
    r.thread("gpu 1").does("read", gpu_reads_one_of(0, {0, 20}, 1)).does("read again", gpu_reads_one_of(0, {0, 20}, 1));
    r.thread("cpu").does("write", cpu_writes(0, 20)).does("read", cpu_reads(0, 20));
    r.finally([](world& w) {
      for (std::size_t const gpu : {0u, 1u}) must(w.gpu_read(page_at(0), gpu).value == 20, "both read the last word");
    });
    r.sample();
  }

  TEST_CASE("a fault that goes to another GPU / its own fault and a CPU's: no word is lost (PLC-53)") {
    race r{"push and faults", preferred};
    r.thread("gpu 0").does("write", gpu_writes(0, 20, 0));
    r.thread("gpu 1").does("write", gpu_writes(1, 21, 1));
    r.thread("cpu").does("write", cpu_writes(2, 22));
    r.finally([](world& w) {
      for (std::uint64_t p = 0; p < 3; ++p) must(w.cpu_read(page_at(p)) == 20 + p, "the last words are there");
    });
    r.sample();
  }

  TEST_CASE("a fault that goes to another GPU / munmap and another word about it: it ends well (PLC-54)") {
    race r{"push, munmap and advice", preferred};
    r.thread("gpu 0").does("read", gpu_reads_one_of(0, {0})).does("read beside it", gpu_reads_one_of(3, {3}));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, 1)); });
    r.thread("program").does("advise", [](world& w) {  // each leaves it to the other one for a while
      auto& views = w.first().views;
      must(views[1]->blocks->set_preferred(pages(0, 4), svm::preferred_place::another) == errc::ok, "advice is taken");
      must(views[0]->blocks->set_preferred(pages(0, 4), svm::preferred_place::device) == errc::ok, "advice is taken");
    });
    r.finally([](world& w) {
      for (auto const& view : w.first().views) view->driver.collect_garbage();
      must(w.gpu_pages(pages(0, 1)) == 0, "the GPU maps nothing where nothing is");
      must(w.gpu_read(page_at(3), 1).value == 3 && w.cpu_read(page_at(3)) == 3, "the rest is there");
    });
    r.sample();
  }

  TEST_CASE("a fault that makes a copy / munmap: nothing is left of what went (DUP-21)") {
    race r{"copy and munmap", duplicated};
    r.thread("gpu 1").does("read", gpu_reads_one_of(0, {0}, 1)).does("read beside it", gpu_reads_one_of(3, {3}, 1));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, 1)); });
    r.finally([](world& w) {
      for (auto const& view : w.first().views) view->driver.collect_garbage();
      must(w.gpu_pages(pages(0, 1)) == 0, "the GPU maps nothing where nothing is");
      must(w.cpu_read(page_at(3)) == 3, "the rest is there");
    });
    r.sample();
  }

  TEST_CASE("a fault that makes a copy / a write of a GPU that has one: no word is lost (DUP-22)") {
    race r{"copy and GPU write", duplicated};
    r.thread("gpu 0").does("write", gpu_writes(0, 20, 0));
    r.thread("gpu 1").does("read", gpu_reads_one_of(0, {0, 20}, 1));
    r.thread("cpu").does("write", cpu_writes(1, 21));
    r.finally([](world& w) {
      for (std::size_t const gpu : {1u, 0u}) {
        must(w.gpu_read(page_at(0), gpu).value == 20, "both read the last word");
        must(w.gpu_read(page_at(1), gpu).value == 21, "both read the CPU's word");
      }
    });
    r.sample();
  }

  TEST_CASE("memory that copies have / a service that needs it: each word is there (DUP-23)") {
    race r{"copies and pressure", [] {
             world* const w = by_pages<2, 100, 2>();
             must(w->first().views[0]->blocks->set_read_duplicated(pages(0, 2), true) == errc::ok, "advice is taken");
             serves({0, 1})(*w);
             must(w->device_memory.used().value == 2 * page_bytes, "copies take all of the memory");
             return w;
           }};
    r.thread("gpu").does("write", gpu_writes(2, 22));
    r.thread("reader").does("read", gpu_reads_one_of(0, {0, 20})).does("read beside it", gpu_reads_one_of(1, {1}));
    r.thread("cpu").does("write", cpu_writes(0, 20));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 20 && w.cpu_read(page_at(1)) == 1 && w.cpu_read(page_at(2)) == 22,
           "the last words are there");
    });
    r.sample();
  }

  TEST_CASE("a discard and a write / a service that needs the memory: the word is there (DSC-17)") {
    race r{"discard and pressure", full};
    r.thread("program")
        .does("discard",
              [](world& w) {
                must(w.first().views[0]->blocks->discard(pages(0, 2)) == errc::ok, "the program may discard");
              })
        .does("write", gpu_writes(0, 20));
    r.thread("gpu").does("read", serves({2})).does("read beside it", serves({3}));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 20, "what was written after the discard is there");
      auto const other = w.cpu_read(page_at(1));
      must(other == 1 || other == 0, "what was discarded is as it was, or zero");
      must(w.cpu_read(page_at(2)) == 2 && w.cpu_read(page_at(3)) == 3, "the rest is there");
    });
    r.sample();
  }

  TEST_CASE("writes of two GPUs to discarded pages / a service that needs the memory: both words are there (DSC-17)") {
    race r{"discarded and written by two", discarded};
    r.thread("gpu 0").does("write", gpu_writes(0, 20, 0));
    r.thread("gpu 1").does("write", gpu_writes(1, 21, 1));
    r.thread("pressure").does("read", serves({2}));
    r.finally([](world& w) {
      must(w.cpu_read(page_at(0)) == 20 && w.cpu_read(page_at(1)) == 21, "the last words are there");
    });
    r.sample();
  }
}

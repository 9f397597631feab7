// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every call of pagemap/, gpusvm/ and driver/ that may fail, in situations that lead it everywhere, with every kind of
// failure at every step. tests/tools/failure_triples.py counts which ways into the library that covers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <failure/situations.hpp>
#include <support/sanitized.hpp>

using namespace support;
using svm::page_owner;

namespace {

using enum part;
constexpr part_set ranges_made = set_of(ranges, notifiers);

// ---- The driver.

// What cannot be evicted for want of memory stays in device memory, and its range is replaced all the same. What is not
// split for want of memory is left for faults to make ranges of.
constexpr situation to_serve[] = {
    {"written", plain, written},
    {"untouched", plain, untouched},
    {"half written", plain, half_written},
    {"under pressure", one_chunk, under_pressure},
    {"mixed", plain, mixed},
    {"on the device", plain, on_device},
    {"mapped on the device", plain, mapped_on_device},
    {"on a peer", two_gpus, on_peer},
    {"on a peer that pushes", two_gpus_pushing, on_peer},
    {"on a peer, to be used there", two_gpus_in_place, on_peer},
    {"on a GPU out of reach", two_gpus_apart, on_peer},
    {"in the system for good", stays_in_system, written},
    {"untouched, in the system for good", stays_in_system, untouched},
    {"mixed, in the system for good", stays_in_system, mixed},
    {"in the system for good, beside a range", stays_in_system, with_range_beside},
    {"with addresses set aside", reserves_addresses, written},
    {"with an account", pays, written},
    {"with one range", one_range, written},
    {"needs device memory", needs_device, written},
    {"stale", plain, stale, placement},
    {"half unmapped", plain, half_unmapped, placement},
    {"half unmapped, to be split", splits, half_unmapped, placement | ranges_made},
};
[[nodiscard]] errc fault_at(stage& w, cpu_va a, svm::access_kind want) {
  errc const e = w.fault(a, want);
  if (svm::range_ref<policies> const left = w.range_at(a); left && e != errc::ok)
    CHECK_FALSE(left->mapping().has(svm::page_flag::mapped));
  return e;
}
/// Two faults of one call; the first error of the two.
[[nodiscard]] errc fault_together(stage& w) {
  svm::fault_request const requests[] = {{page_at(5), svm::access_kind::write}, {page_at(3), svm::access_kind::read}};
  errc results[] = {errc::lost, errc::lost};
  std::size_t const served = w.driver.fault_batch(requests, results);
  CHECK(served == static_cast<std::size_t>(std::ranges::count(results, errc::ok)));
  return results[0] != errc::ok ? results[0] : results[1];
}
// One that fails leaves the range, unmapped. A fault that cannot migrate maps memory where it is. What a prefetch has
// done before the failure stays. Of several errors on the way the last one counts.
constexpr call serving[] = {
    {"fault", [](stage& w) { return fault_at(w, page_at(3), svm::access_kind::read); }, placement, ranges_made,
     placement, false, false},
    {"write fault", [](stage& w) { return fault_at(w, page_at(3), svm::access_kind::write); }, placement, ranges_made,
     placement, false, false},
    {"two faults together", fault_together, placement | ranges_made, 0, placement, false, false},
    {"prefetch as a fault", [](stage& w) { return w.driver.prefetch(span(base, chunk), prefetch_place::as_fault); },
     placement | ranges_made, 0, placement, false, false},
    {"prefetch to the device", [](stage& w) { return w.driver.prefetch(span(base, chunk), prefetch_place::device); },
     placement | ranges_made, 0, placement, false, false},
    {"prefetch to the system", [](stage& w) { return w.driver.prefetch(span(base, chunk), prefetch_place::system); },
     placement | ranges_made, 0, placement, false, false},
};

constexpr situation to_collect[] = {
    {"half unmapped", plain, half_unmapped},
    {"half unmapped, to be split", splits, half_unmapped},
    {"half unmapped, to be split into as many as may be", splits_into_eight, half_unmapped},
    {"a driver that ends, half unmapped", plain, second_half_unmapped},
    {"a driver that ends, half unmapped, to be split", splits, second_half_unmapped},
};
// Neither reports anything: what cannot be moved stays where it is.
constexpr call collecting[] = {
    {"collect_garbage",
     [](stage& w) {
       w.driver.collect_garbage();
       return errc::ok;
     },
     0, 0, placement | ranges_made},
    {"close",
     [](stage& w) {
       w.driver.close();
       return errc::ok;
     },
     0, 0, placement},
    {"the end of a driver",
     [](stage& w) {
       if (w.second) w.second->driver.reset();
       return errc::ok;
     },
     0, 0, placement},
};

constexpr situation to_advise[] = {
    {"nothing said", plain, written},
    {"something said of all", plain, advised},
    {"something said of all, a part unmapped", plain, advised_and_cut},
    {"a map of attributes", plain, with_attributes},
};
constexpr svm::span_attributes in_system{.preferred = preferred_place::system};
constexpr call advising[] = {
    {"advise", [](stage& w) { return w.driver.advise(span(page_at(4), 4 * page_bytes), in_system); }, 0, 0, 0},
    {"advise again", [](stage& w) { return w.driver.advise(span(page_at(4), 4 * page_bytes), {}); }, 0, 0, 0},
    {"set",
     [](stage& w) { return w.attributes ? w.attributes->set(span(page_at(4), 4 * page_bytes), in_system) : errc::ok; },
     0, 0, 0},
};

// ---- A gpusvm.

constexpr situation to_look_up[] = {
    {"no notifier", plain, written},
    {"an account to make", pays, written, set_of(ledger)},  // it stays
    {"one range", one_range, written},
    {"a notifier beside", plain, with_range_beside},
};
constexpr call looking_up[] = {
    {"find_or_insert",
     [](stage& w) {
       return w.svm().find_or_insert(page_at(3), {.want = svm::access_kind::write, .devmem_possible = true}).error();
     },
     0, 0, 0},
};

constexpr situation to_get_pages[] = {
    {"in system memory", plain, and_range<written>},
    {"untouched", plain, and_range<untouched>},
    {"mapped for reading", plain, mapped_read_only},
    {"with addresses set aside", reserves_addresses, and_range<written>},
    {"with addresses set aside, mapped for reading", reserves_addresses, mapped_read_only},
    {"on the device", plain, and_range<on_device>},
    {"on a peer", two_gpus, and_range<on_peer>},
    {"on a GPU out of reach", two_gpus_apart, and_range<on_peer>, set_of(vram, ledger)},  // pages that have come stay
};
// What was absent may be there now.
constexpr call getting_pages[] = {
    {"get_pages",
     [](stage& w) {
       auto held = w.hold();
       page_owner const reached = w.device_memory.owner();
       return w.svm().get_pages(held, {.owner = &reached});
     },
     gpu_side | set_of(places, frames), 0, 0},
};
constexpr situation to_get_guest_pages[] = {
    {"a guest, in system memory", two_gpus_in_place, with_guest},
    {"a guest, on its device", two_gpus_in_place, with_guest_on_its_device},
};
constexpr call getting_guest_pages[] = {
    {"get_pages of a guest",
     [](stage& w) {
       auto held = w.hold();
       return w.svm().get_pages(held, w.attached->mapping, {});
     },
     gpu_side, 0, 0},
};
constexpr situation to_bind[] = {{"with pages", plain, with_pages}};
constexpr call binding[] = {
    {"bind",
     [](stage& w) {
       auto held = w.hold();
       return w.svm().bind(held);
     },
     0, 0, 0},
};
constexpr situation to_bind_guest[] = {{"a guest with pages", two_gpus_in_place, with_guest_pages}};
constexpr call binding_guest[] = {
    {"bind of a guest",
     [](stage& w) {
       auto held = w.hold();
       return w.svm().bind(held, w.attached->mapping);
     },
     0, 0, 0},
};

// ---- Migrations.

// The eviction that makes room may be done when the rest fails, and may fail by itself.
constexpr situation to_migrate[] = {
    {"written", plain, and_range<written>},
    {"untouched", plain, and_range<untouched>},
    {"half written", plain, and_range<half_written>},
    {"mapped", plain, mapped_read_only},
    {"with an account", pays, and_range<written>},
    {"mixed", plain, and_range<mixed>},
    {"under pressure", one_chunk, and_range<under_pressure>, placement},
    {"on a peer", two_gpus, and_range<on_peer>},
};
/// One that fails has moved nothing; the eviction that makes room may be done, and is of another's memory.
[[nodiscard]] errc migrate_range(stage& w, svm::migrate_options<policies> const& how) {
  auto held = w.hold();
  return w.driver.migrate_to_device(held, how);
}
[[nodiscard]] errc migrate_span(stage& w, svm::migrate_options<policies> how) {
  how.account = w.driver.account();
  if (w.device_pages(base, chunk) == chunk_pages && w.frames.gpu_of(w.process.entry_at(base).target) == 0)
    return errc::ok;
  return w.mover.migrate_to_device(w.process, span(base, chunk), how);
}
constexpr call migrating[] = {
    {"gpusvm::migrate_to_device", [](stage& w) { return migrate_range(w, {.same_pagemap = true}); }, gpu_side, 0, 0,
     false, false},
    {"migrate_to_device", [](stage& w) { return migrate_span(w, {.same_pagemap = true}); }, gpu_side, 0, 0, false,
     false},
    {"gpusvm::migrate_to_device, pushed",
     [](stage& w) { return migrate_range(w, {.source_copies = true, .only_what_differs = true}); }, gpu_side, 0, 0,
     false, false},
    {"migrate_to_device, pushed",
     [](stage& w) { return migrate_span(w, {.source_copies = true, .only_what_differs = true}); }, gpu_side, 0, 0,
     false, false},
};

constexpr situation to_evict[] = {
    {"on the device", plain, and_range<on_device>},
    {"mapped on the device", plain, mapped_on_device},
    {"mixed", plain, and_range<mixed>},
};
constexpr situation to_evict_peers[] = {
    {"on a peer", two_gpus, and_range<on_peer>},
    {"on a GPU out of reach", two_gpus_apart, and_range<on_peer>},
};
constexpr call evicting_ranges[] = {
    {"gpusvm::evict",
     [](stage& w) {
       auto held = w.hold();
       return w.driver.evict(held);
     },
     gpu_side, 0, 0, true},
    {"evict_span", [](stage& w) { return w.mover.evict_span(w.process, span(base, chunk)); }, gpu_side, 0, 0, true},
};
constexpr call evicting[] = {
    {"evict",
     [](stage& w) {
       for (std::uint64_t n = 0; n < chunk_pages; ++n)
         if (auto const victim = allocation_at(w, page_at(n))) return w.mover.evict(*victim);
       return errc::ok;
     },
     gpu_side, 0, 0, true},
};
constexpr situation to_evict_all[] = {
    {"two on the device", [] { return small_chunks(2 * chunk); }, two_on_device, placement},
};
// One allocation may be out when the next cannot move.
constexpr call evicting_all[] = {
    {"evict_all", [](stage& w) { return w.mover.evict_all(); }, placement, 0, 0},
    {"unbind",
     [](stage& w) {
       errc const e = w.mover.unbind();
       return e == errc::busy ? errc::in_use : e;  // what kept it busy is what an eviction met, again and again
     },
     placement, 0, 0},
    {"make_room", [](stage& w) { return w.mover.make_room({2 * chunk}); }, placement, 0, 0, false, false},
};

// ---- CPU faults.

[[nodiscard]] errc bring_back(stage& w) {
  auto const home = allocation_at(w, page_at(5));
  if (!home) return errc::ok;
  svm::mock::page const page = w.process.entry_at(page_at(5)).target;
  w.process.pin(page_at(5), true);
  svm::cpu_fault_answer answer{};
  {
    svm::shared_guard const guard{w.process.map_lock()};
    answer = w.mover.bring_back(*home, {w.process.id(), page_at(5), page, span(base, chunk)});
  }
  w.process.pin(page_at(5), false);
  return answer.error;
}
// The page that the CPU waits for comes alone when memory is short. A page that somebody else has locked is looked for
// again, and after many times the access is a bus error.
constexpr call faulting_back[] = {
    {"CPU fault", [](stage& w) { return w.cpu_read(page_at(5)) ? errc::ok : errc::busy; }, gpu_side, 0, placement, true,
     false},
    {"bring_back", bring_back, gpu_side, 0, placement, true, false},
};

// ---- The rest.

constexpr situation to_ask[] = {{"nobody asked before", plain, [](stage& w) {
                                   written(w);
                                   w.spare = std::make_unique<stage::cached>(w);
                                 }}};
constexpr call asking[] = {{"migrator_cache::get", [](stage& w) { return w.spare->cache.get().error(); }, 0, 0, 0}};

constexpr situation to_open[] = {{"memory of a process", plain, and_buffer<written>}};
constexpr call opening[] = {{"mapped_buffer::open",
                             [](stage& w) {
                               errc const e = w.buffer->buffer.open();
                               return e;
                             },
                             0, 0, 0}};
constexpr situation to_get_buffer[] = {
    {"written", plain, and_open_buffer<written>},
    {"untouched", plain, and_open_buffer<untouched>},
    {"on the device", plain, and_open_buffer<on_device>},
    {"on a GPU out of reach", two_gpus_apart, and_open_buffer<on_peer>, set_of(vram, ledger)},
    {"with addresses set aside", reserves_addresses, and_open_buffer<written>},
    {"mapped for reading", plain, buffer_read_only},
};
constexpr call getting_buffer[] = {{"mapped_buffer::get_pages", [](stage& w) { return w.buffer->buffer.get_pages({}); },
                                    gpu_side | set_of(places, frames), 0, 0}};
constexpr situation to_bind_buffer[] = {{"with pages", plain, buffer_with_pages}};
constexpr call binding_buffer[] = {{"mapped_buffer::bind", [](stage& w) { return w.buffer->buffer.bind(); }, 0, 0, 0}};

// Events that may wait for nobody: those who were told before another refused have let go of the memory.
constexpr situation to_reap[] = {
    {"a range", stays_in_system, mapped_on_device},
    {"a range and attributes", stays_in_system,
     [](stage& w) {
       advised(w);
       REQUIRE(w.fault(base, access_kind::write) == errc::ok);
     }},
    {"a buffer", stays_in_system, buffer_with_pages},
};
constexpr call reaping[] = {{"an event that may not wait",
                             [](stage& w) {
                               bool const done = w.process.invalidate_only(
                                   {span(base, chunk), svm::invalidation_cause::clear, svm::nobody, false});
                               return done ? errc::ok : errc::in_use;
                             },
                             gpu_side, 0, 0}};

constexpr situation to_collect_alone[] = {
    {"half unmapped", plain, [](stage& w) { half_unmapped_alone(w, partial_unmap::evict); }},
    {"half unmapped, to be split", plain, [](stage& w) { half_unmapped_alone(w, partial_unmap::split); }},
};
constexpr call collecting_alone[] = {
    {"garbage_collector::run",
     [](stage& w) {
       w.alone->collector->run();
       return errc::ok;
     },
     0, 0, placement | ranges_made},
    {"the end of a garbage_collector",
     [](stage& w) {
       w.alone->collector.reset();
       return errc::ok;
     },
     0, 0, placement | ranges_made},
    {"garbage_collector::collect",
     [](stage& w) {
       w.alone->collector->collect(w.alone->svm.lock_range(w.alone->svm.find(base)));
       return errc::ok;
     },
     0, 0, placement | ranges_made},
    {"gpusvm::split",
     [](stage& w) {
       w.alone->svm.split(w.alone->svm.lock_range(w.alone->svm.find(base)));
       return errc::ok;
     },
     0, 0, placement | ranges_made},
};

struct group {
  std::span<situation const> situations;
  std::span<call const> calls;
};
constexpr group groups[] = {
    {to_serve, serving},
    {to_collect, collecting},
    {to_advise, advising},
    {to_look_up, looking_up},
    {to_get_pages, getting_pages},
    {to_get_guest_pages, getting_guest_pages},
    {to_bind, binding},
    {to_bind_guest, binding_guest},
    {to_migrate, migrating},
    {to_evict, evicting_ranges},
    {to_evict_peers, evicting_ranges},
    {to_evict, evicting},
    {to_evict_all, evicting_all},
    {to_evict, faulting_back},
    {to_ask, asking},
    {to_open, opening},
    {to_get_buffer, getting_buffer},
    {to_bind_buffer, binding_buffer},
    {to_reap, reaping},
    {to_collect_alone, collecting_alone},
};

}  // namespace

TEST_SUITE("failure/triples") {
  TEST_CASE(
      "whatever fails in any call, at any step, once or from then on: what is promised is as it was, nothing is left "
      "over, "
      "and the same call succeeds afterwards (OOM-01, OOM-02, OOM-03)") {
    std::uint64_t runs = 0;
    for (group const& g : groups)
      for (situation const& s : g.situations)
        for (call const& c : g.calls) runs += fail_everywhere(s, c);
    MESSAGE(runs << " runs");
    CHECK(runs >= (sanitized ? 1000u : 10000u));
  }
}

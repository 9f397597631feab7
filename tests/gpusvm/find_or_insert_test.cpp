// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <array>
#include <cstdint>
#include <vector>

#include <pagemap/scene.hpp>
#include <support/cancel_after.hpp>
#include <support/failures.hpp>
#include <support/scripted.hpp>

using namespace support;
using svm::lookup_options;
using svm::range_flag;
using svm::detail::retry_budget;
using kind = svm::lookup<policies>::kind;

namespace {

svm::result<svm::lookup<policies>> look(world& w, cpu_va a, lookup_options const& o = {}) {
  return w.driver.svm().find_or_insert(a, o);
}
/// The span of the range that covers `a` afterwards, or one that no test expects.
va_range found_at(world& w, cpu_va a, lookup_options const& o = {}) {
  auto found = look(w, a, o);
  return found ? found->range->interval() : span(cpu_va{}, 1);
}

using script = scripted<4096>;
svm::gpusvm_layout shape_of(va_range window, std::uint64_t notifier_size, std::vector<byte_count> const& chunks,
                            std::uint64_t page = 4096) {
  return *svm::gpusvm_layout::make(window, {notifier_size}, chunks, {page});
}
svm::gpusvm_layout small_shape() {
  return shape_of(span(cpu_va{}, std::uint64_t{1} << 47), 2 * MiB, {{64 * KiB}, {4 * KiB}});
}
constexpr int rounds = retry_budget<svm::mock::virtual_clock>::event_rounds;

}  // namespace

TEST_SUITE("gpusvm/find_or_insert") {
  TEST_CASE("RNG-01 a fault in the middle of 8 MiB gets the 2 MiB chunk around it") {
    world w;
    w.map(8 * MiB);
    auto found = look(w, at(5 * MiB + 123));
    REQUIRE(found.has_value());
    CHECK(found->what == kind::inserted);
    CHECK(found->range->interval() == span(at(4 * MiB), 2 * MiB));
    CHECK(found->vma.extent == span(base, 8 * MiB));
    CHECK_FALSE(found->range->mapping().has(svm::page_flag::mapped));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-02 where 2 MiB do not fit every fault gets 64 KiB") {
    world w;
    w.map(1536 * KiB);
    for (std::uint64_t page = 0; page < 384; ++page)
      CHECK(found_at(w, at(page * page_bytes)) == svm::aligned_block(at(page * page_bytes), {64 * KiB}));
    CHECK(w.range_count() == 24);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-03 odd ends get pages, then 64 KiB, then 2 MiB, and every page is covered once") {
    world w;
    cpu_va const start = at(2 * MiB - 68 * KiB);
    std::uint64_t const size = 68 * KiB + 2 * MiB + 68 * KiB;
    w.map(size, start);
    for (std::uint64_t done = 0; done < size; done += page_bytes) REQUIRE(look(w, start + byte_count{done}));
    std::vector<va_range> ranges;
    w.driver.svm().for_each_range(world::everything, [&](auto const& r) { ranges.push_back(r.interval()); });
    CHECK(ranges == std::vector{span(at(2 * MiB - 68 * KiB), 4 * KiB), span(at(2 * MiB - 64 * KiB), 64 * KiB),
                                span(at(2 * MiB), 2 * MiB), span(at(4 * MiB), 64 * KiB),
                                span(at(4 * MiB + 64 * KiB), 4 * KiB)});
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-04 a range stays inside a window that is narrower than its VMA") {
    world w{options([](auto& o) { o.window = span(at(60 * KiB), 2 * MiB); })};
    w.map(8 * MiB);
    CHECK(found_at(w, at(60 * KiB)) == span(at(60 * KiB), 4 * KiB));
    CHECK(found_at(w, at(64 * KiB)) == span(at(64 * KiB), 64 * KiB));
    CHECK(found_at(w, at(2 * MiB)) == span(at(2 * MiB), 4 * KiB));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-05 RNG-18 beside a range that exists a VMA that grew gets smaller chunks, and the old range stays") {
    world w;
    w.map(page_bytes, at(7 * page_bytes));
    CHECK(found_at(w, at(7 * page_bytes)) == span(at(7 * page_bytes), 4 * KiB));
    svm::range<policies> const* const old = w.range_at(at(7 * page_bytes)).get();
    w.map(7 * page_bytes, base);
    w.map(504 * page_bytes, at(8 * page_bytes));
    REQUIRE(w.process.vmas().all().size() == 1);
    CHECK(found_at(w, at(300 * page_bytes)) == span(at(288 * page_bytes), 64 * KiB));
    CHECK(found_at(w, at(8 * page_bytes)) == span(at(8 * page_bytes), 4 * KiB));
    CHECK(found_at(w, at(6 * page_bytes)) == span(at(6 * page_bytes), 4 * KiB));
    CHECK(w.range_at(at(7 * page_bytes)).get() == old);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-06 a fault anywhere in a range finds the same object and allocates nothing") {
    world w;
    w.map(2 * MiB);
    auto const first = look(w, at(MiB));
    REQUIRE(first.has_value());
    std::uint64_t const blocks = w.memory.total_blocks();
    for (cpu_va const a : {base, at(MiB + 1), at(2 * MiB - 1)}) {
      auto const again = look(w, a, {access_kind::write});
      REQUIRE(again.has_value());
      CHECK(again->what == kind::existing);
      CHECK(again->range.get() == first->range.get());
    }
    CHECK(w.memory.total_blocks() == blocks);
    CHECK(w.range_count() == 1);
  }

  TEST_CASE("RNG-07 no range spans two VMAs of different protection") {
    world w;
    w.map(MiB);
    w.map(MiB, at(MiB), protection::read);
    CHECK(found_at(w, at(MiB - 1), {access_kind::write}) == span(at(MiB - 64 * KiB), 64 * KiB));
    CHECK(found_at(w, at(MiB)) == span(at(MiB), 64 * KiB));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-08 NOT-05 a fault where nothing is mapped says so, and leaves no notifier") {
    world w;
    CHECK(look(w, base).error() == errc::no_vma);
    CHECK(w.notifier_count() == 0);
    CHECK(w.process.watchers().registered() == 0);
    CHECK(w.memory.live_blocks() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("NOT-06 a fault that fails leaves the notifier and the ranges of others alone") {
    world w;
    w.map(64 * KiB);
    REQUIRE(look(w, base));
    CHECK(look(w, at(MiB)).error() == errc::no_vma);
    CHECK(w.notifier_count() == 1);
    CHECK(w.process.watchers().registered() == 1);
    CHECK(w.range_count() == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-09 memory that may only be read refuses writers and serves readers; PROT_NONE refuses both") {
    world w;
    w.map(64 * KiB, base, protection::read);
    w.map(64 * KiB, at(MiB), protection::none);
    CHECK(look(w, base, {access_kind::write}).error() == errc::read_only);
    CHECK(w.notifier_count() == 0);
    CHECK(look(w, base, {access_kind::read}).has_value());
    CHECK(look(w, at(MiB)).error() == errc::no_access);
    CHECK(w.range_count() == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that cannot migrate is refused where device memory is demanded") {
    world w;
    w.map(64 * KiB, base, protection::read_write, mapping_kind::shared);
    w.map(64 * KiB, at(MiB));
    CHECK(look(w, base, {access_kind::read, true, true}).error() == errc::not_migratable);
    CHECK(w.notifier_count() == 0);
    auto const anonymous = look(w, at(MiB), {access_kind::read, true, true});
    REQUIRE(anonymous.has_value());
    CHECK(anonymous->range->is_migratable());
    auto const shared = look(w, base, {access_kind::read, true, false});
    REQUIRE(shared.has_value());
    CHECK_FALSE(shared->range->is_migratable());
  }

  TEST_CASE("RNG-10 the window is half open, and what lies outside makes and registers nothing") {
    for (std::uint64_t const size : {2 * MiB, 64 * KiB, 4 * KiB}) {
      world w{options([&](auto& o) { o.window = span(at(4 * MiB), size); })};
      w.map(16 * MiB);
      std::uint64_t const blocks = w.memory.total_blocks();
      for (cpu_va const outside : {at(4 * MiB - 1), at(4 * MiB + size), at(8 * MiB), cpu_va{}, cpu_va{UINT64_MAX}})
        CHECK(look(w, outside).error() == errc::outside_window);
      CHECK(w.memory.total_blocks() == blocks);
      CHECK(w.failures.calls(failure::notifier) == 0);
      CHECK(w.failures.calls(failure::alloc) == 0);
      CHECK(found_at(w, at(4 * MiB + size - 1)) == span(at(4 * MiB), size));
      CHECK(found_at(w, at(4 * MiB)) == span(at(4 * MiB), size));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("RNG-11 after the process has exited a fault finds nobody, and nothing is retained") {
    world w;
    w.map(64 * KiB);
    w.process.exit();
    CHECK(look(w, base).error() == errc::mm_gone);
    CHECK(svm::errno_name(errc::mm_gone) == doctest::String("EFAULT"));
    CHECK(w.process.users() == 0);
    CHECK(w.memory.live_blocks() == 0);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RNG-12 under the threshold a chunk with absent pages gives way to the faulting page") {
    world w;
    w.map(MiB);
    REQUIRE(w.cpu_write(at(5 * page_bytes), 1) == sys::ok);
    CHECK(found_at(w, at(5 * page_bytes), {.check_pages_threshold = {64 * KiB}}) == span(at(5 * page_bytes), 4 * KiB));
  }

  TEST_CASE("RNG-13 under the threshold a chunk whose pages are all present is taken") {
    world w;
    w.map(MiB);
    for (std::uint64_t page = 0; page < 16; ++page) {
      CAPTURE(page);
      // A page that was only read is present as well.
      REQUIRE(
          (page % 2 == 0 ? w.cpu_write(at(page * page_bytes), 1) == sys::ok : w.cpu_read(at(page * page_bytes)) == 0u));
    }
    CHECK(found_at(w, at(5 * page_bytes), {.check_pages_threshold = {64 * KiB}}) == span(base, 64 * KiB));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("one absent page anywhere in a large chunk counts, and chunks above the threshold are not looked at") {
    for (std::uint64_t const absent : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{511}}) {
      CAPTURE(absent);
      world w;
      w.map(2 * MiB);
      for (std::uint64_t page = 0; page < 512; ++page)
        if (page != absent) REQUIRE(w.cpu_read(at(page * page_bytes)) == 0u);
      CHECK(found_at(w, at(200 * page_bytes), {.check_pages_threshold = {2 * MiB}}) ==
            span(at(192 * page_bytes), 64 * KiB));
    }
    world w;
    w.map(2 * MiB);
    CHECK(found_at(w, at(200 * page_bytes), {.check_pages_threshold = {2 * MiB - 1}}) == span(base, 2 * MiB));
  }

  TEST_CASE("RNG-14 an invalidation during the check of pages makes it look again, and the size is right") {
    for (bool const present_later : {false, true}) {
      script s{small_shape()};
      s.mm.add_vma(base, MiB);
      int shown = 0;
      s.mm.show = [&](va_range checked, script::sink& found) {
        bool const present = (++shown == 1) != present_later;
        if (present) s.mm.fill(checked, found);
        if (shown == 1) s.mm.invalidate(checked);
      };
      auto const found = s.svm.find_or_insert(base, {.check_pages_threshold = {64 * KiB}});
      REQUIRE(found.has_value());
      CHECK(shown == 2);
      CHECK(found->range->interval() == span(base, present_later ? 64 * KiB : 4 * KiB));
    }
  }

  TEST_CASE("RNG-16 no page size is written into the overlap test") {
    SUBCASE("pages of 64 KiB below a chunk of 128 KiB") {
      scripted<65536> s{shape_of(span(cpu_va{}, std::uint64_t{1} << 47), 2 * MiB, {{128 * KiB}, {64 * KiB}}, 65536)};
      s.mm.add_vma(base, 64 * KiB);
      auto const first = s.svm.find_or_insert(base, {});
      REQUIRE(first.has_value());
      CHECK(first->range->interval() == span(base, 64 * KiB));
      s.mm.vmas.clear();
      s.mm.add_vma(base, MiB);
      auto const beside = s.svm.find_or_insert(at(64 * KiB), {});
      REQUIRE(beside.has_value());
      CHECK(beside->range->interval() == span(at(64 * KiB), 64 * KiB));
      auto const free = s.svm.find_or_insert(at(128 * KiB), {});
      REQUIRE(free.has_value());
      CHECK(free->range->interval() == span(at(128 * KiB), 128 * KiB));
      CHECK(s.svm.check());
    }
    SUBCASE("a table of the page alone") {
      world w{options([](auto& o) { o.chunks = {{4 * KiB}}; })};
      w.map(2 * MiB);
      CHECK(found_at(w, at(5 * page_bytes + 1)) == span(at(5 * page_bytes), 4 * KiB));
      CHECK(found_at(w, at(6 * page_bytes)) == span(at(6 * page_bytes), 4 * KiB));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("NOT-19 the last page of the address space gets a range and a notifier that end at the top") {
    script s{shape_of({cpu_va{4096}, byte_count{0 - std::uint64_t{4096}}}, 2 * MiB, {{64 * KiB}, {4 * KiB}})};
    cpu_va const last{UINT64_MAX};
    s.mm.add_vma(cpu_va{0 - 64 * KiB}, 64 * KiB);
    auto const found = s.svm.find_or_insert(last, {});
    REQUIRE(found.has_value());
    CHECK(found->range->interval().reaches_top());
    CHECK(found->range->interval().size() == byte_count{64 * KiB});
    CHECK(found->range->owner().interval() == span(cpu_va{0 - 2 * MiB}, 2 * MiB));
    {
      auto held = s.svm.lock_range(s.svm.find(last));
      CHECK(s.svm.get_pages(held, {}) == errc::ok);
    }
    s.mm.invalidate(span(cpu_va{0 - 4 * KiB}, 4 * KiB));
    CHECK_FALSE(found->range->mapping().has(svm::page_flag::mapped));
    CHECK(s.svm.check());
  }

  TEST_CASE("a byte just below another notifier gets its own, not its neighbour") {
    world w{options([](auto& o) { o.notifier_size = {2 * MiB}; })};
    w.map(4 * MiB);
    REQUIRE(look(w, at(2 * MiB)));
    CHECK(found_at(w, at(2 * MiB - 1)) == span(base, 2 * MiB));
    CHECK(w.notifier_count() == 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a range that no longer fits its VMA is reported as stale (erratum 3.1.16)") {
    world w;
    w.map(2 * MiB);
    REQUIRE(look(w, base));
    REQUIRE(w.process.mprotect(at(MiB), {MiB}, protection::read) == sys::ok);
    auto found = look(w, base);
    REQUIRE(found.has_value());
    CHECK(found->what == kind::stale);
    w.driver.svm().remove(w.driver.svm().lock_range(std::move(found->range)));
    CHECK(found_at(w, base) == span(base, 64 * KiB));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("RAC-06 a fault that comes in while another registers its notifier leaves one range and one notifier") {
    world w;
    w.map(64 * KiB);
    svm::range<policies> const* inner = nullptr;
    w.hooks.hook = [&](step s) {
      if (s != step::registering || inner != nullptr) return;
      auto const found = look(w, at(page_bytes));
      REQUIRE(found.has_value());
      inner = found->range.get();
    };
    auto const outer = look(w, base);
    REQUIRE(outer.has_value());
    CHECK(outer->what == kind::existing);
    CHECK(outer->range.get() == inner);
    CHECK(w.range_count() == 1);
    CHECK(w.notifier_count() == 1);
    CHECK(w.process.watchers().registered() == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a fault elsewhere in the notifier that comes first keeps its range, and the chunk is chosen again") {
    world w;
    w.map(2 * MiB);
    bool done = false;
    w.hooks.hook = [&](step s) {
      if (s != step::registering || std::exchange(done, true)) return;
      REQUIRE(w.process.munmap(at(MiB), {MiB}) == sys::ok);
      REQUIRE(look(w, at(64 * KiB)));
      w.map(MiB, at(MiB));
    };
    CHECK(found_at(w, at(MiB)) == span(at(MiB), 64 * KiB));
    CHECK(w.range_count() == 2);
    CHECK(w.notifier_count() == 1);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a fault in the same chunk that comes first, without any event, leaves its range to both") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    REQUIRE(s.svm.find_or_insert(at(128 * KiB), {}));  // the notifier is known from here on
    svm::range_ref<script::policies> first;
    bool inside = false;
    s.mm.show = [&](va_range where, script::sink& found) {
      s.mm.fill(where, found);
      if (std::exchange(inside, true)) return;
      as_another_thread([&] { first = s.svm.find_or_insert(base, {}).value().range; });
    };
    auto const found = s.svm.find_or_insert(at(4 * KiB), {.check_pages_threshold = {64 * KiB}});
    s.mm.show = nullptr;
    REQUIRE(found);
    CHECK(found->what == svm::lookup<script::policies>::kind::existing);
    CHECK(found->range.get() == first.get());
    CHECK(s.stats.count(svm::event_kind::range_created) == 2);
    CHECK(s.stats.count(svm::event_kind::retry_after_event) == 1);
  }

  TEST_CASE("a storm of events that ends in time lets the insertion through, a longer one ends in busy (OOM-07)") {
    for (bool const known_notifier : {false, true})
      for (int events = 0; events <= rounds + 1; ++events) {
        CAPTURE(known_notifier);
        CAPTURE(events);
        script s{small_shape()};
        s.mm.add_vma(base, MiB);
        if (known_notifier) REQUIRE(s.svm.find_or_insert(at(512 * KiB), {}));
        int left = events;
        s.memory.hook = [&](std::size_t size) {
          if (size == sizeof(svm::range<script::policies>) && left-- > 0) s.mm.invalidate(span(base, 4 * KiB));
        };
        auto const found = s.svm.find_or_insert(base, {});
        CHECK(found.error() == (events < rounds ? errc::ok : errc::busy));
        CHECK(s.stats.count(svm::event_kind::retry_after_event) == static_cast<unsigned>(std::min(events, rounds)));
        if (!found) CHECK(s.mm.registered.size() == (known_notifier ? 1 : 0));
        s.memory.hook = nullptr;
        CHECK(s.svm.find_or_insert(base, {}).has_value());
      }
  }

  TEST_CASE("a storm ends a second after its first round, however few rounds it had") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    int asked = 0;
    s.memory.hook = [&](std::size_t size) {
      if (size != sizeof(svm::range<script::policies>)) return;
      ++asked;
      s.clock.advance(svm::milliseconds(400));
      s.mm.invalidate(span(base, 4 * KiB));
    };
    CHECK(s.svm.find_or_insert(base, {}).error() == errc::busy);
    CHECK(asked == 4);
    s.memory.hook = nullptr;
  }

  TEST_CASE("an unmap between the look at the VMA and the insertion is noticed (RAC-01)") {
    script s{small_shape()};
    s.mm.add_vma(base, MiB);
    s.memory.hook = [&](std::size_t size) {
      if (size != sizeof(svm::range<script::policies>)) return;
      s.mm.vmas.clear();
      s.mm.invalidate(span(base, MiB), svm::invalidation_cause::unmap);
    };
    CHECK(s.svm.find_or_insert(base, {}).error() == errc::no_vma);
    CHECK_FALSE(s.svm.has_mapping(span(base, MiB)));
    CHECK(s.mm.registered.empty());
    s.memory.hook = nullptr;
  }

  TEST_CASE("RNG-15 no shortage of memory makes a range smaller; what fails leaves nothing (OOM-01, OOM-02, OOM-03)") {
    for (bool const known_notifier : {false, true}) {
      CAPTURE(known_notifier);
      auto const setup = [&](world& w) {
        w.map(128 * KiB);
        w.cpu_tag(base, 128 * KiB, 1);
        if (known_notifier) REQUIRE(look(w, at(64 * KiB)));
      };
      auto const call = [](world& w) {
        std::size_t const before = w.range_count();
        std::size_t const notifiers = w.notifier_count();
        auto const found = look(w, base, {.check_pages_threshold = {64 * KiB}});
        if (found) CHECK(found->range->interval() == span(base, 64 * KiB));
        if (!found) CHECK(w.range_count() == before);
        if (!found) CHECK(w.notifier_count() == notifiers);
        return found.error();
      };
      auto const same = [](world& w) { return w.cpu_tags_until(base, 128 * KiB, 1) == 128 * KiB; };
      fail_each(options(), failure::alloc, {errc::no_memory}, setup, call, same);
      if (!known_notifier) fail_each(options(), failure::notifier, {errc::registration_failed}, setup, call, same);
    }
  }

  TEST_CASE("what fails leaves at most the nodes of one insertion in each pool, however often; closing frees them") {
    constexpr std::uint64_t nodes = svm::notifier<policies>::range_index::nodes_per_insert;
    // A notifier and a range come first; the index of ranges needs no node for one.
    constexpr std::uint64_t objects = 2;
    for (std::uint64_t k = 1;; ++k) {
      CAPTURE(k);
      world w;
      w.map(128 * KiB);
      std::uint64_t const before = w.memory.live_blocks();
      bool failed = false;
      for (int tries = 0; tries < 2; ++tries) {
        w.failures.arm(failure::alloc, k);
        auto const found = look(w, base);
        w.failures.disarm();
        failed = !found;
        std::uint64_t const left = w.memory.live_blocks() - before;
        CHECK(left == (found ? objects + nodes : 0));
        if (failed) CHECK(found.error() == errc::no_memory);
      }
      w.driver.svm().close();
      CHECK(w.memory.live_blocks() == before);
      if (failed) continue;
      CHECK(k == objects + nodes + 1);
      break;
    }
    world w;
    w.map(128 * KiB);
    std::uint64_t const before = w.memory.live_blocks();
    w.failures.arm(failure::notifier, 1);
    CHECK(look(w, base).error() == errc::registration_failed);
    w.failures.disarm();
    CHECK(w.memory.live_blocks() == before);
  }

  TEST_CASE("a lookup that is told to end makes nothing, at whichever round") {
    for (std::uint64_t const after : {0U, 1U}) {
      CAPTURE(after);
      script s{small_shape()};
      s.mm.add_vma(base, MiB);
      s.mm.show = [&](va_range checked, script::sink&) { s.mm.invalidate(checked); };  // so it looks again
      cancel_after const stop{after};
      CHECK(s.svm.find_or_insert(base, {.check_pages_threshold = {64 * KiB}, .cancel = &stop}).error() ==
            errc::interrupted);
      CHECK(stop.asked() == after + 1);
      CHECK_FALSE(s.svm.find(base));
      CHECK(s.mm.registered.empty());
    }
  }
}

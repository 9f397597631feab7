// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Functions that do two things whose order matters, against who comes in between: what one says first and does second,
// the other does first and looks at second.

#include <explore/races/actions.hpp>

#include <svm/gpusvm/mapped_buffer.hpp>
#include <svm/pagemap/migrator_cache.hpp>

using namespace races;

namespace {

template <migration_mode Migrate>
world* fresh() {
  auto* const w = new world{small([](auto& o) { o.driver.migrate = Migrate; })};
  w->map(pages(0, range_pages));
  return w;
}
world* on_the_device() {
  world* const w = fresh<migration_mode::where_possible>();
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
void unmapped_while_suspended(world& w) {
  must(w.gpu_pages(notifier_span) == 0, "nothing is mapped while the driver is suspended");
}
auto prefers(svm::preferred_place where) {
  return [where](world& w) {
    must(w.driver.advise(pages(0, range_pages), {.preferred = where}) == errc::ok, "a program may say what it likes");
  };
}

/// Memory that the GPU maps by itself; nothing else is on its page table.
struct buffer_world : world {
  buffer_world() : world(small([](auto&) {})) {
    map(pages(0, range_pages));
    must(cpu_write(page_at(0), 9) == sys::ok, "the CPU may write");
    must(buffer->open() == errc::ok, "a buffer opens");
    first().buffers = {pages(0, range_pages)};
  }
  /// Maps the memory, and writes to its second page.
  void use() {
    errc e = errc::retry;
    for (int i = 0; i < 8 && e == errc::retry; ++i) {
      e = buffer->get_pages({});
      if (e == errc::ok) e = buffer->bind();
    }
    must(e == errc::ok, "memory that is there can be mapped");
    std::byte const word[8]{};
    static_cast<void>(device.store(page_at(1), word));
  }
  /// What the GPU sees in the first page where it has a mapping.
  [[nodiscard]] std::optional<std::uint64_t> gpu_sees() {
    std::byte word[8];
    if (!device.load(page_at(0), word)) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }

  svm::environment<policies> env{process, device, device_memory, memory, clock, stats};
  std::optional<svm::mapped_buffer<policies>> buffer{std::in_place, env, pages(0, range_pages)};
};

/// A range of the first GPU that the second has mapped too.
struct guest_world : world {
  guest_world() : world(small([](auto& o) { o.gpus = 2; })) {
    map(pages(0, range_pages));
    must(gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
    auto held = hold();
    must(driver.svm().attach(held, *guest) == errc::ok, "a mapping of another device is attached");
    must(driver.svm().get_pages(held, *guest, {}) == errc::ok, "a guest gets the pages");
  }
  [[nodiscard]] svm::locked_range<policies> hold() { return driver.svm().lock_range(driver.svm().find(page_at(0))); }

  svm::environment<policies> env{process, first().views[1]->device, gpu_card(1).memory, memory, clock, stats};
  std::optional<svm::device_mapping<policies>> guest{std::in_place, env};
};

/// A migrator that is made when somebody asks for it.
struct cache_world : world {
  cache_world() : world(small([](auto&) {})) {}
  void use() {
    auto const mine = cache->get();
    must(mine.has_value(), "there is memory for a migrator");
    must(!cache->is_parked(), "what somebody uses is not parked");
  }

  svm::environment<policies> env{process, device, device_memory, memory, clock, stats};
  svm::migrator_shrinker<policies> shrinker;
  std::optional<svm::migrator_cache<policies>> cache{std::in_place, env, shrinker};
};

}  // namespace

TEST_SUITE("explore/races, order") {
  TEST_CASE("suspend / fault: nothing is mapped once the driver says that it is suspended") {
    race r{"suspend and fault", fresh<migration_mode::never>};
    r.thread("gpu")
        .does("write", gpu_writes_unless(0, 1, {errc::retry}))
        .does("write again", gpu_writes_unless(1, 2, {errc::retry}));
    r.thread("driver").does("suspend", [](world& w) {
      w.driver.suspend();
      unmapped_while_suspended(w);
    });
    r.finally([](world& w) {
      unmapped_while_suspended(w);
      w.driver.resume();
      must(w.gpu_write(page_at(0), 3) == errc::ok, "the GPU may write after the driver has resumed");
    });
    r.sample();
  }

  TEST_CASE("advise / fault: what is accessed afterwards is where the program wants it") {
    race r{"advise and fault", fresh<migration_mode::where_possible>};
    r.thread("gpu").does("write", gpu_writes(0, 1)).does("write again", gpu_writes(1, 2));
    r.thread("cpu").does("advise", prefers(svm::preferred_place::system));
    r.finally([](world& w) {
      must(w.gpu_write(page_at(0), 3) == errc::ok, "the GPU may write");
      must(w.device_memory.used() == byte_count{}, "the memory is where the program wants it");
    });
    r.sample();
  }

  TEST_CASE("advise / unmap: an end that is split off while its memory goes keeps no attributes") {
    race r{"advise and unmap", [] {
             world* const w = fresh<migration_mode::never>();
             prefers(svm::preferred_place::system)(*w);
             return w;
           }};
    r.thread("cpu").does("unmap", [](world& w) {
      w.unmap(pages(1, 1));
      must(w.driver.attributes_at(page_at(1)) == svm::span_attributes{}, "what is unmapped has no attributes");
    });
    r.thread("program").does("advise", [](world& w) {
      must(w.driver.advise(pages(0, 1), {.preferred = svm::preferred_place::device}) == errc::ok,
           "a program may say what it likes");
    });
    r.finally([](world& w) {
      must(w.driver.attributes_at(page_at(1)) == svm::span_attributes{}, "what was unmapped has no attributes");
    });
    r.run(to_the_end());
  }

  TEST_CASE("unbind / fault: no memory is left on a device that was unbound") {
    race r{"unbind and fault", fresh<migration_mode::where_possible>};
    r.thread("gpu").does("write", gpu_writes(0, 1));
    r.thread("hot plug").does("unbind", [](world& w) { static_cast<void>(w.mover.unbind()); });
    r.finally([](world& w) {
      must(w.device_memory.used() == byte_count{}, "nothing is left on the device");
      must(w.cpu_read(page_at(0)) == 1, "the last word is there");
    });
    r.sample();
  }

  TEST_CASE("teardown / teardown: what both find goes once") {
    race r{"two teardowns", +[] {
             world* const w = fresh<migration_mode::never>();
             must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
             return w;
           }};
    for (char const* const name : {"driver 1", "driver 2"})
      r.thread(name).does("close", [](world& w) {
        w.driver.svm().close();
        must(w.range_count() == 0, "nothing is left");
      });
    r.sample();
  }

  TEST_CASE("teardown / first fault: nothing is made after the end") {
    race r{"teardown and first fault", fresh<migration_mode::never>};
    r.thread("gpu").does("write", gpu_writes_unless(0, 1, {errc::gone}));
    r.thread("driver").does("close", [](world& w) { w.driver.close(); });
    r.finally([](world& w) { must(w.range_count() == 0, "nothing is left"); });
    r.sample();
  }

  TEST_CASE("split / teardown: what a split leaves goes with the rest") {
    race r{"split and teardown", +[] {
             auto* const w = new world{small([](auto& o) { o.driver.rest = svm::partial_unmap::split; })};
             w->map(pages(0, range_pages));
             must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
             w->unmap(pages(0, 1));
             return w;
           }};
    r.thread("collector").does("collect", collects);
    r.thread("driver").does("close", [](world& w) { w.driver.svm().close(); });
    r.finally([](world& w) { must(w.range_count() == 0, "nothing is left"); });
    r.sample();
  }

  TEST_CASE("fault / fault where device memory has a limit: there is one account") {
    race r{"two first faults with a limit", +[] {
             auto* const w = new world{small([](auto& o) { o.driver.limits.device_memory = pages(0, 4).size(); })};
             w->map(pages(0, range_pages));
             return w;
           }};
    r.thread("gpu 1").does("write", gpu_writes(0, 1));
    r.thread("gpu 2").does("write", gpu_writes(1, 2));
    r.sample();
  }

  TEST_CASE("evict / evict: who comes second waits, and finds it done") {
    race r{"two evictions of one allocation", on_the_device};
    for (char const* const name : {"evictor 1", "evictor 2"})
      r.thread(name).does("evict", [](world& w) {
        if (auto const allocation = w.mover.find_slow(w.process.entry_at(page_at(0)).target))
          must(w.mover.evict(*allocation) == errc::ok, "an eviction that nothing hinders ends well");
      });
    r.finally([](world& w) { must(w.cpu_read(page_at(0)) == 8, "the last word is there"); });
    r.sample();
  }

  TEST_CASE("two users of a cached migrator: it is parked when both are done, and not before") {
    race r{"two users of a cached migrator", +[]() -> world* { return new cache_world; }};
    auto const use = [](world& w) { static_cast<cache_world&>(w).use(); };
    for (char const* const name : {"user 1", "user 2"}) r.thread(name).does("use", use).does("use again", use);
    r.finally([](world& w) {
      auto& mine = static_cast<cache_world&>(w);
      must(mine.cache->is_parked(), "what nobody uses is parked");
      mine.cache.reset();
    });
    r.sample();
  }

  TEST_CASE("first fault / munmap: no range outlives its memory") {
    race r{"first fault and munmap", fresh<migration_mode::never>};
    r.thread("gpu").does("write", gpu_writes_or_finds_nothing(0, 1));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); });
    r.finally([](world& w) {
      w.driver.collect_garbage();
      must(w.range_count() == 0, "no range outlives its memory");
    });
    r.sample();
  }

  TEST_CASE("sync / DONTNEED: what is synced is mapped") {
    race r{"sync and DONTNEED", +[] {
             world* const w = fresh<migration_mode::never>();
             must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
             return w;
           }};
    r.thread("driver").does("sync", [](world& w) {
      auto held = w.driver.svm().lock_range(w.driver.svm().find(page_at(0)));
      w.driver.svm().sync(held, true);
    });
    r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); });
    r.sample();
  }

  TEST_CASE("detach / DONTNEED: the mapping of a guest ends once") {
    race r{"detach and DONTNEED", +[]() -> world* { return new guest_world; }};
    r.thread("driver").does("detach", [](world& w) {
      auto& mine = static_cast<guest_world&>(w);
      auto held = mine.hold();
      w.driver.svm().detach(held, *mine.guest);
    });
    r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); });
    r.finally([](world& w) { static_cast<guest_world&>(w).guest.reset(); });
    r.sample();
  }

  TEST_CASE("evict / CPU fault: an eviction that says it is done has given the memory back") {
    race r{"the end of an eviction", on_the_device};
    r.thread("evictor").does("evict", [](world& w) {
      auto const allocation = w.mover.find_slow(w.process.entry_at(page_at(0)).target);
      if (!allocation || w.mover.evict(*allocation) != errc::ok) return;
      must(w.device_memory.used() == byte_count{}, "the memory is free when the eviction has ended well");
    });
    r.thread("cpu").does("read", [](world& w) { must(w.cpu_read(page_at(0)) == 8, "the last word is there"); });
    r.sample();
  }

  TEST_CASE("a buffer that a device maps by itself / DONTNEED: the device maps what the CPU maps, or nothing") {
    race r{"buffer and DONTNEED", +[]() -> world* { return new buffer_world; }};
    auto const use = [](world& w) { static_cast<buffer_world&>(w).use(); };
    r.thread("gpu").does("use", use).does("use again", use);
    r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); }).does("write", [](world& w) {
      must(w.cpu_write(page_at(0), 7) == sys::ok, "the CPU may write");
    });
    r.finally([](world& w) {
      auto& mine = static_cast<buffer_world&>(w);
      must(mine.gpu_sees().value_or(7) == 7, "the GPU maps what the CPU maps, or nothing");
      mine.buffer.reset();
    });
    r.sample();
  }

  TEST_CASE("a buffer that is unmapped while a device uses it: each mapping ends once") {
    race r{"buffer and unmap", +[]() -> world* { return new buffer_world; }};
    r.thread("gpu").does("use", [](world& w) { static_cast<buffer_world&>(w).use(); });
    r.thread("driver").does("unmap", [](world& w) { static_cast<buffer_world&>(w).buffer->unmap_pages(); });
    r.finally([](world& w) { static_cast<buffer_world&>(w).buffer.reset(); });
    r.sample();
  }

  TEST_CASE("a buffer that is unmapped or closed / DONTNEED: each mapping ends once") {
    for (bool const close : {false, true}) {
      race r{close ? "end of a buffer and DONTNEED" : "unmap of a buffer and DONTNEED", +[]() -> world* {
               auto* const w = new buffer_world;
               w->use();
               return w;
             }};
      r.thread("driver").does("end", [close](world& w) {
        auto& buffer = *static_cast<buffer_world&>(w).buffer;
        close ? buffer.close() : buffer.unmap_pages();
      });
      r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); });
      r.finally([](world& w) { static_cast<buffer_world&>(w).buffer.reset(); });
      r.sample();
    }
  }
}

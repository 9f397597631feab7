// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Functions that do two things whose order matters, against who comes in between: what one says first and does second,
// the other does first and looks at second.

#include <explore/races/race.hpp>

#include <svm/gpusvm/mapped_buffer.hpp>

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
auto gpu_writes_or(errc refusal, std::uint64_t page, std::uint64_t value) {
  return [=](world& w) {
    must(is_one_of(w.gpu_write(page_at(page), value), {errc::ok, refusal}), "a write is served or refused");
  };
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

}  // namespace

TEST_SUITE("explore/races, order") {
  TEST_CASE("suspend / fault: nothing is mapped once the driver says that it is suspended") {
    race r{"suspend and fault", fresh<migration_mode::never>};
    r.thread("gpu")
        .does("write", gpu_writes_or(errc::retry, 0, 1))
        .does("write again", gpu_writes_or(errc::retry, 1, 2));
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
    r.thread("gpu").does("write", gpu_writes_or(errc::ok, 0, 1)).does("write again", gpu_writes_or(errc::ok, 1, 2));
    r.thread("cpu").does("advise", prefers(svm::preferred_place::system));
    r.finally([](world& w) {
      must(w.gpu_write(page_at(0), 3) == errc::ok, "the GPU may write");
      must(w.device_memory.used() == byte_count{}, "the memory is where the program wants it");
    });
    r.sample();
  }

  TEST_CASE("unbind / fault: no memory is left on a device that was unbound") {
    race r{"unbind and fault", fresh<migration_mode::where_possible>};
    r.thread("gpu").does("write", gpu_writes_or(errc::ok, 0, 1));
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
    r.thread("gpu").does("write", gpu_writes_or(errc::gone, 0, 1));
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
    r.thread("collector").does("collect", [](world& w) { w.driver.collect_garbage(); });
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
    r.thread("gpu 1").does("write", gpu_writes_or(errc::ok, 0, 1));
    r.thread("gpu 2").does("write", gpu_writes_or(errc::ok, 1, 2));
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
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/driver/queue_driver.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <mock/processes.hpp>
#include <support/cancel_after.hpp>
#include <support/failures.hpp>
#include <svm/mock/machine/random.hpp>

using namespace support;
using svm::event_kind;
using svm::invalidation_cause;
using svm::migration_mode;
using svm::page_flag;

namespace {

using driver_type = svm::queue_driver<policies>;

template <class Set>
[[nodiscard]] svm::mock::machine_options with_queues(Set&& set) {
  return small_chunks(MiB, [&](auto& o) {
    o.faults = svm::mock::page_faults::fatal;
    set(o);
  });
}
[[nodiscard]] svm::mock::machine_options with_queues() {
  return with_queues([](auto&) {});
}

/// What a queue sees at `a` without any driver's help: a value, that it stands still, or a fault, which ends it.
struct seen {
  std::optional<std::uint64_t> value;
  bool waits = false;
  friend bool operator==(seen const&, seen const&) = default;
};
constexpr seen stands_still{{}, true};
constexpr seen faults{};

/// A machine whose GPU cannot replay a fault.
struct queue_world : world {
  explicit queue_world(svm::mock::machine_options const& o = with_queues()) : world(o) {}

  driver_type& queues = *first().views[0]->queues;

  [[nodiscard]] errc keep(cpu_va a, std::uint64_t size) { return queues.keep(span(a, size)); }
  [[nodiscard]] seen look(cpu_va a) {
    std::byte word[8];
    seen s;
    if (device.load(a, word, &s.waits)) {
      std::uint64_t value = 0;
      std::memcpy(&value, word, sizeof value);
      s.value = value;
    }
    return s;
  }
  [[nodiscard]] seen sees(std::uint64_t value) const { return {value, false}; }
  [[nodiscard]] bool is_mapped(cpu_va a) {
    auto const r = queues.svm().find(a);
    return r && r->mapping().has(page_flag::valid);
  }
  /// `size` bytes at `base`, tagged from 1 on, kept, and mapped.
  void keep_mapped(std::uint64_t size) {
    map(size);
    cpu_tag(base, size, 1);
    REQUIRE(keep(base, size) == errc::ok);
    REQUIRE(queues.restore() == errc::ok);
    REQUIRE(gpu_mapped_pages(base, size) == size / page_bytes);
  }
  bool event(cpu_va a, std::uint64_t size = page_bytes, invalidation_cause cause = invalidation_cause::clear) {
    return process.invalidate_only({span(a, size), cause});
  }
};

/// What a program may do to memory that is kept, and what its first page holds afterwards.
struct change {
  char const* name;
  std::function<void(queue_world&)> act;
  std::uint64_t first_word;
  enum class takes { always, device, system } where = takes::always;  ///< in which memory it costs the GPU its mapping
};
std::vector<change> const& changes() {
  auto const done = [](sys s) { REQUIRE(s == sys::ok); };
  static std::vector<change> const all{
      {"unmaps and maps again",
       [=](queue_world& w) {
         done(w.process.munmap(base, {2 * chunk}));
         w.map(2 * chunk);
       },
       0},
      {"drops the content", [=](queue_world& w) { done(w.process.madvise_dontneed(base, {2 * chunk})); }, 0},
      {"protects it and opens it again",
       [=](queue_world& w) {
         done(w.process.mprotect(base, {2 * chunk}, protection::none));
         done(w.process.mprotect(base, {2 * chunk}, protection::read_write));
       },
       1},
      {"touches it", [](queue_world& w) { REQUIRE(w.cpu_read(base) == 1u); }, 1, change::takes::device},
      {"writes to it", [=](queue_world& w) { done(w.cpu_write(base, 7)); }, 7, change::takes::device},
      {"forks, and the child writes", [=](queue_world& w) { done(store(w.fork(w.first()), base, 9)); }, 1},
      {"moves it away and back",
       [=](queue_world& w) {
         done(w.process.mremap(base, {2 * chunk}, {2 * chunk}, false, at(4 * MiB)).error);
         done(w.process.mremap(at(4 * MiB), {2 * chunk}, {2 * chunk}, false, base).error);
       },
       1},
      {"is swapped out", [](queue_world& w) { static_cast<void>(w.process.swap_out(base)); }, 1, change::takes::system},
  };
  return all;
}

/// Random calls on four ranges, two of which fit device memory, beside what each page must hold.
struct random_program {
  static constexpr std::uint64_t pages = 4 * chunk_pages;
  enum class state { unmapped, none, read_only, writable };
  struct model {
    state is = state::unmapped;
    std::uint64_t word = 0;
    bool kept = false;
  };

  explicit random_program(std::uint64_t seed) : draw(seed), done("seed " + std::to_string(seed)) {}

  svm::mock::random draw;
  std::string done;
  queue_world w{small_chunks(2 * chunk, [](auto& o) { o.faults = svm::mock::page_faults::fatal; })};
  std::vector<model> expected{pages};

  void step() {
    std::uint64_t const first = draw.below(pages);
    std::uint64_t const count = 1 + draw.below(std::min<std::uint64_t>(pages - first, 24));
    std::uint64_t const value = 1 + draw.below(1000);
    va_range const where = span(page_at(first), count * page_bytes);
    std::uint64_t const what = draw.below(12);
    done += "; " + std::to_string(what) + " " + std::to_string(first) + "+" + std::to_string(count);
    model& page = expected[first];
    switch (what) {
      case 0:
        REQUIRE(w.process.munmap(where.start(), where.size()) == sys::ok);
        return each(first, count, [](model& m) { m = {state::unmapped, 0, m.kept}; });
      case 1:
      case 2: {
        bool free = true;
        each(first, count, [&](model& m) { free = free && m.is == state::unmapped; });
        if (!free) return;
        w.map(where.size().value, where.start());
        return each(first, count, [](model& m) { m = {state::writable, 0, m.kept}; });
      }
      case 3: {
        auto const to = static_cast<state>(1 + draw.below(3));
        bool all = true;
        each(first, count, [&](model& m) { all = all && m.is != state::unmapped; });
        if (!all) return;
        protection const allowed[] = {protection::none, protection::read, protection::read_write};
        REQUIRE(w.process.mprotect(where.start(), where.size(), allowed[static_cast<std::size_t>(to) - 1]) == sys::ok);
        return each(first, count, [to](model& m) { m.is = to; });
      }
      case 4:
        static_cast<void>(w.process.madvise_dontneed(where.start(), where.size()));
        return each(first, count, [](model& m) { m.word = 0; });
      case 5:
      case 6:
        CHECK(w.cpu_write(page_at(first), value) == (page.is == state::writable ? sys::ok : sys::sigsegv));
        if (page.is == state::writable) page.word = value;
        return;
      case 7:
      case 8:
        if (w.gpu_write(page_at(first), value) == errc::ok) {
          CHECK(page.is == state::writable);
          page.word = value;
        } else {
          CHECK_FALSE((page.is == state::writable && page.kept));
        }
        return;
      case 9:
        REQUIRE(w.queues.keep(where) == errc::ok);
        return each(first, count, [](model& m) { m.kept = true; });
      case 10:
        REQUIRE(w.queues.forget(where) == errc::ok);
        return each(first, count, [](model& m) { m.kept = false; });
      default:
        if (draw.below(2) == 0)
          static_cast<void>(w.mover.evict_all());
        else if (w.queues.prefetch(where, static_cast<prefetch_place>(draw.below(3))) == errc::ok)
          each(first, count, [](model& m) { m.kept = true; });
    }
  }
  /// What a queue sees of every page, and what the CPU does of a few: the CPU's look takes memory from the device.
  void look_everywhere() {
    for (std::uint64_t i = 0; i < pages; ++i) {
      CAPTURE(i);
      model const& m = expected[i];
      bool const readable = m.is == state::read_only || m.is == state::writable;
      seen const s = w.look(page_at(i));
      CHECK_FALSE(s.waits);
      if (m.kept && readable) CHECK(s.value.has_value());
      if (s.value) CHECK((readable && *s.value == m.word));
    }
    std::uint64_t const i = draw.below(pages);
    bool const readable = expected[i].is == state::read_only || expected[i].is == state::writable;
    CHECK(w.cpu_read(page_at(i)) == (readable ? std::optional{expected[i].word} : std::nullopt));
    CHECK(w.queues.restore() == errc::ok);
  }

 private:
  template <class Act>
  void each(std::uint64_t first, std::uint64_t count, Act&& act) {
    for (std::uint64_t i = first; i < first + count; ++i) act(expected[i]);
  }
};

}  // namespace

TEST_SUITE("driver/queue_driver") {
  TEST_CASE("what is kept is mapped by the next restore, as a prefetch would, and is no fault") {
    queue_world w;
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    CHECK(w.keep(base, 2 * chunk) == errc::ok);
    CHECK(w.queues.keeps(span(base, 2 * chunk)));
    CHECK(w.gpu_mapped_pages(base, 4 * chunk) == 0);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.gpu_mapped_pages(base, 4 * chunk) == 2 * chunk_pages);
    CHECK(w.device_pages(base, 4 * chunk) == 2 * chunk_pages);
    CHECK(w.look(page_at(3)) == w.sees(4));
    CHECK(w.look(at(2 * chunk)) == faults);
    CHECK(w.count(event_kind::gpu_fault) == 0);
    CHECK(w.count(event_kind::range_created) == 2);
    CHECK(w.count(event_kind::migrated_to_device) == 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a restore that finds all mapped touches nothing and takes no memory") {
    queue_world w;
    w.keep_mapped(2 * chunk);
    auto const binds = w.failures.calls(failure::page_table);
    auto const blocks = w.failures.calls(failure::alloc);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.failures.calls(failure::page_table) == binds);
    CHECK(w.failures.calls(failure::alloc) == blocks);
  }

  TEST_CASE("an access elsewhere is refused, and nothing is made for it") {
    queue_world w;
    w.map(chunk);
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    std::byte word[8];
    CHECK(w.gpu_load(base, word) == errc::no_access);
    CHECK(w.gpu_write(base, 1) == errc::no_access);
    CHECK(w.gpu_load(at(MiB), word) == errc::no_access);
    CHECK(w.range_count() == 0);
    CHECK(w.count(event_kind::gpu_fault) == 0);
    CHECK(w.stats.count(event_kind::notifier_created) == 0);
  }

  TEST_CASE("what is prefetched is kept from then on, and what could not be is not") {
    queue_world w;
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    CHECK(w.queues.prefetch(span(base, chunk), prefetch_place::device) == errc::ok);
    CHECK(w.queues.keeps(span(base, chunk)));
    REQUIRE(w.cpu_write(base, 8) == sys::ok);
    CHECK(w.look(base) == stands_still);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == w.sees(8));

    REQUIRE(w.process.mprotect(at(chunk), {chunk}, protection::none) == sys::ok);
    CHECK(w.queues.prefetch(span(base, 2 * chunk), prefetch_place::as_fault) == errc::no_access);
    CHECK_FALSE(w.queues.keeps(span(at(chunk), page_bytes)));
    CHECK(w.queues.prefetch({base + byte_count{8}, byte_count{chunk}}, prefetch_place::as_fault) == errc::misaligned);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a prefetch that moves what is mapped lets the queues run again after a restore only") {
    queue_world w;
    w.keep_mapped(chunk);
    CHECK(w.queues.prefetch(span(base, chunk), prefetch_place::system) == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);
    CHECK(w.is_mapped(base));
    CHECK(w.look(base) == stands_still);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);  // a mapping that is there stays as it is
    CHECK(w.look(base) == w.sees(1));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("an event that a restore could not know of before the span was kept stops the queues again") {
    queue_world w;
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    int ranges = 0;
    w.stats.listener = [&](svm::event const& e) { ranges += e.kind == event_kind::range_created ? 1 : 0; };
    bool acted = false;
    w.hooks.hook = [&](step s) {
      if (s != step::preparing || ranges != 2 || std::exchange(acted, true)) return;
      as_another_thread([&] {
        CHECK(w.event(base));
        CHECK(w.queues.restore() == errc::ok);  // keeps nothing yet
        CHECK(w.device.queues_run());
      });
    };
    CHECK(w.queues.prefetch(span(base, 2 * chunk), prefetch_place::as_fault) == errc::ok);
    w.hooks.hook = nullptr;
    w.stats.listener = nullptr;
    CHECK(acted);
    CHECK(w.look(base) == stands_still);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == w.sees(1));
  }

  TEST_CASE("whatever a program does to what is kept: the queues stand still, and a restore maps what is there then") {
    for (migration_mode const mode : {migration_mode::where_possible, migration_mode::never})
      for (change const& c : changes()) {
        CAPTURE(std::string{c.name});
        bool const moves = mode != migration_mode::never;
        CAPTURE(moves);
        queue_world w{with_queues([mode](auto& o) { o.driver.migrate = mode; })};
        w.keep_mapped(2 * chunk);
        bool const takes_it = c.where == change::takes::always || (c.where == change::takes::device) == moves;
        c.act(w);
        CHECK(w.queues.needs_restore() == takes_it);
        if (takes_it) CHECK(w.look(base) == stands_still);
        CHECK(w.complaint() == "");
        CHECK(w.queues.restore() == errc::ok);
        CHECK_FALSE(w.queues.needs_restore());
        CHECK(w.look(base) == w.sees(c.first_word));
        CHECK(w.gpu_mapped_pages(base, 2 * chunk) == 2 * chunk_pages);
        CHECK(w.gpu_write(page_at(5), 77) == errc::ok);
        CHECK(w.cpu_read(page_at(5)) == 77u);
        CHECK(w.count(event_kind::gpu_fault) == 0);
        CHECK(w.complaint() == "");
      }
  }

  TEST_CASE("the queues stand still before the first mapping goes, and until all are back") {
    queue_world w{with_queues([](auto& o) { o.driver.migrate = migration_mode::never; })};
    w.keep_mapped(2 * chunk);
    bool between = false;
    interfere(w, step::told, [&] {
      between = true;
      CHECK_FALSE(w.device.queues_run());
      CHECK(w.gpu_mapped_pages(base, 2 * chunk) == chunk_pages);
    });
    CHECK(w.event(page_at(3)));
    CHECK(between);
    int bound = 0;
    w.hooks.hook = [&](step s) {
      if (s != step::preparing) return;
      ++bound;
      CHECK_FALSE(w.device.queues_run());
    };
    CHECK(w.event(at(chunk)));
    CHECK(w.queues.restore() == errc::ok);
    CHECK(bound == 2);
    CHECK(w.device.queues_run());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a mapping that goes under running queues, and an access of one that is stopped, break a rule") {
    queue_world w;
    w.keep_mapped(chunk);
    std::byte word[8];
    w.device.stop_queues();
    CHECK_FALSE(w.device.load(base, word));
    CHECK(w.broken.take() == std::vector<std::string>{"O-51: an access by a queue that is stopped"});
    w.device.stop_queues();
    CHECK(w.broken.take() == std::vector<std::string>{"O-51: queues are stopped that stand still"});
    w.device.resume_queues();
    w.device.resume_queues();
    CHECK(w.broken.take() == std::vector<std::string>{"O-51: queues are resumed that run"});
    w.device.invalidate(span(base, page_bytes));
    CHECK(w.broken.take() == std::vector<std::string>{"O-52: a mapping goes while the queues run that may use it"});
    static_cast<void>(w.finish());
  }

  TEST_CASE("an event that takes no mapping of this GPU leaves its queues alone") {
    queue_world w;
    w.keep_mapped(chunk);
    w.map(chunk, at(4 * chunk));
    REQUIRE(w.process.munmap(at(4 * chunk), {chunk}) == sys::ok);
    CHECK(w.look(base) == w.sees(1));
    REQUIRE(w.cpu_write(base, 2) == sys::ok);
    CHECK(w.queues.needs_restore());
    CHECK(w.queues.restore() == errc::ok);
    task& child = w.fork(w.first());
    CHECK(w.queues.restore() == errc::ok);
    REQUIRE(child.process.munmap(base, {chunk}) == sys::ok);
    CHECK(w.look(base) == w.sees(2));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("each process has queues of its own, and so has each GPU") {
    queue_world w{with_queues([](auto& o) {
      o.gpus = 2;
      o.driver.migrate = migration_mode::never;
    })};
    w.keep_mapped(chunk);
    machine::view& other = *w.first().views[1];
    REQUIRE(other.queues->keep(span(base, chunk)) == errc::ok);
    task& child = w.fork(w.first());
    CHECK_FALSE(child.views[0]->queues->keeps(span(base, page_bytes)));
    REQUIRE(child.views[0]->queues->keep(span(base, chunk)) == errc::ok);
    for (auto* const v : {w.first().views[0], &other, child.views[0]}) REQUIRE(v->queues->restore() == errc::ok);
    CHECK(w.event(base));
    CHECK_FALSE(w.device.queues_run());
    CHECK_FALSE(other.device.queues_run());
    CHECK(child.views[0]->device.queues_run());
    CHECK(other.queues->restore() == errc::ok);
    CHECK_FALSE(w.device.queues_run());
    CHECK(other.device.queues_run());
    CHECK(gpu_load(w, w.first(), 1, page_at(2)) == 3u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("holes and memory that the CPU may not access stay unmapped, and hold up nobody") {
    queue_world w;
    w.keep_mapped(4 * chunk);
    REQUIRE(w.process.munmap(at(chunk), {chunk}) == sys::ok);
    REQUIRE(w.process.mprotect(at(2 * chunk), {chunk}, protection::none) == sys::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.count(event_kind::retry_after_event) == 0);  // one walk
    CHECK(w.look(base) == w.sees(1));
    CHECK(w.look(at(chunk)) == faults);
    CHECK(w.look(at(2 * chunk)) == faults);
    CHECK(w.look(at(3 * chunk)) == w.sees(3 * chunk_pages + 1));
    std::byte word[8];
    CHECK(w.gpu_load(at(2 * chunk), word) == errc::no_access);
    CHECK(w.queues.keeps(span(base, 4 * chunk)));  // what comes there is mapped
    CHECK(w.complaint() == "");
  }

  TEST_CASE("memory that the CPU may only read is mapped so, and a write of a queue fails there") {
    queue_world w;
    w.keep_mapped(chunk);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(page_at(2)) == w.sees(3));
    CHECK(w.gpu_write(page_at(2), 1) == errc::no_access);
    CHECK(w.gpu_read(page_at(2)) == 3u);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read_write) == sys::ok);
    CHECK(w.gpu_write(page_at(2), 1) == errc::ok);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU that may not write has all read-only, and a write is refused before anything else") {
    queue_world w{with_queues([](auto& o) { o.driver.read_only = true; })};
    w.keep_mapped(chunk);
    CHECK(w.gpu_read(base) == 1u);
    CHECK(w.gpu_write(base, 2) == errc::read_only);
    CHECK(w.gpu_write(at(MiB), 2) == errc::read_only);
  }

  TEST_CASE("an atomic access works on the GPU's own memory, and is refused elsewhere") {
    for (bool const local : {true, false}) {
      queue_world w{with_queues(
          [local](auto& o) { o.driver.migrate = local ? migration_mode::where_possible : migration_mode::never; })};
      w.keep_mapped(chunk);
      std::uint64_t old = 0;
      CHECK(w.gpu_atomic_add(w.first(), 0, base, 4, old) == (local ? errc::ok : errc::no_access));
      CHECK(w.cpu_read(base) == (local ? 5u : 1u));
    }
  }

  TEST_CASE("what is forgotten is mapped until an event takes it, and not again") {
    queue_world w;
    w.keep_mapped(2 * chunk);
    CHECK(w.queues.forget(span(at(chunk), chunk)) == errc::ok);
    CHECK(w.look(at(chunk)) == w.sees(chunk_pages + 1));
    REQUIRE(w.process.madvise_dontneed(base, {2 * chunk}) == sys::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == w.sees(0));
    CHECK(w.look(at(chunk)) == faults);
    CHECK(w.queues.forget({base + byte_count{1}, byte_count{chunk}}) == errc::misaligned);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a span that cannot be kept changes nothing") {
    queue_world w{with_queues([](auto& o) { o.window = span(base, MiB); })};
    w.map(chunk);
    CHECK(w.queues.keep({base + byte_count{8}, byte_count{page_bytes}}) == errc::misaligned);
    CHECK(w.queues.keep({base, byte_count{8}}) == errc::misaligned);
    CHECK(w.keep(at(MiB), page_bytes) == errc::outside_window);
    CHECK(w.keep(at(MiB - page_bytes), 2 * page_bytes) == errc::outside_window);
    CHECK(w.queues.prefetch(span(at(MiB - page_bytes), 2 * page_bytes), prefetch_place::as_fault) ==
          errc::outside_window);
    w.failures.arm(failure::alloc, 1);
    CHECK(w.keep(base, chunk) == errc::no_memory);
    CHECK_FALSE(w.queues.keeps(span(base, page_bytes)));
    CHECK_FALSE(w.queues.keeps(span(at(MiB - page_bytes), page_bytes)));
    w.queues.close();
    CHECK(w.keep(base, chunk) == errc::gone);
    CHECK_FALSE(w.queues.keeps(span(base, page_bytes)));
  }

  TEST_CASE("an event on what a restore has mapped already sends it round again before the queues run") {
    struct storm {
      int events;
      migration_mode mode;
    };
    for (storm const& s :
         {storm{1, migration_mode::never}, storm{3, migration_mode::never}, storm{15, migration_mode::never},
          storm{1, migration_mode::where_possible}, storm{15, migration_mode::where_possible}}) {
      CAPTURE(s.events);
      queue_world w{with_queues([&s](auto& o) { o.driver.migrate = s.mode; })};
      w.keep_mapped(2 * chunk);
      REQUIRE(w.event(base, 2 * chunk));
      int left = s.events;
      std::uint64_t const rounds = w.count(event_kind::retry_after_event);
      w.hooks.hook = [&](step at_step) {
        if (at_step == step::preparing)
          as_another_thread([&] {
            // A range is about to be bound: the other one, if it is already, goes again.
            CHECK_FALSE(w.device.queues_run());
            cpu_va const other = w.gpu_mapped_pages(base, chunk) != 0 ? base : at(chunk);
            if (left == 0 || w.gpu_mapped_pages(other, chunk) == 0) return;
            --left;
            CHECK(w.event(other));
          });
      };
      CHECK(w.queues.restore() == errc::ok);
      w.hooks.hook = nullptr;
      CHECK(left == 0);
      CHECK(w.count(event_kind::retry_after_event) > rounds);
      CHECK(w.look(base) == w.sees(1));
      CHECK(w.look(at(chunk)) == w.sees(chunk_pages + 1));
      // No event moved anything, and so did no restore.
      CHECK(w.device_pages(base, 2 * chunk) == (s.mode == migration_mode::never ? 0 : 2 * chunk_pages));
      CHECK(w.count(event_kind::migrated_to_system) == 0);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("memory that goes while it is restored is looked for again, and mapped where it has come back") {
    queue_world w;
    w.map(chunk);
    REQUIRE(w.keep(base, chunk) == errc::ok);
    interfere(w, step::registering, [&] { REQUIRE(w.process.munmap(base, {chunk}) == sys::ok); });
    w.stats.listener = [&](svm::event const& e) {
      if (e.kind == event_kind::retry_after_event) as_another_thread([&] { w.map(chunk); });
    };
    CHECK(w.queues.restore() == errc::ok);
    w.stats.listener = nullptr;
    w.hooks.hook = nullptr;
    CHECK(w.count(event_kind::retry_after_event) == 1);
    CHECK(w.look(base) == w.sees(0));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("under an endless storm a restore gives up after sixteen rounds, and the queues stand still") {
    queue_world w{with_queues([](auto& o) { o.driver.migrate = migration_mode::never; })};
    w.keep_mapped(2 * chunk);
    REQUIRE(w.event(base, 2 * chunk));
    std::uint64_t binds = 0;
    std::uint64_t const before = w.count(event_kind::retry_after_event);
    w.hooks.hook = [&](step s) {
      if (s != step::preparing) return;
      // Each bind costs the other range its mapping.
      cpu_va const other = ++binds % 2 == 1 ? at(chunk) : base;
      as_another_thread([&] { CHECK(w.event(other)); });
    };
    CHECK(w.queues.restore() == errc::busy);
    w.hooks.hook = nullptr;
    CHECK(w.count(event_kind::retry_after_event) - before <=
          svm::detail::retry_budget<svm::mock::virtual_clock>::event_rounds);
    CHECK(binds >= 16);
    CHECK(w.look(base) == stands_still);
    CHECK(w.complaint() == "");
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == w.sees(1));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a failure at any step of a restore leaves the queues stopped, loses nothing, and the next one succeeds") {
    auto const setup = [](world& w) {
      w.map(2 * chunk);
      w.cpu_tag(base, 2 * chunk, 1);
      auto& queues = *w.first().views[0]->queues;
      REQUIRE(queues.keep(span(base, 3 * chunk)) == errc::ok);
      REQUIRE(queues.restore() == errc::ok);
      REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
      REQUIRE(w.cpu_read(at(chunk)) == chunk_pages + 1);
      w.map(chunk, at(2 * chunk));
    };
    for (migration_mode const mode :
         {migration_mode::where_possible, migration_mode::never, migration_mode::required}) {
      auto const call = [](world& w) {
        auto& queues = *w.first().views[0]->queues;
        errc const e = queues.restore();
        CHECK(w.device.queues_run() == (e == errc::ok));
        CHECK(queues.needs_restore() == (e != errc::ok));
        if (e != errc::ok) return e;
        CHECK(w.gpu_mapped_pages(base, 3 * chunk) == 3 * chunk_pages);
        CHECK(w.gpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
        CHECK(w.gpu_read(at(2 * chunk)) == 0u);
        return e;
      };
      auto const o = with_queues([mode](auto& options) { options.driver.migrate = mode; });
      std::vector<failure> kinds{failure::alloc, failure::dma_map, failure::page_table};
      if (mode == migration_mode::never)
        kinds.push_back(failure::ram);
      else
        kinds.insert(kinds.end(), {failure::copy, failure::populate});
      for (failure const kind : kinds)
        fail_each(o, kind,
                  {errc::no_memory, errc::no_ram, errc::dma_map_failed, errc::copy_failed, errc::no_device_memory},
                  setup, call, [](world& w) { return w.count(event_kind::gpu_fault) == 0; });
    }
  }

  TEST_CASE("a restore that is cancelled in any round leaves the queues stopped") {
    for (std::uint64_t rounds = 0;; ++rounds) {
      CAPTURE(rounds);
      REQUIRE(rounds < 100);
      queue_world w;
      w.keep_mapped(2 * chunk);
      REQUIRE(w.process.mprotect(base, {2 * chunk}, protection::read) == sys::ok);
      cancel_after const limit{rounds};
      errc const e = w.queues.restore(&limit);
      CHECK(e == (limit.has_struck() ? errc::interrupted : errc::ok));
      CHECK(w.queues.needs_restore() == limit.has_struck());
      CHECK(w.complaint() == "");
      CHECK(w.queues.restore() == errc::ok);
      CHECK(w.look(base) == w.sees(1));
      if (!limit.has_struck()) {
        // Also where there is nothing to do: once before the round, and once for each range and the end of them.
        cancel_after const idle{100};
        CHECK(w.queues.restore(&idle) == errc::ok);
        CHECK(idle.asked() == 1 + 2 + 1);
        cancel_after const at_once{0};
        CHECK(w.queues.restore(&at_once) == errc::interrupted);
        CHECK(rounds > 3);
        break;
      }
    }
  }

  TEST_CASE("a driver that is suspended or closed has its queues stopped, and restores nothing") {
    for (std::uint64_t const size : {chunk, std::uint64_t{0}}) {
      queue_world w;
      if (size != 0) w.keep_mapped(size);
      w.queues.suspend();
      CHECK_FALSE(w.device.queues_run());
      CHECK_FALSE(w.device.has_mappings());
      CHECK(w.queues.restore() == errc::retry);
      CHECK_FALSE(w.device.queues_run());
      std::byte word[8];
      CHECK(w.gpu_load(base, word) == errc::retry);
      w.queues.resume();
      CHECK(w.queues.restore() == errc::ok);
      CHECK(w.device.queues_run());
      if (size != 0) CHECK(w.look(base) == w.sees(1));

      w.queues.close();
      CHECK_FALSE(w.device.queues_run());
      CHECK(w.queues.restore() == errc::gone);
      CHECK(w.gpu_load(base, word) == errc::gone);
      CHECK(w.queues.prefetch(span(base, chunk), prefetch_place::as_fault) == errc::gone);
      w.queues.close();
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a reset takes the mappings from queues that stand still, and a restore puts them back") {
    queue_world w;
    w.keep_mapped(2 * chunk);
    w.queues.reset();
    CHECK(w.gpu_mapped_pages(base, 2 * chunk) == 0);
    CHECK(w.look(base) == stands_still);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.gpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a mapping that goes since it could not be made anew goes from queues that stand still") {
    queue_world w;
    w.keep_mapped(chunk);
    w.failures.arm(failure::page_table, 1);
    static_cast<void>(w.queues.prefetch(span(base, chunk), prefetch_place::as_fault));
    w.failures.disarm();
    CHECK(w.complaint() == "");
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == w.sees(1));
  }

  TEST_CASE("what a reset of the GPU lost stays unmapped, and the rest comes back") {
    queue_world w;
    w.keep_mapped(2 * chunk);
    REQUIRE(w.queues.prefetch(span(at(chunk), chunk), prefetch_place::system) == errc::ok);
    REQUIRE(w.queues.restore() == errc::ok);
    w.reset(0);
    CHECK_FALSE(w.device.queues_run());
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == faults);
    CHECK(w.look(at(chunk)) == w.sees(chunk_pages + 1));
    REQUIRE(w.process.madvise_dontneed(base, {chunk}) == sys::ok);
    CHECK(w.gpu_read(base) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("spans that do not fit device memory together come to rest in both memories") {
    queue_world w{small_chunks(2 * chunk, [](auto& o) { o.faults = svm::mock::page_faults::fatal; })};
    constexpr std::uint64_t size = 5 * chunk;
    w.map(size);
    w.cpu_tag(base, size, 1);
    REQUIRE(w.keep(base, size) == errc::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.device_pages(base, size) == 2 * chunk_pages);
    CHECK(w.gpu_mapped_pages(base, size) == 5 * chunk_pages);
    std::uint64_t const moved = w.count(event_kind::migrated_to_device);
    CHECK(moved == 5);
    CHECK(w.gpu_tags_until(base, size, 1) == size);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.count(event_kind::migrated_to_device) == moved);
    // The CPU takes one back: it moves in for another, which is mapped where it went.
    cpu_va const there = at(4 * chunk);
    REQUIRE(w.device_pages(there, chunk) == chunk_pages);
    REQUIRE(w.cpu_write(there, 3) == sys::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.count(event_kind::migrated_to_device) == moved + 1);
    CHECK(w.look(there) == w.sees(3));
    CHECK(w.gpu_mapped_pages(base, size) == 5 * chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("where only device memory will do, too little of it is an error, and memory of another kind is passed by") {
    queue_world w{small_chunks(2 * chunk, [](auto& o) {
      o.faults = svm::mock::page_faults::fatal;
      o.driver.migrate = migration_mode::required;
    })};
    w.map(chunk, base);
    w.map(chunk, at(chunk), protection::read_write, mapping_kind::shared);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.keep(base, 2 * chunk) == errc::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(base) == w.sees(1));
    CHECK(w.look(at(chunk)) == faults);
    w.map(2 * chunk, at(2 * chunk));
    REQUIRE(w.keep(at(2 * chunk), 2 * chunk) == errc::ok);
    CHECK(w.queues.restore() == errc::busy);
    CHECK(w.look(base) == stands_still);
    CHECK(w.queues.forget(span(base, chunk)) == errc::ok);
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.look(at(3 * chunk)) == w.sees(0));
    CHECK(w.complaint() == "");
  }

  TEST_CASE("where only device memory will do, a restore of more than it holds fills it once, and is an error") {
    struct demand {
      std::uint64_t kept;
      std::uint64_t begin;  // of what is kept of each range, which has to be in the device's memory whole
    };
    for (demand const& d : {demand{3, 0}, demand{5, 0}, demand{16, 0}, demand{4, chunk / 2}}) {
      std::uint64_t const kept = d.kept;
      std::uint64_t const begin = d.begin;
      CAPTURE(kept);
      CAPTURE(begin);
      queue_world w{small_chunks(2 * chunk, [](auto& o) {
        o.faults = svm::mock::page_faults::fatal;
        o.driver.migrate = migration_mode::required;
      })};
      w.map(kept * chunk);
      w.cpu_tag(base, kept * chunk, 1);
      for (std::uint64_t n = 0; n < kept; ++n) REQUIRE(w.keep(at(n * chunk + begin), chunk - begin) == errc::ok);
      for (int again = 0; again < 3; ++again) {
        std::uint64_t const moved = w.count(event_kind::migrated_to_device);
        std::uint64_t const evicted = w.count(event_kind::evicted);
        CHECK(w.queues.restore() == errc::busy);
        // Two ranges fit; the third is one too many, and nothing comes after it, or comes twice.
        CHECK(w.count(event_kind::migrated_to_device) - moved <= 3);
        CHECK(w.count(event_kind::evicted) - evicted <= 3);
        CHECK(w.look(at(begin)) == stands_still);
      }
      CHECK(w.count(event_kind::retry_after_event) == 0);
      CHECK(w.queues.forget(span(at(2 * chunk), (kept - 2) * chunk)) == errc::ok);
      CHECK(w.queues.restore() == errc::ok);
      CHECK(w.device_pages(base, 2 * chunk) == 2 * chunk_pages);
      CHECK(w.gpu_tags_until(base, 2 * chunk, 1) == 2 * chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("where only device memory will do, what is kept may fill it, beside what the program wants elsewhere") {
    queue_world w{small_chunks(2 * chunk, [](auto& o) {
      o.faults = svm::mock::page_faults::fatal;
      o.driver.migrate = migration_mode::required;
    })};
    svm::span_attributes const system{.preferred = svm::preferred_place::system};
    REQUIRE(w.queues.advise(span(at(2 * chunk), 2 * chunk), system) == errc::ok);
    w.keep_mapped(4 * chunk);
    CHECK(w.device_pages(base, 4 * chunk) == 2 * chunk_pages);
    CHECK(w.gpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
    // An event sends a restore round again, which counts anew.
    REQUIRE(w.event(base, 2 * chunk));
    int left = 2;
    w.hooks.hook = [&](step s) {
      if (s != step::preparing || left == 0) return;
      as_another_thread([&] {
        // A range is about to be bound: the other one, if it is already, goes again.
        cpu_va const other = w.gpu_mapped_pages(base, chunk) != 0 ? base : at(chunk);
        if (w.gpu_mapped_pages(other, chunk) == 0) return;
        --left;
        CHECK(w.event(other));
      });
    };
    CHECK(w.queues.restore() == errc::ok);
    w.hooks.hook = nullptr;
    CHECK(left == 0);
    CHECK(w.count(event_kind::retry_after_event) == 2);
    CHECK(w.device_pages(base, 4 * chunk) == 2 * chunk_pages);
    CHECK(w.gpu_tags_until(base, 4 * chunk, 1) == 4 * chunk);
    CHECK(w.count(event_kind::migrated_to_device) == 2);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("advice takes the mappings from queues that stand still, also where a range has two pieces of it") {
    queue_world w;
    w.keep_mapped(chunk);
    svm::span_attributes const system{.preferred = svm::preferred_place::system};
    CHECK(w.queues.advise(span(page_at(4), 4 * page_bytes), system) == errc::ok);
    CHECK(w.look(base) == stands_still);
    CHECK(w.complaint() == "");
    CHECK(w.queues.restore() == errc::ok);
    CHECK(w.device_pages(page_at(4), 4 * page_bytes) == 0);
    CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("the collector's work is done on the way, and ranges it leaves in pieces are mapped again") {
    for (svm::partial_unmap const rest : {svm::partial_unmap::evict, svm::partial_unmap::split}) {
      queue_world w{with_queues([rest](auto& o) { o.driver.rest = rest; })};
      w.keep_mapped(chunk);
      REQUIRE(w.process.munmap(page_at(4), {4 * page_bytes}) == sys::ok);
      CHECK(w.queues.restore() == errc::ok);
      CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages - 4);
      CHECK(w.look(page_at(4)) == faults);
      CHECK(w.look(page_at(3)) == w.sees(4));
      CHECK(w.look(page_at(8)) == w.sees(9));
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("random programs: queues find every word of what is kept, and no more than the CPU may see") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      random_program p{seed};
      for (int i = 0; i < 80; ++i) {
        p.step();
        CAPTURE(p.done);
        REQUIRE(p.w.queues.restore() == errc::ok);
        p.look_everywhere();
        REQUIRE(p.w.complaint() == "");
      }
    }
  }

  TEST_CASE("a process that exits stops its queues, and a restore says that it is gone") {
    queue_world w;
    w.keep_mapped(chunk);
    w.process.exit();
    CHECK_FALSE(w.device.queues_run());
    CHECK(w.queues.restore() == errc::mm_gone);
    CHECK_FALSE(w.device.queues_run());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a GPU that is taken away refuses its accesses") {
    queue_world w;
    w.keep_mapped(chunk);
    CHECK(w.unplug(0) == errc::ok);
    std::byte word[8];
    CHECK(w.gpu_load(base, word) == errc::device_gone);
    CHECK(w.cpu_read(base) == 1u);
  }
}

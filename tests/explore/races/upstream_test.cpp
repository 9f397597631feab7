// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Races that the reference lost once, or loses still.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <explore/races/race.hpp>

using namespace races;

namespace {

constexpr std::size_t mover = 0, cpu = 1;  // the threads of a race, in the order in which they are added

/// Lets the first thread go first for so many steps; from then on the second one has precedence whenever it can go on.
class precedence_after final : public explore::strategy {
 public:
  explicit precedence_after(std::size_t steps) : steps_(steps) {}

  [[nodiscard]] std::string name() const override { return "precedence after " + std::to_string(steps_); }
  [[nodiscard]] bool start(std::uint64_t, std::size_t) override {
    taken_ = 0;
    return true;
  }
  [[nodiscard]] std::size_t choose(explore::decision const& d) override {
    std::size_t const first = taken_++ < steps_ ? mover : cpu;
    return explore::contains(d.enabled, first) ? first : explore::first_of(d.enabled);
  }

 private:
  std::size_t steps_;
  std::size_t taken_ = 0;
};

/// What the threads of one execution did.
struct tally_of_steps {
  std::uint64_t mover_steps = 0;  ///< before the CPU's first
  std::uint64_t waits = 0;        ///< of the CPU, for an event
  std::uint64_t notes = 0;        ///< of the mover, that something changed
};
[[nodiscard]] tally_of_steps count(std::vector<explore::step_record> const& steps) {
  tally_of_steps n;
  bool cpu_came = false;
  for (explore::step_record const& s : steps) {
    std::string const what = s.name.what.text;
    cpu_came = cpu_came || s.thread == cpu;
    n.mover_steps += !cpu_came ? 1 : 0;
    n.waits += s.thread == cpu && what == "wait" ? 1 : 0;
    n.notes += s.thread == mover && what == "notify" ? 1 : 0;
  }
  return n;
}

/// A CPU that reads a page while it moves, and has precedence from any step of the mover on: it waits for the mover to
/// tell of a change, and looks once for each that it was told of; the mover comes to its end.
template <class Move>
void cpu_waits_for(char const* name, world* (*make)(), std::uint64_t word, Move move) {
  std::uint64_t faults = 0;
  race r{name, make};
  r.thread("mover").does("move", move);
  r.thread("cpu").does("read", [word, &faults](world& w) {
    must(w.cpu_read(page_at(0)) == word, "the CPU reads the word that is there");
    faults = w.process.cpu_faults();
  });
  std::uint64_t before = 0;
  {
    world* const w = make();
    before = w->process.cpu_faults();
    delete w;
  }

  std::uint64_t parked = 0;
  explore::scheduler& on = explore::shared_scheduler();
  for (std::size_t n = 0;; ++n) {
    REQUIRE(n < 1000);
    CAPTURE(n);
    precedence_after how{n};
    REQUIRE(how.start(0, 2));
    explore::ending const end = on.run(r, r.everything(), how, {});
    CHECK_MESSAGE(end == explore::ending::complete, doctest::toString(to_string(on.failed())));
    tally_of_steps const seen = count(on.steps());
    // A fault that did not end in a wait finds the page where it is, or brings it back and looks again.
    CHECK(seen.waits <= seen.notes);
    CHECK(faults - before <= seen.waits + 2);
    parked += seen.waits != 0 ? 1 : 0;
    if (seen.mover_steps < n) break;  // it was at its end before
  }
  CHECK(parked > 0);
}

template <bool OnDevice, unsigned Gpus = 1>
world* moving() {
  auto* const w = new world{small([](auto& o) {
    o.gpus = Gpus;
    o.driver.migrate = migration_mode::where_possible;
  })};
  w->map(pages(0, range_pages));
  must(w->cpu_write(page_at(0), 9) == sys::ok && w->cpu_write(page_at(1), 9) == sys::ok, "the CPU may write");
  if (OnDevice) must(w->gpu_read(page_at(0)).error == errc::ok, "the GPU may read");
  return w;
}

/// A range that two GPUs have mapped, by one pages object each.
struct two_devices : world {
  two_devices() : world(small([](auto& o) { o.gpus = 2; })) {
    map(pages(0, range_pages));
    must(gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
    auto held = hold();
    must(driver.svm().attach(held, *guest) == errc::ok, "a mapping of another device is attached");
    first().buffers.push_back(pages(0, range_pages));  // the other GPU maps it, and its own driver has no range there
  }
  ~two_devices() override { drop_guest(); }
  [[nodiscard]] svm::locked_range<policies> hold() { return driver.svm().lock_range(driver.svm().find(page_at(0))); }
  void drop_guest() {
    if (!guest) return;
    auto held = hold();
    driver.svm().detach(held, *guest);
    guest.reset();
  }
  /// Maps the range for the second GPU, which then reads, where no event comes in between.
  void use_guest() {
    auto held = hold();
    errc e = errc::retry;
    for (int i = 0; i < 8 && e == errc::retry; ++i) {
      e = driver.svm().get_pages(held, *guest, {});
      if (e == errc::ok) e = driver.svm().bind(held, *guest);
    }
    must(e == errc::ok, "memory that is there can be mapped");
  }
  /// What a GPU has in the first page, where it has a mapping.
  [[nodiscard]] std::optional<std::uint64_t> sees(std::size_t gpu) {
    std::byte word[8];
    if (!first().views[gpu]->device.load(page_at(0), word)) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }

  svm::environment<policies> env{process, first().views[1]->device, gpu_card(1).memory, memory, clock, stats};
  std::optional<svm::device_mapping<policies>> guest{std::in_place, env};
};

}  // namespace

TEST_SUITE("explore/races, upstream") {
  // CVE-2026-43404: a CPU fault on a page under migration tried the page's lock again and again, and starved the work
  // that the migration itself had to get done.
  TEST_CASE("a CPU fault on a page on its way to a device sleeps, and the migration ends though the CPU goes first") {
    cpu_waits_for("CPU fault and migration", moving<false>, 9, [](world& w) {
      auto found = w.driver.svm().find_or_insert(page_at(0), {.devmem_possible = true});
      must(found.has_value(), "memory that is there gets a range");
      auto held = w.driver.svm().lock_range(std::move(found->range));
      errc const e = w.driver.migrate_to_device(held, {});
      must(is_one_of(e, {errc::ok, errc::busy, errc::in_use}),
           "a migration ends well, or finds that the CPU was first");
    });
  }

  TEST_CASE("a CPU fault on a page on its way back sleeps, and the eviction ends though the CPU goes first") {
    cpu_waits_for("CPU fault and eviction", moving<true>, 9, [](world& w) {
      static_cast<void>(w.mover.evict_all());
      must(w.device_memory.used() == byte_count{} || w.mover.evict_all() == errc::ok, "the memory comes back");
    });
  }

  TEST_CASE("a CPU fault on a page on its way to another device sleeps, and that migration ends too") {
    cpu_waits_for("CPU fault and migration between devices", moving<true, 2>, 9, [](world& w) {
      errc const e = w.gpu_card(1).mover.migrate_to_device(w.process, pages(0, range_pages), {});
      must(is_one_of(e, {errc::ok, errc::busy, errc::in_use}),
           "a migration ends well, or finds that the CPU was first");
    });
  }

  TEST_CASE("a CPU fault on a page that another CPU fault brings back sleeps until it is there") {
    cpu_waits_for("CPU fault and CPU fault", moving<true>, 9,
                  [](world& w) { must(w.cpu_read(page_at(1)) == 9, "the CPU reads the word that is there"); });
  }

  // Still open in the reference: the array and the single entry of a mapping share their place, and one becomes the other
  // with the notifier's lock held shared.
  TEST_CASE("two devices map one range while its pages go: each maps what the CPU maps, or nothing") {
    race r{"two devices map one range", +[]() -> world* { return new two_devices; }};
    r.thread("gpu 0").does(
        "read", [](world& w) { must(w.gpu_read(page_at(1)).error == errc::ok, "memory that is there can be read"); });
    r.thread("gpu 1").does("use", [](world& w) { static_cast<two_devices&>(w).use_guest(); });
    r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); }).does("write", [](world& w) {
      must(w.cpu_write(page_at(0), 7) == sys::ok, "the CPU may write");
    });
    r.finally([](world& w) {
      auto& mine = static_cast<two_devices&>(w);
      for (std::size_t n : {0u, 1u}) must(mine.sees(n).value_or(7) == 7, "a GPU maps what the CPU maps, or nothing");
      mine.drop_guest();
    });
    r.sample();
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Faults that take no lock, since the page is bound, beside all that takes it from the device.

#include <explore/races/actions.hpp>

using namespace races;

namespace {

/// Remembers for each of two GPU threads whether its page was bound at some moment since it asked.
class watched : public world {
 public:
  using world::world;

  void begin(std::size_t who) { bound_[who] = gpu_pages(pages(0, 1)) != 0; }
  /// After each step; where somebody is changing the page table, the step after the change tells.
  void look() {
    if (!first().views[0]->device.is_at_rest() || !dma.is_at_rest()) return;
    if (gpu_pages(pages(0, 1)) != 0) bound_[0] = bound_[1] = true;
  }
  [[nodiscard]] bool was_bound(std::size_t who) const { return bound_[who]; }

 private:
  bool bound_[2] = {};
};
watched& of(world& w) {
  return static_cast<watched&>(w);
}

template <migration_mode Mode>
world* bound() {
  auto* const w = new watched{small([](auto& o) { o.driver.migrate = Mode; })};
  w->map(pages(0, range_pages));
  must(w->gpu_write(page_at(0), 8) == errc::ok, "the GPU may write");
  return w;
}
constexpr auto in_system_memory = bound<migration_mode::never>;
constexpr auto in_device_memory = bound<migration_mode::where_possible>;

errc fault(world& w, std::size_t who) {
  of(w).begin(who);
  errc const e = w.driver.fault(page_at(0), svm::access_kind::write);
  if (e == errc::ok) must(of(w).was_bound(who), "who was served could access the page at some moment of the call");
  return e;
}
auto faults_unless(std::initializer_list<errc> refusals, std::size_t who = 0) {
  return [who, allowed = std::vector<errc>(refusals)](world& w) {
    errc const e = fault(w, who);
    must(e == errc::ok || std::ranges::find(allowed, e) != allowed.end(),
         "a fault is served, or refused for the right reason");
  };
}
/// Bound like the above, in two ranges.
world* in_two_ranges() {
  auto* const w = new watched{small([](auto&) {})};
  w->map(pages(0, 2 * range_pages));
  for (std::uint64_t const page : {std::uint64_t{0}, range_pages})
    must(w->gpu_write(page_at(page), 8) == errc::ok, "the GPU may write");
  return w;
}
/// Faults in two ranges, of which the second is not served when the first was refused. The first is unmapped first.
auto faults_twice(errc refusal) {
  return [refusal](world& w) {
    errc const first = w.driver.fault(page_at(0), svm::access_kind::write);
    errc const second = w.driver.fault(page_at(range_pages), svm::access_kind::write);
    for (errc const e : {first, second}) must(is_one_of(e, {errc::ok, refusal}), "a fault is served or refused");
    must(first == errc::ok || second == refusal, "what was refused once stays refused");
  };
}

class hit_race : public race {
 public:
  hit_race(std::string name, world* (*make)()) : race(std::move(name), make) {
    after_each_step([](world& w) {
      of(w).look();
      w.check_step();
    });
  }
};

}  // namespace

TEST_SUITE("explore/races, hits") {
  TEST_CASE("hit / invalidation: who is served could access the page at some moment (RAC-27)") {
    hit_race r{"hit and invalidation", in_system_memory};
    r.thread("gpu").does("fault", faults_unless({})).does("fault again", faults_unless({}));
    r.thread("cpu").does("DONTNEED", [](world& w) { w.drop(pages(0, range_pages)); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("hit / removal: a range that is looked at stays in memory (RAC-28)") {
    hit_race r{"hit and removal", in_system_memory};
    r.thread("gpu").does("fault", faults_unless({}));
    r.thread("driver").does("remove", [](world& w) {
      auto& svm = w.driver.svm();
      if (auto found = svm.find(page_at(0))) svm.remove(svm.lock_range(std::move(found)));
    });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("find / removal / fault: who finds a range may use it, and no range that is there is missed (RAC-28)") {
    hit_race r{"find, removal and fault", in_two_ranges};
    r.thread("driver").does("find and lock", [](world& w) {
      auto& svm = w.driver.svm();
      must(bool{svm.find(page_at(range_pages))}, "a range that nobody removes is found");
      auto found = svm.find(page_at(0));
      if (!found) return;
      must(found->interval().contains(page_at(0)), "it is the range of the address");
      auto held = svm.lock_range(std::move(found));
      must(is_one_of(svm.get_pages(held, {}), {errc::ok, errc::gone}), "its pages are got, unless it was removed");
    });
    r.thread("other driver").does("remove", [](world& w) {
      auto& svm = w.driver.svm();
      if (auto found = svm.find(page_at(0))) svm.remove(svm.lock_range(std::move(found)));
    });
    r.sample();
  }

  TEST_CASE("hit / munmap and collection: the tables that are looked at stay in memory (RAC-28)") {
    hit_race r{"hit, munmap and collection", in_system_memory};
    r.thread("gpu").does("fault", faults_unless({errc::no_vma}));
    r.thread("cpu").does("munmap", [](world& w) { w.unmap(pages(0, range_pages)); }).does("collect", collects);
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing is mapped after munmap"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("hit / eviction / CPU fault back: memory is touched while its books are there (RAC-29)") {
    hit_race r{"hit, eviction and CPU fault", in_device_memory};
    r.thread("gpu").does("fault", faults_unless({}));
    r.thread("kernel").does("evict", [](world& w) { static_cast<void>(w.mover.evict_all()); });
    r.thread("cpu").does("read", [](world& w) { must(w.cpu_read(page_at(0)) == 8u, "the word came back"); });
    r.sample();
  }

  TEST_CASE("hit / CPU fault back: memory is touched while its books are there (RAC-29)") {
    hit_race r{"hit and CPU fault", in_device_memory};
    r.thread("gpu").does("fault", faults_unless({}));
    r.thread("cpu").does("read", [](world& w) { must(w.cpu_read(page_at(0)) == 8u, "the word came back"); });
    r.sample();
  }

  TEST_CASE("hit / close: who was told that all is gone is served no more (RAC-30)") {
    hit_race r{"hit and close", in_two_ranges};
    r.thread("gpu").does("fault twice", faults_twice(errc::gone));
    r.thread("driver").does("close", [](world& w) {
      w.driver.close();
      must(w.mover.readers().retired() == 0, "what waited for readers is freed at the end");
    });
    r.finally([](world& w) { must(w.range_count() == 0, "nothing is left"); });
    r.sample();
  }

  TEST_CASE("hit / suspend: who was refused is served no more (RAC-31)") {
    hit_race r{"hit and suspend", in_two_ranges};
    r.thread("gpu").does("fault twice", faults_twice(errc::retry));
    r.thread("driver").does("suspend", [](world& w) { w.driver.suspend(); });
    r.finally([](world& w) { must(w.gpu_pages(notifier_span) == 0, "nothing is mapped while it is suspended"); });
    r.sample();
    r.run(to_the_end());
  }

  TEST_CASE("hit / advise: who is served after it is served by what was advised (RAC-31)") {
    hit_race r{"hit and advice", in_device_memory};
    r.thread("gpu").does("atomic access", [](world& w) {
      bool const is_for_the_cpu = w.driver.attributes_at(page_at(0)).atomic == svm::atomic_mode::cpu;
      of(w).begin(0);
      errc const e = w.driver.fault(page_at(0), svm::access_kind::atomic);
      must(is_one_of(e, {errc::ok, errc::no_atomics}), "an atomic access is served or refused");
      must(e != errc::ok || (of(w).was_bound(0) && !is_for_the_cpu), "it is served while it may be");
    });
    r.thread("program").does("advise", [](world& w) {
      svm::span_attributes cpu_only{};
      cpu_only.atomic = svm::atomic_mode::cpu;
      must(w.driver.advise(pages(0, range_pages), cpu_only) == errc::ok, "there is memory for a span");
    });
    r.sample();
  }

  TEST_CASE("hit / removal / close: what is retired is freed, and the close waits for it (RAC-32)") {
    hit_race r{"hit, removal and close", in_system_memory};
    r.thread("gpu").does("fault", faults_unless({errc::gone}));
    r.thread("driver").does("remove", [](world& w) {
      auto& svm = w.driver.svm();
      if (auto found = svm.find(page_at(0))) svm.remove(svm.lock_range(std::move(found)));
    });
    r.thread("owner").does("close", [](world& w) { w.driver.close(); });
    r.finally([](world& w) {
      must(w.range_count() == 0, "nothing is left");
      must(w.mover.readers().retired() == 0, "nothing waits for readers");
    });
    r.sample();
  }
}

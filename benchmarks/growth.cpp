// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// How the cost of one operation grows with the number of things that it has nothing to do with, on the mock machine. Only
// the ratio of two lines of one operation means anything. Operations come to the same few places again and again, so that
// it is the number of steps that grows, and not the time of a cache miss. What they did is checked after each batch.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <svm/mock/machine/machine.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/std/null_lock.hpp>

#include "support/measure.hpp"

namespace {

using svm::access_kind;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::mock::mapping_kind;
using svm::mock::protection;
using svm::mock::pte;
using svm::mock::sys;
using machine = svm::mock::machine<svm::mock::rank_checked<svm::null_lock>>;

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t notifier_bytes = 64 << 10;
constexpr cpu_va base{std::uint64_t{4} << 30};

/// A machine with ranges of one page; its memory has room for `n` of them on both sides.
std::unique_ptr<machine> make_machine(std::uint64_t n, svm::migration_mode mode) {
  svm::mock::machine_options o;
  o.ram = {(2 * n + 1024) * page_bytes};
  o.vram = {(n + 1024) * page_bytes};
  o.notifier_size = {notifier_bytes};
  o.chunks = {{page_bytes}};
  o.driver.migrate = mode;
  o.driver.check_pages_threshold = {};
  return std::make_unique<machine>(o, *machine::check(o));
}

/// `n` places, `stride` bytes apart, and a few of them that lie anywhere among the others.
class places {
 public:
  places(std::uint64_t n, std::uint64_t stride) {
    for (std::uint64_t i = 0; i < n; ++i) all_.push_back(base + byte_count{i * stride});
    few_ = all_;
    svm::mock::random draw{42};
    for (std::uint64_t i = n; i > 1; --i) std::swap(few_[i - 1], few_[draw.below(i)]);
    few_.resize(std::min<std::uint64_t>(n, 20));
  }
  [[nodiscard]] std::vector<cpu_va> const& all() const { return all_; }
  [[nodiscard]] std::vector<cpu_va> const& few() const { return few_; }

 private:
  std::vector<cpu_va> all_;
  std::vector<cpu_va> few_;
};

bool map(machine& m, cpu_va at, std::uint64_t size) {
  return m.process.mmap({size}, protection::read_write, mapping_kind::anon, at).error == sys::ok;
}
bool is_on_device(machine& m, cpu_va a) {
  return m.process.entry_at(a).what == pte::state::device;
}
bool write(machine& m, cpu_va a, std::uint64_t value) {
  return m.gpu_store(a, std::as_bytes(std::span{&value, 1})) == errc::ok;
}
bool reads(machine& m, cpu_va a, std::uint64_t expected) {
  std::uint64_t value = 0;
  return m.process.load(a, std::as_writable_bytes(std::span{&value, 1})) == sys::ok && value == expected;
}

/// Times `work` on a few places of many, after `prepare` of each.
template <class Prepare, class Work, class Check>
void measure(benchmark::State& state, machine& m, places const& where, Prepare&& prepare, Work&& work, Check&& check) {
  bool good = true;
  bench::meter meter{state, bench::backend::mock};
  for (auto _ : state) {
    for (cpu_va const a : where.few()) good = prepare(a) && good;
    meter.time(where.few().size(), [&] {
      for (cpu_va const a : where.few()) good = work(a) && good;
    });
    for (cpu_va const a : where.few()) good = check(a) && good;
  }
  m.check_quiet();
  if (!good || !m.broken.empty()) state.SkipWithError("the operation did not do what it is for");
}

/// A page is unmapped that one of n notifiers watches.
void unmap_page(benchmark::State& state, std::uint64_t n) {
  auto const m = make_machine(n, svm::migration_mode::never);
  places const where{n, notifier_bytes};
  auto const has_range = [&](cpu_va a) { return static_cast<bool>(m->driver.svm().find(a)); };
  auto const prepare = [&](cpu_va a) { return has_range(a) || (map(*m, a, page_bytes) && write(*m, a, 1)); };
  bool good = true;
  for (cpu_va const a : where.all()) good = prepare(a) && good;
  if (!good || m->process.watchers().registered() != n) return state.SkipWithError("there are not n notifiers");
  measure(
      state, *m, where, prepare, [&](cpu_va a) { return m->process.munmap(a, {page_bytes}) == sys::ok; },
      [&](cpu_va a) {
        m->driver.collect_garbage();
        return !has_range(a);
      });
}

/// An mmap looks for a place beside n mappings.
void map_anywhere(benchmark::State& state, std::uint64_t n) {
  auto const m = make_machine(n, svm::migration_mode::never);
  places const where{n, 4 << 20};
  bool good = true;
  for (cpu_va const a : where.all()) good = map(*m, a, page_bytes) && good;
  if (!good || m->process.vmas().all().size() != n) return state.SkipWithError("there are not n mappings");
  measure(
      state, *m, where, [&](cpu_va a) { return m->process.munmap(a, {page_bytes}) == sys::ok; },
      [&](cpu_va) {
        return m->process.mmap({page_bytes}, protection::read_write, mapping_kind::anon, {}).error == sys::ok;
      },
      [&](cpu_va a) { return m->process.vmas().find(a) != nullptr; });  // the holes are the lowest places
}

/// Times `work` on n pages that are in device memory, each an allocation; it brings the page back.
template <class Work>
void measure_on_device(benchmark::State& state, std::uint64_t n, Work&& work) {
  auto const m = make_machine(n, svm::migration_mode::required);
  places const where{n, page_bytes};
  bool good = map(*m, base, n * page_bytes);
  auto const prepare = [&](cpu_va a) { return is_on_device(*m, a) || (write(*m, a, a.value) && is_on_device(*m, a)); };
  for (cpu_va const a : where.all()) good = prepare(a) && good;
  if (!good) return state.SkipWithError("there are not n allocations");
  measure(
      state, *m, where, prepare, [&](cpu_va a) { return work(*m, a); },
      [&](cpu_va a) { return !is_on_device(*m, a) && reads(*m, a, a.value); });
}
void cpu_fault(benchmark::State& state, std::uint64_t n) {
  measure_on_device(state, n, [](machine& m, cpu_va a) { return reads(m, a, a.value); });
}
void evict(benchmark::State& state, std::uint64_t n) {
  measure_on_device(state, n, [](machine& m, cpu_va a) {
    auto const allocation = m.allocation_of(m.process.entry_at(a).target);
    return allocation && m.mover.evict(*allocation) == errc::ok;
  });
}

/// All of n allocations are evicted; the time of one.
void evict_all(benchmark::State& state, std::uint64_t n) {
  auto const m = make_machine(n, svm::migration_mode::required);
  places const where{n, page_bytes};
  bool good = map(*m, base, n * page_bytes);
  auto const fill = [&] {
    for (cpu_va const a : where.all()) good = write(*m, a, a.value) && is_on_device(*m, a) && good;
  };
  auto const empty = [&] { good = m->mover.evict_all() == errc::ok && good; };
  auto const check = [&] {
    for (cpu_va const a : where.all()) good = !is_on_device(*m, a) && reads(*m, a, a.value) && good;
    good = good && m->device_memory.used() == byte_count{};
  };
  fill();
  empty();  // the first time the system gets its memory from the host
  check();
  bench::meter meter{state, bench::backend::mock};
  for (auto _ : state) {
    fill();
    meter.time(n, empty);
    check();
  }
  m->check_quiet();
  if (!good || !m->broken.empty()) state.SkipWithError("not everything came back");
}

/// A fault on a valid range, where something is said of n other spans.
void repeated_fault(benchmark::State& state, std::uint64_t n) {
  auto const m = make_machine(n, svm::migration_mode::never);
  places const where{n, 2 * page_bytes};
  bool good = map(*m, base, 2 * n * page_bytes);
  for (cpu_va const a : where.all())
    good = m->driver.advise({a, {page_bytes}}, {.preferred = svm::preferred_place::system}) == errc::ok && good;
  if (!good || m->driver.attribute_count() != n) return state.SkipWithError("there are not n spans");
  cpu_va const target = base + byte_count{page_bytes};
  good = write(*m, target, 1);
  bench::meter meter{state, bench::backend::mock};
  for (auto _ : state)
    meter.time(1000, [&] {
      for (int i = 0; i < 1000; ++i) good = m->driver.fault(target, access_kind::write) == errc::ok && good;
    });
  std::uint64_t ranges = 0;
  m->driver.svm().for_each_range({base, {2 * n * page_bytes}}, [&](auto const&) { ++ranges; });
  if (!good || !m->broken.empty() || ranges != 1)
    state.SkipWithError("the fault was not served by the range that is there");
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  for (std::uint64_t const n : {100U, 1'000U, 10'000U, 30'000U})
    s.group([&] {
      auto const row = [&](std::string const& operation, auto function) {
        s.row("growth/" + operation + "/machine" + bench::argument("n", n),
              [=](benchmark::State& state) { function(state, n); });
      };
      row("munmap", unmap_page);
      row("mmap", map_anywhere);
      row("cpu_fault", cpu_fault);
      row("evict", evict);
      row("evict_all", evict_all);
      row("repeated_fault", repeated_fault);
    });
  return s.run();
}

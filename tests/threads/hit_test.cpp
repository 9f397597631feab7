// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Faults without a lock on real threads, beside all that takes pages and ranges away; run under TSan too.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/full.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/std/distributed_lock.hpp>
#include <svm/std/std_lock.hpp>

using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::mock::sys;

namespace {

constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
constexpr std::uint64_t pages = 64;
constexpr cpu_va base{std::uint64_t{4} << 30};
constexpr byte_count all_pages{pages * page_bytes};

cpu_va page_at(std::uint64_t n) {
  return base + byte_count{n * page_bytes};
}

template <class Lock>
class stage : public svm::mock::full_machine<svm::mock::rank_checked<Lock>> {
  using machine = svm::mock::full_machine<svm::mock::rank_checked<Lock>>;

 public:
  explicit stage(svm::migration_mode migrate) : machine(options(migrate), *machine::check(options(migrate))) {
    map();
    write_all();
  }

  void map() {
    auto const made =
        this->process.mmap(all_pages, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, base);
    if (made.error != sys::ok) ++wrong;
  }
  void write_all() {
    std::byte const word[8]{};
    for (std::uint64_t n = 0; n < pages; ++n)
      if (this->process.store(page_at(n), word) != sys::ok) ++wrong;
  }
  /// Faults here and there until told to stop.
  void fault_until(std::atomic<bool> const& stop, std::uint64_t seed, std::initializer_list<errc> refusals) {
    svm::mock::random draw{seed};
    while (!stop.load()) {
      errc const e = this->driver.fault(page_at(draw.below(pages)), svm::access_kind::write);
      if (e == errc::ok)
        ++served;
      else if (std::ranges::find(refusals, e) == refusals.end())
        ++wrong;
    }
  }
  /// Two threads fault while `act(round)` runs for some rounds, and until so many were served.
  template <class Act>
  void disturb(int rounds, std::initializer_list<errc> refusals, Act const& act, std::uint64_t least = 200) {
    std::atomic<bool> stop{false};
    std::thread first{[&] { fault_until(stop, 1, refusals); }};
    std::thread second{[&] { fault_until(stop, 2, refusals); }};
    for (int i = 0; i < rounds || served.load() < least; ++i) act(i);
    stop = true;
    first.join();
    second.join();
    CHECK(wrong == 0);
  }
  void finish() {
    std::vector<std::string> const lines = this->audit();
    CHECK_MESSAGE(lines.empty(), doctest::toString(lines.empty() ? std::string{} : lines.front()));
  }

  std::atomic<std::uint64_t> served{0};
  std::atomic<std::uint64_t> wrong{0};

 private:
  static svm::mock::machine_options options(svm::migration_mode migrate) {
    svm::mock::machine_options o;
    o.joins_pages = false;
    o.vram = byte_count{pages / 2 * page_bytes};  // so that they evict each other
    o.notifier_size = byte_count{16 * page_bytes};
    o.chunks = {byte_count{4 * page_bytes}, byte_count{page_bytes}};
    o.driver.check_pages_threshold = {};
    o.driver.migrate = migrate;
    return o;
  }
};

constexpr int rounds = 100;
// How a fault may end that events met in all its passes, or whose memory others hold.
const std::initializer_list<errc> met_events{errc::retry, errc::busy, errc::in_use};
const std::initializer_list<errc> met_unmaps{errc::retry, errc::busy, errc::in_use, errc::no_vma, errc::unmapped};
const std::initializer_list<errc> met_the_end{errc::gone};

template <class Lock>
void faults_beside_events() {
  stage<Lock> s{svm::migration_mode::never};
  s.disturb(rounds, met_events, [&](int i) {
    auto const n = static_cast<std::uint64_t>(i) % pages;
    if (s.process.madvise_dontneed(page_at(n), {page_bytes}) != sys::ok) ++s.wrong;
    std::this_thread::yield();
  });
  s.finish();
}
template <class Lock>
void faults_beside_unmaps() {
  stage<Lock> s{svm::migration_mode::never};
  s.disturb(rounds, met_unmaps, [&](int) {
    if (s.process.munmap(base, all_pages) != sys::ok) ++s.wrong;
    s.driver.collect_garbage();
    s.map();
    std::this_thread::yield();
  });
  s.finish();
}
template <class Lock>
void faults_beside_evictions() {
  stage<Lock> s{svm::migration_mode::where_possible};
  s.disturb(rounds, met_events, [&](int i) {
    std::byte word[8];
    auto const n = static_cast<std::uint64_t>(i) % pages;
    if (i % 4 == 0) static_cast<void>(s.mover.evict_all());
    if (s.process.load(page_at(n), word) != sys::ok) ++s.wrong;
    std::this_thread::yield();
  });
  s.finish();
}
template <class Lock>
void faults_beside_suspensions_and_advice() {
  stage<Lock> s{svm::migration_mode::never};
  s.disturb(rounds, met_events, [&](int i) {
    s.driver.suspend();
    s.driver.resume();
    svm::span_attributes said{};
    if (i % 2 == 0) said.preferred = svm::preferred_place::system;
    if (s.driver.advise({base, all_pages}, said) != errc::ok) ++s.wrong;
    std::this_thread::yield();
  });
  s.finish();
}
/// The ranges of a notifier share a bucket of its index, whose words move when one of them goes.
template <class Lock>
void finds_beside_neighbours() {
  stage<Lock> s{svm::migration_mode::never};
  auto& svm = s.driver.svm();
  constexpr std::uint64_t stays = 8;
  REQUIRE(s.driver.fault(page_at(stays), svm::access_kind::write) == errc::ok);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> found{0};
  std::thread finder{[&] {
    while (!stop.load()) {
      auto const r = svm.find(page_at(stays));
      if (r && r->interval().contains(page_at(stays)))
        ++found;
      else
        ++s.wrong;
    }
  }};
  svm::mock::random draw{3};
  for (int i = 0; i < 100 * rounds || found.load() < 200; ++i) {
    cpu_va const neighbour = page_at(4 * draw.below(2));  // of two below it
    if (auto r = svm.find(neighbour))
      svm.remove(svm.lock_range(std::move(r)));
    else if (s.driver.fault(neighbour, svm::access_kind::write) != errc::ok)
      ++s.wrong;
  }
  stop = true;
  finder.join();
  CHECK(s.wrong == 0);
  s.mover.readers().synchronize();  // what was removed counts as a user of its notifier until then
  s.finish();
}
template <class Lock>
void faults_beside_the_end() {
  stage<Lock> s{svm::migration_mode::never};
  for (std::uint64_t n = 0; n < pages; ++n) REQUIRE(s.driver.fault(page_at(n), svm::access_kind::write) == errc::ok);
  auto const close_soon = [&](int) {
    while (s.served.load() < 100) std::this_thread::yield();
    s.driver.close();
  };
  s.disturb(1, met_the_end, close_soon, 0);
  CHECK(s.driver.svm().notifier_count() == 0);
  s.finish();
}

}  // namespace

TEST_SUITE("threads/hit") {
  TEST_CASE_TEMPLATE("faults without a lock beside events end well", Lock, svm::std_lock, svm::distributed_lock) {
    faults_beside_events<Lock>();
  }
  TEST_CASE_TEMPLATE("faults without a lock beside ranges that come and go end well", Lock, svm::std_lock,
                     svm::distributed_lock) {
    faults_beside_unmaps<Lock>();
  }
  TEST_CASE_TEMPLATE("faults without a lock beside device memory that comes and goes end well", Lock, svm::std_lock,
                     svm::distributed_lock) {
    faults_beside_evictions<Lock>();
  }
  TEST_CASE_TEMPLATE("faults without a lock beside suspensions and advice end well", Lock, svm::std_lock,
                     svm::distributed_lock) {
    faults_beside_suspensions_and_advice<Lock>();
  }
  TEST_CASE_TEMPLATE("a range that stays is found while its neighbours come and go", Lock, svm::std_lock,
                     svm::distributed_lock) {
    finds_beside_neighbours<Lock>();
  }
  TEST_CASE_TEMPLATE("faults without a lock beside the end find it gone", Lock, svm::std_lock, svm::distributed_lock) {
    faults_beside_the_end<Lock>();
  }
}

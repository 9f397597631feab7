// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What an mm adds to a sink, and what the library sees of it.

#include <svm/concepts/run_sink.hpp>

#include <svm/concepts/page_walk.hpp>
#include <svm/mock/machine/random.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include <support/scripted_allocation.hpp>

namespace {

using mm = support::scripted_mm<4096>;
using page = mm::page;
using run = svm::page_run<page>;
using svm::byte_count;
using svm::cpu_va;
using svm::page_place;
using svm::va_range;

constexpr std::uint64_t page_bytes = 4096;
constexpr cpu_va start{100 * page_bytes};

static_assert(sizeof(run) == 32 && sizeof(svm::device_address) == 16);

cpu_va at(std::int64_t n) {
  return cpu_va{static_cast<std::uint64_t>(100 + n) * page_bytes};
}
va_range pages(std::uint64_t count) {
  return {start, byte_count{count * page_bytes}};
}
run system_run(std::uint64_t number, std::uint32_t count = 1, bool writable = true) {
  return {.page = {number}, .count = count, .place = page_place::system, .writable = writable};
}
run absent(std::uint32_t count) {
  return {.count = count};
}

/// Adds pages as `expected` has them, from its page `first` on, in one call.
bool add_pages(svm::page_walk<mm>& walk, std::vector<run> const& expected, std::size_t first, std::size_t count) {
  mm const space;
  return walk.add_pages(space, at(static_cast<std::int64_t>(first)), count,
                        [&](std::uint64_t n) { return expected[first + n]; });
}

/// A walk with room for a few runs.
struct bench {
  std::vector<run> room;
  svm::page_walk<mm> walk;

  explicit bench(std::uint64_t count, std::size_t runs = 16) : room(runs), walk(pages(count), room) {}
  [[nodiscard]] std::vector<run> runs() const { return {walk.runs().begin(), walk.runs().end()}; }
};

}  // namespace

TEST_SUITE("concepts/run_sink") {
  TEST_CASE("neighbours that are contiguous and alike are one run") {
    bench b{6};
    for (std::uint32_t i = 0; i < 4; ++i) CHECK(b.walk.add(at(i), system_run(50 + i)));
    CHECK(b.walk.add(at(4), system_run(54, 2)));
    CHECK(b.runs() == std::vector{system_run(50, 6)});
    CHECK(b.walk.is_complete());
    CHECK_FALSE(b.walk.is_full());
  }

  TEST_CASE("another place, permission, owner, owner object or a jump of the pages begins a run of its own") {
    int a = 0;
    auto* const one = reinterpret_cast<svm::device_page_owner<page>*>(&a);
    run const device{.page = {50}, .owner_object = one, .owner = {1, 2}, .place = page_place::device, .writable = true};
    run next = device;
    next.page = {51};
    auto const count = [&](run const& second) {
      bench b{2};
      CHECK(b.walk.add(at(0), device));
      CHECK(b.walk.add(at(1), second));
      return b.runs().size();
    };
    CHECK(count(next) == 1);
    run other = next;
    other.place = page_place::system;
    CHECK(count(other) == 2);
    other = next;
    other.writable = false;
    CHECK(count(other) == 2);
    other = next;
    other.owner = {1, 3};
    CHECK(count(other) == 2);
    other = next;
    other.owner_object = nullptr;
    CHECK(count(other) == 2);
    for (std::uint64_t const number : {49u, 50u, 52u}) {
      other = next;
      other.page = {number};
      CHECK(count(other) == 2);
    }
  }

  TEST_CASE("a walk is uniform as long as all runs are of one place, owner and owner object") {
    int behind = 0;
    auto* const object = reinterpret_cast<svm::device_page_owner<page>*>(&behind);
    run const device{.page = {70}, .owner_object = object, .owner = {1, 1}, .place = page_place::device};
    run other = device;
    other.owner = {1, 2};
    run without = device;
    without.owner_object = nullptr;
    struct row {
      run first;
      run second;
      bool uniform;
    };
    for (row const& r : {row{system_run(50), system_run(60), true}, row{system_run(50), system_run(60, 1, false), true},
                         row{system_run(50), device, false}, row{device, other, false}, row{device, without, false}}) {
      bench b{2};
      CHECK(b.walk.add(at(0), r.first));
      CHECK(b.walk.is_uniform());
      CHECK(b.walk.add(at(1), r.second));
      CHECK(b.walk.is_uniform() == r.uniform);
      b.walk.restart();
      CHECK(b.walk.is_uniform());
    }
    bench with_gap{3};
    CHECK(with_gap.walk.add(at(0), system_run(50)));
    CHECK(with_gap.walk.add(at(2), system_run(60)));
    CHECK(!with_gap.walk.is_uniform());
    bench in_parts{3, 1};  // what was passed on is not there to be compared with
    CHECK(in_parts.walk.add(at(0), device));
    CHECK(!in_parts.walk.add(at(1), system_run(60)));
    in_parts.walk.resume(in_parts.room);
    CHECK(in_parts.walk.add(at(1), system_run(60)));
    CHECK(!in_parts.walk.is_uniform());
  }

  TEST_CASE("what lies between two runs is absent, and so is what is left at the end") {
    bench b{9};
    CHECK(b.walk.add(at(2), system_run(50)));
    CHECK(b.walk.add(at(5), system_run(53, 2)));
    CHECK(b.walk.reached() == at(7));
    CHECK(b.walk.rest() == va_range{at(7), byte_count{2 * page_bytes}});
    b.walk.finish();
    CHECK(b.runs() == std::vector{absent(2), system_run(50), absent(2), system_run(53, 2), absent(2)});
    CHECK(b.walk.is_complete());
  }

  TEST_CASE("a run is cut where the span begins and ends, and to what is new of it") {
    bench b{4};
    CHECK(b.walk.add(at(-3), system_run(10, 2)));  // all of it before
    CHECK(b.runs().empty());
    CHECK(b.walk.add(at(-3), system_run(10, 5)));
    CHECK(b.runs() == std::vector{system_run(13, 2)});
    CHECK(b.walk.add(at(0), system_run(13, 2)));  // known already
    CHECK(b.runs() == std::vector{system_run(13, 2)});
    CHECK(b.walk.add(at(1), system_run(14, 100)));
    CHECK(b.runs() == std::vector{system_run(13, 4)});
    CHECK_FALSE(b.walk.add(at(4), system_run(17)));  // nothing more is wanted
    CHECK_FALSE(b.walk.is_full());
    CHECK(b.runs() == std::vector{system_run(13, 4)});
  }

  TEST_CASE("a span that ends with the address space is covered, and nothing wraps") {
    run room[2];
    svm::page_walk<mm> walk{*va_range::from_bounds(cpu_va{UINT64_MAX - 2 * page_bytes + 1}, cpu_va{UINT64_MAX}), room};
    CHECK(walk.add(cpu_va{UINT64_MAX - page_bytes + 1}, system_run(5, 100)));
    CHECK(walk.is_complete());
    CHECK(walk.runs()[0] == absent(1));
    CHECK(walk.runs()[1] == system_run(5));
  }

  TEST_CASE("with its room used up it turns a run away, and goes on in more room where it stopped") {
    bench b{8, 2};
    CHECK(b.walk.add(at(0), system_run(10)));
    CHECK(b.walk.add(at(1), system_run(20)));
    CHECK(b.walk.add(at(2), system_run(21)));  // needs no room
    CHECK_FALSE(b.walk.add(at(3), system_run(30)));
    CHECK(b.walk.is_full());
    CHECK(b.walk.reached() == at(3));
    b.walk.finish();  // a walk that stopped says nothing of the rest
    CHECK(b.walk.reached() == at(3));
    std::vector<run> more(4);
    more[0] = b.room[0];
    more[1] = b.room[1];
    b.walk.resume(more, 2);
    CHECK_FALSE(b.walk.is_full());
    CHECK(b.walk.add(at(3), system_run(22)));  // it joins what was there
    CHECK(b.walk.add(at(6), system_run(40)));
    b.walk.finish();
    CHECK(b.walk.is_full());  // no room to say that the last page is absent
    CHECK_FALSE(b.walk.is_complete());
    CHECK(b.runs() == std::vector{system_run(10), system_run(20, 3), absent(2), system_run(40)});
    b.walk.resume(b.room);
    b.walk.finish();
    CHECK(b.runs() == std::vector{absent(1)});
    CHECK(b.walk.is_complete());
  }

  TEST_CASE("runs that were taken out cannot be compared with, so a walk that goes on without them is not uniform") {
    bench b{2};
    run const elsewhere{.page = {20}, .count = 1, .place = page_place::device};
    CHECK(b.walk.add(at(0), system_run(10)));
    CHECK(b.walk.is_uniform());
    b.walk.resume(b.room);
    CHECK(b.walk.add(at(1), elsewhere));
    CHECK(b.runs() == std::vector{elsewhere});
    CHECK_FALSE(b.walk.is_uniform());
    b.walk.restart();
    CHECK(b.walk.add(at(0), system_run(10, 2)));
    CHECK(b.walk.is_uniform());
  }

  TEST_CASE("a gap that takes the last room leaves its run for later") {
    bench b{4, 1};
    CHECK_FALSE(b.walk.add(at(2), system_run(10)));
    CHECK(b.walk.is_full());
    CHECK(b.walk.reached() == at(2));
    CHECK(b.runs() == std::vector{absent(2)});
  }

  TEST_CASE("a run counts no more pages than it can: what is more begins another") {
    run room[4];
    svm::page_walk<mm> walk{{cpu_va{}, byte_count{std::uint64_t{1} << 46}}, room};  // 2^34 pages
    CHECK(walk.add(cpu_va{}, system_run(7, UINT32_MAX)));
    CHECK(walk.add(cpu_va{std::uint64_t{UINT32_MAX} * page_bytes}, system_run(7 + std::uint64_t{UINT32_MAX}, 3)));
    CHECK(walk.runs()[0].count == UINT32_MAX);
    CHECK(walk.runs()[1] == system_run(7 + std::uint64_t{UINT32_MAX}, 3));
    walk.restart();
    walk.finish();
    std::uint64_t all = 0;
    for (run const& r : walk.runs()) all += r.count;
    CHECK(all == std::uint64_t{4} * UINT32_MAX);
    CHECK(walk.is_full());
    walk.resume(room);
    walk.finish();
    CHECK(walk.is_complete());
    CHECK(walk.runs()[0] == absent(4));
  }

  TEST_CASE("whatever is added, in whatever pieces and room, the runs say what there is of each page") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
      CAPTURE(seed);
      svm::mock::random draw{seed};
      std::size_t const count = 1 + draw.below(40);
      std::vector<run> expected(count, absent(1));
      std::uint64_t number = 1;
      for (std::size_t i = 0; i < count; ++i) {
        if (draw.below(3) == 0) continue;
        if (draw.below(3) == 0) number += 5;
        expected[i] = system_run(++number, 1, draw.below(4) != 0);
      }
      std::vector<run> room(1 + draw.below(4));
      svm::page_walk<mm> walk{pages(count), room};
      std::vector<run> seen;
      while (!walk.is_complete()) {
        bool more = true;
        for (std::size_t i = 0; i < count && more; ++i) {
          if (draw.below(2) == 0) {
            if (expected[i].place != page_place::absent) more = walk.add(at(static_cast<std::int64_t>(i)), expected[i]);
            continue;
          }
          std::size_t const pages = 1 + draw.below(count - i);
          more = add_pages(walk, expected, i, pages);
          i += pages - 1;
        }
        walk.finish();
        for (run const& r : walk.runs())
          for (std::uint64_t k = 0; k < r.count; ++k) {
            seen.push_back(r);
            seen.back().count = 1;
            if (r.place != page_place::absent) seen.back().page = mm::page_at(r.page, k);
          }
        for (std::size_t i = 1; i < walk.runs().size(); ++i) {  // neighbours that could be one are one
          run const& left = walk.runs()[i - 1];
          run const& right = walk.runs()[i];
          bool const alike = left.place == right.place && left.writable == right.writable;
          CHECK_FALSE(
              (alike && (left.place == page_place::absent || left.page.number + left.count == right.page.number)));
        }
        walk.resume(room);
      }
      CHECK(seen == expected);
    }
  }

  TEST_CASE("pages that are added in one call become the runs that they become one by one") {
    int a = 0;
    auto* const object = reinterpret_cast<svm::device_page_owner<page>*>(&a);
    run const device{.page = {70}, .owner_object = object, .owner = {1, 1}, .place = page_place::device};
    run without = device;
    without.page = {71};
    without.owner_object = nullptr;
    run other = without;
    other.page = {72};
    other.owner = {1, 2};
    std::vector<run> const all{system_run(50), system_run(51), system_run(52, 1, false),
                               system_run(60), absent(1),      absent(1),
                               system_run(61), device,         without,
                               other,          system_run(73)};
    bench one_by_one{all.size()};
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(one_by_one.walk.add(at(static_cast<std::int64_t>(i)), all[i]));
    bench at_once{all.size()};
    CHECK(add_pages(at_once.walk, all, 0, all.size()));
    CHECK(at_once.runs() == one_by_one.runs());
    CHECK(at_once.runs() == std::vector{system_run(50, 2), system_run(52, 1, false), system_run(60), absent(2),
                                        system_run(61), device, without, other, system_run(73)});
    CHECK(at_once.walk.is_complete());
    CHECK_FALSE(at_once.walk.is_full());
  }

  TEST_CASE("pages of one place, owner and owner object leave a walk uniform, and others do not") {
    run const device{.page = {70}, .place = page_place::device};
    for (auto const& [last, uniform] :
         {std::pair{system_run(60), true}, {system_run(60, 1, false), true}, {device, false}}) {
      bench b{3};
      CHECK(add_pages(b.walk, {system_run(50), system_run(55), last}, 0, 3));
      CHECK(b.walk.is_uniform() == uniform);
    }
  }

  TEST_CASE("of pages that are added in one call those outside of the span or known are not asked about") {
    bench b{4};
    CHECK(b.walk.add(at(0), system_run(10)));
    mm const space;
    std::vector<std::uint64_t> asked;
    auto const make = [&](std::uint64_t n) {
      asked.push_back(n);
      return system_run(7 + n);
    };
    CHECK(b.walk.add_pages(space, at(-3), 4, make));  // all of it known
    CHECK(asked.empty());
    CHECK(b.walk.add_pages(space, at(-3), 6, make));
    CHECK(asked == std::vector<std::uint64_t>{4, 5});
    CHECK(b.runs() == std::vector{system_run(10, 3)});
    asked.clear();
    CHECK(b.walk.add_pages(space, at(2), 100, make));
    CHECK(asked == std::vector<std::uint64_t>{1});
    CHECK_FALSE(b.walk.add_pages(space, at(4), 1, make));  // nothing more is wanted
    CHECK(asked.size() == 1);
    bench gap{4};
    CHECK(gap.walk.add_pages(space, at(2), 2, make));
    CHECK(gap.runs() == std::vector{absent(2), system_run(7, 2)});
  }

  TEST_CASE("pages that there is no room for are left for more room, and those that need none are taken") {
    std::vector<run> const all{system_run(10), system_run(20), system_run(21),
                               system_run(30), system_run(31), system_run(40)};
    bench b{6, 3};
    CHECK_FALSE(add_pages(b.walk, all, 0, 6));
    CHECK(b.walk.is_full());
    CHECK(b.walk.reached() == at(5));
    CHECK(b.runs() == std::vector{system_run(10), system_run(20, 2), system_run(30, 2)});
    b.walk.resume(b.room);
    CHECK(add_pages(b.walk, all, 5, 1));
    CHECK(b.runs() == std::vector{system_run(40)});
    CHECK(b.walk.is_complete());
  }

  TEST_CASE("a run of pages that are added in one call counts no more of them than it can") {
    run room[4];
    svm::page_walk<mm> walk{{cpu_va{}, byte_count{std::uint64_t{1} << 46}}, room};  // 2^34 pages
    CHECK(walk.add(cpu_va{}, system_run(7, UINT32_MAX - 1)));
    mm const space;
    std::uint64_t const begin = UINT32_MAX - std::uint64_t{1};
    CHECK(walk.add_pages(space, cpu_va{begin * page_bytes}, 3,
                         [&](std::uint64_t n) { return system_run(7 + begin + n); }));
    CHECK(walk.runs()[0].count == UINT32_MAX);
    CHECK(walk.runs()[1] == system_run(7 + std::uint64_t{UINT32_MAX}, 2));
  }
}

TEST_SUITE("concepts/page_walk") {
  TEST_CASE("a look at a span passes every run on, however many, until it is told to stop") {
    mm space;
    std::uint64_t looks = 0;
    space.show = [&](va_range where, mm::sink& found) {
      ++looks;
      mm::fill({where.start(), byte_count{where.size().value - page_bytes}}, found);  // all but the last page
    };
    std::uint64_t present = 0;
    std::uint64_t missing = 0;
    svm::for_each_run(space, pages(100), [&](run const& r) {
      (r.place == page_place::absent ? missing : present) += r.count;
      return true;
    });
    CHECK(present == 99);
    CHECK(missing == 1);
    CHECK(looks == 7);  // 100 runs, 16 at a time
    std::uint64_t visits = 0;
    looks = 0;
    svm::for_each_run(space, pages(100), [&](run const&) { return ++visits != 17; });
    CHECK(visits == 17);
    CHECK(looks == 2);
  }
}

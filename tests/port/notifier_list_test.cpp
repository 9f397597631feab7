// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/port/notifier_list.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>
#include <svm/std/null_lock.hpp>

#include <svm/conformance/verdict.hpp>
#include <support/death.hpp>

using svm::invalidation;
using svm::invalidation_answer;
using svm::invalidation_cause;
using svm::va_range;

namespace {

struct counted {
  inline static std::uint64_t nodes = 0;
  static void looked() { ++nodes; }
};
using list = svm::port::notifier_list<svm::null_lock, counted>;

constexpr std::uint64_t top = UINT64_MAX;

va_range span(std::uint64_t first, std::uint64_t last) {
  return va_range::from_bounds({first}, {last}).value();
}

/// A target that does what it must, and writes down when.
struct target final : svm::invalidation_target {
  list* home = nullptr;
  list::registration registration;
  int number = 0;
  std::vector<int>* told = nullptr;
  std::vector<int>* finished = nullptr;
  invalidation_answer answer = invalidation_answer::done;
  std::function<void()> inside;

  [[nodiscard]] invalidation_answer invalidate(invalidation const&, std::uint64_t sequence) noexcept override {
    if (answer == invalidation_answer::refused) return answer;
    home->set_sequence(registration, sequence);
    told->push_back(number);
    if (inside) inside();
    return answer;
  }
  void finish_invalidation(invalidation const&) noexcept override { finished->push_back(number); }
};

/// A list and targets for it; whoever is registered at the end leaves.
struct scene {
  list all;
  std::vector<int> told, finished;
  std::unique_ptr<target[]> targets;
  std::size_t count;

  explicit scene(std::size_t n) : targets(std::make_unique<target[]>(n)), count(n) {
    for (std::size_t i = 0; i < n; ++i) {
      targets[i].home = &all;
      targets[i].number = static_cast<int>(i);
      targets[i].told = &told;
      targets[i].finished = &finished;
    }
  }
  ~scene() {
    for (std::size_t i = 0; i < count; ++i)
      if (targets[i].registration.target != nullptr) all.remove(targets[i].registration);
    CHECK(all.is_quiet());
    CHECK(all.check());
    CHECK(all.registered() == 0);
  }
  scene(scene const&) = delete;
  scene& operator=(scene const&) = delete;

  void insert(std::size_t i, std::uint64_t first, std::uint64_t last) {
    all.insert(targets[i].registration, span(first, last), targets[i]);
  }
  void remove(std::size_t i) { all.remove(targets[i].registration); }
  /// Runs an event, and returns whom it told.
  std::vector<int> event(std::uint64_t first, std::uint64_t last) {
    told.clear();
    finished.clear();
    bool const done = all.invalidate({span(first, last), invalidation_cause::clear}, [] {});
    CHECK(done);
    return told;
  }
};

using numbers = std::vector<int>;

}  // namespace

TEST_SUITE("port/notifier_list") {
  TEST_CASE("an event meets what overlaps it by a byte, and nothing else") {
    scene s{3};
    CHECK(s.event(0, top - 1) == numbers{});
    s.insert(0, 100, 199);
    s.insert(1, 200, 299);
    s.insert(2, top - 99, top);
    CHECK(s.event(100, 100) == numbers{0});
    CHECK(s.event(199, 199) == numbers{0});
    CHECK(s.event(199, 200) == numbers{0, 1});
    CHECK(s.event(0, 99) == numbers{});
    CHECK(s.event(300, top - 100) == numbers{});
    CHECK(s.event(top, top) == numbers{2});
    CHECK(s.event(1, top) == numbers{0, 1, 2});
  }

  TEST_CASE("targets are told by ascending start, equal starts in the order of insertion") {
    scene s{6};
    s.insert(3, 50, 500);
    s.insert(1, 70, 80);
    s.insert(0, 50, 60);
    s.insert(5, 50, 500);
    s.insert(2, 10, 500);
    s.insert(4, 60, 70);
    CHECK(s.event(60, 70) == numbers{2, 3, 0, 5, 4, 1});
    s.remove(3);
    s.insert(3, 50, 500);
    CHECK(s.event(60, 70) == numbers{2, 0, 5, 3, 4, 1});
  }

  TEST_CASE("a reader finds out about an event that met it, and about no other (NOT-09)") {
    scene s{2};
    s.insert(0, 0, 9);
    s.insert(1, 10, 19);
    auto const seen = s.all.read_begin(s.targets[0].registration);
    auto const other = s.all.read_begin(s.targets[1].registration);
    s.event(10, 10);
    CHECK_FALSE(s.all.read_retry(s.targets[0].registration, seen));
    CHECK(s.all.read_retry(s.targets[1].registration, other));
    s.event(9, 9);
    CHECK(s.all.read_retry(s.targets[0].registration, seen));
    auto const again = s.all.read_begin(s.targets[0].registration);
    CHECK_FALSE(s.all.read_retry(s.targets[0].registration, again));
  }

  TEST_CASE("what a callback inserts takes effect with the end of the last event (NOT-12)") {
    scene s{4};
    s.insert(0, 0, 9);
    s.insert(1, 20, 29);
    s.targets[0].inside = [&] {
      s.insert(2, 0, 9);
      s.insert(3, 0, 9);
      s.all.remove(s.targets[3].registration);  // needs no wait
      CHECK_FALSE(s.targets[2].registration.in_index);
      bool const done = s.all.invalidate({span(0, 29), invalidation_cause::clear}, [&] {
        CHECK_FALSE(s.targets[2].registration.in_index);
        CHECK_FALSE(s.all.is_quiet());
      });
      CHECK(done);
      CHECK_FALSE(s.targets[2].registration.in_index);
      CHECK_FALSE(s.all.is_quiet());
    };
    int calls = 0;
    auto const first_only = s.targets[0].inside;
    s.targets[0].inside = [&] {
      if (calls++ == 0) first_only();
    };
    CHECK(s.event(0, 0) == numbers{0, 0, 1});
    CHECK(s.targets[2].registration.in_index);
    s.targets[0].inside = nullptr;
    auto const seen = s.all.read_begin(s.targets[2].registration);
    CHECK(s.event(0, 0) == numbers{0, 2});
    CHECK(s.all.read_retry(s.targets[2].registration, seen));
  }

  TEST_CASE("an insertion under an event that met nobody is not deferred, and its reader waits for the end (NOT-08)") {
    scene s{1};
    bool const done = s.all.invalidate({span(0, 9), invalidation_cause::clear}, [&] {
      s.insert(0, 0, 9);
      CHECK(s.targets[0].registration.in_index);
      CHECK(support::asserts_in_child([&] { static_cast<void>(s.all.read_begin(s.targets[0].registration)); }));
    });
    CHECK(done);
    CHECK(s.told.empty());
    auto const seen = s.all.read_begin(s.targets[0].registration);
    CHECK_FALSE(s.all.read_retry(s.targets[0].registration, seen));
  }

  TEST_CASE("one thread that removes what an event has met would wait for itself") {
    scene s{1};
    s.insert(0, 0, 9);
    s.targets[0].inside = [&] { CHECK(support::asserts_in_child([&] { s.remove(0); })); };
    CHECK(s.event(0, 0) == numbers{0});
    s.targets[0].inside = nullptr;
  }

  TEST_CASE(
      "in two passes: all are told, then all that are pending are waited for in that order, then comes the change") {
    for (std::size_t const n : {1u, 2u, 64u, 511u, 512u, 513u, 1024u, 1537u}) {
      CAPTURE(n);
      scene s{n};
      numbers all, pending;
      for (std::size_t i = 0; i < n; ++i) {
        s.insert(i, i, 5000);
        all.push_back(static_cast<int>(i));
        if (i % 3 != 0 && i != 1) continue;
        s.targets[i].answer = invalidation_answer::pending;
        pending.push_back(static_cast<int>(i));
        s.targets[i].inside = [&] { CHECK(s.finished.empty()); };
      }
      bool changed = false;
      bool const done = s.all.invalidate({span(4000, 4001), invalidation_cause::clear}, [&] {
        changed = true;
        CHECK(s.finished == pending);
        CHECK_FALSE(s.all.is_quiet());
      });
      CHECK(done);
      CHECK(changed);
      CHECK(s.told == all);
    }
  }

  TEST_CASE(
      "who refuses ends the event: nobody after it is told, all before it are waited for, nothing changes (NOT-14)") {
    for (std::size_t const refuses : {0u, 5u, 511u, 512u, 700u}) {
      CAPTURE(refuses);
      scene s{800};
      numbers before;
      for (std::size_t i = 0; i < s.count; ++i) {
        s.insert(i, i, 5000);
        s.targets[i].answer = i == refuses ? invalidation_answer::refused : invalidation_answer::pending;
        if (i < refuses) before.push_back(static_cast<int>(i));
      }
      auto const seen = s.all.read_begin(s.targets[refuses].registration);
      bool const done =
          s.all.invalidate({span(4000, 4000), invalidation_cause::clear, svm::nobody, false}, [] { CHECK(false); });
      CHECK_FALSE(done);
      CHECK(s.told == before);
      CHECK(s.finished == before);
      CHECK_FALSE(s.all.read_retry(s.targets[refuses].registration, seen));
      CHECK(s.all.is_quiet());
    }
  }

  TEST_CASE("a port may look at each call, and at the moment between the passes") {
    struct log : svm::port::plain_notifier_calls {
      std::string text;
      invalidation_answer tell(list::registration& r, invalidation const& event, std::uint64_t sequence) {
        text += "[";
        invalidation_answer const answer = r.target->invalidate(event, sequence);
        text += "]";
        return answer;
      }
      void told() { text += "|"; }
    };
    scene s{2};
    s.insert(0, 0, 9);
    s.insert(1, 0, 9);
    log plain;
    CHECK(s.all.invalidate(
        {span(0, 0), invalidation_cause::clear}, [&] { plain.text += "!"; }, plain));
    CHECK(plain.text == "[][]!");
    s.targets[1].answer = invalidation_answer::pending;
    log pending;
    CHECK(s.all.invalidate(
        {span(0, 0), invalidation_cause::clear}, [&] { pending.text += "!"; }, pending));
    CHECK(pending.text == "[][]|!");
  }

  TEST_CASE("nothing is allocated by insertion, removal and events") {
    scene s{1200};
    s.told.reserve(4 * s.count);
    s.finished.reserve(4 * s.count);
    bool const somebody_counts = svm::conformance::allocations_so_far != nullptr;
    REQUIRE(somebody_counts);
    std::uint64_t const allocations = svm::conformance::allocations_in([&] {
      for (std::size_t i = 0; i < s.count; ++i) {
        s.targets[i].answer = invalidation_answer::pending;
        if (i != 7) s.insert(i, i, 5000);
      }
      s.targets[6].inside = [&] { s.insert(7, 7, 5000); };
      static_cast<void>(s.all.invalidate({span(0, 5000), invalidation_cause::clear}, [] {}));
      s.targets[6].inside = nullptr;
      static_cast<void>(s.all.invalidate({span(0, 5000), invalidation_cause::clear}, [] {}));
      for (std::size_t i = 0; i < s.count; ++i) s.remove(i);
    });
    CHECK(allocations == 0);
    CHECK(s.told.size() == 2 * s.count - 1);
  }

  TEST_CASE("an event among n neighbours looks at O(log n + hits) of them") {
    for (std::size_t const n : {std::size_t{100}, std::size_t{3000}, std::size_t{50000}}) {
      CAPTURE(n);
      scene s{n};
      for (std::size_t i = 0; i < n; ++i) s.insert(i, 16 * i, 16 * i + 15);
      std::uint64_t const depth = 3 * std::uint64_t(std::bit_width(n)) / 2;
      for (std::uint64_t const hits : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{80}}) {
        CAPTURE(hits);
        for (bool const waits : {false, true}) {
          for (std::size_t i = 0; i < n; ++i)
            s.targets[i].answer = waits ? invalidation_answer::pending : invalidation_answer::done;
          std::uint64_t const first = hits == 0 ? 16 * n : 16 * (n / 10);
          counted::nodes = 0;
          CHECK(s.event(first, first + (hits == 0 ? 0 : 16 * hits - 1)).size() == hits);
          CHECK(counted::nodes <= (waits ? 2 : 1) * (8 * depth + 4 * hits));
        }
      }
    }
  }

  TEST_CASE("random programs agree with a plain list") {
    struct plain {
      va_range span;
      int number;
      bool active;
    };
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      svm::mock::random draw{seed};
      std::uint64_t const universe = std::uint64_t{1} << (3 + draw.below(7));
      std::uint64_t const base = draw.below(2) == 0 ? 0 : top - universe + 1;
      auto const any_span = [&] {
        std::uint64_t const a = base + draw.below(universe);
        return span(a, a + draw.below(universe - (a - base)));
      };
      scene s{120};
      std::vector<plain> model;  // in the order of insertion
      std::string program;       // the reproducer
      auto const text = [&](va_range r) {
        return std::to_string(r.start().value - base) + ".." + std::to_string(r.last().value - base) + " ";
      };
      auto const insert = [&](int i, bool active) {
        va_range const r = any_span();
        program += "+" + std::to_string(i) + ":" + text(r);
        s.insert(static_cast<std::size_t>(i), r.start().value, r.last().value);
        model.push_back({r, i, active});
      };
      for (int step = 0; step < 300; ++step) {
        int const i = static_cast<int>(draw.below(s.count));
        auto const known = std::ranges::find(model, i, &plain::number);
        if (draw.below(3) != 0) {
          if (known == model.end()) {
            insert(i, true);
          } else {
            program += "-" + std::to_string(i) + " ";
            s.remove(static_cast<std::size_t>(i));
            model.erase(known);
          }
          continue;
        }
        va_range const event = any_span();
        program += "!" + text(event);
        std::vector<plain> hit;
        for (plain const& p : model)
          if (p.span.start() <= event.last() && event.start() <= p.span.last()) hit.push_back(p);
        std::ranges::stable_sort(hit, {}, [](plain const& p) { return p.span.start().value; });
        numbers expected;
        for (plain const& p : hit) expected.push_back(p.number);
        std::vector<std::uint64_t> seen(s.count);
        for (plain const& p : model)
          seen[static_cast<std::size_t>(p.number)] =
              s.all.read_begin(s.targets[static_cast<std::size_t>(p.number)].registration);
        // The first that is told inserts another one, at times.
        if (!hit.empty() && known == model.end() && draw.below(2) == 0)
          s.targets[static_cast<std::size_t>(hit.front().number)].inside = [&] { insert(i, false); };
        bool same = s.event(event.start().value, event.last().value) == expected;
        if (!hit.empty()) s.targets[static_cast<std::size_t>(hit.front().number)].inside = nullptr;
        for (plain& p : model) {
          auto& registration = s.targets[static_cast<std::size_t>(p.number)].registration;
          if (p.active)
            same = same && s.all.read_retry(registration, seen[static_cast<std::size_t>(p.number)]) ==
                               (std::ranges::count(expected, p.number) == 1);
          p.active = true;
          same = same && registration.in_index;
        }
        if (same && s.all.check() && s.all.is_quiet() && s.all.registered() == model.size()) continue;
        FAIL("seed " << seed << " after " << program);
      }
    }
  }
}

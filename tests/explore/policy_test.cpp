// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Another lock policy, made of the atomics of a policy below it: on `explore::lock_policy` its own steps are explored.

#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <explore/toys.hpp>

using namespace svm::explore;

namespace {

enum class flaw : std::uint8_t {
  none,
  looks_then_takes,  ///< the look at the word and the change of it are two steps
  ignores_readers,   ///< a writer looks only for another writer
  never_leaves,      ///< a reader that gives up takes back nothing
};

/// A reader-writer spin lock in one word: bit 31 is the writer, the rest counts readers.
template <svm::lock Base, flaw Flaw>
class spin_lock {
 public:
  void lock() {
    while (!try_lock()) Base::yield("spin");
  }
  void unlock() { word_.fetch_and(~writer); }
  [[nodiscard]] bool try_lock() {
    if constexpr (Flaw == flaw::looks_then_takes) {
      if (word_.load() != 0) return false;
      word_.store(writer);
      return true;
    } else if constexpr (Flaw == flaw::ignores_readers) {
      return (word_.fetch_or(writer) & writer) == 0;
    } else {
      std::uint32_t free = 0;
      return word_.compare_exchange(free, writer);
    }
  }
  void lock_shared() {
    while (!try_lock_shared()) Base::yield("spin shared");
  }
  void unlock_shared() { word_.fetch_sub(1); }
  [[nodiscard]] bool try_lock_shared() {
    if ((word_.fetch_add(1) & writer) == 0) return true;
    if constexpr (Flaw != flaw::never_leaves) word_.fetch_sub(1);
    return false;
  }

 private:
  static constexpr std::uint32_t writer = std::uint32_t{1} << 31;
  typename Base::template atomic<std::uint32_t> word_{0};
};

template <flaw Flaw>
struct hall {
  spin_lock<svm::explore::lock_policy, Flaw> door;
  std::uint32_t readers = 0;
  std::uint32_t writers = 0;
};

template <flaw Flaw>
class visits : public scenario<hall<Flaw>> {
 public:
  visits() : scenario<hall<Flaw>>{"visits"} {
    for (char const* const name : {"writer", "other"})
      this->thread(name).does("write", [](hall<Flaw>& h) {
        h.door.lock();
        ++h.writers;
        point("writing", {}, {1});
        --h.writers;
        h.door.unlock();
      });
    this->thread("reader").does("read", [](hall<Flaw>& h) {
      h.door.lock_shared();
      ++h.readers;
      point("reading", {1}, {});
      --h.readers;
      h.door.unlock_shared();
    });
    this->after_each_step([](hall<Flaw>& h) {
      if (h.writers > 1 || (h.writers == 1 && h.readers != 0)) fail("two in the hall");
    });
  }
};

}  // namespace

TEST_SUITE("explore/policy") {
  TEST_CASE("a right spin lock excludes in every order") {
    visits<flaw::none> s;
    report const r = search(s, exhaustive{});
    CHECK(!r.failed);
    CHECK(r.exhausted);
    CHECK(search(s, bounded{2}).exhausted);
    CHECK(!search(s, pct{3}, {.executions = 2000}).failed);
  }

  TEST_CASE("a look and a take in two steps let two writers in") {
    visits<flaw::looks_then_takes> s;
    CHECK(search(s, bounded{1}).exhausted);  // each of the two must be interrupted
    for (strategy* const how : toys::all_strategies{}) {
      if (how->name() == "bounded1" || how->name() == "pct2") continue;
      report const r = search(s, *how);
      CAPTURE(to_string(r));
      REQUIRE(r.failed);
      CHECK(r.failed->text == "two in the hall");
    }
  }

  TEST_CASE("a writer that ignores readers is seen beside one") {
    visits<flaw::ignores_readers> s;
    report const r = search(s, exhaustive{});
    REQUIRE(r.failed);
    CHECK(r.failed->text == "two in the hall");
    auto const small = shrink(s, *r.failed);
    REQUIRE(small);
    CHECK(small->smallest.part[2] != 0);
    CHECK((small->smallest.part[0] == 0 || small->smallest.part[1] == 0));
  }

  TEST_CASE("a reader that leaves its count behind locks everybody out") {
    visits<flaw::never_leaves> s;
    report const r = search(s, exhaustive{});
    REQUIRE(r.failed);
    CHECK(r.failed->kind == failure_kind::livelock);
  }
}

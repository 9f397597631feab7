// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/interval_sequence.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

using namespace svm;
using support::failed_expression;

namespace {

bool is_even(std::uint64_t n) {
  return n % 2 == 0;
}

/// The index of subscriptions as an mm keeps it around the sequence, small enough to try every order of events.
struct model_mm {
  struct subscription {
    std::uint64_t value = 0;
    bool exists = false;
    bool in_index = false;
    bool hit = false;  ///< by a section that may still be open
  };

  interval_sequence sequence;
  std::array<subscription, 2> subscriptions;

  void insert(std::size_t i) {
    auto const [deferred, value] = sequence.insert();
    // A subscription admitted at once changes the index: no hit may have frozen it before.
    subscriptions[i] = {value, true, !deferred, false};
  }

  void hit(std::size_t i) {
    subscriptions[i].value = sequence.hit();
    subscriptions[i].hit = true;
  }

  /// Returns whether waiters were woken.
  bool end() {
    bool const due = sequence.end();
    if (due)
      for (subscription& s : subscriptions) {
        if (s.exists) s.in_index = true;
        s.hit = false;
      }
    return due;
  }
};

/// Tries every order of up to `depth` events and checks the promises of the protocol after each.
class explorer {
 public:
  std::uint64_t states = 0;

  void explore(model_mm const& mm, int depth) {
    ++states;
    check(mm);
    if (depth == 0) return;
    step(mm, depth, "begin ", [](model_mm& next) { next.sequence.begin(); });
    if (mm.sequence.active() != 0) {
      step(mm, depth, "end ", [this](model_mm& next) {
        bool const was_odd = !is_even(next.sequence.value());
        bool const last = next.sequence.active() == 1;
        bool const woken = next.end();
        require(woken == (was_odd && last), "waiters wake exactly when the last section of a hitting group ends");
      });
    }
    for (std::size_t i = 0; i < mm.subscriptions.size(); ++i) {
      auto const& s = mm.subscriptions[i];
      if (!s.exists)
        step(mm, depth, "insert ", [this, i](model_mm& next) {
          bool const frozen = next.sequence.index_frozen();
          next.insert(i);
          require(!(frozen && next.subscriptions[i].in_index), "a frozen index does not change");
          require(next.sequence.must_wait(next.subscriptions[i].value) == (next.sequence.active() != 0),
                  "a new subscription is read at once exactly when no section is open");
        });
      else if (s.in_index && mm.sequence.active() != 0)
        step(mm, depth, "hit ", [this, i](model_mm& next) {
          std::uint64_t const seen = next.subscriptions[i].value;
          bool const could_read = !next.sequence.must_wait(seen);
          next.hit(i);
          require(!could_read || next.subscriptions[i].value != seen, "a reader from before a hit starts again");
        });
    }
  }

 private:
  template <class Event>
  void step(model_mm const& mm, int depth, char const* name, Event event) {
    std::size_t const length = history_.size();
    history_ += name;
    model_mm next = mm;
    event(next);
    explore(next, depth - 1);
    history_.resize(length);
  }

  void check(model_mm const& mm) {
    interval_sequence const& s = mm.sequence;
    require(is_even(s.value()) || s.active() > 0, "invariant 2: an odd value has a section open");
    require(s.active() != 0 || is_even(s.value()), "invariant 3: without a section the value is even");
    require(s.index_frozen() == !is_even(s.value()), "the index is frozen while the value is odd");
    for (auto const& sub : mm.subscriptions) {
      if (!sub.exists) continue;
      require(!is_even(sub.value), "invariant 1: a subscription's value is odd");
      if (sub.hit) require(s.must_wait(sub.value), "what an open section hit is not read");
      if (s.active() == 0) require(!s.must_wait(sub.value), "nobody waits when no section is open");
    }
  }

  void require(bool condition, char const* promise) {
    if (condition) return;
    INFO("after: ", history_);
    FAIL(promise);
  }

  std::string history_;
};

}  // namespace

TEST_SUITE("base/interval_sequence") {
  TEST_CASE("a new sequence is even and has no section open") {
    interval_sequence const s;
    CHECK(is_even(s.value()));
    CHECK(s.active() == 0);
    CHECK_FALSE(s.index_frozen());
  }

  TEST_CASE("the picture of the class comment holds, step by step") {
    interval_sequence s;
    s.begin();
    (void)s.hit();
    CHECK(s.end());
    REQUIRE(s.value() == 4);

    s.begin();
    CHECK(s.active() == 1);
    CHECK(s.value() == 4);
    CHECK(s.hit() == 5);
    CHECK(s.value() == 5);
    s.begin();
    CHECK(s.active() == 2);
    CHECK(s.value() == 5);
    CHECK(s.hit() == 5);
    CHECK_FALSE(s.end());
    CHECK(s.active() == 1);
    CHECK(s.value() == 5);
    CHECK(s.end());
    CHECK(s.active() == 0);
    CHECK(s.value() == 6);
  }

  TEST_CASE("a section that hits nobody delays nobody and wakes nobody") {
    interval_sequence s;
    std::uint64_t const before = s.value();
    std::uint64_t const subscription = s.insert().value;
    s.begin();
    CHECK_FALSE(s.index_frozen());
    CHECK_FALSE(s.must_wait(subscription));
    CHECK_FALSE(s.end());
    CHECK(s.value() == before);
  }

  TEST_CASE("a subscription that was hit waits until the section ends, and its readers start again") {
    interval_sequence s;
    std::uint64_t subscription = s.insert().value;
    std::uint64_t const reader = subscription;
    CHECK_FALSE(s.must_wait(subscription));
    s.begin();
    subscription = s.hit();
    CHECK(subscription != reader);
    CHECK(s.must_wait(subscription));
    CHECK(s.end());
    CHECK_FALSE(s.must_wait(subscription));
  }

  TEST_CASE("each section that hits a subscription gives it a value of its own") {
    interval_sequence s;
    std::uint64_t subscription = s.insert().value;
    for (int i = 0; i < 5; ++i) {
      std::uint64_t const before = subscription;
      s.begin();
      subscription = s.hit();
      CHECK(s.end());
      CHECK(subscription > before);
    }
  }

  TEST_CASE("of two overlapping sections only the end of the last one wakes the waiters (NOT-11)") {
    interval_sequence s;
    std::uint64_t const subscription = [&] {
      s.begin();
      std::uint64_t const value = s.hit();
      s.begin();
      CHECK(s.hit() == value);
      return value;
    }();
    CHECK_FALSE(s.end());
    CHECK(s.must_wait(subscription));
    CHECK_FALSE(is_even(s.value()));
    CHECK(s.end());
    CHECK_FALSE(s.must_wait(subscription));
    CHECK(is_even(s.value()));
  }

  TEST_CASE("a section that hit nobody still delays the waiters of an overlapping one") {
    interval_sequence s;
    s.begin();
    s.begin();
    std::uint64_t const subscription = s.hit();
    CHECK_FALSE(s.end());
    CHECK(s.must_wait(subscription));
    CHECK(s.end());
  }

  TEST_CASE("inserting with no section open takes effect at once and can be read") {
    interval_sequence s;
    auto const [deferred, value] = s.insert();
    CHECK_FALSE(deferred);
    CHECK_FALSE(is_even(value));
    CHECK_FALSE(s.must_wait(value));
  }

  TEST_CASE("inserting into a section that has hit somebody waits for its end") {
    interval_sequence s;
    s.begin();
    (void)s.hit();
    auto const [deferred, value] = s.insert();
    CHECK(deferred);
    CHECK(s.must_wait(value));
    CHECK(s.end());
    CHECK_FALSE(s.must_wait(value));
  }

  TEST_CASE("inserting into a section that has hit nobody makes it a hitting one, so that its end wakes the reader") {
    interval_sequence s;
    s.begin();
    auto const [deferred, value] = s.insert();
    CHECK_FALSE(deferred);
    CHECK_FALSE(is_even(value));
    CHECK(s.must_wait(value));
    CHECK(s.index_frozen());
    CHECK(s.end());
    CHECK_FALSE(s.must_wait(value));
  }

  TEST_CASE("a hit or an end without a section is an assertion") {
    interval_sequence s;
    CHECK(failed_expression([&] { (void)s.hit(); }) == "active_ > 0u");
    CHECK(failed_expression([&] { (void)s.end(); }) == "active_ > 0u");
  }

  TEST_CASE("every order of ten events keeps the promises of the protocol") {
    explorer e;
    e.explore(model_mm{}, 10);
    CHECK(e.states > 10'000);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/quota.hpp>

#include <cstdint>

#include <doctest/doctest.h>

#include <svm/std/null_lock.hpp>

using namespace svm;

namespace {

using word = null_lock::atomic<std::uint64_t>;

/// A word that somebody else changes between a look at it and the exchange.
class contended_word {
 public:
  explicit contended_word(std::uint64_t value) : value_(value) {}
  static inline std::uint64_t others = 0;  ///< what the other takes before the next exchange
  [[nodiscard]] std::uint64_t load() const { return value_; }
  bool compare_exchange(std::uint64_t& expected, std::uint64_t desired) {
    value_ += others;
    others = 0;
    if (value_ != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    return true;
  }
  void fetch_sub(std::uint64_t n) { value_ -= n; }

 private:
  std::uint64_t value_;
};

}  // namespace

TEST_SUITE("base/quota") {
  TEST_CASE("exactly the limit can be taken, and one more is refused and takes nothing") {
    detail::quota<word> q{10};
    CHECK(q.charge(4));
    CHECK(q.charge(6));
    CHECK_FALSE(q.charge(1));
    CHECK(q.used() == 10);
    q.uncharge(6);
    CHECK_FALSE(q.charge(7));
    CHECK(q.used() == 4);
    CHECK(q.charge(6));
    CHECK(q.limit() == 10);
  }

  TEST_CASE("more than the limit is refused at once, and nothing can always be taken") {
    detail::quota<word> q{10};
    CHECK_FALSE(q.charge(11));
    CHECK(q.charge(10));
    CHECK(q.charge(0));
    detail::quota<word> none{0};
    CHECK(none.charge(0));
    CHECK_FALSE(none.charge(1));
  }

  TEST_CASE("sums do not wrap at the top of the word") {
    detail::quota<word> q{UINT64_MAX};
    CHECK(q.charge(UINT64_MAX - 1));
    CHECK_FALSE(q.charge(2));
    CHECK_FALSE(q.charge(UINT64_MAX));
    CHECK(q.charge(1));
    CHECK(q.used() == UINT64_MAX);
  }

  TEST_CASE("who is overtaken looks again: what the other took counts") {
    detail::quota<contended_word> q{10};
    contended_word::others = 3;
    CHECK(q.charge(7));
    CHECK(q.used() == 10);
    q.uncharge(7);
    contended_word::others = 4;
    CHECK_FALSE(q.charge(7));
    CHECK(q.used() == 7);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/refcount.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

#include <svm/std/null_lock.hpp>

using namespace svm;
using support::failed_expression;

namespace {

using count = reference_count<null_lock::atomic<std::uint32_t>>;

/// Counts its references and, instead of dying, notes that it would.
class object {
 public:
  void get() { references_.get(); }
  void put() {
    if (references_.put()) ++deaths;
  }
  [[nodiscard]] std::uint32_t references() const { return references_.value(); }
  int deaths = 0;

 private:
  count references_;
};

/// A counter that somebody else changes between a look at it and the exchange.
class contended_counter {
 public:
  explicit contended_counter(std::uint32_t value) : value_(value) {}
  [[nodiscard]] std::uint32_t load() const { return value_; }
  bool compare_exchange(std::uint32_t& expected, std::uint32_t desired) {
    value_ += std::exchange(others_, 0);
    if (value_ != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    return true;
  }
  static void add_next(std::uint32_t n) { others_ = n; }

 private:
  static inline std::uint32_t others_ = 0;
  std::uint32_t value_;
};

using object_ref = counted_ref<object>;
static_assert(std::is_nothrow_move_constructible_v<object_ref> && std::is_copy_constructible_v<object_ref>);
static_assert(!std::is_convertible_v<object&, object_ref>, "adopt or share: the call site says which");

}  // namespace

TEST_SUITE("base/refcount") {
  TEST_CASE("a count starts at one and its first put is the last") {
    count c;
    CHECK(c.value() == 1);
    CHECK(c.put());
    CHECK(c.value() == 0);
  }

  TEST_CASE("only the put that matches the first reference is the last") {
    count c;
    c.get();
    CHECK(c.try_get());
    CHECK(c.value() == 3);
    CHECK_FALSE(c.put());
    CHECK_FALSE(c.put());
    CHECK(c.put());
  }

  TEST_CASE("try_get brings nothing back to life") {
    count c;
    CHECK(c.put());
    CHECK_FALSE(c.try_get());
    CHECK(c.value() == 0);
  }

  TEST_CASE("try_get that is overtaken counts on from what the other left, and gives up at zero") {
    reference_count<contended_counter> c;
    contended_counter::add_next(3);
    CHECK(c.try_get());
    CHECK(c.value() == 5);
    contended_counter::add_next(0u - 5);
    CHECK_FALSE(c.try_get());
    CHECK(c.value() == 0);
  }

  TEST_CASE("get and put on a count of zero are assertions") {
    count dead;
    CHECK(dead.put());
    CHECK(failed_expression([&] { dead.get(); }) == "before > 0u");
    count twice;
    CHECK(twice.put());
    CHECK(failed_expression([&] { (void)twice.put(); }) == "before > 0u");
  }

  TEST_CASE("an empty reference refers to nothing") {
    object_ref const r;
    CHECK_FALSE(static_cast<bool>(r));
    CHECK(r.get() == nullptr);
    object_ref const copy = r;
    CHECK(copy.get() == nullptr);
  }

  TEST_CASE("adopt takes over a reference and the destructor puts it") {
    object o;
    {
      object_ref const r = object_ref::adopt(o);
      CHECK(o.references() == 1);
      CHECK(r.get() == &o);
      CHECK(&*r == &o);
      CHECK(r->references() == 1);
    }
    CHECK(o.references() == 0);
    CHECK(o.deaths == 1);
  }

  TEST_CASE("share and a copy each take a reference of their own") {
    object o;
    {
      object_ref const first = object_ref::share(o);
      CHECK(o.references() == 2);
      object_ref const second = first;
      CHECK(o.references() == 3);
      CHECK(second.get() == first.get());
    }
    CHECK(o.references() == 1);
    CHECK(o.deaths == 0);
  }

  TEST_CASE("a move hands the reference over") {
    object o;
    object_ref first = object_ref::adopt(o);
    object_ref const second = std::move(first);
    CHECK(first.get() == nullptr);
    CHECK(second.get() == &o);
    CHECK(o.references() == 1);
  }

  TEST_CASE("an assignment puts what was referred to before") {
    object a, b;
    object_ref r = object_ref::adopt(a);
    r = object_ref::adopt(b);
    CHECK(a.deaths == 1);
    CHECK(b.deaths == 0);
    object_ref const other = object_ref::share(b);
    r = other;
    CHECK(b.references() == 2);
    r = object_ref{};
    CHECK(b.references() == 1);
    CHECK(b.deaths == 0);
  }

  TEST_CASE("assigning a reference to itself changes nothing") {
    object o;
    object_ref r = object_ref::adopt(o);
    object_ref const& same = r;
    r = same;
    CHECK(r.get() == &o);
    CHECK(o.references() == 1);
    CHECK(o.deaths == 0);
  }

  TEST_CASE("a released reference is the caller's to put") {
    object o;
    object_ref r = object_ref::adopt(o);
    object* const raw = r.release();
    CHECK(raw == &o);
    CHECK(r.get() == nullptr);
    CHECK(o.references() == 1);
    raw->put();
    CHECK(o.deaths == 1);
  }
}

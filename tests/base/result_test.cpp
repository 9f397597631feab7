// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/result.hpp>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>
#include <support/assertions.hpp>

using namespace svm;
using support::failed_expression;

namespace {

/// Counts the objects that are alive and how often one was moved or copied.
struct counts {
  int alive = 0;
  int moves = 0;
  int copies = 0;
};

class counted {
 public:
  counted(counts& n, int value) : n_(&n), value_(value) { ++n_->alive; }
  counted(counted&& other) noexcept : n_(other.n_), value_(std::exchange(other.value_, -1)) {
    ++n_->alive;
    ++n_->moves;
  }
  counted(counted const& other) : n_(other.n_), value_(other.value_) {
    ++n_->alive;
    ++n_->copies;
  }
  counted& operator=(counted const&) = delete;
  ~counted() { --n_->alive; }
  [[nodiscard]] int value() const { return value_; }

 private:
  counts* n_;
  int value_;
};

using owner = std::unique_ptr<counted>;

static_assert(std::is_move_constructible_v<result<owner>> && !std::is_copy_constructible_v<result<owner>>);
static_assert(std::is_copy_constructible_v<result<int>>);
static_assert(!std::is_copy_assignable_v<result<int>> && !std::is_move_assignable_v<result<int>>);
static_assert(!std::is_convertible_v<result<int>, bool>, "an if needs the explicit conversion; an int does not");
static_assert(result<int>{7}.value() == 7, "usable in constant expressions");
static_assert(result<int>{errc::busy}.error() == errc::busy);

result<owner> make_owner(counts& n, bool succeed) {
  if (!succeed) return errc::no_memory;
  return std::make_unique<counted>(n, 1);
}

constexpr int last_errc = static_cast<int>(errc::step_not_taken);

}  // namespace

TEST_SUITE("base/result") {
  TEST_CASE("a result holds the value it was made of") {
    result<int> const r = 42;
    CHECK(r.has_value());
    CHECK(static_cast<bool>(r));
    CHECK(r.error() == errc::ok);
    CHECK(r.value() == 42);
    CHECK(*r == 42);
  }

  TEST_CASE("a result holds the error it was made of") {
    result<int> const r = errc::no_vma;
    CHECK_FALSE(r.has_value());
    CHECK_FALSE(static_cast<bool>(r));
    CHECK(r.error() == errc::no_vma);
  }

  TEST_CASE("the value can be changed in place and reached through the arrow") {
    result<std::string> r = std::string{"page"};
    r.value() += "s";
    CHECK(*r == "pages");
    CHECK(r->size() == 5);
    *r = "range";
    CHECK(r->front() == 'r');
    result<std::string> const& view = r;
    CHECK(view->back() == 'e');
  }

  TEST_CASE("the value of an error is an assertion in every form of access") {
    result<int> failed = errc::busy;
    result<int> const& view = failed;
    CHECK(failed_expression([&] { (void)failed.value(); }) == "has_value()");
    CHECK(failed_expression([&] { (void)view.value(); }) == "has_value()");
    CHECK(failed_expression([&] { (void)*failed; }) == "has_value()");
    CHECK(failed_expression([&] { (void)*view; }) == "has_value()");
    CHECK(failed_expression([&] { (void)failed.operator->(); }) == "has_value()");
    CHECK(failed_expression([&] { (void)std::move(failed).value(); }) == "has_value()");
  }

  TEST_CASE("an error of ok is an assertion") {
    CHECK(failed_expression([] { (void)result<int>{errc::ok}; }) == "error != errc::ok");
  }

  TEST_CASE("a value is destroyed exactly once") {
    counts n;
    {
      result<counted> const r = counted{n, 5};
      CHECK(r->value() == 5);
      CHECK(n.alive == 1);
      CHECK(n.copies == 0);
    }
    CHECK(n.alive == 0);
  }

  TEST_CASE("an error destroys no value") {
    counts n;
    {
      result<counted> const r = errc::gone;
      CHECK(r.error() == errc::gone);
    }
    CHECK(n.alive == 0);
  }

  TEST_CASE("moving a result moves its value and leaves a moved-from value behind") {
    counts n;
    {
      result<counted> first = counted{n, 5};
      int const moves_before = n.moves;
      result<counted> const second = std::move(first);
      CHECK(n.moves == moves_before + 1);
      CHECK(n.alive == 2);
      CHECK(second->value() == 5);
      CHECK(first.has_value());
      CHECK(first->value() == -1);
    }
    CHECK(n.alive == 0);
    CHECK(n.copies == 0);
  }

  TEST_CASE("moving or copying an error makes no value") {
    result<counted> failed = errc::retry;
    result<counted> const copy = failed;
    result<counted> const moved = std::move(failed);
    CHECK(copy.error() == errc::retry);
    CHECK(moved.error() == errc::retry);
  }

  TEST_CASE("a copy owns its own value") {
    counts n;
    {
      result<counted> const first = counted{n, 5};
      result<counted> const second = first;
      CHECK(n.copies == 1);
      CHECK(n.alive == 2);
      CHECK(first->value() == 5);
      CHECK(second->value() == 5);
    }
    CHECK(n.alive == 0);
  }

  TEST_CASE("a move-only value comes out of a result") {
    counts n;
    result<owner> r = make_owner(n, true);
    REQUIRE(r.has_value());
    CHECK((*r)->value() == 1);
    owner const out = std::move(r).value();
    CHECK(out->value() == 1);
    CHECK(*r == nullptr);
    CHECK(n.alive == 1);
    owner const direct = *make_owner(n, true);
    CHECK(direct->value() == 1);
    CHECK(n.alive == 2);
    CHECK(make_owner(n, false).error() == errc::no_memory);
    CHECK(n.alive == 2);
  }

  TEST_CASE("every cause has words of its own and an errno name that users know") {
    std::set<std::string_view> const errno_names = {"EINVAL", "EFAULT", "ENOENT",  "EPERM", "EACCES",
                                                    "ENOMEM", "EBUSY",  "EAGAIN",  "ETIME", "EOPNOTSUPP",
                                                    "EEXIST", "ENODEV", "ENODATA", "EINTR"};
    std::set<std::string_view> causes;
    for (int i = 1; i <= last_errc; ++i) {
      CAPTURE(i);
      errc_text const text = describe(static_cast<errc>(i));
      CHECK(errno_names.contains(text.errno_name));
      CHECK(errno_name(static_cast<errc>(i)) == std::string_view{text.errno_name});
      CHECK(text.cause != std::string_view{"unknown error"});
      CHECK(causes.insert(text.cause).second);
    }
  }

  TEST_CASE("ok is success, and a number that is no cause is an unknown error") {
    CHECK(errno_name(errc::ok) == std::string_view{"OK"});
    CHECK(describe(errc::ok).cause == std::string_view{"success"});
    CHECK(describe(static_cast<errc>(last_errc + 1)).cause == std::string_view{"unknown error"});
    CHECK(describe(static_cast<errc>(255)).cause == std::string_view{"unknown error"});
  }

  TEST_CASE("the errno names of the common failures are those of the reference") {
    CHECK(errno_name(errc::no_vma) == std::string_view{"ENOENT"});
    CHECK(errno_name(errc::read_only) == std::string_view{"EPERM"});
    CHECK(errno_name(errc::retry) == std::string_view{"EAGAIN"});
    CHECK(errno_name(errc::busy) == std::string_view{"EBUSY"});
    CHECK(errno_name(errc::timed_out) == std::string_view{"ETIME"});
    CHECK(errno_name(errc::no_device_memory) == std::string_view{"ENOMEM"});
    CHECK(errno_name(errc::mixed_placement) == std::string_view{"EOPNOTSUPP"});
    CHECK(errno_name(errc::mm_gone) == std::string_view{"EFAULT"});
  }
}

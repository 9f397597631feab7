// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/construct.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>
#include <support/assertions.hpp>
#include <support/ledger_allocator.hpp>

using namespace svm;
using support::failed_expression;
using support::ledger_allocator;

namespace {

/// Counts the objects that are alive; a new one has the value 7.
struct tracked {
  static inline int alive = 0;
  tracked() { ++alive; }
  explicit tracked(std::unique_ptr<int> n) : value(*n) { ++alive; }
  tracked(tracked const& other) : value(other.value) { ++alive; }
  tracked& operator=(tracked const&) = default;
  ~tracked() { --alive; }
  int value = 7;
};

struct alignas(64) cache_line {
  std::byte bytes[64];
};

using array = detail::scratch_array<tracked, ledger_allocator>;
static_assert(!std::is_copy_constructible_v<array> && !std::is_move_constructible_v<array>);

}  // namespace

TEST_SUITE("base/construct") {
  TEST_CASE("construct makes an object of its arguments and destroy gives the memory back") {
    ledger_allocator memory;
    tracked* const t = detail::construct<tracked>(memory, std::make_unique<int>(5));
    REQUIRE(t != nullptr);
    CHECK(t->value == 5);
    CHECK(tracked::alive == 1);
    CHECK(memory.outstanding() == 1);
    detail::destroy(memory, t);
    CHECK(tracked::alive == 0);
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("construct without memory returns null and leaves the arguments alone") {
    ledger_allocator memory;
    memory.fail_at = 1;
    auto argument = std::make_unique<int>(5);
    CHECK(detail::construct<tracked>(memory, std::move(argument)) == nullptr);
    CHECK(argument != nullptr);
    CHECK(tracked::alive == 0);
    CHECK(memory.outstanding() == 0);
  }

  TEST_CASE("an over-aligned object gets its alignment") {
    ledger_allocator memory;
    cache_line* const line = detail::construct<cache_line>(memory);
    REQUIRE(line != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(line) % 64 == 0);
    detail::destroy(memory, line);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("a new scratch array is empty and holds no memory") {
    ledger_allocator memory;
    array const a{memory};
    CHECK(a.size() == 0);
    CHECK(a.begin() == a.end());
    CHECK(memory.calls == 0);
  }

  TEST_CASE("reserve makes value-initialised elements, and the destructor ends them") {
    ledger_allocator memory;
    {
      array a{memory};
      REQUIRE(a.reserve(3));
      CHECK(a.size() == 3);
      CHECK(a.end() - a.begin() == 3);
      CHECK(a.data() == a.begin());
      for (tracked const& t : a) CHECK(t.value == 7);
      CHECK(tracked::alive == 3);
      CHECK(memory.outstanding() == 1);
    }
    CHECK(tracked::alive == 0);
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("elements that are to be written first are made only where their type needs it") {
    ledger_allocator memory;
    {
      detail::scratch_array<int, ledger_allocator> numbers{memory};
      REQUIRE(numbers.reserve(3));
      numbers[0] = 5;
      REQUIRE(numbers.reserve_for_overwrite(2));
      CHECK(numbers.size() == 2);
      CHECK(numbers[0] == 5);
      REQUIRE(numbers.reserve_for_overwrite(4));
      CHECK(numbers.size() == 4);
      CHECK(memory.outstanding() == 1);
      array a{memory};
      REQUIRE(a.reserve_for_overwrite(3));
      for (tracked const& t : a) CHECK(t.value == 7);
      memory.fail_at = memory.calls + 1;
      CHECK(!numbers.reserve_for_overwrite(100));
      CHECK(numbers.size() == 0);
    }
    CHECK(tracked::alive == 0);
    CHECK(memory.outstanding() == 0);
  }

  TEST_CASE("a smaller or equal reserve allocates nothing and shows fresh elements") {
    ledger_allocator memory;
    array a{memory};
    REQUIRE(a.reserve(4));
    a[0].value = a[3].value = 1;
    REQUIRE(a.reserve(4));
    CHECK(a[0].value == 7);
    CHECK(a[3].value == 7);
    a[3].value = 1;
    REQUIRE(a.reserve(2));
    CHECK(a.size() == 2);
    REQUIRE(a.reserve(4));
    CHECK(a[3].value == 7);
    CHECK(memory.calls == 1);
    REQUIRE(a.reserve(0));
    CHECK(a.size() == 0);
    CHECK(a.begin() == a.end());
    CHECK(memory.calls == 1);
  }

  TEST_CASE("a larger reserve replaces the memory") {
    ledger_allocator memory;
    {
      array a{memory};
      REQUIRE(a.reserve(2));
      REQUIRE(a.reserve(5));
      CHECK(a.size() == 5);
      CHECK(tracked::alive == 5);
      CHECK(memory.calls == 2);
      CHECK(memory.outstanding() == 1);
    }
    CHECK(tracked::alive == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("reserving nothing needs no memory") {
    ledger_allocator memory;
    memory.fail_at = 1;
    array a{memory};
    CHECK(a.reserve(0));
    CHECK(a.size() == 0);
  }

  TEST_CASE("a reserve that fails leaves an empty array that can be used again") {
    ledger_allocator memory;
    array a{memory};
    REQUIRE(a.reserve(2));
    memory.fail_at = 2;
    CHECK_FALSE(a.reserve(3));
    CHECK(a.size() == 0);
    CHECK(tracked::alive == 0);
    CHECK(memory.outstanding() == 0);
    CHECK(a.reserve(3));
    CHECK(a.size() == 3);
  }

  TEST_CASE("a count whose bytes overflow fails without asking for memory") {
    ledger_allocator memory;
    array a{memory};
    CHECK_FALSE(a.reserve(SIZE_MAX / sizeof(tracked) + 1));
    CHECK_FALSE(a.reserve(SIZE_MAX));
    CHECK(a.size() == 0);
    CHECK(memory.calls == 0);
  }

  TEST_CASE("clear gives everything back at once, and may come twice") {
    ledger_allocator memory;
    array a{memory};
    REQUIRE(a.reserve(2));
    a.clear();
    CHECK(a.size() == 0);
    CHECK(tracked::alive == 0);
    CHECK(memory.outstanding() == 0);
    a.clear();
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("swap exchanges the content of two arrays, one of them empty") {
    ledger_allocator memory;
    {
      array a{memory}, b{memory};
      REQUIRE(a.reserve(2));
      a[1].value = 9;
      a.swap(b);
      CHECK(a.size() == 0);
      REQUIRE(b.size() == 2);
      CHECK(b[1].value == 9);
      b.swap(a);
      CHECK(b.size() == 0);
      CHECK(a[1].value == 9);
      CHECK(tracked::alive == 2);
    }
    CHECK(tracked::alive == 0);
    CHECK(memory.mismatches == 0);
  }

  TEST_CASE("swapping arrays of two allocators, or an index past the end, is an assertion") {
    ledger_allocator memory, other;
    array a{memory}, b{other};
    CHECK(failed_expression([&] { a.swap(b); }) == "&memory_ == &other.memory_");
    REQUIRE(a.reserve(2));
    CHECK(failed_expression([&] { (void)a[2]; }) == "i < size_");
    CHECK(failed_expression([&] { (void)a[1]; }) == "no assertion failed");
  }
}

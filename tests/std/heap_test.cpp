// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/std/heap.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <doctest/doctest.h>

using namespace svm;

TEST_SUITE("std/heap") {
  TEST_CASE("it holds nothing") {
    CHECK(std::is_empty_v<heap>);
  }

  TEST_CASE("memory has the alignment that was asked for") {
    heap h;
    for (std::size_t alignment = 1; alignment <= 64; alignment *= 2) {
      CAPTURE(alignment);
      std::byte* const memory = h.allocate(3, alignment);
      REQUIRE(memory != nullptr);
      CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0);
      h.deallocate(memory, 3, alignment);
    }
  }

  TEST_CASE("memory of one heap object goes back through another") {
    std::byte* const memory = heap{}.allocate(100, 8);
    REQUIRE(memory != nullptr);
    heap{}.deallocate(memory, 100, 8);
  }

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which end the program over such a size
  TEST_CASE("a size that no machine has is refused with null, not with an exception") {
    std::size_t volatile all_but_a_page = SIZE_MAX - 4096;
    CHECK(heap{}.allocate(all_but_a_page, 8) == nullptr);
  }
#endif
}

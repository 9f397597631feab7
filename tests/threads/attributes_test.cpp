// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Attributes that are said and read while the memory that they are said of goes, with real threads; run under TSan too.

#include <atomic>
#include <cstdint>
#include <thread>

#include <doctest/doctest.h>

#include <threads/world.hpp>

using namespace real_threads;

namespace {

using svm::preferred_place;
using svm::span_attributes;

constexpr std::uint64_t pages = 16;
constexpr span_attributes in_system{.preferred = preferred_place::system};
constexpr span_attributes on_device{.preferred = preferred_place::device};

svm::va_range span_of(std::uint64_t first, std::uint64_t count) {
  return {page_at(first), {count * page_bytes}};
}

}  // namespace

TEST_SUITE("threads/attributes") {
  TEST_CASE("attributes are cut, read and forgotten at once, and memory that is gone keeps none") {
    world w{svm::mock::machine_options{}};
    w.map(base, pages * page_bytes);
    REQUIRE(w.driver.advise(span_of(0, pages), in_system) == errc::ok);
    std::atomic<bool> stop{false};
    std::thread unmapper{[&] {
      for (std::uint64_t n = 0; !stop; n = (n + 5) % pages) {
        CHECK(w.process.munmap(page_at(n), {page_bytes}) == sys::ok);
        CHECK(w.try_map(page_at(n), page_bytes) == sys::ok);
      }
    }};
    std::thread reader{[&] {
      while (!stop)
        for (std::uint64_t n = 0; n < pages; ++n) static_cast<void>(w.driver.attributes_at(page_at(n)));
    }};
    for (std::uint64_t round = 0; round < 300; ++round) {
      // Cuts the middle out of what is said, so that the ends inherit what was forgotten of the whole.
      CHECK(w.driver.advise(span_of(0, pages), round % 2 == 0 ? in_system : on_device) == errc::ok);
      CHECK(w.driver.advise(span_of(4 + round % 4, 3), round % 2 == 0 ? on_device : in_system) == errc::ok);
    }
    stop = true;
    unmapper.join();
    reader.join();
    CHECK(w.process.munmap(base, {pages * page_bytes}) == sys::ok);
    for (std::uint64_t n = 0; n < pages; ++n) CHECK(w.driver.attributes_at(page_at(n)) == span_attributes{});
    w.finish();
  }
}

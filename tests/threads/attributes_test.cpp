// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Attributes that are said and read while the memory that they are said of goes, with real threads; run under TSan too.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine.hpp>
#include <svm/std/std_lock.hpp>

namespace {

using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::preferred_place;
using svm::span_attributes;
using svm::mock::sys;
using machine = svm::mock::machine<svm::mock::rank_checked<svm::std_lock>>;

constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
constexpr std::uint64_t pages = 16;
constexpr cpu_va base{std::uint64_t{4} << 30};
constexpr span_attributes in_system{.preferred = preferred_place::system};
constexpr span_attributes on_device{.preferred = preferred_place::device};

svm::va_range span_of(std::uint64_t first, std::uint64_t count) {
  return {base + byte_count{first * page_bytes}, {count * page_bytes}};
}

}  // namespace

TEST_SUITE("threads/attributes") {
  TEST_CASE("attributes are cut, read and forgotten at once, and memory that is gone keeps none") {
    svm::mock::machine_options const o;
    machine w{o, *machine::check(o)};
    auto const map = [&](svm::va_range at) {
      return w.process.mmap(at.size(), svm::mock::protection::read_write, svm::mock::mapping_kind::anon, at.start())
          .error;
    };
    REQUIRE(map(span_of(0, pages)) == sys::ok);
    REQUIRE(w.driver.advise(span_of(0, pages), in_system) == errc::ok);
    std::atomic<bool> stop{false};
    std::thread unmapper{[&] {
      for (std::uint64_t n = 0; !stop; n = (n + 5) % pages) {
        CHECK(w.process.munmap(base + byte_count{n * page_bytes}, {page_bytes}) == sys::ok);
        CHECK(map(span_of(n, 1)) == sys::ok);
      }
    }};
    std::thread reader{[&] {
      while (!stop)
        for (std::uint64_t n = 0; n < pages; ++n) static_cast<void>(w.driver.attributes_at(span_of(n, 1).start()));
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
    for (std::uint64_t n = 0; n < pages; ++n) CHECK(w.driver.attributes_at(span_of(n, 1).start()) == span_attributes{});
    std::vector<std::string> const lines = w.audit();
    CHECK_MESSAGE(lines.empty(), doctest::toString(lines.empty() ? std::string{} : lines.front()));
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// A program that says `using namespace svm` beside the C library: a name of the library that is one of the C library's
// too would be ambiguous there, or mean something else.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <type_traits>

#include <svm/explore.hpp>
#include <svm/index.hpp>
#include <svm/mock.hpp>
#include <svm/placement.hpp>
#include <svm/port.hpp>
#include <svm/std.hpp>
#include <svm/svm.hpp>

#include <doctest/doctest.h>

using namespace svm;

static_assert(std::is_same_v<decltype(access("/", F_OK)), int> && std::is_same_v<decltype(clock()), std::clock_t>);

TEST_SUITE("static/libc_names") {
  TEST_CASE("beside `using namespace svm`, functions of the C library are called by their names") {
    CHECK(access("/", 0) == 0);
    CHECK(access("/no/such/file", 0) == -1);
    CHECK(clock() != static_cast<std::clock_t>(-1));
    CHECK(time(nullptr) != static_cast<std::time_t>(-1));

    auto const size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    auto* const page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(page != MAP_FAILED);
    CHECK(madvise(page, size, MADV_DONTNEED) == 0);
    CHECK(mprotect(page, size, PROT_NONE) == 0);
    CHECK(munmap(page, size) == 0);

    int ends[2];
    REQUIRE(pipe(ends) == 0);
    char const sent = 's';
    char got = 0;
    CHECK(write(ends[1], &sent, 1) == 1);
    CHECK(read(ends[0], &got, 1) == 1);
    CHECK(got == sent);
    CHECK(close(ends[0]) == 0);
    CHECK(close(ends[1]) == 0);
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "suggest.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

namespace {

constexpr std::array<std::string_view, 6> known = {"mmap", "munmap", "mprotect", "gc", "notifiers", "ranges"};

std::string meant(std::string_view word) {
  return std::string(svmsh::nearest(word, known).value_or("nothing"));
}

}  // namespace

TEST_SUITE("svmsh/suggest") {
  TEST_CASE("a letter that is wrong, missing, too many or in the wrong order is forgiven") {
    CHECK(meant("mmab") == "mmap");
    CHECK(meant("map") == "mmap");
    CHECK(meant("mmaap") == "mmap");
    CHECK(meant("mmpa") == "mmap");
    CHECK(meant("gx") == "gc");
  }

  TEST_CASE("a long word may have more mistakes than a short one") {
    CHECK(meant("mprtct") == "mprotect");
    CHECK(meant("notifixrz") == "notifiers");
    CHECK(meant("mxxx") == "nothing");
    CHECK(meant("gxx") == "nothing");
  }

  TEST_CASE("a beginning of three letters that fits one word alone stands for it") {
    CHECK(meant("not") == "notifiers");
    CHECK(meant("mpr") == "mprotect");
    CHECK(meant("n") == "nothing");
  }

  TEST_CASE("another case is no mistake") {
    CHECK(meant("GC") == "gc");
    CHECK(meant("MUnmap") == "munmap");
    CHECK(meant("NOTIF") == "notifiers");
  }

  TEST_CASE("a word that is like none, empty or endless stands for nothing") {
    CHECK(meant("") == "nothing");
    CHECK(meant("xylophone") == "nothing");
    CHECK(meant(std::string(100000, 'm')) == "nothing");
    CHECK(svmsh::did_you_mean("xylophone", known).empty());
    CHECK(svmsh::did_you_mean("mmpa", known) == " (did you mean 'mmap'?)");
  }
}

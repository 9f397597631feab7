// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "console.hpp"

#include "input.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

namespace {

using svmsh::progress_text;

}  // namespace

TEST_SUITE("svmsh/console") {
  TEST_CASE("of an input whose length nobody knows the lines are told") {
    CHECK(progress_text(0, {}, 5) == "0 lines");
    CHECK(progress_text(1200000, {}, 5) == "1200000 lines");
  }

  TEST_CASE("of a file the part that was read is told, and what the rest will take at that pace") {
    CHECK(progress_text(10, 0.5, 7) == "50 %, 10 lines, 7 s left");
    CHECK(progress_text(10, 0.25, 2) == "25 %, 10 lines, 6 s left");
    CHECK(progress_text(10, 1.0, 9) == "100 %, 10 lines, 0 s left");
    CHECK(progress_text(10, 0.1, 20) == "10 %, 10 lines, 3 min 0 s left");
  }

  TEST_CASE("at its beginning nobody can say how long it will take") {
    CHECK(progress_text(10, 0.0, 1) == "0 %, 10 lines");
    CHECK(progress_text(10, 0.009, 1) == "0 %, 10 lines");
  }

  TEST_CASE("the length of a file is known, that of what is no file or not there is not") {
    std::filesystem::path const path =
        std::filesystem::temp_directory_path() / ("svmsh_" + std::to_string(std::rand()));
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    CHECK(std::fputs("12345678", file) >= 0);
    CHECK(std::fclose(file) == 0);
    svmsh::input_length const known(path.c_str());
    CHECK(known.share(0) == 0.0);
    CHECK(known.share(2) == 0.25);
    CHECK(known.share(8) == 1.0);
    CHECK(known.share(9) == 1.0);
    std::filesystem::remove(path);
    CHECK_FALSE(svmsh::input_length(path.c_str()).share(1));
    CHECK_FALSE(svmsh::input_length("/").share(1));
    CHECK_FALSE(svmsh::input_length("/dev/null").share(1));
  }
}

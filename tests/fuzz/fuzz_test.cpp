// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The fuzz targets without a fuzzer: every file of the corpus, and a bounded number of seeded random inputs.

#include "target.hpp"

#include <support/sanitized.hpp>
#include <svm/mock/machine/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::uint64_t setting(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

std::vector<std::byte> content(std::filesystem::path const& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<std::byte> all;
  for (std::istreambuf_iterator<char> at(in), end; at != end; ++at) all.push_back(static_cast<std::byte>(*at));
  return all;
}

std::vector<std::byte> random_input(std::uint64_t seed) {
  svm::mock::random draw(seed);
  std::vector<std::byte> all(draw.below(std::uint64_t{1} << (4 + draw.below(8))));
  for (std::byte& b : all) b = static_cast<std::byte>(draw.below(256));
  return all;
}

}  // namespace

TEST_SUITE("fuzz") {
  TEST_CASE("the inputs of the corpus find nothing") {
    char const* const corpus = std::getenv("SVM_FUZZ_CORPUS");
    REQUIRE_MESSAGE(corpus != nullptr, "SVM_FUZZ_CORPUS names the folder with a folder of inputs for each target");
    for (fuzz::target const& t : fuzz::targets()) {
      std::vector<std::filesystem::path> files;
      for (auto const& entry : std::filesystem::directory_iterator(std::filesystem::path(corpus) / t.name))
        files.push_back(entry.path());
      std::ranges::sort(files);
      CAPTURE(t.name);
      CHECK(files.size() > 0);
      for (std::filesystem::path const& file : files) {
        CAPTURE(file.string());
        CHECK(fuzz::run(t, content(file), file.string()) == 0);
      }
    }
  }

  TEST_CASE("random inputs find nothing") {
    // SVM_SEED runs one seed, SVM_FUZZ_RUNS another number of them.
    bool const one = std::getenv("SVM_SEED") != nullptr;
    std::uint64_t const first = setting("SVM_SEED", 1);
    std::uint64_t const runs = one ? 1 : setting("SVM_FUZZ_RUNS", support::sanitized ? 40 : 500);
    for (fuzz::target const& t : fuzz::targets()) {
      CAPTURE(t.name);
      for (std::uint64_t seed = first; seed < first + runs; ++seed) {
        CAPTURE(seed);
        CHECK(fuzz::run(t, random_input(seed), "SVM_SEED=" + std::to_string(seed)) == 0);
      }
    }
  }
}

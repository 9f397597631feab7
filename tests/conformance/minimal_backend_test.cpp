// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The backend of examples/minimal_backend.hpp, and how a user runs the suites on types of his own.

#include <memory>

#include <doctest/doctest.h>

#include <conformance/tiny_bench.hpp>
#include <svm/conformance/device.hpp>
#include <svm/conformance/mm.hpp>
#include <svm/conformance/pagemap.hpp>

namespace {

constexpr auto make = [] { return std::make_unique<tiny_bench<>>(); };

}  // namespace

TEST_SUITE("conformance/minimal_backend") {
  TEST_CASE("the minimal backend's process keeps the promises of an mm") {
    CHECK(svm::conformance::mm::check_all(make) == svm::conformance::kept);
  }
  TEST_CASE("the minimal backend's GPU keeps the promises of a device") {
    CHECK(svm::conformance::device::check_all(make) == svm::conformance::kept);
  }
  TEST_CASE("the minimal backend's memory keeps the promises of a pagemap") {
    CHECK(svm::conformance::pagemap::check_all(make) == svm::conformance::kept);
  }
}

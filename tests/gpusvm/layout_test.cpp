// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <support/scripted.hpp>

#include <svm/gpusvm/layout.hpp>

using namespace svm::literals;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::gpusvm_layout;
using svm::va_range;

namespace {

constexpr va_range window{cpu_va{}, 64_GiB};

errc make(std::vector<byte_count> const& chunks, byte_count notifier_size, va_range w = window,
          byte_count page_size = 4_KiB) {
  return gpusvm_layout::make(w, notifier_size, chunks, page_size).error();
}

}  // namespace

// What a constructor need not refuse, since it cannot be written (RNG-22): no layout but a checked one, and no gpusvm
// without somebody who handles invalidations.
using policies = support::scripted_policies<4096>;
static_assert(!std::is_default_constructible_v<gpusvm_layout>);
static_assert(!std::is_constructible_v<gpusvm_layout, va_range, byte_count, std::size_t>);
static_assert(
    !std::is_constructible_v<svm::gpusvm<policies>, svm::svm_environment<policies> const&, gpusvm_layout const&>);
static_assert(std::is_constructible_v<svm::gpusvm<policies>, svm::svm_environment<policies> const&,
                                      gpusvm_layout const&, svm::invalidation_client<policies>&>);

TEST_SUITE("gpusvm/layout") {
  TEST_CASE("a configuration keeps what it was made of") {
    std::array const chunks{2_MiB, 64_KiB, 4_KiB};
    auto const g = gpusvm_layout::make(window, 512_MiB, chunks, 4_KiB);
    REQUIRE(g.has_value());
    CHECK(g->window() == window);
    CHECK(g->notifier_size() == 512_MiB);
    REQUIRE(g->chunks().size() == 3);
    CHECK(g->chunks()[0] == 2_MiB);
    CHECK(g->chunks()[2] == 4_KiB);
  }

  TEST_CASE("RNG-22 each bad chunk table is refused with its reason") {
    CHECK(make({}, 512_MiB) == errc::no_chunks);
    CHECK(make({64_KiB, 2_MiB, 4_KiB}, 512_MiB) == errc::chunks_not_descending);
    CHECK(make({64_KiB, 64_KiB, 4_KiB}, 512_MiB) == errc::chunks_not_descending);
    CHECK(make({2_MiB, 48_KiB, 4_KiB}, 512_MiB) == errc::chunk_not_power_of_two);
    CHECK(make({2_MiB, 64_KiB, 0_B}, 512_MiB) == errc::chunk_not_power_of_two);
    CHECK(make({2_MiB, 64_KiB}, 512_MiB) == errc::last_chunk_not_page);
    CHECK(make({2_MiB, 64_KiB, 4_KiB, 2_KiB}, 512_MiB) == errc::last_chunk_not_page);
    CHECK(make({4_KiB}, 512_MiB) == errc::ok);
  }

  TEST_CASE("a chunk table may have sixteen entries and no more (RNG-22)") {
    std::vector<byte_count> chunks;
    for (int bit = 27; bit >= 12; --bit) chunks.push_back({std::uint64_t{1} << bit});
    REQUIRE(chunks.size() == gpusvm_layout::max_chunks);
    CHECK(make(chunks, 512_MiB) == errc::ok);
    chunks.insert(chunks.begin(), 256_MiB);
    CHECK(make(chunks, 512_MiB) == errc::no_chunks);
  }

  TEST_CASE("NOT-18 a notifier below the largest chunk, or of no power of two, is refused (RNG-22)") {
    CHECK(make({2_MiB, 4_KiB}, 1_MiB) == errc::notifier_below_chunk);
    CHECK(make({2_MiB, 4_KiB}, 3_MiB) == errc::notifier_not_power_of_two);
    CHECK(make({2_MiB, 4_KiB}, 0_B) == errc::notifier_not_power_of_two);
    CHECK(make({2_MiB, 4_KiB}, 2_MiB) == errc::ok);
  }

  TEST_CASE("a window that cuts a page is refused, one that reaches the top is not (RNG-22)") {
    CHECK(make({4_KiB}, 512_MiB, {cpu_va{1}, 4_KiB}) == errc::misaligned);
    CHECK(make({4_KiB}, 512_MiB, {cpu_va{4096}, 4097_B}) == errc::misaligned);
    CHECK(make({4_KiB}, 512_MiB, {cpu_va{4096}, byte_count{0 - std::uint64_t{4096}}}) == errc::ok);
  }

  TEST_CASE("the page size is the caller's: a table for 64 KiB pages ends in 64 KiB (RNG-16)") {
    CHECK(make({2_MiB, 64_KiB}, 512_MiB, window, 64_KiB) == errc::ok);
    CHECK(make({2_MiB, 64_KiB, 4_KiB}, 512_MiB, window, 64_KiB) == errc::last_chunk_not_page);
    CHECK(make({64_KiB}, 512_MiB, {cpu_va{4096}, 64_KiB}, 64_KiB) == errc::misaligned);
  }
}

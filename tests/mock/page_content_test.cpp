// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/cpu/page_content.hpp>
#include <svm/mock/machine/random.hpp>

using svm::mock::page_content;

namespace {

constexpr int garbage = 0xdb;

/// The definition: an array, and the numbers of the lines that were written.
template <std::size_t PageBytes>
struct model {
  std::vector<std::byte> bytes = std::vector<std::byte>(PageBytes);
  std::set<std::size_t> lines;

  void store(std::size_t offset, std::size_t size, std::byte value) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, value);
    for (std::size_t i = 0; size != 0 && i < 64; ++i)
      if (offset < (i + 1) * (PageBytes / 64) && offset + size > i * (PageBytes / 64)) lines.insert(i);
  }
  void spoil() {
    for (std::size_t const i : lines) store(i * (PageBytes / 64), PageBytes / 64, std::byte{garbage});
  }
};

template <std::size_t PageBytes>
bool agree(page_content<PageBytes> const& page, model<PageBytes> const& expected) {
  return std::equal(expected.bytes.begin(), expected.bytes.end(), page.bytes()) && page.is_sound() &&
         static_cast<std::size_t>(page.marked_lines()) == expected.lines.size();
}

template <std::size_t PageBytes>
void run(std::uint64_t seed) {
  svm::mock::random draw{seed};
  std::array<page_content<PageBytes>, 3> pages;
  std::array<model<PageBytes>, 3> expected;
  for (auto& p : pages) p.make();
  std::string program;  // the reproducer
  for (int step = 0; step < 300; ++step) {
    std::size_t const a = draw.below(3);
    std::size_t const b = (a + 1 + draw.below(2)) % 3;
    std::string const name = std::to_string(a);
    auto const store = [&](std::size_t offset, std::size_t size) {
      auto const value = static_cast<std::byte>(draw.below(3));  // zero too
      program += name + "[" + std::to_string(offset) + "+" + std::to_string(size) +
                 "]=" + std::to_string(std::to_integer<int>(value)) + " ";
      std::memset(pages[a].writable(offset, size), std::to_integer<int>(value), size);
      expected[a].store(offset, size, value);
    };
    switch (std::uint64_t const what = draw.below(16); what) {
      case 0:
        program += name + " cleared ";
        pages[a].clear();
        expected[a] = {};
        break;
      case 1:
      case 2:
        program += name + "=" + std::to_string(b) + " ";
        pages[a].copy(pages[b]);
        expected[a] = expected[b];
        break;
      case 3:
      case 4:
        program += name + "~" + std::to_string(b) + " ";
        pages[a].sync(pages[b]);
        expected[a].bytes = expected[b].bytes;
        expected[a].lines.insert(expected[b].lines.begin(), expected[b].lines.end());
        break;
      case 5:
        program += name + " spoilt ";
        pages[a].spoil(garbage);
        expected[a].spoil();
        break;
      case 6:
        if (draw.below(4) != 0) break;
        program += name + " filled ";
        pages[a].fill(garbage);
        expected[a].store(0, PageBytes, std::byte{garbage});
        break;
      case 7:
      case 8: {
        std::size_t const offset = draw.below(PageBytes);
        store(offset, draw.below(PageBytes - offset + 1));  // none, too
        break;
      }
      case 9: {  // up to a border of a line, or across it
        std::size_t const border = (1 + draw.below(63)) * (PageBytes / 64);
        store(border - draw.below(3), 1 + draw.below(3));
        break;
      }
      default:
        store(draw.below(PageBytes / 8) * 8, 8);
    }
    for (std::size_t i = 0; i < 3; ++i)
      if (!agree(pages[i], expected[i]))
        FAIL(PageBytes << " bytes, seed " << seed << ": page " << i << " after " << program);
  }
}

}  // namespace

TEST_SUITE("mock/page_content") {
  TEST_CASE("a new page is zero and has no marks, and a store marks the lines that it touches") {
    page_content<4096> page;
    CHECK_FALSE(page.is_made());
    page.make();
    CHECK(page.is_made());
    CHECK(agree(page, model<4096>{}));
    *page.writable(63, 1) = std::byte{1};
    CHECK(page.marked_lines() == 1);
    *page.writable(4088, 8) = std::byte{1};
    CHECK(page.marked_lines() == 2);
    std::memset(page.writable(63, 2), 1, 2);
    CHECK(page.marked_lines() == 3);
    static_cast<void>(page.writable(2048, 0));
    CHECK(page.marked_lines() == 3);
    CHECK(page.is_sound());
    static_cast<void>(page.writable());
    CHECK(page.marked_lines() == 64);
  }

  TEST_CASE("what nobody wrote in kept bytes is cleared, spoiled and copied without a touch of them") {
    // Whoever touches a page without rights dies.
    struct mapping {
      std::byte* start = static_cast<std::byte*>(mmap(nullptr, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      mapping() = default;
      mapping(mapping const&) = delete;
      mapping& operator=(mapping const&) = delete;
      ~mapping() { munmap(start, 65536); }
    } kept;
    page_content<65536> lazy, other;
    other.make();
    other.fill(garbage);
    lazy.make(kept.start);
    lazy.clear();
    lazy.spoil(garbage);
    other.copy(lazy);
    CHECK(agree(other, model<65536>{}));
    lazy.copy(other);
    other.sync(lazy);
    lazy.sync(other);
    CHECK(lazy.marked_lines() == 0);
    REQUIRE(mprotect(kept.start, 65536, PROT_READ | PROT_WRITE) == 0);
    *lazy.writable(70, 1) = std::byte{3};
    other.copy(lazy);
    CHECK(other.bytes()[70] == std::byte{3});
    CHECK(other.marked_lines() == 1);
  }

  TEST_CASE("a store without its mark is found") {
    page_content<16384> page;
    page.make();
    page.writable(0, 256)[255] = std::byte{1};
    CHECK(page.is_sound());
    page.writable(0, 256)[256] = std::byte{1};
    CHECK_FALSE(page.is_sound());
  }

  TEST_CASE("random stores, copies and clears leave what plain arrays hold, and mark no more than was written") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      run<4096>(seed);
      run<16384>(seed);
      run<65536>(seed);
    }
  }

  TEST_CASE("stores of two threads to lines of the same pages keep all their marks") {
    std::vector<page_content<4096>> pages(1000);
    for (auto& p : pages) p.make();
    std::atomic<std::size_t> arrived{0};
    auto const store_all = [&](std::size_t first) {
      for (std::size_t i = 0; i < pages.size(); ++i) {
        ++arrived;
        while (arrived < 2 * (i + 1)) std::this_thread::yield();  // both begin a page together
        for (std::size_t at = first * 64; at < 4096; at += 128) *pages[i].writable(at, 1) = std::byte{1};
      }
    };
    std::thread other{store_all, 1};
    store_all(0);
    other.join();
    CHECK(std::ranges::all_of(pages, [](auto const& p) { return p.marked_lines() == 64 && p.is_sound(); }));
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/mock/machine/block_pool.hpp>

#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/machine/random.hpp>

TEST_SUITE("mock/block_pool") {
  TEST_CASE("blocks of every size are aligned, apart from each other, and keep what is written into them") {
    struct block {
      std::size_t size;
      std::size_t alignment;
      unsigned char tag;
    };
    for (std::uint64_t seed = 1; seed <= 7; ++seed) {
      CAPTURE(seed);
      svm::mock::random draw{seed};
      svm::mock::block_pool pool;
      std::map<std::byte*, block> live;
      auto const end = [&](auto at) {
        std::vector<unsigned char> found(at->second.size);
        std::memcpy(found.data(), at->first, found.size());
        for (unsigned char const byte : found) REQUIRE(byte == at->second.tag);
        pool.deallocate(at->first, at->second.size, at->second.alignment);
        live.erase(at);
      };
      for (int i = 0; i < 3000; ++i) {
        if (!live.empty() && draw.below(5) < 2) {
          auto at = live.begin();
          std::advance(at, static_cast<std::ptrdiff_t>(draw.below(live.size())));
          end(at);
          continue;
        }
        block const b{1 + draw.below(600), std::size_t{1} << draw.below(7),
                      static_cast<unsigned char>(draw.below(256))};
        std::byte* const memory = pool.allocate(b.size, b.alignment);
        REQUIRE(memory != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(memory) % b.alignment == 0);
        auto const next = live.upper_bound(memory);
        CHECK((next == live.end() || memory + b.size <= next->first));
        CHECK((next == live.begin() || std::prev(next)->first + std::prev(next)->second.size <= memory));
        std::memset(memory, b.tag, b.size);
        live.emplace(memory, b);
      }
      while (!live.empty()) end(live.begin());
    }
  }
}

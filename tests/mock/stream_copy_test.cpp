// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/mock/machine/stream_copy.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/cpu/page_content.hpp>

using svm::mock::copy_way;

TEST_SUITE("mock/stream_copy") {
  TEST_CASE("just the bytes that are asked for are copied, whatever their size, place and way") {
    constexpr std::size_t room = 4096 + 256;
    std::vector<std::byte> from(room);
    for (std::size_t i = 0; i < room; ++i) from[i] = static_cast<std::byte>(i * 31 + i / 256 + 1);
    for (copy_way const way : {copy_way::cached, copy_way::streamed})
      for (std::size_t const size :
           {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{100}, std::size_t{4096}})
        for (std::size_t const to_place : {std::size_t{0}, std::size_t{8}, std::size_t{16}, std::size_t{64}})
          for (std::size_t const from_place : {std::size_t{0}, std::size_t{3}}) {
            CAPTURE(size);
            CAPTURE(to_place);
            std::vector<std::byte> to(room, std::byte{0xee});
            svm::mock::copy_bytes(to.data() + to_place, from.data() + from_place, size, way);
            svm::mock::finish_streaming();
            bool good = true;
            for (std::size_t i = 0; i < room; ++i) {
              bool const is_copied = i >= to_place && i < to_place + size;
              good = good && to[i] == (is_copied ? from[i - to_place + from_place] : std::byte{0xee});
            }
            CHECK(good);
          }
  }

  TEST_CASE("a page that takes over another's bytes past the caches reads the same") {
    using content = svm::mock::page_content<4096>;
    for (copy_way const way : {copy_way::cached, copy_way::streamed}) {
      content from, to;
      from.make();
      to.make();
      to.fill(7);
      for (std::size_t const at : {std::size_t{0}, std::size_t{100}, std::size_t{4095}})
        *from.writable(at, 1) = std::byte{0x55};
      to.copy(from, way);
      svm::mock::finish_streaming();
      for (std::size_t i = 0; i < 4096; ++i) CHECK(to.bytes()[i] == from.bytes()[i]);
      CHECK(to.is_sound());
      CHECK(to.marked_lines() == from.marked_lines());
    }
  }
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_timeline.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using svmsh::incident;
using svmsh::timeline;

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// The sum of the numbers behind `key` in the text.
std::uint64_t sum_of(std::string const& text, std::string const& key) {
  std::uint64_t sum = 0;
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1))
    sum += std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
  return sum;
}

}  // namespace

TEST_SUITE("svmsh/timeline") {
  TEST_CASE("an event keeps its time, its address and what it moved") {
    timeline t;
    t.set_time(7);
    t.add(incident::to_device, 1, 0x10000000, 2097152);
    std::string const text = t.json("a.lackey", "vram=1M");
    CHECK(occurrences(text, "\"ts\":7,\"dur\":1,\"name\":\"migration to device memory\"") == 1);
    CHECK(occurrences(text, "\"count\":1,\"address\":\"0x10000000\",\"bytes\":2097152") == 1);
    CHECK(occurrences(text, "\"vram=1M\"") == 1);
  }

  TEST_CASE("events of one kind in one step are one, of two kinds are two, and none are none") {
    timeline t;
    t.add(incident::gpu_fault, 2, 0, 0);
    t.add(incident::gpu_fault, 3, 0, 0);
    t.add(incident::cpu_fault, 1, 0, 0);
    t.add(incident::eviction, 0, 0, 0);
    CHECK(t.events() == 2);
    CHECK(occurrences(t.json("-", ""), "\"count\":5") == 1);
  }

  TEST_CASE("memory in use is told where it changed, and at the end") {
    timeline t;
    for (std::uint64_t now = 0; now < 10; ++now) {
      t.set_time(now);
      t.sample(now < 5 ? 4096 : 8192, 0);
    }
    CHECK(t.events() == 2);
    std::string const text = t.json("-", "");
    CHECK(occurrences(text, "\"ph\":\"C\"") == 3);
    CHECK(occurrences(text, "\"ts\":5,\"name\":\"bytes in use\",\"args\":{\"system\":8192") == 1);
    CHECK(occurrences(text, "\"ts\":9,\"name\":\"bytes in use\",\"args\":{\"system\":8192") == 1);
  }

  TEST_CASE("however many events there are, the timeline is bounded and loses no count") {
    timeline t;
    constexpr std::uint64_t many = 5 * timeline::most_events;
    std::size_t most = 0;
    for (std::uint64_t now = 0; now < many; ++now) {
      t.set_time(3 * now);
      t.add(now % 2 == 0 ? incident::gpu_fault : incident::to_system, 1, now * 4096, 10);
      t.sample(now, now);
      most = std::max(most, t.events());
    }
    CHECK(most <= timeline::most_events);
    CHECK(t.events() > timeline::most_events / 8);
    CHECK(t.step() > 1);
    std::string const text = t.json("-", "");
    CHECK(sum_of(text, "\"count\":") == many);
    CHECK(sum_of(text, "\"bytes\":") == 10 * many);
  }

  TEST_CASE("a name with quotes, backslashes and bytes of any encoding is a JSON string") {
    timeline const t;
    std::string const text = t.json("a\"b\\c\x01\xff", "");
    CHECK(occurrences(text, "\"a\\\"b\\\\c??\"") == 1);
  }
}

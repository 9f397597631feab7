// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <explore/races/race.hpp>

// What the threads of more than one race do.

namespace races {

/// A GPU writes a word to a page, or is refused for one of these reasons.
[[nodiscard]] inline auto gpu_writes_unless(std::uint64_t page, std::uint64_t value,
                                            std::initializer_list<errc> refusals, std::size_t gpu = 0) {
  return [page, value, gpu, allowed = std::vector<errc>(refusals)](world& w) {
    errc const e = w.gpu_write(page_at(page), value, gpu);
    must(e == errc::ok || std::ranges::find(allowed, e) != allowed.end(),
         "a write is done, or refused for the right reason");
  };
}
[[nodiscard]] inline auto gpu_writes(std::uint64_t page, std::uint64_t value, std::size_t gpu = 0) {
  return gpu_writes_unless(page, value, {}, gpu);
}
[[nodiscard]] inline auto gpu_writes_or_finds_nothing(std::uint64_t page, std::uint64_t value, std::size_t gpu = 0) {
  return gpu_writes_unless(page, value, {errc::no_vma}, gpu);
}
inline void collects(world& w) {
  w.driver.collect_garbage();
}

}  // namespace races

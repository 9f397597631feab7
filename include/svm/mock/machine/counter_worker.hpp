// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include <svm/driver/counter_notice.hpp>
#include <svm/placement/constants.hpp>

namespace svm::inline v0::mock {

/// Does what an interrupt of the access counters would start: serves the notices of a machine's view, and lets the regions
/// count again that may. `told` is called with each answer. Returns how many there were.
template <class View, class Told>
std::size_t serve_notices(View& of, Told&& told) {
  if (!of.notices) return 0;
  std::array<counter_notice, placement::defaults::counter_batch> batch;
  std::size_t count = 0;
  while (count != batch.size()) {
    auto const next = of.notices->take();
    if (!next) break;
    batch[count++] = {.address = next->address, .sub_regions = next->sub_regions};
  }
  if (count == 0) return 0;
  static_cast<void>(of.blocks->serve_notices({batch.data(), count}));
  for (counter_notice const& n : std::span{batch}.first(count)) {
    if (n.is_cleared) of.notices->clear(n.address);
    told(n);
  }
  return count;
}
template <class View>
std::size_t serve_notices(View& of) {
  return serve_notices(of, [](counter_notice const&) {});
}

}  // namespace svm::inline v0::mock

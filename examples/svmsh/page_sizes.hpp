// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "replay_engine.hpp"
#include "system.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

// A machine is a template of its page size, and large. Each size is compiled in files of its own; only these functions
// cross the border.

namespace svmsh {

/// Calls `f` with one of the page sizes as a constant.
template <class F>
auto with_page_size(std::uint64_t bytes, F f) {
  constexpr std::size_t kib = 1024;
  switch (bytes) {
    case 16 * kib:
      return f(std::integral_constant<std::size_t, 16 * kib>{});
    case 64 * kib:
      return f(std::integral_constant<std::size_t, 64 * kib>{});
    default:
      return f(std::integral_constant<std::size_t, 4 * kib>{});
  }
}

template <std::size_t PageBytes>
made_system make_system(machine_options const& options);

template <std::size_t PageBytes>
made_replay make_replay(machine_options const& options, replay_options const& replay, replay_engine::complaint complain,
                        recording record);

}  // namespace svmsh

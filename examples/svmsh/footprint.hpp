// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

namespace svmsh {

/// The blocks of memory that a trace touches, of 2 MiB each.
inline constexpr std::uint64_t footprint_block = std::uint64_t{2} << 20;

/// Counts the blocks that a trace touches by reading it once before it is replayed; nothing where that cannot be done,
/// as of a pipe. What is wrong with the trace is left for the replay to tell.
[[nodiscard]] std::optional<std::uint64_t> count_lackey_blocks(char const* path);
[[nodiscard]] std::optional<std::uint64_t> count_fault_blocks(char const* path);

}  // namespace svmsh

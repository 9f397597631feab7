// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace svm::inline v0::mock {

// Words are moved whole, as memory does for aligned accesses: CPU and GPU may meet on one.

/// Reads bytes of memory; an aligned word whole.
inline void load_bytes(std::byte* from, std::span<std::byte> into) {
  constexpr std::size_t word_size = sizeof(std::uint64_t);
  if (into.size() != word_size || reinterpret_cast<std::uintptr_t>(from) % word_size != 0) {
    std::memcpy(into.data(), from, into.size());
    return;
  }
  std::uint64_t const word =
      std::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(from)}.load(std::memory_order_relaxed);
  std::memcpy(into.data(), &word, word_size);
}

/// Writes bytes of memory; an aligned word whole.
inline void store_bytes(std::byte* to, std::span<std::byte const> from) {
  constexpr std::size_t word_size = sizeof(std::uint64_t);
  if (from.size() != word_size || reinterpret_cast<std::uintptr_t>(to) % word_size != 0) {
    std::memcpy(to, from.data(), from.size());
    return;
  }
  std::uint64_t word = 0;
  std::memcpy(&word, from.data(), word_size);
  std::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(to)}.store(word, std::memory_order_relaxed);
}

/// Adds to an aligned word, and returns what it was.
[[nodiscard]] inline std::uint64_t add_to_word(std::byte* at, std::uint64_t value) {
  return std::atomic_ref<std::uint64_t>{*reinterpret_cast<std::uint64_t*>(at)}.fetch_add(value,
                                                                                         std::memory_order_relaxed);
}

}  // namespace svm::inline v0::mock

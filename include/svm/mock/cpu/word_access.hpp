// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace svm::inline v0::mock {

// Words are moved whole, as memory does for aligned accesses: CPU and GPU may meet on one. Not by std::atomic_ref, which
// libc++ has only since version 19.

/// The word that begins at an aligned byte.
[[nodiscard]] inline std::uint64_t* word_at(std::byte* at) {
  return reinterpret_cast<std::uint64_t*>(at);
}

/// Reads bytes of memory; an aligned word whole.
inline void load_bytes(std::byte* from, std::span<std::byte> into) {
  constexpr std::size_t word_size = sizeof(std::uint64_t);
  if (into.size() != word_size || reinterpret_cast<std::uintptr_t>(from) % word_size != 0) {
    std::memcpy(into.data(), from, into.size());
    return;
  }
  std::uint64_t const word = __atomic_load_n(word_at(from), __ATOMIC_RELAXED);
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
  __atomic_store_n(word_at(to), word, __ATOMIC_RELAXED);
}

/// Adds to an aligned word, and returns what it was.
[[nodiscard]] inline std::uint64_t add_to_word(std::byte* at, std::uint64_t value) {
  return __atomic_fetch_add(word_at(at), value, __ATOMIC_RELAXED);
}

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <svm/mock/full.hpp>
#include <svm/std/std_lock.hpp>

namespace real_threads {

using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::mock::sys;
using machine = svm::mock::full_machine<svm::mock::rank_checked<svm::std_lock>>;

inline constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
inline constexpr std::uint64_t KiB = 1 << 10;
inline constexpr std::uint64_t MiB = 1 << 20;
inline constexpr cpu_va base{std::uint64_t{4} << 30};

[[nodiscard]] inline cpu_va page_at(std::uint64_t n) {
  return base + byte_count{n * page_bytes};
}

/// A machine on the standard locks, for several threads; words instead of bytes.
struct world : machine {
  explicit world(svm::mock::machine_options const& o) : machine(o, *machine::check(o)) {}

  [[nodiscard]] sys try_map(cpu_va a, std::uint64_t size) {
    return process.mmap({size}, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, a).error;
  }
  void map(cpu_va a, std::uint64_t size) { REQUIRE(try_map(a, size) == sys::ok); }
  [[nodiscard]] bool cpu_write(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return process.store(a, word) == sys::ok;
  }
  [[nodiscard]] errc gpu_write(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return gpu_store(a, word);
  }
  [[nodiscard]] std::optional<std::uint64_t> gpu_read(cpu_va a) {
    std::byte word[8];
    if (gpu_load(a, word) != errc::ok) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }
  /// The oracle has nothing to say, and nothing is left.
  void finish() {
    std::vector<std::string> const lines = audit();
    CHECK_MESSAGE(lines.empty(), doctest::toString(lines.empty() ? std::string{} : lines.front()));
  }
};

}  // namespace real_threads

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include <pagemap/scene.hpp>

namespace support {

using svm::mock::advice;
using task = machine::task;

// Words of any process, by the CPU and by any GPU.

[[nodiscard]] inline sys store(task& t, cpu_va a, std::uint64_t value) {
  std::byte word[8];
  std::memcpy(word, &value, sizeof word);
  return t.process.store(a, word);
}
[[nodiscard]] inline std::optional<std::uint64_t> load(task& t, cpu_va a) {
  std::byte word[8];
  if (t.process.load(a, word) != sys::ok) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, word, sizeof value);
  return value;
}
[[nodiscard]] inline errc gpu_store(world& w, task& t, std::size_t n, cpu_va a, std::uint64_t value) {
  std::byte word[8];
  std::memcpy(word, &value, sizeof word);
  return w.machine::gpu_store(t, n, a, word);
}
[[nodiscard]] inline std::optional<std::uint64_t> gpu_load(world& w, task& t, std::size_t n, cpu_va a) {
  std::byte word[8];
  if (w.machine::gpu_load(t, n, a, word) != errc::ok) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, word, sizeof value);
  return value;
}

/// What a page table has in a span: a letter a page, `.` none, `z` zero page, `r` memory, `d` device, `s` swapped, and
/// in capitals what may be written.
[[nodiscard]] inline std::string table(world& w, task& t, cpu_va a, std::uint64_t size) {
  std::string all;
  for (std::uint64_t done = 0; done < size; done += page_bytes) {
    pte const e = t.process.entry_at(a + byte_count{done});
    char const kinds[] = {'.', 'r', 'd', 'm', 's'};
    char c = kinds[static_cast<std::size_t>(e.what)];
    if (e.what == pte::state::present && w.frames.is_zero(e.target)) c = 'z';
    all += e.writable && !e.is_none() ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return all;
}
/// The order of the block that a page belongs to.
[[nodiscard]] inline unsigned order_at(world& w, cpu_va a) {
  return w.frames.head(w.process.entry_at(a).target).order.value;
}

}  // namespace support

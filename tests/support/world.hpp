// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/machine.hpp>

namespace svm::inline v0 {

inline std::ostream& operator<<(std::ostream& out, errc e) {
  return out << errno_name(e) << " (" << describe(e).cause << ")";
}
inline std::ostream& operator<<(std::ostream& out, va_range span) {
  return out << std::hex << "[0x" << span.start().value << ", last 0x" << span.last().value << "]" << std::dec;
}
inline std::ostream& operator<<(std::ostream& out, cpu_va a) {
  return out << std::hex << "0x" << a.value << std::dec;
}
inline std::ostream& operator<<(std::ostream& out, byte_count n) {
  return out << n.value << " bytes";
}

namespace mock {
inline std::ostream& operator<<(std::ostream& out, sys s) {
  char const* const names[] = {"ok", "EINVAL", "ENOMEM", "EEXIST", "SIGSEGV", "SIGBUS", "EFAULT", "EAGAIN"};
  return out << names[static_cast<std::size_t>(s)];
}
}  // namespace mock
}  // namespace svm::inline v0

namespace support {

using svm::access_kind;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::va_range;
using svm::mock::mapping_kind;
using svm::mock::protection;
using svm::mock::pte;
using svm::mock::step;
using svm::mock::sys;

inline constexpr std::uint64_t KiB = 1 << 10;
inline constexpr std::uint64_t MiB = 1 << 20;
inline constexpr std::uint64_t GiB = 1 << 30;
inline constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
inline constexpr cpu_va base{4 * GiB};  ///< where tests map by default: aligned to every chunk and notifier size

[[nodiscard]] inline va_range span(cpu_va a, std::uint64_t size) {
  return {a, byte_count{size}};
}
[[nodiscard]] inline cpu_va at(std::uint64_t offset) {
  return base + byte_count{offset};
}

/// Machine options for tests: the defaults, with the check-pages threshold off and a block for each page (so that a
/// range takes many DMA mappings, of which any may fail), changed by `set`.
template <class Set>
[[nodiscard]] svm::mock::machine_options options(Set&& set) {
  svm::mock::machine_options o;
  o.driver.check_pages_threshold = {};
  o.joins_pages = false;
  set(o);
  return o;
}
[[nodiscard]] inline svm::mock::machine_options options() {
  return options([](auto&) {});
}

/// A machine for one test case: words instead of bytes, and the standard post-check at the end, that the oracle has
/// nothing to say and nothing is left.
class world : public machine {
 public:
  explicit world(svm::mock::machine_options const& o = options()) : machine(o, *machine::check(o)) { has_users = true; }
  ~world() {
    if (finished_) return;
    std::vector<std::string> const lines = audit();
    CHECK_MESSAGE(lines.empty(), doctest::toString(lines.empty() ? std::string{} : lines.front()));
  }

  /// Ends the world here and returns what the audit says; for tests that plant a violation.
  [[nodiscard]] std::vector<std::string> finish() {
    finished_ = true;
    return audit();
  }

  /// Checks all rules now; the first one that is broken, or nothing.
  [[nodiscard]] std::string complaint() {
    check_quiet();
    for (auto* const from : {&broken, &svm::mock::lock_report()})
      for (std::string const& line : from->take()) return line;
    return {};
  }

  // The process.

  cpu_va map(std::uint64_t size, cpu_va where = base, protection p = protection::read_write,
             mapping_kind kind = mapping_kind::anon) {
    auto const mapped = process.mmap({size}, p, kind, where);
    REQUIRE(mapped.error == sys::ok);
    return mapped.at;
  }
  [[nodiscard]] sys cpu_write(cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return process.store(a, word);
  }
  /// The word at `a`, or nothing when the CPU's access fails.
  [[nodiscard]] std::optional<std::uint64_t> cpu_read(cpu_va a) {
    std::byte word[8];
    if (process.load(a, word) != sys::ok) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }
  /// Writes a tag into each page of a span: the first page gets `tag`, the next `tag + 1`.
  void cpu_tag(cpu_va a, std::uint64_t size, std::uint64_t tag) {
    for (std::uint64_t done = 0; done < size; done += page_bytes)
      REQUIRE(cpu_write(a + byte_count{done}, tag++) == sys::ok);
  }
  /// The offset of the first page whose tag is not as `cpu_tag` wrote it, as the CPU sees it; `size` when all are
  /// right.
  [[nodiscard]] std::uint64_t cpu_tags_until(cpu_va a, std::uint64_t size, std::uint64_t tag) {
    for (std::uint64_t done = 0; done < size; done += page_bytes)
      if (cpu_read(a + byte_count{done}) != tag++) return done;
    return size;
  }

  // The GPU.

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
  [[nodiscard]] std::uint64_t gpu_tags_until(cpu_va a, std::uint64_t size, std::uint64_t tag) {
    for (std::uint64_t done = 0; done < size; done += page_bytes)
      if (gpu_read(a + byte_count{done}) != tag++) return done;
    return size;
  }
  [[nodiscard]] errc fault(cpu_va a, access_kind want = access_kind::read) { return driver.fault(a, want); }

  // What is there now.

  [[nodiscard]] svm::range_ref<policies> range_at(cpu_va a) { return driver.svm().find(a); }
  [[nodiscard]] std::size_t range_count() {
    std::size_t n = 0;
    driver.svm().for_each_range(everything, [&](auto const&) { ++n; });
    return n;
  }
  [[nodiscard]] std::size_t notifier_count() {
    std::size_t n = 0;
    driver.svm().for_each_notifier(everything, [&](auto&) { ++n; });
    return n;
  }
  /// How many pages of a span are in device memory, by the CPU's page table.
  [[nodiscard]] std::uint64_t device_pages(cpu_va a, std::uint64_t size) {
    std::uint64_t n = 0;
    process.for_each_entry(span(a, size), [&](cpu_va, pte const& e) { n += e.what == pte::state::device ? 1 : 0; });
    return n;
  }
  /// How many pages of a span the GPU's page table maps.
  [[nodiscard]] std::uint64_t gpu_mapped_pages(cpu_va a, std::uint64_t size) {
    std::uint64_t n = 0;
    device.for_each_mapping(span(a, size), [&](auto const&) { ++n; });
    return n;
  }
  [[nodiscard]] std::uint64_t count(svm::event_kind kind) const { return stats.count(kind); }

  inline static va_range const everything{cpu_va{}, byte_count{UINT64_MAX}};

 private:
  bool finished_ = false;
};

}  // namespace support

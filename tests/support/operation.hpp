// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <support/machine.hpp>

namespace support::programs {

/// What processes, GPUs, the kernel and the machine itself do in a program. New kinds come last: inputs of a fuzzer
/// know them by number.
enum class kind : std::uint8_t {
  access,
  sweep,
  atomic,
  map,
  unmap,
  protect,
  dontneed,
  remap,
  fork,
  exit,
  prefetch,
  evict,
  evict_all,
  fail,
  tick,
  gc,
  reset,
  advise,
  compact,
  swap_out,
  collapse,
  split,
  lock,
  unlock,
  pin,
  unpin,
  reap,
  free,
  prefer,
  suspend,
  resume,
  unplug,
  map_huge,
  map_io,
  map_same,
  truncate,
  punch_hole,
  swap_out_span,
  open_buffer,
  use_buffer,
  access_buffer,
  close_buffer,
  attach,
  access_attached,
  detach,
  keep,
  forget,
};
inline constexpr unsigned kinds = 47;
/// How many kinds of failure a program may ask for: all.
inline constexpr unsigned failures = svm::mock::failure_kinds;

struct operation {
  kind what;
  std::size_t process;
  unsigned agent;       ///< 0: the CPU, else GPU agent - 1
  std::uint64_t first;  ///< a page
  std::uint64_t count;  ///< pages
  std::uint64_t other;  ///< pages, of remap; of mappings and fork, the number that is told
  std::uint64_t to;     ///< a page, of remap and map_same
  unsigned choice;      ///< below 256: of whatever there is to choose
  std::uint64_t value;  ///< what is written; of remap, how
};

/// What the machine of a program is made of.
struct setting {
  svm::mock::machine_options options;
  bool collects;          ///< the collector runs after every operation
  bool coherent = false;  ///< the CPU reaches device memory in place
};

/// What a program with system memory for less than it maps has to expect: any page may be one too many.
[[nodiscard]] inline bool is_short_of_memory(setting const& s) {
  return s.options.ram.value < std::uint64_t{128} << 20;
}

/// The machine command of a setting; what a scenario cannot say stands in a comment.
[[nodiscard]] std::string text(setting const& s);
/// An operation as a line of a scenario; in a comment where a scenario cannot say it.
[[nodiscard]] std::string text(operation const& o);

/// An argument below `n` of the operation's choice.
[[nodiscard]] constexpr unsigned chosen(operation const& o, unsigned n) {
  return o.choice % n;
}
/// The GPU that an operation concerns.
[[nodiscard]] constexpr unsigned gpu_of(operation const& o) {
  return o.agent == 0 ? 0 : o.agent - 1;
}
/// True for what makes a mapping with a name.
[[nodiscard]] constexpr bool maps(kind what) {
  return what == kind::map || what == kind::map_huge || what == kind::map_io || what == kind::map_same;
}
/// The byte that an access or an atomic access touches.
[[nodiscard]] svm::cpu_va place_of(operation const& o);
[[nodiscard]] constexpr bool writes(operation const& o) {
  return o.choice >= (o.what == kind::sweep ? 64u : 128u);
}
[[nodiscard]] svm::mock::protection protection_of(operation const& o);
[[nodiscard]] svm::mock::mapping_kind mapping_of(operation const& o);
[[nodiscard]] svm::mock::advice advice_of(operation const& o);
[[nodiscard]] svm::span_attributes attributes_of(operation const& o);
[[nodiscard]] constexpr bool keeps_old(operation const& o) {
  return o.value % 8 == 0;
}
[[nodiscard]] constexpr bool moves(operation const& o) {
  return keeps_old(o) || o.value % 2 == 0;
}
/// Where a file ends, in bytes; now and then inside a page.
[[nodiscard]] constexpr std::uint64_t end_of(operation const& o) {
  return o.value % 2048 * machine::page_size.value + (o.choice % 16 == 1 ? 8 : 0);
}
/// Where in its object a second mapping begins, in pages.
[[nodiscard]] constexpr std::uint64_t offset_of(operation const& o) {
  return o.value % 64;
}

}  // namespace support::programs

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "system.hpp"
#include "words.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace svmsh {

/// The options are known to be well formed; they are assigned when it is known what the command line says.
struct machine_command {
  std::vector<std::string> settings;
};
struct mmap_command {
  std::string name;
  std::uint64_t size = 0;
  protection access = protection::read_write;
  mapping_kind kind = mapping_kind::anon;
  std::optional<std::uint64_t> at;
};
struct munmap_command {
  std::uint64_t address, size;
};
struct mprotect_command {
  std::uint64_t address, size;
  protection access;
};
struct mremap_command {
  system::mremap_arguments what;
};
struct madvise_command {
  std::uint64_t address, size;
  advice what;
};
struct fork_command {
  std::string child;
};
struct exit_command {
  std::string child;
};
struct read_command {
  agent by;
  std::uint64_t address;
  std::optional<std::uint64_t> expected;
};
struct write_command {
  agent by;
  std::uint64_t address, value;
};
struct fill_command {
  agent by;
  std::uint64_t address, size, value;
};
struct check_command {
  agent by;
  std::uint64_t address, size, value;
};
struct atomic_add_command {
  agent by;
  std::uint64_t address, value;
};
struct prefetch_command {
  agent by;
  std::uint64_t address, size;
  prefetch_target target = prefetch_target::as_fault;
};
struct evict_command {
  agent by;
  std::optional<std::uint64_t> address;  // empty: all
};
struct advise_command {
  agent by;
  std::uint64_t address, size;
  std::optional<memory_advice> what;
};
struct reset_command {
  std::size_t gpu;
};
struct gc_command {};
struct tick_command {
  std::uint64_t ms;
};
struct fail_command {
  failure_kind kind;
  std::uint64_t nth;
};
struct show_command {
  enum class subject { ranges, notifiers, vmas, exact_stats, all_stats };
  subject what;
};
struct show_pages_command {
  std::uint64_t address, size;
};
struct expect_ranges_command {
  std::size_t gpu;
  std::uint64_t count;
};
struct expect_range_command {
  std::uint64_t address, start, size;
  std::string state;
};
struct expect_no_range_command {
  std::uint64_t address;
};
struct expect_notifiers_command {
  std::uint64_t count;
};
struct expect_pages_command {
  std::uint64_t address, size;
  std::string kind;
};
struct expect_stat_command {
  enum class comparison { equal, not_equal, less, less_equal, greater, greater_equal };
  std::string_view name;
  comparison op;
  std::uint64_t value;
};

using action = std::variant<machine_command, mmap_command, munmap_command, mprotect_command, mremap_command,
                            madvise_command, fork_command, exit_command, read_command, write_command, fill_command,
                            check_command, atomic_add_command, prefetch_command, evict_command, advise_command,
                            reset_command, gc_command, tick_command, fail_command, show_command, show_pages_command,
                            expect_ranges_command, expect_range_command, expect_no_range_command,
                            expect_notifiers_command, expect_pages_command, expect_stat_command>;

struct command {
  process_id process = first_process;  // whom it concerns
  action what;
  outcome announced;  // the error behind `->`, else empty
};

/// A child that `fork` has bound; the name stays bound when the process has ended.
struct child {
  process_id process;
  bool exited = false;
};
using child_table = std::map<std::string, child, std::less<>>;

/// What a line may refer to.
struct parse_context {
  name_table const& names;
  child_table const& children;
  std::size_t gpus;
  bool first;          // no command came before this one
  bool faults = true;  // the GPUs replay what faulted
};

/// Understands one line, given as its words (at least one). Everything that makes a line wrong is found here, so that a
/// wrong line has no effect; addresses come out as numbers.
parsed<command> parse_command(std::span<std::string_view const> words, parse_context const& context);

}  // namespace svmsh

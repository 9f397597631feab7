// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "command.hpp"
#include "console.hpp"
#include "system.hpp"
#include "words.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svmsh {

/// Executes the lines of a scenario on a machine that is made for the first of them.
class scenario {
 public:
  /// `settings` are the KEY=VALUE words of the command line, known to be well formed; they win over the scenario's.
  scenario(console& out, std::vector<std::string_view> settings);

  /// Executes one line, given without its end. After an error the line had no effect, and the run has to stop.
  [[nodiscard]] std::optional<bad_input> execute(std::string_view line, std::uint64_t number);

  /// Makes the machine if no line did, and tears it down. An error means that the configuration is refused.
  [[nodiscard]] std::optional<bad_input> finish();

  /// Whether every expectation held and, after `finish`, the audit found nothing.
  bool clean() const { return clean_; }

  /// Whether the last error is about machine options that stand in no line.
  bool command_line_is_wrong() const { return command_line_is_wrong_; }

 private:
  [[nodiscard]] std::optional<bad_input> start(std::vector<std::string> const& own_settings);

  // The error of the command, empty for one that worked; expectations that do not hold are reported at once.
  outcome run(machine_command const&) { return {}; }
  outcome run(mmap_command const&);
  outcome run(munmap_command const& c) { return system_->munmap(process_, c.address, c.size); }
  outcome run(mprotect_command const& c) { return system_->mprotect(process_, c.address, c.size, c.access); }
  outcome run(mremap_command const& c) { return system_->mremap(process_, c.what); }
  outcome run(madvise_command const& c) { return system_->madvise(process_, c.address, c.size, c.what); }
  outcome run(fork_command const&);
  outcome run(exit_command const&);
  outcome run(read_command const&);
  outcome run(write_command const& c) { return system_->write(c.by, c.address, c.value); }
  outcome run(fill_command const& c) { return system_->fill(c.by, c.address, c.size, c.value); }
  outcome run(check_command const&);
  outcome run(atomic_add_command const& c) { return system_->atomic_add(c.by, c.address, c.value); }
  outcome run(prefetch_command const& c) { return system_->prefetch(c.by, c.address, c.size, c.target); }
  outcome run(evict_command const& c) {
    return c.address ? system_->evict(c.by, *c.address) : system_->evict_all(*c.by.gpu);
  }
  outcome run(advise_command const& c) { return system_->advise(c.by, c.address, c.size, c.what); }
  outcome run(reset_command const&);
  outcome run(gc_command const&);
  outcome run(tick_command const&);
  outcome run(fail_command const&);
  outcome run(show_command const&);
  outcome run(show_pages_command const&);
  outcome run(expect_ranges_command const&);
  outcome run(expect_range_command const&);
  outcome run(expect_no_range_command const&);
  outcome run(expect_notifiers_command const&);
  outcome run(expect_pages_command const&);
  outcome run(expect_stat_command const&);

  /// The range of gpu0 that holds `address`.
  std::optional<range_line> range_at(std::uint64_t address);
  void expect_count(std::string_view what, std::uint64_t expected, std::uint64_t found);
  void broken(std::string_view text);

  console& out_;
  std::vector<std::string_view> settings_;
  std::size_t gpus_;  // as far as it is known
  bool faults_;       // likewise
  std::unique_ptr<system> system_;
  name_table names_;
  child_table children_;
  process_id process_ = first_process;  // whom the present command concerns
  std::uint64_t number_ = 0;
  bool clean_ = true;
  bool command_line_is_wrong_ = false;
};

}  // namespace svmsh

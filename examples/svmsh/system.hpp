// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace svmsh {

/// The machine options of a run; the defaults are those of the manual page.
struct machine_options {
  enum class migrate_mode { on, off, only };
  std::uint64_t ram = 1ull << 30;
  std::uint64_t vram = 256ull << 20;
  std::vector<std::uint64_t> chunks = {2ull << 20, 64ull << 10, 4ull << 10};
  std::uint64_t notifier = 512ull << 20;
  std::uint64_t check_pages = 64ull << 10;
  migrate_mode migrate = migrate_mode::on;
  std::uint64_t timeslice_ms = 0;
  bool readonly = false;
  bool gc_auto = true;
  std::uint64_t vm_start = 0;
  std::uint64_t vm_size = 1ull << 47;
  std::uint64_t seed = 1;
};

enum class protection { none, read, read_write };
enum class mapping_kind { anon, file, shared, hugetlb };
enum class prefetch_target { as_fault, ram, vram };
enum class failure_kind { alloc, ram, dma_map, copy, populate, notifier };

/// How a command ended: empty on success, else the errno name (or SIGSEGV, SIGBUS).
using outcome = std::string_view;

/// A run of addresses `[start, last]` and a word about it.
struct span_line {
  std::uint64_t start;
  std::uint64_t last;
  std::string text;
};

struct range_line {
  std::uint64_t start;
  std::uint64_t last;
  std::string state;  // vram, ram, mixed, none
  bool read_only;
  bool unmapped;
  bool partial;
};

struct stat_line {
  std::string_view name;
  std::uint64_t value;
  bool exact;
};

/// The simulated computer with one GPU that `svmsh` drives; a thin front of svm::mock.
///
/// No call throws; every address and size is in bytes. A call that fails with EINVAL for its arguments changed nothing.
class system {
 public:
  /// Builds the machine, or says in one sentence why the library refuses the configuration.
  static std::variant<std::unique_ptr<system>, std::string> create(machine_options const& options);
  ~system();

  struct mmap_result {
    outcome error;
    std::uint64_t address = 0;
  };
  mmap_result mmap(std::uint64_t size, protection, mapping_kind, std::optional<std::uint64_t> at);
  outcome munmap(std::uint64_t address, std::uint64_t size);
  outcome mprotect(std::uint64_t address, std::uint64_t size, protection);
  outcome madvise_dontneed(std::uint64_t address, std::uint64_t size);

  /// `cpu` is the processor, `gpu` is gpu0.
  enum class agent { cpu, gpu };
  outcome read(agent, std::uint64_t address, std::uint64_t& value);
  outcome write(agent, std::uint64_t address, std::uint64_t value);
  outcome fill(agent, std::uint64_t address, std::uint64_t size, std::uint64_t value);
  struct check_result {
    outcome error;
    bool equal = true;  // false: the word at `address` is `found`, not `expected`
    std::uint64_t address = 0, found = 0, expected = 0;
  };
  check_result check(agent, std::uint64_t address, std::uint64_t size, std::uint64_t value);

  outcome prefetch(std::uint64_t address, std::uint64_t size, prefetch_target);
  outcome evict(std::uint64_t address);
  outcome evict_all();
  outcome gc();
  void tick(std::uint64_t ms);
  void fail(failure_kind, std::uint64_t nth);
  /// To be called once after every command that was executed: runs the collector when gc=auto, and the oracle.
  void command_done();

  std::vector<range_line> ranges() const;
  std::vector<span_line> notifiers() const;  // text: "ranges=N"
  std::vector<span_line> vmas() const;       // text: "rw anon"
  /// Maximal runs of one kind; EINVAL as the page says.
  outcome pages(std::uint64_t address, std::uint64_t size, std::vector<span_line>& out) const;
  std::vector<stat_line> stats() const;

  /// Tears everything down and returns a line for each leak and each rule that was broken on the way.
  std::vector<std::string> audit();

 private:
  struct implementation;
  explicit system(std::unique_ptr<implementation>);
  std::unique_ptr<implementation> self_;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/placement/uvm_options.hpp>

#include <cstddef>
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
  std::uint64_t gpus = 1;
  std::vector<std::uint64_t> chunks;  // empty: the usual ones for the page size
  std::uint64_t notifier = 512ull << 20;
  std::uint64_t check_pages = 64ull << 10;
  migrate_mode migrate = migrate_mode::on;
  std::uint64_t timeslice_ms = 0;
  bool readonly = false;
  bool split = false;
  bool gc_auto = true;
  /// What moves, when, and what makes room.
  svm::placement::uvm_options placement{.prefetch = svm::placement::prefetch_mode::off};
  bool faults = true;
  bool thp = false;
  std::uint64_t page = 4096;  // 4K, 16K or 64K
  std::uint64_t vm_start = 0;
  std::uint64_t vm_size = 1ull << 47;
  bool serves_blocks = false;  // faults are served block by block, whatever is said of placement
  std::uint64_t seed = 1;

  /// True when whole ranges alone cannot do what is asked.
  [[nodiscard]] bool is_page_wise() const {
    bool const whole = placement.prefetch == svm::placement::prefetch_mode::off &&
                       placement.evict <= svm::placement::eviction_mode::touched &&
                       placement.thrash == svm::placement::thrash_mode::off &&
                       placement.counters == svm::placement::counter_mode::off;
    return serves_blocks || !whole;
  }
};

enum class protection { none, read, read_write };
enum class mapping_kind { anon, file, shared, hugetlb };
enum class advice { dontneed, hugepage, nohugepage };
enum class memory_advice { preferred, accessed, duplicate, discard };
enum class prefetch_target { as_fault, ram, vram };
enum class failure_kind { alloc, ram, dma_map, copy, populate, notifier };

/// How a command ended: empty on success, else the errno name (or SIGSEGV, SIGBUS).
using outcome = std::string_view;

/// A process of the machine; `fork` hands out the others.
using process_id = std::size_t;
inline constexpr process_id first_process = 0;

/// Who reaches for memory: a process, on the CPU or through a GPU.
struct agent {
  process_id process = first_process;
  std::optional<std::size_t> gpu;  // empty: the CPU
};

/// A run of addresses `[start, last]` and a word about it.
struct span_line {
  std::uint64_t start;
  std::uint64_t last;
  std::string text;
};

struct range_line {
  std::size_t gpu;
  std::uint64_t start;
  std::uint64_t last;
  std::string_view state;  // vram, ram, mixed, none
  bool read_only;
  bool unmapped;
  bool partial;
};

struct notifier_line {
  std::size_t gpu;
  std::uint64_t start;
  std::uint64_t last;
  std::uint64_t ranges;
};

struct stat_line {
  std::string_view name;
  std::uint64_t value;
  bool exact;
};

class system;
/// A machine, or in one sentence why the library refuses the configuration.
using made_system = std::variant<std::unique_ptr<system>, std::string>;

/// The simulated computer that `svmsh` drives; a thin front of svm::mock, whatever the page size.
///
/// No call throws; every address and size is in bytes. A call that fails with EINVAL for its arguments changed nothing.
/// Processes and GPUs that a call names exist.
class system {
 public:
  [[nodiscard]] static made_system create(machine_options const& options);
  virtual ~system() = default;

  [[nodiscard]] virtual std::uint64_t page_size() const = 0;

  struct mmap_result {
    outcome error;
    std::uint64_t address = 0;
  };
  virtual mmap_result mmap(process_id, std::uint64_t size, protection, mapping_kind,
                           std::optional<std::uint64_t> at) = 0;
  virtual outcome munmap(process_id, std::uint64_t address, std::uint64_t size) = 0;
  virtual outcome mprotect(process_id, std::uint64_t address, std::uint64_t size, protection) = 0;
  struct mremap_arguments {
    std::uint64_t address, old_size, new_size;
    bool dontunmap = false;
    std::optional<std::uint64_t> to;
  };
  virtual outcome mremap(process_id, mremap_arguments const&) = 0;
  virtual outcome madvise(process_id, std::uint64_t address, std::uint64_t size, advice) = 0;

  struct fork_result {
    outcome error;
    process_id child = first_process;
  };
  virtual fork_result fork(process_id parent) = 0;
  /// Ends a process other than the first; nothing may name it any more.
  virtual void exit(process_id) = 0;

  virtual outcome read(agent, std::uint64_t address, std::uint64_t& value) = 0;
  virtual outcome write(agent, std::uint64_t address, std::uint64_t value) = 0;
  virtual outcome fill(agent, std::uint64_t address, std::uint64_t size, std::uint64_t value) = 0;
  struct check_result {
    outcome error;
    bool equal = true;  // false: the word at `address` is `found`, not `expected`
    std::uint64_t address = 0, found = 0, expected = 0;
  };
  virtual check_result check(agent, std::uint64_t address, std::uint64_t size, std::uint64_t value) = 0;

  // `by` names a GPU.
  virtual outcome atomic_add(agent by, std::uint64_t address, std::uint64_t value) = 0;
  virtual outcome prefetch(agent by, std::uint64_t address, std::uint64_t size, prefetch_target) = 0;
  virtual outcome evict(agent by, std::uint64_t address) = 0;
  /// Keeps a span mapped for the queues of a GPU without replayable faults.
  /// Without a word the queues of a GPU keep it mapped.
  virtual outcome advise(agent by, std::uint64_t address, std::uint64_t size, std::optional<memory_advice> what) = 0;

  virtual outcome evict_all(std::size_t gpu) = 0;
  virtual void reset(std::size_t gpu) = 0;
  virtual void gc(process_id) = 0;
  virtual void tick(std::uint64_t ms) = 0;
  virtual void fail(failure_kind, std::uint64_t nth) = 0;
  /// To be called once after every command that was executed: runs the collectors when gc=auto, the workers of GPUs
  /// without replayable faults, and the oracle.
  virtual void command_done() = 0;

  // Ascending, of every GPU in turn.
  [[nodiscard]] virtual std::vector<range_line> ranges(process_id) = 0;
  [[nodiscard]] virtual std::vector<notifier_line> notifiers(process_id) = 0;
  [[nodiscard]] virtual std::vector<span_line> vmas(process_id) = 0;  // text: "rw anon"
  /// Maximal runs of one kind; EINVAL and ENOMEM as the page says.
  virtual outcome pages(process_id, std::uint64_t address, std::uint64_t size, std::vector<span_line>& out) = 0;
  /// Of all processes and GPUs, also of those processes that have ended.
  [[nodiscard]] virtual std::vector<stat_line> stats() = 0;

  /// Tears everything down and returns a line for each leak and each rule that was broken on the way.
  virtual std::vector<std::string> audit() = 0;
};

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "faults64.hpp"
#include "lackey.hpp"
#include "replay_history.hpp"
#include "replay_timeline.hpp"
#include "system.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace svmsh {

/// What the input of a replay is.
enum class trace_format : std::uint8_t {
  automatic,  ///< by the file's name
  lackey,
  faults64,
};

/// Who makes the data accesses of a replay, and how their faults are served.
struct replay_options {
  static constexpr std::uint64_t most_batch = 4096;

  bool prefill = true;
  bool start_on_cpu = false;
  std::uint64_t turns = 0;  ///< accesses until the other one goes on; 0: never
  trace_format format = trace_format::automatic;
  std::uint64_t batch = 1;                          ///< faults that are served together
  std::uint64_t warps = 1;                          ///< over which accesses without a name are dealt
  std::optional<std::uint64_t> capacity_percent{};  ///< device memory, of the blocks that the trace touches
  std::optional<std::uint64_t> capacity_bytes{};    ///< device memory
  svm::placement::counter_mode counters = svm::placement::counter_mode::off;
  bool tells_placement = false;  ///< the report says what placement did
  bool ram_given = false;
  bool follows_prefetch = false;  ///< notes which pages are prefetched, and whether they are used
};

struct replay_counts {
  std::uint64_t loads = 0, stores = 0;
  std::uint64_t distinct_pages = 0;
  std::uint64_t wrong_loads = 0;        ///< loads that found something else than the flat copy
  std::uint64_t refused = 0;            ///< accesses that the machine refused, and blocks that it could not prepare
  std::uint64_t prefetched_unused = 0;  ///< pages that came along, and left unused or are there so
  std::uint64_t broken_rules = 0;       ///< what the machine's oracle saw

  [[nodiscard]] std::uint64_t accesses() const { return loads + stores; }
  [[nodiscard]] bool clean() const { return wrong_loads + refused + broken_rules == 0; }
};

/// Who wants to be told what happens during a replay; each may be null, and outlives the replay.
struct recording {
  history* map = nullptr;
  timeline* events = nullptr;

  [[nodiscard]] bool wanted() const { return map != nullptr || events != nullptr; }
};

class replay_engine;
/// A replay, or in one sentence why the library refuses the configuration.
using made_replay = std::variant<std::unique_ptr<replay_engine>, std::string>;

/// A machine on which a trace is replayed, whatever its page size.
class replay_engine {
 public:
  /// Told what is wrong with the access of a line, in one line of text.
  using complaint = std::function<void(std::uint64_t line, std::string const& text)>;
  /// Of each kind of complaint only the first ones come out; the counts have their number.
  static constexpr std::uint64_t complaints_told = 8;

  [[nodiscard]] static made_replay create(machine_options const& options, replay_options const& replay,
                                          complaint complain, recording record);
  virtual ~replay_engine() = default;

  /// Serves the accesses of `input` until there are no more; says how it ended.
  [[nodiscard]] virtual lackey_reader::status serve(lackey_reader& input) = 0;
  [[nodiscard]] virtual faults64_reader::status serve(faults64_reader& input) = 0;
  /// To be called behind the last access, while the machine is still whole.
  virtual void finish() = 0;

  [[nodiscard]] virtual replay_counts const& done() const = 0;
  [[nodiscard]] virtual std::vector<stat_line> statistics() = 0;
  /// What placement did; empty where whole ranges move.
  [[nodiscard]] virtual std::vector<stat_line> placement() = 0;
  /// How many blocks of 2 MiB were touched.
  [[nodiscard]] virtual std::uint64_t blocks() const = 0;
  /// Tears the machine down and returns a line for each leak and each rule that was broken.
  [[nodiscard]] virtual std::vector<std::string> audit() = 0;
};

}  // namespace svmsh

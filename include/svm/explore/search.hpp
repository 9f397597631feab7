// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <svm/explore/replay.hpp>
#include <svm/explore/report.hpp>
#include <svm/explore/scenario.hpp>
#include <svm/explore/scheduler.hpp>
#include <svm/explore/strategy.hpp>
#include <svm/explore/trace.hpp>

namespace svm::inline v0::explore {

/// How much a search may take, and what it counts.
struct search_options {
  std::uint64_t executions = 1'000'000;  ///< at most
  std::uint64_t seed = 1;                ///< of random strategies
  std::size_t max_steps = 5000;          ///< of an execution, see `run_options`
  releases release = releases::joined;
  bool count_distinct = true;  ///< fill `report::distinct`
};

/// One for each OS thread, whose stacks all its searches use.
[[nodiscard]] inline scheduler& shared_scheduler() {
  static thread_local scheduler shared;
  return shared;
}

/// A recorded execution once more.
struct replayed {
  ending how = ending::complete;
  failure failed;        ///< when `how` is failed
  bool strayed = false;  ///< a step of the recording could not be taken: it was made with another program
};

/// Runs one execution along `r`.
[[nodiscard]] inline replayed follow_recording(scheduler& on, basic_scenario& s, recording const& r,
                                               std::size_t max_steps = run_options{}.max_steps,
                                               bool keep_footprints = false) {
  bool const own_step = r.strategy.ends_with('+');
  follow how{r.strategy.substr(0, r.strategy.size() - (own_step ? 1 : 0)), r.choices};
  static_cast<void>(how.start(r.seed, s.threads().size()));
  ending const end = on.run(s, r.part, how,
                            {.seed = r.seed,
                             .max_steps = max_steps,
                             .release = own_step ? releases::own_step : releases::joined,
                             .keep_footprints = keep_footprints});
  return {end, on.failed(), how.strayed()};
}

/// Runs the execution that a replay string describes; nothing when `text` is no replay string of this scenario. A string of
/// another version of the library is tried.
[[nodiscard]] inline std::optional<replayed> replay(basic_scenario& s, std::string_view text,
                                                    std::size_t max_steps = run_options{}.max_steps) {
  std::optional<recording> const r = parse_recording(text, s.everything());
  if (!r || r->scenario != s.name()) return std::nullopt;
  return follow_recording(shared_scheduler(), s, *r, max_steps);
}

/// Runs executions of a scenario in the order of a strategy, until one fails, there are no more, or there were enough.
///
/// A failing execution is run again by its replay string: when that does something else, the scenario depends on what is
/// not scheduled, and the failure is one of nondeterminism.
[[nodiscard]] inline report search(basic_scenario& s, strategy& how, search_options const& options = {}) {
  report r;
  r.scenario = s.name();
  r.strategy = how.name();
  scheduler& on = shared_scheduler();
  hash_set classes;
  selection const everything = s.everything();
  for (std::uint64_t i = 0; i < options.executions; ++i) {
    run_options run{.seed = mix(options.seed, i),
                    .max_steps = options.max_steps,
                    .release = options.release,
                    .hash_classes = options.count_distinct};
    if (!how.start(run.seed, s.threads().size())) break;
    if (how.is_systematic()) run.seed = 0;
    ending const end = on.run(s, everything, how, run);
    r.steps += on.steps().size();
    r.hash = mix(r.hash, on.hash());
    if (on.steps().size() > r.longest) r.longest = on.steps().size();
    r.complete += end == ending::complete ? 1 : 0;
    r.blocked += end == ending::blocked ? 1 : 0;
    r.cut += end == ending::cut ? 1 : 0;
    if (options.count_distinct && end == ending::complete) classes.insert(on.class_hash());
    if (end != ending::failed) continue;
    r.failed = on.failed();
    r.failed->execution = i + 1;
    break;
  }
  if (r.failed && r.failed->kind != failure_kind::nondeterminism) {
    auto const again = replay(s, r.failed->replay, options.max_steps);
    if (!again || again->how != ending::failed || again->failed.hash != r.failed->hash) {
      r.failed->text += "\nand the same choices led to something else when they were replayed";
      r.failed->kind = failure_kind::nondeterminism;
    }
  }
  r.distinct = classes.size();
  r.exhausted = how.exhausted() && r.cut == 0 && !r.failed;
  return r;
}
[[nodiscard]] inline report search(basic_scenario& s, strategy&& how, search_options const& options = {}) {
  return search(s, how, options);
}

}  // namespace svm::inline v0::explore

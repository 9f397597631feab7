// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <svm/explore/replay.hpp>
#include <svm/explore/report.hpp>
#include <svm/explore/scenario.hpp>
#include <svm/explore/scheduler.hpp>
#include <svm/explore/search.hpp>
#include <svm/explore/strategy_bounded.hpp>

namespace svm::inline v0::explore {

/// Two steps whose order decides: in this order the execution fails, in the other it does not.
struct decisive_order {
  std::string first;
  std::string second;
};

/// A failure made small.
struct shrunk_failure {
  failure failed;
  recording smallest;
  std::optional<decisive_order> order;  ///< nothing when no two steps decide alone
  std::uint64_t executions = 0;         ///< that it took
};

[[nodiscard]] inline std::string to_string(shrunk_failure const& f) {
  std::string text = to_string(f.failed);
  if (f.order)
    text += "it fails when\n  " + f.order->first + "\ncomes before\n  " + f.order->second +
            "\nand does not the other way round\n";
  return text;
}

/// How much making a failure smaller may take.
struct shrink_options {
  std::size_t max_steps = run_options{}.max_steps;
  std::uint64_t executions = 3000;  ///< at most for each attempt to find the failure in a smaller scenario
};

/// Leaves out of a failing execution what it does not need.
///
/// A smaller execution counts when it fails in the same way: deadlock, livelock, violation. Where the whole scenario
/// fails in some orders only, so must the smaller one: a thread that waits for one that was left out proves nothing.
/// First whole threads go, then operations: for each it tries the same schedule without their steps, then other
/// schedules with few preemptions. Then context switches go one by one. Last it looks for two steps to exchange.
class shrinker {
 public:
  shrinker(basic_scenario& s, shrink_options const& options) : scenario_(s), options_(options) {}

  /// Nothing when the replay string does not fail like `f`.
  [[nodiscard]] std::optional<shrunk_failure> run(failure const& f) {
    auto const start = parse_recording(f.replay, scenario_.everything());
    if (!start) return std::nullopt;
    kind_ = f.kind;
    own_step_ = start->strategy.ends_with('+');
    if (!try_schedule(*start)) return std::nullopt;
    shorten();
    needs_order_ = passes_somehow(best_.smallest.part);
    while (drop_a_thread() || drop_an_operation()) {
    }
    search_fewer_preemptions();
    while (drop_a_switch()) {
    }
    shorten();
    best_.order = find_order();
    best_.executions = executions_;
    return best_;
  }

 private:
  struct segment {
    std::uint8_t thread;
    std::size_t length;
  };

  /// Each deadlock or livelock keeps its stacks and its state for good (see `scenario`), so there must be an end to it.
  [[nodiscard]] bool may_go_on() const { return kept_ < 1000; }

  /// Runs along `r`; true when it fails as it should.
  [[nodiscard]] bool fails(recording const& r, replayed& now) {
    ++executions_;
    now = follow_recording(on_, scenario_, r, options_.max_steps);
    if (on_.stuck() != 0) ++kept_;
    return now.how == ending::failed && now.failed.kind == kind_;
  }

  /// Takes `r`, which was just run, for the smallest so far. What it names in vain, it need not name.
  void accept(recording const& r, replayed const& now) {
    best_.failed = now.failed;
    best_.smallest = r;
    if (now.strayed) best_.smallest.choices = on_.choices();
    best_.failed.replay = to_string(best_.smallest, scenario_.everything());
  }

  bool try_schedule(recording const& r) {
    replayed now;
    if (!may_go_on() || !fails(r, now)) return false;
    accept(r, now);
    return true;
  }

  /// Looks for the failure in `part` with at most `preemptions`, in fewer than `switches`.
  bool search_part(selection const& part, std::uint32_t preemptions, std::size_t switches) {
    bounded how{preemptions};
    for (std::uint64_t i = 0; i < options_.executions && may_go_on() && how.start(0, scenario_.threads().size()); ++i) {
      if (run_part(part, how) != ending::failed || on_.failed().kind != kind_ || on_.failed().switches >= switches)
        continue;
      recording found = best_.smallest;
      found.part = part;
      found.choices = on_.choices();
      accept(found, {ending::failed, on_.failed()});
      shorten();
      return true;
    }
    return false;
  }

  /// Cuts what a follower would do by itself off the end of the schedule.
  void shorten() {
    recording shorter = best_.smallest;
    constexpr std::size_t one_by_one = 64;
    for (std::size_t length = 0; length < best_.smallest.choices.size(); length += length < one_by_one ? 1 : length) {
      shorter.choices.assign(best_.smallest.choices.begin(),
                             best_.smallest.choices.begin() + static_cast<std::ptrdiff_t>(length));
      if (try_schedule(shorter)) return;
    }
  }

  /// True when some order of few preemptions comes out well.
  [[nodiscard]] bool passes_somehow(selection const& part) {
    for (std::uint32_t preemptions = 0; preemptions <= 2; ++preemptions) {
      bounded how{preemptions};
      for (int i = 0; i < 100 && may_go_on() && how.start(0, scenario_.threads().size()); ++i)
        if (run_part(part, how) != ending::failed) return true;
    }
    return false;
  }

  ending run_part(selection const& part, strategy& how) {
    ++executions_;
    ending const end = on_.run(scenario_, part, how,
                               {.seed = best_.smallest.seed,
                                .max_steps = options_.max_steps,
                                .release = own_step_ ? releases::own_step : releases::joined});
    if (on_.stuck() != 0) ++kept_;
    return end;
  }

  bool try_part(selection const& part) {
    if (needs_order_ && !passes_somehow(part)) return false;
    recording smaller = best_.smallest;
    smaller.part = part;
    if (try_schedule(smaller)) return true;
    for (std::uint32_t preemptions = 0; preemptions <= 2; ++preemptions)
      if (search_part(part, preemptions, std::numeric_limits<std::size_t>::max())) return true;
    return false;
  }

  bool drop_a_thread() {
    for (std::size_t t = max_threads; t-- > 0;) {
      selection part = best_.smallest.part;
      if (std::exchange(part[t], 0) != 0 && part != selection{} && try_part(part)) return true;
    }
    return false;
  }

  bool drop_an_operation() {
    for (std::size_t t = max_threads; t-- > 0;)
      for (std::uint64_t left = best_.smallest.part[t]; left != 0; left &= left - 1) {
        selection part = best_.smallest.part;
        part[t] &= ~(left & -left);
        if (part[t] != 0 && try_part(part)) return true;
      }
    return false;
  }

  void search_fewer_preemptions() {
    selection const part = best_.smallest.part;
    for (std::uint32_t preemptions = 0; preemptions <= 3; ++preemptions)
      if (search_part(part, preemptions, best_.failed.switches)) return;
  }

  [[nodiscard]] std::vector<segment> segments() const {
    std::vector<segment> all;
    for (std::uint8_t const t : best_.smallest.choices)
      if (!all.empty() && all.back().thread == t)
        ++all.back().length;
      else
        all.push_back({t, 1});
    return all;
  }

  /// Joins two stretches of a thread: the later one comes earlier, or the earlier one later.
  bool drop_a_switch() {
    std::vector<segment> const all = segments();
    for (std::size_t i = 0; i + 2 < all.size(); ++i) {
      std::size_t k = i + 2;
      while (k < all.size() && all[k].thread != all[i].thread) ++k;
      if (k == all.size()) continue;
      for (bool const earlier : {true, false}) {
        recording joined = best_.smallest;
        joined.choices.clear();
        for (std::size_t at = 0; at < all.size(); ++at) {
          if (at == (earlier ? k : i)) continue;
          bool const both = at == (earlier ? i : k);
          joined.choices.insert(joined.choices.end(), both ? all[i].length + all[k].length : all[at].length,
                                all[at].thread);
        }
        replayed now;
        if (!may_go_on() || !fails(joined, now)) continue;
        // A livelock goes to and fro for ever, so there the schedule's own switches count.
        if (kind_ != failure_kind::livelock && now.failed.switches >= best_.failed.switches) continue;
        accept(joined, now);
        return true;
      }
    }
    return false;
  }

  struct taken_step {
    step_record step;
    footprint touched;
    std::size_t nth;  ///< of its thread
  };

  /// The steps of the last execution, and those that its stuck threads were about to take.
  [[nodiscard]] std::vector<taken_step> steps_of_last() const {
    std::array<std::size_t, max_threads> count{};
    std::vector<taken_step> all;
    for (std::size_t i = 0; i < on_.footprints().size(); ++i)
      all.push_back({on_.steps()[i], on_.footprints()[i], count[on_.steps()[i].thread]++});
    for (thread_set left = on_.stuck(); left != 0; left &= left - 1) {
      auto const t = static_cast<std::uint8_t>(first_of(left));
      all.push_back({{on_.next_step(t), t, on_.operation(t)}, on_.next_footprint(t), count[t]});
    }
    return all;
  }

  [[nodiscard]] std::optional<decisive_order> find_order() {
    static_cast<void>(follow_recording(on_, scenario_, best_.smallest, options_.max_steps, true));
    std::vector<taken_step> all = steps_of_last();
    constexpr std::size_t window = 200;  // a livelock has thousands of steps, and its cause stands before them
    if (all.size() > window) all.resize(window);
    // The fewer steps it takes to exchange the two, the more it says.
    std::uint64_t const enough = executions_ + options_.executions;
    for (std::size_t moved = 1; moved <= all.size(); ++moved)
      for (std::size_t q = all.size(); q-- > 1;)
        for (std::size_t p = q, own = 1; p-- > 0 && own <= moved;) {
          if (all[p].step.thread == all[q].step.thread) {
            ++own;
          } else if (own == moved && all[p].touched.conflicts(all[q].touched)) {
            if (executions_ >= enough || !may_go_on()) return std::nullopt;
            if (passes_exchanged(all, p, q)) return decisive_order{describe(all[p]), describe(all[q])};
          }
        }
    return std::nullopt;
  }

  /// Runs as before up to step `p`, then the thread of `q` until it has taken that, then on; true when that came out well.
  [[nodiscard]] bool passes_exchanged(std::vector<taken_step> const& all, std::size_t p, std::size_t q) {
    recording exchanged = best_.smallest;
    exchanged.choices.clear();
    for (std::size_t i = 0; i < p; ++i) exchanged.choices.push_back(all[i].step.thread);
    for (std::size_t i = p; i <= q; ++i)
      if (all[i].step.thread == all[q].step.thread) exchanged.choices.push_back(all[q].step.thread);
    replayed now;
    if (fails(exchanged, now) || now.how == ending::failed) return false;
    std::size_t first = 0;
    std::size_t second = 0;
    for (step_record const& s : on_.steps()) {
      if (s.thread == all[p].step.thread && first++ == all[p].nth) return false;
      if (s.thread == all[q].step.thread && second++ == all[q].nth) return true;
    }
    return false;
  }

  [[nodiscard]] std::string describe(taken_step const& t) const {
    auto const& names = scenario_.threads()[t.step.thread];
    return names.name + " in \"" + names.operations[t.step.operation].name + "\", its step " +
           std::to_string(t.nth + 1) + ": " + to_string(t.step.name);
  }

  basic_scenario& scenario_;
  shrink_options options_;
  scheduler& on_ = shared_scheduler();
  failure_kind kind_ = failure_kind::violation;
  bool own_step_ = false;
  bool needs_order_ = false;
  shrunk_failure best_;
  std::uint64_t executions_ = 0;
  std::uint64_t kept_ = 0;  ///< executions that kept their stacks
};

/// Makes a failure that `search` found as small as it can; nothing when it does not fail again.
[[nodiscard]] inline std::optional<shrunk_failure> shrink(basic_scenario& s, failure const& f,
                                                          shrink_options const& options = {}) {
  return shrinker{s, options}.run(f);
}

}  // namespace svm::inline v0::explore

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/time.hpp>
#include <svm/placement/constants.hpp>

namespace svm::inline v0::placement {

/// When accesses that wait are told to try again.
enum class replay_policy : std::uint8_t {
  block,        ///< after each block
  batch,        ///< after each batch
  batch_flush,  ///< after each batch, once the ring is flushed, since most of what is in it was served
  once,         ///< when the run ends
};

/// What the driver of a GPU does next about faults that are to be replayed.
enum class replay_step : std::uint8_t {
  none,
  replay,
  flush_cached,  ///< flush up to the PUT that is known, replay, and wait for the replay
  flush_update,  ///< flush up to the device's PUT, replay, and wait for the replay
};

/// When faults are replayed, and when hardware stops to prefetch.
struct replay_options {
  replay_policy policy = replay_policy::batch_flush;
  unsigned update_put_percent = defaults::update_put_percent;
  unsigned batches = defaults::batches_a_run;
  unsigned throttled_batches = defaults::throttled_batches_a_run;
};

/// How a batch went.
struct batch_outcome {
  unsigned cached = 0;      ///< entries that were fetched
  unsigned duplicates = 0;  ///< of these, those on pages that others name
  bool throttled = false;   ///< some fault waits
  bool cancelled = false;   ///< there were fatal faults, and they were cancelled: no replay for this batch
  bool failed = false;      ///< an error without a culprit: every fault was cancelled
};

/// One run of the service of faults: how many batches it takes, and when it replays (rule C4). No fault is lost: where
/// nothing was replayed the end replays once.
class replay_run {
 public:
  constexpr explicit replay_run(replay_options const& options = {}) : options_(options) {}

  /// Whether the run fetches another batch, if there are faults.
  [[nodiscard]] constexpr bool continues() const {
    return !failed_ && batches_ < options_.batches && throttled_ < options_.throttled_batches;
  }
  [[nodiscard]] constexpr replay_step after_block() {
    return options_.policy == replay_policy::block ? replays(replay_step::replay) : replay_step::none;
  }
  /// A batch that met a context which is gone: the ring is flushed and the batch begins again, without being counted.
  [[nodiscard]] constexpr replay_step after_stale() { return replays(replay_step::flush_update); }
  [[nodiscard]] constexpr replay_step after_batch(batch_outcome const& b) {
    if (b.failed) {
      failed_ = true;
      return replay_step::none;
    }
    ++batches_;
    if (b.cancelled) return replay_step::none;
    throttled_ += b.throttled;
    if (options_.policy == replay_policy::batch) return replays(replay_step::replay);
    if (options_.policy != replay_policy::batch_flush) return replay_step::none;
    bool const many = b.duplicates * 100 > b.cached * options_.update_put_percent;
    return replays(many ? replay_step::flush_update : replay_step::flush_cached);
  }
  /// What the end of the run has left to do.
  [[nodiscard]] constexpr replay_step finish() {
    bool const once = options_.policy == replay_policy::once && !failed_;
    return once || !replayed_ ? replays(replay_step::replay) : replay_step::none;
  }

  [[nodiscard]] constexpr unsigned batches() const { return batches_; }

 private:
  constexpr replay_step replays(replay_step step) {
    replayed_ = true;
    return step;
  }

  replay_options options_;
  unsigned batches_ = 0;
  unsigned throttled_ = 0;
  bool replayed_ = false;
  bool failed_ = false;
};

/// Switches the faults of the hardware's own prefetching off while most of them are invalid, and on again later.
class prefetch_fault_switch {
 public:
  enum class step : std::uint8_t { none, off, on };

  constexpr explicit prefetch_fault_switch(unsigned batch_faults = defaults::batch_faults,
                                           duration off_for = defaults::prefetch_faults_off)
      : batch_faults_(batch_faults), off_for_(off_for) {}

  /// After a batch with so many invalid ones: more than two thirds of the largest batch switch them off.
  [[nodiscard]] constexpr step after_batch(unsigned invalid, time_point now) {
    if (on_ && invalid * 3 > batch_faults_ * 2) {
      on_ = false;
      off_since_ = now;
      return step::off;
    }
    if (!on_ && is_before(off_since_ + off_for_, now)) {
      on_ = true;
      return step::on;
    }
    return step::none;
  }
  [[nodiscard]] constexpr bool is_on() const { return on_; }

 private:
  unsigned batch_faults_;
  duration off_for_;
  time_point off_since_{};
  bool on_ = true;
};

}  // namespace svm::inline v0::placement

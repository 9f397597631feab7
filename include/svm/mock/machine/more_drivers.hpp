// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include <svm/driver/block_service.hpp>
#include <svm/driver/queue_driver.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/mock/gpu/access_notices.hpp>
#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/machine_options.hpp>
#include <svm/mock/machine/machine_policies.hpp>
#include <svm/mock/machine/virtual_clock.hpp>

namespace svm::inline v0::mock {

/// The drivers that a GPU has for a process beside `svm_driver`: none.
template <class P, drivers Drivers>
struct more_drivers {};

template <class P>
struct more_drivers<P, drivers::all> {
  void set_up(machine_options const& options, gpusvm_layout const& shape, migrator<P>& mover, environment<P> const& env,
              svm_driver<P>& driver, thrash_history<P>* known) {
    if (options.faults == page_faults::fatal) queues.emplace(mover, env, shape, options.driver);
    if (!options.placement) return;
    placement::uvm_options how = *options.placement;
    how.self = placement::gpu(env.device.index());
    blocks.emplace(driver, how, known);
    if (how.counters != placement::counter_mode::off) env.device.notices = &notices.emplace();
  }
  /// One fault; while it is throttled nobody else runs, so that the clock moves to the end of the throttle.
  [[nodiscard]] errc serve_by_pages(virtual_clock& clock, cpu_va a, access_kind want) {
    for (int tries = 1024; tries != 0; --tries) {
      block_fault f{.at = a, .want = want};
      errc const e = blocks->serve({&f, 1});
      if (!f.is_throttled) return e;
      clock.wait_until(f.wait_until);
    }
    return errc::busy;
  }

  std::optional<access_notices> notices;   ///< where the placement has counters
  std::optional<block_service<P>> blocks;  ///< where the machine's options have a placement
  std::optional<queue_driver<P>> queues;   ///< where faults are fatal
};

/// What a process has for all its GPUs beside their drivers: nothing.
template <class P, drivers Drivers>
struct more_of_process {
  void watch(counting_allocator&, machine_options const&) {}
  void forget() {}
};

template <class P>
struct more_of_process<P, drivers::all> {
  void watch(counting_allocator& memory, machine_options const& options) {
    if (options.placement && options.placement->thrash != placement::thrash_mode::off)
      moves.emplace(memory, links_of(options), options.placement->thrash);
  }
  void forget() { moves.reset(); }
  [[nodiscard]] thrash_history<P>* known() { return moves ? &*moves : nullptr; }

  std::optional<thrash_history<P>> moves;  ///< between processors, where the options ask for that
};

}  // namespace svm::inline v0::mock

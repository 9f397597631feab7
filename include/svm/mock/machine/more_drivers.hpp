// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include <svm/driver/block_service.hpp>
#include <svm/driver/queue_driver.hpp>
#include <svm/driver/svm_driver.hpp>
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
              svm_driver<P>& driver) {
    if (options.faults == page_faults::fatal) queues.emplace(mover, env, shape, options.driver);
    if (!options.placement) return;
    placement::uvm_options how = *options.placement;
    how.self = placement::gpu(env.device.index());
    blocks.emplace(driver, how);
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

  std::optional<block_service<P>> blocks;  ///< where the machine's options have a placement
  std::optional<queue_driver<P>> queues;   ///< where faults are fatal
};

}  // namespace svm::inline v0::mock

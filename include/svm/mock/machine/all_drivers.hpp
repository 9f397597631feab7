// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>

#include <svm/driver/block_service.hpp>
#include <svm/driver/queue_driver.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/driver/thrash_history.hpp>
#include <svm/mock/gpu/access_notices.hpp>
#include <svm/mock/gpu/accessed_pages.hpp>
#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/mock/machine/machine_options.hpp>
#include <svm/mock/machine/machine_policies.hpp>
#include <svm/mock/machine/more_drivers.hpp>
#include <svm/placement/uvm_placement.hpp>

namespace svm::inline v0::mock {

template <lock Lock, std::size_t PageBytes, bool Coherent>
struct machine_policies<Lock, PageBytes, Coherent, drivers::all> : machine_policies<Lock, PageBytes, Coherent> {
  using placement = svm::placement::uvm_placement;  // a view without options for it moves ranges whole
};

template <class P>
struct more_drivers<P, drivers::all> {
  void set_up(machine_options const& options, gpusvm_layout const& shape, migrator<P>& mover, environment<P> const& env,
              svm_driver<P>& driver, thrash_history<P>* moves) {
    if (options.faults == page_faults::fatal) queues.emplace(mover, env, shape, options.driver);
    if (!options.placement) return;
    placement::uvm_options how = *options.placement;
    how.self = placement::gpu(env.device.index());
    blocks.emplace(driver, how, moves);
    blocks->set_page_use(&accessed.emplace(env.device));
    if (how.counters != placement::counter_mode::off) notices.emplace();
  }
  /// Ends the drivers, which look at what a view has.
  void end() {
    queues.reset();
    blocks.reset();
  }
  [[nodiscard]] access_notices* counts_accesses() { return notices ? &*notices : nullptr; }

  std::optional<access_notices> notices;  ///< where the placement has counters
  std::optional<accessed_pages<typename P::device>> accessed;
  std::optional<block_service<P>> blocks;  ///< where the machine's options have a placement
  std::optional<queue_driver<P>> queues;   ///< where faults are fatal
};

template <class P>
struct watched_moves<P, drivers::all> {
  void set_up(machine_options const& options, counting_allocator& memory) {
    if (options.placement && options.placement->thrash != placement::thrash_mode::off)
      moves.emplace(memory, links_of(options), options.placement->thrash);
  }
  [[nodiscard]] thrash_history<P>* watcher() { return moves ? &*moves : nullptr; }

  std::optional<thrash_history<P>> moves;  ///< where the options ask for one
};

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/split_merge.hpp>

// gpuvm::sm_map, gpuvm::sm_unmap and their steps.

namespace svm::inline v0 {

// Inlined, so that a step need not exist where its driver is seen through.
template <class Types>
template <class Driver, class Operation>
[[gnu::always_inline]] inline errc gpuvm<Types>::hand_out(Driver& driver, Operation const& operation, bool map_follows,
                                                          sm_result& done) {
  gpuvm_step<Types, Operation> step{*this, operation, map_follows};
  errc e;
  if constexpr (std::same_as<Operation, map_operation<Types>>)
    e = driver.map(step);
  else if constexpr (std::same_as<Operation, remap_operation<Types>>)
    e = driver.remap(step);
  else
    e = driver.unmap(step);
  if (step.is_taken())
    ++done.taken_;
  else if (step.is_put_off())
    ++done.put_off_;
  else if (e == errc::ok)
    return errc::step_not_taken;
  return e;
}

template <class Types>
template <class Driver>
inline sm_result gpuvm<Types>::sm_map(Driver& driver, extent const& request) {
  static_assert(map_driver<Driver, Types>,
                "svm: a driver of sm_map needs `errc map(map_step<Types>&)`, `errc remap(remap_step<Types>&)` and "
                "`errc unmap(unmap_step<Types>&)`; one for lists is another driver");
  sm_result done{check_request(request)};
  if (done.error_ == errc::ok) done.error_ = provide_nodes(nodes_per_request);
  if (done.error_ == errc::ok)
    done.error_ = detail::split_merge<Types>(
        index_, request, [&](auto const& operation) { return hand_out(driver, operation, true, done); });
  index_.settle();
  return done;
}

template <class Types>
template <class Driver>
inline sm_result gpuvm<Types>::sm_unmap(Driver& driver, gpu_va start, byte_count size) {
  static_assert(
      unmap_driver<Driver, Types>,
      "svm: a driver of sm_unmap needs `errc remap(remap_step<Types>&)` and `errc unmap(unmap_step<Types>&)`; "
      "one for lists is another driver");
  sm_result done{layout_.check(start, size)};
  if (done.error_ == errc::ok) done.error_ = provide_nodes(nodes_per_request);
  if (done.error_ == errc::ok)
    done.error_ = detail::vacate<Types>(
        index_, start.value, extent{start, size}.last().value, static_cast<extent const*>(nullptr),
        [&](auto const& operation) { return hand_out(driver, operation, false, done); });
  index_.settle();
  return done;
}

}  // namespace svm::inline v0

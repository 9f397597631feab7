// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The simulated machine with all that its GPUs may have: queues for fatal faults, services that decide page by page, rings of
/// faults, warps, access counters.

#include <svm/mock.hpp>
#include <svm/mock/gpu/engine_faults.hpp>
#include <svm/mock/gpu/fault_unit.hpp>
#include <svm/mock/gpu/warps.hpp>
#include <svm/mock/machine/all_drivers.hpp>
#include <svm/mock/machine/counter_worker.hpp>
#include <svm/mock/machine/reservation.hpp>

namespace svm::inline v0::mock {

/// A machine whose GPUs may have every driver: queues for fatal faults, and services that decide page by page.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false>
using full_machine = machine<Lock, PageBytes, Coherent, drivers::all>;

}  // namespace svm::inline v0::mock

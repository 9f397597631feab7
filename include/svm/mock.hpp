// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The simulated machine: processes, GPUs and their drivers, with real bytes moving and an oracle that watches.

#include <svm/mock/gpu/engine_faults.hpp>
#include <svm/mock/gpu/fault_unit.hpp>
#include <svm/mock/gpu/warps.hpp>
#include <svm/mock/machine/counter_worker.hpp>
#include <svm/mock/machine/reservation.hpp>
#include <svm/mock/usual.hpp>

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// Models of the policies on the standard library.

#include <svm/std/distributed_lock.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>
#include <svm/std/one_thread_policies.hpp>
#include <svm/std/std_lock.hpp>
#include <svm/std/std_reservation.hpp>
#include <svm/std/steady_clock.hpp>

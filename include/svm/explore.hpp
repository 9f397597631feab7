// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The deterministic explorer: runs threads in every order that matters, and says which one went wrong.

#include <svm/explore/clock.hpp>
#include <svm/explore/lock_policy.hpp>
#include <svm/explore/replay.hpp>
#include <svm/explore/report.hpp>
#include <svm/explore/scenario.hpp>
#include <svm/explore/search.hpp>
#include <svm/explore/shrink.hpp>
#include <svm/explore/steps.hpp>
#include <svm/explore/strategy_bounded.hpp>
#include <svm/explore/strategy_exhaustive.hpp>
#include <svm/explore/strategy_pct.hpp>
#include <svm/explore/strategy_random.hpp>

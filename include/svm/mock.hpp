// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The simulated machine: processes, GPUs and their drivers, with real bytes moving and an oracle that watches.

#include <svm/mock/usual.hpp>

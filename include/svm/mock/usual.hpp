// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/machine/machine.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/std/null_lock.hpp>

namespace svm::inline v0::mock {

/// The machine that most programs want: one thread, 4 KiB pages, GPUs whose faults move ranges whole, and locks that notice
/// a wrong order.
using usual_lock = rank_checked<null_lock>;
/// The usual machine's policies.
using usual_policies = machine_policies<usual_lock>;
/// The usual machine itself.
using usual_machine = machine<usual_lock>;

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

namespace svmsh {

extern char const main_help[];
extern char const run_help[];
extern char const replay_help[];

}  // namespace svmsh

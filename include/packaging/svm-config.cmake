# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT

include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/svm-targets.cmake")

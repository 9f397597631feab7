// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "machine_system.hpp"

template svmsh::made_system svmsh::make_system<4096>(machine_options const&);

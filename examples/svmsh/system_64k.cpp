// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "machine_system.hpp"

template svmsh::made_system svmsh::make_system<65536>(machine_options const&);

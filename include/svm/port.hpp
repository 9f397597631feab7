// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// What most ports write again: see port/README.md.

#include <svm/port/counting.hpp>
#include <svm/port/failing.hpp>
#include <svm/port/frame_table.hpp>
#include <svm/port/logging.hpp>
#include <svm/port/notifier_list.hpp>
#include <svm/port/page_migration.hpp>

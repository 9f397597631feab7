// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// Every algorithm: SVM, migration and the GPU VA manager, with their concepts; std.hpp adds models on the standard
/// library.

#include <svm/concepts/policies.hpp>
#include <svm/driver/block_service.hpp>
#include <svm/driver/queue_driver.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/gpusvm/gpusvm.hpp>
#include <svm/gpusvm/mapped_buffer.hpp>
#include <svm/gpuvm.hpp>
#include <svm/pagemap/migrator.hpp>
#include <svm/pagemap/migrator_cache.hpp>
#include <svm/version.hpp>

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The GPU VA manager by itself: the space, requests as callbacks and as lists, objects and their locks.

#include <svm/gpuvm/exec.hpp>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/layout.hpp>
#include <svm/gpuvm/mapping.hpp>
#include <svm/gpuvm/object.hpp>
#include <svm/gpuvm/objects.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/gpuvm/operation.hpp>
#include <svm/gpuvm/page_table_delta.hpp>
#include <svm/gpuvm/step.hpp>
#include <svm/gpuvm/vm_bo.hpp>

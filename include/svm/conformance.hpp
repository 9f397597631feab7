// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The conformance suites: does a type keep the numbered promises of the concept that it models?

#include <svm/conformance/address_space.hpp>
#include <svm/conformance/allocator.hpp>
#include <svm/conformance/device.hpp>
#include <svm/conformance/interval_notifier.hpp>
#include <svm/conformance/lock.hpp>
#include <svm/conformance/mm.hpp>
#include <svm/conformance/observer.hpp>
#include <svm/conformance/page_migration.hpp>
#include <svm/conformance/pagemap.hpp>
#include <svm/conformance/time_source.hpp>
#include <svm/conformance/verdict.hpp>
#include <svm/conformance/write_protection.hpp>

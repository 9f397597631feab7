// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// What moves, when, and what makes room: policies as pure functions over masks of pages. See placement/README.md.

#include <svm/placement/access_counters.hpp>
#include <svm/placement/adaptive_lapse.hpp>
#include <svm/placement/block_faults.hpp>
#include <svm/placement/block_heat.hpp>
#include <svm/placement/block_stream.hpp>
#include <svm/placement/block_tree.hpp>
#include <svm/placement/constants.hpp>
#include <svm/placement/counter_heat.hpp>
#include <svm/placement/density.hpp>
#include <svm/placement/discard.hpp>
#include <svm/placement/duplication.hpp>
#include <svm/placement/eviction_classes.hpp>
#include <svm/placement/eviction_policy.hpp>
#include <svm/placement/explicit_migration.hpp>
#include <svm/placement/fault_batch.hpp>
#include <svm/placement/fault_entry.hpp>
#include <svm/placement/group_eviction.hpp>
#include <svm/placement/page_places.hpp>
#include <svm/placement/precise_cancel.hpp>
#include <svm/placement/prefetch_feedback.hpp>
#include <svm/placement/processor.hpp>
#include <svm/placement/range_policy.hpp>
#include <svm/placement/recency.hpp>
#include <svm/placement/replay.hpp>
#include <svm/placement/residency.hpp>
#include <svm/placement/residency_slice.hpp>
#include <svm/placement/rights.hpp>
#include <svm/placement/thrash_block.hpp>
#include <svm/placement/thrashing.hpp>
#include <svm/placement/topology.hpp>
#include <svm/placement/uvm_options.hpp>
#include <svm/placement/uvm_placement.hpp>

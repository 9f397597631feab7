// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/base/time.hpp>
#include <svm/base/units.hpp>

/// Every number that a policy is born with, with where it comes from. "UVM" is NVIDIA's open driver, read at 595.45.04; the
/// name behind it is the file there. "ours" has no model: the comment says why that number.
namespace svm::inline v0::placement::defaults {

using namespace literals;

// What a decision is about.
inline constexpr byte_count block_bytes = 2_MiB;   ///< UVM, uvm_va_block.h: what is locked and served as one
inline constexpr byte_count group_bytes = 64_KiB;  ///< UVM, uvm_va_block.c: the large page, which a fault grows to

// Density prefetch: UVM, uvm_perf_prefetch.c.
inline constexpr unsigned density_threshold = 51;        ///< percent, 0 to 100
inline constexpr unsigned density_min_faults = 1;        ///< faults in a block before it prefetches, 1 to 20
inline constexpr unsigned density_min_faults_most = 20;  ///< its bound

// A stream across blocks.
inline constexpr unsigned stream_blocks_most = 4;  ///< ours: 8 MiB ahead; after three blocks in order it is reached

// Prefetch under pressure.
inline constexpr unsigned gate_services = 64;   ///< ours: an eviction so many services ago is still pressure
inline constexpr unsigned gate_threshold = 90;  ///< ours: percent; a node has to be nearly full then

// Feedback from prefetched pages that were never used.
inline constexpr unsigned feedback_bad =
    2;  ///< ours: one of so many unused is in vain, since a copy costs no less than a fault
inline constexpr unsigned feedback_good = 8;  ///< ours: one of so many unused is what a good prefetch costs

// Thrashing: UVM, uvm_perf_thrashing.c.
inline constexpr unsigned thrashing_threshold = 3;       ///< events in a row that make a page a thrashing one, 1 to 7
inline constexpr unsigned thrashing_threshold_most = 7;  ///< the count of events has three bits
inline constexpr unsigned pin_threshold = 10;            ///< throttles before a page is pinned, 1 to 255
inline constexpr unsigned pin_threshold_most = 255;      ///< the count of throttles has eight bits
inline constexpr duration lapse{500'000};                ///< events further apart than this do not thrash
inline constexpr unsigned nap_lapses = 1;                ///< lapses that a throttled processor waits, 1 to 100
inline constexpr unsigned nap_lapses_most = 100;         ///< its bound
inline constexpr unsigned epoch_lapses = 2000;           ///< quiet lapses after which a block's history is dropped
inline constexpr unsigned pin_lapses = 300;              ///< lapses that a pin lasts; 0 is for ever
inline constexpr unsigned max_resets = 4;                ///< how often a block's history is dropped in its life
inline constexpr duration timer_slack{20'000};           ///< pins that end so soon are ended along
inline constexpr int votes_to_change = 32;               ///< votes of one sign that change the lapse
inline constexpr unsigned lapse_step = 8;                ///< a change is this fraction of the lapse
inline constexpr duration lapse_step_most{50'000'000};   ///< the most that a change is
inline constexpr duration lapse_step_least{5'000};       ///< the least that a change is
inline constexpr duration lapse_most{500'000'000};       ///< the longest lapse
inline constexpr duration lapse_least{5'000};            ///< the shortest lapse

// A residency slice: xe, xe_svm.c, which keeps what migrated for 5 ms, twice as long after each retry.
inline constexpr duration slice{5'000'000};        ///< the first one
inline constexpr duration slice_most{80'000'000};  ///< ours: four doublings; a program notices more

// Fault batches: UVM, uvm_gpu_replayable_faults.c.
inline constexpr unsigned batch_faults = 256;           ///< faults in a batch, at most
inline constexpr unsigned update_put_percent = 50;      ///< duplicates above which a flush reads the device's PUT
inline constexpr unsigned batches_a_run = 20;           ///< batches that one run of the bottom half serves
inline constexpr unsigned throttled_batches_a_run = 5;  ///< of these with a throttled fault
inline constexpr duration prefetch_faults_off{1'000'000'000};  ///< how long they stay off
inline constexpr unsigned microtlbs = 8;                       ///< ours: enough to tell them apart

// Access counters: UVM, uvm_gpu_access_counters.c.
inline constexpr byte_count counter_granularity = 2_MiB;  ///< what one counter counts over
inline constexpr unsigned counter_threshold = 256;        ///< remote accesses that raise a notification, 1 to 65535
inline constexpr unsigned counter_batch = 256;            ///< notifications in a batch, at most
inline constexpr unsigned counter_subregions = 32;        ///< of 64 KiB each, in one notification

// Counters with hysteresis. The two factors: Ganguly, IPDPS'20, as its configuration has them.
inline constexpr unsigned hot_notifications = 8;  ///< migrate_threshold
inline constexpr unsigned pressure_penalty = 2;   ///< multiply_dma_penalty
inline constexpr unsigned cold_periods =
    4;  ///< ours: quiet periods before a page goes back; over two, so that one gap is none
inline constexpr unsigned heat_most = 255;  ///< ours: a byte a group

// Explicit migration: UVM, uvm_migrate.c.
inline constexpr byte_count pre_unmap_window = block_bytes * 4;  ///< what is unmapped at once before it moves

}  // namespace svm::inline v0::placement::defaults

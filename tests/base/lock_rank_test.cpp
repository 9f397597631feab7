// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/base/lock_rank.hpp>

#include <string_view>

#include <doctest/doctest.h>

using svm::lock_rank;

TEST_SUITE("base/lock_rank") {
  TEST_CASE("the ranks rise in the order in which locks are taken") {
    CHECK(lock_rank::vm < lock_rank::range);
    CHECK(lock_rank::range < lock_rank::mm);
    CHECK(lock_rank::mm < lock_rank::history);
    CHECK(lock_rank::history < lock_rank::page);
    CHECK(lock_rank::page < lock_rank::notifier);
    CHECK(lock_rank::notifier < lock_rank::queues);
    CHECK(lock_rank::queues < lock_rank::device);
    CHECK(lock_rank::device < lock_rank::leaf_page_table);
    CHECK(lock_rank::leaf_page_table < lock_rank::leaf_device_memory);
    CHECK(lock_rank::leaf_device_memory < lock_rank::leaf_collector);
    CHECK(lock_rank::leaf_collector < lock_rank::leaf_sequence);
    CHECK(lock_rank::leaf_sequence < lock_rank::leaf_allocator);
    CHECK(lock_rank::leaf_allocator < lock_rank::leaf_iommu);
    CHECK(lock_rank::leaf_iommu < lock_rank::leaf_statistics);
  }

  TEST_CASE("every rank has the name of its lock") {
    using std::string_view;
    CHECK(lock_rank_name(lock_rank::vm) == string_view{"vm"});
    CHECK(lock_rank_name(lock_rank::range) == string_view{"range"});
    CHECK(lock_rank_name(lock_rank::mm) == string_view{"mm"});
    CHECK(lock_rank_name(lock_rank::history) == string_view{"history"});
    CHECK(lock_rank_name(lock_rank::page) == string_view{"page"});
    CHECK(lock_rank_name(lock_rank::notifier) == string_view{"notifier"});
    CHECK(lock_rank_name(lock_rank::queues) == string_view{"queues"});
    CHECK(lock_rank_name(lock_rank::device) == string_view{"device"});
    CHECK(lock_rank_name(lock_rank::leaf_page_table) == string_view{"page table"});
    CHECK(lock_rank_name(lock_rank::leaf_device_memory) == string_view{"device memory"});
    CHECK(lock_rank_name(lock_rank::leaf_collector) == string_view{"collector"});
    CHECK(lock_rank_name(lock_rank::leaf_sequence) == string_view{"sequence"});
    CHECK(lock_rank_name(lock_rank::leaf_allocator) == string_view{"allocator"});
    CHECK(lock_rank_name(lock_rank::leaf_iommu) == string_view{"iommu"});
    CHECK(lock_rank_name(lock_rank::leaf_statistics) == string_view{"statistics"});
  }
}

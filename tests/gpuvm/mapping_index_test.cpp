// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/gpuvm/mapping_index.hpp>

#include <svm/base/units.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <support/telling_heap.hpp>

namespace {

using support::telling_heap;

/// What the index asks of a mapping, and nothing that forbids to change it.
struct plain_mapping {
  svm::gpu_va first;
  svm::gpu_va end;
  [[nodiscard]] svm::gpu_va start() const { return first; }
  [[nodiscard]] svm::gpu_va last() const { return {end.value - 1}; }
};
using index = svm::mapping_index<plain_mapping, svm::null_lock, telling_heap>;
using node = svm::index_node<32>;

}  // namespace

TEST_SUITE("gpuvm/mapping_index") {
  TEST_CASE("check sees a mapping that moved or grew without a word, and a tree that is not sound") {
    telling_heap memory;
    index::pool nodes{memory};
    index all{nodes};
    plain_mapping low{{0x1000}, {0x2000}};
    plain_mapping high{{0x3000}, {0x4000}};
    for (plain_mapping* const m : {&low, &high}) {
      auto reserved = nodes.reserve(index::nodes_for(0));
      REQUIRE(reserved);
      all.insert(*reserved, *m);
    }
    REQUIRE(all.check());

    low.first = {0x1800};
    CHECK_FALSE(all.check());
    low.first = {0x1000};
    low.end = {0x3000};
    CHECK(all.check());
    low.end = {0x3001};
    CHECK_FALSE(all.check());
    low.end = {0x2000};
    CHECK(all.check());

    // Of the pool's nodes only the root holds a pointer to the first mapping.
    node* root = nullptr;
    for (std::byte* const block : memory.blocks)
      if (auto* const n = reinterpret_cast<node*>(block); n->values[0] == svm::index_value{low}) root = n;
    REQUIRE(root != nullptr);
    root->previous = root;
    CHECK_FALSE(all.check());
    root->previous = nullptr;
    CHECK(all.check());
    all.erase(low);
    all.erase(high);
    nodes.trim();
  }
}

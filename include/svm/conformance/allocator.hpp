// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::allocator` (see verdict.hpp):
//
//     CHECK(svm::conformance::allocator::check_all(my_allocator) == conformance::kept);
//
// The allocator must have room for 64 KiB, and nobody else may use it meanwhile.
//
//  1. checked: blocks can be filled and are disjoint.
//  2. checked.
//  3. checked as far as it shows: what is taken back can be had again.
//  4. checked: other blocks keep what is in them.
//  5. checked: a block is freed by another thread than the one that allocated it, and two threads allocate at a time.

#include <svm/conformance/impl/joined_thread.hpp>
#include <svm/conformance/verdict.hpp>

#include <svm/concepts/allocator.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace svm::inline v0::conformance::allocator {

/// The promises of `svm::allocator`.
// clang-format off
inline constexpr promise_table<5> promises{"allocator", {{
    {1, "`allocate` returns memory that nobody else has, or null"},
    {2, "`allocate` returns memory that is aligned as was asked"},
    {3, "`deallocate` takes back what `allocate` returned"},
    {4, "`deallocate` leaves what else was allocated as it is"},
    {5, "both may be called from any thread"},
}}};
// clang-format on

/// A block that is filled with its own mark, so that another block inside it is noticed.
struct marked_block {
  std::byte* memory;
  std::size_t size;
  std::size_t alignment;
  std::byte mark;

  [[nodiscard]] bool is_aligned() const { return reinterpret_cast<std::uintptr_t>(memory) % alignment == 0; }
  [[nodiscard]] bool is_intact() const {
    return std::all_of(memory, memory + size, [this](std::byte b) { return b == mark; });
  }
};

/// Blocks of many shapes, not marked yet; those that could not be had are left out.
template <svm::allocator A>
[[nodiscard]] std::vector<marked_block> allocate_many(A& a, int first_mark) {
  constexpr std::array<std::pair<std::size_t, std::size_t>, 8> shapes{
      {{1, 1}, {3, 2}, {8, 8}, {24, 8}, {1, 64}, {100, 64}, {4096, 16}, {5000, 64}}};
  std::vector<marked_block> blocks;
  for (auto const& [size, alignment] : shapes) {
    auto const mark = static_cast<std::byte>(first_mark++);
    std::byte* const memory = a.allocate(size, alignment);
    if (memory == nullptr) continue;
    blocks.push_back({memory, size, alignment, mark});
  }
  return blocks;
}

/// Fills each block with its mark.
inline void mark_all(std::vector<marked_block> const& blocks) {
  for (marked_block const& block : blocks) std::memset(block.memory, static_cast<int>(block.mark), block.size);
}

/// Gives every block back.
template <svm::allocator A>
void deallocate_all(A& a, std::vector<marked_block> const& blocks) {
  for (marked_block const& block : blocks) a.deallocate(block.memory, block.size, block.alignment);
}

/// Promises 1 and 2.
template <svm::allocator A>
[[nodiscard]] broken_promises blocks_are_aligned_and_disjoint(A& a) {
  verdict v{promises};
  auto const blocks = allocate_many(a, 1);
  mark_all(blocks);
  for (marked_block const& block : blocks) {
    v.expect(1, block.is_intact());
    v.expect(2, block.is_aligned());
  }
  deallocate_all(a, blocks);
  return v.result();
}

/// Promises 3 and 4.
template <svm::allocator A>
[[nodiscard]] broken_promises memory_is_taken_back(A& a) {
  verdict v{promises};
  std::size_t had = 0;
  constexpr int rounds = 200;
  for (int round = 0; round < rounds; ++round) {
    auto const blocks = allocate_many(a, 1);
    if (round == 0) had = blocks.size();
    if (!v.expect(3, blocks.size() >= had)) {
      deallocate_all(a, blocks);
      break;
    }
    mark_all(blocks);
    // Every other block goes first; the rest must stay intact.
    for (std::size_t i = 0; i < blocks.size(); i += 2)
      a.deallocate(blocks[i].memory, blocks[i].size, blocks[i].alignment);
    for (std::size_t i = 1; i < blocks.size(); i += 2) {
      v.expect(4, blocks[i].is_intact());
      a.deallocate(blocks[i].memory, blocks[i].size, blocks[i].alignment);
    }
  }
  return v.result();
}

/// Promise 5.
template <svm::allocator A>
[[nodiscard]] broken_promises serves_every_thread(A& a) {
  verdict v{promises};
  // Allocated here, given back there.
  auto const blocks = allocate_many(a, 1);
  mark_all(blocks);
  joined_thread{[&] { deallocate_all(a, blocks); }}.join();
  // Two threads at a time: all blocks must be disjoint.
  std::array<std::vector<marked_block>, 2> both;
  {
    joined_thread const one{[&] { both[0] = allocate_many(a, 1); }};
    joined_thread const two{[&] { both[1] = allocate_many(a, 101); }};
  }
  bool overlap = false;
  for (marked_block const& one : both[0])
    for (marked_block const& two : both[1])
      overlap = overlap || (one.memory < two.memory + two.size && two.memory < one.memory + one.size);
  v.expect(5, !overlap && both[0].size() == blocks.size() && both[1].size() == blocks.size());
  for (auto const& some : both) deallocate_all(a, some);
  return v.result();
}

/// Runs the whole suite.
template <svm::allocator A>
[[nodiscard]] broken_promises check_all(A& a) {
  broken_promises all;
  all.add(blocks_are_aligned_and_disjoint(a));
  all.add(memory_is_taken_back(a));
  all.add(serves_every_thread(a));
  return all;
}

}  // namespace svm::inline v0::conformance::allocator

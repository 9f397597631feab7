// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of pagemap.hpp that are about copies: promises 11 and 12.

#include <svm/conformance/impl/pagemap_promises.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace svm::inline v0::conformance::pagemap {

/// Promises 11 and 12.
template <class Bench>
[[nodiscard]] broken_promises copies_move_all_bytes(Bench& b) {
  verdict v{promises};
  constexpr std::size_t count = 3;
  allocation<Bench> a{b, count};
  if (!a.good || !a.clear()) return v.result();
  std::vector<typename Bench::page> system;
  job_of<Bench> job;
  for (std::size_t i = 0; i < count; ++i) {
    system.push_back(b.system_page(i + 1));
    job.push_back({b.dma_address(system[i], svm::page_order{}), a.pages[i]});
  }
  std::span<svm::copy_block<typename Bench::page> const> const all{job};
  v.expect(11, b.pagemap().copy_to_device(all) == svm::errc::ok);
  for (std::size_t i = 0; i < count; ++i) v.expect(11, b.peek(a.pages[i]) == i + 1 && b.peek(system[i]) == i + 1);
  for (std::size_t i = 0; i < count; ++i) b.poke(a.pages[i], i + 10);
  v.expect(11, b.pagemap().copy_to_system(all) == svm::errc::ok);
  for (std::size_t i = 0; i < count; ++i) v.expect(11, b.peek(a.pages[i]) == i + 10 && b.peek(system[i]) == i + 10);
  if constexpr (requires { b.fail_copy(); }) {
    for (std::size_t i = 0; i < count; ++i) b.poke(a.pages[i], i + 20);
    b.fail_copy();
    if (b.pagemap().copy_to_system(all) == svm::errc::ok) return v.result();  // another promise is not kept
    for (std::size_t i = 0; i < count; ++i) v.expect(12, b.peek(a.pages[i]) == i + 20);
  }
  return v.result();
}

/// Promise 11, for blocks.
template <class Bench>
[[nodiscard]] broken_promises copies_move_whole_blocks(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.nth(b.system_block(svm::page_order{}, std::uint64_t{}), std::size_t{}); }) {
    allocation<Bench> a{b, 4};
    if (!a.good || !a.clear() || a.named[0].order != svm::page_order{2}) return v.result();
    auto const system = b.system_block(svm::page_order{2}, 40);
    job_of<Bench> const job{{b.dma_address(system, svm::page_order{2}), a.pages[0]}};
    v.expect(11, b.pagemap().copy_to_device(std::span{job}) == svm::errc::ok);
    for (std::size_t i = 0; i < 4; ++i) v.expect(11, b.peek(b.nth(a.pages[0], i)) == i + 40);
    for (std::size_t i = 0; i < 4; ++i) b.poke(b.nth(a.pages[0], i), i + 50);
    v.expect(11, b.pagemap().copy_to_system(std::span{job}) == svm::errc::ok);
    for (std::size_t i = 0; i < 4; ++i) v.expect(11, b.peek(b.nth(system, i)) == i + 50);
  }
  return v.result();
}

/// Promise 11, between the memories of two devices.
template <class Bench>
[[nodiscard]] broken_promises copies_reach_peers(Bench& b) {
  verdict v{promises};
  if constexpr (requires { b.peer_pagemap(); }) {
    auto& theirs = b.peer_pagemap();
    allocation<Bench> a{b, 1};
    auto memory = theirs.allocate(Bench::page_size);
    svm::device_page<typename Bench::page> far{};
    if (!a.good || !a.clear() || !memory || theirs.wait_cleared(*memory) != svm::errc::ok) return v.result();
    if (theirs.pages(*memory, std::span{&far, 1}) != svm::errc::ok) return v.result();
    auto const remote = theirs.map(b.device(), far.page, svm::page_count{1}, svm::dma_direction::bidirectional);
    b.poke(far.page, 60);
    if (remote && b.device_read(*remote) == 60) {  // it may fail, or not keep promise 13
      job_of<Bench> const job{{*remote, a.pages[0]}};
      v.expect(11, b.pagemap().copy_to_device(std::span{job}) == svm::errc::ok && b.peek(a.pages[0]) == 60);
      b.poke(a.pages[0], 61);
      v.expect(11, b.pagemap().copy_to_system(std::span{job}) == svm::errc::ok && b.peek(far.page) == 61);
      theirs.unmap(b.device(), *remote);
    }
    theirs.release(*memory);
  }
  return v.result();
}

}  // namespace svm::inline v0::conformance::pagemap

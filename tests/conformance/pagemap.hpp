// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Conformance of a model of `svm::pagemap` (see conformance.hpp). The suite takes a bench, a new one for each check,
// with at least 256 KiB of device memory that nobody uses:
//
//     struct my_bench {
//       using pagemap_type = my_vram;
//       using page = my_mm::page;
//       static constexpr svm::byte_count page_size;
//       my_vram& pagemap();
//       std::uint64_t peek(page);                         // the first word of a page of either kind
//       void poke(page, std::uint64_t);
//       page system_page(std::uint64_t);                  // a new page of system memory; its first word
//       svm::dma_addr dma_address(page);                  // of a system page, mapped both ways for the device
//       std::optional<std::uint64_t> device_read(svm::device_address const&);  // the first word, as the device sees it
//       void fail_copy();                                 // the next job; may be left out
//     };
//     CHECK(conformance::pagemap::check_all([] { return std::make_unique<my_bench>(); }) == conformance::kept);
//
//  1. checked.
//  2. checked: the pages differ, and are the same ones in the same order when asked again. Failure is the model's own.
//  3. checked: the memory can be had again. Its locks show under a lock policy that checks ranks.
//  4. checked with jobs of single pages, in both directions.
//  5. checked with single pages.
//  6. checked; `owners_differ` compares two pagemaps of one mm.

#include <conformance/conformance.hpp>

#include <svm/concepts/pagemap.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace conformance::pagemap {

template <class Bench>
using job_of = std::vector<svm::copy_block<typename Bench::page>>;

/// An allocation of some pages, given back at the end.
template <class Bench>
class allocation {
 public:
  allocation(Bench& b, std::size_t count) : bench_(b), memory_(b.pagemap().allocate(Bench::page_size * count)) {
    if (!memory_) return;
    pages.resize(count);
    good = b.pagemap().pages(*memory_, std::span{pages}) == svm::errc::ok;
  }
  allocation(allocation const&) = delete;
  allocation& operator=(allocation const&) = delete;
  ~allocation() {
    if (memory_) bench_.pagemap().release(*memory_);
  }
  /// The pages, asked for once more.
  [[nodiscard]] std::vector<typename Bench::page> again() {
    std::vector<typename Bench::page> out(pages.size());
    static_cast<void>(bench_.pagemap().pages(*memory_, std::span{out}));
    return out;
  }

  std::vector<typename Bench::page> pages;
  bool good = false;

 private:
  Bench& bench_;
  svm::result<typename Bench::pagemap_type::memory> memory_;
};

/// Promise 1.
template <class Bench>
[[nodiscard]] broken_promises allocations_are_whole_and_clear(Bench& b) {
  verdict v;
  svm::byte_count const before = b.pagemap().available();
  v.expect(1, before <= b.pagemap().capacity());
  auto const too_large = b.pagemap().allocate(b.pagemap().capacity() + Bench::page_size);
  v.expect(1, too_large.error() == svm::errc::no_device_memory);
  v.expect(1, b.pagemap().available() == before);
  for (int again = 0; again < 2; ++again) {
    allocation<Bench> const a{b, 3};
    if (!a.good) return v.result();
    v.expect(1, b.pagemap().available() == before - Bench::page_size * 3);
    for (auto const p : a.pages) {
      v.expect(1, b.peek(p) == 0);
      b.poke(p, 99);  // must not be seen by the next owner
    }
  }
  return v.result();
}

/// Promise 2.
template <class Bench>
[[nodiscard]] broken_promises pages_are_named_in_order(Bench& b) {
  verdict v;
  allocation<Bench> a{b, 4};
  allocation<Bench> c{b, 4};
  if (!a.good || !c.good) return v.result();
  v.expect(2, a.again() == a.pages && c.again() == c.pages);
  std::vector<typename Bench::page> all = a.pages;
  all.insert(all.end(), c.pages.begin(), c.pages.end());
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) v.expect(2, !(all[i] == all[k]));
  return v.result();
}

/// Promise 3.
template <class Bench>
[[nodiscard]] broken_promises released_memory_can_be_had_again(Bench& b) {
  verdict v;
  svm::byte_count const before = b.pagemap().available();
  for (int round = 0; round < 3; ++round) {
    auto all = b.pagemap().allocate(before);
    if (!v.expect(3, all.has_value())) return v.result();
    b.pagemap().release(*all);
    v.expect(3, b.pagemap().available() == before);
  }
  return v.result();
}

/// Promise 4.
template <class Bench>
[[nodiscard]] broken_promises copies_move_all_bytes(Bench& b) {
  verdict v;
  constexpr std::size_t count = 3;
  allocation<Bench> const a{b, count};
  if (!a.good) return v.result();
  std::vector<typename Bench::page> system;
  job_of<Bench> job;
  for (std::size_t i = 0; i < count; ++i) {
    system.push_back(b.system_page(i + 1));
    job.push_back({b.dma_address(system[i]), a.pages[i], svm::page_order{}});
  }
  std::span<svm::copy_block<typename Bench::page> const> const all{job};
  v.expect(4, b.pagemap().copy_to_device(all) == svm::errc::ok);
  for (std::size_t i = 0; i < count; ++i) v.expect(4, b.peek(a.pages[i]) == i + 1 && b.peek(system[i]) == i + 1);
  for (std::size_t i = 0; i < count; ++i) b.poke(a.pages[i], i + 10);
  v.expect(4, b.pagemap().copy_to_system(all) == svm::errc::ok);
  for (std::size_t i = 0; i < count; ++i) v.expect(4, b.peek(a.pages[i]) == i + 10 && b.peek(system[i]) == i + 10);
  if constexpr (requires { b.fail_copy(); }) {
    for (std::size_t i = 0; i < count; ++i) b.poke(a.pages[i], i + 20);
    b.fail_copy();
    v.expect(4, b.pagemap().copy_to_system(all) != svm::errc::ok);
    for (std::size_t i = 0; i < count; ++i) v.expect(4, b.peek(a.pages[i]) == i + 20);
  }
  return v.result();
}

/// Promise 5.
template <class Bench>
[[nodiscard]] broken_promises maps_make_reachable(Bench& b) {
  verdict v;
  allocation<Bench> const a{b, 2};
  if (!a.good) return v.result();
  constexpr auto both_ways = svm::dma_direction::bidirectional;
  for (std::size_t i = 0; i < 2; ++i) {
    b.poke(a.pages[i], i + 5);
    auto const one = b.pagemap().map(a.pages[i], svm::page_order{}, both_ways);
    auto const two = b.pagemap().map(a.pages[i], svm::page_order{}, both_ways);
    if (!one || !two) return v.result();  // it may fail
    v.expect(5, b.device_read(*one) == i + 5);
    b.pagemap().unmap(*one);
    v.expect(5, b.device_read(*two) == i + 5);
    b.pagemap().unmap(*two);
  }
  return v.result();
}

/// Promise 6.
template <class Bench>
[[nodiscard]] broken_promises owner_is_somebody(Bench& b) {
  verdict v;
  v.expect(6, b.pagemap().owner() != svm::nobody);
  v.expect(6, b.pagemap().owner() == b.pagemap().owner());
  return v.result();
}
template <class P>
[[nodiscard]] broken_promises owners_differ(P& one, P& other) {
  verdict v;
  v.expect(6, one.owner() != other.owner());
  return v.result();
}

/// \param make  returns a pointer, of any kind, to a new bench
template <class MakeBench>
[[nodiscard]] broken_promises check_all(MakeBench&& make) {
  verdict v;
  v.add(allocations_are_whole_and_clear(*make()));
  v.add(pages_are_named_in_order(*make()));
  v.add(released_memory_can_be_had_again(*make()));
  v.add(copies_move_all_bytes(*make()));
  v.add(maps_make_reachable(*make()));
  v.add(owner_is_somebody(*make()));
  return v.result();
}

}  // namespace conformance::pagemap

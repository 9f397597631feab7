// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The opposite of examples/minimal_backend.hpp: models that have everything a concept leaves to its models. The suites
// are proved on them, each with one flaw. This is the memory; wide_process.hpp and wide_device.hpp have the rest.
//
// One thread, and no end of host memory.

#include <svm/concepts/upcalls.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_map>

namespace wide {

inline constexpr std::uint64_t page_bytes = 4096;
inline constexpr svm::byte_count page_size{page_bytes};

/// Numbers are never used twice, so that the handle of a freed page is recognised.
struct page {
  std::uint64_t number = 0;  ///< 0: no page
  friend bool operator==(page, page) = default;
};
[[nodiscard]] constexpr page nth(page first, std::uint64_t i) {
  return {first.number + i};
}

[[nodiscard]] inline std::uint64_t first_word(std::byte const* from) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

class process;

/// A base page, and in the first page of a block what the pages of the block share.
struct frame {
  std::array<std::byte, page_bytes> bytes{};
  page first;  ///< of its block
  bool is_device = false;
  process* home = nullptr;        ///< the process that maps it
  std::optional<svm::cpu_va> at;  ///< and where

  svm::page_order order{};
  bool locked = false;
  bool coherent = false;
  bool shared = false;      ///< some other process maps it too
  unsigned references = 0;  ///< one of the page table, one of everybody who works on it; 0: free
  std::uint64_t mapped = 0;
  svm::device_page_owner<page>* owner_object = nullptr;
};

/// All pages of the computer.
class memory {
 public:
  memory() = default;
  memory(memory const&) = delete;
  memory& operator=(memory const&) = delete;
  virtual ~memory() = default;

  /// `count` pages with consecutive numbers, aligned as the largest block that fits into them.
  page add(std::uint64_t count, bool is_device) {
    std::uint64_t const alignment = std::bit_floor(count);
    page const first{next_ = (next_ + alignment - 1) & ~(alignment - 1)};
    for (; count != 0; --count, ++next_) {
      frame& f = frames_[next_];
      f.is_device = is_device;
      f.first = page{next_};
    }
    return first;
  }
  /// Makes pages a block: locked, with one reference.
  void join(page first, svm::page_order order) {
    for (std::uint64_t i = 0; i < order.pages().value; ++i) of(nth(first, i)).first = first;
    frame& b = of(first);
    b.order = order;
    b.references = 1;
    b.locked = true;
  }
  void remove(page p) { frames_.erase(p.number); }
  [[nodiscard]] bool has(page p) const { return frames_.contains(p.number); }
  [[nodiscard]] frame& of(page p) { return frames_.at(p.number); }
  [[nodiscard]] frame& block(page p) { return of(of(p).first); }
  [[nodiscard]] bool is_live(page p) { return has(p) && block(p).references != 0; }
  [[nodiscard]] svm::page_owner owner(page p) {
    return block(p).owner_object != nullptr ? block(p).owner_object->owner() : svm::nobody;
  }

  [[nodiscard]] svm::space_id next_space() { return {++spaces_}; }

  void put(page p) {
    if (--block(p).references == 0) free(of(p).first);
  }

  /// Makes each page of a block one by itself. The page table's references are divided; everybody else's goes to the
  /// page that it is for: one each when a migration works on the block, one of `held`.
  void split(page p, page held, bool working) {
    page const first = of(p).first;
    frame const whole = of(first);
    if (whole.order == svm::page_order{}) return;
    std::uint64_t const count = whole.order.pages().value;
    for (std::uint64_t i = 0; i < count; ++i) {
      frame& f = of(nth(first, i));
      f.first = nth(first, i);
      f.order = {};
      f.locked = working;
      f.coherent = whole.coherent;
      f.shared = whole.shared;
      f.mapped = f.at ? 1 : 0;
      f.references = (f.at ? 1u : 0u) + (working ? 1u : 0u) + (f.first == held ? 1u : 0u);
      f.owner_object = whole.owner_object;
    }
    if (whole.is_device) tell_of_split(*whole.owner_object, first, whole.order);
    for (std::uint64_t i = 0; i < count; ++i)
      if (of(nth(first, i)).references == 0) free(nth(first, i));
  }

 protected:
  virtual void tell_of_split(svm::device_page_owner<page>& behind, page first, svm::page_order from) {
    behind.page_split(first, from, {});
  }
  virtual void tell_of_end(svm::device_page_owner<page>& behind, page first, svm::page_order order) {
    behind.page_freed(first, order);
  }

 private:
  void free(page first) {
    frame const b = of(first);
    for (std::uint64_t i = 0; i < b.order.pages().value; ++i) {
      frame& f = of(nth(first, i));
      f.first = nth(first, i);
      f.order = {};
      f.owner_object = nullptr;
      if (!b.is_device) remove(f.first);
    }
    if (b.is_device) tell_of_end(*b.owner_object, first, b.order);
  }

  std::unordered_map<std::uint64_t, frame> frames_;
  std::uint64_t next_ = 1;
  std::uint64_t spaces_ = 0;
};

/// What a bench tells of pages, and does to them, where several processes share the memory; made before them.
template <class Memory>
struct memory_bench {
  template <class... How>
  explicit memory_bench(How const&... how) : memory(how...) {}

  bool is_live(page p) { return memory.is_live(p); }
  std::uint64_t peek(page p) { return first_word(memory.of(p).bytes.data()); }
  void poke(page p, std::uint64_t value) { std::memcpy(memory.of(p).bytes.data(), &value, sizeof value); }
  void set_locked(page p, bool locked) { memory.block(p).locked = locked; }
  void set_pinned(page p, bool pinned) {
    if (pinned)
      ++memory.block(p).references;
    else
      memory.put(p);
  }
  std::vector<page> device_pages(std::size_t count) {
    std::vector<page> pages;
    for (std::size_t i = 0; i < count; ++i) pages.push_back(memory.add(1, true));
    return pages;
  }
  std::vector<page> stranger_pages(std::size_t count) { return device_pages(count); }
  page coherent_page() { return memory.add(1, true); }
  page device_block(svm::page_order order) { return memory.add(order.pages().value, true); }
  page nth(page first, std::size_t i) { return wide::nth(first, i); }

  Memory memory;
};

}  // namespace wide

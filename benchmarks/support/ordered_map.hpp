// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace baseline {

/// Pieces of memory of one size, which are taken from large blocks and used again.
class node_pool {
 public:
  [[nodiscard]] std::byte* take(std::size_t size) {
    if (free_.empty()) refill(size);
    std::byte* const node = free_.back();
    free_.pop_back();
    return node;
  }
  void give(std::byte* node) { free_.push_back(node); }

 private:
  static constexpr std::size_t nodes_a_block = 1024;

  void refill(std::size_t size) {
    blocks_.push_back(std::make_unique<std::byte[]>(size * nodes_a_block));
    for (std::size_t i = nodes_a_block; i > 0; --i) free_.push_back(blocks_.back().get() + (i - 1) * size);
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::vector<std::byte*> free_;
};

/// Gives a container its nodes from a pool.
template <class T>
struct pooled {
  using value_type = T;

  explicit pooled(node_pool& from) : nodes(&from) {}
  template <class Other>
  pooled(pooled<Other> const& other) : nodes(other.nodes) {}

  [[nodiscard]] T* allocate(std::size_t) { return reinterpret_cast<T*>(nodes->take(sizeof(T))); }
  void deallocate(T* node, std::size_t) { nodes->give(reinterpret_cast<std::byte*>(node)); }
  template <class Other>
  bool operator==(pooled<Other> const& other) const {
    return nodes == other.nodes;
  }

  node_pool* nodes;
};

/// A std::map by address whose nodes come from a pool of its own.
template <class T>
class pooled_map {
  using allocator = pooled<std::pair<std::uint64_t const, T>>;
  using map = std::map<std::uint64_t, T, std::less<>, allocator>;

 public:
  pooled_map() : map_(allocator{nodes_}) {}
  pooled_map(pooled_map const&) = delete;
  pooled_map& operator=(pooled_map const&) = delete;

  [[nodiscard]] map* operator->() { return &map_; }
  [[nodiscard]] map const* operator->() const { return &map_; }
  [[nodiscard]] map const& operator*() const { return map_; }

 private:
  node_pool nodes_;
  map map_;
};

/// The set of objects that do not overlap: an insertion refuses overlaps, a lookup checks that the address is inside, an
/// erasure starts from the object.
///
/// \tparam Bounds  `first(object)` and `last(object)`, the first and the last address of an object
template <class Object, class Bounds>
class ordered_map {
 public:
  [[nodiscard]] bool insert(Object& o) {
    auto const above = map_->lower_bound(Bounds::first(o));
    if (above != map_->end() && above->first <= Bounds::last(o)) return false;
    if (above != map_->begin() && Bounds::last(*std::prev(above)->second) >= Bounds::first(o)) return false;
    map_->emplace_hint(above, Bounds::first(o), &o);
    return true;
  }
  void erase(Object& o) { map_->erase(Bounds::first(o)); }
  [[nodiscard]] Object* find(std::uint64_t address) const {
    auto const above = map_->upper_bound(address);
    if (above == map_->begin()) return nullptr;
    Object* const o = std::prev(above)->second;
    return address <= Bounds::last(*o) ? o : nullptr;
  }
  template <class Function>
  void for_each(Function&& function) const {
    for (auto const& [start, o] : *map_) function(*o);
  }
  [[nodiscard]] std::size_t size() const { return map_->size(); }

 private:
  pooled_map<Object*> map_;
};

}  // namespace baseline

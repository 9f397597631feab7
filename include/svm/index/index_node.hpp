// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace svm::inline v0::detail {

/// A pointer that a node keeps without knowing its type: of a child, or of an entry. Who reads it knows which.
class index_value {
 public:
  index_value() = default;
  template <class T>
  explicit index_value(T& object) : bits_(reinterpret_cast<std::uintptr_t>(&object)) {}

  /// \pre made from a `T`
  template <class T>
  [[nodiscard]] T* as() const {
    return reinterpret_cast<T*>(bits_);  // NOLINT(performance-no-int-to-ptr): one word, whatever it points to
  }
  friend bool operator==(index_value, index_value) = default;

 private:
  std::uintptr_t bits_;
};

/// A node of an `index_tree`: up to `Fanout` pairs of a key and a pointer, sorted by key.
///
/// Unused keys are 2^64 - 1, so that a search need not read `count`. Each function leaves them so.
template <unsigned Fanout>
struct alignas(64) index_node {
  static_assert(Fanout >= 4 && Fanout <= 64 && Fanout % 4 == 0, "nodes are searched in groups of four keys");

  std::uint64_t keys[Fanout];
  index_value values[Fanout];
  index_node* next = nullptr;      // of leaves only
  index_node* previous = nullptr;  // of leaves only
  std::uint32_t count = 0;

  index_node() {
    for (std::uint64_t& key : keys) key = UINT64_MAX;
  }

  /// The number of keys that are not above `a`: first whole groups of four, then inside a group, without a branch.
  [[nodiscard]] unsigned rank(std::uint64_t a) const {
    if (a == UINT64_MAX) [[unlikely]]
      return count;  // unused keys look the same
    unsigned group = 0;
    for (unsigned i = 3; i + 4 < Fanout; i += 4) group += keys[i] <= a;
    std::uint64_t const* const four = &keys[4 * group];
    return 4 * group + ((four[0] <= a) + (four[1] <= a)) + ((four[2] <= a) + (four[3] <= a));
  }

  /// \pre at <= count < Fanout
  void open(unsigned at, std::uint64_t key, index_value value) {
    for (unsigned i = count; i > at; --i) keys[i] = keys[i - 1];
    for (unsigned i = count; i > at; --i) values[i] = values[i - 1];
    keys[at] = key;
    values[at] = value;
    ++count;
  }

  /// \pre at < count
  void close(unsigned at) {
    --count;
    for (unsigned i = at; i < count; ++i) keys[i] = keys[i + 1];
    for (unsigned i = at; i < count; ++i) values[i] = values[i + 1];
    keys[count] = UINT64_MAX;
  }

  /// Moves `n` pairs, from pair `first` on, in front of pair `at` of `to`.
  ///
  /// \pre first + n <= count, at <= to.count, to.count + n <= Fanout
  void move(unsigned first, unsigned n, index_node& to, unsigned at) {
    for (unsigned i = to.count; i > at; --i) to.keys[i - 1 + n] = to.keys[i - 1];
    for (unsigned i = to.count; i > at; --i) to.values[i - 1 + n] = to.values[i - 1];
    for (unsigned i = 0; i < n; ++i) to.keys[at + i] = keys[first + i];
    for (unsigned i = 0; i < n; ++i) to.values[at + i] = values[first + i];
    to.count += n;
    count -= n;
    for (unsigned i = first; i < count; ++i) keys[i] = keys[i + n];
    for (unsigned i = first; i < count; ++i) values[i] = values[i + n];
    for (unsigned i = count; i < count + n; ++i) keys[i] = UINT64_MAX;
  }

  /// True when the keys in use rise and the others are 2^64 - 1.
  [[nodiscard]] bool check() const {
    if (count > Fanout) return false;
    for (unsigned i = 1; i < count; ++i)
      if (keys[i - 1] >= keys[i]) return false;
    for (unsigned i = count; i < Fanout; ++i)
      if (keys[i] != UINT64_MAX) return false;
    return true;
  }
};

}  // namespace svm::inline v0::detail

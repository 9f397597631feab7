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
  /// Keys that are compared together: the more of them, the fewer groups.
  static constexpr unsigned group = Fanout < 40 ? 4 : 8;
  static_assert(Fanout >= 4 && Fanout <= 64 && Fanout % group == 0, "nodes are searched in groups of keys");

  std::uint64_t keys[Fanout];
  index_value values[Fanout];
  index_node* next = nullptr;      // of leaves only
  index_node* previous = nullptr;  // of leaves only
  std::uint32_t count = 0;

  index_node() {
    for (std::uint64_t& key : keys) key = UINT64_MAX;
  }

  /// The number of keys that are not above `a`: first whole groups, then inside one, without a branch.
  [[nodiscard]] unsigned rank(std::uint64_t a) const {
    if (a == UINT64_MAX) [[unlikely]]
      return count;  // unused keys look the same
    unsigned before = 0;
    for (unsigned i = group - 1; i + group < Fanout; i += group) before += keys[i] <= a;
    std::uint64_t const* const in = &keys[group * before];
    unsigned low = 0;
    unsigned high = 0;
    for (unsigned i = 0; i < group / 2; ++i) {
      low += in[i] <= a;
      high += in[group / 2 + i] <= a;
    }
    return group * before + low + high;
  }

  void put(unsigned at, std::uint64_t key, index_value value) {
    keys[at] = key;
    values[at] = value;
  }

  /// \pre at <= count < Fanout
  void open(unsigned at, std::uint64_t key, index_value value) {
    open(at, 1);
    put(at, key, value);
  }
  /// Makes room for `n` pairs, which the caller puts there.
  ///
  /// \pre at <= count, count + n <= Fanout
  void open(unsigned at, unsigned n) {
    shift(*this, at, count - at, at + n);
    count += n;
  }

  /// Takes out `n` pairs.
  ///
  /// \pre at + n <= count
  void close(unsigned at, unsigned n = 1) {
    count -= n;
    shift(*this, at + n, count - at, at);
    for (unsigned i = count; i < count + n; ++i) keys[i] = UINT64_MAX;
  }

  /// Moves `n` pairs, from pair `first` on, in front of pair `at` of `to`.
  ///
  /// \pre first + n <= count, at <= to.count, to.count + n <= Fanout
  void move(unsigned first, unsigned n, index_node& to, unsigned at) {
    to.open(at, n);
    shift(to, first, n, at);
    close(first, n);
  }

  /// Copies `n` pairs, from pair `first` on, to pair `at` of `to`, which may be this node.
  void shift(index_node& to, unsigned first, unsigned n, unsigned at) const {
    __builtin_memmove(&to.keys[at], &keys[first], n * sizeof(std::uint64_t));
    __builtin_memmove(&to.values[at], &values[first], n * sizeof(index_value));
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

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <svm/explore/footprint.hpp>

namespace svm::inline v0::explore {

/// Where a program takes a visible step: a short text that stays the same when code around it changes.
struct site {
  char const* text = "";
  std::uint32_t hash = 0;  ///< of the text, not of where it lies

  constexpr site() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a site is written as its text
  constexpr site(char const* words) : text(words), hash(0x811c9dc5) {
    for (; *words != '\0'; ++words) hash = (hash ^ static_cast<unsigned char>(*words)) * 0x01000193;
  }
};

/// A visible step of a thread as people read it: "lock" "notifier" #0.3.
struct step_name {
  site what;
  char const* kind =
      "";  ///< of the object: the rank of a lock, "atomic", "event"; empty for steps of the program's own
  object which;
};

/// A step that was taken.
struct step_record {
  step_name name;
  std::uint8_t thread = 0;
  std::uint8_t operation = 0;
};

[[nodiscard]] inline std::string to_string(object o) {
  if ((o.id & object::own) == 0) return "#" + std::to_string(o.id);
  return "#" + std::to_string((o.id & ~object::own) >> 32) + "." + std::to_string(o.id & 0xffffffff);
}
[[nodiscard]] inline std::string to_string(step_name const& step) {
  if (*step.kind == '\0') return step.what.text;
  return std::string{step.what.text} + " " + step.kind + " " + to_string(step.which);
}

/// A hash of two words, every bit of which depends on every bit of theirs.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = (a ^ (b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2)));
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// A quick `mix`, for many words one after the other.
[[nodiscard]] constexpr std::uint64_t fold(std::uint64_t hash, std::uint64_t word) {
  return (std::rotl(hash, 23) ^ word) * 0x9e3779b97f4a7c15;
}

/// Hashes an execution up to the order of steps that do not conflict.
///
/// A step's hash covers its site, the step before it on its thread, and for each object the steps that it must follow. So
/// two executions have the same hash when one turns into the other by exchanging neighbours that do not conflict.
class trace_hash {
 public:
  /// Starts an execution of `threads` threads.
  void start(std::size_t threads) {
    ++generation_;
    last_.assign(threads, 0);
    used_ = 0;
  }

  void add(std::size_t thread, std::uint64_t name, footprint const& touched) {
    // The table must not grow between the two passes.
    while (2 * (used_ + footprint::capacity) >= slots_.size()) grow();
    std::array<slot*, footprint::capacity> places;
    std::uint64_t h = fold(last_[thread], name);
    for (std::size_t i = 0; i < touched.size(); ++i) {
      slot& s = *(places[i] = &slot_of(touched[i]));
      h = fold(fold(h, s.key), s.write + (touched.is_written(i) ? s.reads : 0));
    }
    h ^= h >> 29;
    for (std::size_t i = 0; i < touched.size(); ++i)
      if (slot& s = *places[i]; touched.is_written(i)) {
        s.write = h;
        s.reads = 0;
      } else {
        s.reads += h;  // a sum, since readers may come in any order
      }
    last_[thread] = h;
  }

  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t h = 0;
    for (std::uint64_t const l : last_) h = mix(h, l);
    return h;
  }

 private:
  struct slot {
    std::uint64_t key = 0;
    std::uint64_t generation = 0;
    std::uint64_t write = 0;
    std::uint64_t reads = 0;
  };

  slot& slot_of(object o) {
    slot& s = find(slots_, o.id);
    if (s.generation != generation_) {
      s = {o.id, generation_, 0, 0};
      ++used_;
    }
    return s;
  }
  [[nodiscard]] slot& find(std::vector<slot>& in, std::uint64_t key) const {
    std::size_t const mask = in.size() - 1;
    std::size_t at = (key * 0x9e3779b97f4a7c15 >> 40) & mask;
    while (in[at].generation == generation_ && in[at].key != key) at = (at + 1) & mask;
    return in[at];
  }
  void grow() {
    std::vector<slot> larger(slots_.empty() ? 256 : 2 * slots_.size());
    for (slot const& s : slots_)
      if (s.generation == generation_) find(larger, s.key) = s;
    slots_ = std::move(larger);
  }

  std::vector<slot> slots_;
  std::vector<std::uint64_t> last_;
  std::uint64_t generation_ = 0;
  std::size_t used_ = 0;
};

/// Counts different hashes, up to `most` of them.
class hash_set {
 public:
  static constexpr std::size_t most = std::size_t{1} << 22;

  void insert(std::uint64_t hash) {
    if (size_ == most) return;
    if (2 * size_ >= slots_.size()) {
      std::vector<std::uint64_t> old = std::exchange(slots_, {});
      slots_.resize(old.empty() ? 1024 : 2 * old.size());
      size_ = 0;
      for (std::uint64_t const h : old)
        if (h != 0) place(h);
    }
    place(hash == 0 ? 1 : hash);
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void place(std::uint64_t hash) {
    std::size_t const mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (slots_[at] != 0 && slots_[at] != hash) at = (at + 1) & mask;
    size_ += slots_[at] == 0 ? 1 : 0;
    slots_[at] = hash;
  }

  std::vector<std::uint64_t> slots_;
  std::size_t size_ = 0;
};

}  // namespace svm::inline v0::explore

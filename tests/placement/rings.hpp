// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <svm/placement/fault_batch.hpp>

namespace rings {

using svm::placement::hardware_fault;

/// A GPU's ring of faults, of which the test says when entries become valid, and which counts what it is asked.
class ring {
 public:
  explicit ring(unsigned size = 1024) : entries_(size), states_(size, state::empty) {}

  void push(hardware_fault const& f, bool valid = true) {
    entries_[put_] = f;
    states_[put_] = valid ? state::valid : state::unfinished;
    put_ = put_ + 1 == size() ? 0 : put_ + 1;
  }

  unsigned size() const { return static_cast<unsigned>(entries_.size()); }
  unsigned put() {
    ++puts_read;
    return put_;
  }
  bool is_valid(unsigned i) const { return states_[i] == state::valid; }
  hardware_fault take(unsigned i) {
    states_[i] = state::empty;
    return entries_[i];
  }
  void set_get(unsigned i) {
    ++gets_written;
    get = i;
  }
  /// The GPU writes one more entry to its end; false when it never will.
  bool wait() {
    ++waits;
    for (std::size_t i = 0; alive && i < states_.size(); ++i) {
      std::size_t const at = (get + i) % states_.size();
      if (states_[at] != state::unfinished) continue;
      states_[at] = state::valid;
      break;
    }
    return alive;
  }

  unsigned get = 0;
  unsigned puts_read = 0, gets_written = 0, waits = 0;
  bool alive = true;

 private:
  std::vector<hardware_fault> entries_;
  enum class state { empty, unfinished, valid };
  std::vector<state> states_;
  unsigned put_ = 0;
};

inline hardware_fault fault(std::uint64_t page,
                            svm::placement::fault_access access = svm::placement::fault_access::read,
                            unsigned microtlb = 0, std::uint64_t instance = 1) {
  return {.context = {.instance = instance}, .page = {page * 4096}, .access = access, .microtlb = microtlb};
}

}  // namespace rings

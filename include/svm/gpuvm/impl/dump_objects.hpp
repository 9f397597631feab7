// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/objects.hpp>

// gpuvm_objects::dump.

namespace svm::inline v0 {

template <class Types>
template <class Out>
requires text_sink<Out>
void gpuvm_objects<Types>::dump(Out&& out) {
  std::size_t external = 0, evicted = 0, all = 0;
  bo* b = nullptr;
  bool is_evicted = false;
  {
    exclusive_guard const lists(mutex_);
    all = live_;
    external = external_.count_slow();
    evicted = evicted_.count_slow();
    b = get_external_locked(external_.front());
    if (b != nullptr) is_evicted = is_evicted_locked(*b);
  }
  detail::line_writer line(out);
  line.text("gpuvm_objects: ").decimal(all).text(" bos, ").decimal(external).text(" external, ");
  line.decimal(evicted).text(" evicted").end();
  while (b != nullptr) {
    line.text("  external object ").address(&b->backing());
    if (is_evicted) line.text(", evicted");
    line.end();
    bo* const printed = b;
    {
      exclusive_guard const lists(mutex_);
      b = get_external_locked(external_.next(*printed));
      if (b != nullptr) is_evicted = is_evicted_locked(*b);
    }
    put_deferred(*printed);
  }
}

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What one learns here: the GPU VA manager alone: a bind whose steps are taken as they come, and one as a list that is
// applied and reverted. The claim: a list that is reverted leaves nothing behind, and one that is applied unmaps all.

#include <svm/gpuvm.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <cstdio>
#include <string_view>

struct mapping;
struct buffer {};
struct types {
  using mapping = ::mapping;
  using object = buffer;
  using lock = svm::null_lock;
  using allocator = svm::heap;
};
struct mapping : svm::gpu_mapping<types> {};
using svm::errc;

struct driver {
  svm::gpuvm<types>& space;

  // sm_map and sm_unmap: each step is taken at once. That cannot fail, since no step is put off.
  errc map(svm::map_step<types>& s) { return space.map(s, *new mapping); }
  errc unmap(svm::unmap_step<types>& s) {
    space.unmap(s);
    delete s->mapping;
    return errc::ok;
  }
  errc remap(svm::remap_step<types>& s) {
    return space.remap(s, s->prev, s->has_prev() && s->has_next() ? new mapping : s->next);
  }

  // A list: the driver names mappings, and the library changes the space.
  errc map(svm::map_operation<types>& o) {
    o.mapping = new mapping;
    return errc::ok;
  }
  errc unmap(svm::unmap_operation<types>&) { return errc::ok; }
  errc remap(svm::remap_operation<types>& o) {
    if (o.has_prev() && o.has_next()) o.next = new mapping;
    return errc::ok;
  }
};

int main() {
  svm::heap memory;
  svm::gpuvm<types> space(*svm::gpuvm_layout::make({0}, {1 << 30}), memory);
  driver d{space};
  buffer low, high;
  bool good = space.sm_map(d, {{0x10000}, {0x10000}, &low}) && space.sm_map(d, {{0x14000}, {0x4000}, &high});
  auto const print = [](std::string_view line) { std::printf("%.*s", static_cast<int>(line.size()), line.data()); };
  space.dump(print);

  svm::gpuvm_op_list<types> list(space);
  for (bool const keep : {false, true}) {
    good = good && list.plan_unmap({0}, {1 << 30}) == errc::ok && list.apply(d) == errc::ok && space.empty();
    if (!keep) good = good && list.revert(d) == errc::ok && space.size() == 3;
  }
  for (auto& o : list) delete o.released();
  space.dump(print);
  return good ? 0 : 1;
}

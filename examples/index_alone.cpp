// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What one learns here: the index alone. It keeps allocations of GPU addresses, found by any address in them. The
// claim: an overlap is refused, and the walk is in order.

#include <svm/index.hpp>

#include <cstdio>

struct buffer {
  svm::interval<svm::gpu_va> span;
  char const* name;
  using entry = buffer;
  using address = svm::gpu_va;
  static svm::interval<svm::gpu_va> interval_of(buffer const& b) { return b.span; }
};

int main() {
  svm::heap memory;
  svm::simple_index_pool<buffer> nodes(memory);
  svm::simple_index<buffer> buffers(nodes);
  buffer all[] = {{{{0x4000}, {0x1000}}, "code"}, {{{0x1000}, {0x2000}}, "data"}, {{{0x4800}, {0x1000}}, "stray"}};
  for (buffer& b : all) {
    auto room = buffers.reserve();
    buffer const* const other = room ? buffers.insert(*room, b) : nullptr;
    if (other != nullptr) std::printf("%s overlaps %s\n", b.name, other->name);
  }
  buffers.for_each([](buffer& b) { std::printf("%#lx %s\n", b.span.start().value, b.name); });
  bool const good = buffers.first() == &all[1] && buffers.find({0x4fff}) == &all[0] && buffers.size() == 2;
  buffers.for_each([&](buffer& b) { buffers.erase(b); });
  return good ? 0 : 1;
}

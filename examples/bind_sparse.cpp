// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What one learns here: sparse binding. A texture has 8 x 4 tiles: the space maps all of it to nothing, and tiles are
// bound to a buffer, bound again and unbound. Each bind is one list of operations, printed and applied. The claim: what
// stands behind every tile is what the last bind said.

#include <svm/gpuvm/op_list.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

constexpr unsigned width = 8, height = 4;
constexpr std::uint64_t tile = 64 << 10, texture = 0x10'0000'0000;

struct tile_mapping;
struct buffer {
  std::string_view tiles;  // a letter for each
};
struct types {
  using mapping = tile_mapping;
  using object = buffer;
  using lock = svm::null_lock;
  using allocator = svm::heap;
};
struct tile_mapping : svm::gpu_mapping<types> {};

/// The driver's part of a bind: it makes the mappings that the steps need.
struct driver {
  svm::errc map(svm::map_operation<types>& o) {
    std::printf("  map   tiles %2u-%2u\n", first(o.extent), last(o.extent));
    o.mapping = new tile_mapping;
    return svm::errc::ok;
  }
  svm::errc unmap(svm::unmap_operation<types>& o) {
    std::printf("  unmap tiles %2u-%2u%s\n", first(o.old), last(o.old), o.keep ? " (entries may stay)" : "");
    return svm::errc::ok;
  }
  svm::errc remap(svm::remap_operation<types>& o) {
    std::printf("  remap tiles %2u-%2u%s\n", first(o.old), last(o.old), o.keep ? " (entries may stay)" : "");
    if (o.has_prev() && o.has_next()) o.next = new tile_mapping;  // the old mapping becomes the front part
    return svm::errc::ok;
  }
  static unsigned first(svm::gpu_extent<types> const& e) {
    return static_cast<unsigned>((e.start.value - texture) / tile);
  }
  static unsigned last(svm::gpu_extent<types> const& e) {
    return static_cast<unsigned>((e.last().value - texture) / tile);
  }
};

struct sparse_texture {
  svm::heap memory;
  svm::gpuvm<types> space{*svm::gpuvm_layout::make({0}, {std::uint64_t{1} << 48}), memory};
  std::string expected = std::string(width * height, '.');
  bool good = true;

  /// Binds `count` tiles to a buffer from its tile `from` on; without a buffer they become sparse again.
  void bind(char const* what, unsigned at, unsigned count, buffer* b, unsigned from = 0) {
    std::printf("%s\n", what);
    auto const flags = b == nullptr ? svm::mapping_flags::sparse : svm::mapping_flags::none;
    svm::gpuvm_op_list<types> list(space);
    driver d;
    good = good && list.plan_map({{texture + at * tile}, {count * tile}, b, from * tile, flags}) == svm::errc::ok &&
           list.apply(d) == svm::errc::ok;
    for (auto& op : list) delete op.released();
    for (unsigned i = 0; i < count; ++i) expected[at + i] = b == nullptr ? '.' : b->tiles[from + i];
  }

  /// Prints the tiles, and compares them with what was bound.
  void show() {
    std::string seen(width * height, '?');
    space.for_each([&](tile_mapping& m) {
      for (std::uint64_t i = 0; i < m.size().value / tile; ++i)
        seen[driver::first(m.extent()) + i] = m.object() == nullptr ? '.' : m.object()->tiles[m.offset() / tile + i];
    });
    for (unsigned row = 0; row < height; ++row) std::printf("    %s\n", seen.substr(row * width, width).c_str());
    std::printf("    in %zu mappings\n", space.size());
    good = good && seen == expected;
  }

  ~sparse_texture() {
    space.for_each([this](tile_mapping& m) {
      space.remove(m);
      delete &m;
    });
  }
};

}  // namespace

int main() {
  buffer low{"abcdefgh"}, high{"ABCDEFGH"};
  sparse_texture t;
  t.bind("reserve the texture, bound to nothing", 0, width * height, nullptr);
  t.show();
  t.bind("bind the second row to a buffer", 8, 8, &low);
  t.bind("bind some of it to another", 10, 3, &high);
  t.bind("bind two tiles across the edge back to the bytes of the first", 12, 2, &low, 4);
  t.show();
  t.bind("unbind all but the first two tiles of the row", 10, 6, nullptr);
  t.show();
  t.bind("unbind everything", 0, width * height, nullptr);
  t.show();
  bool const one = t.space.size() == 1;
  std::printf("%s\n", t.good && one ? "every tile is what the last bind said" : "WRONG");
  return t.good && one ? 0 : 1;
}

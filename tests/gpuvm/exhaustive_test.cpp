// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every layout of up to 4 mappings on 8 pages, with 3 objects whose offsets are canonical (the page's own number) or
// shifted (at most two of the mappings), without a reserved part or with one at 3 places; and on each of them every map
// and unmap request. The answers come from a flat model: what stands behind each single page.
//
// SVM_EXHAUSTIVE=1 in the environment asks for all of it, some 200 million cases. Otherwise all layouts of two
// mappings at most are tried, and every n-th of the others.

#include <svm/gpuvm/op_list.hpp>

#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>

#include <support/sanitized.hpp>

namespace {

constexpr unsigned pages = 8;
constexpr std::uint64_t base = 0x7000, page = 0x1000, shift = 100 * page;

struct exhaustive_mapping;
struct exhaustive_object {};
struct types {
  using mapping = exhaustive_mapping;
  using object = exhaustive_object;
  using lock = svm::null_lock;
  using allocator = svm::heap;
};
struct exhaustive_mapping : svm::gpu_mapping<types> {};

using mapping = exhaustive_mapping;
using object = exhaustive_object;
using extent = svm::gpu_extent<types>;
using svm::errc;

/// What stands behind one page: the piece of the layout (-1: nothing), the object, and the offset.
struct flat_page {
  int piece = -1;
  object* backing = nullptr;
  std::uint64_t offset = 0;
};

struct piece {
  unsigned first, end;
  object* backing;
  bool shifted;

  std::uint64_t offset() const { return first * page + (shifted ? shift : 0); }
  extent to_extent() const { return {{base + first * page}, {(end - first) * page}, backing, offset(), {}}; }
};

/// Names mappings out of a fixed set.
struct driver {
  mapping spare[3];
  unsigned used = 0;

  errc map(svm::map_operation<types>& s) {
    s.mapping = &spare[used++];
    return errc::ok;
  }
  errc unmap(svm::unmap_operation<types>&) { return errc::ok; }
  errc remap(svm::remap_operation<types>& s) {
    if (in_place ? s.next == nullptr && s.has_next() : s.has_next()) s.next = &spare[used++];
    if (!in_place && s.has_prev() && !s.has_next()) s.prev = &spare[used++];
    return errc::ok;
  }
  bool in_place = true;
};

class checker {
 public:
  checker(unsigned hole_first, unsigned hole_end)
      : hole_first_(hole_first),
        hole_end_(hole_end),
        vm_(*svm::gpuvm_layout::make({base}, {pages * page}, {base + hole_first * page},
                                     {(hole_end - hole_first) * page}),
            memory_),
        list_(vm_) {}

  /// Tries layouts of `count` mappings, every `stride`-th.
  void layouts(unsigned count, std::uint64_t stride) {
    stride_ = stride;
    add_piece(0, count, 0, 0);
  }

  std::uint64_t cases = 0;
  std::uint64_t wrong = 0;

 private:
  void add_piece(unsigned done, unsigned count, unsigned from, unsigned shifted) {
    if (done == count) {
      if (number_++ % stride_ == 0) requests(count);
      return;
    }
    for (unsigned first = from; first < pages; ++first)
      for (unsigned end = first + 1; end <= pages; ++end) {
        if (touches_hole(first, end)) continue;
        for (object& o : objects_)
          for (bool const moved : {false, true}) {
            if (moved && shifted == 2) continue;
            pieces_[done] = {first, end, &o, moved};
            add_piece(done + 1, count, end, shifted + moved);
          }
      }
  }

  bool touches_hole(unsigned first, unsigned end) const { return first < hole_end_ && hole_first_ < end; }

  void requests(unsigned count) {
    for (flat_page& f : flat_) f = {};
    for (unsigned i = 0; i < count; ++i) {
      mappings_[i].set_extent(pieces_[i].to_extent());
      expect(vm_.insert(mappings_[i]) == errc::ok);
      for (unsigned p = pieces_[i].first; p < pieces_[i].end; ++p)
        flat_[p] = {static_cast<int>(i), pieces_[i].backing, pieces_[i].offset() + (p - pieces_[i].first) * page};
    }
    for (unsigned first = 0; first < pages; ++first)
      for (unsigned end = first + 1; end <= pages; ++end) {
        one(first, end, nullptr, false);
        for (object& o : objects_)
          for (bool const moved : {false, true}) one(first, end, &o, moved);
      }
    for (unsigned i = 0; i < count; ++i) vm_.remove(mappings_[i]);
  }

  /// One request: an unmap when there is no object.
  void one(unsigned first, unsigned end, object* o, bool moved) {
    ++cases;
    piece const r{first, end, o, moved};
    errc const e =
        o == nullptr ? list_.plan_unmap({base + first * page}, {(end - first) * page}) : list_.plan_map(r.to_extent());
    if (touches_hole(first, end)) {
      expect(e == errc::outside_window && list_.empty());
      return;
    }
    expect(e == errc::ok);
    compare_steps(r);

    driver d;
    d.in_place = (cases & 1) == 0;
    expect(list_.apply(d) == errc::ok);
    flat_page after[pages];
    for (unsigned p = 0; p < pages; ++p) {
      after[p] = flat_[p];
      if (p >= first && p < end) after[p] = {-1, o, o == nullptr ? 0 : r.offset() + (p - first) * page};
    }
    compare_space(after);
    expect(list_.revert(d) == errc::ok);
    compare_space(flat_);
  }

  /// The steps follow from the pages: each piece with a page in the request gives one, in order.
  void compare_steps(piece const& r) {
    auto* op = list_.begin();
    int last = -1;
    for (unsigned p = r.first; p < r.end; ++p) {
      if (flat_[p].piece < 0 || flat_[p].piece == last) continue;
      last = flat_[p].piece;
      std::uint64_t before = 0, behind = 0;
      bool same = r.backing != nullptr;
      for (unsigned q = 0; q < pages; ++q) {
        if (flat_[q].piece != last) continue;
        if (q < r.first)
          ++before;
        else if (q >= r.end)
          ++behind;
        else
          same = same && flat_[q].backing == r.backing && flat_[q].offset == r.offset() + (q - r.first) * page;
      }
      if (op == list_.end()) return expect(false);
      if (before + behind == 0) {
        auto const* u = op->as_unmap();
        expect(u != nullptr && u->mapping == &mappings_[last] && u->keep == same);
      } else {
        auto const* m = op->as_remap();
        expect(m != nullptr && m->mapping == &mappings_[last] && m->keep == same);
        if (m == nullptr) return;
        expect(m->prev_size.value == before * page && m->next_size.value == behind * page);
      }
      ++op;
    }
    if (r.backing != nullptr) {
      expect(op != list_.end() && op->as_map() != nullptr && op->as_map()->extent == r.to_extent());
      ++op;
    }
    expect(op == list_.end());
  }

  void compare_space(flat_page const (&expected)[pages]) {
    unsigned p = 0;
    vm_.for_each([&](mapping& m) {
      unsigned const first = static_cast<unsigned>((m.start().value - base) / page);
      for (; p < first; ++p) expect(expected[p].backing == nullptr);
      for (std::uint64_t i = 0; i < m.size().value / page; ++i, ++p)
        expect(p < pages && expected[p].backing == m.object() && expected[p].offset == m.offset() + i * page);
    });
    for (; p < pages; ++p) expect(expected[p].backing == nullptr);
  }

  /// An assertion of doctest for each of a hundred million checks would take minutes; the first wrong ones are shown.
  void expect(bool good) {
    if (good || ++wrong > 5) return;
    CAPTURE(number_);
    CAPTURE(cases);
    CHECK(good);
  }

  unsigned hole_first_, hole_end_;
  svm::heap memory_;
  svm::gpuvm<types> vm_;
  svm::gpuvm_op_list<types> list_;
  object objects_[3];
  mapping mappings_[4];
  piece pieces_[4]{};
  flat_page flat_[pages];
  std::uint64_t number_ = 0, stride_ = 1;
};

bool everything() {
  char const* const asked = std::getenv("SVM_EXHAUSTIVE");
  return asked != nullptr && *asked == '1';
}

#ifdef __OPTIMIZE__
constexpr std::uint64_t usual_stride = support::sanitized ? 401 : 17;
#else
constexpr std::uint64_t usual_stride = 401;
#endif

}  // namespace

TEST_SUITE("gpuvm/exhaustive") {
  TEST_CASE("VMS-27, VMS-26: on small layouts every request takes the steps that a flat model of the pages asks for") {
    std::uint64_t cases = 0;
    struct {
      unsigned first, end;
    } const holes[] = {{0, 0}, {0, 1}, {3, 5}, {7, 8}};
    for (auto const& hole : holes) {
      CAPTURE(hole.first);
      checker c(hole.first, hole.end);
      for (unsigned count = 0; count <= 4; ++count)
        c.layouts(count, (count <= 2 && !support::sanitized) || everything() ? 1 : usual_stride);
      CHECK(c.wrong == 0);
      cases += c.cases;
    }
    MESSAGE("cases: " << cases);
    CHECK(cases > (support::sanitized ? 500'000 : 4'000'000));
    if (!everything()) CHECK(cases <= 20'000'000);
  }
}

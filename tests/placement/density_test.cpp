// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/density.hpp>

#include <array>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "placement/masks.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

/// Density prefetch page by page, as the specification has it and as slow: climbs from the leaf up, and keeps the last
/// node that passes. It shares nothing with the library but the type of a mask.
class slow_density {
 public:
  slow_density(page_span w, unsigned group, unsigned threshold) : w_(w), group_(group), threshold_(threshold) {
    first_ = (w.first + group - 1) / group * group;
    end_ = w.end / group * group;
    grouped_ = end_ > first_;
    offset_ = grouped_ && first_ > w.first ? group - (first_ - w.first) : 0;
    leaves_ = w.size() + offset_;
  }

  page_mask operator()(page_mask const& resident, page_mask const& faulted, page_mask const& thrashing) {
    leaf_.assign(leaves_, false);
    for (unsigned p = w_.first; p < w_.end; ++p)
      if (resident.test(p) || faulted.test(p)) leaf_[leaf(p)] = true;
    if (!grouped_) {
      grow({w_.first, w_.end}, faulted, thrashing);
    } else {
      grow({w_.first, first_}, faulted, thrashing);
      for (unsigned p = first_; p < end_; p += group_) grow({p, p + group_}, faulted, thrashing);
      grow({end_, w_.end}, faulted, thrashing);
    }
    std::vector<unsigned> below(leaves_ + 1, 0);  // set leaves before each
    for (unsigned i = 0; i < leaves_; ++i) below[i + 1] = below[i] + leaf_[i];
    page_mask out;
    for (unsigned p = w_.first; p < w_.end; ++p) {
      if (!faulted.test(p) || thrashing.test(p)) continue;
      page_span best{};
      for (unsigned width = 1;; width *= 2) {
        unsigned const s = leaf(p) / width * width;
        unsigned const e = s + width < leaves_ ? s + width : leaves_;
        if ((below[e] - below[s]) * 100 > (e - s) * threshold_) best = {s, e};
        if (width >= leaves_) break;
      }
      for (unsigned i = best.first; i < best.end; ++i)
        if (i >= offset_) out.set(w_.first + i - offset_);
      if (!best.empty() && w_.first + best.end - offset_ == w_.end) break;
    }
    for (unsigned p = 0; p < 512; ++p)
      if (faulted.test(p) || thrashing.test(p)) out.reset(p);
    return out;
  }

 private:
  unsigned leaf(unsigned p) const { return p - w_.first + offset_; }
  void grow(page_span piece, page_mask const& faulted, page_mask const& thrashing) {
    bool some = false;
    bool thrashes = false;
    for (unsigned p = piece.first; p < piece.end; ++p) {
      some |= faulted.test(p);
      thrashes |= thrashing.test(p);
    }
    for (unsigned p = piece.first; some && !thrashes && p < piece.end; ++p) leaf_[leaf(p)] = true;
  }

  page_span w_;
  unsigned group_, threshold_;
  unsigned first_ = 0, end_ = 0, offset_ = 0, leaves_ = 0;
  bool grouped_ = false;
  std::vector<bool> leaf_;
};

/// KiB that each service of one fault moves, when pages of the window are touched in an order and faults are served one
/// by one.
std::vector<unsigned> services(page_span window, std::vector<unsigned> const& order, unsigned threshold = 51) {
  std::vector<unsigned> moved;
  density_input in{.where = {.window = window}};
  for (unsigned const page : order) {
    if (in.resident.test(page)) continue;
    in.faulted = masks::pages({page});
    page_mask const all = in.faulted | density(in, threshold);
    moved.push_back((all - in.resident).count() * 4);
    in.resident |= all;
  }
  return moved;
}

std::vector<unsigned> up(unsigned first, unsigned end, unsigned step = 1) {
  std::vector<unsigned> v;
  for (unsigned p = first; p < end; p += step) v.push_back(p);
  return v;
}
std::vector<unsigned> down(unsigned first, unsigned end) {
  std::vector<unsigned> v;
  for (unsigned p = end; p-- > first;) v.push_back(p);
  return v;
}

using kib = std::vector<unsigned>;

page_mask density_of(page_mask const& resident, page_mask const& faulted, page_mask const& thrashing = {},
                     unsigned threshold = 51) {
  return density({.resident = resident, .faulted = faulted, .thrashing = thrashing, .where = {}}, threshold);
}

prefetch_request request_of(page_mask const& faulted, processor to = gpu(0)) {
  return {.pages = {.resident = {}, .faulted = faulted, .thrashing = {}, .where = {}},
          .destination = to,
          .preferred = nobody,
          .resident_anywhere = true,
          .mapped_by_cpu = {}};
}

}  // namespace

TEST_SUITE("placement/density") {
  TEST_CASE("a cold block touched in order takes six services, each as large as all before") {
    CHECK(services({0, 512}, up(0, 512)) == kib{64, 64, 128, 256, 512, 1024});
    CHECK(services({0, 512}, down(0, 512)) == kib{64, 64, 128, 256, 512, 1024});
  }

  TEST_CASE("thresholds give the services of the specification") {
    CHECK(services({0, 512}, up(0, 512), 75).size() == 20);
    CHECK(services({0, 512}, up(0, 512), 50) == kib{64, 64, 128, 256, 512, 1024});
    CHECK(services({0, 512}, up(0, 512), 0) == kib{2048});
    CHECK(services({0, 512}, up(0, 512), 1) == kib{2048});
  }

  TEST_CASE("a threshold of 100 passes for no node, so that nothing but the fault moves") {
    CHECK(services({0, 512}, up(0, 512), 100) == kib(512, 4));
    CHECK(density_of({}, masks::pages({0}), {}, 100).none());
  }

  TEST_CASE("a node passes above the threshold, not at it") {
    // 16 of 32 leaves are 50 percent.
    CHECK(density_of({}, masks::pages({0}), {}, 50) == masks::of({{1, 16}}));
    CHECK(density_of({}, masks::pages({0}), {}, 49) == masks::of({{1, 32}}));
  }

  TEST_CASE("windows that cut the block have padded first groups and shortened last nodes") {
    CHECK(services({5, 512}, up(5, 512)) == kib{44, 64, 128, 256, 512, 1024});
    CHECK(services({0, 100}, up(0, 100)) == kib{64, 64, 128, 144});
    CHECK(services({3, 11}, up(3, 11)) == kib{32});
  }

  TEST_CASE("padding counts as absent") {
    // The head has 1 leaf of 16: its group stays below the threshold, and so does every node of two and more leaves.
    density_input in{.faulted = masks::pages({15}), .where = {.window = {15, 512}}};
    CHECK(density(in).none());
    // With 9 of 16 it passes.
    in = {.faulted = masks::pages({15}), .where = {.window = {7, 512}}};
    CHECK(density(in) == masks::of({{7, 15}}));
  }

  TEST_CASE("the last node of a level is as large as what is left of the window") {
    // Leaves 64 to 99 are a node of 36; its 16 and 4 grown leaves are 20 of 36.
    density_input const in{.faulted = masks::pages({64, 99}), .where = {.window = {0, 100}}};
    CHECK(density(in) == masks::of({{65, 99}}));
  }

  TEST_CASE("a page of each 128 KiB takes 16 services of a group each") {
    CHECK(services({0, 512}, up(0, 512, 32)) == kib(16, 64));
  }

  TEST_CASE("faults of one service count together") {
    CHECK(density_of({}, masks::pages({0, 16, 32, 48})).count() == 60);
  }

  TEST_CASE("a half that is resident pulls in the rest") {
    CHECK(density_of(masks::of({{0, 256}}), masks::pages({256})) == masks::of({{0, 256}, {257, 512}}));
  }

  TEST_CASE("the largest node that passes counts, also above one that fails") {
    CHECK(density_of(masks::of({{0, 16}, {32, 48}}), masks::pages({16})) == masks::of({{0, 16}, {17, 64}}));
    // 32 to 63 hold 16 of 32 leaves and fail; the node above passes.
    CHECK(density_of(masks::of({{0, 32}}), masks::pages({32})) == masks::of({{0, 32}, {33, 64}}));
  }

  TEST_CASE("a thrashing page keeps its group from growing and is never prefetched") {
    CHECK(density_of({}, masks::pages({0}), masks::pages({3})).none());
    // Nodes of other pages span it.
    CHECK(density_of({}, masks::pages({0, 16, 32}), masks::pages({19})) ==
          masks::of({{1, 16}, {17, 19}, {20, 32}, {33, 64}}));
  }

  TEST_CASE("a thrashing page that faults does not climb") {
    CHECK(density_of(masks::of({{0, 300}}), masks::pages({300}), masks::pages({300})).none());
  }

  TEST_CASE("a group that is partly resident does not grow without a fault in it") {
    CHECK(density_of(masks::pages({0, 32}), masks::pages({16})) == masks::of({{0, 16}, {17, 32}}));
  }

  TEST_CASE("a fault on a page that is there counts") {
    CHECK(density_of(masks::of({{0, 256}}), masks::pages({3})) == masks::of({{0, 3}, {4, 256}}));
  }

  TEST_CASE("larger pages have smaller groups") {
    density_input in{.faulted = masks::pages({5}), .where = {.window = {0, 128}, .group_pages = 4}};
    CHECK(density(in) == masks::of({{4, 5}, {6, 8}}));
    in.where = {.window = {0, 32}, .group_pages = 1};
    CHECK(density(in).none());
    in.resident = masks::pages({4});
    CHECK(density(in) == masks::of({{4, 5}}));
  }

  TEST_CASE("density agrees with a climb page by page on 100,000 random blocks") {
    std::uint64_t const seed = 20260101;
    masks::random random{seed};
    for (unsigned round = 0; round < 100'000; ++round) {
      density_input in{.resident = random.mask(), .where = {}};
      unsigned const threshold = random.below(4) != 0 ? 51 : random.below(101);
      if (random.below(2) != 0) in.where.window = random.run();
      in.where.group_pages = std::array{16u, 16u, 16u, 4u, 1u, 64u}[random.below(6)];
      for (unsigned n = 1 + random.below(8); n != 0; --n)
        in.faulted.set(in.where.window.first + random.below(in.where.window.size()));
      if (random.below(3) == 0) in.thrashing = random.mask();
      if (random.below(8) == 0) in.faulted = random.mask() & page_mask{in.where.window};
      page_mask const model =
          slow_density{in.where.window, in.where.group_pages, threshold}(in.resident, in.faulted, in.thrashing);
      page_mask const ours = density(in, threshold);
      if (ours == model) continue;
      INFO("seed " << seed << " round " << round << " window " << in.where.window.first << "-" << in.where.window.end
                   << " group " << in.where.group_pages << " threshold " << threshold);
      INFO("resident " << masks::text(in.resident) << "; faulted " << masks::text(in.faulted) << "; thrashing "
                       << masks::text(in.thrashing));
      INFO("ours " << masks::text(ours) << "; model " << masks::text(model));
      REQUIRE(ours == model);
    }
  }

  TEST_CASE("a block that is nowhere goes whole to its preferred location") {
    prefetch_history history;
    prefetch_request request = request_of(masks::pages({7}));
    request.resident_anywhere = false;
    request.preferred = gpu(0);
    request.pages.where.window = {2, 500};
    request.pages.thrashing = masks::pages({9});
    CHECK(prefetch(history, request) == masks::of({{2, 7}, {8, 9}, {10, 500}}));
    request.resident_anywhere = true;
    CHECK(prefetch(history, request).none());  // page 9 keeps its group from growing
  }

  TEST_CASE("nothing is prefetched to a place that is not the preferred one") {
    prefetch_history history;
    prefetch_request request = request_of(masks::pages({0}));
    request.preferred = gpu(1);
    CHECK(prefetch(history, request).none());
    request.resident_anywhere = false;
    CHECK(prefetch(history, request).none());
    request.preferred = gpu(0);
    request.resident_anywhere = true;
    CHECK(prefetch(history, request) == masks::of({{1, 16}}));
  }

  TEST_CASE("pages that the CPU has and maps are not brought to it again") {
    prefetch_history history;
    prefetch_request request = request_of(masks::pages({0}), cpu);
    request.mapped_by_cpu = masks::of({{4, 8}});
    CHECK(prefetch(history, request) == masks::of({{1, 4}, {8, 16}}));
    request.destination = gpu(0);
    CHECK(prefetch(history, request) == masks::of({{1, 16}}));
  }

  TEST_CASE("prefetch waits for the least number of faults, counted while the destination stays") {
    prefetch_options const options{.min_faults = 3};
    prefetch_history history;
    CHECK(prefetch(history, request_of(masks::pages({0})), options).none());
    CHECK(prefetch(history, request_of(masks::pages({1})), options).none());
    CHECK(prefetch(history, request_of(masks::pages({2})), options).any());
    CHECK(prefetch(history, request_of(masks::pages({3})), options).any());
    CHECK(prefetch(history, request_of(masks::pages({4}), gpu(1)), options).none());
    CHECK(prefetch(history, request_of(masks::pages({5, 6}), gpu(1)), options).any());
    CHECK(prefetch(history, request_of(masks::pages({7})), options).none());
  }

  TEST_CASE("the count of faults does not wrap") {
    prefetch_options const options{.min_faults = 20};
    prefetch_history history{.last = gpu(0), .faulted = ~0u - 600};
    for (unsigned n = 0; n < 4; ++n) CHECK(prefetch(history, request_of(masks::of({{0, 512}})), options).none());
    CHECK(prefetch(history, request_of(masks::pages({0})), options).any());
  }

  TEST_CASE("prefetch that is off adds nothing") {
    prefetch_history history;
    CHECK(prefetch(history, request_of(masks::pages({0})), {.enabled = false}).none());
  }

  TEST_CASE("numbers out of bounds fall back") {
    CHECK(prefetch_options{.threshold = 101}.valid().threshold == 51);
    CHECK(prefetch_options{.threshold = 100}.valid().threshold == 100);
    CHECK(prefetch_options{.threshold = 0}.valid().threshold == 0);
    CHECK(prefetch_options{.min_faults = 0}.valid().min_faults == 1);
    CHECK(prefetch_options{.min_faults = 21}.valid().min_faults == 1);
    CHECK(prefetch_options{.min_faults = 20}.valid().min_faults == 20);
  }

  TEST_CASE("a service that does not fit is cut to groups, then to faults, then to nothing") {
    page_mask const faulted = masks::pages({0, 40});
    page_mask const prefetched = masks::of({{1, 40}, {41, 128}});
    page_mask const resident = masks::pages({200, 201});
    auto const cut = [&](unsigned capacity) { return fit({}, faulted, prefetched, resident, capacity); };
    CHECK(cut(130).prefetched == prefetched);
    CHECK(cut(129).faulted == faulted);
    CHECK(cut(129).prefetched == masks::of({{1, 16}, {32, 40}, {41, 48}}));
    CHECK(cut(34).prefetched.count() == 30);
    CHECK(cut(33).prefetched.none());
    CHECK(cut(33).faulted == faulted);
    CHECK(cut(4).faulted == faulted);
    CHECK(cut(3).faulted.none());
    CHECK(cut(3).prefetched.none());
  }
}

TEST_SUITE("placement/block_tree") {
  TEST_CASE("groups are those of the block, cut by the window") {
    CHECK(groups_of({}, masks::pages({17})) == masks::of({{16, 32}}));
    CHECK(groups_of({.window = {5, 100}}, masks::pages({7, 98})) == masks::of({{5, 16}, {96, 100}}));
    CHECK(groups_of({.window = {3, 11}}, masks::pages({4})) == masks::of({{3, 11}}));
    CHECK(groups_of({.window = {3, 11}}, masks::pages({2})).none());
    CHECK(groups_of({.window = {40, 512}}, masks::pages({511, 39})) == masks::of({{496, 512}}));
    CHECK(groups_of({.window = {0, 512}, .group_pages = 64}, masks::pages({100})) == masks::of({{64, 128}}));
    CHECK(groups_of({.window = {0, 32}, .group_pages = 1}, masks::pages({9})) == masks::pages({9}));
  }
}

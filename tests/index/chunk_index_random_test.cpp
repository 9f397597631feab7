// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/index/chunk_index.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <vector>

#include <doctest/doctest.h>

#include <index/spanned.hpp>

#include <support/ledger_allocator.hpp>

using namespace svm;

namespace {

struct object {
  va_range span{{0}, {2}};
  [[nodiscard]] std::uint64_t first() const { return span.start().value; }
  [[nodiscard]] std::uint64_t last() const { return span.last().value; }
};
using traits = spanned<object>;
template <chunk_sparse Sparse>
using index_of = chunk_index<traits, null_lock, support::ledger_allocator, Sparse>;

#define SVM_TEST_INDEXES index_of<chunk_sparse::buckets>, index_of<chunk_sparse::tables>

struct splitmix64 {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return n == 0 ? (*this)() : (*this)() % n; }
};

/// Where entries lie, which sizes they have (log2, largest first), and how much of it the random entries keep to.
struct scene {
  char const* name;
  std::uint64_t base;
  unsigned span_bits;
  std::vector<unsigned> chunks;
  unsigned busy_bits;

  [[nodiscard]] va_range span() const {
    std::uint64_t const reach = span_bits == 64 ? UINT64_MAX : (std::uint64_t{1} << span_bits) - 1;
    return va_range::from_bounds({span_bits == 64 ? 2 : base}, {base + reach}).value();
  }
  [[nodiscard]] chunk_layout layout() const {
    std::vector<byte_count> sizes;
    for (unsigned const bits : chunks) sizes.push_back({std::uint64_t{1} << bits});
    return {span(), sizes};
  }
};

std::vector<scene> const scenes{
    {"2M 64K 4K in 512M", 0x7f00'0000'0000, 29, {21, 16, 12}, 24},
    {"2M 64K 4K in 512M, all of it", 0x7f00'0000'0000, 29, {21, 16, 12}, 29},
    {"2M 64K 4K at the top of the address space", UINT64_MAX - 0x1fff'ffff, 29, {21, 16, 12}, 23},
    {"each size from 128M down to 4K", 0, 29, {27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12}, 28},
    {"pages alone in 1G", 0x4000'0000, 30, {12}, 18},
    {"1G and 4K in 1T", 0x100'0000'0000, 40, {30, 12}, 33},
    {"a chunk as large as the span", 0x2000'0000, 29, {29, 12}, 29},
    {"one page, which is the span", 0x1000, 12, {12}, 12},
    {"8K and 4K in 8K", 0x4000, 13, {13, 12}, 13},
    {"16M 4M 1M 4K", 0x1'0000'0000, 32, {24, 22, 20, 12}, 25},
    {"two bytes and up in all 64 bits", 0, 64, {60, 33, 7, 1}, 64},
    {"two bytes close together", 0, 64, {3, 2, 1}, 9},
    {"512M notifiers in 47 bits", 0, 47, {29}, 34},
    {"512M notifiers far apart", 0, 47, {29}, 47},
};

/// The index and a std::map that do the same.
template <class Index>
class twins {
 public:
  twins(scene const& s, std::uint64_t seed) : scene_(s), crowded_above_(seed % 2 == 0), random_{seed} {}
  ~twins() {
    while (!model_.empty()) erase(model_.begin());
    CHECK(pool_.template in_use<0>().free == pool_.template in_use<0>().owned);
    CHECK(pool_.template in_use<1>().free == pool_.template in_use<1>().owned);
    room_ = {};
    pool_.trim();
    CHECK(memory_.outstanding() == 0);
  }
  twins(twins const&) = delete;
  twins& operator=(twins const&) = delete;

  void step(unsigned percent_growth) {
    if (model_.empty() || random_.below(100) < percent_growth)
      insert(any_chunk());
    else
      erase(std::next(model_.begin(), static_cast<std::ptrdiff_t>(random_.below(model_.size()))));
  }

  /// True when both answer the same at a random place, and the index is sound.
  [[nodiscard]] bool agree() {
    std::uint64_t const a = any_chunk().start().value + random_.below(3) - 1;
    std::uint64_t const b = random_.below(4) == 0 ? any_chunk().last().value : a + random_.below(1 << 18);
    std::uint64_t const z = b < a ? UINT64_MAX : b;
    if (a == 0 && z == UINT64_MAX) return true;
    va_range const window = va_range::from_bounds({a}, {z}).value();
    auto it = overlap(a, z);
    object* const expected = it == model_.end() ? nullptr : it->second;
    object* const here = expected != nullptr && expected->first() <= a ? expected : nullptr;
    bool good = tree_.find({a}) == here && tree_.first_overlap(window) == expected && tree_.size() == model_.size() &&
                tree_.empty() == model_.empty() && tree_.check() && pool_.check();
    std::size_t visits = 0;
    tree_.for_each_overlap(window, [&](object& o) {
      good = good && it != model_.end() && it->second == &o && o.first() <= z;
      if (it != model_.end()) ++it;
      ++visits;
    });
    good = good && (it == model_.end() || it->second->first() > z);
    if (expected != nullptr && good) {
      auto const at = model_.find(expected->first());
      good = tree_.next(*expected) == (std::next(at) == model_.end() ? nullptr : std::next(at)->second) &&
             tree_.previous(*expected) == (at == model_.begin() ? nullptr : std::prev(at)->second);
    }
    return good && tree_.first() == (model_.empty() ? nullptr : model_.begin()->second) &&
           tree_.last() == (model_.empty() ? nullptr : model_.rbegin()->second);
  }
  [[nodiscard]] bool same_order() {
    auto it = model_.begin();
    bool good = true;
    tree_.for_each([&](object& o) { good = good && it != model_.end() && (it++)->second == &o; });
    return good && it == model_.end();
  }
  [[nodiscard]] std::size_t size() const { return model_.size(); }
  bool sound = true;

 private:
  using model = std::map<std::uint64_t, object*>;

  va_range any_chunk() {
    unsigned const bits = scene_.chunks[random_.below(scene_.chunks.size())];
    std::uint64_t const busy = scene_.busy_bits == 64 ? 0 : std::uint64_t{1} << scene_.busy_bits;
    // Half of the addresses crowd, so that both sparse and dense memory come about.
    std::uint64_t offset = random_.below(busy);
    if (random_.below(2) == 0)
      offset = crowded_above_ ? busy - 1 - (offset >> scene_.busy_bits / 2) : offset >> scene_.busy_bits / 2;
    return aligned_block(cpu_va{scene_.base + offset}, byte_count{std::uint64_t{1} << bits});
  }
  model::iterator overlap(std::uint64_t a, std::uint64_t z) {
    auto it = model_.upper_bound(a);
    if (it != model_.begin() && std::prev(it)->second->last() >= a) return std::prev(it);
    return it != model_.end() && it->first <= z ? it : model_.end();
  }

  void insert(va_range span) {
    sound = sound && tree_.replenish(room_) == errc::ok;
    object& o = spare_.empty() ? objects_.emplace_back() : *spare_.back();
    if (!spare_.empty()) spare_.pop_back();
    o.span = span;
    auto const it = overlap(o.first(), o.last());
    object* const expected = it == model_.end() ? nullptr : it->second;
    std::uint64_t const calls = memory_.calls;
    object* const met = tree_.insert(room_, o);
    sound = sound && met == expected && memory_.calls == calls;
    if (met == nullptr)
      model_.emplace(o.first(), &o);
    else
      spare_.push_back(&o);
  }
  void erase(model::iterator at) {
    object& o = *at->second;
    std::uint64_t const calls = memory_.calls;
    tree_.erase(o);
    sound = sound && memory_.calls == calls;
    model_.erase(at);
    o.span = {{2}, {2}};  // an index that still reads it finds nonsense
    spare_.push_back(&o);
  }

  scene const& scene_;
  bool const crowded_above_;
  splitmix64 random_;
  support::ledger_allocator memory_;
  typename Index::pool pool_{memory_, scene_.layout()};
  typename Index::reserved_nodes room_;
  Index tree_{pool_, {scene_.base}};
  model model_;
  std::deque<object> objects_;
  std::vector<object*> spare_;
};

}  // namespace

TEST_SUITE("index/chunk_index") {
  TEST_CASE_TEMPLATE("random changes leave the index equal to a std::map, whatever sizes the chunks have", Index,
                     SVM_TEST_INDEXES) {
    for (scene const& s : scenes)
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        CAPTURE(s.name);
        CAPTURE(seed);
        twins<Index> both{s, seed};
        for (int step = 0; step < 4000; ++step) {
          both.step(step / 500 % 2 == 0 ? 85 : 25);
          bool const good = both.agree() && both.sound && (step % 64 != 0 || both.same_order());
          if (!good) {
            CAPTURE(step);
            REQUIRE(good);
          }
        }
      }
  }

  TEST_CASE_TEMPLATE("an index that is filled and emptied again and again stays equal to a std::map", Index,
                     SVM_TEST_INDEXES) {
    for (scene const& s : scenes) {
      for (std::uint64_t const seed : {std::uint64_t{7}, std::uint64_t{8}}) {
        CAPTURE(s.name);
        CAPTURE(seed);
        twins<Index> both{s, seed};
        for (int step = 0; step < 6000; ++step) {
          both.step(step / 1000 % 2 == 0 ? 95 : 2);
          if (step % 8 == 0 && !(both.agree() && both.sound)) {
            CAPTURE(step);
            REQUIRE(both.sound);
            REQUIRE(both.agree());
          }
        }
      }
    }
  }
}

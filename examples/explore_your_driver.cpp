// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
//
// What one learns here: how to run the code of a driver in every order of its threads, and what is left of a race once
// it is found: the two steps whose order decides, and a string that plays it back.
#include <svm/explore.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>

namespace explore = svm::explore;

// A driver's cache of one DMA mapping, written for any lock policy. It does not hold its lock while it maps, which may
// take long, and it does not look again afterwards.
template <svm::lock Lock>
class mapping_cache {
 public:
  explicit mapping_cache(typename Lock::template atomic<std::uint32_t>& iommu) : iommu_(iommu) {}

  void get() {
    lock_.lock();
    bool const mapped = mapped_;
    lock_.unlock();
    if (mapped) return;
    iommu_.fetch_add(1);  // maps the page
    lock_.lock();
    mapped_ = true;
    lock_.unlock();
  }
  void drop() {
    lock_.lock();
    if (mapped_) iommu_.fetch_sub(1);
    mapped_ = false;
    lock_.unlock();
  }

 private:
  typename Lock::template mutex<svm::lock_rank::range> lock_;
  bool mapped_ = false;
  typename Lock::template atomic<std::uint32_t>& iommu_;
};

struct computer {
  explore::lock_policy::atomic<std::uint32_t> mappings{0};
  mapping_cache<explore::lock_policy> cache{mappings};
};

// Two GPU faults and an invalidation on the same page, in every order.
int main() {
  explore::scenario<computer> race{"two faults"};
  race.thread("fault 1").does("get", [](computer& c) { c.cache.get(); });
  race.thread("fault 2").does("get", [](computer& c) { c.cache.get(); });
  race.thread("invalidation").does("drop", [](computer& c) { c.cache.drop(); });
  race.at_end([](computer& c) {
    c.cache.drop();
    if (c.mappings.load() != 0) explore::fail("a DMA mapping has leaked");
  });

  explore::report const found = search(race, explore::exhaustive{});
  std::printf("%s\n\n", to_string(found).c_str());
  if (!found.failed) return 1;
  // The invalidation turns out to have nothing to do with it.
  std::optional<explore::shrunk_failure> const small = shrink(race, *found.failed);
  if (!small) return 1;
  std::printf("%s", to_string(*small).c_str());
  bool const explained = small->order.has_value() && small->smallest.part[2] == 0;

  // The string alone brings it back, in a debugger for example.
  std::optional<explore::replayed> const again = replay(race, small->failed.replay);
  return explained && again && again->how == explore::ending::failed ? 0 : 1;
}

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Faults for callgrind to count: `counted_fault` is what it collects, see report.py.
// Usage: count_instructions new|repeated, without a lock, with ranges of one page, 1000 of which are live

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <svm/std/null_lock.hpp>

#include "support/lean_backend.hpp"
#include "support/live_slots.hpp"

namespace {

using system_type = lean::system<svm::null_lock>;

[[gnu::noinline]] bool counted_fault(system_type& system, std::uint64_t address) {
  return system.fault(address);
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view const what = argc == 2 ? argv[1] : "";
  if (what != "new" && what != "repeated") {
    std::fputs("usage: count_instructions new|repeated\n", stderr);
    return EXIT_FAILURE;
  }
  bench::live_slots slots{1000, 4096};
  system_type system{1};
  std::uint64_t failed = 0;
  std::uint64_t counted = 0;
  for (std::uint64_t const a : slots.live()) failed += !system.fault(a);
  if (what == "repeated") {
    std::vector<std::uint64_t> const& batch = slots.hits();
    for (std::uint64_t const a : batch) failed += !counted_fault(system, a);
    counted = batch.size();
  } else {
    auto const fault = [&](std::uint64_t a) { return system.fault(a); };
    auto const count = [&](std::uint64_t a) { return counted_fault(system, a); };
    auto const run = [&](auto&& function) {
      std::vector<std::uint64_t> const& batch = slots.fresh();
      for (std::uint64_t const a : batch) failed += !function(a);
      for (std::uint64_t const a : batch) failed += !system.remove(a);
      return batch.size();
    };
    run(fault);  // so that pools and heap are warm
    for (int i = 0; i < 10; ++i) counted += run(count);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(counted));
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

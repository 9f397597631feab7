// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Replays a file of faults on the simulated machine, and prints what came of it: placement/replay_model.py computes the
// same.
//
//     driver_replay FILE prefetch=density:51 evict=uvm batch=256 capacity=4096K
#include <placement/fault_file.hpp>
#include <support/machine.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

using fault_file::faults_of;
using fault_file::print;
using support::machine;
using svm::block_fault;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::migration_cause;
using svm::mock::sys;
using svm::placement::eviction_mode;

namespace {

constexpr std::uint64_t block_bytes = 2 << 20;
constexpr std::uint64_t page_bytes = 4096;

struct settings {
  svm::mock::machine_options machine;
  std::size_t batch = 1;
};

settings settings_of(int count, char** words) {
  std::map<std::string, eviction_mode> const orders{{"oldest", eviction_mode::oldest},
                                                    {"touched", eviction_mode::touched},
                                                    {"uvm", eviction_mode::uvm},
                                                    {"density", eviction_mode::density}};
  settings s;
  s.machine.placement.emplace();
  for (int i = 0; i < count; ++i) {
    std::string const word = words[i];
    std::string const key = word.substr(0, word.find('='));
    std::string const value = word.substr(key.size() + 1);
    if (key == "prefetch") s.machine.placement->threshold = static_cast<unsigned>(std::stoul(value.substr(8)));
    if (key == "evict") s.machine.placement->evict = orders.at(value);
    if (key == "batch") s.batch = std::stoul(value);
    if (key == "capacity") s.machine.vram = {std::stoul(value) * 1024};
  }
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::vector<std::uint64_t> const faults = faults_of(argv[1]);
  settings s = settings_of(argc - 2, argv + 2);
  std::set<std::uint64_t> blocks;
  for (std::uint64_t const a : faults) blocks.insert(a / block_bytes);
  s.machine.ram = {(blocks.size() + 1) * block_bytes};
  machine m{s.machine, *machine::check(s.machine)};
  for (std::uint64_t const b : blocks) {
    cpu_va const start{b * block_bytes};
    if (m.process.mmap({block_bytes}, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, start).error !=
        sys::ok)
      return 1;
    std::byte const tag[8] = {std::byte{1}};
    for (std::uint64_t p = 0; p < block_bytes; p += page_bytes)
      if (m.process.store(start + byte_count{p}, tag) != sys::ok) return 1;
  }
  for (std::size_t i = 0; i < faults.size();) {
    std::vector<block_fault> batch{{.at = {faults[i]}}};
    for (++i; i < faults.size() && batch.size() < s.batch && faults[i] >= faults[i - 1]; ++i)
      batch.push_back({.at = {faults[i]}});
    if (m.first().views[0]->blocks->serve(batch) != errc::ok) return 1;
    m.check_call();
  }
  auto const c = m.first().views[0]->blocks->counts();
  print("fault_services", c.fault_services);
  print("faults_resident", c.faults_resident);
  print("duplicates", c.duplicates);
  print("batches", c.batches);
  print("pages_prefetched", c.pages_prefetched);
  print("refaults", c.refaults);
  print("bytes_gpu_fault", m.stats.copied(migration_cause::gpu_fault));
  print("bytes_prefetch", m.stats.copied(migration_cause::prefetch));
  print("bytes_eviction", m.stats.copied(migration_cause::eviction));
  for (std::string const& line : m.audit()) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return 1;
  }
  return 0;
}

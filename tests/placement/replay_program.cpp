// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Replays a file of faults by the policies alone, and prints what came of it: replay_model.py computes the same.
//
//     placement_replay FILE prefetch=density:51 evict=uvm batch=256 capacity=4096K
#include <cstdint>
#include <map>
#include <string>

#include "placement/fault_file.hpp"
#include "placement/replay_loop.hpp"

using fault_file::faults_of;
using fault_file::print;

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::map<std::string, replays::eviction> const orders{{"oldest", replays::eviction::oldest},
                                                        {"touched", replays::eviction::touched},
                                                        {"uvm", replays::eviction::uvm},
                                                        {"density", replays::eviction::density}};
  replays::options o;
  for (int i = 2; i < argc; ++i) {
    std::string const word = argv[i];
    std::string const key = word.substr(0, word.find('='));
    std::string const value = word.substr(key.size() + 1);
    if (key == "prefetch") o.threshold = static_cast<unsigned>(std::stoul(value.substr(value.find(':') + 1)));
    if (key == "evict") o.evict = orders.at(value);
    if (key == "batch") o.batch = std::stoul(value);
    if (key == "capacity") o.capacity = std::stoul(value) / 4;  // in K
  }
  replays::counts const c = replays::loop{o}.run(faults_of(argv[1]));
  print("fault_services", c.services);
  print("faults_resident", c.resident);
  print("duplicates", c.duplicates);
  print("batches", c.batches);
  print("pages_prefetched", c.prefetched);
  print("refaults", c.refaults);
  print("bytes_gpu_fault", c.fault_pages * 4096);
  print("bytes_prefetch", c.prefetched * 4096);
  print("bytes_eviction", c.evicted_pages * 4096);
  return 0;
}

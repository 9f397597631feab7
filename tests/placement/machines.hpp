// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/placement/topology.hpp>

namespace machines {

using svm::placement::cpu;
using svm::placement::gpu;
using svm::placement::nobody;
using svm::placement::processor;
using svm::placement::processor_set;
using svm::placement::topology;

/// GPUs on a bus: they map the CPU's memory, and nobody maps theirs.
inline topology bus(unsigned gpus) {
  processor_set all = cpu;
  for (unsigned n = 0; n < gpus; ++n) all |= gpu(n);
  topology t{all};
  for (unsigned n = 0; n < gpus; ++n) t.connect(gpu(n), cpu, {});
  return t;
}

/// GPUs that map each other's memory over a bus as well, without atomics.
inline topology peers(unsigned gpus) {
  topology t = bus(gpus);
  for (unsigned n = 0; n < gpus; ++n)
    for (unsigned m = 0; m < gpus; ++m)
      if (n != m) t.connect(gpu(n), gpu(m), {});
  return t;
}

/// Fast links with native atomics among GPUs; the CPU's memory is on the bus.
inline topology linked_gpus(unsigned gpus) {
  topology t = bus(gpus);
  for (unsigned n = 0; n < gpus; ++n)
    for (unsigned m = 0; m < gpus; ++m)
      if (n != m) t.connect(gpu(n), gpu(m), {.fast = true, .native_atomics = true});
  return t;
}

/// Everybody maps everybody's memory, fast and with native atomics.
inline topology coherent(unsigned gpus) {
  topology t = linked_gpus(gpus);
  for (unsigned n = 0; n < gpus; ++n) {
    t.connect(gpu(n), cpu, {.fast = true, .native_atomics = true});
    t.connect(cpu, gpu(n), {.fast = true, .native_atomics = true});
  }
  return t;
}

}  // namespace machines

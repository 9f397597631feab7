// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// What the programs that replay a file of faults have in common: what they read, and how they print.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

namespace fault_file {

/// The addresses in a file, eight bytes each, the lowest byte first.
inline std::vector<std::uint64_t> faults_of(char const* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint64_t> all;
  for (unsigned char bytes[8]; file.read(reinterpret_cast<char*>(bytes), 8);) {
    std::uint64_t a = 0;
    for (unsigned i = 0; i < 8; ++i) a |= std::uint64_t{bytes[i]} << 8 * i;
    all.push_back(a);
  }
  return all;
}

/// Prints a line of the report.
inline void print(char const* name, std::uint64_t value) {
  std::printf("%s %llu\n", name, static_cast<unsigned long long>(value));
}

}  // namespace fault_file

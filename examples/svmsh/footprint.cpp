// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "footprint.hpp"

#include "faults64.hpp"
#include "lackey.hpp"

#include <sys/stat.h>

#include <string_view>
#include <unordered_set>

namespace svmsh {

namespace {

/// Blocks that programs can reach; the same one mostly comes again at once.
class block_set {
 public:
  void add(std::uint64_t address) {
    constexpr std::uint64_t user_end = std::uint64_t{1} << 47;
    std::uint64_t const number = address / footprint_block;
    if (number == last_ || address >= user_end) return;
    last_ = number;
    blocks_.insert(number);
  }
  [[nodiscard]] std::uint64_t count() const { return blocks_.size(); }

 private:
  std::uint64_t last_ = UINT64_MAX;
  std::unordered_set<std::uint64_t> blocks_;
};

bool can_be_read_twice(char const* path) {
  struct stat about {};
  return std::string_view{path} != "-" && stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

}  // namespace

std::optional<std::uint64_t> count_lackey_blocks(char const* path) {
  if (!can_be_read_twice(path)) return {};
  lackey_reader input(path);
  block_set touched;
  for (trace_access a; input.next(a) == lackey_reader::status::access;) {
    touched.add(a.address);
    touched.add(a.address + a.size - 1);
  }
  return touched.count();
}

std::optional<std::uint64_t> count_fault_blocks(char const* path) {
  if (!can_be_read_twice(path)) return {};
  faults64_reader input(path);
  block_set touched;
  for (std::uint64_t address = 0; input.next(address) == faults64_reader::status::fault;) touched.add(address);
  return touched.count();
}

}  // namespace svmsh

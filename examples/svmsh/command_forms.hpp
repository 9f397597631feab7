// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "manual.hpp"

#include <string_view>

// How the lines are written that svmsh reads. A new command is a row here and a row in the table of its parser.

namespace svmsh {

inline constexpr manual_row memory_forms[] = {
    {"mmap NAME SIZE [r|rw|none] [anon|file|shared|hugetlb] [at=ADDR]", "map memory; NAME is its address from then on"},
    {"munmap ADDR SIZE", "end the mappings there"},
    {"mprotect ADDR SIZE r|rw|none", "change what the CPU may do there"},
    {"mremap ADDR OLD_SIZE NEW_SIZE [dontunmap] [to=ADDR]", "move, grow or shrink a mapping"},
    {"madvise ADDR SIZE dontneed|hugepage|nohugepage", "throw pages away, or say whether huge ones help"},
};
inline constexpr manual_row process_forms[] = {
    {"fork CHILD", "copy the process; pages are copied on write"},
    {"exit CHILD", "end that process"},
    {"@CHILD COMMAND ...", "a command of that process; without it, of the first one"},
};
inline constexpr manual_row access_forms[] = {
    {"cpu|gpuN read ADDR [= VALUE]", "one 64-bit word: compare it, or print it"},
    {"cpu|gpuN write ADDR VALUE", "one 64-bit word"},
    {"cpu|gpuN fill ADDR SIZE VALUE", "word i gets VALUE + i"},
    {"cpu|gpuN check ADDR SIZE VALUE", "word i must be VALUE + i"},
    {"gpuN atomic_add ADDR VALUE", "needs device memory; the CPU has to wait"},
};
inline constexpr manual_row device_forms[] = {
    {"gpuN prefetch ADDR SIZE [ram|vram]", "make the mappings now, and move memory as asked"},
    {"gpuN evict ADDR|all", "back to system memory, as under memory pressure"},
    {"gpuN advise ADDR SIZE [preferred|accessed|duplicate|discard]",
     "where pages move, what faults do with it, whether copies are read, or that nobody wants what it holds; no word, "
     "with faults=off: keep it mapped for queues"},
    {"gpuN reset", "its mappings and its memory are lost"},
    {"gc", "run the garbage collector"},
    {"tick MS", "advance the virtual clock"},
    {"fail alloc|ram|dma_map|copy|populate|notifier NTH", "let the NTH from now fail, once"},
};
inline constexpr manual_row looking_forms[] = {
    {"show ranges|notifiers|vmas", "print them"},
    {"show stats [all]", "what was counted; all: also what a policy decides"},
    {"show pages ADDR SIZE", "where they are"},
    {"expect [gpuN] ranges N", "of gpu0, where no gpuN is said"},
    {"expect range ADDR START SIZE vram|ram|mixed|none", "the range that holds ADDR"},
    {"expect no range ADDR", "none holds ADDR"},
    {"expect notifiers N", "of gpu0"},
    {"expect pages ADDR SIZE none|ram|vramN", "every page of the span is so"},
    {"expect stat NAME ==|!=|<|<=|>|>= VALUE", "one of those that show stats prints"},
};
inline constexpr manual_row first_forms[] = {
    {"machine KEY=VALUE ...", "set machine options; the command line wins over it"},
};

inline constexpr manual_row bind_forms[] = {
    {"map ADDR RANGE OBJ OFFSET", "OBJ is below 2^32, and 0 is no object"},
    {"unmap ADDR RANGE", "split what lies across its ends"},
    {"prefetch ADDR RANGE", "name what is mapped there"},
    {"gem_unmap OBJ", "unmap every mapping of the object"},
    {"dump", "print the mappings"},
};

/// The form that begins with `start`; one that no table has does not compile.
consteval std::string_view form_of(std::string_view start) {
  std::string_view found;
  auto const look = [&](auto const& rows) {
    for (manual_row const& row : rows)
      if (row.form == start || (row.form.starts_with(start) && row.form[start.size()] == ' ')) found = row.form;
  };
  look(memory_forms), look(process_forms), look(access_forms), look(device_forms), look(looking_forms);
  look(first_forms), look(bind_forms);
  if (found.empty()) throw "no row has this form";
  return found;
}

}  // namespace svmsh

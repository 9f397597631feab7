// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "help.hpp"

namespace svmsh {

char const main_help[] = R"(svmsh - a shell for a simulated machine with a GPU that shares the CPU's memory

usage: svmsh run [FILE|-] [KEY=VALUE...]      run a scenario: commands, one a line
       svmsh replay [FILE|-] [KEY=VALUE...]   replay a memory trace of a real program
       svmsh vm_bind [FILE|-] [KEY=VALUE...]  GPU VA requests in, split and merge operations out
       svmsh VERB --help                      the commands and options of a verb
       svmsh --help | --version

FILE is - for standard input, which is the default.

exit status:
  0   all expectations held and the closing audit is clean
  1   otherwise
  2   a line that cannot be understood, or a wrong command line
)";

char const run_help[] = R"(usage: svmsh run [FILE|-] [KEY=VALUE...]

Runs a scenario: commands, one a line, in order. # starts a comment.

memory:
  mmap NAME SIZE [r|rw|none] [anon|file|shared|hugetlb] [at=ADDR]
  munmap ADDR SIZE
  mprotect ADDR SIZE r|rw|none
  mremap ADDR OLD_SIZE NEW_SIZE [dontunmap] [to=ADDR]
  madvise ADDR SIZE dontneed|hugepage|nohugepage
processes:
  fork CHILD                     a copy of the process; pages are copied on write
  exit CHILD
  @CHILD COMMAND ...             of that process; without it, of the first one
access (AGENT is cpu, gpu0, gpu1, ...; gpu is gpu0):
  AGENT read ADDR [= VALUE]      a 64-bit word: compare it, or print it
  AGENT write ADDR VALUE
  AGENT fill ADDR SIZE VALUE     word i gets VALUE + i
  AGENT check ADDR SIZE VALUE    word i must be VALUE + i
device:
  gpuN atomic_add ADDR VALUE     needs device memory, which the CPU has to wait for
  gpuN prefetch ADDR SIZE [ram|vram]
  gpuN evict ADDR|all            back to system memory, as under memory pressure
  gpuN advise ADDR SIZE          faults=off: keep it mapped for the GPU's queues
  gpuN reset                     its mappings and its memory are lost
  gc                             run the garbage collector
  tick MS                        advance the virtual clock
  fail alloc|ram|dma_map|copy|populate|notifier NTH
looking:
  show ranges|notifiers|vmas|stats [all]|pages ADDR SIZE
  expect [gpuN] ranges N
  expect range ADDR START SIZE vram|ram|mixed|none
  expect no range ADDR
  expect notifiers N
  expect pages ADDR SIZE none|ram|vramN
  expect stat NAME ==|!=|<|<=|>|>= VALUE
first command only:
  machine KEY=VALUE ...

Ranges and notifiers are expected of gpu0, where no gpuN is said.
Any command but machine, show and expect may end in -> ERRNO: it has to fail so.
Numbers are decimal or 0x-hex, with an optional K, M, G or T; an address is a
number, a name that mmap has bound, or either plus or minus a number: A+64K.

machine options:      default
  ram=SIZE            1G         system memory
  vram=SIZE           256M       device memory of each GPU
  gpus=NUMBER         1          GPUs: gpu0, gpu1, ...
  chunks=SIZE,...     2M,64K,4K  sizes of ranges, descending, down to a page
  notifier=SIZE       512M       size of a notifier
  check_pages=SIZE    64K        no range up to this size with absent pages; 0: off
  migrate=MODE        on         what a GPU fault does: on, off, only
  timeslice=MS        0          how long migrated memory stays before the CPU gets it
  readonly=on|off     off        the GPU may not write
  split=on|off        off        a partial unmap splits the range and keeps the rest
  gc=auto|manual      auto       collect after every command, or on demand
  evict=ORDER         oldest     what makes room: oldest made, or touched longest ago
  thp=on|off          off        whole 2M of anonymous memory at once
  page=SIZE           4K         page size: 4K, 16K, 64K
  faults=on|off       on         off: queues stop until advised or prefetched memory
                                 is mapped again; they may reach nothing else
  vm_start=ADDR       0          the span of addresses that the GPU manages
  vm_size=SIZE        128T
  seed=NUMBER         1          of every random choice

exit status: 0 all expectations held and the closing audit is clean, 1 otherwise,
2 a line that cannot be understood or a wrong command line.
)";

char const replay_help[] = R"(usage: svmsh replay [FILE|-] [KEY=VALUE...] [--map FILE.svg] [--timeline FILE.json]

Replays a memory trace, as written by valgrind --tool=lackey --trace-mem=yes, on
the simulated machine, compares every load with what the program stored, and
prints what the trace cost: faults, migrations, bytes moved.

  agent=gpu|cpu       gpu        who makes the data accesses
  turns=N                        in turns of N accesses each, GPU first
  prefill=on|off      on         the CPU fills memory before its first access
  --map FILE.svg                 draw the address space over the trace's time
  --timeline FILE.json           what happened when, as trace events for a viewer

The machine options are those of svmsh run --help.

exit status: 0 every load was right and the closing audit is clean, 1 otherwise,
2 a line that cannot be understood, no access at all or a wrong command line.
)";

}  // namespace svmsh

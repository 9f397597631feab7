// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "command.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using namespace svmsh;

name_table const names{{"A", 0x100000000}, {"B", 0x200000000}};
child_table const children{{"C1", {1}}, {"C2", {2}}, {"Gone", {3, true}}};

parsed<command> parse(std::string_view line, bool first = false, std::size_t gpus = 2, bool faults = true) {
  std::vector<std::string_view> const words = split_words(line);
  return parse_command(words, {.names = names, .children = children, .gpus = gpus, .first = first, .faults = faults});
}

/// The command of a line that has to be understood as a `T`.
template <class T>
T get(std::string_view line) {
  CAPTURE(line);
  auto const c = parse(line);
  REQUIRE(c);
  auto const* const what = std::get_if<T>(&c->what);
  REQUIRE(what);
  return *what;
}

std::string error_of(std::string_view line, bool first = false) {
  auto const c = parse(line, first);
  return c ? "no error" : c.error();
}

bool mentions(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("svmsh/command") {
  TEST_CASE("mmap is rw anon anywhere by default, and its optional words may be given one by one") {
    auto const plain = get<mmap_command>("mmap C 64K");
    CHECK(plain.name == "C");
    CHECK(plain.size == 65536);
    CHECK(plain.access == protection::read_write);
    CHECK(plain.kind == mapping_kind::anon);
    CHECK_FALSE(plain.at);
    CHECK(get<mmap_command>("mmap C 64K r").access == protection::read);
    CHECK(get<mmap_command>("mmap C 64K none").access == protection::none);
    CHECK(get<mmap_command>("mmap C 64K file").kind == mapping_kind::file);
    CHECK(get<mmap_command>("mmap C 64K shared").kind == mapping_kind::shared);
    CHECK(get<mmap_command>("mmap C 64K hugetlb").kind == mapping_kind::hugetlb);
    CHECK(get<mmap_command>("mmap C 64K at=0").at == 0u);
    auto const full = get<mmap_command>("mmap C 0 rw anon at=A+8K -> EINVAL");
    CHECK(full.size == 0);
    CHECK(full.at == 0x100002000u);
  }

  TEST_CASE("a name is bound once") {
    CHECK(mentions(error_of("mmap A 4K"), "'A' is already bound"));
    CHECK(mentions(error_of("mmap A 4K -> EINVAL"), "'A' is already bound"));
  }

  TEST_CASE("the commands of memory take an address and a size") {
    auto const u = get<munmap_command>("munmap A+4K 8K");
    CHECK(u.address == 0x100001000);
    CHECK(u.size == 8192);
    auto const p = get<mprotect_command>("mprotect B 4K none");
    CHECK(p.address == 0x200000000);
    CHECK(p.access == protection::none);
    CHECK(get<mprotect_command>("mprotect B 4K r").access == protection::read);
    CHECK(get<mprotect_command>("mprotect B 4K rw").access == protection::read_write);
    auto const m = get<madvise_command>("madvise B 0x3000 dontneed");
    CHECK(m.size == 0x3000);
    CHECK(m.what == advice::dontneed);
    CHECK(get<madvise_command>("madvise B 2M hugepage").what == advice::hugepage);
    CHECK(get<madvise_command>("madvise B 2M nohugepage").what == advice::nohugepage);
  }

  TEST_CASE("mremap has an old and a new size, and its optional words in their order") {
    auto const plain = get<mremap_command>("mremap A+4K 8K 16K").what;
    CHECK(plain.address == 0x100001000);
    CHECK(plain.old_size == 8192);
    CHECK(plain.new_size == 16384);
    CHECK_FALSE(plain.dontunmap);
    CHECK_FALSE(plain.to);
    CHECK(get<mremap_command>("mremap A 4K 4K to=B+4K").what.to == 0x200001000u);
    CHECK(get<mremap_command>("mremap A 4K 4K dontunmap").what.dontunmap);
    auto const full = get<mremap_command>("mremap A 0 8K dontunmap to=0 -> EINVAL").what;
    CHECK(full.dontunmap);
    CHECK(full.to == 0u);
    CHECK(full.old_size == 0);
  }

  TEST_CASE("fork binds a child once, and exit takes one that is alive") {
    CHECK(get<fork_command>("fork C").child == "C");
    CHECK(get<fork_command>("fork A").child == "A");  // children and mappings have names of their own
    CHECK(mentions(error_of("fork C1"), "'C1' is already bound"));
    CHECK(mentions(error_of("fork Gone"), "'Gone' is already bound"));
    CHECK(get<exit_command>("exit C1").child == "C1");
    CHECK(mentions(error_of("exit Gone"), "has exited"));
    CHECK(mentions(error_of("exit C"), "there is no child 'C'"));
    CHECK(mentions(error_of("exit A"), "there is no child 'A'"));
  }

  TEST_CASE("a command that starts with @CHILD concerns that process, the others the first one") {
    CHECK(parse("munmap A 4K")->process == first_process);
    for (std::string_view const line : {"mmap C 4K",
                                        "munmap A 4K",
                                        "mprotect A 4K r",
                                        "mremap A 4K 8K",
                                        "madvise A 4K dontneed",
                                        "fork C",
                                        "exit C1",
                                        "cpu read A",
                                        "gpu write A 1",
                                        "gpu1 fill A 8 1",
                                        "gpu atomic_add A 1 -> EACCES",
                                        "gpu1 prefetch A 4K",
                                        "gpu evict A",
                                        "gpu reset",
                                        "gc",
                                        "tick 1",
                                        "fail copy 1",
                                        "show ranges",
                                        "show notifiers",
                                        "show vmas",
                                        "show stats",
                                        "show pages A 4K",
                                        "expect ranges 0",
                                        "expect gpu1 ranges 0",
                                        "expect range A A 4K ram",
                                        "expect no range A",
                                        "expect notifiers 0",
                                        "expect pages A 4K ram",
                                        "expect stat ram_used == 0"}) {
      CAPTURE(line);
      auto const c = parse("@C2 " + std::string(line));
      REQUIRE(c);
      CHECK(c->process == 2);
    }
    auto const r = get<read_command>("@C1 cpu read A");
    CHECK(r.by.process == 1);
    CHECK_FALSE(r.by.gpu);
    auto const w = get<write_command>("@C2\tgpu1 write A 1");
    CHECK(w.by.process == 2);
    CHECK(w.by.gpu == 1u);
    CHECK(get<read_command>("gpu1 read A").by.process == first_process);
  }

  TEST_CASE("@ names a child that is alive, once, and not for machine") {
    CHECK(mentions(error_of("@C cpu read A"), "there is no child 'C'"));
    CHECK(mentions(error_of("@A cpu read A"), "there is no child 'A'"));
    CHECK(mentions(error_of("@ cpu read A"), "there is no child ''"));
    CHECK(mentions(error_of("@Gone cpu read A"), "has exited"));
    CHECK(mentions(error_of("@C1"), "a command is missing"));
    CHECK(mentions(error_of("@C1 @C2 gc"), "there is no command '@C2'"));
    CHECK(mentions(error_of("@C1 machine ram=1G", true), "machine"));
    CHECK(mentions(error_of("@C1 -> EINVAL"), "'->'"));
    CHECK_FALSE(parse("cpu @C1 read A"));
    CHECK_FALSE(parse("gc @C1"));
  }

  TEST_CASE("cpu, gpu and gpu0 read, write, fill and check") {
    auto const r = get<read_command>("cpu read A");
    CHECK_FALSE(r.by.gpu);
    CHECK_FALSE(r.expected);
    CHECK(get<read_command>("gpu read A = 0x10").expected == 16u);
    CHECK(get<read_command>("gpu0 read A = 1K -> ENOENT").expected == 1024u);
    CHECK(get<read_command>("gpu read A").by.gpu == 0u);
    CHECK(get<read_command>("gpu0 read A").by.gpu == 0u);
    CHECK(get<read_command>("gpu1 read A").by.gpu == 1u);
    auto const w = get<write_command>("gpu write A+8 18446744073709551615");
    CHECK(w.by.gpu == 0u);
    CHECK(w.address == 0x100000008);
    CHECK(w.value == UINT64_MAX);
    auto const f = get<fill_command>("cpu fill A 4K 7");
    CHECK(f.size == 4096);
    CHECK(f.value == 7);
    auto const c = get<check_command>("gpu check B 8 9");
    CHECK(c.address == 0x200000000);
    CHECK(c.size == 8);
    CHECK(c.value == 9);
  }

  TEST_CASE("prefetch has a target or none, and evict an address or all") {
    CHECK(get<prefetch_command>("gpu prefetch A 4K").target == prefetch_target::as_fault);
    CHECK(get<prefetch_command>("gpu prefetch A 4K ram").target == prefetch_target::ram);
    CHECK(get<prefetch_command>("gpu0 prefetch A 4K vram").target == prefetch_target::vram);
    CHECK(get<evict_command>("gpu evict A+4K").address == 0x100001000u);
    CHECK_FALSE(get<evict_command>("gpu evict all").address);
    CHECK(get<evict_command>("gpu1 evict all").by.gpu == 1u);
    CHECK(get<prefetch_command>("gpu1 prefetch A 4K vram").by.gpu == 1u);
  }

  TEST_CASE("atomic_add takes an address and a value, and reset nothing") {
    auto const a = get<atomic_add_command>("gpu1 atomic_add A+8 18446744073709551615");
    CHECK(a.by.gpu == 1u);
    CHECK(a.address == 0x100000008);
    CHECK(a.value == UINT64_MAX);
    CHECK(get<reset_command>("gpu reset").gpu == 0);
    CHECK(get<reset_command>("gpu1 reset").gpu == 1);
  }

  TEST_CASE("advise takes an address and a size, and is for machines that do not replay faults") {
    auto const of_queues = [](std::string_view line) { return parse(line, false, 2, false); };
    auto const c = of_queues("@C1 gpu1 advise A+4K 64K -> ENOMEM");
    REQUIRE(c);
    CHECK(c->process == 1);
    CHECK(c->announced == "ENOMEM");
    auto const* const a = std::get_if<advise_command>(&c->what);
    REQUIRE(a);
    CHECK(a->by.process == 1);
    CHECK(a->by.gpu == 1u);
    CHECK(a->address == 0x100001000);
    CHECK(a->size == 65536);
    for (std::string_view const line : {"gpu advise", "gpu advise A", "gpu advise A 4K preferred", "gpu advise A 4K 4K",
                                        "gpu advise C 4K", "gpu2 advise A 4K", "cpu advise A 4K", "advise A 4K"}) {
      CAPTURE(line);
      CHECK_FALSE(of_queues(line));
    }
    CHECK(of_queues("gpu reset"));
    CHECK(mentions(error_of("gpu advise A 4K"), "faults=on"));
  }

  TEST_CASE("advise takes a word of what faults do with the memory, on machines that replay them") {
    struct {
      std::string_view word;
      memory_advice what;
    } const words[] = {{"preferred", memory_advice::preferred},
                       {"accessed", memory_advice::accessed},
                       {"duplicate", memory_advice::duplicate},
                       {"discard", memory_advice::discard}};
    for (auto const& w : words) {
      auto const c = get<advise_command>("gpu1 advise A+4K 64K " + std::string(w.word) + " -> EOPNOTSUPP");
      CHECK(c.by.gpu == 1u);
      CHECK(c.address == 0x100001000);
      CHECK(c.size == 65536);
      CHECK(c.what == w.what);
    }
    CHECK(mentions(error_of("gpu advise A 4K prefered"), "unexpected"));
    CHECK(mentions(error_of("gpu advise A 4K preferred accessed"), "unexpected"));
    auto const of_queues = parse("gpu advise A 4K accessed", false, 2, false);
    REQUIRE_FALSE(of_queues);
    CHECK(mentions(of_queues.error(), "faults=off"));
  }

  TEST_CASE("an announced error is kept, and every name of an error is known") {
    CHECK(parse("gc")->announced.empty());
    for (std::string_view const name : {"EINVAL", "EFAULT", "ENOENT", "EPERM", "EACCES", "ENOMEM", "EBUSY", "EAGAIN",
                                        "EOPNOTSUPP", "ETIME", "EEXIST", "ENODEV", "ENODATA", "SIGSEGV", "SIGBUS"}) {
      for (std::string const command :
           {"gc", "tick 1", "mmap C 4K", "munmap A 4K", "mremap A 4K 8K", "madvise A 4K hugepage", "fork C", "exit C1",
            "@C1 gpu atomic_add A 1", "gpu reset", "cpu read A", "cpu read A = 1", "gpu evict all", "fail copy 1",
            "gpu prefetch A 4K ram"}) {
        std::string const line = command + " -> " + std::string(name);
        CAPTURE(line);
        auto const c = parse(line);
        REQUIRE(c);
        CHECK(c->announced == name);
      }
    }
  }

  TEST_CASE("machine, show and expect announce nothing") {
    CHECK(mentions(error_of("show ranges -> EINVAL"), "takes no ->"));
    CHECK(mentions(error_of("show pages A 4K -> EINVAL"), "takes no ->"));
    CHECK(mentions(error_of("expect ranges 0 -> EINVAL"), "takes no ->"));
    CHECK_FALSE(parse("machine ram=1G -> EINVAL", true));
  }

  TEST_CASE("show and expect take what the page lists") {
    using subject = show_command::subject;
    CHECK(get<show_command>("show ranges").what == subject::ranges);
    CHECK(get<show_command>("show notifiers").what == subject::notifiers);
    CHECK(get<show_command>("show vmas").what == subject::vmas);
    CHECK(get<show_command>("show stats").what == subject::exact_stats);
    CHECK(get<show_command>("show stats all").what == subject::all_stats);
    CHECK(get<show_pages_command>("show pages A 8K").size == 8192);
    for (std::string_view const line : {"expect ranges 3", "expect gpu ranges 3", "expect gpu0 ranges 3"}) {
      CHECK(get<expect_ranges_command>(line).count == 3);
      CHECK(get<expect_ranges_command>(line).gpu == 0);
    }
    CHECK(get<expect_ranges_command>("expect gpu1 ranges 3").gpu == 1);
    auto const r = get<expect_range_command>("expect range A+4K A 64K mixed");
    CHECK(r.address == 0x100001000);
    CHECK(r.start == 0x100000000);
    CHECK(r.size == 65536);
    CHECK(r.state == "mixed");
    CHECK(get<expect_no_range_command>("expect no range B").address == 0x200000000);
    CHECK(get<expect_notifiers_command>("expect notifiers 0").count == 0);
    for (std::string_view const kind : {"none", "ram", "vram0", "vram1"})
      CHECK(get<expect_pages_command>("expect pages A 4K " + std::string(kind)).kind == kind);
  }

  TEST_CASE("expect stat knows every statistic and every comparison") {
    using comparison = expect_stat_command::comparison;
    for (std::string_view const name :
         {"gpu_faults", "gpu_fault_retries", "ranges_created", "ranges_removed", "notifiers_created",
          "notifiers_removed", "migrations_to_vram", "migrations_to_ram", "migrations_failed", "bytes_to_vram",
          "bytes_to_ram", "bytes_peer", "dma_mapped_pages", "vram_used", "ram_used", "cpu_faults", "invalidations",
          "tlb_flushes"}) {
      auto const e = get<expect_stat_command>("expect stat " + std::string(name) + " == 1");
      CHECK(e.name == name);
    }
    CHECK(get<expect_stat_command>("expect stat ram_used == 4K").value == 4096);
    CHECK(get<expect_stat_command>("expect stat ram_used == 1").op == comparison::equal);
    CHECK(get<expect_stat_command>("expect stat ram_used != 1").op == comparison::not_equal);
    CHECK(get<expect_stat_command>("expect stat ram_used < 1").op == comparison::less);
    CHECK(get<expect_stat_command>("expect stat ram_used <= 1").op == comparison::less_equal);
    CHECK(get<expect_stat_command>("expect stat ram_used > 1").op == comparison::greater);
    CHECK(get<expect_stat_command>("expect stat ram_used >= 1").op == comparison::greater_equal);
  }

  TEST_CASE("machine is the first command or an error") {
    auto const c = parse("machine ram=64M chunks=64K,4K ram=32M", true);
    REQUIRE(c);
    auto const* const m = std::get_if<machine_command>(&c->what);
    REQUIRE(m);
    CHECK(m->settings == std::vector<std::string>{"ram=64M", "chunks=64K,4K", "ram=32M"});
    CHECK(mentions(error_of("machine ram=64M", false), "after the first command"));
    CHECK(mentions(error_of("machine", true), "missing"));
    CHECK(mentions(error_of("machine ram=64M oops", true), "'oops'"));
  }

  TEST_CASE("a GPU that does not exist is an error of the input") {
    for (std::string_view const line : {"gpu2 read A", "gpu63 write A 1", "gpu2", "gpu99999999999999999999 read A",
                                        "gpu00 read A", "gpu2 reset", "@C1 gpu2 read A", "expect gpu2 ranges 0",
                                        "expect pages A 4K vram2", "expect pages A 4K vram18446744073709551616"}) {
      CAPTURE(line);
      CHECK(mentions(error_of(line), "does not exist, this machine has gpus=2"));
    }
    for (std::string_view const line : {"gpu1 read A", "expect gpu1 ranges 0", "expect pages A 4K vram1"}) {
      CAPTURE(line);
      CHECK(parse(line));
      CHECK_FALSE(parse(line, false, 1));
    }
  }

  TEST_CASE("a line of another form is refused") {
    for (std::string_view const line : {"frob",
                                        "GC",
                                        "gc 1",
                                        "gc -> ",
                                        "gc ->",
                                        "gc -> FOO",
                                        "gc -> einval",
                                        "gc ->EINVAL",
                                        "gc -> EINVAL EINVAL",
                                        "gc -> EINVAL -> EINVAL",
                                        "-> EINVAL",
                                        "= 1",
                                        "tick",
                                        "tick x",
                                        "tick -1",
                                        "tick 1 1",
                                        "mmap",
                                        "mmap C",
                                        "mmap 1C 4K",
                                        "mmap C-D 4K",
                                        "mmap C x",
                                        "mmap C 4K x",
                                        "mmap C 4K wr",
                                        "mmap C 4K anon rw",
                                        "mmap C 4K at=A rw",
                                        "mmap C 4K at=",
                                        "mmap C 4K at=C",
                                        "mmap C 4K at=Z",
                                        "mmap C 4K at = A",
                                        "mmap C 4K r r",
                                        "mmap C 4K file shared",
                                        "mmap C 4K at=A at=A",
                                        "mmap C 4K AT=A",
                                        "munmap",
                                        "munmap A",
                                        "munmap A x",
                                        "munmap Z 4K",
                                        "munmap A 4K 4K",
                                        "munmap A+ 4K",
                                        "munmap A + 4K",
                                        "mprotect A 4K",
                                        "mprotect A 4K w",
                                        "mprotect A 4K rwx",
                                        "mprotect r A 4K",
                                        "madvise A 4K",
                                        "madvise A 4K willneed",
                                        "madvise dontneed A 4K",
                                        "madvise A 4K hugepages",
                                        "madvise A 4K hugepage dontneed",
                                        "mremap",
                                        "mremap A",
                                        "mremap A 4K",
                                        "mremap A 4K x",
                                        "mremap Z 4K 4K",
                                        "mremap A 4K 4K 4K",
                                        "mremap A 4K 4K B",
                                        "mremap A 4K 4K to=",
                                        "mremap A 4K 4K to=Z",
                                        "mremap A 4K 4K to= B",
                                        "mremap A 4K 4K at=B",
                                        "mremap A 4K 4K to=B dontunmap",
                                        "mremap A 4K 4K dontunmap dontunmap",
                                        "mremap A 4K 4K to=B to=B",
                                        "fork",
                                        "fork 1C",
                                        "fork @C",
                                        "fork C D",
                                        "fork C-1",
                                        "exit",
                                        "exit @C1",
                                        "exit C1 C2",
                                        "exit 1",
                                        "cpu",
                                        "cpu read",
                                        "cpu read A =",
                                        "cpu read A = x",
                                        "cpu read A 1",
                                        "cpu read A == 1",
                                        "cpu read A =1",
                                        "cpu read A -> EINVAL = 1",
                                        "cpu read A = 1 = 1",
                                        "cpu write A",
                                        "cpu write A = 1",
                                        "cpu write A B",
                                        "cpu write A 1 2",
                                        "cpu fill A 4K",
                                        "cpu fill A 4K 1 2",
                                        "cpu check A 4K",
                                        "cpu check A 4K = 1",
                                        "cpu prefetch A 4K",
                                        "cpu evict A",
                                        "cpu atomic_add A 1",
                                        "cpu reset",
                                        "cpux read A",
                                        "gpu",
                                        "gpu 0 read A",
                                        "gpux read A",
                                        "gpu-1 read A",
                                        "GPU read A",
                                        "gpu read",
                                        "gpu prefetch A",
                                        "gpu prefetch A 4K gpu",
                                        "gpu prefetch A 4K vram0",
                                        "gpu prefetch A 4K ram vram",
                                        "gpu evict",
                                        "gpu evict A all",
                                        "gpu evict all A",
                                        "gpu evict everything",
                                        "gpu frob",
                                        "gpu atomic_add",
                                        "gpu atomic_add A",
                                        "gpu atomic_add A = 1",
                                        "gpu atomic_add A B",
                                        "gpu atomic_add A 1 2",
                                        "gpu atomic_add A 1 = 2",
                                        "gpu reset all",
                                        "gpu reset A",
                                        "fail",
                                        "fail copy",
                                        "fail copy 0",
                                        "fail copy x",
                                        "fail copy 1 2",
                                        "fail oom 1",
                                        "show",
                                        "show all",
                                        "show range",
                                        "show ranges all",
                                        "show stats every",
                                        "show stats all all",
                                        "show pages",
                                        "show pages A",
                                        "show pages A 4K 4K",
                                        "show vmas A",
                                        "expect",
                                        "expect range",
                                        "expect range A",
                                        "expect range A A 4K",
                                        "expect range A A 4K gone",
                                        "expect range A A 4K vram0",
                                        "expect range A A 4K ram read-only",
                                        "expect ranges",
                                        "expect ranges == 1",
                                        "expect ranges A",
                                        "expect no",
                                        "expect no ranges A",
                                        "expect no range",
                                        "expect notifiers",
                                        "expect gpu0 notifiers 1",
                                        "expect gpu1 range A A 4K ram",
                                        "expect gpu0",
                                        "expect gpux ranges 1",
                                        "expect pages A 4K",
                                        "expect pages A 4K vram",
                                        "expect pages A 4K swap",
                                        "expect pages A 4K ram ram",
                                        "expect stat",
                                        "expect stat ram_used",
                                        "expect stat ram_used ==",
                                        "expect stat ram_used 1",
                                        "expect stat ram_used = 1",
                                        "expect stat ram_used => 1",
                                        "expect stat ram == 1",
                                        "expect vmas 1"}) {
      CAPTURE(line);
      CHECK_FALSE(parse(line));
      CHECK_FALSE(error_of(line).empty());
    }
  }

  TEST_CASE("every line that lacks its last word, or has one more, is refused") {
    for (std::string const line : {"mmap C 4K rw anon at=A",
                                   "munmap A 4K",
                                   "mprotect A 4K r",
                                   "madvise A 4K dontneed",
                                   "mremap A 4K 8K to=B",
                                   "fork C",
                                   "exit C1",
                                   "@C1 munmap A 4K",
                                   "gpu atomic_add A 1",
                                   "gpu1 reset",
                                   "cpu write A 1",
                                   "cpu fill A 4K 1",
                                   "gpu check A 4K 1",
                                   "gpu prefetch A 4K ram",
                                   "tick 1",
                                   "fail copy 1",
                                   "show pages A 4K",
                                   "expect range A A 4K ram",
                                   "expect no range A",
                                   "expect pages A 4K ram",
                                   "expect stat ram_used == 1"}) {
      CAPTURE(line);
      CHECK(parse(line));
      CHECK_FALSE(parse(line + " junk"));
      CHECK_FALSE(parse(line + " 1"));
      CHECK_FALSE(parse(line + "\r"));
      bool const last_is_optional =
          line.starts_with("mmap") || line.starts_with("mremap") || line.starts_with("gpu prefetch");
      if (!last_is_optional) CHECK_FALSE(parse(line.substr(0, line.rfind(' '))));
    }
  }

  TEST_CASE("the message of a wrong line is one line, says what is wrong, and gives the form of the command") {
    std::string const text = error_of("cpu fill A 4\n\x01 7");
    CHECK(text.find('\n') == std::string::npos);
    CHECK(mentions(text, "SIZE"));
    CHECK(mentions(text, "is not a number"));
    CHECK(mentions(text, "expected: cpu|gpuN fill ADDR SIZE VALUE"));
  }
}

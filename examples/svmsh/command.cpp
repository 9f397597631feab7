// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "command.hpp"

#include "command_forms.hpp"
#include "line_parser.hpp"
#include "options.hpp"
#include "parsers.hpp"
#include "suggest.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace svmsh {

namespace {

constexpr auto errors = std::to_array<choice<outcome>>({{"EINVAL", "EINVAL"},
                                                        {"EFAULT", "EFAULT"},
                                                        {"ENOENT", "ENOENT"},
                                                        {"EPERM", "EPERM"},
                                                        {"EACCES", "EACCES"},
                                                        {"ENOMEM", "ENOMEM"},
                                                        {"EBUSY", "EBUSY"},
                                                        {"EAGAIN", "EAGAIN"},
                                                        {"ETIME", "ETIME"},
                                                        {"EOPNOTSUPP", "EOPNOTSUPP"},
                                                        {"EEXIST", "EEXIST"},
                                                        {"ENODEV", "ENODEV"},
                                                        {"SIGBUS", "SIGBUS"},
                                                        {"ENODATA", "ENODATA"},
                                                        {"SIGSEGV", "SIGSEGV"}});

constexpr auto protections = std::to_array<choice<protection>>(
    {{"r", protection::read}, {"rw", protection::read_write}, {"none", protection::none}});

constexpr auto kinds = std::to_array<choice<mapping_kind>>({{"anon", mapping_kind::anon},
                                                            {"file", mapping_kind::file},
                                                            {"shared", mapping_kind::shared},
                                                            {"hugetlb", mapping_kind::hugetlb}});

constexpr auto advices = std::to_array<choice<advice>>(
    {{"dontneed", advice::dontneed}, {"hugepage", advice::hugepage}, {"nohugepage", advice::nohugepage}});

constexpr auto memory_advices = std::to_array<choice<memory_advice>>({{"preferred", memory_advice::preferred},
                                                                      {"accessed", memory_advice::accessed},
                                                                      {"duplicate", memory_advice::duplicate},
                                                                      {"discard", memory_advice::discard}});

constexpr auto targets =
    std::to_array<choice<prefetch_target>>({{"ram", prefetch_target::ram}, {"vram", prefetch_target::vram}});

constexpr auto failures = std::to_array<choice<failure_kind>>({{"alloc", failure_kind::alloc},
                                                               {"ram", failure_kind::ram},
                                                               {"dma_map", failure_kind::dma_map},
                                                               {"copy", failure_kind::copy},
                                                               {"populate", failure_kind::populate},
                                                               {"notifier", failure_kind::notifier}});

action parse_machine(line_parser& p, parse_context const& context) {
  p.set_form("machine KEY=VALUE ..., as the first command");
  if (!context.first) p.fail("machine after the first command");
  machine_command m;
  machine_options scratch;
  do {
    std::string_view const w = p.word("KEY=VALUE");
    if (p.error()) break;
    p.set_form({});  // assign() says what it expects
    if (std::optional<bad_input> const wrong = assign(scratch, w)) p.fail(wrong->text);
    m.settings.emplace_back(w);
  } while (!p.at_end());
  return m;
}

action parse_mmap(line_parser& p, parse_context const& context) {
  mmap_command m;
  std::string_view const name = p.word("NAME");
  if (!p.error() && !is_name(name)) p.fail(quoted(name) + " is not a name");
  if (context.names.contains(name)) p.fail("the name " + quoted(name) + " is already bound");
  m.name = name;
  m.size = p.number("SIZE");
  m.access = p.accept_one(protections).value_or(m.access);
  m.kind = p.accept_one(kinds).value_or(m.kind);
  m.at = p.accept_address("at=");
  return m;
}

action parse_munmap(line_parser& p, parse_context const&) {
  return munmap_command{.address = p.address("ADDR"), .size = p.number("SIZE")};
}

action parse_mprotect(line_parser& p, parse_context const&) {
  return mprotect_command{
      .address = p.address("ADDR"), .size = p.number("SIZE"), .access = p.one_of("a protection", protections)};
}

action parse_mremap(line_parser& p, parse_context const&) {
  system::mremap_arguments m{
      .address = p.address("ADDR"), .old_size = p.number("OLD_SIZE"), .new_size = p.number("NEW_SIZE"), .to = {}};
  m.dontunmap = p.accept("dontunmap");
  m.to = p.accept_address("to=");
  return mremap_command{m};
}

action parse_madvise(line_parser& p, parse_context const&) {
  return madvise_command{
      .address = p.address("ADDR"), .size = p.number("SIZE"), .what = p.one_of("an advice", advices)};
}

action parse_fork(line_parser& p, parse_context const& context) {
  std::string_view const name = p.word("CHILD");
  if (!p.error() && !is_name(name)) p.fail(quoted(name) + " is not a name");
  if (context.children.contains(name)) p.fail("the child " + quoted(name) + " is already bound");
  return fork_command{std::string(name)};
}

/// The process of a child that is alive.
process_id running_child(line_parser& p, parse_context const& context, std::string_view name) {
  if (p.error()) return first_process;
  auto const known = context.children.find(name);
  if (known == context.children.end()) {
    p.fail("there is no child " + quoted(name) + ", expected one that fork has bound");
    return first_process;
  }
  if (known->second.exited) p.fail("the child " + quoted(name) + " has exited");
  return known->second.process;
}

action parse_exit(line_parser& p, parse_context const& context) {
  std::string_view const name = p.word("CHILD");
  running_child(p, context, name);
  return exit_command{std::string(name)};
}

action parse_evict(line_parser& p, agent by) {
  if (p.accept("all")) return evict_command{.by = by, .address = {}};
  return evict_command{.by = by, .address = p.address("ADDR or all")};
}

action parse_prefetch(line_parser& p, agent by) {
  prefetch_command c{.by = by, .address = p.address("ADDR"), .size = p.number("SIZE")};
  c.target = p.accept_one(targets).value_or(c.target);
  return c;
}

action parse_read(line_parser& p, agent by) {
  read_command c{.by = by, .address = p.address("ADDR"), .expected = {}};
  if (p.accept("=")) c.expected = p.number("VALUE");
  return c;
}

struct access_verb {
  std::string_view word;
  std::string_view form;
  bool of_cpu;
  action (*parse)(line_parser&, agent);
};

/// Words are for GPUs whose faults are replayed, and no word is for queues.
void check_advice(line_parser& p, parse_context const& context, action const& made) {
  auto const* const a = std::get_if<advise_command>(&made);
  bool const is_understood = p.at_end() || p.peek() == "->";  // else the word that is not is complained of
  if (a == nullptr || !is_understood || a->what.has_value() == context.faults) return;
  p.fail(context.faults ? "this machine has faults=on, and 'advise' without a word is for queues"
                        : "this machine has faults=off, and words behind 'advise' are for faults");
}

constexpr access_verb access_verbs[] = {
    {"read", form_of("cpu|gpuN read"), true, parse_read},
    {"write", form_of("cpu|gpuN write"), true,
     [](line_parser& p, agent by) -> action {
       return write_command{.by = by, .address = p.address("ADDR"), .value = p.number("VALUE")};
     }},
    {"fill", form_of("cpu|gpuN fill"), true,
     [](line_parser& p, agent by) -> action {
       return fill_command{
           .by = by, .address = p.address("ADDR"), .size = p.number("SIZE"), .value = p.number("VALUE")};
     }},
    {"check", form_of("cpu|gpuN check"), true,
     [](line_parser& p, agent by) -> action {
       return check_command{
           .by = by, .address = p.address("ADDR"), .size = p.number("SIZE"), .value = p.number("VALUE")};
     }},
    {"atomic_add", form_of("gpuN atomic_add"), false,
     [](line_parser& p, agent by) -> action {
       return atomic_add_command{.by = by, .address = p.address("ADDR"), .value = p.number("VALUE")};
     }},
    {"prefetch", form_of("gpuN prefetch"), false, parse_prefetch},
    {"evict", form_of("gpuN evict"), false, parse_evict},
    {"advise", form_of("gpuN advise"), false,
     [](line_parser& p, agent by) -> action {
       return advise_command{
           .by = by, .address = p.address("ADDR"), .size = p.number("SIZE"), .what = p.accept_one(memory_advices)};
     }},
    {"reset", form_of("gpuN reset"), false,
     [](line_parser&, agent by) -> action { return reset_command{.gpu = *by.gpu}; }},
};

action parse_access(line_parser& p, parse_context const& context, agent by) {
  bool const cpu = !by.gpu;
  p.set_form(cpu ? "cpu read|write|fill|check ..."
                 : "gpuN read|write|fill|check|atomic_add|prefetch|evict|advise|reset ...");
  std::string_view const verb = p.word("what to do");
  for (access_verb const& v : access_verbs) {
    if (v.word != verb || (cpu && !v.of_cpu)) continue;
    p.set_form(v.form);
    action made = v.parse(p, by);
    check_advice(p, context, made);
    return made;
  }
  std::vector<std::string_view> known;
  for (access_verb const& v : access_verbs)
    if (v.of_cpu || !cpu) known.push_back(v.word);
  p.fail((cpu ? "cpu has no " : "a GPU has no ") + quoted(verb) + did_you_mean(verb, known));
  return gc_command{};
}

action parse_fail(line_parser& p, parse_context const&) {
  fail_command const f{.kind = p.one_of("a kind of failure", failures), .nth = p.number("NTH")};
  if (f.nth == 0) p.fail("NTH is 0, the first is 1");
  return f;
}

struct verb {
  std::string_view word;
  std::string_view form;
  bool may_announce;
  action (*parse)(line_parser&, parse_context const&);
};

constexpr verb verbs[] = {
    {"machine", form_of("machine"), false, parse_machine},
    {"mmap", form_of("mmap"), true, parse_mmap},
    {"munmap", form_of("munmap"), true, parse_munmap},
    {"mprotect", form_of("mprotect"), true, parse_mprotect},
    {"mremap", form_of("mremap"), true, parse_mremap},
    {"madvise", form_of("madvise"), true, parse_madvise},
    {"fork", form_of("fork"), true, parse_fork},
    {"exit", form_of("exit"), true, parse_exit},
    {"gc", form_of("gc"), true, [](line_parser&, parse_context const&) -> action { return gc_command{}; }},
    {"tick", form_of("tick"), true,
     [](line_parser& p, parse_context const&) -> action { return tick_command{.ms = p.number("MS")}; }},
    {"fail", form_of("fail"), true, parse_fail},
    {"show", "show ranges|notifiers|vmas|stats [all]|pages ADDR SIZE", false,
     [](line_parser& p, parse_context const&) { return parse_show(p); }},
    {"expect", "expect [gpuN] ranges|range|no range|notifiers|pages|stat ...", false,
     [](line_parser& p, parse_context const& context) { return parse_expect(p, context); }},
};

action parse_verb(line_parser& p, parse_context const& context, process_id whose, bool& may_announce) {
  std::string_view const word = p.word("a command");
  may_announce = true;
  if (word == "cpu") return parse_access(p, context, {.process = whose, .gpu = {}});
  if (std::optional<std::size_t> const number = gpu_number(word)) {
    require_gpu(p, context, word, *number);
    return parse_access(p, context, {.process = whose, .gpu = *number});
  }
  for (verb const& v : verbs) {
    if (v.word != word) continue;
    may_announce = v.may_announce;
    p.set_form(v.form);
    return v.parse(p, context);
  }
  std::vector<std::string_view> known = {"cpu", "gpu"};
  for (verb const& v : verbs) known.push_back(v.word);
  std::string const hint = did_you_mean(word, known);
  p.fail("there is no command " + quoted(word) + (hint.empty() ? ", expected one of svmsh help run" : hint));
  return gc_command{};
}

/// Takes the `@CHILD` that a command may start with.
process_id parse_whose(line_parser& p, parse_context const& context) {
  if (!p.peek().starts_with('@')) return first_process;
  p.set_form("@CHILD COMMAND ...");
  process_id const whose = running_child(p, context, p.word("@CHILD").substr(1));
  if (p.peek() == "machine") p.fail("machine concerns no child");
  return whose;
}

}  // namespace

parsed<command> parse_command(std::span<std::string_view const> words, parse_context const& context) {
  line_parser p(words, context.names);
  process_id const whose = parse_whose(p, context);
  bool may_announce = true;
  action what = parse_verb(p, context, whose, may_announce);
  outcome announced;
  if (p.peek() == "->") {
    if (!may_announce) p.fail("this command takes no ->");
    p.word("->");
    announced = p.one_of("the name of an error", errors);
  }
  if (!p.at_end()) p.fail("there is an unexpected " + quoted(p.peek()));
  if (p.error()) return *p.error();
  return command{.process = whose, .what = std::move(what), .announced = announced};
}

}  // namespace svmsh

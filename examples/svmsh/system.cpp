// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "system.hpp"

#include "shell_machine.hpp"

#include <cstring>
#include <span>
#include <utility>

namespace svmsh {

namespace mock = svm::mock;
using machine = shell_machine;

namespace {

constexpr std::uint64_t word_bytes = sizeof(std::uint64_t);

outcome to_outcome(mock::sys s) {
  switch (s) {
    case mock::sys::ok:
      return {};
    case mock::sys::einval:
      return "EINVAL";
    case mock::sys::enomem:
      return "ENOMEM";
    case mock::sys::eexist:
      return "EEXIST";
    case mock::sys::sigsegv:
      return "SIGSEGV";
    case mock::sys::sigbus:
      return "SIGBUS";
  }
  return "EINVAL";
}
outcome to_outcome(svm::errc e) {
  return e == svm::errc::ok ? outcome{} : outcome{svm::errno_name(e)};
}

mock::protection to_mock(protection p) {
  return static_cast<mock::protection>(p);
}
mock::mapping_kind to_mock(mapping_kind k) {
  return static_cast<mock::mapping_kind>(k);
}

bool is_page_multiple(std::uint64_t n) {
  return n % mock::page_bytes == 0;
}
bool is_user_span(std::uint64_t address, std::uint64_t size) {
  return mock::is_user_span(svm::cpu_va{address}, svm::byte_count{size});
}

svm::va_range const everything{svm::cpu_va{}, svm::byte_count{UINT64_MAX}};

}  // namespace

struct system::implementation {
  implementation(std::unique_ptr<machine> made, bool collect)
      : machine_(std::move(made)), computer(*machine_), gc_auto(collect) {}

  /// Looks at everything after a command, or, where that is much, after as many commands as make it worth while.
  void check() {
    constexpr std::uint64_t entries_a_command = 4096;
    budget += entries_a_command;
    if (budget < entries) return;
    budget = 0;
    entries = 0;
    computer.process.for_each_entry({svm::cpu_va{}, svm::byte_count{mock::user_end}},
                                    [&](svm::cpu_va, mock::pte const&) { ++entries; });
    computer.check_quiet();
  }

  std::unique_ptr<machine> const machine_;
  machine& computer;
  bool const gc_auto;
  std::uint64_t entries = 0;
  std::uint64_t budget = 0;
};

std::variant<std::unique_ptr<system>, std::string> system::create(machine_options const& options) {
  auto made = make_machine(options);
  if (auto const* const refusal = std::get_if<std::string>(&made)) return *refusal;
  auto computer = std::get<std::unique_ptr<machine>>(std::move(made));
  return std::unique_ptr<system>{new system{std::make_unique<implementation>(std::move(computer), options.gc_auto)}};
}

system::system(std::unique_ptr<implementation> self) : self_(std::move(self)) {}
system::~system() = default;

system::mmap_result system::mmap(std::uint64_t size, protection allowed, mapping_kind kind,
                                 std::optional<std::uint64_t> at) {
  std::optional<svm::cpu_va> where;
  if (at) where = svm::cpu_va{*at};
  auto const mapped = self_->computer.process.mmap({size}, to_mock(allowed), to_mock(kind), where);
  return {to_outcome(mapped.error), mapped.at.value};
}
outcome system::munmap(std::uint64_t address, std::uint64_t size) {
  return to_outcome(self_->computer.process.munmap({address}, {size}));
}
outcome system::mprotect(std::uint64_t address, std::uint64_t size, protection allowed) {
  return to_outcome(self_->computer.process.mprotect({address}, {size}, to_mock(allowed)));
}
outcome system::madvise_dontneed(std::uint64_t address, std::uint64_t size) {
  return to_outcome(self_->computer.process.madvise_dontneed({address}, {size}));
}

outcome system::read(agent who, std::uint64_t address, std::uint64_t& value) {
  if (address % word_bytes != 0) return "EINVAL";
  std::byte word[word_bytes];
  outcome const e = who == agent::cpu ? to_outcome(self_->computer.process.load({address}, word))
                                      : to_outcome(self_->computer.gpu_load({address}, word));
  if (e.empty()) std::memcpy(&value, word, word_bytes);
  return e;
}
outcome system::write(agent who, std::uint64_t address, std::uint64_t value) {
  if (address % word_bytes != 0) return "EINVAL";
  std::byte word[word_bytes];
  std::memcpy(word, &value, word_bytes);
  return who == agent::cpu ? to_outcome(self_->computer.process.store({address}, word))
                           : to_outcome(self_->computer.gpu_store({address}, word));
}
outcome system::fill(agent who, std::uint64_t address, std::uint64_t size, std::uint64_t value) {
  if (address % word_bytes != 0 || size % word_bytes != 0 || size == 0) return "EINVAL";
  for (std::uint64_t done = 0; done < size; done += word_bytes)
    if (outcome const e = write(who, address + done, value++); !e.empty()) return e;
  return {};
}
system::check_result system::check(agent who, std::uint64_t address, std::uint64_t size, std::uint64_t value) {
  if (address % word_bytes != 0 || size % word_bytes != 0 || size == 0) return {"EINVAL"};
  for (std::uint64_t done = 0; done < size; done += word_bytes, ++value) {
    std::uint64_t found = 0;
    if (outcome const e = read(who, address + done, found); !e.empty()) return {e};
    if (found != value) return {{}, false, address + done, found, value};
  }
  return {};
}

outcome system::prefetch(std::uint64_t address, std::uint64_t size, prefetch_target target) {
  if (!is_page_multiple(address) || !is_page_multiple(size) || size == 0) return "EINVAL";
  if (!is_user_span(address, size)) return "ENOMEM";
  svm::prefetch_place const where = target == prefetch_target::ram    ? svm::prefetch_place::system
                                    : target == prefetch_target::vram ? svm::prefetch_place::device
                                                                      : svm::prefetch_place::as_fault;
  return to_outcome(self_->computer.driver.prefetch({{address}, {size}}, where));
}
outcome system::evict(std::uint64_t address) {
  machine& m = self_->computer;
  mock::pte const entry = m.process.entry_at(svm::cpu_va{address}.align_down(mock::page_size));
  if (entry.what != mock::pte::state::device) return "ENOENT";
  auto const allocation = m.mover.find_slow(entry.target);
  return allocation ? to_outcome(m.mover.evict(*allocation)) : outcome{"ENOENT"};
}
outcome system::evict_all() {
  return to_outcome(self_->computer.mover.evict_all());
}
outcome system::gc() {
  self_->computer.driver.collect_garbage();
  return {};
}
void system::tick(std::uint64_t ms) {
  self_->computer.clock.advance(svm::milliseconds(ms));
}
void system::fail(failure_kind kind, std::uint64_t nth) {
  self_->computer.failures.arm(static_cast<mock::failure>(kind), nth);
}
void system::command_done() {
  if (self_->gc_auto) self_->computer.driver.collect_garbage();
  self_->check();
}

std::vector<range_line> system::ranges() const {
  std::vector<range_line> lines;
  self_->computer.driver.svm().for_each_range(everything, [&](auto const& r) {
    auto const& pages = r.mapping();
    bool const valid = pages.has(svm::page_flag::valid);
    lines.push_back({r.interval().start().value, r.interval().last().value,
                     !valid                              ? "none"
                     : pages.has(svm::page_flag::device) ? "vram"
                                                         : "ram",
                     valid && pages.has(svm::page_flag::read_only), r.has(svm::range_flag::unmapped),
                     r.has(svm::range_flag::partial_unmap)});
  });
  return lines;
}
std::vector<span_line> system::notifiers() const {
  std::vector<span_line> lines;
  auto& svm = self_->computer.driver.svm();
  svm.for_each_notifier(everything, [&](auto& n) {
    lines.push_back({n.interval().start().value, n.interval().last().value, "ranges=" + std::to_string(n.size())});
  });
  return lines;
}
std::vector<span_line> system::vmas() const {
  std::vector<span_line> lines;
  for (auto const& [start, v] : self_->computer.process.vmas().all())
    lines.push_back({start, v.extent.last().value, std::string{name(v.allowed)} + " " + std::string{name(v.kind)}});
  return lines;
}
outcome system::pages(std::uint64_t address, std::uint64_t size, std::vector<span_line>& out) const {
  if (!is_page_multiple(address) || !is_page_multiple(size) || size == 0) return "EINVAL";
  if (!is_user_span(address, size)) return "ENOMEM";
  svm::va_range const span{{address}, {size}};
  std::uint64_t next = address;  // the first page that no run covers yet
  auto const add = [&](std::uint64_t start, std::uint64_t last, char const* kind) {
    if (!out.empty() && out.back().text == kind && out.back().last + 1 == start)
      out.back().last = last;
    else
      out.push_back({start, last, kind});
  };
  self_->computer.process.for_each_entry(span, [&](svm::cpu_va at, mock::pte const& e) {
    if (at.value != next) add(next, at.value - 1, "none");
    next = at.value + mock::page_bytes;
    add(at.value, next - 1, e.what == mock::pte::state::device ? "vram0" : "ram");
  });
  if (next != address + size) add(next, address + size - 1, "none");
  return {};
}

std::vector<stat_line> system::stats() const {
  return statistics_of(self_->computer);
}

std::vector<std::string> system::audit() {
  return self_->computer.audit();
}

}  // namespace svmsh

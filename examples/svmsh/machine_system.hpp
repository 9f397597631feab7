// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "machine_outcomes.hpp"
#include "machine_statistics.hpp"
#include "page_sizes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace svmsh {

/// The machine with pages of one size.
template <std::size_t PageBytes>
class machine_system final : public system {
 public:
  using machine = shell_machine<PageBytes>;
  using task = typename machine::task;

  machine_system(std::unique_ptr<machine> made, bool collect)
      : computer_(std::move(made)), gc_auto_(collect), tasks_{&computer_->first()} {}

  std::uint64_t page_size() const override { return PageBytes; }

  mmap_result mmap(process_id who, std::uint64_t size, protection allowed, mapping_kind kind,
                   std::optional<std::uint64_t> at) override {
    auto const mapped = process(who).mmap({size}, to_mock(allowed), to_mock(kind), to_place(at));
    return {to_outcome(mapped.error), mapped.at.value};
  }
  outcome munmap(process_id who, std::uint64_t address, std::uint64_t size) override {
    return to_outcome(process(who).munmap({address}, {size}));
  }
  outcome mprotect(process_id who, std::uint64_t address, std::uint64_t size, protection allowed) override {
    return to_outcome(process(who).mprotect({address}, {size}, to_mock(allowed)));
  }
  outcome mremap(process_id who, mremap_arguments const& m) override {
    return to_outcome(process(who).mremap({m.address}, {m.old_size}, {m.new_size}, m.dontunmap, to_place(m.to)).error);
  }
  outcome madvise(process_id who, std::uint64_t address, std::uint64_t size, advice what) override {
    return to_outcome(process(who).madvise({address}, {size}, to_mock(what)));
  }

  fork_result fork(process_id parent) override {
    task& child = computer_->fork(*tasks_[parent]);
    if (child.process.users() == 0) {
      end(child);
      return {"ENOMEM"};
    }
    tasks_.push_back(&child);
    return {{}, tasks_.size() - 1};
  }
  void exit(process_id who) override { end(*std::exchange(tasks_[who], nullptr)); }

  outcome read(agent by, std::uint64_t address, std::uint64_t& value) override {
    if (address % word_bytes != 0) return "EINVAL";
    std::byte word[word_bytes];
    outcome const e = load(by, address, word);
    if (e.empty()) std::memcpy(&value, word, word_bytes);
    return e;
  }
  outcome write(agent by, std::uint64_t address, std::uint64_t value) override {
    if (address % word_bytes != 0) return "EINVAL";
    std::byte word[word_bytes];
    std::memcpy(word, &value, word_bytes);
    return store(by, address, word);
  }
  outcome fill(agent by, std::uint64_t address, std::uint64_t size, std::uint64_t value) override {
    if (!is_word_span(address, size)) return "EINVAL";
    std::vector<std::byte> page(PageBytes);
    for (std::uint64_t done = 0; done < size;) {
      std::span const part = std::span{page}.first(part_of_page(address + done, size - done));
      for (std::size_t at = 0; at < part.size(); at += word_bytes, ++value) std::memcpy(&part[at], &value, word_bytes);
      if (outcome const e = store(by, address + done, part); !e.empty()) return e;
      done += part.size();
    }
    return {};
  }
  check_result check(agent by, std::uint64_t address, std::uint64_t size, std::uint64_t value) override {
    if (!is_word_span(address, size)) return {"EINVAL"};
    std::vector<std::byte> page(PageBytes);
    for (std::uint64_t done = 0; done < size;) {
      std::span const part = std::span{page}.first(part_of_page(address + done, size - done));
      if (outcome const e = load(by, address + done, part); !e.empty()) return {e};
      for (std::size_t at = 0; at < part.size(); at += word_bytes, ++value) {
        std::uint64_t found = 0;
        std::memcpy(&found, &part[at], word_bytes);
        if (found != value) return {{}, false, address + done + at, found, value};
      }
      done += part.size();
    }
    return {};
  }

  outcome atomic_add(agent by, std::uint64_t address, std::uint64_t value) override {
    if (address % word_bytes != 0) return "EINVAL";
    std::uint64_t old = 0;
    return of_access(by, computer_->gpu_atomic_add(*tasks_[by.process], *by.gpu, {address}, value, old));
  }
  outcome prefetch(agent by, std::uint64_t address, std::uint64_t size, prefetch_target target) override {
    if (outcome const e = judge_span(address, size, PageBytes); !e.empty()) return e;
    svm::va_range const span{{address}, {size}};
    auto& v = view(by);
    return to_outcome(v.queues ? v.queues->prefetch(span, to_mock(target)) : v.driver.prefetch(span, to_mock(target)));
  }
  outcome advise(agent by, std::uint64_t address, std::uint64_t size, std::optional<memory_advice> what) override {
    if (outcome const e = judge_span(address, size, PageBytes); !e.empty()) return e;
    svm::va_range const span{{address}, {size}};
    auto& v = view(by);
    if (!what) return to_outcome(v.queues->keep(span));
    if (!v.blocks) return to_outcome(svm::errc::unsupported);
    switch (*what) {
      case memory_advice::preferred:
        return prefer(by, span);
      case memory_advice::accessed:
        return to_outcome(v.blocks->set_accessed_by(span, true));
      case memory_advice::discard:
        return to_outcome(v.blocks->discard(span));
      case memory_advice::duplicate:
        return to_outcome(v.blocks->set_read_duplicated(span, true));
    }
    return to_outcome(svm::errc::unsupported);
  }
  outcome evict(agent by, std::uint64_t address) override {
    auto const entry = process(by.process).entry_at(svm::cpu_va{address}.align_down(svm::byte_count{PageBytes}));
    if (entry.what != svm::mock::pte::state::device) return "ENOENT";
    auto& mover = computer_->gpu_card(*by.gpu).mover;
    auto const allocation = computer_->allocation_of(entry.target);
    if (!allocation || &allocation->owner() != &mover) return "ENOENT";
    return to_outcome(mover.evict(*allocation));
  }

  outcome evict_all(std::size_t gpu) override { return to_outcome(computer_->gpu_card(gpu).mover.evict_all()); }
  void reset(std::size_t gpu) override { computer_->reset(gpu); }
  void gc(process_id who) override { collect(*tasks_[who]); }
  void tick(std::uint64_t ms) override { computer_->clock.advance(time_to_pass(computer_->clock.now(), ms)); }
  void fail(failure_kind kind, std::uint64_t nth) override { computer_->failures.arm(to_mock(kind), nth); }
  void command_done() override {
    if (gc_auto_)
      for (task* const t : tasks_)
        if (t != nullptr) collect(*t);
    for (task* const t : tasks_)
      if (t != nullptr) restore(*t);
    for (task* const t : tasks_)
      if (t != nullptr) end_pins(*t);
    computer_->check_call();
  }

  std::vector<range_line> ranges(process_id who) override {
    std::vector<range_line> lines;
    for (std::size_t gpu = 0; gpu < computer_->gpus(); ++gpu)
      tasks_[who]->views[gpu]->in_charge().svm().for_each_range(everywhere, [&](auto const& r) {
        mapped_pages const now = look_at(r);
        lines.push_back({gpu, r.interval().start().value, r.interval().last().value,
                         state_of(now.valid, now.device, now.system), now.read_only, r.has(svm::range_flag::unmapped),
                         r.has(svm::range_flag::partial_unmap)});
      });
    return lines;
  }
  std::vector<notifier_line> notifiers(process_id who) override {
    std::vector<notifier_line> lines;
    for (std::size_t gpu = 0; gpu < computer_->gpus(); ++gpu)
      tasks_[who]->views[gpu]->in_charge().svm().for_each_notifier(everywhere, [&](auto& n) {
        lines.push_back({gpu, n.interval().start().value, n.interval().last().value, n.size()});
      });
    return lines;
  }
  std::vector<span_line> vmas(process_id who) override {
    std::vector<span_line> lines;
    for (auto const& [start, v] : process(who).vmas().all())
      lines.push_back({start, v.extent.last().value, std::string{name(v.allowed)} + " " + std::string{name(v.kind)}});
    return lines;
  }
  outcome pages(process_id who, std::uint64_t address, std::uint64_t size, std::vector<span_line>& out) override {
    if (outcome const e = judge_span(address, size, PageBytes); !e.empty()) return e;
    std::uint64_t next = address;  // the first page that no run covers yet
    process(who).for_each_entry(svm::va_range{{address}, {size}}, [&](svm::cpu_va at, svm::mock::pte const& entry) {
      if (at.value != next) add_run(out, next, at.value - 1, "none");
      next = at.value + PageBytes;
      add_run(out, at.value, next - 1, place_of(entry));
    });
    if (next != address + size) add_run(out, next, address + size - 1, "none");
    return {};
  }
  std::vector<stat_line> stats() override { return statistics_of<PageBytes>(*computer_); }

  std::vector<std::string> audit() override { return computer_->audit(); }

 private:
  [[nodiscard]] outcome load(agent by, std::uint64_t address, std::span<std::byte> into) {
    return by.gpu ? of_access(by, computer_->gpu_load(*tasks_[by.process], *by.gpu, {address}, into))
                  : to_outcome(process(by.process).load({address}, into));
  }
  /// What one GPU prefers the others leave to it, if they reach it.
  [[nodiscard]] outcome prefer(agent by, svm::va_range span) {
    svm::errc e = view(by).blocks->set_preferred(span, svm::preferred_place::device);
    auto const self = static_cast<unsigned>(*by.gpu);
    for (unsigned n = 0; n < computer_->gpus() && e == svm::errc::ok; ++n)
      if (n != self && computer_->frames.links().reach(n, self))
        e = tasks_[by.process]->views[n]->blocks->set_preferred(span, svm::preferred_place::another);
    return to_outcome(e);
  }
  [[nodiscard]] outcome store(agent by, std::uint64_t address, std::span<std::byte const> from) {
    return by.gpu ? of_access(by, computer_->gpu_store(*tasks_[by.process], *by.gpu, {address}, from))
                  : to_outcome(process(by.process).store({address}, from));
  }
  /// A queue that reaches for what is not mapped for it ends as a CPU's program does.
  [[nodiscard]] outcome of_access(agent by, svm::errc e) {
    return e == svm::errc::no_access && view(by).queues ? outcome{"SIGSEGV"} : to_outcome(e);
  }
  /// Of `size` bytes at `address` those on the first page.
  [[nodiscard]] static std::uint64_t part_of_page(std::uint64_t address, std::uint64_t size) {
    return std::min(size, PageBytes - address % PageBytes);
  }
  [[nodiscard]] auto& process(process_id who) { return tasks_[who]->process; }
  [[nodiscard]] auto& view(agent by) { return *tasks_[by.process]->views[*by.gpu]; }

  /// A process that ends takes its views of the GPUs with it.
  void end(task& t) {
    computer_->exit(t);
    for (auto const& v : t.views) v->in_charge().close();
  }
  void collect(task& of) {
    for (auto const& v : of.views) v->in_charge().collect_garbage();
  }
  /// What a timer does for pages that stayed for a time.
  void end_pins(task& of) {
    for (auto const& v : of.views)
      if (v->blocks) v->blocks->end_due_pins();
  }
  /// What the workers do; where one fails, it is the next access that says so.
  void restore(task& of) {
    for (auto const& v : of.views)
      if (v->queues) static_cast<void>(v->queues->restore());
  }

  [[nodiscard]] std::string place_of(svm::mock::pte const& entry) {
    if (!entry.has_page()) return "none";
    if (entry.what != svm::mock::pte::state::device) return "ram";
    return "vram" + std::to_string(computer_->frames.gpu_of(entry.target));
  }

  std::unique_ptr<machine> const computer_;
  bool const gc_auto_;
  std::vector<task*> tasks_;  // by process_id; null when it has ended
};

template <std::size_t PageBytes>
made_system make_system(machine_options const& options) {
  auto made = make_machine<PageBytes>(options);
  if (std::string* const refusal = std::get_if<std::string>(&made)) return std::move(*refusal);
  return std::make_unique<machine_system<PageBytes>>(
      std::move(*std::get_if<std::unique_ptr<shell_machine<PageBytes>>>(&made)), options.gc_auto);
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <support/machine.hpp>
#include <support/operation.hpp>
#include <support/process_model.hpp>

namespace support::programs {

/// Executes operations on a machine and on a model of what its processes may see, and compares: how every call ends and
/// what every access finds. The oracle of the machine looks at the rest.
class runner {
 public:
  struct limits {
    std::size_t living;      ///< a fork beyond so many processes does nothing
    std::size_t born;        ///< a fork after so many births does nothing
    unsigned look_interval;  ///< operations between two looks of the oracle
  };

  runner(setting const& s, limits const& most);
  runner(runner const&) = delete;
  runner& operator=(runner const&) = delete;

  /// Does nothing when there was a problem before. The operation's process is a number among those
  /// that run.
  void take(operation o);
  /// Reads every word, and ends the machine.
  void finish();

  /// What went wrong first, or nothing.
  [[nodiscard]] std::string const& problem() const { return problem_; }
  [[nodiscard]] std::uint64_t mapped_pages() const { return model_.mapped_pages(); }
  /// A hash of all operations, of how each ended and of the library's events, by value.
  [[nodiscard]] std::uint64_t trace() const { return trace_; }

  /// Called with each operation before it is executed, as a line of a scenario.
  std::function<void(std::string const&)> tell;

 private:
  [[nodiscard]] auto& process(operation const& o) { return tasks_[o.process]->process; }
  [[nodiscard]] auto& driver(operation const& o) { return tasks_[o.process]->views[gpu_of(o)]->driver; }
  [[nodiscard]] static bool is_span(operation const& o) {
    return o.count != 0 && o.first <= model::end_page && o.count <= model::end_page - o.first;
  }
  [[nodiscard]] static svm::va_range span(operation const& o) {
    return {{o.first * model::page_bytes}, {o.count * model::page_bytes}};
  }
  /// True when an armed failure happened since the last question.
  [[nodiscard]] bool failure_struck() {
    return std::exchange(struck_, machine_.failures.struck()) != machine_.failures.struck();
  }
  void fail(std::string const& what) {
    if (problem_.empty()) problem_ = what;
  }
  void expect(bool good, char const* what) {
    if (!good) fail(what);
  }
  void note(std::uint64_t value) { trace_ = (trace_ ^ value) * 0x9e3779b97f4a7c15 + (trace_ >> 29); }
  [[nodiscard]] std::size_t living_process(std::size_t n) const;
  void say(operation const& o, std::string const& outcome = {});
  void say_access(operation const& o);
  void look();
  void collect(std::size_t p);
  void execute(operation const& o);
  void execute_rare(operation const& o);
  void compare(svm::mock::sys got, std::string const& expected, char const* call);

  void map(operation const& o);
  void remap(operation const& o);
  void advise(operation const& o);
  void fork(operation const& o);
  void exit(operation const& o);
  void evict(operation const& o);
  void pin(operation const& o);
  void unpin();
  template <class Visit>
  void for_each_entry(Visit&& visit);
  void reset(operation const& o);
  void unplug(operation const& o);
  void suspend(operation const& o, bool on);
  void access(operation const& o, svm::cpu_va at, bool write);
  [[nodiscard]] bool judge_cpu(svm::mock::sys got, page const* at, bool write);
  [[nodiscard]] bool judge_gpu(operation const& o, svm::errc got, page const* at, svm::cpu_va a, bool write);
  [[nodiscard]] svm::errc denial(operation const& o, page const* at, svm::cpu_va a, bool write) const;
  void atomic(operation const& o);

  setting const setting_;
  limits const most_;
  machine machine_;
  std::vector<machine::task*> tasks_;
  model model_;
  std::vector<std::pair<machine::address_space_type*, svm::mock::page>> pinned_;
  std::vector<std::vector<bool>> suspended_;  ///< by process and GPU
  std::vector<bool> unplugged_;
  std::size_t living_ = 1;
  std::string problem_;
  std::uint64_t struck_ = 0;
  std::uint64_t trace_ = 0;
  unsigned taken_ = 0;
  std::uint64_t names_ = 0;
};

}  // namespace support::programs

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <support/machine.hpp>
#include <support/operation.hpp>
#include <support/other_mappings.hpp>
#include <support/process_model.hpp>

namespace support::programs {

/// How many processes a program may have, and how often the oracle looks.
struct runner_limits {
  std::size_t living;      ///< a fork beyond so many processes does nothing
  std::size_t born;        ///< a fork after so many births does nothing
  unsigned look_interval;  ///< operations between two looks of the oracle
};

/// Executes operations on a machine and on a model of what its processes may see, and compares: how every call ends and
/// what every access finds. The oracle of the machine looks at the rest.
///
/// An access that nothing forbids has to succeed, at the latest when it is repeated with nothing else under way.
template <class Machine>
class basic_runner {
 public:
  basic_runner(setting const& s, runner_limits const& most);
  ~basic_runner();
  basic_runner(basic_runner const&) = delete;
  basic_runner& operator=(basic_runner const&) = delete;

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
  using task = typename Machine::task;
  using gpu_type = typename Machine::gpu_type;
  using policies_type = typename Machine::policies_type;
  using pages_type = svm::device_mapping<policies_type>;
  using buffer = user_buffer<Machine>;
  using guest = attached_mapping<Machine>;

  [[nodiscard]] auto& process(operation const& o) { return tasks_[o.process]->process; }
  [[nodiscard]] auto& view_of(operation const& o) const { return *tasks_[o.process]->views[gpu_of(o)]; }
  [[nodiscard]] auto& driver(operation const& o) const { return view_of(o).in_charge(); }
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
  /// True when something may have failed for want of memory, or since it was told to.
  [[nodiscard]] bool may_fail() { return failure_struck() || is_short_of_memory(setting_); }
  void fail(std::string const& what) {
    if (problem_.empty()) problem_ = what;
  }
  void expect(bool good, char const* what) {
    if (!good) fail(what);
  }
  void note(std::uint64_t value) { trace_ = (trace_ ^ value) * 0x9e3779b97f4a7c15 + (trace_ >> 29); }
  [[nodiscard]] std::size_t living_process(std::size_t n) const;
  [[nodiscard]] operation aimed(operation o) const;
  void say(operation const& o, std::string const& outcome = {});
  void say_access(operation const& o);
  void look();
  void collect(std::size_t p);
  void execute(operation const& o);
  void execute_rare(operation const& o);
  void execute_on_others(operation const& o);
  void compare(svm::mock::sys got, std::string const& expected, char const* call);

  void map(operation const& o);
  void map_same(operation const& o);
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
  void prefetch(operation const& o);
  void keep(operation const& o, bool on);
  void discard(operation o);

  // Accesses, and how they have to end.
  void access(operation const& o, svm::cpu_va at, bool write);
  void atomic(operation const& o);
  void compare_word(std::size_t p, svm::cpu_va a, bool write, std::span<std::byte const, 8> word, std::uint64_t known);
  [[nodiscard]] bool judge_cpu(svm::mock::sys got, page const* at, bool write);
  [[nodiscard]] bool judge_gpu(operation const& o, svm::errc got, bool excused, svm::cpu_va a, svm::access_kind want);
  [[nodiscard]] bool judge_queue(operation const& o, svm::errc got, bool excused, svm::cpu_va a, svm::access_kind want);
  template <class Once>
  [[nodiscard]] bool try_on_gpu(operation const& o, svm::cpu_va a, svm::access_kind want, Once&& once);
  [[nodiscard]] svm::errc denial(operation const& o, page const* at, svm::cpu_va a, svm::access_kind want) const;
  [[nodiscard]] bool needs_device(operation const& o, svm::cpu_va a, svm::access_kind want) const;
  [[nodiscard]] bool is_pinned_near(std::size_t p, svm::cpu_va a);
  [[nodiscard]] bool has_reason(operation const& o, svm::errc got, page const& at, svm::cpu_va a,
                                svm::access_kind want);

  // Mappings beside those of the drivers.
  void open_buffer(operation const& o);
  void use_buffer(operation const& o);
  void access_buffer(operation const& o);
  [[nodiscard]] svm::errc get_buffer(buffer& b, bool write, bool leaves_device_pages);
  void attach(operation const& o);
  void access_attached(operation const& o);
  [[nodiscard]] svm::errc get_attached(guest& g, bool write, bool mixed);
  void drop_others_of(std::size_t gpu);
  void count_others();
  template <class Retry>
  void access_through(operation const& o, std::size_t p, gpu_type& device, svm::va_range whole, Retry&& retry);
  [[nodiscard]] svm::errc first_refusal(std::size_t p, svm::va_range whole, bool write) const;
  void judge_pages(svm::errc got, svm::errc expected, char const* what);

  // Bounce pages.
  struct dma_view {
    std::size_t gpu;
    bool wrote;
    svm::dma_addr address;
    svm::dma_direction direction;
  };
  void show_write(std::size_t p, svm::cpu_va a, gpu_type const* writer);
  static void add_page_view(std::vector<dma_view>& out, svm::partial_mapping<policies_type> const& mapping,
                            std::size_t gpu, bool wrote, svm::cpu_va a);
  static void add_view(std::vector<dma_view>& out, pages_type const& mapping, std::size_t gpu, bool wrote,
                       svm::va_range whole, svm::cpu_va a);

  setting const setting_;
  runner_limits const most_;
  Machine machine_;
  std::vector<task*> tasks_;
  model model_;
  std::vector<std::pair<typename Machine::address_space_type*, svm::mock::page>> pinned_;
  std::vector<std::unique_ptr<buffer>> buffers_;
  std::vector<std::unique_ptr<guest>> guests_;
  std::vector<std::vector<bool>> suspended_;                ///< by process and GPU
  std::vector<std::vector<std::set<std::uint64_t>>> kept_;  ///< pages that queues need, likewise
  std::vector<bool> unplugged_;
  std::size_t living_ = 1;
  std::string problem_;
  std::uint64_t struck_ = 0;
  std::uint64_t trace_ = 0;
  unsigned taken_ = 0;
  std::uint64_t names_ = 0;
};

using runner = basic_runner<machine>;
using coherent_runner = basic_runner<coherent_machine>;

}  // namespace support::programs

extern template class support::programs::basic_runner<support::machine>;
extern template class support::programs::basic_runner<support::coherent_machine>;

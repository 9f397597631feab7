// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <svm/driver/svm_driver.hpp>
#include <svm/mock/counting_allocator.hpp>
#include <svm/mock/explored.hpp>
#include <svm/mock/failure.hpp>
#include <svm/mock/gpu.hpp>
#include <svm/mock/machine_options.hpp>
#include <svm/mock/mm.hpp>
#include <svm/mock/rank_checked.hpp>
#include <svm/mock/report.hpp>
#include <svm/mock/statistics.hpp>
#include <svm/mock/steps.hpp>
#include <svm/mock/virtual_clock.hpp>
#include <svm/mock/vram.hpp>

namespace svm::inline v0::mock {

/// The policies of the simulated machine; `Lock` is a `rank_checked` policy.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false>
struct machine_policies : default_policies {
  using mm = address_space<Lock, PageBytes>;
  using device = gpu<Lock, PageBytes>;
  using pagemap = vram<Lock, PageBytes, Coherent>;
  using lock = Lock;
  using clock = virtual_clock;
  using allocator = counting_allocator;
  using observer = statistics;
};

/// The parts of the machine that need no other but the failures and the report; they outlive all that follows.
template <lock Lock, std::size_t PageBytes>
struct machine_base {
  explicit machine_base(machine_options const& options)
      : memory(failures, broken, &Lock::held),
        frames(options.ram, options.vram, failures, broken, options.gpus),
        shared{frames, clock, failures, broken, hooks, options.thp, options.joins_pages} {}

  report broken;
  failure_plan failures;
  steps hooks;
  virtual_clock clock;
  statistics stats;
  counting_allocator memory;
  physical_memory<Lock, PageBytes> frames;
  kernel<Lock, PageBytes> shared;
};

/// A computer with one process and one GPU, or several of each, on which the library runs as it would on a real one:
/// bytes move, and what is wrong is written into a report.
///
/// GPUs that are linked reach each other's memory. Objects of a process that exited stay until the machine ends.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false>
class machine : public machine_base<Lock, PageBytes> {
  using parts = machine_base<Lock, PageBytes>;

 public:
  static constexpr byte_count page_size{PageBytes};
  using policies_type = machine_policies<Lock, PageBytes, Coherent>;
  using svm_type = gpusvm<policies_type>;
  using address_space_type = address_space<Lock, PageBytes>;
  using gpu_type = gpu<Lock, PageBytes>;
  using vram_type = vram<Lock, PageBytes, Coherent>;

  using parts::broken;
  using parts::clock;
  using parts::failures;
  using parts::frames;
  using parts::hooks;
  using parts::memory;
  using parts::shared;
  using parts::stats;

  /// One GPU: what all processes share of it.
  struct card {
    card(machine& home, unsigned number)
        : dma(home.frames, home.failures, home.broken, number, home.options_.iommu),
          memory(home.options_.vram,
                 page_owner{home.options_.linked ? gpu_owner.group : gpu_owner.group + number, number}, home.frames,
                 dma, home.failures, home.broken, home.hooks, {home.options_.late_copies, home.options_.seed + number}),
          engine(home.frames, dma, home.broken, home.hooks),
          mover({home.first().process, engine, memory, home.memory, home.clock, home.stats}) {
      dma.start_at(home.options_.first_dma_address);
    }

    iommu<Lock, PageBytes> dma;
    vram_type memory;
    gpu_type engine;  ///< the device that copies
    migrator<policies_type> mover;
    std::uint64_t other_dma_blocks = 0;   ///< DMA mappings that a test has beside those of ranges
    std::uint64_t other_peer_blocks = 0;  ///< and mappings of other GPUs' memory
  };
  struct task;
  /// One process on one GPU.
  struct view {
    view(machine& home, task& owner, card& c)
        : device(home.frames, c.dma, home.broken, home.hooks),
          driver(c.mover,
                 environment<policies_type>{owner.process, device, c.memory, home.memory, home.clock, home.stats},
                 home.shape_, home.options_.driver) {}

    gpu_type device;
    svm_driver<policies_type> driver;
  };
  /// One process.
  struct task {
    explicit task(machine& home) : process(home.shared) {}
    task(machine& home, task& parent) : process(home.shared, parent.process) {}

    address_space_type process;
    std::vector<std::unique_ptr<view>> views;  ///< one a GPU
    std::uint64_t other_notifiers = 0;         ///< registrations that a test has beside those of the drivers
  };

 private:
  machine_options const options_;
  geometry const shape_;
  std::deque<task> tasks_;
  std::deque<card> cards_;
  task& first_;  // by reference, since a fork of another thread may be growing the list

 public:
  /// \pre `options` would pass `geometry::make`; `create` checks
  machine(machine_options const& options, geometry const& shape)
      : parts(options),
        options_(options),
        shape_(shape),
        first_(tasks_.emplace_back(*this)),
        process(first_.process),
        dma(add_cards().dma),
        device_memory(cards_[0].memory),
        mover(cards_[0].mover),
        device(add_views(first_).device),
        driver(first_.views[0]->driver) {}

  machine(machine const&) = delete;
  machine& operator=(machine const&) = delete;
  /// Ends the drivers and the processes, so that no page outlives what stands behind it.
  ~machine() {
    shut_down();
    for (task& t : tasks_) t.views.clear();
  }

  /// Checks the configuration before anything exists.
  ///
  /// \errors those of `geometry::make`
  [[nodiscard]] static result<geometry> check(machine_options const& options) {
    return geometry::make(options.window, options.notifier_size, options.chunks, page_size);
  }

  [[nodiscard]] std::size_t gpus() const { return cards_.size(); }
  [[nodiscard]] card& gpu_card(std::size_t n) { return cards_[n]; }
  /// All processes, exited or not, in the order of their birth.
  [[nodiscard]] std::deque<task>& tasks() { return tasks_; }
  [[nodiscard]] task& first() { return first_; }

  // What programs do: the GPU's accesses fault into the driver, as often as it takes.

  /// A copy of a process; it has exited already when there was not enough memory.
  task& fork(task& parent) {
    task& child = tasks_.emplace_back(*this, parent);
    add_views(child);
    return child;
  }
  /// Ends a process that is still there.
  void exit(task& t) {
    if (t.process.users() != 0) t.process.exit();
  }

  /// \errors those of svm_driver::fault; device_gone; busy when an event took the mapping away each time
  [[nodiscard]] errc gpu_load(task& t, std::size_t n, cpu_va a, std::span<std::byte> into) {
    return serve(t, n, a, access::read, [&](gpu_type& g) { return g.load(a, into); });
  }
  [[nodiscard]] errc gpu_store(task& t, std::size_t n, cpu_va a, std::span<std::byte const> from) {
    return serve(t, n, a, access::write, [&](gpu_type& g) { return g.store(a, from); });
  }
  [[nodiscard]] errc gpu_atomic_add(task& t, std::size_t n, cpu_va a, std::uint64_t value, std::uint64_t& old) {
    return serve(t, n, a, access::atomic, [&](gpu_type& g) { return g.atomic_add(a, value, old); });
  }
  [[nodiscard]] errc gpu_load(cpu_va a, std::span<std::byte> into) { return gpu_load(first(), 0, a, into); }
  [[nodiscard]] errc gpu_store(cpu_va a, std::span<std::byte const> from) { return gpu_store(first(), 0, a, from); }

  /// A GPU hangs and starts anew: its mappings go, and what is in its memory is lost.
  void reset(std::size_t n) {
    for (task& t : tasks_) t.views[n]->driver.reset();
    lose(n);
  }
  /// A GPU is taken away: its drivers end, what can be saved of its memory comes back, and the rest is lost.
  void unplug(std::size_t n) {
    for (task& t : tasks_) t.views[n]->driver.close();
    static_cast<void>(cards_[n].mover.unbind());
    cards_[n].memory.unplug();
    lose(n);
  }

  /// Tears everything down, and returns a line for each rule that was broken and each thing that is left.
  [[nodiscard]] std::vector<std::string> audit();
  /// Checks that a GPU's page table leads to the pages that a process has, with no more permission.
  void check_gpu(task& t, gpu_type& g);
  /// Checks the rules that hold whenever nothing is under way; what is broken goes into the report.
  void check_quiet();

  /// The first GPU.
  static constexpr page_owner gpu_owner{1, 0};

  // Of the first process and the first GPU.
  address_space_type& process;
  iommu<Lock, PageBytes>& dma;
  vram_type& device_memory;
  migrator<policies_type>& mover;
  gpu_type& device;
  svm_driver<policies_type>& driver;

 private:
  void lose(std::size_t n) {
    frames.lose(static_cast<unsigned>(n));
    for (task& t : tasks_) t.process.drop_lost();
  }
  card& add_cards() {
    for (unsigned n = 0; n < options_.gpus; ++n) {
      cards_.emplace_back(*this, n);
      for (unsigned other = 0; other < n; ++other) frames.links().set_up(n, other, options_.linked);
    }
    return cards_.front();
  }
  view& add_views(task& t) {
    for (card& c : cards_) t.views.push_back(std::make_unique<view>(*this, t, c));
    return *t.views.front();
  }
  void shut_down() {
    failures.disarm();
    hooks.hook = nullptr;
    for (task& t : tasks_)
      for (auto const& v : t.views) v->driver.close();
    for (task& t : tasks_) exit(t);
  }
  template <class Access>
  [[nodiscard]] errc serve(task& t, std::size_t n, cpu_va a, access want, Access&& access_memory) {
    constexpr int tries = 64;
    view& v = *t.views[n];
    for (int i = 0; i < tries; ++i) {
      if (i > 1) lets_others_go<Lock>("retry of an access");
      if (frames.links().is_unplugged(static_cast<unsigned>(n))) return errc::device_gone;
      if (access_memory(v.device)) return errc::ok;
      if (errc const e = v.driver.fault(a, want); e != errc::ok) return e;
    }
    return errc::busy;
  }
  struct frame_users;
  void check_gpu_mappings();
  void check_ranges();
  void check_device_memory();
  void check_frames();
  void count_users(frame_users& users);
};

}  // namespace svm::inline v0::mock

#include <svm/mock/oracle.hpp>

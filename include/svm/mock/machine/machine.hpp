// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <svm/driver/svm_driver.hpp>
#include <svm/mock/machine/explored.hpp>
#include <svm/mock/machine/failure.hpp>
#include <svm/mock/gpu/gpu.hpp>
#include <svm/mock/machine/machine_base.hpp>
#include <svm/mock/machine/machine_options.hpp>
#include <svm/mock/machine/machine_policies.hpp>
#include <svm/mock/machine/more_drivers.hpp>
#include <svm/mock/cpu/mm.hpp>
#include <svm/mock/machine/rank_checked.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/report.hpp>
#include <svm/mock/machine/statistics.hpp>
#include <svm/mock/machine/steady_list.hpp>
#include <svm/mock/machine/steps.hpp>
#include <svm/mock/machine/touched.hpp>
#include <svm/mock/machine/virtual_clock.hpp>
#include <svm/mock/gpu/vram.hpp>

namespace svm::inline v0::mock {

/// A computer with one process and one GPU, or several of each, on which the library runs as it would on a real one:
/// bytes move, and what is wrong is written into a report.
///
/// `Drivers` says which drivers its GPUs may have. GPUs that are linked reach each other's memory. Objects of a process
/// that exited stay until the machine ends.
template <lock Lock, std::size_t PageBytes = 4096, bool Coherent = false, drivers Drivers = drivers::by_ranges>
class machine : public machine_base<Lock, PageBytes> {
  using parts = machine_base<Lock, PageBytes>;

 public:
  static constexpr byte_count page_size{PageBytes};
  static constexpr bool has_all_drivers = Drivers == drivers::all;
  using policies_type = machine_policies<Lock, PageBytes, Coherent, Drivers>;
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
          mover({home.first().process, engine, memory, home.memory, home.clock, home.stats}, nullptr,
                home.options_.eviction) {
      dma.start_at(home.options_.first_dma_address);
    }

    iommu<Lock, PageBytes> dma;
    vram_type memory;
    gpu_type engine;  ///< the device that copies
    migrator<policies_type> mover;
    std::uint64_t other_dma_blocks = 0;   ///< DMA mappings that a test has beside those of ranges
    std::uint64_t other_copied = 0;       ///< bytes that a test had copied
    std::uint64_t other_peer_blocks = 0;  ///< and mappings of other GPUs' memory
  };
  struct task;
  /// One process on one GPU.
  struct view : more_drivers<policies_type, Drivers> {
    view(machine& home, task& owner, card& c)
        : view(home, owner, c, {owner.process, device, c.memory, home.memory, home.clock, home.stats}) {}

    ~view() {
      if constexpr (has_all_drivers) this->end();
    }

    /// The driver that the GPU has.
    [[nodiscard]] driver_base<policies_type>& in_charge() {
      if constexpr (has_all_drivers)
        if (this->queues) return *this->queues;
      return driver;
    }

    gpu_type device;
    svm_driver<policies_type> driver;  ///< idle where faults are fatal

   private:
    view(machine& home, task& owner, card& c, environment<policies_type> const& env)
        : device(home.frames, c.dma, home.broken, home.hooks, home.options_.faults),
          driver(c.mover, env, home.shape_, home.options_.driver) {
      if constexpr (has_all_drivers) {
        this->set_up(home.options_, home.shape_, c.mover, env, driver, owner.watcher());
        device.notices = this->counts_accesses();
      }
    }
  };
  /// One process.
  struct task : watched_moves<policies_type, Drivers> {
    explicit task(machine& home) : process(home.shared) { watch(home); }
    task(machine& home, task& parent) : process(home.shared, parent.process) { watch(home); }

    address_space_type process;
    plain_list<view*> views;            ///< one a GPU
    std::uint64_t other_notifiers = 0;  ///< registrations that a test has beside those of the drivers
    plain_list<va_range> buffers;       ///< what GPUs map for a test, which no range does
    std::uint32_t other_users = 0;      ///< user references that a test has beside the process itself

   private:
    void watch(machine& home) {
      if constexpr (has_all_drivers) this->set_up(home.options_, home.memory);
    }
  };

 private:
  machine_options const options_;
  gpusvm_layout const shape_;
  steady_list<task> tasks_;
  steady_list<card> cards_;
  steady_list<view> views_;  // which end before the processes and the GPUs
  task& first_;              // by reference, since a fork of another thread may be growing the list

 public:
  /// \pre `options` would pass `gpusvm_layout::make`; `create` checks
  [[gnu::noinline]] machine(machine_options const& options, gpusvm_layout const& shape)
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
  [[gnu::noinline]] ~machine() { shut_down(); }

  /// Checks the configuration before anything exists.
  ///
  /// \errors unsupported: `faults` or `placement` ask for a driver that this machine has not; those of
  ///         `gpusvm_layout::make`
  [[nodiscard]] static result<gpusvm_layout> check(machine_options const& options) {
    if (!has_all_drivers && (options.faults == page_faults::fatal || options.placement)) return errc::unsupported;
    return gpusvm_layout::make(options.window, options.notifier_size, options.chunks, page_size);
  }

  [[nodiscard]] std::size_t gpus() const { return cards_.size(); }
  [[nodiscard]] card& gpu_card(std::size_t n) { return cards_[n]; }
  /// All processes, exited or not, in the order of their birth.
  [[nodiscard]] steady_list<task>& tasks() { return tasks_; }
  [[nodiscard]] task& first() { return first_; }

  /// The allocation that holds a page of device memory, of whichever GPU; nothing when the page is none, or not alive.
  ///
  /// \complexity O(1)
  [[nodiscard]] typename migrator<policies_type>::devmem_ref allocation_of(page p) {
    exclusive_guard const guard{frames.lock()};
    // While the page is alive so is what stands behind it.
    if (!frames.is_alive(p)) return {};
    auto* const behind = zdd<policies_type>::of(frames.of(p).owner_object);
    if (behind == nullptr || !behind->allocation().try_get()) return {};
    return migrator<policies_type>::devmem_ref::adopt(behind->allocation());
  }

  // What programs do: the GPU's accesses fault into the driver, as often as it takes; or wait while their queues stand
  // still, and fail where nothing is mapped.

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

  /// \errors those of svm_driver::fault; device_gone; busy when an event took the mapping away each time. Where faults
  ///         are fatal: no_access (nothing is mapped for it), read_only (the driver's), those of queue_driver::restore
  [[nodiscard]] errc gpu_load(task& t, std::size_t n, cpu_va a, std::span<std::byte> into) {
    return serve(t, n, a, access_kind::read, [=](gpu_type& g, bool* waits) { return g.load(a, into, waits); });
  }
  [[nodiscard]] errc gpu_store(task& t, std::size_t n, cpu_va a, std::span<std::byte const> from) {
    return serve(t, n, a, access_kind::write, [=](gpu_type& g, bool* waits) { return g.store(a, from, waits); });
  }
  [[nodiscard]] errc gpu_atomic_add(task& t, std::size_t n, cpu_va a, std::uint64_t value, std::uint64_t& old) {
    return serve(t, n, a, access_kind::atomic,
                 [&](gpu_type& g, bool* waits) { return g.atomic_add(a, value, old, waits); });
  }
  [[nodiscard]] errc gpu_load(cpu_va a, std::span<std::byte> into) { return gpu_load(first(), 0, a, into); }
  [[nodiscard]] errc gpu_store(cpu_va a, std::span<std::byte const> from) { return gpu_store(first(), 0, a, from); }

  /// A GPU hangs and starts anew: its mappings go, and what is in its memory is lost.
  void reset(std::size_t n) {
    for (task& t : tasks_) t.views[n]->in_charge().reset();
    lose(n);
  }
  /// A GPU is taken away in order: its drivers end, and what is in its memory comes back.
  ///
  /// \errors those of migrator::unbind: it stays, without drivers, and its memory is intact; the call may be repeated
  [[nodiscard]] errc unplug(std::size_t n) {
    for (task& t : tasks_) t.views[n]->in_charge().close();
    if (errc const e = cards_[n].mover.unbind(); e != errc::ok) return e;
    cards_[n].memory.unplug();
    return errc::ok;
  }
  /// A GPU is torn out: what an orderly unplug could not bring back is lost.
  void tear_out(std::size_t n) {
    if (unplug(n) == errc::ok) return;
    cards_[n].memory.unplug();
    lose(n);
  }

  /// Tears everything down, and returns a line for each rule that was broken and each thing that is left.
  [[nodiscard]] std::vector<std::string> audit();
  /// Checks that a GPU's page table leads to the pages that a process has, with no more permission.
  void check_gpu(task& t, gpu_type& g);
  /// Checks the rules that hold whenever nothing is under way; what is broken goes into the report.
  ///
  /// \complexity everything that the machine has: VMAs, entries, ranges, notifiers, allocations, frames
  void check_quiet();
  /// Checks what changed since the last check by the rules that hold at this moment.
  ///
  /// At a step, what somebody is changing under a lock is left for a later one.
  /// \pre nobody else runs; for `moment::returned` nothing is under way
  /// \complexity what changed
  void check_touched(moment when);
  /// The check after each call: of what changed, and of everything once so many calls came that it costs no more than
  /// they do.
  ///
  /// \pre nothing is under way
  void check_call();

  /// The first GPU.
  static constexpr page_owner gpu_owner{1, 0};

  /// Callers have references of their own on ranges, notifiers or allocations, so that counts may be too high (O-29).
  bool has_users = false;
  /// Callers map memory for devices beside those of the processes, so that pages may have more mappings (O-07).
  bool has_other_mappings = false;

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
  [[gnu::noinline]] card& add_cards() {
    for (unsigned n = 0; n < options_.gpus; ++n) {
      cards_.emplace_back(*this, n);
      for (unsigned other = 0; other < n; ++other) frames.links().set_up(n, other, options_.linked);
    }
    return cards_.front();
  }
  [[gnu::noinline]] view& add_views(task& t) {
    for (card& c : cards_) {
      view& v = views_.emplace_back(*this, t, c);
      t.views.push_back(&v);
      if constexpr (has_all_drivers)
        if (v.blocks && &v != t.views[0]) v.blocks->join(*t.views[0]->blocks);
    }
    return *t.views[0];
  }
  void shut_down() {
    failures.disarm();
    hooks.hook = nullptr;
    for (task& t : tasks_)
      for (auto const& v : t.views) {
        v->in_charge().close();
        if constexpr (has_all_drivers) v->blocks.reset();
      }
    for (task& t : tasks_) {
      if constexpr (has_all_drivers) t.moves.reset();
    }
    for (task& t : tasks_) exit(t);
  }
  // Inlined with the access, whose span would else be read from memory right after its halves were written there.
  template <class Access>
  [[nodiscard, gnu::always_inline]] errc serve(task& t, std::size_t n, cpu_va a, access_kind want,
                                               Access&& access_memory) {
    view& v = *t.views[n];
    if constexpr (has_all_drivers)
      if (v.queues) return wait_and_access(v, n, a, want, access_memory);
    if (frames.links().is_unplugged(static_cast<unsigned>(n))) return errc::device_gone;
    return access_memory(v.device, nullptr) ? errc::ok : fault_and_access(v, n, a, want, access_memory);
  }
  /// Lets the driver serve an access that faulted, and tries again, as often as it takes.
  template <class Access>
  [[nodiscard, gnu::noinline]] errc fault_and_access(view& v, std::size_t n, cpu_va a, access_kind want,
                                                     Access& access_memory) {
    constexpr int tries = 64;
    for (int i = 1;; ++i) {
      if (errc const e = v.driver.fault(a, want); e != errc::ok) return e;
      if (i == tries) return errc::busy;
      if (i > 1) lets_others_go<Lock>("retry of an access");
      if (frames.links().is_unplugged(static_cast<unsigned>(n))) return errc::device_gone;
      if (access_memory(v.device, nullptr)) return errc::ok;
    }
  }
  /// An access by a queue, which the driver's worker lets run before, where it stands still or would fault.
  template <class Access>
  [[nodiscard, gnu::noinline]] errc wait_and_access(view& v, std::size_t n, cpu_va a, access_kind want,
                                                    Access& access_memory) {
    constexpr int tries = 64;
    if (options_.driver.read_only && want != access_kind::read) return errc::read_only;
    errc restored = errc::ok;
    for (int i = 0; i < tries; ++i) {
      if (i > 1) lets_others_go<Lock>("retry of an access");
      if (frames.links().is_unplugged(static_cast<unsigned>(n))) return errc::device_gone;
      bool waits = false;
      if (access_memory(v.device, &waits)) return errc::ok;
      bool const is_kept = v.queues->keeps(aligned_block(a, page_size));
      if (i != 0 && !waits) return is_kept && restored != errc::ok ? restored : errc::no_access;
      if (i != 0 && restored != errc::ok) return restored;
      restored = v.queues->restore();
    }
    return errc::busy;
  }

  // impl/oracle.hpp
  void check_calls();
  // impl/oracle_spans.hpp
  struct range_state;
  struct frame_users;
  struct census;
  [[nodiscard]] bool is_at_rest(task& t);
  void check_span(task& t, va_range span, moment when, census& seen);
  void check_cpu_entries(task& t, va_range span, moment when, census& seen);
  template <class Allows>
  void check_mapped_page(task& t, typename gpu_type::mapping const& m, unsigned gpu, Allows&& vma_allows);
  void check_copy(typename gpu_type::mapping const& m, pte const& cpu, unsigned gpu);
  /// Device memory that is in use, and that no CPU's page table names.
  [[nodiscard]] bool is_copy(page p) {
    return frames.is_device(p) && frames.of(p).kind == frame_kind::free && frames.of(p).taken;
  }
  [[nodiscard]] bool is_copy(device_address const& a) {
    return a.path == interconnect::local && is_copy(frames.peek(a.address.value / PageBytes));
  }
  void check_gpu_entries(task& t, view& v, va_range span, moment when, census& seen);
  void check_ranges(view& v, va_range span, moment when, census& seen);
  void check_range(range<policies_type> const& r, moment when);
  template <class Range>
  void check_single_pages(view& v, Range const& r);
  template <class Range>
  void count_single_pages(view& v, Range const& r, census& seen);
  void check_index(task& t);
  // impl/oracle_frames.hpp
  void check_totals(census const& seen);
  void check_device_memory(census& seen);
  void check_allocation(zdd<policies_type>& behind, std::uint64_t live);
  void check_frames(census& seen);
  void count_cached(census& seen);
  void check_touched_frames(touched const& frames);

  static constexpr std::uint64_t things_a_call = 16;
  std::uint64_t sweep_cost_ = 0;    // how many things the last check of everything looked at
  std::uint64_t sweep_credit_ = 0;  // how many it may look at again
};

}  // namespace svm::inline v0::mock

#include <svm/mock/machine/impl/oracle.hpp>

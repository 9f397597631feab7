// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
//
// What one learns here: the three functions of a driver that stands on gpusvm alone: fault, invalidate and restore.
#include <svm/mock.hpp>
#include <svm/svm.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <utility>

// What one learns here: the three functions of a driver that stands on `gpusvm` alone. Read it beside
// include/svm/driver/README.md. `svm_driver` and `queue_driver` do the same and more: they migrate, collect and wait.
namespace {

using svm::errc;

/// True when the CPU's mappings changed under a pass: the next one sees what they are now.
constexpr bool is_out_of_date(errc e) {
  return e == errc::retry || e == errc::gone || e == errc::unmapped || e == errc::no_vma || e == errc::no_access ||
         e == errc::read_only;
}

/// A driver of a GPU without memory of its own, for any policies.
template <svm::explained_policies P>
class own_driver : public svm::invalidation_client<P> {
 public:
  own_driver(svm::svm_environment<P> const& env, svm::gpusvm_layout const& shape) : svm_(env, shape, *this) {}
  virtual ~own_driver() { svm_.close(); }

  /// Serves a GPU fault; comes from a thread that may sleep.
  errc fault(svm::cpu_va at, svm::access_kind want) {
    for (int pass = 0; pass < 10; ++pass) {
      auto found = svm_.find_or_insert(at, {.want = want});
      if (!found) return found.error();
      svm::locked_range<P> held = svm_.lock_range(std::move(found->range));
      if (found->what == svm::lookup<P>::kind::stale || held->has(svm::range_flag::unmapped)) {
        svm_.remove(std::move(held));
        continue;
      }
      errc e = svm_.get_pages(held, {.read_only = !found->vma.writable});
      if (e == errc::ok) e = svm_.bind(held);
      if (!is_out_of_date(e)) return e;
    }
    return errc::busy;
  }

  /// Ends every access of the GPU to the ranges that an event meets; the notifier's lock is held exclusive.
  svm::invalidation_answer invalidate(svm::notifier<P>& owner, svm::invalidation const& event,
                                      svm::invalidation_passes) noexcept override SVM_REQUIRES(owner.lock()) {
    owner.for_each_range_locked(event.span, [&](svm::range<P>& r) {
      owner.lock().assert_held();                   // which clang does not see in here
      owner.invalidate_pages_locked(r);             // nothing is bound from it any more
      owner.env().device.invalidate(r.interval());  // zaps the entries, waits for the TLB flush
      owner.unmap_pages_locked(r);                  // only then the DMA mappings end
      if (event.cause == svm::invalidation_cause::unmap) owner.set_unmapped_locked(r, event.span);
    });
    return svm::invalidation_answer::done;
  }
  void finish_invalidation(svm::notifier<P>&, svm::invalidation const&) noexcept override {}  // nothing was pending

 protected:
  svm::gpusvm<P> svm_;
};

/// The same for a GPU whose queues stop, since no access can be replayed.
template <svm::explained_policies P>
class own_queue_driver final : public own_driver<P> {
 public:
  using own_driver<P>::own_driver;
  ~own_queue_driver() {
    stop();
    this->svm_.close();
  }

  /// Maps what the queues use and lets them run; comes from a worker, after they were stopped.
  errc restore(svm::va_range used) {
    for (int round = 0; round < 10; ++round) {
      std::uint64_t const before = stops();
      for (svm::cpu_va at = used.start(); used.contains(at); at = at + svm::byte_count{P::mm::page_size})
        if (errc const e = this->fault(at, svm::access_kind::read); e != errc::ok) return e;
      svm::exclusive_guard const guard{gate_};
      if (stops_ != before) continue;  // what was mapped may be gone
      if (std::exchange(stopped_, false)) this->svm_.env().device.resume_queues();
      return errc::ok;
    }
    return errc::busy;
  }
  bool needs_restore() {
    svm::exclusive_guard const guard{gate_};
    return stopped_;
  }

  svm::invalidation_answer invalidate(svm::notifier<P>& owner, svm::invalidation const& event,
                                      svm::invalidation_passes passes) noexcept override SVM_REQUIRES(owner.lock()) {
    stop();  // before any mapping goes
    return own_driver<P>::invalidate(owner, event, passes);
  }

 private:
  void stop() {
    svm::exclusive_guard const guard{gate_};
    ++stops_;
    if (!std::exchange(stopped_, true)) this->svm_.env().device.stop_queues();
  }
  std::uint64_t stops() {
    svm::exclusive_guard const guard{gate_};
    return stops_;
  }

  typename P::lock::template mutex<svm::lock_rank::queues> gate_;
  std::uint64_t stops_ SVM_GUARDED_BY(gate_) = 0;
  bool stopped_ SVM_GUARDED_BY(gate_) = false;
};

}  // namespace

int main() {
  namespace mock = svm::mock;
  using policies = mock::usual_policies;
  mock::machine_options const options;
  svm::gpusvm_layout const shape = *mock::usual_machine::check(options);
  mock::usual_machine pc{options, shape};
  mock::usual_machine::gpu_type gpu{pc.frames, pc.dma, pc.broken, pc.hooks};
  mock::usual_machine::gpu_type queues{pc.frames, pc.dma, pc.broken, pc.hooks, mock::page_faults::fatal};
  own_driver<policies> driver{{pc.process, gpu, pc.memory, pc.clock, pc.stats}, shape};
  own_queue_driver<policies> queue_driver{{pc.process, queues, pc.memory, pc.clock, pc.stats}, shape};

  svm::byte_count const size{64 << 10};
  svm::cpu_va const buffer =
      pc.process.mmap(size, mock::protection::read_write, mock::mapping_kind::anon, std::nullopt).at;
  std::uint64_t word = 42;
  auto const bytes = [&] { return std::as_writable_bytes(std::span{&word, 1}); };
  bool good = pc.process.store(buffer, bytes()) == mock::sys::ok;

  // A GPU that replays: fault, and load again.
  good = good && !gpu.load(buffer, bytes()) && driver.fault(buffer, svm::access_kind::read) == errc::ok &&
         gpu.load(buffer, bytes()) && word == 42;
  std::printf("the load was replayed and read %d\n", static_cast<int>(word));

  // Queues: what they use is mapped ahead; an event stops them until the next restore.
  good = good && queue_driver.restore({buffer, size}) == errc::ok && queues.load(buffer, bytes());
  good = good && pc.process.mprotect(buffer, size, mock::protection::read) == mock::sys::ok &&
         queue_driver.needs_restore();
  bool waits = false;
  good = good && !queues.load(buffer, bytes(), &waits) && waits;
  good = good && queue_driver.restore({buffer, size}) == errc::ok && queues.load(buffer, bytes()) && word == 42;
  std::printf("the queues were stopped and restored, and read %d\n", static_cast<int>(word));

  // An unmap takes the memory from both.
  good = good && pc.process.munmap(buffer, size) == mock::sys::ok && !gpu.load(buffer, bytes());
  good = good && driver.fault(buffer, svm::access_kind::read) == errc::no_vma;
  good = good && pc.broken.empty();  // the simulated hardware saw no mapping go while the queues ran
  std::puts(good ? "both lost what was unmapped" : "WRONG");
  return good ? 0 : 1;
}

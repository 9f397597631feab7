// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <svm/gpusvm/mapped_buffer.hpp>
#include <svm/pagemap/migrator_cache.hpp>

#include <failure/failure_loop.hpp>
#include <failure/state.hpp>
#include <failure/trace.hpp>

namespace support {

/// A machine on which a call is about to run, with what the call works on beside the machine's own driver: each of
/// these has a page table of its own, on the first process.
class stage : public world {
 public:
  /// A page table and the environment of a GPU.
  struct viewer {
    viewer(stage& home, std::size_t gpu)
        : device(home.frames, home.gpu_card(gpu).dma, home.broken, home.hooks),
          env{home.process, device, home.gpu_card(gpu).memory, home.memory, home.clock, home.stats} {}
    machine::gpu_type device;
    svm::environment<policies> env;
  };
  /// A mapping to attach to a range.
  struct guest : viewer {
    using viewer::viewer;
    svm::device_mapping<policies> mapping{env};
  };
  /// Memory that a device maps by itself.
  struct user : viewer {
    user(stage& home, va_range span) : viewer(home, 0), buffer(env, span) {}
    svm::mapped_buffer<policies> buffer;
  };
  /// A gpusvm without a driver, and a collector.
  struct bare final : viewer, svm::invalidation_client<policies> {
    bare(stage& home, svm::partial_unmap rest)
        : viewer(home, 0),
          svm(env, home.driver.svm().shape(), *this),
          memory(home.mover, home.memory),
          collector(std::in_place, svm, memory, rest) {}
    ~bare() {
      collector.reset();
      svm.close();
    }
    [[nodiscard]] svm::invalidation_answer invalidate(svm::notifier<policies>& owner, svm::invalidation const& event,
                                                      svm::invalidation_passes passes) noexcept override
        SVM_REQUIRES(owner.lock()) {
      return svm::invalidate_ranges(owner, event, *collector, passes);
    }
    void finish_invalidation(svm::notifier<policies>& owner, svm::invalidation const& event) noexcept override
        SVM_REQUIRES(owner.lock()) {
      svm::finish_invalidating(owner, event, *collector);
    }
    svm::gpusvm<policies> svm;
    svm::detail::range_memory<policies> memory;
    std::optional<svm::garbage_collector<policies>> collector;
  };
  /// A driver that a call may end.
  struct second_driver : viewer {
    explicit second_driver(stage& home)
        : viewer(home, 0), driver(std::in_place, home.mover, env, home.driver.svm().shape(), home.driver.options()) {}
    std::optional<svm::svm_driver<policies>> driver;
  };
  struct cached {
    explicit cached(stage& home) : cache(home.mover.env(), shrinker) {}
    svm::migrator_shrinker<policies> shrinker;
    svm::migrator_cache<policies> cache;
  };

  explicit stage(svm::mock::machine_options const& o) : world(o) {
    svm::mock::this_thread_attempts = &failures;
    trace_failures(failures);
  }
  ~stage() {
    failures.disarm();
    end_extras();
    svm::mock::this_thread_attempts = nullptr;
  }

  [[nodiscard]] svm::gpusvm<policies>& svm() { return driver.svm(); }
  /// The range at an address, to work on; made where there is none.
  [[nodiscard]] svm::locked_range<policies> hold(cpu_va a = base) {
    if (!svm().find(a)) REQUIRE(svm().find_or_insert(a, {.devmem_possible = true}).has_value());
    return svm().lock_range(svm().find(a));
  }
  /// Moves a span to the memory of a GPU.
  void move_to(std::size_t gpu, cpu_va a, std::uint64_t size = chunk) {
    REQUIRE(gpu_card(gpu).mover.migrate_to_device(process, span(a, size), {}) == errc::ok);
  }
  void attach_guest(std::size_t gpu) {
    attached = std::make_unique<guest>(*this, gpu);
    auto held = hold();
    REQUIRE(svm().attach(held, attached->mapping) == errc::ok);
  }

  /// Ends all but the machine.
  void end_extras() {
    if (attached) {
      auto held = hold();
      svm().detach(held, attached->mapping);
    }
    attached.reset();
    buffer.reset();
    alone.reset();
    second.reset();
    spare.reset();
    attributes.reset();
  }

  std::unique_ptr<guest> attached;
  std::unique_ptr<user> buffer;
  std::unique_ptr<bare> alone;
  std::unique_ptr<second_driver> second;
  std::unique_ptr<cached> spare;
  std::unique_ptr<svm::attribute_map<policies>> attributes;
};

/// What is there before a call.
struct situation {
  char const* name;
  svm::mock::machine_options (*machine)();
  void (*set_up)(stage&);
  part_set loose = 0;  ///< what may show afterwards that something failed, though the call was repeated with success
};

/// A call of a public function that may fail.
struct call {
  char const* name;
  errc (*act)(stage&);
  part_set when_failed = 0;    ///< what a call that failed may have changed
  part_set made_or_not = 0;    ///< of that, what is as before, or as a call that met no failure leaves it, or not there
  part_set when_overcome = 0;  ///< in what a call that overcame a failure may end otherwise than one that met none
  bool piecemeal = false;      ///< pages that others have locked stay, and the rest moves
  bool reports = true;  ///< a failure that is not overcome is its cause; else: any reason, which stands in its comment
};

/// Makes the call in the situation with the nth operation of each kind failing, once and from then on, for each n until
/// there is no nth; returns how many runs that took.
[[nodiscard]] std::uint64_t fail_everywhere(situation const& before, call const& made);

}  // namespace support

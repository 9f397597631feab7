// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// A race on the whole simulated machine: the CPU, GPUs and daemons of the kernel are threads of the explorer.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <svm/explore.hpp>
#include <svm/mock/full.hpp>
#include <svm/svm.hpp>

#include <support/sanitized.hpp>

namespace races {

using lock_policy = svm::mock::rank_checked<svm::explore::lock_policy>;
using machine = svm::mock::full_machine<lock_policy>;
using policies = machine::policies_type;

}  // namespace races

extern template class svm::mock::machine<races::lock_policy, 4096, false, svm::mock::drivers::all>;
extern template class svm::mock::address_space<races::lock_policy>;
extern template class svm::mock::gpu<races::lock_policy>;
extern template class svm::mock::vram<races::lock_policy>;
extern template class svm::mock::iommu<races::lock_policy>;
extern template class svm::mock::notifiers<races::lock_policy>;
extern template class svm::mock::physical_memory<races::lock_policy>;
extern template class svm::gpusvm<races::policies>;
extern template class svm::notifier<races::policies>;
extern template class svm::range<races::policies>;
extern template class svm::locked_range<races::policies>;
extern template class svm::device_mapping<races::policies>;
extern template class svm::migrator<races::policies>;
extern template class svm::devmem<races::policies>;
extern template class svm::zdd<races::policies>;
extern template class svm::detail::transfer<races::policies>;
extern template class svm::driver_base<races::policies>;
extern template class svm::svm_driver<races::policies>;
extern template class svm::queue_driver<races::policies>;
extern template class svm::detail::kept_spans<races::policies>;
extern template class svm::block_service<races::policies>;
extern template class svm::garbage_collector<races::policies>;
extern template class svm::mapped_buffer<races::policies>;
extern template class svm::attribute_map<races::policies>;
extern template class svm::detail::migration_to_system<races::policies>;

namespace races {

namespace explore = svm::explore;
using svm::byte_count;
using svm::cpu_va;
using svm::errc;
using svm::migration_mode;
using svm::va_range;
using svm::mock::mapping_kind;
using svm::mock::protection;
using svm::mock::sys;
using task = machine::task;

inline constexpr std::uint64_t page_bytes = svm::mock::page_bytes;
inline constexpr cpu_va base{std::uint64_t{4} << 30};
inline constexpr std::uint64_t range_pages = 2;  ///< of the larger chunk size; a notifier has two of those
inline constexpr va_range notifier_span{base, byte_count{2 * range_pages * page_bytes}};

[[nodiscard]] inline cpu_va page_at(std::uint64_t n) {
  return base + byte_count{n * page_bytes};
}
[[nodiscard]] inline va_range pages(std::uint64_t first, std::uint64_t count) {
  return {page_at(first), byte_count{count * page_bytes}};
}
/// What must be so in every order of steps.
inline void must(bool holds, char const* promise) {
  if (!holds) explore::fail(promise);
}
template <class T>
[[nodiscard]] bool is_one_of(T const& value, std::initializer_list<T> allowed) {
  for (T const& a : allowed)
    if (value == a) return true;
  return false;
}

/// A small machine: one notifier is enough, and a range has one or two pages.
template <class Set>
[[nodiscard]] svm::mock::machine_options small(Set&& set) {
  svm::mock::machine_options o;
  o.ram = byte_count{64 * page_bytes};
  o.vram = byte_count{8 * page_bytes};
  o.notifier_size = notifier_span.size();
  o.chunks = {byte_count{range_pages * page_bytes}, byte_count{page_bytes}};
  o.driver.check_pages_threshold = {};
  o.driver.migrate = migration_mode::never;
  set(o);
  return o;
}

class world : public machine {
 public:
  explicit world(svm::mock::machine_options const& o) : machine(o, *machine::check(o)) {
    static_cast<void>(svm::mock::lock_report().take());
  }
  virtual ~world() = default;  // a scenario deletes it, whatever it has beside

  void map(va_range span, protection p = protection::read_write, mapping_kind kind = mapping_kind::anon) {
    must(process.mmap(span.size(), p, kind, span.start()).error == sys::ok, "a free place can be mapped");
  }
  void unmap(va_range span) { must(process.munmap(span.start(), span.size()) == sys::ok, "munmap does not fail"); }
  void drop(va_range span) {
    must(process.madvise_dontneed(span.start(), span.size()) == sys::ok, "madvise of what is mapped does not fail");
  }
  [[nodiscard]] sys cpu_write(cpu_va a, std::uint64_t value) { return cpu_write(first(), a, value); }
  [[nodiscard]] sys cpu_write(task& t, cpu_va a, std::uint64_t value) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return t.process.store(a, word);
  }
  [[nodiscard]] std::optional<std::uint64_t> cpu_read(cpu_va a) { return cpu_read(first(), a); }
  [[nodiscard]] std::optional<std::uint64_t> cpu_read(task& t, cpu_va a) {
    std::byte word[8];
    if (t.process.load(a, word) != sys::ok) return std::nullopt;
    return value_of(word);
  }
  [[nodiscard]] errc gpu_write(cpu_va a, std::uint64_t value, std::size_t gpu = 0) {
    std::byte word[8];
    std::memcpy(word, &value, sizeof word);
    return gpu_store(first(), gpu, a, word);
  }
  struct read {
    errc error;
    std::uint64_t value;
  };
  [[nodiscard]] read gpu_read(cpu_va a, std::size_t gpu = 0) {
    std::byte word[8]{};
    errc const e = gpu_load(first(), gpu, a, word);
    return {e, value_of(word)};
  }
  [[nodiscard]] svm::svm_driver<policies>& driver_of(std::size_t gpu) { return first().views[gpu]->driver; }
  [[nodiscard]] std::size_t range_count() {
    std::size_t n = 0;
    driver.svm().for_each_range({cpu_va{}, byte_count{UINT64_MAX}}, [&](auto const&) { ++n; });
    return n;
  }
  [[nodiscard]] std::uint64_t gpu_pages(va_range span, std::size_t gpu = 0) {
    std::uint64_t n = 0;
    first().views[gpu]->device.for_each_mapping(span, [&](auto const&) { ++n; });
    return n;
  }

  /// What the machine has seen so far, and what the last step changed.
  void check_step() {
    check_touched(svm::mock::moment::step);
    for (auto* const from : {&broken, &svm::mock::lock_report()})
      if (!from->empty()) explore::fail(from->take().front());
  }
  /// The whole oracle, then what is left after the end of everything.
  void check_end() {
    check_step();
    if (std::vector<std::string> const lines = audit(); !lines.empty()) explore::fail(lines.front());
  }

  // What operations hand to each other and to the checks at the end; who shares one says so with a lock or with a point.
  std::optional<std::uint64_t> seen[4];
  task* child = nullptr;

 private:
  [[nodiscard]] static std::uint64_t value_of(std::byte const (&word)[8]) {
    std::uint64_t value = 0;
    std::memcpy(&value, word, sizeof value);
    return value;
  }
};

/// How much of a race is explored: with sleep sets to the end, with so many preemptions to the end, or so many random
/// executions.
struct effort {
  enum class kind : std::uint8_t { exhaustive, bounded, pct, random } how;
  std::uint32_t depth;  ///< preemptions, or the depth of PCT
  std::uint64_t executions;
  bool ends;  ///< it must come to its end
};

inline constexpr std::uint64_t random_executions = 2'000;  ///< of a race, drawn by PCT

[[nodiscard]] constexpr effort to_the_end() {
  return {effort::kind::exhaustive, 0, 1'000'000, true};
}
[[nodiscard]] constexpr effort preempted(std::uint32_t times) {
  return {effort::kind::bounded, times, 1'000'000, true};
}
[[nodiscard]] constexpr effort pct(std::uint32_t depth, std::uint64_t executions) {
  return {effort::kind::pct, depth, executions, false};
}
[[nodiscard]] constexpr effort random(std::uint64_t executions) {
  return {effort::kind::random, 0, executions, false};
}

/// How much was explored, printed when the program ends.
struct tally {
  std::uint64_t executions = 0;
  unsigned exhausted = 0;
  ~tally() {
    if (executions != 0)
      std::printf("%llu executions; %u scenarios came to their ends\n", static_cast<unsigned long long>(executions),
                  exhausted);
  }
};
inline tally explored;

/// A scenario on the machine, with the oracle after every step and at the end.
class race : public explore::scenario<world> {
 public:
  race(std::string name, world* (*make)()) : scenario(std::move(name), make) {
    after_each_step([](world& w) { w.check_step(); });
    at_end([](world& w) { w.check_end(); });
  }
  /// Checks `promise`, then what is always checked.
  template <class Check>
  void finally(Check promise) {
    at_end([promise](world& w) {
      promise(w);
      w.check_end();
    });
  }

  /// Explores it, and prints a row of the table. Under a sanitizer, where an execution takes milliseconds, a part.
  void run(effort e) {
    if (support::sanitized) e = {e.how, e.depth, std::min<std::uint64_t>(e.executions, 100), false};
    explore::search_options const options{.executions = e.executions, .count_distinct = false};
    explore::report const r = [&] {
      switch (e.how) {
        case effort::kind::exhaustive:
          return search(*this, explore::exhaustive{}, options);
        case effort::kind::bounded:
          return search(*this, explore::bounded{e.depth}, options);
        case effort::kind::pct:
          return search(*this, explore::pct{e.depth}, options);
        case effort::kind::random:
          break;
      }
      return search(*this, explore::uniform{}, options);
    }();
    std::printf("| %-36s | %-10s | %8llu | %8llu | %-9s | %4zu |\n", r.scenario.c_str(), r.strategy.c_str(),
                static_cast<unsigned long long>(r.complete), static_cast<unsigned long long>(r.blocked + r.cut),
                r.exhausted ? "exhausted"
                : r.failed  ? "FAILED"
                            : "counted",
                r.longest);
    explored.executions += r.complete + r.blocked + r.cut;
    explored.exhausted += e.how == effort::kind::exhaustive && r.exhausted ? 1 : 0;
    CHECK_MESSAGE(!r.failed, doctest::toString(r.failed ? explain(*r.failed) : std::string{}));
    if (e.ends) CHECK(r.exhausted);
  }
  /// As many executions of each strategy: those with one preemption, at random by PCT, and uniformly at random. More where
  /// SVM_RACES asks for more than usual.
  void sample_evenly() {
    std::uint64_t const count = executions_wanted() > random_executions ? 100'000 : 2'000;
    run({effort::kind::bounded, 1, count, false});
    run(pct(3, count));
    run(random(count));
  }
  /// To the end where SVM_RACES asks for more than usual, which takes a minute; else all executions with three preemptions.
  void run_long() { run(executions_wanted() > random_executions ? to_the_end() : preempted(3)); }
  /// What is done with every race: all executions with one preemption, and random ones. SVM_RACES in the environment says
  /// how many of those; with more than usual come many with two preemptions.
  void sample() {
    std::uint64_t const count = executions_wanted();
    run(preempted(1));
    if (count > random_executions) run({effort::kind::bounded, 2, 50'000, false});
    run(pct(3, count));
    run(random(count / 4));
  }
  /// Runs the execution of a bug that was fixed.
  void stays_fixed(char const* replay_string) {
    auto const again = replay(*this, replay_string);
    REQUIRE(again);
    CHECK_FALSE(again->strayed);  // it would prove nothing
    CHECK_MESSAGE(again->how != explore::ending::failed, doctest::toString(to_string(again->failed)));
  }

 private:
  [[nodiscard]] static std::uint64_t executions_wanted() {
    char const* const said = std::getenv("SVM_RACES");
    return said == nullptr ? random_executions : std::strtoull(said, nullptr, 10);
  }
  [[nodiscard]] std::string explain(explore::failure const& f) {
    auto const small = f.kind == explore::failure_kind::violation ? shrink(*this, f) : std::nullopt;
    return to_string(f) + (small ? to_string(*small) : std::string{});
  }
};

}  // namespace races

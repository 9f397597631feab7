// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <benchmark/benchmark.h>

namespace bench {

/// Ends the program when a step before the measurement did not do what it is for.
inline void require(bool good, char const* what) {
  if (good) return;
  std::fprintf(stderr, "benchmark: %s\n", what);
  std::abort();
}

/// What a row runs on, which is its label.
enum class backend {
  none,      ///< it stands for itself: a baseline, or a class that needs no backend
  costless,  ///< support/lean_backend.hpp
  mock,      ///< the mock machine
};
[[nodiscard]] constexpr char const* name_of(backend b) {
  switch (b) {
    case backend::none:
      return "none";
    case backend::costless:
      return "costless";
    case backend::mock:
      return "mock";
  }
  return "";
}

[[nodiscard]] inline double nanoseconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct nanoseconds {
  double cpu = 0;  ///< of the thread
  double wall = 0;

  [[nodiscard]] static nanoseconds now() {
    return {nanoseconds_of(CLOCK_THREAD_CPUTIME_ID), nanoseconds_of(CLOCK_MONOTONIC)};
  }
  friend nanoseconds operator-(nanoseconds a, nanoseconds b) { return {a.cpu - b.cpu, a.wall - b.wall}; }
  nanoseconds& operator+=(nanoseconds other) {
    cpu += other.cpu;
    wall += other.wall;
    return *this;
  }
};

/// Zero, in a way that the processor knows only once it knows the pointer.
template <class T>
[[nodiscard]] std::uint64_t zero_of(T* pointer) {
  auto bits = reinterpret_cast<std::uintptr_t>(pointer);
  asm("and $0, %0" : "+r"(bits));
  return bits;
}

/// The figures of one row: nanoseconds an operation, by the thread's CPU time and by the wall's.
///
/// A batch of operations is one iteration of Google Benchmark, and its time the CPU time of the batch alone, so that
/// what stands between the batches costs nothing, nor does the pausing of a clock.
class meter {
 public:
  meter(benchmark::State& state, backend on) : state_(state) { state.SetLabel(name_of(on)); }
  meter(meter const&) = delete;
  meter& operator=(meter const&) = delete;
  ~meter() {
    if (operations_ == 0) return;
    count("cpu_ns", spent_.cpu / static_cast<double>(operations_));
    count("wall_ns", spent_.wall / static_cast<double>(operations_));
  }

  /// Times a batch that is done by `work`.
  template <class Work>
  void time(std::uint64_t operations, Work&& work) {
    nanoseconds const begin = nanoseconds::now();
    work();
    add(operations, nanoseconds::now() - begin);
  }
  /// Takes a batch that was timed elsewhere.
  void add(std::uint64_t operations, nanoseconds spent) {
    operations_ += operations;
    spent_ += spent;
    state_.SetIterationTime(spent.cpu * 1e-9);
  }
  void count(char const* what, double value) { state_.counters[what] = value; }

  [[nodiscard]] std::uint64_t operations() const { return operations_; }

 private:
  benchmark::State& state_;
  std::uint64_t operations_ = 0;
  nanoseconds spent_{};
};

/// The last `T` that was asked for, so that rows which follow each other share what takes long to make.
///
/// \param key  what is passed to the constructor
template <class T, class... Key>
[[nodiscard]] T& kept(Key... key) {
  static std::unique_ptr<T> last;
  static std::tuple<Key...> last_key;
  if (!last || last_key != std::tuple{key...}) {
    last.reset();
    last = std::make_unique<T>(key...);
    last_key = {key...};
  }
  return *last;
}

/// The rows of a program. Those of one group are compared with each other, so that they run in turns.
class suite {
 public:
  suite(int argc, char** argv) {
    constexpr std::string_view turns = "--turns=";
    int kept = 0;
    for (int i = 0; i < argc; ++i) {
      std::string_view const word = argv[i];
      if (!word.starts_with(turns)) {
        argv[kept++] = argv[i];
        continue;
      }
      std::string_view const number = word.substr(turns.size());
      auto const parsed = std::from_chars(number.data(), number.data() + number.size(), turns_);
      require(parsed.ec == std::errc{} && turns_ > 0, "--turns takes a number");
    }
    benchmark::Initialize(&kept, argv);
    good_ = !benchmark::ReportUnrecognizedArguments(kept, argv);
  }

  /// \param add  calls `row` for each row of the group
  template <class Add>
  void group(Add&& add) {
    for (unsigned turn = 0; turn < turns_; ++turn) add();
  }
  /// \param name  area/operation/case/argument:value
  template <class Function>
  void row(std::string const& name, Function&& function) {
    benchmark::RegisterBenchmark(name.c_str(), std::forward<Function>(function))->UseManualTime();
  }

  [[nodiscard]] int run() const {
    if (!good_) return EXIT_FAILURE;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return EXIT_SUCCESS;
  }

 private:
  unsigned turns_ = 1;
  bool good_ = false;
};

[[nodiscard]] inline std::string argument(std::string_view name, std::uint64_t value) {
  return '/' + std::string{name} + ':' + std::to_string(value);
}

}  // namespace bench

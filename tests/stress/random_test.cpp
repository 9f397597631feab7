// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Random programs of three processes on up to three GPUs, against a model that knows only what the processes may see.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include <support/operation_runner.hpp>
#include <support/sanitized.hpp>
#include <support/world.hpp>
#include <svm/mock/machine/random.hpp>

using namespace support;
using programs::kind;

namespace {

/// How often each kind of operation is drawn; what makes the rest possible is never switched off.
struct weight {
  kind what;
  std::uint64_t share;
  bool always = false;
};
constexpr weight weights[] = {
    {kind::access, 400, true},
    {kind::sweep, 10},
    {kind::atomic, 40},
    {kind::map, 90, true},
    {kind::unmap, 30},
    {kind::protect, 30},
    {kind::dontneed, 20},
    {kind::remap, 30},
    {kind::fork, 8, true},
    {kind::exit, 4},
    {kind::prefetch, 25},
    {kind::evict, 20},
    {kind::evict_all, 2},
    {kind::fail, 25},
    {kind::tick, 20},
    {kind::gc, 20},
    {kind::reset, 2},
    {kind::advise, 20},
    {kind::compact, 20},
    {kind::swap_out, 20},
    {kind::collapse, 5},
    {kind::split, 10},
    {kind::lock, 4},
    {kind::unlock, 6},
    {kind::pin, 8},
    {kind::unpin, 8},
    {kind::reap, 4},
    {kind::free, 8},
    {kind::prefer, 10},
    {kind::suspend, 2},
    {kind::resume, 10},
    {kind::unplug, 1},
    {kind::map_huge, 20},
    {kind::map_io, 4},
    {kind::map_same, 15},
    {kind::truncate, 6},
    {kind::punch_hole, 10},
    {kind::swap_out_span, 8},
    {kind::open_buffer, 12},
    {kind::use_buffer, 15},
    {kind::access_buffer, 50},
    {kind::close_buffer, 5},
    {kind::attach, 15},
    {kind::access_attached, 50},
    {kind::detach, 5},
    {kind::keep, 30},
    {kind::forget, 15},
};
static_assert(std::size(weights) == programs::kinds);

constexpr std::uint64_t longest_span = 4 * MiB / page_bytes;
constexpr std::uint64_t arena_pages = 24 * MiB / page_bytes;
constexpr std::uint64_t first_page = 4 * GiB / page_bytes - 4 * MiB / page_bytes;  // a notifier's border is inside

/// How GPU faults are served.
enum class served : bool { by_ranges, by_pages };

/// Draws the settings and the operations of a program; each draw is a statement of its own.
class generator {
 public:
  explicit generator(std::uint64_t seed, served how) : draw_(seed), setting_(draw_setting(seed, how)) {
    for (weight const& w : weights)
      if (bool const in = draw_.below(2) == 0; w.always || in) present_.push_back(w);
    for (weight const& w : present_) sum_ += w.share;
  }

  [[nodiscard]] programs::setting const& setting() const { return setting_; }
  /// The kinds of operations that are switched off.
  [[nodiscard]] std::string missing() const {
    std::string all;
    for (weight const& w : weights)
      if (std::none_of(present_.begin(), present_.end(), [&](weight const& p) { return p.what == w.what; }))
        all += " " + std::to_string(static_cast<unsigned>(w.what));
    return all;
  }

  programs::operation next() {
    programs::operation o{};
    o.what = draw_kind();
    o.process = draw_.below(3);
    o.agent = static_cast<unsigned>(draw_.below(setting_.options.gpus + 1));
    bool const spans = o.what != kind::access && o.what != kind::atomic && o.what != kind::evict;
    o.count = spans ? draw_count() : 1;
    o.first = draw_page(o.count);
    if (o.what == kind::remap) {
      o.other = draw_.below(2) == 0 ? o.count : draw_count();
      o.to = draw_page(o.other);
    }
    if (o.what == kind::map_same) o.to = draw_page(1);
    o.choice = static_cast<unsigned>(draw_.below(256));
    o.value = draw_.next();
    return o;
  }

 private:
  programs::setting draw_setting(std::uint64_t seed, served how) {
    constexpr std::uint64_t memories[] = {256 * KiB, 1 * MiB, 4 * MiB, 16 * MiB, 64 * MiB};
    svm::mock::machine_options o;
    constexpr unsigned gpus[] = {1, 2, 2, 2, 3};
    o.gpus = gpus[draw_.below(5)];
    o.seed = seed;
    o.ram = {draw_.below(12) == 0 ? 24 * MiB : 512 * MiB};
    o.vram = {memories[draw_.below(5)]};
    o.notifier_size = {(2 * MiB) << (2 * draw_.below(4))};
    if (draw_.below(2) == 0) o.chunks = {{64 * KiB}, {4 * KiB}};
    std::uint64_t const mode = draw_.below(6);
    o.driver.migrate = mode == 0   ? svm::migration_mode::never
                       : mode == 1 ? svm::migration_mode::required
                                   : svm::migration_mode::where_possible;
    o.driver.check_pages_threshold = {draw_.below(2) == 0 ? 64 * KiB : 0};
    if (draw_.below(3) == 0) o.driver.timeslice = svm::milliseconds(5);
    o.driver.read_only = draw_.below(16) == 0;
    if (draw_.below(2) == 0) o.driver.rest = svm::partial_unmap::split;
    o.driver.mixed = draw_.below(2) == 0;
    o.driver.peers_push = draw_.below(2) == 0;
    if (draw_.below(6) == 0) o.driver.limits.ranges = 64;
    if (draw_.below(6) == 0) o.driver.limits.device_memory = {2 * MiB};
    o.linked = draw_.below(2) == 0;
    o.thp = draw_.below(2) == 0;
    o.joins_pages = draw_.below(2) == 0;
    o.late_copies = draw_.below(2) == 0;
    constexpr svm::mock::iommu_mode modes[] = {svm::mock::iommu_mode::direct, svm::mock::iommu_mode::reserved,
                                               svm::mock::iommu_mode::bounce};
    o.iommu = modes[draw_.below(3)];
    if (draw_.below(2) == 0) o.first_dma_address = {1 << 20};
    if (draw_.below(12) == 0) o.window = {cpu_va{4 * GiB}, byte_count{8 * MiB}};
    if (draw_.below(3) == 0) o.eviction.order = svm::eviction_order::touched;
    if (draw_.below(2) == 0) o.eviction.precision = svm::touch_precision::exact;
    if (draw_.below(4) == 0) o.faults = svm::mock::page_faults::fatal;
    bool const collects = draw_.below(2) == 0;
    if (how == served::by_pages) o.placement = draw_placement();
    return {o, collects, draw_.below(8) == 0};
  }
  svm::placement::uvm_options draw_placement() {
    using svm::placement::eviction_mode;
    using svm::placement::prefetch_mode;
    constexpr prefetch_mode prefetches[] = {prefetch_mode::density, prefetch_mode::density, prefetch_mode::off,
                                            prefetch_mode::until_full};
    constexpr unsigned thresholds[] = {51, 51, 1, 75, 100};
    svm::placement::uvm_options o;
    o.prefetch = prefetches[draw_.below(4)];
    o.threshold = thresholds[draw_.below(5)];
    o.evict = static_cast<eviction_mode>(draw_.below(4));
    o.thrash = static_cast<svm::placement::thrash_mode>(draw_.below(3));
    o.feedback = draw_.below(3) == 0;
    return o;
  }
  kind draw_kind() {
    std::uint64_t n = draw_.below(sum_);
    for (weight const& w : present_) {
      if (n < w.share) return w.what;
      n -= w.share;
    }
    return kind::access;
  }
  /// Log-uniform, from one page to `longest_span`.
  std::uint64_t draw_count() {
    std::uint64_t const half = (std::uint64_t{1} << draw_.below(11)) / 2;
    return half == 0 ? 1 : half + 1 + draw_.below(half);
  }
  std::uint64_t draw_page(std::uint64_t count) { return first_page + draw_.below(arena_pages - count + 1); }

  svm::mock::random draw_;
  programs::setting const setting_;
  std::vector<weight> present_;
  std::uint64_t sum_ = 0;
};
static_assert(longest_span == 1024);

struct outcome {
  std::string problem;
  std::uint64_t taken;
  std::uint64_t trace;
};

/// The program under way, for a failed assertion, which ends the process.
std::uint64_t seed_now = 0;

/// Runs the program of a seed; `last` keeps the lines of the last operations.
template <class Runner>
outcome run_on(std::uint64_t seed, served how, std::uint64_t operations, std::vector<std::uint64_t>* mapped,
               std::deque<std::string>* last) {
  constexpr std::size_t kept_lines = 40;
  seed_now = seed;
  generator next{seed, how};
  Runner r{next.setting(), {3, 48, 256}};
  if (last != nullptr)
    r.tell = [last](std::string const& line) {
      last->push_back(line);
      if (last->size() > kept_lines) last->pop_front();
    };
  for (std::uint64_t n = 0; n < 3; ++n)
    r.take({kind::map, 0, 0, first_page + 2 * n * longest_span, longest_span, 0, 0, 2, 0});
  std::uint64_t taken = 0;
  for (; taken < operations && r.problem().empty(); ++taken) {
    r.take(next.next());
    if (mapped != nullptr) mapped->push_back(r.mapped_pages());
  }
  r.finish();
  return {r.problem(), taken, r.trace()};
}
outcome run(std::uint64_t seed, served how, std::uint64_t operations, std::vector<std::uint64_t>* mapped,
            std::deque<std::string>* last) {
  return generator{seed, how}.setting().coherent
             ? run_on<programs::coherent_runner>(seed, how, operations, mapped, last)
             : run_on<programs::runner>(seed, how, operations, mapped, last);
}

/// Runs it once more to tell what it did.
std::string account(std::uint64_t seed, served how, outcome const& o, std::uint64_t operations) {
  std::deque<std::string> last;
  static_cast<void>(run(seed, how, operations, nullptr, &last));
  generator const g{seed, how};
  std::string all = std::string{how == served::by_pages ? "by pages, " : ""} + "SVM_SEED=" + std::to_string(seed) +
                    ", operation " + std::to_string(o.taken) + ": " + o.problem + "\n" + text(g.setting()) +
                    "\n# without kinds" + g.missing() + "\n";
  for (std::string const& line : last) all += line + "\n";
  return all;
}

std::uint64_t setting_of(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

constexpr std::uint64_t operations_of_a_program = 3000;

/// What `trace` is after the first operations of a seed; whoever changes what the library or the machine does changes
/// these, while two compilers never differ.
struct known_trace {
  std::uint64_t seed;
  std::uint64_t trace;
};
constexpr std::uint64_t operations_of_a_trace = 1000;
constexpr known_trace known_traces[] = {{1, 0x59b7ade292bb8afa}, {2, 0x444b46fa1aa8befc}, {3, 0xaf1d96746c411d2a}};

void run_all(served how) {
  // SVM_SEED is the first seed, SVM_OPERATIONS how many operations there are in all.
  std::uint64_t const first = setting_of("SVM_SEED", 1);
  std::uint64_t const operations = setting_of("SVM_OPERATIONS", support::sanitized ? 6'000 : 60'000);
  svm::assertion_handler = [](svm::assertion_failure const& failure) {
    std::fprintf(stderr, "SVM_SEED=%llu: %s:%d: %s\n", static_cast<unsigned long long>(seed_now), failure.file,
                 failure.line, failure.expression);
  };
  std::vector<std::uint64_t> mapped;
  std::uint64_t seed = first;
  std::uint64_t hash = 0;
  for (std::uint64_t done = 0; done < operations; ++seed) {
    std::uint64_t const here = std::min(operations_of_a_program, operations - done);
    outcome const o = run(seed, how, here, &mapped, nullptr);
    std::string const told = o.problem.empty() ? std::string{} : account(seed, how, o, here);
    CHECK_MESSAGE(told.empty(), doctest::toString(told));
    hash = (hash ^ o.trace) * 0x9e3779b97f4a7c15;
    done += here;
  }
  svm::assertion_handler = nullptr;
  auto const middle = mapped.begin() + static_cast<std::ptrdiff_t>(mapped.size() / 2);
  std::nth_element(mapped.begin(), middle, mapped.end());
  std::string const hash_of_all = svm::mock::hex(hash);  // .ci/long stress compares it between compilers
  MESSAGE("seeds " << first << " to " << seed - 1 << ", pages mapped at the median: " << *middle << ", hash "
                   << doctest::toString(hash_of_all));
  CHECK(*middle >= 4096);
}

}  // namespace

TEST_SUITE("stress/random") {
  TEST_CASE("random programs see the memory of their processes, and the oracle sees nothing wrong") {
    run_all(served::by_ranges);
  }

  TEST_CASE("so do programs whose faults are served page by page") {
    run_all(served::by_pages);
  }

  TEST_CASE("a seed gives the same trace with every compiler") {
    for (known_trace const& known : known_traces) {
      outcome const o = run(known.seed, served::by_ranges, operations_of_a_trace, nullptr, nullptr);
      std::string const trace = svm::mock::hex(o.trace);
      CHECK_MESSAGE(o.trace == known.trace, "seed " << known.seed << " gives " << doctest::toString(trace));
    }
  }
}

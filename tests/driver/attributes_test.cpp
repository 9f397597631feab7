// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <svm/driver/attributes.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <mock/processes.hpp>
#include <support/ledger_allocator.hpp>
#include <support/scripted.hpp>
#include <svm/mock/machine/random.hpp>

using namespace support;
using svm::atomic_mode;
using svm::migration_policy;
using svm::preferred_place;
using svm::span_attributes;

namespace {

constexpr span_attributes in_system{.preferred = preferred_place::system};
constexpr span_attributes on_device{.preferred = preferred_place::device};

/// A lock that cannot be had without waiting while it is told so.
struct busy_lock : svm::null_lock {
  static inline bool busy = false;
  template <svm::lock_rank Rank>
  class shared_mutex : public svm::null_lock::shared_mutex<Rank> {
   public:
    [[nodiscard]] bool try_lock() SVM_TRY_ACQUIRE(true) { return !busy; }
  };
};
struct busy_policies : scripted_policies<4096> {
  using lock = busy_lock;
};

/// A map of attributes that no driver has, over `pages` pages that are mapped.
struct scene {
  world w{small_chunks(4 * MiB)};
  svm::svm_environment<policies> env = w.driver.svm().env();
  svm::attribute_map<policies> map{env};

  explicit scene(std::uint64_t pages) { w.map(pages * page_bytes); }
  ~scene() { map.clear(); }

  [[nodiscard]] errc set(std::uint64_t first, std::uint64_t count, span_attributes attributes) {
    return map.set(span(page_at(first), count * page_bytes), attributes);
  }
  void unmap(std::uint64_t first, std::uint64_t count) {
    REQUIRE(w.process.munmap(page_at(first), {count * page_bytes}) == sys::ok);
  }
  [[nodiscard]] span_attributes said_at(cpu_va a) { return map.at(a, world::everything).attributes; }
  /// What holds for each page: `.` nothing, `s` system, `d` device.
  [[nodiscard]] std::string read(std::uint64_t pages) {
    std::string all;
    for (std::uint64_t n = 0; n < pages; ++n) {
      span_attributes const said = said_at(page_at(n));
      all += said == span_attributes{} ? '.' : said == in_system ? 's' : said == on_device ? 'd' : '?';
      CHECK(said_at(page_at(n) + byte_count{page_bytes - 1}) == said);
    }
    return all;
  }
};

/// An mm that refuses a registration where it is told to.
struct refusing_mm : scripted_mm<4096> {
  std::uint64_t refuse_at = 0;  ///< the registration, counted from 1 from now on, that fails; 0: none

  [[nodiscard]] errc register_notifier(registration& r, va_range where, svm::invalidation_target& target) noexcept {
    if (refuse_at != 0 && --refuse_at == 0) return errc::registration_failed;
    return scripted_mm<4096>::register_notifier(r, where, target);
  }
};
struct ledger_policies : scripted_policies<4096> {
  using mm = refusing_mm;
  using allocator = ledger_allocator;
};

/// The same, for a count of how often somebody asks a span where it is.
struct counted_policies : ledger_policies {};
std::uint64_t spans_asked = 0;

/// A map of attributes on an mm of its own, with a ledger of its memory.
template <svm::migrating_policies P = ledger_policies>
struct ledger_scene {
  typename P::mm mm;
  typename P::device device;
  typename P::pagemap pagemap;
  ledger_allocator memory;
  svm::mock::virtual_clock clock;
  svm::mock::statistics stats;
  svm::environment<P> env{mm, device, pagemap, memory, clock, stats};
  svm::attribute_map<P> map{env};

  ~ledger_scene() {
    map.clear();
    CHECK(mm.registered.empty());
    CHECK(memory.outstanding() == 0);
    CHECK(memory.mismatches == 0);
  }
};

/// Pages of attributes, each by itself, beside a map that is told the same.
///
/// What it knows of spans: a page is in one where something was said of it, also when it was forgotten since. A span keeps
/// eight cuts exactly; one that was cut more often may have forgotten other pages of it too.
class page_model {
 public:
  static constexpr std::uint64_t count = 96;

  page_model(cpu_va first, std::uint64_t seed) : first_(first), draw_(seed), pages_(count) {}

  /// Does something at random on both, and compares them; the text says what it was.
  std::string step() {
    std::uint64_t const from = draw_.below(count);
    std::uint64_t const size = 1 + draw_.below(std::min<std::uint64_t>(count - from, draw_.below(3) == 0 ? count : 6));
    std::string const where = std::to_string(from) + "+" + std::to_string(size);
    if (draw_.below(4) == 0) {
      unmap(from, size);
      return "unmap " + where;
    }
    constexpr span_attributes choices[] = {{}, in_system, on_device, {.atomic = atomic_mode::cpu}};
    std::uint64_t const chosen = draw_.below(std::size(choices));
    auto const failing = static_cast<weakness>(draw_.below(6));
    set(from, size, choices[chosen], failing);
    constexpr char const* whose[] = {"without memory, ", "without registrations, "};
    return (failing < weakness::none ? whose[static_cast<int>(failing)] : "") + ("set " + where + " to ") +
           std::to_string(chosen);
  }

  /// True when the two agree on every page, and the books of the map are right.
  [[nodiscard]] bool same() {
    bool good = s_.map.count() == s_.mm.registered.size();
    for (std::uint64_t n = 0; n < count; ++n) good = good && may_hold(n, read(n).attributes);
    std::size_t const nodes = s_.memory.outstanding() - s_.map.count();
    return good && (s_.map.count() == 0 ? nodes == 0 : nodes != 0 && nodes <= s_.map.count() / 5 + 1);
  }

  /// True when what is said to hold around a page, inside of a window, does so.
  [[nodiscard]] bool look_around() {
    std::uint64_t const n = draw_.below(count);
    std::uint64_t const low = n - draw_.below(n + 1);
    std::uint64_t const high = n + draw_.below(count - n);
    va_range const window = pages_from(low, high - low + 1);
    svm::advised_span const known = s_.map.at(address(n), window);
    if (!window.contains(known.within) || !known.within.contains(address(n))) return false;
    for (std::uint64_t m = low; m <= high; ++m)
      if (known.within.contains(address(m)) && read(m).attributes != known.attributes) return false;
    if (pages_[n].word) return true;
    // Where nothing was ever said the answer reaches as far as that is so.
    std::uint64_t from = n, to = n;
    while (from > low && !pages_[from - 1].word) --from;
    while (to < high && !pages_[to + 1].word) ++to;
    return known.within == pages_from(from, to - from + 1);
  }

 private:
  enum class weakness { memory, registrations, none };
  struct word {
    span_attributes attributes;
    unsigned cuts = 0;  ///< how often memory of the span went
  };
  struct page {
    std::optional<std::size_t> word;  ///< an index into words_
    bool forgotten = false;
  };

  [[nodiscard]] cpu_va address(std::uint64_t n) const { return first_ + byte_count{n * page_bytes}; }
  [[nodiscard]] va_range pages_from(std::uint64_t from, std::uint64_t size) const {
    return span(address(from), size * page_bytes);
  }
  [[nodiscard]] svm::advised_span read(std::uint64_t n) { return s_.map.at(address(n), pages_from(0, count)); }
  [[nodiscard]] bool is_exact(page const& p) const { return !p.word || words_[*p.word].cuts <= 8; }
  [[nodiscard]] bool may_hold(std::uint64_t n, span_attributes attributes) const {
    page const& p = pages_[n];
    if (!p.word || p.forgotten) return attributes == span_attributes{};
    return attributes == words_[*p.word].attributes || (!is_exact(p) && attributes == span_attributes{});
  }

  void unmap(std::uint64_t from, std::uint64_t size) {
    s_.mm.invalidate(pages_from(from, size), svm::invalidation_cause::unmap);
    std::vector<std::size_t> met;
    for (std::uint64_t n = from; n < from + size; ++n) {
      page& p = pages_[n];
      p.forgotten = true;
      if (p.word && (met.empty() || met.back() != *p.word)) met.push_back(*p.word);
    }
    for (std::size_t const w : met) ++words_[w].cuts;
  }

  void set(std::uint64_t from, std::uint64_t size, span_attributes attributes, weakness failing) {
    bool exact = true;
    bool same = true;
    for (std::uint64_t n = from; n < from + size; ++n) {
      page const& p = pages_[n];
      exact = exact && is_exact(p);
      same = same &&
             (attributes == span_attributes{} ? !p.word
                                              : p.word && !p.forgotten && words_[*p.word].attributes == attributes);
    }
    bool changed = false;
    if (failing < weakness::none)
      fail_until_set(pages_from(from, size), attributes, failing, changed);
    else
      CHECK(s_.map.set(pages_from(from, size), attributes, &changed) == errc::ok);
    if (exact) CHECK(changed == !same);
    if (!changed) return;
    words_.push_back({attributes});
    for (std::uint64_t n = from; n < from + size; ++n)
      pages_[n] = attributes == span_attributes{} ? page{} : page{words_.size() - 1, false};
  }

  /// Lets every step of the call fail in turn, after which everything is as before, until there is none left to fail.
  void fail_until_set(va_range where, span_attributes attributes, weakness failing, bool& changed) {
    std::vector<span_attributes> before;
    for (std::uint64_t n = 0; n < count; ++n) before.push_back(read(n).attributes);
    std::size_t const blocks = s_.memory.outstanding();
    std::size_t const spans = s_.map.count();
    for (std::uint64_t k = 1;; ++k) {
      REQUIRE(k < 20);
      if (failing == weakness::memory)
        s_.memory.fail_at = s_.memory.calls + k;
      else
        s_.mm.refuse_at = k;
      errc const e = s_.map.set(where, attributes, &changed);
      s_.memory.fail_at = s_.mm.refuse_at = 0;
      if (e == errc::ok) return;
      CHECK(e == (failing == weakness::memory ? errc::no_memory : errc::registration_failed));
      CHECK_FALSE(changed);
      CHECK(s_.memory.outstanding() == blocks);
      CHECK(s_.map.count() == spans);
      CHECK(s_.mm.registered.size() == spans);
      for (std::uint64_t n = 0; n < count; ++n) CHECK(read(n).attributes == before[n]);
    }
  }

  cpu_va const first_;
  svm::mock::random draw_;
  std::vector<page> pages_;
  std::vector<word> words_;
  ledger_scene<> s_;
};

}  // namespace

template <>
va_range svm::detail::attribute_span<counted_policies>::interval() const {
  ++spans_asked;
  return span_;
}

TEST_SUITE("driver/attributes") {
  TEST_CASE("what was never said is the default, and what was said holds to its borders") {
    scene s{16};
    CHECK(s.read(8) == "........");
    REQUIRE(s.set(2, 3, in_system) == errc::ok);
    CHECK(s.read(8) == "..sss...");
    CHECK(s.w.process.watchers().registered() == 1);
  }

  TEST_CASE("a later word splits what it meets, replaces what it covers, and may take it back") {
    scene s{16};
    REQUIRE(s.set(0, 8, in_system) == errc::ok);
    REQUIRE(s.set(2, 2, on_device) == errc::ok);
    CHECK(s.read(8) == "ssddssss");
    CHECK(s.w.process.watchers().registered() == 3);
    REQUIRE(s.set(1, 5, on_device) == errc::ok);
    CHECK(s.read(8) == "sdddddss");
    REQUIRE(s.set(3, 1, {}) == errc::ok);
    CHECK(s.read(8) == "sdd.ddss");
    REQUIRE(s.set(0, 8, {}) == errc::ok);
    CHECK(s.read(8) == "........");
    CHECK(s.w.process.watchers().registered() == 0);
  }

  TEST_CASE(
      "what the CPU unmaps is forgotten, also after something else is mapped there; other events forget nothing") {
    scene s{16};
    REQUIRE(s.set(0, 8, in_system) == errc::ok);
    REQUIRE(s.w.process.madvise_dontneed(base, {4 * page_bytes}) == sys::ok);
    REQUIRE(s.w.process.mprotect(base, {4 * page_bytes}, protection::read) == sys::ok);
    CHECK(s.read(8) == "ssssssss");
    s.unmap(3, 2);
    CHECK(s.read(8) == "sss..sss");
    s.w.map(2 * page_bytes, page_at(3));
    CHECK(s.read(8) == "sss..sss");
    REQUIRE(s.set(4, 2, on_device) == errc::ok);  // said anew
    CHECK(s.read(8) == "sss.ddss");
  }

  TEST_CASE("the ends that a later word leaves remember what was forgotten in them") {
    scene s{16};
    REQUIRE(s.set(0, 12, in_system) == errc::ok);
    s.unmap(1, 1);
    s.unmap(10, 1);
    REQUIRE(s.set(4, 2, on_device) == errc::ok);
    CHECK(s.read(12) == "s.ssddssss.s");
    REQUIRE(s.set(6, 2, {}) == errc::ok);
    CHECK(s.read(12) == "s.ssdd..ss.s");
  }

  TEST_CASE("eight cuts are kept exactly; with more, what lies between the last ones is forgotten with them") {
    scene s{48};
    REQUIRE(s.set(0, 48, in_system) == errc::ok);
    for (std::uint64_t n = 0; n < 8; ++n) s.unmap(4 * n, 1);
    CHECK(s.read(48) == ".sss.sss.sss.sss.sss.sss.sss.sssssssssssssssssss");
    s.unmap(4, 1);  // again: not one more
    CHECK(s.read(48) == ".sss.sss.sss.sss.sss.sss.sss.sssssssssssssssssss");
    s.unmap(32, 1);
    s.unmap(40, 1);
    CHECK(s.read(48) == ".sss.sss.sss.sss.sss.sss.sss.............sssssss");
  }

  TEST_CASE("whatever the order of many cuts, no page that was unmapped keeps its attributes") {
    scene s{64};
    REQUIRE(s.set(0, 64, in_system) == errc::ok);
    for (std::uint64_t n = 0; n < 20; ++n) {
      s.unmap(n * 29 % 64, 1);
      for (std::uint64_t m = 0; m <= n; ++m) CHECK(s.said_at(page_at(m * 29 % 64)) == span_attributes{});
    }
  }

  TEST_CASE("when memory or a registration fails, at whichever step, nothing has changed") {
    for (auto const kind : {failure::alloc, failure::notifier}) {
      std::uint64_t k = 1;
      for (;; ++k) {
        REQUIRE(k < 10);
        scene s{16};
        REQUIRE(s.set(0, 12, in_system) == errc::ok);
        s.unmap(1, 1);
        s.w.failures.arm(kind, k);
        errc const e = s.set(4, 2, on_device);
        bool const struck = s.w.failures.struck() != 0;
        s.w.failures.disarm();
        CHECK(e == (!struck ? errc::ok : kind == failure::alloc ? errc::no_memory : errc::registration_failed));
        CHECK(s.read(12) == (struck ? "s.ssssssssss" : "s.ssddssssss"));
        CHECK(s.w.process.watchers().registered() == (struck ? 1 : 3));
        if (!struck) break;
      }
      CHECK(k == 4);  // three spans
    }
  }

  TEST_CASE("an event that may not wait is heard too") {
    scene s{16};
    REQUIRE(s.set(0, 12, in_system) == errc::ok);
    CHECK(s.w.process.invalidate_only({span(base, page_bytes), svm::invalidation_cause::unmap, svm::nobody, false}));
    CHECK(s.read(2) == ".s");
  }

  TEST_CASE("an event that may not wait is refused while what was forgotten is looked at, and forgets nothing") {
    busy_policies::mm mm;
    busy_policies::device device;
    busy_policies::pagemap pagemap;
    scripted_allocator memory;
    svm::mock::virtual_clock clock;
    svm::mock::statistics stats;
    svm::environment<busy_policies> env{mm, device, pagemap, memory, clock, stats};
    svm::attribute_map<busy_policies> map{env};
    REQUIRE(map.set(span(base, 4 * page_bytes), in_system) == errc::ok);
    svm::invalidation event{span(base, page_bytes), svm::invalidation_cause::unmap, svm::nobody, false};
    busy_lock::busy = true;
    CHECK_FALSE(mm.invalidate(event));
    CHECK(map.at(base, world::everything).attributes == in_system);
    busy_lock::busy = false;
    CHECK(mm.invalidate(event));
    CHECK(map.at(base, world::everything).attributes == span_attributes{});
    CHECK(map.at(page_at(1), world::everything).attributes == in_system);
    map.clear();
    CHECK(mm.registered.empty());
  }

  TEST_CASE("faults follow what was said: memory stays, goes, or is not taken from another device") {
    world w{small_chunks(MiB, [](auto& o) { o.gpus = 2; })};
    w.map(4 * chunk);
    w.cpu_tag(base, 4 * chunk, 1);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    REQUIRE(w.driver.advise(span(at(chunk), chunk), {.policy = migration_policy::system_pages_only}) == errc::ok);
    CHECK(w.driver.attributes_at(base) == in_system);
    CHECK(w.gpu_write(base, 1) == errc::ok);
    CHECK(w.device_pages(base, chunk) == 0);
    REQUIRE(gpu_store(w, w.first(), 1, at(chunk), 17) == errc::ok);
    auto const before = pages_behind(w, at(chunk), chunk);
    CHECK(w.gpu_read(at(chunk)) == 17u);
    CHECK(pages_behind(w, at(chunk), chunk) == before);
    CHECK(w.gpu_read(at(2 * chunk)) == 1 + 2 * chunk_pages);
    CHECK(w.device_pages(at(2 * chunk), chunk) == chunk_pages);
    CHECK(w.complaint() == "");
    w.driver.close();
  }

  TEST_CASE("atomics are refused where only the CPU does them, and nothing is made; elsewhere they move the memory") {
    world w{small_chunks()};
    w.map(2 * chunk);
    REQUIRE(w.driver.advise(span(base, chunk), {.atomic = atomic_mode::cpu}) == errc::ok);
    CHECK(w.fault(base, access_kind::atomic) == errc::no_atomics);
    CHECK(w.range_count() == 0);
    CHECK(w.fault(base, access_kind::write) == errc::ok);
    REQUIRE(w.driver.advise(span(base, 2 * chunk),
                            {.preferred = preferred_place::system, .atomic = atomic_mode::global}) == errc::ok);
    CHECK(w.fault(at(chunk), access_kind::atomic) == errc::ok);
    CHECK(w.device_pages(at(chunk), chunk) == chunk_pages);
    w.driver.close();
  }

  TEST_CASE(
      "a new word about a mapped span unmaps it, the same one again does not, a bad one says so (erratum 3.4.5)") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.gpu_write(base, 5) == errc::ok);
    REQUIRE(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.driver.advise(span(at(8), page_bytes), in_system) == errc::misaligned);
    CHECK(w.driver.advise(span(base, 12), in_system) == errc::misaligned);
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, chunk) == 0);
    CHECK(w.gpu_read(base) == 5u);
    CHECK(w.device_pages(base, chunk) == 0);  // it came back to where it is best
    REQUIRE(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    CHECK(w.gpu_mapped_pages(base, chunk) == chunk_pages);
    w.failures.arm(failure::alloc, 1);
    CHECK(w.driver.advise(span(base, chunk), on_device) == errc::no_memory);
    CHECK(w.driver.attributes_at(base) == in_system);
    w.driver.close();
  }

  TEST_CASE("a new word about the middle of a span whose ends have it already reaches the middle") {
    world w{small_chunks()};
    w.map(3 * chunk);
    REQUIRE(w.driver.advise(span(base, 3 * chunk), in_system) == errc::ok);
    REQUIRE(w.driver.advise(span(at(chunk), chunk), on_device) == errc::ok);
    REQUIRE(w.gpu_write(at(chunk), 5) == errc::ok);
    REQUIRE(w.device_pages(at(chunk), chunk) == chunk_pages);
    REQUIRE(w.driver.advise(span(base, 3 * chunk), in_system) == errc::ok);
    CHECK(w.gpu_read(at(chunk)) == 5u);
    CHECK(w.device_pages(at(chunk), chunk) == 0);
    w.driver.close();
  }

  TEST_CASE("random words and unmaps hold as they do page by page, and a failure at any step changes nothing") {
    // In the middle of the addresses, at their bottom, and at their top.
    for (cpu_va const first : {base, cpu_va{}, cpu_va{0 - page_model::count * page_bytes}}) {
      for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        CAPTURE(first.value);
        CAPTURE(seed);
        page_model both{first, seed};
        std::string program;
        for (int n = 0; n < 200; ++n) {
          program += both.step() + "; ";
          bool const good = both.same() && both.look_around();
          REQUIRE_MESSAGE(good, program);
        }
      }
    }
  }

  TEST_CASE("the first and the last page of all addresses have attributes like any other") {
    ledger_scene<> s;
    constexpr cpu_va last{0 - page_bytes};
    constexpr va_range lower{cpu_va{}, byte_count{UINT64_MAX - (page_bytes - 1)}};
    constexpr va_range upper{cpu_va{page_bytes}, byte_count{0 - page_bytes}};
    constexpr cpu_va end{UINT64_MAX};
    REQUIRE(s.map.set(span(cpu_va{}, page_bytes), in_system) == errc::ok);
    REQUIRE(s.map.set(span(last, page_bytes), on_device) == errc::ok);
    CHECK(s.map.at(cpu_va{}, lower).attributes == in_system);
    CHECK(s.map.at(cpu_va{}, lower).within == span(cpu_va{}, page_bytes));
    CHECK(s.map.at(end, upper).attributes == on_device);
    CHECK(s.map.at(end, upper).within == span(last, page_bytes));
    CHECK(s.map.at(base, upper).attributes == span_attributes{});
    CHECK(s.map.at(base, upper).within == va_range::from_bounds(cpu_va{page_bytes}, cpu_va{last.value - 1}).value());
    // The two come from one word, and go with one.
    REQUIRE(s.map.set(upper, in_system) == errc::ok);
    REQUIRE(s.map.set(span(base, page_bytes), on_device) == errc::ok);
    CHECK(s.map.count() == 4);
    CHECK(s.map.at(end, upper).within == va_range::from_bounds(base + byte_count{page_bytes}, end).value());
    s.mm.invalidate(span(last, page_bytes), svm::invalidation_cause::unmap);
    CHECK(s.map.at(end, upper).attributes == span_attributes{});
    CHECK(s.map.at(last, upper).within == span(last, page_bytes));
    REQUIRE(s.map.set(lower, {}) == errc::ok);
    CHECK(s.map.count() == 1);
    CHECK(s.map.at(end, upper).attributes == span_attributes{});
    CHECK(s.map.at(cpu_va{}, lower).within == lower);
  }

  TEST_CASE(
      "a word allocates its spans, and the nodes of the index as they fill; what nobody needs any more is freed") {
    ledger_scene<> s;
    constexpr std::uint64_t spans = 1000;
    std::uint64_t nodes = 0;
    for (std::uint64_t n = 0; n < spans; ++n) {
      std::uint64_t const before = s.memory.calls;
      REQUIRE(s.map.set(span(page_at(2 * n), page_bytes), in_system) == errc::ok);
      nodes += s.memory.calls - before - 1;
    }
    CHECK(s.memory.outstanding() == spans + nodes);  // none is allocated in store
    CHECK(nodes <= spans / 5);
    REQUIRE(s.map.set(span(base, 2 * spans * page_bytes), on_device) == errc::ok);
    CHECK(s.memory.outstanding() == 2);  // a span and a leaf
    std::uint64_t const before = s.memory.calls;
    REQUIRE(s.map.set(span(page_at(9), page_bytes), in_system) == errc::ok);
    CHECK(s.memory.calls == before + 3);
    REQUIRE(s.map.set(span(base, 2 * spans * page_bytes), {}) == errc::ok);
    CHECK(s.memory.outstanding() == 0);
  }

  TEST_CASE("who asks or says something of a span looks at it and its neighbours, however many there are") {
    std::uint64_t most[2][2] = {};
    constexpr std::uint64_t sizes[] = {100, 5000};
    for (int large = 0; large < 2; ++large) {
      ledger_scene<counted_policies> s;
      std::uint64_t const pages = 4 * sizes[large];  // two of four have attributes
      for (std::uint64_t n = 0; n < pages; n += 4)
        REQUIRE(s.map.set(span(page_at(n), 2 * page_bytes), in_system) == errc::ok);
      auto const counted = [](std::uint64_t& worst, auto const& action) {
        std::uint64_t const before = spans_asked;
        action();
        worst = std::max(worst, spans_asked - before);
      };
      for (std::uint64_t n = 0; n < 40; ++n) {
        std::uint64_t const at = pages / 40 * n / 4 * 4;
        for (std::uint64_t page = at; page < at + 4; ++page)
          counted(most[large][0], [&] { static_cast<void>(s.map.at(page_at(page), world::everything)); });
        for (span_attributes const word : {on_device, span_attributes{}, in_system}) {
          counted(most[large][1], [&] { CHECK(s.map.set(span(page_at(at + 1), 2 * page_bytes), word) == errc::ok); });
          counted(most[large][1], [&] { CHECK(s.map.set(span(page_at(at), 2 * page_bytes), word) == errc::ok); });
        }
      }
      CHECK(s.map.count() >= sizes[large]);
    }
    CHECK(most[0][0] != 0);  // it counts
    CHECK(most[0][0] <= 4);
    CHECK(most[1][0] == most[0][0]);
    CHECK(most[0][1] <= 50);
    CHECK(most[1][1] == most[0][1]);
  }

  TEST_CASE("closing the driver forgets everything and watches nothing") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(w.driver.advise(span(base, chunk), in_system) == errc::ok);
    w.driver.close();
    CHECK(w.driver.attributes_at(base) == span_attributes{});
    CHECK(w.process.watchers().registered() == 0);
  }
}

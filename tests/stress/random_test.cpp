// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Random programs against a model that knows only what a process may see: VMAs and words. The oracle looks at the rest.

#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include <support/world.hpp>
#include <svm/mock/random.hpp>

using namespace support;

namespace {

/// What a process sees: the protection and kind of each page, and its words.
class process_model {
 public:
  struct page {
    protection allowed;
    mapping_kind kind;
  };

  void map(std::uint64_t first, std::uint64_t count, page p) {
    for (std::uint64_t n = first; n < first + count; ++n) pages_[n] = p;
  }
  void unmap(std::uint64_t first, std::uint64_t count) {
    drop_words(first, count);
    pages_.erase(pages_.lower_bound(first), pages_.lower_bound(first + count));
  }
  /// Anonymous and private file memory reads as zero afterwards; what is shared keeps its content.
  void dontneed(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t n = first; n < first + count; ++n)
      if (auto const p = find(n); p && p->kind != mapping_kind::shared) drop_words(n, 1);
  }
  /// Stops at the first hole, as the system call does; false when there was one.
  bool protect(std::uint64_t first, std::uint64_t count, protection allowed) {
    for (std::uint64_t n = first; n < first + count; ++n) {
      auto const p = pages_.find(n);
      if (p == pages_.end()) return false;
      p->second.allowed = allowed;
    }
    return true;
  }
  [[nodiscard]] std::optional<page> find(std::uint64_t n) const {
    auto const p = pages_.find(n);
    return p == pages_.end() ? std::nullopt : std::optional{p->second};
  }
  [[nodiscard]] bool any(std::uint64_t first, std::uint64_t count) const {
    auto const p = pages_.lower_bound(first);
    return p != pages_.end() && p->first < first + count;
  }
  [[nodiscard]] std::uint64_t word(std::uint64_t address) const {
    auto const w = words_.find(address);
    return w == words_.end() ? 0 : w->second;
  }
  void set_word(std::uint64_t address, std::uint64_t value) { words_[address] = value; }

 private:
  void drop_words(std::uint64_t first, std::uint64_t count) {
    words_.erase(words_.lower_bound(first * page_bytes), words_.lower_bound((first + count) * page_bytes));
  }

  std::map<std::uint64_t, page> pages_;
  std::map<std::uint64_t, std::uint64_t> words_;
};

/// One random program: its machine, its model, and the operations.
class program {
 public:
  explicit program(std::uint64_t seed)
      : draw_(seed), world_(draw_options()), readonly_(world_.driver.options().read_only) {}

  /// What went wrong, or nothing.
  [[nodiscard]] std::string run(int operations) {
    for (int i = 0; i < operations && problem_.empty(); ++i) {
      step();
      if (draw_.below(4) == 0) world_.driver.collect_garbage();
      if (problem_.empty() && (i % 64 == 0 || i + 1 == operations)) problem_ = world_.complaint();
      if (!problem_.empty()) problem_ += " (operation " + std::to_string(i) + ": " + doing_ + ")";
    }
    std::vector<std::string> const left = world_.finish();
    if (problem_.empty() && !left.empty()) problem_ = left.front() + " (audit)";
    return problem_;
  }

 private:
  static constexpr std::uint64_t arena_pages = 1536;  // 6 MiB around a notifier border
  static constexpr std::uint64_t first_page = (4 * GiB) / page_bytes + 256;

  svm::mock::machine_options draw_options() {
    return options([this](auto& o) {
      constexpr std::uint64_t sizes[] = {64 * KiB, 256 * KiB, 1 * MiB, 4 * MiB, 32 * MiB};
      o.vram = {sizes[draw_.below(5)]};
      o.ram = {64 * MiB};
      o.notifier_size = {std::uint64_t{2 * MiB} << draw_.below(3)};
      if (draw_.below(2) == 0) o.chunks = {{64 * KiB}, {4 * KiB}};
      if (draw_.below(4) == 0) o.driver.migrate = svm::migration_mode::never;
      if (draw_.below(6) == 0) o.driver.migrate = svm::migration_mode::required;
      if (draw_.below(2) == 0) o.driver.check_pages_threshold = {64 * KiB};
      if (draw_.below(3) == 0) o.driver.timeslice = svm::milliseconds(5);
      o.driver.read_only = draw_.below(8) == 0;
      if (draw_.below(2) == 0) o.first_dma_address = {1 << 20};
    });
  }

  [[nodiscard]] static cpu_va address(std::uint64_t page) { return {page * page_bytes}; }
  /// A span of pages in the arena, its size log-uniform.
  struct pick {
    std::uint64_t first;
    std::uint64_t count;
  };
  [[nodiscard]] pick draw_span() {
    std::uint64_t const longest = std::uint64_t{1} << draw_.below(11);
    std::uint64_t const count = 1 + draw_.below(longest);
    std::uint64_t const first = first_page + draw_.below(arena_pages - (count < arena_pages ? count : 0));
    return {first, count < arena_pages ? count : arena_pages};
  }
  [[nodiscard]] protection draw_protection() {
    std::uint64_t const n = draw_.below(10);
    return n == 0 ? protection::none : n < 3 ? protection::read : protection::read_write;
  }

  void expect(bool good, std::string const& text) {
    if (!good && problem_.empty()) problem_ = text;
  }

  void step() {
    std::uint64_t const n = draw_.below(100);
    if (n < 8)
      map();
    else if (n < 13)
      unmap();
    else if (n < 18)
      protect();
    else if (n < 22)
      dontneed();
    else if (n < 50)
      cpu_access();
    else if (n < 84)
      gpu_access();
    else if (n < 89)
      prefetch();
    else if (n < 93)
      evict();
    else if (n < 95)
      world_.clock.advance(svm::milliseconds(draw_.below(8)));
    else if (n < 97)
      static_cast<void>(world_.process.replace_page(address(draw_span().first)));
    else
      arm();
  }

  void map() {
    pick const s = draw_span();
    std::uint64_t const k = draw_.below(8);
    mapping_kind const kind = k == 0 ? mapping_kind::file : k == 1 ? mapping_kind::shared : mapping_kind::anon;
    protection const allowed = draw_protection();
    doing_ = "mmap";
    auto const mapped = world_.process.mmap({s.count * page_bytes}, allowed, kind, address(s.first));
    bool const taken = model_.any(s.first, s.count);
    expect(mapped.error == (taken ? sys::eexist : sys::ok), "mmap ended differently");
    if (mapped.error == sys::ok) model_.map(s.first, s.count, {allowed, kind});
  }
  void unmap() {
    pick const s = draw_span();
    doing_ = "munmap";
    expect(world_.process.munmap(address(s.first), {s.count * page_bytes}) == sys::ok, "munmap failed");
    model_.unmap(s.first, s.count);
  }
  void protect() {
    pick const s = draw_span();
    protection const allowed = draw_protection();
    doing_ = "mprotect";
    sys const e = world_.process.mprotect(address(s.first), {s.count * page_bytes}, allowed);
    expect(e == (model_.protect(s.first, s.count, allowed) ? sys::ok : sys::enomem), "mprotect ended differently");
  }
  void dontneed() {
    pick const s = draw_span();
    doing_ = "madvise";
    static_cast<void>(world_.process.madvise_dontneed(address(s.first), {s.count * page_bytes}));
    model_.dontneed(s.first, s.count);
  }
  void evict() {
    doing_ = "evict";
    errc const e = world_.mover.evict_all();
    expect(e == errc::ok || failure_struck(), "an eviction failed");
  }
  void prefetch() {
    pick const s = draw_span();
    doing_ = "prefetch";
    constexpr svm::prefetch_place places[] = {svm::prefetch_place::as_fault, svm::prefetch_place::system,
                                              svm::prefetch_place::device};
    static_cast<void>(world_.driver.prefetch(span(address(s.first), s.count * page_bytes), places[draw_.below(3)]));
  }
  void arm() {
    static_cast<void>(failure_struck());
    auto const kind = static_cast<svm::mock::failure>(draw_.below(svm::mock::failure_kinds));
    world_.failures.arm(kind, 1 + draw_.below(40));
  }
  /// True when an injected failure happened since the last question.
  [[nodiscard]] bool failure_struck() { return std::exchange(struck_, world_.failures.struck()) != struck_; }

  void cpu_access() {
    std::uint64_t const n = first_page + draw_.below(arena_pages);
    std::uint64_t const a = n * page_bytes + 8 * draw_.below(512);
    auto const p = model_.find(n);
    bool const write = draw_.below(2) == 0;
    static_cast<void>(failure_struck());
    doing_ = write ? "cpu write" : "cpu read";
    bool const allowed = p && (write ? p->allowed == protection::read_write : p->allowed != protection::none);
    if (write) {
      std::uint64_t const value = draw_.next();
      sys const e = world_.cpu_write({a}, value);
      expect(allowed ? e == sys::ok || failure_struck() : e == sys::sigsegv, "a CPU write ended differently");
      if (e == sys::ok) model_.set_word(a, value);
    } else {
      std::optional<std::uint64_t> const value = world_.cpu_read({a});
      expect(allowed ? value || failure_struck() : !value, "a CPU read ended differently");
      if (value) expect(*value == model_.word(a), "the CPU reads a wrong word");
    }
  }
  void gpu_access() {
    std::uint64_t const n = first_page + draw_.below(arena_pages);
    std::uint64_t const a = n * page_bytes + 8 * draw_.below(512);
    auto const p = model_.find(n);
    bool const write = draw_.below(2) == 0;
    static_cast<void>(failure_struck());
    doing_ = write ? "gpu write" : "gpu read";
    std::byte word[8] = {};
    std::uint64_t value = draw_.next();
    if (write) std::memcpy(word, &value, sizeof value);
    errc const e = write ? world_.gpu_store({a}, word) : world_.gpu_load({a}, word);
    bool const required = world_.driver.options().migrate == svm::migration_mode::required;
    errc denied = errc::ok;
    if (write && readonly_)
      denied = errc::read_only;
    else if (!p)
      denied = errc::no_vma;
    else if (write && p->allowed != protection::read_write)
      denied = errc::read_only;
    else if (p->allowed == protection::none)
      denied = errc::no_access;
    else if (required && p->kind != mapping_kind::anon)
      denied = errc::not_migratable;
    if (denied != errc::ok)
      expect(e == denied || e == errc::ok /* a mapping of before, by prefetch to system memory */ || failure_struck(),
             std::string{"a GPU access ended with "} + errno_name(e) + ", not " + errno_name(denied));
    else
      expect(e == errc::ok || failure_struck() || required, std::string{"a GPU access ended with "} + errno_name(e));
    if (e != errc::ok) return;
    std::memcpy(&value, word, sizeof value);
    if (write)
      model_.set_word(a, value);
    else
      expect(value == model_.word(a), "the GPU reads a wrong word");
  }

  svm::mock::random draw_;
  world world_;
  bool const readonly_;
  process_model model_;
  std::string problem_;
  std::string doing_;
  std::uint64_t struck_ = 0;
};

}  // namespace

TEST_SUITE("stress/random") {
  TEST_CASE("random programs see the memory of a process, and the oracle sees nothing wrong") {
    // SVM_SEED runs one seed, SVM_PROGRAMS more of them.
    char const* const one = std::getenv("SVM_SEED");
    char const* const many = std::getenv("SVM_PROGRAMS");
    std::uint64_t const first = one != nullptr ? std::strtoull(one, nullptr, 0) : 1;
    std::uint64_t const count = one != nullptr ? 1 : many != nullptr ? std::strtoull(many, nullptr, 0) : 40;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
      std::string const problem = program{seed}.run(1000);
      CHECK_MESSAGE(problem.empty(), doctest::toString("SVM_SEED=" + std::to_string(seed) + ": " + problem));
    }
  }
}
